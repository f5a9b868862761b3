"""Whose letter failed, and why: the letters of one outcome, on a page that costs the same however many they are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from publisher import members
from publisher.models import Delivery, Digest, Member
from publisher.web.staff import deliveries

AT = datetime(2007, 3, 31, 10, 0, tzinfo=UTC)


def of(digest: Digest, state: str) -> str:
    return reverse("sending-deliveries", args=[digest.pk, state])


def fail(digest: Digest, *names: str) -> None:
    chosen = digest.deliveries.filter(address__in=[f"{name}@members.example" for name in names])
    said = {"code": 550, "enhanced": "5.1.1", "reply": "550 5.1.1 No such user <here>"}
    assert chosen.update(state="failed", attempts=1, state_since=AT, **said) == len(names)


def test_the_counts_lead_to_whose_letters_they_are(as_ben: Client, sending: Any, read: Any) -> None:
    fail(sending, "m1", "m3")
    page = read(as_ben.get(reverse("sending", args=[sending.pk])))
    assert page.values("table.counts a", "href") == [of(sending, "failed")]

    page = read(as_ben.get(of(sending, "failed")))

    assert page.one("h1") == "2 letters: failed"
    assert page("tbody th") == ["m1@members.example", "m3@members.example"]
    row = ["550 5.1.1 No such user <here>", "1", "Saturday 31 March 2007, 11:00"]
    assert page("tbody td") == [*row, *row]
    ids = Member.objects.filter(email__in=page("tbody th")).order_by("pk").values_list("pk", flat=True)
    assert page.values("tbody a", "href") == [reverse("member", args=[pk]) for pk in ids]


def test_who_was_erased_has_no_address_there(as_ben: Client, sending: Any, read: Any, anne: Any) -> None:
    fail(sending, "m1", "m3")
    members.erase(Member.objects.get(email="m1@members.example"), by=anne)
    page = read(as_ben.get(of(sending, "failed")))
    assert page("tbody th") == ["an erased member", "m3@members.example"]
    assert page("tbody td")[0] == "550 5.1.1"
    assert "erased-" not in page.one("#page")


def test_many_are_read_page_by_page_and_each_costs_the_same(
    as_ben: Client, sending: Any, read: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(deliveries, "PER_PAGE", 2)
    fail(sending, "m0", "m1", "m2", "m3", "m4")
    seen, address, queries = [], of(sending, "failed"), set()
    for _ in range(3):
        with CaptureQueriesContext(connection) as asked:
            page = read(as_ben.get(address))
        seen.append(page("tbody th"))
        queries.add(len(asked))
        further = [href for href in page.values("nav[aria-label=Pages] a", "href") if "after" in href]
        address = of(sending, "failed") + further[0] if further else ""
    assert [[each.partition("@")[0] for each in listed] for listed in seen] == [["m0", "m1"], ["m2", "m3"], ["m4"]]
    assert (address, len(queries)) == ("", 1)


def test_what_is_no_page_is_none(as_ben: Client, sending: Any, read: Any) -> None:
    fail(sending, "m0")
    for state in ("sent", "queued", "nonsense"):
        assert as_ben.get(of(sending, state)).status_code == 404
    for after in ("x", "-1", "9" * 40, "²"):
        assert read(as_ben.get(of(sending, "failed"), {"after": after}))("tbody th") == ["m0@members.example"]
    assert read(as_ben.get(of(sending, "failed"), {"after": "9" * 18}))("p.quiet") == ["There is none further on."]


def test_what_is_unknown_is_not_called_settled(as_ben: Client, sending: Any, read: Any) -> None:
    fail(sending, "m0", "m1")
    Delivery.objects.filter(address="m2@members.example").update(state="unknown", phase="dot", reply="It broke off.")
    page = read(as_ben.get(reverse("sending", args=[sending.pk])))
    assert page.one("progress + .quiet") == "2 of 5 are settled, 1 unknown."
