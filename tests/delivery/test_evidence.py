"""What settles a doubt: the relay's log, a report, a person for many at once; and what does not."""

from __future__ import annotations

import email
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from publisher import digests, members
from publisher.delivery import doubts, evidence, ledger, statements
from publisher.delivery.frame import Frame
from publisher.lifecycle import Refusal
from publisher.models import Delivery, Digest, Event, Hold, Member

BEGAN = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
DOUBT = BEGAN + timedelta(minutes=30)


@pytest.fixture
def doubted(sending):
    """m0 … m3 were sent between 9:10 and 9:40; m4 is unknown since 9:30. → the digest"""
    Digest.objects.filter(pk=sending.pk).update(started_at=BEGAN)
    for minutes, row in zip((10, 20, 35, 40), sending.deliveries.order_by("id"), strict=False):
        at = BEGAN + timedelta(minutes=minutes)
        Delivery.objects.filter(pk=row.pk).update(state="sent", state_since=at, code=250, reply="taken")
    Delivery.objects.filter(digest=sending, state="queued").update(state="unknown", state_since=DOUBT, phase="dot")
    sending.refresh_from_db()
    return sending


def unknown(digest):
    return digest.deliveries.select_related("digest__publication").filter(state="unknown").order_by("id")


def states(digest):
    return {row.address.partition("@")[0]: row.state for row in digest.deliveries.order_by("id")}


class Log:
    """A relay's log, as Postfix writes it, with a line of something else every ten minutes from 8:30 to 11:00."""

    def __init__(self, digest, path: Path) -> None:
        self.path = path
        rows = list(digest.deliveries.order_by("id"))
        self.ids = {rows[n].address: found for n, found in enumerate(doubts.message_ids(rows).values())}
        self.lines = [(BEGAN + timedelta(minutes=m), "postfix/anvil[1]: statistics: x") for m in range(-30, 121, 10)]

    def took(self, name: str, minutes: float, end: str = "") -> Log:
        at, address = BEGAN + timedelta(minutes=minutes), f"{name}@members.example"
        queue_id = f"ABC{name.upper()}"
        self.lines += [
            (at, f"postfix/smtpd[7]: {queue_id}: client=worker[192.0.2.7]"),
            (at, f"postfix/cleanup[8]: {queue_id}: message-id={self.ids[address]}"),
            (at, f"postfix/qmgr[9]: {queue_id}: from=<u@r.example>, size=1, nrcpt=1 (queue active)"),
        ]
        if end:
            self.lines.append((at, f"postfix/smtp[10]: {queue_id}: to=<{address}>, relay=mx, status={end}"))
        return self

    def took_all_others(self) -> Log:
        return self.took("m0", 10).took("m1", 20).took("m2", 35).took("m3", 40)

    def written(self, zone: str = "UTC") -> list[Path]:
        lines = sorted(self.lines, key=lambda line: line[0])
        text = "".join(f"{at.astimezone(ZoneInfo(zone)):%b %d %H:%M:%S} relay {said}\n" for at, said in lines)
        self.path.write_text(text)
        return [self.path]


@pytest.fixture
def log(doubted, tmp_path):
    return Log(doubted, tmp_path / "mail.log")


def reconciled(digest, logs, *, by=None, absent=False, zone="UTC"):
    """→ (how many became what, what is said of m4)"""
    findings, _ = evidence.look(unknown(digest), logs, zone=ZoneInfo(zone), absent_was_not_taken=absent)
    counts = evidence.apply(findings, by=by, why="mail.log")
    return dict(counts), digest.deliveries.get(address="m4@members.example").reply, [each.says for each in findings]


def test_the_message_id_to_look_for_is_the_one_that_is_sent(doubted):
    frame, row = Frame(doubted, doubted.proof), unknown(doubted).get()
    (due,) = statements.due(doubted.pk, doubted.publication_id, "unknown", 1, timezone.now())
    sent = email.message_from_bytes(frame.message(due))
    assert doubts.message_ids([row]) == {row.pk: sent["Message-ID"]}


def test_what_the_log_has_was_sent_and_the_log_is_the_reply(doubted, log, anne):
    counts, reply, _ = reconciled(doubted, log.took("m4", 30).written(), by=anne)
    assert counts == {"sent": 1}
    assert reply == "Taken by the relay as ABCM4 at 2026-11-23 09:30:00 UTC, says its log."
    assert states(doubted) == {f"m{n}": "sent" for n in range(5)}
    told = Event.objects.filter(verb="reconciled").values_list("noun_id", "by__username", "why", "detail")
    assert list(told) == [(doubted.pk, "anne", "mail.log", {"sent": 1})]


def test_what_came_back_is_bounced_and_its_reply_keeps_no_address(doubted, log):
    end = "bounced (host mx said: 550 5.1.1 <M4@members.example> unknown)"
    counts, reply, _ = reconciled(doubted, log.took("m4", 30, end).written())
    assert counts == {"bounced": 1}
    assert reply == (
        "Taken by the relay as ABCM4 at 2026-11-23 09:30:00 UTC, and came back, says its log. "
        "(host mx said: 550 5.1.1 <the address> unknown)"
    )
    assert states(doubted)["m4"] == "bounced"


def test_what_was_sent_stays_sent_whatever_the_log_says(doubted, log):
    log.took("m0", 10, "bounced (no)").took("m4", 30)
    assert reconciled(doubted, log.written())[0] == {"sent": 1}
    assert states(doubted)["m0"] == "sent"


def test_what_somebody_settles_meanwhile_is_left_alone(doubted, log, ben):
    log.took("m4", 30, "bounced (no)")
    findings, _ = evidence.look(unknown(doubted), log.written(), zone=ZoneInfo("UTC"))
    ledger.settle(unknown(doubted).get(), "sent", by=ben, why="she has it")
    assert evidence.apply(findings, by=ben, why="mail.log") == {"overtaken": 1}
    assert states(doubted)["m4"] == "sent"


def test_what_is_not_in_the_log_stays_unknown(doubted, log):
    counts, _, says = reconciled(doubted, log.took_all_others().written())
    assert (counts, says) == ({"unknown": 1}, ["It is not in the log."])
    assert states(doubted)["m4"] == "unknown"


def test_absent_is_queued_again_where_the_log_shows_that_it_was_not_taken(doubted, log, ben):
    Digest.objects.filter(pk=doubted.pk).update(state="sent")
    counts, _, _ = reconciled(doubted, log.took_all_others().written(), by=ben, absent=True)
    doubted.refresh_from_db()
    assert (counts, states(doubted)["m4"], doubted.state) == ({"queued": 1}, "queued", "sending")


def test_what_broke_off_before_its_end_is_queued_again_too(doubted, log):
    log.took_all_others().took("m4", 30)
    log.lines.pop()
    log.lines.append((DOUBT, "postfix/smtpd[7]: lost connection after DATA (99 bytes) from worker[192.0.2.7]"))
    assert reconciled(doubted, log.written())[0] == {"unknown": 1}
    assert reconciled(doubted, log.written(), absent=True)[0] == {"queued": 1}


def test_what_is_named_but_not_known_to_be_taken_stays_unknown(doubted, log):
    log.took_all_others().took("m4", 30)
    log.lines.pop()
    counts, _, says = reconciled(doubted, log.written(), absent=True)
    assert counts == {"unknown": 1}
    assert says == ["In the log as ABCM4, which does not tell whether it was taken."]


def test_nothing_of_a_cancelled_digest_is_queued_again(doubted, log, ben):
    digests.cancel(doubted, by=ben, why="enough")
    assert reconciled(doubted, log.took_all_others().written(), absent=True)[0] == {"unknown": 1}
    assert states(doubted)["m4"] == "unknown"


def a_piece_is_missing(log):
    log.lines = [line for line in log.lines if "m2" not in line[1].lower()]


def begins_too_late(log):
    log.lines = [line for line in log.lines if line[0] >= BEGAN + timedelta(minutes=5)]


def ends_too_early(log):
    log.lines = [line for line in log.lines if line[0] <= DOUBT + timedelta(minutes=14)]


def has_a_hole(log):
    for row in log.ids:  # the letters are there, before and after
        Delivery.objects.filter(address=row, state="unknown").update(state_since=BEGAN + timedelta(minutes=105))
    log.lines = [line for line in log.lines if not 45 < (line[0] - BEGAN).total_seconds() / 60 < 110]


def lost_lines(log):
    log.lines.append((DOUBT, "rsyslogd: imuxsock lost 7 messages from pid 9 due to rate-limiting"))


def no_witness(log):
    Delivery.objects.filter(state="sent").update(code=None)


NOT_SHOWN = {
    a_piece_is_missing: "1 of 4 letters that were surely taken around that time are not in the log either",
    begins_too_late: "does not reach, without a gap, from 2026-11-23 08:45 to 2026-11-23 09:45 UTC",
    ends_too_early: "does not reach, without a gap, from 2026-11-23 08:45 to 2026-11-23 09:45 UTC",
    has_a_hole: "does not reach, without a gap, from 2026-11-23 08:45 to 2026-11-23 11:00 UTC",
    lost_lines: "the log says itself that lines were left out",
    no_witness: "no other letter of this digest is known to have been taken",
}


@pytest.mark.parametrize(("what", "why"), NOT_SHOWN.items(), ids=[what.__name__ for what in NOT_SHOWN])
def test_absent_stays_unknown_where_the_log_does_not_show_it(doubted, log, what, why):
    what(log.took_all_others())
    counts, _, (says,) = reconciled(doubted, log.written(), absent=True)
    assert counts == {"unknown": 1}
    assert why in says


def test_a_log_on_another_clock_is_noticed_and_read_with_its_zone(doubted, log):
    log.took_all_others()
    _, _, (says,) = reconciled(doubted, log.written("Europe/Berlin"), absent=True)
    assert "the log's clock is +60 minutes off ours: name its time zone" in says
    assert reconciled(doubted, log.written("Europe/Berlin"), absent=True, zone="Europe/Berlin")[0] == {"queued": 1}


def test_after_an_erasure_it_cannot_be_looked_for(doubted, log, anne):
    log.took("m4", 30)
    members.erase(Member.objects.get(email="m4@members.example"), by=anne)
    findings, _ = evidence.look(unknown(doubted), log.written(), zone=ZoneInfo("UTC"), absent_was_not_taken=True)
    assert [(each.message_id, each.says) for each in findings] == [
        (None, "The address was erased: it cannot be looked for.")
    ]
    assert evidence.apply(findings, by=anne, why="mail.log") == {"unknown": 1}


def test_a_report_moves_only_what_it_may(doubted):
    def after(report, state):
        row = unknown(doubted).first() or doubted.deliveries.get(address="m4@members.example")
        Delivery.objects.filter(pk=row.pk).update(state=state)
        changed = report(row, "the provider says so")
        row.refresh_from_db()
        return (changed, row.state)

    untouched = [state for state in Delivery.State.values if state not in {"unknown", "sent"}]
    assert [after(evidence.arrived, state) for state in ("unknown", "sent")] == [(True, "sent"), (False, "sent")]
    assert [after(evidence.bounced, state) for state in ("unknown", "sent")] == [(True, "bounced")] * 2
    for report in (evidence.arrived, evidence.bounced):
        assert [after(report, state) for state in untouched] == [(False, state) for state in untouched]


def test_one_decision_on_many_settles_those_that_were_seen_and_are_still_unknown(doubted, ben):
    Delivery.objects.filter(digest=doubted).update(state="unknown", state_since=DOUBT)
    first, second, late, *_ = doubted.deliveries.order_by("id")
    assert ledger.settle_many(doubted, "sent", by=ben, why="they wrote", ids=[first.pk, second.pk]) == 2
    Delivery.objects.filter(pk=late.pk).update(state_since=DOUBT + timedelta(minutes=1))
    assert ledger.settle_many(doubted, "queued", by=ben, why="they asked", until=DOUBT) == 2
    assert list(states(doubted).values()) == ["sent", "sent", "unknown", "queued", "queued"]
    assert list(doubted.deliveries.order_by("id").values_list("reply", flat=True)) == [
        *["Settled by Ben Ortiz: they wrote"] * 2,
        "taken",
        "Settled by Ben Ortiz: they asked",
        "Settled by Ben Ortiz: they asked",
    ]
    told = Event.objects.filter(verb="settled").values_list("noun", "why", "detail")
    assert list(told) == [
        ("digest", "they wrote", {"to": "sent", "deliveries": 2}),
        ("digest", "they asked", {"to": "queued", "deliveries": 2}),
    ]


def test_many_are_not_sent_again_of_a_cancelled_digest_and_a_sent_one_goes_on(doubted, ben):
    with pytest.raises(Refusal, match="settled as sent, or queued again"):
        ledger.settle_many(doubted, "skipped", by=ben, why="x", until=DOUBT)
    assert digests.finish(doubted)
    assert ledger.settle_many(doubted, "queued", by=ben, why="again", until=DOUBT) == 1
    doubted.refresh_from_db()
    assert doubted.state == "sending"
    Delivery.objects.filter(digest=doubted, state="queued").update(state="unknown", state_since=DOUBT)
    digests.cancel(doubted, by=ben, why="enough")
    with pytest.raises(Refusal, match="was cancelled: nothing of it is sent again"):
        ledger.settle_many(doubted, "queued", by=ben, why="again", until=DOUBT)
    assert states(doubted)["m4"] == "unknown"


def test_what_is_known_is_told_in_words(doubted, settings):
    settings.SMTP_URL = "smtp://relay.example:2525,smtp://other.example:25"
    hold = Hold.objects.create(digest=doubted, holder="worker-1:abcdef:4026/4711/99", until=DOUBT, ended_at=DOUBT)
    Delivery.objects.update(hold=hold, reply="It broke.", code=None)
    (known,) = doubts.known(unknown(doubted))
    assert (known.worker, known.relay) == ("process 4711 on worker-1", "relay.example:2525 or other.example:25")
    assert (known.phase, known.said) == ("its last byte may have left, and no answer was read", "It broke.")
