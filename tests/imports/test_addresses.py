"""The quick way for plain addresses accepts what the long way accepts, and makes the same of it."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from publisher import members
from publisher.imports import addresses
from publisher.lifecycle import Refusal

LABELS = st.text("abcXYZ019-", min_size=1, max_size=8) | st.sampled_from(["xn--bcher-kva", "ab--c", "B" * 64, "é", ""])
ENDS = st.sampled_from(["example", "TEST", "invalid", "localhost", "com", "c0m", "123", "co.uk", "onion", "ＣＯＭ", ""])
DOMAINS = st.builds(lambda labels, end: ".".join([*labels, end]), st.lists(LABELS, max_size=5), ENDS)
LOCALS = st.text("abcABC019.+-_'!#$%&*/=?^`{|}~ \"\\()<>,:;@é\u0338ßΣ\0\n", max_size=12) | st.text(max_size=8)
ADDRESSES = st.builds(
    "{}{}@{}{}".format, st.sampled_from(["", " ", "\t"]), LOCALS, DOMAINS, st.sampled_from(["", " ", "."])
)
LONG = st.builds(lambda n, domain: "a" * n + "@" + domain, st.integers(1, 300), DOMAINS)


@given(ADDRESSES | LONG | st.text(max_size=20) | st.emails())
@example("a" * 240 + "@members.example")
@example("a" * 238 + "@members.example")
@example("Rosa@XN--BCHER-KVA.example")
@example("rosa@\u0338members.example")
@example("rosa@members.example@members.example")
@example("POSTMASTER@Members.Example ")
@example("rosa@test")
@example("rosa@mail.test")
@example("rosa@Members.LOCAL")
@example("rosa@ab--c.example")
@example("rosa@members.\u212aey")
@example("rosa@" + "a" * 64 + ".example")
def test_each_address_is_what_it_always_was(email):
    assert made(addresses.normalise, email) == made(members.normalise, email)


@pytest.mark.parametrize("email", ["Rosa.Vega+x@Members.Example", "o'neill@mail.co.uk", "a@b-c.example"])
def test_a_plain_address_takes_the_quick_way(email, monkeypatch):
    addresses.normalise(email)  # its domain is known now
    monkeypatch.setattr(members, "normalise", pytest.fail)
    assert addresses.normalise(email) == email.lower()


def made(normalise, email):
    try:
        return normalise(email)
    except Refusal as problem:
        return str(problem), "refused"
