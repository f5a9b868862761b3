"""PUBLISHER_SMTP_URL: what it means, and that a mistake in it is named without showing a password."""

import pytest

from publisher.delivery.relays import Relay, RelayWrong, is_loopback, parse_relays


def test_a_relay_with_everything_in_it() -> None:
    assert parse_relays("smtp://ann%40example.org:p%40ss%2Cw%3A%2F%25@mail.example.org:2525?tls=starttls&weight=2") == (
        Relay("mail.example.org", 2525, "ann@example.org", "p@ss,w:/%", "starttls", 2),
    )


@pytest.mark.parametrize(
    ("value", "relay"),
    [
        ("smtp://mail.example.org", Relay("mail.example.org", 25, tls="starttls")),
        ("smtp://u:p@mail.example.org", Relay("mail.example.org", 587, "u", "p", "starttls")),
        ("smtps://u:p@mail.example.org", Relay("mail.example.org", 465, "u", "p", "implicit")),
        ("smtps://mail.example.org?tls=implicit", Relay("mail.example.org", 465, tls="implicit")),
        ("smtp://mail.example.org?tls=none", Relay("mail.example.org", 25, tls="none")),
        ("smtp://127.0.0.1:2525", Relay("127.0.0.1", 2525, tls="none")),
        ("smtp://u:p@[::1]:2525/", Relay("::1", 2525, "u", "p", tls="none")),
        ("smtp://localhost:2525?tls=starttls", Relay("localhost", 2525, tls="starttls")),
    ],
)
def test_what_is_left_out_has_a_safe_default(value: str, relay: Relay) -> None:
    assert parse_relays(value) == (relay,)


def test_several_relays_stand_in_their_order() -> None:
    relays = parse_relays("smtp://a.example.org, smtps://b.example.org?weight=3")
    assert [(relay.host, relay.weight) for relay in relays] == [("a.example.org", 1), ("b.example.org", 3)]


@pytest.mark.parametrize("value", ["", "  "])
def test_nothing_set_is_no_relay(value: str) -> None:
    assert parse_relays(value) == ()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("mail.example.org:25", "must begin with smtp:// or smtps://"),
        ("http://mail.example.org", "must begin with smtp:// or smtps://"),
        ("smtp://", "the host is missing"),
        ("smtp://:s3cret@", "the host is missing"),
        ("smtp://u:s3cret@mail.example.org:port", "the host or the port cannot be read"),
        ("smtp://u:s3cret@mail.example.org:99999", "the host or the port cannot be read"),
        ("smtp://mail.example.org:0", "only a port (1 to 65535)"),
        ("smtp://u:s3cret/rest@mail.example.org", "the host or the port cannot be read"),
        ("smtp://u:s3cret@[::1", "the host or the port cannot be read"),
        ("smtp://u:s3cret@mail.example.org/inbox", "only a port (1 to 65535)"),
        ("smtp://u:s3cret@mail.example.org?starttls=1", "the option 'starttls' is not known"),
        ("smtp://u:s3cret@mail.example.org?tls=yes", "tls=yes is not known"),
        ("smtps://u:s3cret@mail.example.org?tls=none", "tls=none contradicts it"),
        ("smtp://u:s3cret@mail.example.org?weight=0", "weight=0 is not a whole number"),
        ("smtp://u:s3cret@mail.example.org?weight=2&weight=3", "stands there twice"),
        ("smtp://u@mail.example.org", "a user needs a password"),
        ("smtp://:s3cret@mail.example.org", "a user needs a password"),
        ("smtp://u:s3cret%0d%0aQUIT@mail.example.org", "a control character"),
        ("smtp://u:s3cret@mail.example.org?tls=none", "clear text"),
        ("smtp://u:s3cret@mail..example.org", "mail..example.org is not the name of a host"),
        (f"smtp://{'a' * 64}.example.org", "is not the name of a host"),
        ("smtp://a.example.org,,smtp://b.example.org", "relay 2: there is nothing between two commas"),
    ],
)
def test_a_mistake_is_named_and_no_password_is_shown(value: str, said: str) -> None:
    with pytest.raises(RelayWrong) as refusal:
        parse_relays(value)
    assert said in str(refusal.value)
    assert "s3cret" not in str(refusal.value)


def test_a_password_is_never_in_what_is_printed() -> None:
    relay = parse_relays("smtp://u:s3cret@mail.example.org")[0]
    assert "s3cret" not in f"{relay} {relay!r}"


def test_loopback_is_this_machine_and_nothing_else() -> None:
    names = ["127.0.0.1", "127.8.9.10", "::1", "localhost", "LOCALHOST"]
    others = ["10.0.0.1", "localhost.example.org", "mail", "0.0.0.0", "::"]
    assert [is_loopback(name) for name in names + others] == [True] * 5 + [False] * 5
