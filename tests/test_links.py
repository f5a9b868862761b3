"""Addresses that we print: what the signed ones open, and what they do not."""

from __future__ import annotations

import base64

import pytest

from publisher import links
from publisher.lifecycle import Refusal
from publisher.models import Member, Picture, Subscription


def test_a_token_says_what_was_signed_and_fits_an_address():
    token = links.sign("leave", 12, 3)
    assert links.read("leave", token) == (12, 3)
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_a_token_serves_its_own_purpose_alone():
    assert links.read("confirm", links.sign("leave", 12)) is None


def raw(token: str) -> bytes:
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def written(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def forged(token: str, was: bytes, payload: bytes) -> str:
    """With other rows under the same veil, as far as whoever knows the rows knows it."""
    signature, veiled = raw(token)[:20], raw(token)[20:]
    return written(signature + bytes(a ^ b ^ c for a, b, c in zip(veiled, was, payload, strict=False)))


def test_a_token_shows_nothing_of_its_rows_and_no_two_begin_alike():
    tokens = [links.sign("leave", member, 77) for member in (123456, 123457)] + [links.sign("confirm", 123456, 77)]
    assert [any(seen in raw(token) for seen in (b"12345", b".77")) for token in tokens] == [False] * 3
    assert len({token[-8:] for token in tokens} | {token[:8] for token in tokens}) == 6


@pytest.mark.parametrize("number", range(120))
def test_every_changed_bit_is_noticed(number):
    token = bytearray(
        base64.urlsafe_b64decode(links.sign("leave", 12, 3) + "=="[: -len(links.sign("leave", 12, 3)) % 4])
    )
    token[number % len(token)] ^= 1 << (number % 7)
    assert links.read("leave", base64.urlsafe_b64encode(token).decode().rstrip("=")) is None


@pytest.mark.parametrize("ids", [(1, 2), (12, 3), (12, 34)])
def test_a_token_is_written_in_one_way_only(ids):
    """Decoded, these are the same bytes: spare bits at the end, and signs that Base64 skips."""
    token = links.sign("leave", *ids)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = {token[:-1] + last for last in alphabet} | {f"{token}=", f"{token}.", f"{token[:9]}!{token[9:]}"}
    assert [other for other in others - {token} if links.read("leave", other)] == []
    assert links.read("leave", token) == ids


def test_a_signature_fits_its_own_rows_alone():
    token = links.sign("leave", 1, 23)
    assert links.read("leave", forged(token, b"1.23", b"1.23")) == (1, 23)
    for payload in (b"12.3", b"1.24", b"2.23", b"1_23", b"", b"1", b"1.2", b" .23"):
        assert links.read("leave", forged(token, b"1.23", payload)) is None
    for cut in (b"", raw(token)[:-1], raw(token)[:20], raw(token)[:1], raw(token) + b"x", raw(token)[1:], bytes(200)):
        assert links.read("leave", written(cut)) is None


def test_a_long_row_of_numbers_is_read_as_it_was_written():
    ids = (2**63 - 1, 2**33, 2**60 - 1, 2**60 - 1)
    assert links.read("address", links.sign("address", *ids)) == ids


@pytest.mark.parametrize("nonsense", ["", "~", "a", "ä", "\0", "AAAA", "x" * 10_000, "====", "../..", "MTI~"])
def test_nonsense_is_nothing(nonsense):
    assert links.read("leave", nonsense) is None


def test_an_older_key_still_reads_and_a_key_that_was_given_up_does_not(settings):
    old = links.sign("leave", 12)
    settings.KEYS = {**settings.KEYS, "links": ["new", *settings.KEYS["links"]]}
    new = links.sign("leave", 12)
    assert (links.read("leave", old), links.read("leave", new), old != new) == ((12,), (12,), True)
    settings.KEYS = {**settings.KEYS, "links": ["new"]}
    assert (links.read("leave", old), links.read("leave", new)) == (None, (12,))


def test_other_keys_sign_nothing_here(settings):
    token = links.sign("leave", 12)
    settings.KEYS = {"links": ["another"], "suppression": settings.KEYS["links"], "tokens": settings.KEYS["links"]}
    assert links.read("leave", token) is None


def test_addresses_are_those_of_the_public_pages(publication, proof, settings):
    settings.BASE_URL = "https://updates.example"
    digest, member = proof.digest, Member.objects.create(email="rosa@members.example")
    subscription = Subscription.objects.create(member=member, publication=publication, state="pending")
    picture = Picture(sha256="ab" * 32, media_type="image/jpeg", width=1, height=1)
    leave = links.sign("leave", member.pk, publication.pk)
    found = [
        links.archive_url(publication),
        links.subscribe_url(publication),
        links.digest_url(digest),
        links.entry_url(digest.entries.last()),
        links.picture_url(picture),
        links.leaver(publication.pk)(member.pk),
        links.confirm_url(subscription),
    ]
    assert found == [
        "https://updates.example/update/",
        "https://updates.example/update/subscribe/",
        "https://updates.example/update/120/",
        "https://updates.example/update/120/3/",
        f"https://updates.example/pictures/{'ab' * 32}.jpg",
        f"https://updates.example/leave/{leave}/",
        f"https://updates.example/confirm/{links.confirm_token(subscription)}/",
    ]


# ---- Where letters come back to


@pytest.fixture
def bounces(settings):
    settings.BOUNCE_ADDRESS = "bounces@example.org"


@pytest.mark.parametrize("number", [1, 255, 256, 1_234_567, 2**63 - 1])
def test_an_address_for_bounces_says_which_delivery_came_back(bounces, number):
    address = links.bounce_address(number)
    local, _, domain = address.partition("@")
    assert (local.split("+")[0], domain, len(local) <= 64, local.lower()) == ("bounces", "example.org", True, local)
    assert links.read_bounce(address) == links.read_bounce(address.upper()) == number


def test_the_longest_address_for_bounces_still_fits(settings):
    settings.BOUNCE_ADDRESS = f"{'b' * 31}@example.org"
    assert len(links.bounce_address(2**63 - 1).partition("@")[0]) == 64


def test_without_an_address_for_bounces_there_is_none(settings):
    assert settings.BOUNCE_ADDRESS == links.bounce_address(12) == ""


@pytest.mark.parametrize(
    "wrong", ["bounces", "@x.org", "b@", "b@c@d.org", "bücher@x.org", "b b@x.org", "b" * 32 + "@x"]
)
def test_what_cannot_take_bounces_is_refused_in_words(settings, wrong):
    settings.BOUNCE_ADDRESS = wrong
    with pytest.raises(Refusal, match="PUBLISHER_BOUNCE_ADDRESS is no address such as"):
        links.bounce_address(12)


def test_bounces_of_letters_sent_before_the_address_changed_are_still_read(bounces, settings):
    old = links.bounce_address(12)
    settings.BOUNCE_ADDRESS = "me+letters@other.example"
    assert (links.read_bounce(old), links.read_bounce(links.bounce_address(13))) == (12, 13)
    settings.KEYS = {**settings.KEYS, "links": ["new", *settings.KEYS["links"]]}
    assert (links.read_bounce(old), links.bounce_address(12) != old) == (12, True)
    settings.KEYS = {**settings.KEYS, "links": ["new"]}
    assert links.read_bounce(old) is None


def test_every_changed_character_of_a_bounce_is_noticed(bounces):
    token = links.bounce_address(300).partition("+")[2].partition("@")[0]
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    others = [
        token[:at] + other + token[at + 1 :] for at in range(len(token)) for other in alphabet if other != token[at]
    ]
    assert [other for other in others if links.read_bounce(f"bounces+{other}@example.org") is not None] == []


@pytest.mark.parametrize(
    "address", ["", "@", "a@b", "bounces@example.org", "bounces+@example.org", "bounces+ä@x", "b+aa======@x", "b+1@x",
                f"b+{'a' * 10_000}@x", "b+" + "a" * 32 + "@x"]
)  # fmt: skip
def test_what_is_no_bounce_of_ours_is_nothing(address):
    assert links.read_bounce(address) is None


def test_a_link_to_leave_is_no_bounce(bounces):
    token = links.bounce_address(12).partition("+")[2].partition("@")[0]
    assert (links.read("bounce", token), links.read("leave", token)) == (None, None)
    assert links.read_bounce(f"bounces+{links.sign('bounce', 12)}@example.org") is None


def test_every_address_to_leave_begins_alike(settings):
    settings.BASE_URL = "https://updates.example"
    assert links.leave_prefix() == "https://updates.example/leave/"
    assert links.leaver(3)(12) == f"https://updates.example/leave/{links.sign('leave', 12, 3)}/"
