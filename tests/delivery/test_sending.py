"""Batches over a real SMTP conversation to the real catcher; its own log says what arrived."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import dkim
import pytest
import requests
from django.utils import timezone

from publisher import digests, epoch, links
from publisher.delivery import batch, keys, ledger, statements
from publisher.delivery import sending as batches
from publisher.delivery.frame import Frame
from publisher.delivery.pausing import Stopped
from publisher.lifecycle import Refusal
from publisher.models import Consent, Delivery, Epoch, Member
from workers.delivery import send


def mailed(connected):
    return sorted(address for entry in connected.json("/mail/log.json") for address in entry["rcpt_to"])


def raw_for(connected, member=0):
    """What this member got. Over several connections nobody is always the first."""
    (found,) = connected.json(f"/mail/messages.json?to=m{member}@members.example")["messages"]
    return connected.get(f"/mail/{found['id']}/raw").content


def parsed(connected, member=0):
    return message_from_bytes(raw_for(connected, member), policy=policy.default)


def test_each_member_gets_one_mail_and_the_digest_is_sent(sending, members, connected):
    assert batches.send_batch(sending) == 5
    assert digests.finish(sending)
    assert mailed(connected) == sorted(member.email for member in members)
    assert ledger.counts(sending)["sent"] == 5
    assert batches.send_batch(sending) == 0


def test_a_pause_before_the_first_letter_is_held_against_neither_the_relay_nor_the_letters(
    sending, connected, anne, monkeypatch
):
    """The relay has been told of the first ones, and waits for them."""
    intend, before = batch.Batch.intend, {}

    def paused(self, transactions):
        before.update({each.row.due.id: each.row for each in transactions})
        digests.pause(sending, by=anne)
        self._act(0)
        return intend(self, transactions)

    monkeypatch.setattr(batch.Batch, "intend", paused)
    batches.send_batch(sending)
    sending.refresh_from_db()
    assert (sending.state, sending.breaks, sending.resting_until, mailed(connected)) == ("paused", 0, None, [])
    assert ledger.counts(sending)["queued"] == 5
    assert {row.tries for row in before.values()} == {0}


def test_the_mail_is_the_approved_bytes_with_the_members_own_values(sending, connected, members, publication):
    batches.send_batch(sending)
    mail = parsed(connected)
    leave = links.leaver(publication.pk)(members[0].pk)
    assert mail["Subject"] == sending.proof.subject
    assert mail["From"] == "Andean Reading Rooms <update@reading-rooms.example>"
    assert mail["To"] == "Name0 <m0@members.example>"
    assert mail["Reply-To"] == "office@reading-rooms.example"
    assert mail["List-Unsubscribe"] == f"<{leave}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-Id"] == "<update.reading-rooms.example>"
    text, html = (part.get_content() for part in mail.iter_parts())
    assert mail.get_content_type() == "multipart/alternative"
    assert leave in text
    assert leave in html
    assert "{" not in text


def test_who_wants_plain_text_gets_the_same_letter_without_html(sending, connected, members, publication):
    Member.objects.filter(pk=members[0].pk).update(plain_text=True)
    batches.send_batch(sending)
    plain, other = parsed(connected), parsed(connected, 1)
    leave, of_other = (links.leaver(publication.pk)(member.pk) for member in members[:2])
    assert (plain["To"], plain.get_content_type()) == ("Name0 <m0@members.example>", "text/plain")
    assert (plain["List-Unsubscribe"], other.get_content_type()) == (f"<{leave}>", "multipart/alternative")
    text = other.get_body(("plain",)).get_content()
    assert plain.get_content() == text.replace(of_other, leave).replace("Name1", "Name0")


def test_each_letter_says_why_its_member_gets_it(sending, connected, members):
    """As the newest ground says: m0 asked, m1 was met; m2 was met and asked since, m3 never said anything."""
    for member, *grounds in ((0, "consent"), (1, "soft_opt_in"), (2, "soft_opt_in", "consent")):
        for day, basis in enumerate(grounds, start=1):
            at = datetime(2026, 3, day, tzinfo=UTC)
            Consent.objects.create(subscription=members[member].subscriptions.get(), basis=basis, how="x", at=at)
    Member.objects.filter(pk=members[1].pk).update(plain_text=True)
    batches.send_batch(sending)
    asked = "You get Update from Andean Reading Rooms because you asked for it."
    met = asked.replace("asked for it", "supported its work or showed interest, and have not opted out")
    found = [
        " ".join(part.get_content().split())
        for n in range(4)
        for part in parsed(connected, n).walk()
        if not part.is_multipart()
    ]
    assert [(asked in text, met in text) for text in found] == [
        *[(True, False)] * 2,
        (False, True),
        *[(True, False)] * 4,
    ]


def test_nothing_of_one_member_is_in_the_mail_of_another(sending, connected, members, publication):
    batches.send_batch(sending)
    raw = raw_for(connected).decode()
    mine, others = links.sign("leave", members[0].pk, publication.pk), members[1:]
    assert mine in raw.replace("=\n", "").replace("=\r\n", "")
    for member in others:
        assert member.email not in raw
        assert links.sign("leave", member.pk, publication.pk) not in raw.replace("=\n", "").replace("=\r\n", "")


def test_a_mail_sent_again_is_the_same_mail(sending, connected):
    frame = Frame(sending, sending.proof)
    row, *_ = statements.due(sending.pk, sending.publication_id, "queued", 1, timezone.now())
    assert frame.message(row) == Frame(sending, sending.proof).message(row)


def test_the_link_in_the_header_leaves_with_one_post(sending, connected, client, members, publication):
    batches.send_batch(sending)
    address = parsed(connected)["List-Unsubscribe"].strip("<>")
    answer = client.post(address, {"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert members[0].subscriptions.get().state == "left"
    assert members[1].subscriptions.get().state == "active"


def test_an_address_that_does_not_exist_fails_alone(sending, connected):
    connected.fault("mail", "5xx", "rcpt", match="m2@", code=550, text="5.1.1 no such user")
    batches.send_batch(sending)
    assert ledger.counts(sending) | {"sent": 4, "failed": 1} == ledger.counts(sending)
    row = sending.deliveries.get(state="failed")
    assert (row.address, row.code, row.enhanced, row.phase) == ("m2@members.example", 550, "5.1.1", "rcpt")


def test_a_close_after_the_dot_is_unknown_is_not_sent_again_and_the_rest_goes_on(sending, connected):
    connected.fault("mail", "accept_close", "dot", match="m1@", times=1)
    batches.send_batch(sending)
    assert ledger.counts(sending) | {"sent": 4, "unknown": 1} == ledger.counts(sending)
    digests.finish(sending)
    assert (sending.state, sending.breaks) == ("sent", 0)
    assert mailed(connected) == [f"m{n}@members.example" for n in range(5)]
    assert sending.deliveries.get(state="unknown").address == "m1@members.example"


def test_a_relay_that_breaks_off_after_each_letter_is_stopped_before_there_are_many_doubts(sending, connected):
    connected.fault("mail", "accept_close", "dot", times=None)
    with pytest.raises(Stopped, match="broke off after a letter 3 times in a row"):
        batches.send_batch(sending)
    assert ledger.counts(sending) | {"unknown": 3, "queued": 2} == ledger.counts(sending)


def test_who_it_is_from_was_approved_too(sending, connected, publication):
    type(publication).objects.update(sender_name="Evil Corp", sender_email="evil@corp.example", reply_to="")
    sending.refresh_from_db()
    batches.send_batch(sending)
    mail = parsed(connected)
    assert mail["From"] == "Andean Reading Rooms <update@reading-rooms.example>"
    assert mail["Reply-To"] == "office@reading-rooms.example"


def test_greylisting_is_tried_again_later_and_then_arrives_once(sending, connected):
    connected.fault("mail", "4xx", "rcpt", match="m4@", times=1, code=450, text="4.2.0 greylisted")
    batches.send_batch(sending)
    row = sending.deliveries.get(state="deferred")
    assert row.due_at - timezone.now() > timedelta(minutes=4)
    assert not digests.finish(sending)
    Delivery.objects.filter(pk=row.pk).update(due_at=timezone.now())
    batches.send_batch(sending)
    assert mailed(connected) == [f"m{n}@members.example" for n in range(5)]


def test_a_relay_that_refuses_us_stops_the_sending_and_suppresses_nobody(sending, connected):
    connected.fault("mail", "5xx", "mail", code=550, text="5.7.1 not allowed to send", times=None)
    with pytest.raises(Stopped, match="The mail server refused us"):
        batches.send_batch(sending)
    assert ledger.counts(sending)["queued"] == 5
    assert mailed(connected) == []


def test_pausing_takes_hold_within_the_batch(sending, connected, anne, monkeypatch):
    taken, answered = [], batch.Batch.answered

    def pause_after_two(self, transaction, outcome):
        answered(self, transaction, outcome)
        taken.append(transaction)
        if len(taken) == 2:
            digests.pause(sending, by=anne)

    monkeypatch.setattr(batch, "GROUP", 2)
    monkeypatch.setattr(batch.Batch, "answered", pause_after_two)
    batches.send_batch(sending)
    # Those whose answers came, and at most the group that was armed by then.
    assert len(mailed(connected)) in (2, 3, 4)
    assert ledger.counts(sending) | {"sent": len(mailed(connected)), "queued": 5 - len(mailed(connected))} == (
        ledger.counts(sending)
    )


def test_no_server_that_is_not_this_machine_is_reached_in_the_demo(sending, settings):
    settings.SMTP_URL = "smtp://mail.example.org:25"
    with pytest.raises(Refusal, match="talks to this machine only"):
        batches.send_batch(sending)
    assert ledger.counts(sending)["queued"] == 5


def test_the_catcher_shows_the_letter(sending, connected):
    batches.send_batch(sending)
    page = requests.get(f"{connected.url}/mail/1", timeout=5)
    assert page.status_code == 200
    assert "Update 120. 31 March 2007" in page.text


# ---- Signatures


def signed(settings, tmp_path, *kinds):
    """Keys of these kinds in use; the DNS that tells of them."""
    settings.DKIM_FOLDER = str(tmp_path / "dkim")
    made = []
    (tmp_path / "dkim").mkdir()
    for kind in kinds:
        made.append(keys.make("reading-rooms.example", kind.value, kind))
        keys.use("reading-rooms.example", kind.value)
    records = (key.record for key in made)
    return {f"{name}.".encode(): value.encode() for name, value in records}


@pytest.mark.parametrize("kinds", [[keys.Kind.ED25519], [keys.Kind.RSA], list(keys.Kind)])
def test_what_arrives_is_signed_with_each_key_in_use(sending, connected, settings, tmp_path, kinds):
    dns = signed(settings, tmp_path, *kinds)
    Member.objects.filter(email="m0@members.example").update(plain_text=True)
    batches.send_batch(sending)
    for number in range(1, 6):
        raw = connected.get(f"/mail/{number}/raw").content
        assert raw.count(b"DKIM-Signature:") == len(kinds)
        for at in range(len(kinds)):
            assert dkim.DKIM(raw).verify(idx=at, dnsfunc=lambda name, timeout: dns[name])
        for header in (b"list-unsubscribe", b"list-unsubscribe-post", b"feedback-id"):
            assert header in raw[: raw.index(b"bh=")].lower()


def test_what_was_changed_on_the_way_is_not_well_signed(sending, connected, settings, tmp_path):
    dns = signed(settings, tmp_path, keys.Kind.ED25519)
    batches.send_batch(sending)
    raw = raw_for(connected).replace(b"Name0", b"Name1")
    assert not dkim.verify(raw, dnsfunc=lambda name, timeout: dns[name])


def test_without_a_key_nothing_is_signed(sending, connected):
    batches.send_batch(sending)
    assert b"DKIM-Signature" not in connected.get("/mail/1/raw").content


def test_a_key_that_cannot_be_read_pauses_with_its_sentence_and_nothing_goes_out_unsigned(
    sending, connected, settings, tmp_path
):
    signed(settings, tmp_path, keys.Kind.ED25519)
    key = tmp_path / "dkim" / "reading-rooms.example" / "ed25519.pem"
    key.write_text("-----BEGIN PRIVATE KEY-----\n")
    send(sending.pk)
    sending.refresh_from_db()
    assert (sending.state, mailed(connected)) == ("paused", [])
    assert sending.attention.startswith(f"The key ed25519 of reading-rooms.example cannot be read from {key}:")
    assert ledger.counts(sending)["queued"] == 5


def test_a_folder_of_keys_that_is_not_there_pauses_too(sending, connected, settings, tmp_path):
    settings.DKIM_FOLDER = str(tmp_path / "nowhere")
    send(sending.pk)
    sending.refresh_from_db()
    assert (sending.state, mailed(connected)) == ("paused", [])
    assert "which is not there: letters wait for their keys" in sending.attention


# ---- Where bounces go


def test_each_letter_has_a_bounce_address_of_its_own_in_its_envelope(sending, connected, settings):
    settings.BOUNCE_ADDRESS = "bounces@reading-rooms.example"
    batches.send_batch(sending)
    log = connected.json("/mail/log.json")
    rows = {row.address: row.pk for row in sending.deliveries.all()}
    assert {entry["rcpt_to"][0]: links.read_bounce(entry["mail_from"]) for entry in log} == rows
    assert parsed(connected)["From"] == "Andean Reading Rooms <update@reading-rooms.example>"


def test_without_a_bounce_address_the_envelope_names_the_sender(sending, connected):
    batches.send_batch(sending)
    senders = {entry["mail_from"] for entry in connected.json("/mail/log.json")}
    assert senders == {"update@reading-rooms.example"}


# ---- Whether this is the installation that sends


def test_an_epoch_in_doubt_sends_nothing_and_leaves_the_digest_as_it_is(sending, connected):
    Epoch.objects.update(doubt=epoch.RESTORED)
    epoch.forget()
    assert batches.send_batch(sending) == 0
    send(sending.pk)
    sending.refresh_from_db()
    assert (sending.state, sending.attention, mailed(connected)) == ("sending", "", [])
    assert ledger.counts(sending)["queued"] == 5

    Epoch.objects.update(doubt="")
    epoch.forget()
    send(sending.pk)
    assert len(mailed(connected)) == 5
