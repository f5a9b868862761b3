"""No key of an account appears in anything that is raised, shown or logged."""

import base64
import io
import logging
import pickle
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import quote, quote_plus

import pytest

from publisher.networks.base import Failure, Outgoing, Picture, Refused, TryLater, scrub
from publisher.networks.bluesky import Bluesky
from publisher.networks.facebook import Facebook
from publisher.networks.mastodon import Mastodon
from publisher.networks.x import X
from tests.networks.conftest import (
    BLUESKY_KEYS,
    BLUESKY_TOKENS,
    FACEBOOK_KEYS,
    MASTODON_KEYS,
    X_KEYS,
    Script,
    reply,
)

# Mastodon's has a name that X's has too.
KEYS = [value for name, value in (X_KEYS | FACEBOOK_KEYS).items() if name not in ("page_id", "version")]
KEYS += [*MASTODON_KEYS.values(), *BLUESKY_KEYS.values(), *BLUESKY_TOKENS]
PICTURE = Picture(b"\x89PNG...", "image/png", "A well")
POST = Outgoing("Water\nhttps://example.org/water", "https://example.org/water")


def leaks(text: str) -> list[str]:
    """The keys that stand in a text, plain, escaped once or twice, or in base64."""
    found = []
    for key in KEYS:
        forms = {key, quote(key), quote(key, safe=""), quote_plus(key), quote(quote(key, safe=""), safe="")}
        forms.add(base64.b64encode(key.encode()).decode().rstrip("="))
        found += [form for form in forms if form in text]
    return found


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """All that any library says at DEBUG, as a handler at the root would write it."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    loggers = [logging.getLogger(name) for name in (None, "urllib3", "requests_oauthlib", "oauthlib", "tweepy")]
    levels = [logger.level for logger in loggers]
    logging.getLogger().addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield written
    logging.getLogger().removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def everything_said(network: X | Facebook | Mastodon | Bluesky) -> str:
    """What publishing, looking and checking raise and return, with the traceback and its whole chain."""
    said = [repr(network), str(network), repr(network.check())]
    for attempt in (
        lambda: network.publish(POST),
        lambda: network.publish(Outgoing(POST.text, POST.link, PICTURE)),
        lambda: network.find(POST, since=datetime(2026, 11, 22, tzinfo=UTC)),
    ):
        try:
            said.append(repr(attempt()))
        except Failure as failure:
            said += [repr(failure), repr(vars(failure)), *traceback.format_exception(failure)]
            said.append(repr(failure.__context__))
    return "\n".join(said)


def echo(network: X | Facebook | Mastodon | Bluesky) -> str:
    """The keys of this account, plain and escaped, as a server could throw them back."""
    tokens = dict(zip(("access", "refresh"), BLUESKY_TOKENS, strict=True))
    keys = {
        "x": X_KEYS,
        "facebook": {**FACEBOOK_KEYS, "page_id": "", "version": ""},
        "mastodon": MASTODON_KEYS,
        "bluesky": BLUESKY_KEYS | tokens,
    }[network.name]
    return " ".join([*keys.values(), *(quote(key, safe="") for key in keys.values())])


@pytest.mark.parametrize(
    "answer",
    [
        lambda said: "never answer",
        lambda said: "close after reading",
        lambda said: reply(200, {"id": "1001", "data": {"id": "1", "username": "psg"}}),
        lambda said: reply(301, Location=f"https://graph.facebook.com/?access_token={said}"),
        lambda said: reply(302, Location=f"https://graph.facebook.com/?access_token={said}"),
        lambda said: reply(400, {"title": said, "detail": said, "error": {"code": 100, "message": said}}),
        lambda said: reply(401, {"title": "x" * 290 + said, "error": {"code": 1, "message": "x" * 290 + said}}),
        lambda said: reply(400, {"error": "InvalidRequest", "message": "x" * 290 + said}),
        lambda said: reply(500, said),
        lambda said: reply(503, {"error": {"code": 2, "message": said}}),
        lambda said: f"{said} {said}\r\n\r\n".encode(),
        lambda said: f"HTTP/1.1 200 OK\r\nContent-Length: {said}\r\nContent-Encoding: {said}\r\n\r\n".encode(),
    ],
)
def test_no_key_is_said_or_logged(network, script: Script, everything_logged, answer):
    script.play(answer(echo(network)))

    said = everything_said(network)

    assert leaks(said) == []
    assert leaks(everything_logged.getvalue()) == []
    # What could have leaked was there: the keys left for the server, and the libraries did log.
    sent = "".join(f"{asked.target} {asked.headers} {asked.body!r}" for asked in script.asked)
    assert leaks(sent) != []
    assert "Starting new HTTP connection" in everything_logged.getvalue()


def test_no_key_is_said_where_nobody_listens(nobody, everything_logged):
    facebook = Facebook(credentials=FACEBOOK_KEYS, address=nobody, account="PSG")
    x = X(credentials=X_KEYS, address=nobody, account="psg")
    mastodon = Mastodon(credentials=MASTODON_KEYS, address=nobody, account="@psg@mastodon.example")
    bluesky = Bluesky(credentials=BLUESKY_KEYS, address=nobody, account="@psg.bsky.social")

    assert leaks("".join(map(everything_said, (facebook, x, mastodon, bluesky)))) == []
    assert leaks(everything_logged.getvalue()) == []


@pytest.mark.parametrize("key", KEYS)
def test_scrubbing_finds_a_key_in_its_disguises(key):
    for disguise in (key, quote(key, safe=""), quote_plus(key), quote(quote(key, safe=""), safe="")):
        assert scrub(f"before {disguise} after", [key]) == "before [hidden] after"


def test_scrubbing_takes_the_longer_of_two_keys_first():
    assert scrub("token-and-secret", ["token", "token-and-secret", ""]) == "[hidden]"


def test_a_picture_does_not_print_its_bytes():
    assert repr(PICTURE) == "Picture(media_type='image/png', alt='A well')"


@pytest.mark.parametrize("failure", [Refused("No.", kind="money", code=402), TryLater("Wait.", after=7, kind="rate")])
def test_a_failure_survives_a_worker_s_result(failure):
    copy = pickle.loads(pickle.dumps(failure))

    assert (type(copy), vars(copy)) == (type(failure), vars(failure))
