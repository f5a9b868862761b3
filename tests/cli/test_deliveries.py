"""Deliveries from the command line: looked at, settled, and held against the relay's log."""

from __future__ import annotations

import pytest

from publisher.delivery import doubts
from publisher.models import Delivery, Event


@pytest.fixture
def unknown(sending):
    """m0 and m1 are unknown; the others are still queued. → the two rows"""
    rows = list(sending.deliveries.order_by("id")[:2])
    ids = [row.pk for row in rows]
    Delivery.objects.filter(pk__in=ids).update(state="unknown", phase="dot", reply="It broke off.")
    return list(Delivery.objects.filter(pk__in=ids).order_by("id"))


@pytest.fixture
def log(unknown, tmp_path):
    """The relay's log, which has m0 alone."""
    message_id = doubts.message_ids(unknown)[unknown[0].pk]
    written = tmp_path / "mail.log"
    written.write_text(
        "2026-11-23T02:44:15Z relay postfix/smtpd[1]: ABCDE: client=worker[192.0.2.7]\n"
        f"2026-11-23T02:44:15Z relay postfix/cleanup[2]: ABCDE: message-id={message_id}\n"
        "2026-11-23T02:44:15Z relay postfix/qmgr[3]: ABCDE: from=<u@r>, size=1, nrcpt=1 (queue active)\n"
    )
    return written


def states(rows):
    return list(Delivery.objects.filter(pk__in=[row.pk for row in rows]).order_by("id").values_list("state", flat=True))


def test_deliveries_are_listed_by_state(publisher, unknown):
    answer = publisher("deliveries", "list", "--state", "unknown", "--digest", 120)
    assert [line.split()[0] for line in answer.out.splitlines()[2:]] == [str(row.pk) for row in unknown]
    listed = publisher("deliveries", "list", "--state", "queued", "--json").json()
    assert [each["address"] for each in listed] == [f"m{n}@members.example" for n in (2, 3, 4)]
    assert publisher("deliveries", "list", "--limit", 2).out.endswith("and 3 more: --limit 0 shows all.\n")
    assert publisher("deliveries", "list", "--state", "lost").err.startswith("No delivery is ever “lost”: say one of")


def test_a_delivery_is_shown_with_what_is_known_of_it(publisher, unknown):
    shown = publisher("deliveries", "show", unknown[0].pk, "--json").json()
    told = {name: shown[name] for name in ("id", "digest", "address", "state", "reply", "phase", "message_id")}
    assert told == {
        "id": unknown[0].pk,
        "digest": 120,
        "address": "m0@members.example",
        "state": "unknown",
        "reply": "It broke off.",
        "phase": "dot",
        "message_id": doubts.message_ids(unknown)[unknown[0].pk],
    }
    assert shown["message_id"] in publisher("deliveries", "show", unknown[0].pk).out
    assert publisher("deliveries", "show", 0).err == "There is no delivery 0: see `publisher deliveries list`.\n"


def test_a_person_settles_one_with_a_reason(publisher, unknown, ben):
    first, second = unknown
    words = ("deliveries", "settle", first.pk, "--arrived", "--by", "ben")
    assert publisher(*words, "--why", " ").err == "Say how you know: --why stands in the history.\n"
    assert publisher(*words, "--why", "she wrote").out == f"Delivery {first.pk} is sent.\n"
    again = publisher("deliveries", "settle", second.pk, "--send-again", "--by", "ben", "--why", "he asked")
    assert again.out == f"Delivery {second.pk} is queued again.\n"
    assert states(unknown) == ["sent", "queued"]
    assert publisher(*words, "--why", "x").err == "Somebody has settled this delivery already.\n"


def test_the_relays_log_settles_what_it_has(publisher, unknown, log, anne):
    words = ("deliveries", "reconcile", log)
    assert "Who are you?" in publisher(*words).err
    answer = publisher(*words, "--by", "anne")
    assert "The log reaches from 2026-11-23 02:44 to 2026-11-23 02:44 UTC." in answer.out
    assert answer.out.endswith("1 sent, 1 still unknown.\n")
    assert states(unknown) == ["sent", "unknown"]
    assert list(Event.objects.filter(verb="reconciled").values_list("by__username", "why", "detail")) == [
        ("anne", "mail.log", {"sent": 1, "unknown": 1})
    ]


def test_a_dry_run_tells_the_same_and_changes_nothing(publisher, unknown, log):
    before = list(Delivery.objects.values())
    answer = publisher("deliveries", "reconcile", log, "--dry-run")
    assert answer.out.endswith("Nothing was changed. It would be: 1 sent, 1 still unknown.\n")
    told = publisher("deliveries", "reconcile", log, "--dry-run", "--json").json()
    assert told["counts"] == {"sent": 1, "bounced": 0, "queued": 0, "unknown": 1, "overtaken": 0}
    assert [(each["becomes"], each["queue_id"]) for each in told["deliveries"]] == [
        ("sent", "ABCDE"),
        ("unknown", None),
    ]
    assert list(Delivery.objects.values()) == before
    assert not Event.objects.filter(verb="reconciled").exists()


def test_absent_is_not_sent_again_by_a_log_of_one_letter(publisher, unknown, log, anne):
    answer = publisher("deliveries", "reconcile", log, "--absent-was-not-taken", "--by", "anne")
    assert "It stays unknown: no other letter of this digest is known to have been taken" in answer.out
    assert states(unknown) == ["sent", "unknown"]


def test_what_cannot_be_read_is_told_in_a_sentence(publisher, unknown, tmp_path):
    (tmp_path / "notes").write_text("nothing of the kind\n")
    assert "Nothing in it was understood" in publisher("deliveries", "reconcile", tmp_path / "notes", "--dry-run").out
    gone = publisher("deliveries", "reconcile", tmp_path / "gone", "--dry-run")
    assert (gone.status, gone.err) == (1, f"{tmp_path / 'gone'} cannot be read: No such file or directory.\n")
    zone = publisher("deliveries", "reconcile", tmp_path / "notes", "--dry-run", "--time-zone", "Mars/Base")
    assert zone.err == "There is no time zone “Mars/Base”: write it as Europe/London.\n"


def test_nothing_unknown_is_nothing_to_do(publisher, sending, tmp_path):
    (tmp_path / "notes").write_text("x\n")
    assert publisher("deliveries", "reconcile", tmp_path / "notes", "--dry-run").out == "No delivery is unknown.\n"
