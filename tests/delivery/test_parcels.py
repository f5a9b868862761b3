"""What each answer of a provider means, for a digest of five members; the provider's own log says what it took."""

from __future__ import annotations

import json
import socket
from collections import Counter
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.utils import timezone

from publisher import checks, digests, links, members, notices
from publisher.delivery import doubts, ledger, parcels, statements
from publisher.delivery import sending as engine_room
from publisher.delivery.frame import frame_of
from publisher.delivery.pausing import Stopped
from publisher.lifecycle import Refusal
from publisher.merge import fill
from publisher.models import Delivery, Digest, Member, Notice

from .batches import counted
from .provider_server import KEY

M = [f"m{n}@members.example" for n in range(5)]
ALL = Counter(M)


def row(digest: Digest, number: int) -> Delivery:
    return digest.deliveries.get(address=M[number])


WITH_KEYS, WITHOUT = ["resend", "brevo"], ["postmark", "mailgun"]


@pytest.mark.parametrize("name", WITH_KEYS + WITHOUT)
def test_each_member_gets_one_letter_and_its_id_is_the_reply(sending, through, name):
    provider = through(name)
    assert engine_room.send_batch(sending) == 5
    assert digests.finish(sending)
    assert provider.mailed() == ALL
    assert counted(sending) == {"sent": 5}
    assert all(each.reply.endswith(("(HTTP 200)", "(HTTP 201)")) for each in sending.deliveries.all())
    assert engine_room.send_batch(sending) == 0


def test_resend_is_given_what_was_approved_with_the_members_own_values(sending, through, publication):
    provider = through("resend")
    engine_room.send_batch(sending)
    (letter,) = [letter for letter in provider.accepted if letter.to == M[0]]
    leave = links.leaver(publication.pk)(Member.objects.get(email=M[0]).pk)
    given = dict(letter.given)
    text, html, headers = given.pop("text"), given.pop("html"), given.pop("headers")
    assert given == {
        "from": "Andean Reading Rooms <update@reading-rooms.example>",
        "to": ["Name0 <m0@members.example>"],
        "subject": sending.proof.subject,
        "reply_to": ["office@reading-rooms.example"],
    }
    assert headers == {
        "Message-ID": headers["Message-ID"],
        "List-Unsubscribe": f"<{leave}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": "<update.reading-rooms.example>",
        "List-Archive": f"<{links.archive_url(publication)}>",
        "Precedence": "bulk",
        "Feedback-ID": f"{sending.proof.sha256[:12]}:update:digest:publisher",
        "X-Metadata": headers["X-Metadata"],
    }
    assert told_of(json.loads(headers["X-Metadata"])) == M[0]
    assert leave in text
    assert leave in html
    assert M[1] not in str(letter.given)
    assert filled(sending.proof.text, leave, sending) == text.rstrip("\n") + "\n"
    assert letter.key == parcels.key_of(headers["Message-ID"])


@pytest.mark.parametrize("name", ["resend", "mailgun"])
def test_who_wants_plain_text_gets_it_from_a_provider_too(sending, through, name):
    provider = through(name)
    Member.objects.filter(email=M[0]).update(plain_text=True)
    engine_room.send_batch(sending)
    assert counted(sending) == {"sent": 5}
    (plain,) = [letter for letter in provider.accepted if letter.to == M[0]]
    content = f"{plain.given}{plain.raw!r}"
    assert ("Andean Reading Rooms" in content, "<p" in content, "html" in content) == (True, False, False)


def told_of(metadata: dict) -> str:
    """Whose letter the token tells that each event brings back."""
    (token,) = metadata.values()
    return Delivery.objects.get(pk=links.read_bounce(f"bounces+{token}@provider.invalid")).address


def filled(template: str, leave: str, digest: Digest) -> str:
    values = {"first_name": "Name0", "unsubscribe_url": leave, "view_url": links.digest_url(digest)}
    return fill(template, values).rstrip("\n") + "\n"


def test_mailgun_is_given_our_bytes(sending, through):
    provider = through("mailgun")
    frame = frame_of(sending, sending.proof)
    due = statements.due(sending.pk, sending.publication_id, "queued", 5, timezone.now())
    ours = {each.address: frame.message(each) for each in due}
    engine_room.send_batch(sending)
    assert {letter.to: letter.raw for letter in provider.accepted} == ours
    tracking = {"o:tracking": "no", "o:tracking-opens": "no", "o:tracking-clicks": "no"}
    tokens = [letter.given.pop("v:publisher") for letter in provider.accepted]
    assert [told_of({"publisher": token}) for token in tokens] == [letter.to for letter in provider.accepted]
    assert [letter.given for letter in provider.accepted] == [tracking] * 5
    mail = message_from_bytes(provider.accepted[0].raw, policy=policy.default)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_postmark_is_told_not_to_track(sending, through):
    provider = through("postmark")
    engine_room.send_batch(sending)
    assert {(each.given["TrackOpens"], each.given["TrackLinks"]) for each in provider.accepted} == {(False, "None")}


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("resend", 422, '{"name": "validation_error", "message": "Invalid `to` field."}'),
        ("mailgun", 400, '{"message": "to parameter is not a valid address. please check documentation"}'),
        ("brevo", 400, '{"code": "invalid_parameter", "message": "email is not valid in to"}'),
        ("postmark", 422, '{"ErrorCode": 300, "Message": "Invalid \'To\' address: \'m2@members.example\'."}'),
        ("postmark", 422, '{"ErrorCode": 406, "Message": "Found inactive addresses: m2@members.example.\\nInactive '
         'recipients are ones that have generated a hard bounce."}'),
    ],
)  # fmt: skip
def test_a_refused_address_fails_alone(sending, through, name, status, body):
    provider = through(name)
    provider.fault(match=M[2], status=status, body=body)
    engine_room.send_batch(sending)
    assert provider.mailed() == ALL - Counter([M[2]])
    assert counted(sending) == {"sent": 4, "failed": 1}
    assert (row(sending, 2).state, row(sending, 2).phase) == ("failed", "rcpt")


@pytest.mark.parametrize(("status", "body"), [(401, "{}"), (403, '{"name": "invalid_api_key"}')])
def test_a_refused_key_stops_the_sending_at_once_and_suppresses_nobody(sending, through, status, body):
    provider = through("resend")
    provider.fault(times=None, status=status, body=body)
    with pytest.raises(Stopped, match="refused us in the phase AUTH"):
        engine_room.send_batch(sending)
    assert len(provider.requests) <= 3
    assert provider.accepted == []
    assert counted(sending) == {"queued": 5}


def test_a_wrong_key_is_refused_by_the_provider_itself(sending, through, settings):
    provider = through("postmark")
    settings.MAIL_PROVIDER_KEY = "wrong"
    with pytest.raises(Stopped, match="AUTH"):
        engine_room.send_batch(sending)
    assert provider.accepted == []


@pytest.mark.parametrize("status", [302, 307, 400, 404, 405, 413, 422])
def test_refusals_of_us_pause_when_there_are_a_few_and_nobody_was_taken(sending, through, status):
    provider = through("postmark")
    provider.fault(times=None, status=status, body="{}", headers={"Location": provider.url("postmark")})
    with pytest.raises(Stopped, match="refused us in the phase DOT"):
        engine_room.send_batch(sending)
    assert (provider.accepted, len(provider.requests)) == ([], 5)
    assert counted(sending) == {"queued": 5}


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("resend", 429, '{"name": "daily_quota_exceeded"}'),
        ("postmark", 402, "{}"),
        ("postmark", 422, '{"ErrorCode": 405, "Message": "Not allowed to send"}'),
        ("mailgun", 429, "Too many requests"),
    ],
)
def test_without_credits_the_digest_rests_as_long_as_the_provider_says(sending, through, name, status, body):
    provider = through(name)
    provider.fault(times=None, status=status, body=body, headers={"Retry-After": "1800"})
    engine_room.send_batch(sending)
    sending.refresh_from_db()
    assert sending.resting_until - timezone.now() > timedelta(minutes=29)
    assert (provider.accepted, counted(sending), sending.state) == ([], {"queued": 5}, "sending")
    assert {each.attempts for each in sending.deliveries.all()} == {0}


@pytest.mark.parametrize(
    "says", ["99999999999", "9" * 400, "Tue, 31 Dec 2999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 -1200"]
)
def test_no_provider_lets_a_digest_rest_for_more_than_a_day(sending, through, says):
    provider = through("resend")
    provider.fault(times=None, status=429, body="{}", headers={"Retry-After": says})
    engine_room.send_batch(sending)
    sending.refresh_from_db()
    assert timedelta(hours=23) < sending.resting_until - timezone.now() <= timedelta(hours=24)


@pytest.mark.parametrize(
    "says", ["", "soon", "\u00b2", "-1", "Fri, 31 Dec 2021 23:59:59 GMT", f"Fri, 31 Dec {'9' * 30} 23:59:59 GMT"]
)
def test_a_wait_that_says_nothing_is_a_short_one(sending, through, says):
    provider = through("resend")
    provider.fault(match=M[2], status=429, body="{}", headers={"Retry-After": says})
    engine_room.send_batch(sending)
    assert counted(sending) == {"sent": 5}


def test_a_short_wait_is_waited_for_and_the_batch_goes_on(sending, through):
    provider = through("resend")
    provider.fault(times=3, status=429, body='{"name": "rate_limit_exceeded"}', headers={"Retry-After": "0"})
    engine_room.send_batch(sending)
    assert provider.mailed() == ALL
    assert counted(sending) == {"sent": 5}
    assert sending.resting_until is None


def test_a_provider_that_is_not_there_lets_the_digest_rest(sending, through, provider, settings):
    through("resend")
    provider.stop()
    engine_room.send_batch(sending)
    sending.refresh_from_db()
    assert sending.resting_until > timezone.now()
    assert counted(sending) == {"queued": 5}


def test_a_name_that_is_not_known_or_a_handshake_that_does_not_end_hands_nothing_over(through, provider, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(parcels, "CONNECT", 0.2)
        handshake = parcels.deliver(at(f"https://127.0.0.1:{silent.getsockname()[1]}/"), M[0], MESSAGE)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: unknown_name())
    name = parcels.deliver(at("https://provider.example/"), M[0], MESSAGE)
    for outcome in (handshake, name):
        assert (outcome.result, outcome.phase, outcome.scope) == ("deferred", "connect", "connection"), outcome
    assert name.text == "Postmark: connecting failed: Name or service not known"


def at(address: str) -> parcels.Provider:
    return parcels.Provider("postmark", address, (KEY,))


def unknown_name() -> None:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


DOUBTS: dict[str, dict[str, Any]] = {
    "it breaks off before it takes it": {},
    "it breaks off after it took it": {"taken": True},
    "500 before": {"status": 500, "body": "{}"},
    "500 after": {"taken": True, "status": 500, "body": "{}"},
    "503 before": {"status": 503, "body": "busy"},
    "504 after": {"taken": True, "status": 504, "body": "<html>gateway</html>"},
    "408": {"status": 408, "body": ""},
    "a page with status 200": {"taken": True, "status": 200, "body": "<html>Welcome</html>"},
    "half a JSON": {"taken": True, "status": 200, "body": '{"id": '},
    "another JSON": {"taken": True, "status": 200, "body": "[]"},
    "a word": {"taken": True, "status": 200, "body": '"OK"'},
    "a JSON without an end": {"taken": True, "status": 200, "body": "[" * 9999},
}


@pytest.mark.parametrize("name", WITHOUT)
@pytest.mark.parametrize("doubt", DOUBTS)
def test_without_a_key_a_doubt_is_unknown_at_once_and_not_asked_again(sending, through, name, doubt):
    provider = through(name)
    provider.fault(match=M[2], **DOUBTS[doubt])
    engine_room.send_batch(sending)
    taken = DOUBTS[doubt].get("taken", False)
    assert provider.mailed() == (ALL if taken else ALL - Counter([M[2]]))
    assert counted(sending) == {"sent": 4, "unknown": 1}
    assert row(sending, 2).state == "unknown"
    assert len(provider.requests) == 5


@pytest.mark.parametrize("doubt", DOUBTS)
def test_with_a_key_a_doubt_is_asked_again_and_makes_one_letter(sending, through, doubt):
    provider = through("resend")
    provider.fault(match=M[2], **DOUBTS[doubt])
    engine_room.send_batch(sending)
    assert provider.mailed() == ALL
    assert counted(sending) == {"sent": 5}
    assert len(provider.requests) == 6


def test_it_is_asked_again_three_times_and_then_unknown(sending, through):
    provider = through("resend")
    provider.fault(match=M[2], times=None, taken=True, status=500, body="{}")
    engine_room.send_batch(sending)
    assert provider.mailed() == ALL
    assert counted(sending) == {"sent": 4, "unknown": 1}
    assert len(provider.requests) == 4 + 4
    assert engine_room.send_batch(sending) == 0


@pytest.mark.parametrize("status", [401, 422, 429])
def test_after_a_doubt_only_a_yes_ends_it(sending, through, status):
    provider = through("resend")
    provider.fault(match=M[2], taken=True)
    provider.fault(match=M[2], times=None, status=status, body="{}")
    engine_room.send_batch(sending)
    assert counted(sending) == {"sent": 4, "unknown": 1}
    assert provider.mailed() == ALL


def test_a_person_who_sends_an_unknown_again_within_a_day_makes_no_second_letter(sending, through, ben):
    provider = through("resend")
    provider.fault(match=M[2], times=4, taken=True)
    engine_room.send_batch(sending)
    ledger.settle(row(sending, 2), "queued", by=ben, why="nothing in the inbox")
    engine_room.send_batch(sending)
    assert counted(sending) == {"sent": 5}
    assert provider.mailed() == ALL


def test_a_key_that_is_known_for_another_letter_is_a_doubt(sending, through, ben):
    provider = through("resend")
    provider.fault(match=M[2], times=4, taken=True)
    engine_room.send_batch(sending)
    Member.objects.filter(email=M[2]).update(first_name="Rosa")
    ledger.settle(row(sending, 2), "queued", by=ben, why="nothing in the inbox")
    engine_room.send_batch(sending)
    assert row(sending, 2).state == "unknown"
    assert "invalid_idempotent_request" in row(sending, 2).reply
    assert provider.mailed() == ALL


def test_brevo_says_that_it_knows_the_key_and_not_what_became_of_it(sending, through):
    provider = through("brevo")
    provider.fault(match=M[2], taken=True, status=500, body="{}")
    provider.fault(match=M[3], status=500, body="{}")
    engine_room.send_batch(sending)
    assert provider.mailed() == ALL
    assert counted(sending) == {"sent": 4, "unknown": 1}
    assert row(sending, 2).state == "unknown"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("resend", '{"id": {}}'),
        ("resend", '{"data": [{"id": []}]}'),
        ("brevo", '{"messageId": {}}'),
        ("mailgun", '{"id": [], "message": "Queued. Thank you."}'),
        ("postmark", "null"),
        ("postmark", '{"ErrorCode": 0, "Message": "OK", "To": "m2@members.example", "MessageID": {}}'),
        ("postmark", '{"ErrorCode": 300, "Message": null, "To": ""}'),
    ],
)
def test_an_answer_in_a_form_of_its_own_is_a_doubt_about_one_letter(sending, through, name, body):
    provider = through(name)
    provider.fault(match=M[2], times=None, status=200, body=body)
    engine_room.send_batch(sending)
    assert provider.mailed() == ALL - Counter([M[2]])
    assert counted(sending) == {"sent": 4, "unknown": 1}
    assert "HTTP 200" in row(sending, 2).reply


@pytest.mark.parametrize("body", ["null", "[1]", '""', '{"ErrorCode": 300, "Message": null, "To": ""}'])
def test_a_refusal_in_a_form_of_its_own_does_not_break_the_worker_down(sending, through, body):
    provider = through("postmark")
    provider.fault(match=M[2], status=422, body=body)
    engine_room.send_batch(sending)
    assert provider.mailed() == ALL - Counter([M[2]])
    assert counted(sending) == {"sent": 4, "deferred": 1}


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        (200, '{"id": "4\\ud800\\u0000\\n2"}', "sent"),
        (500, "no\0 \x1b[1mroom\r\n", "unknown"),
        (422, "Invalid `to` field: \0", "failed"),
    ],
)
def test_what_a_provider_says_is_one_printable_line(sending, through, status, body, state):
    provider = through("resend")
    provider.fault(match=M[2], times=None, status=status, body=body)
    engine_room.send_batch(sending)
    assert counted(sending) == Counter({"sent": 4}) + Counter([state])
    assert row(sending, 2).state == state
    assert row(sending, 2).reply.isprintable()


def test_what_brevo_would_take_for_instructions_is_not_handed_over(through):
    through("brevo")
    outcome = parcels.deliver(parcels.chosen(), M[0], MESSAGE.replace(b"Hello", b"Hello {{ contact.NAME }}"))
    assert (outcome.result, outcome.scope) == ("failed", "sender")
    assert parcels.deliver(parcels.chosen(), M[0], MESSAGE).result == "sent"


def test_no_provider_that_is_not_this_machine_is_reached_in_the_demo(sending, through, settings, provider):
    through("resend")
    settings.MAIL_PROVIDER_URL = ""
    with pytest.raises(Refusal, match=r"talks to this machine only, not to api\.resend\.com"):
        engine_room.send_batch(sending)
    assert counted(sending) == {"queued": 5}


def test_a_mail_to_one_person_goes_the_same_way(through, publication, connected):
    provider = through("resend")
    members.join(publication, "rosa@members.example", how="subscribe page")
    notices.send(Notice.objects.get())
    assert provider.mailed() == Counter(["rosa@members.example"])
    assert Notice.objects.get().state == "sent"
    assert provider.accepted[0].given["headers"]["Auto-Submitted"] == "auto-generated"
    assert connected.json("/mail/log.json") == []


def test_a_mail_to_one_person_in_doubt_is_unknown(through, publication, connected):
    provider = through("mailgun")
    provider.fault(taken=True)
    members.join(publication, "rosa@members.example", how="subscribe page")
    notices.send(Notice.objects.get())
    assert Notice.objects.get().state == "unknown"


def test_what_is_unknown_names_the_provider(through, provider):
    through("resend")
    assert doubts.relays() == f"Resend ({provider.url('').split('/')[2]})"


@pytest.mark.parametrize(
    ("name", "key", "well", "says"),
    [
        ("resend", KEY, True, "takes our key"),
        ("resend", "only-sending", True, "takes our key"),
        ("resend", "wrong", False, "refuses our key: HTTP 403"),
        ("postmark", KEY, True, "takes our key"),
        ("postmark", "wrong", False, "refuses our key: HTTP 401"),
        ("brevo", KEY, True, "takes our key"),
    ],
)
def test_publisher_check_asks_whether_the_key_is_taken_and_sends_nothing(db, through, settings, name, key, well, says):
    provider = through(name)
    settings.MAIL_PROVIDER_KEY, settings.MAIL_PROVIDER_WEBHOOK = key, "name:secret"
    (check,) = [check for check in checks.run() if check.name.startswith("Mail provider")]
    assert (check.name, check.ok) == (f"Mail provider {parcels.chosen()}", well)
    assert check.says.startswith(says)
    assert provider.accepted == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"MAIL_PROVIDER_URL": "http://127.0.0.1:1/"}, "Connection refused"),
        ({"MAIL_PROVIDER_URL": ""}, "This is the demo: it talks to this machine only, not to api.resend.com."),
        ({"MAIL_PROVIDER": "pigeon"}, "PUBLISHER_MAIL_PROVIDER: 'pigeon' is not known; there are"),
        ({"SMTP_URL": "smtp://127.0.0.1:1"}, "PUBLISHER_MAIL_PROVIDER and PUBLISHER_SMTP_URL are both set"),
    ],
)
def test_publisher_check_says_what_is_wrong_with_the_provider(db, through, settings, changed, says):
    through("resend")
    for name, value in changed.items():
        setattr(settings, name, value)
    (check,) = [check for check in checks.run() if check.name.startswith("Mail ")]
    assert not check.ok
    assert check.says.startswith(says)


MESSAGE = (
    b"From: Rooms <update@reading-rooms.example>\r\nTo: m0@members.example\r\nSubject: News\r\n"
    b"Message-ID: <1@reading-rooms.example>\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n<p>Hello</p>\r\n--b--\r\n"
)
