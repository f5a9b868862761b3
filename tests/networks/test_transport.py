"""What breaks between us and a network, and whether the post may have arrived. The same for every network."""

import socket
from datetime import UTC, datetime

import pytest

from publisher.networks.base import CannotLook, Failure, Outgoing, Refused, TryLater, Unknown
from publisher.networks.bluesky import Bluesky
from publisher.networks.facebook import Facebook
from publisher.networks.mastodon import Mastodon
from publisher.networks.x import X
from tests.networks.conftest import BLUESKY_KEYS, FACEBOOK_KEYS, IMPATIENT, MASTODON_KEYS, X_KEYS, Script, reply

POST = Outgoing("Clean water at last\n\nhttps://example.org/water", "https://example.org/water")
PAGE = "<html><body>We are over capacity</body></html>"
HALF = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n" + b'{"data":{"id":"'

KINDS = [(X, X_KEYS), (Facebook, FACEBOOK_KEYS), (Mastodon, MASTODON_KEYS), (Bluesky, BLUESKY_KEYS)]


@pytest.mark.parametrize(
    "act",
    [
        "close before reading",
        "close after reading",
        "never answer",
        "trickle",
        "trickle within the head",
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        HALF,
        reply(200, b""),
        reply(200, PAGE),
        reply(200, []),
        reply(200, {}),
        reply(200, {"success": True}),
        reply(200, {"success": False}),
        reply(200, {"id": None, "data": {"id": None}}),
        reply(200, {"id": "", "data": {"id": ""}}),
        reply(200, {"id": "12x", "data": {"id": "12x"}}),
        reply(200, {"data": [], "errors": [{"title": "Forbidden"}]}),
        reply(200, b"{", Content_Type="application/json"),
        reply(201, {"id": "1", "data": {"id": "1"}}, Content_Encoding="gzip"),
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b" " * 3_000_000,
        reply(204),
        reply(302, PAGE, Location="/elsewhere"),
        reply(303, PAGE, Location="/2/tweets/1"),
        reply(408),
        reply(500, {"title": "Internal Server Error"}),
        reply(500, {}),
        reply(502, PAGE),
        reply(503, PAGE),
        reply(504, PAGE),
    ],
)
def test_what_may_have_arrived_is_unknown_and_asked_once(network, script, act):
    script.play(act)

    with pytest.raises(Unknown) as caught:
        network.publish(POST)

    assert caught.value.reason.startswith(network.label)
    assert len(script.asked) == (act != "close before reading")


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_moved_address_is_refused_and_not_followed(network, script, status):
    script.play(reply(status, Location="http://127.0.0.1:9/elsewhere"))

    with pytest.raises(Refused) as caught:
        network.publish(POST)

    assert caught.value.kind == "other"
    assert "http://127.0.0.1:9/elsewhere" in caught.value.reason
    assert len(script.asked) == 1


@pytest.mark.parametrize("status", [404, 405, 410, 451])
def test_a_page_that_says_no_is_refused(network, script, status):
    script.play(reply(status, PAGE))

    with pytest.raises(Refused) as caught:
        network.publish(POST)

    assert caught.value.code == status


@pytest.mark.parametrize(("adapter", "keys"), KINDS)
def test_a_refused_connection_is_tried_later(adapter, keys, nobody):
    with pytest.raises(TryLater) as caught:
        adapter(credentials=keys, address=nobody, account="psg").publish(POST)

    assert (caught.value.kind, caught.value.after) == ("network", 300)


@pytest.mark.parametrize(("adapter", "keys"), KINDS)
def test_a_connection_that_is_not_answered_is_tried_later(adapter, keys, full):
    with pytest.raises(TryLater) as caught:
        adapter(credentials=keys, address=full, account="psg", timeouts=IMPATIENT).publish(POST)

    assert caught.value.kind == "network"


@pytest.mark.parametrize(("adapter", "keys"), KINDS)
def test_a_name_that_is_not_found_is_tried_later(adapter, keys, monkeypatch):
    def no_resolver(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_resolver)

    with pytest.raises(TryLater) as caught:
        adapter(credentials=keys, address="http://api.example", account="psg").publish(POST)

    assert caught.value.kind == "network"


@pytest.mark.parametrize(("adapter", "keys"), KINDS)
def test_an_address_that_is_none_is_refused(adapter, keys):
    with pytest.raises(Refused, match="address"):
        adapter(credentials=keys, address="api.x.com", account="psg").publish(POST)


@pytest.mark.parametrize("act", ["never answer", reply(503, PAGE), reply(200, PAGE), reply(301, Location="/x"), HALF])
def test_a_timeline_that_cannot_be_read_is_no_evidence(network, script, act):
    script.play(act)

    with pytest.raises(CannotLook):
        network.find(POST, since=datetime(2026, 11, 22, tzinfo=UTC))


@pytest.mark.parametrize("act", ["never answer", reply(503, PAGE), reply(401, {}), reply(200, [])])
def test_a_check_never_raises(network, script, act):
    script.play(act)

    assert network.check().problem


def test_a_failure_hides_the_sdk_s_own_words(network, script: Script):
    """The chain below an exception is printed by every error reporter: it must not hold theirs."""
    script.play("never answer")

    with pytest.raises(Failure) as caught:
        network.publish(POST)

    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
