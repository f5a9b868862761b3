"""What mail that came back says, in the shapes and wordings that mail systems use."""

from __future__ import annotations

from collections import Counter

import pytest

from publisher.bounces.reading import Report, read
from publisher.bounces.wordings import Kind
from tests.bounces import diagnostics, frames
from tests.bounces.frames import BACK, MESSAGE_ID, R

REFUSALS = [
    (kind, system, answer)
    for kind, rows in (
        (Kind.HARD, diagnostics.HARD),
        (Kind.SOFT, diagnostics.SOFT),
        (Kind.POLICY, diagnostics.POLICY),
    )
    for system, answer in rows
]
AWAY = (
    ("Out of Office: Update 120", "I am away until Monday."),
    ("Automatic reply: Update 120", "Thank you for your message. I am on leave."),
    ("Respuesta automática: Update 120", "Estoy de vacaciones."),
    ("Fuera de la oficina", "Vuelvo el lunes."),
    ("Abwesenheitsnotiz: Update 120", "Ich bin nicht im Büro."),
    ("Réponse automatique : Update 120", "Je suis absent."),
    ("Risposta automatica: Update 120", "Sono fuori ufficio."),
    ("Re: Update 120 (vacation)", "The user rosa is not found in the office this week; the mailbox is full of cake."),
)
PROVE = (
    ("Re: Update 120 (verification required)", "To deliver your message, please confirm that you are a person."),
    ("Please confirm your message to rosa", "Click the link so that your message is delivered."),
    ("[SpamArrest] Re: Update 120", "rosa uses Spam Arrest. Please verify yourself."),
    ("Boxbe: your message is waiting", "Please verify the sender to have it delivered."),
    ("Challenge: Update 120", "Reply to this mail to prove that you are no machine."),
)
NOTHING = (
    ("Re: Update 120", "Dear editor, thank you for this Update. Could you send me number 119 too?"),
    ("Question on the mailbox", "When I write to the school I read 'user unknown, 550'. Is the address right?"),
    ("You have won", "Claim the prize. This is no spam."),
    ("Report Domain: example.org Submitter: provider.example", "A DMARC report is attached."),
)


def everything() -> list[tuple[Kind, str, bytes]]:
    """Every mail of this corpus, with what it means."""
    found = [(kind, f"report: {system}: {answer}", frames.report(answer)) for kind, system, answer in REFUSALS]
    for kind, system, answer in REFUSALS:
        in_words = frames.IN_WORDS.get(system, frames.plain)
        found.append((kind, f"in words: {system}: {answer}", in_words(answer)))
    for number, (kind, system, answer) in enumerate(REFUSALS):
        if number % 3 == 0:
            made = frames.report(answer, diagnostic=False)
            found.append((kind, f"without diagnostic: {system}: {answer}", made))
        elif number % 3 == 1:
            found.append((kind, f"without words: {system}: {answer}", frames.report(answer, whole=False)))
    found += [(Kind.COMPLAINT, kind, frames.feedback(kind)) for kind in ("abuse", "fraud", "opt-out", "virus")]
    found += [(Kind.OTHER, kind, frames.feedback(kind)) for kind in ("not-spam", "auth-failure", "other-thing")]
    found += [
        (
            kind,
            action,
            frames.report("250 2.0.0 OK" if kind is Kind.DELIVERED else "451 4.4.1 no answer", action=action),
        )
        for action, kind in (
            ("delayed", Kind.DELAYED),
            ("delivered", Kind.DELIVERED),
            ("relayed", Kind.DELIVERED),
            ("expanded", Kind.DELIVERED),
        )
    ]
    marked = "Auto-Submitted: auto-replied"
    found += [(Kind.AUTO_REPLY, subject, frames.letter(subject, body)) for subject, body in AWAY]
    found += [(Kind.AUTO_REPLY, body, frames.letter("Re: Update 120", body, marked)) for _, body in AWAY]
    found += [(Kind.CHALLENGE, subject, frames.letter(subject, body)) for subject, body in PROVE]
    found += [(Kind.OTHER, subject, frames.letter(subject, body)) for subject, body in NOTHING]
    return found


def test_nearly_every_mail_is_in_its_class_and_no_failure_of_ours_is_laid_on_an_address():
    corpus = everything()
    said = [(kind, name, read(raw)) for kind, name, raw in corpus]
    wrong = [(name, kind, report.kind) for kind, name, report in said if report.kind is not kind]
    assert len(corpus) >= 300
    assert len(wrong) <= len(corpus) // 100, wrong
    # A soft one counts as well, after some days: so a failure of ours is neither.
    assert [name for kind, name, report in said if kind is Kind.POLICY and report.kind in {Kind.HARD, Kind.SOFT}] == []
    assert [name for kind, name, report in said if kind is not Kind.HARD and report.kind is Kind.HARD] == []
    assert Counter(kind for kind, _, _ in corpus).keys() == set(Kind)


def test_a_report_says_whom_why_and_which_letter():
    answer = "550-5.1.1 The email account that you tried to reach does not exist. 550 5.1.1 NoSuchUser"
    assert read(frames.report(answer)) == Report(
        Kind.HARD, R, 550, "5.1.1", f"smtp; {answer}", returned_to=(BACK,), message_id=MESSAGE_ID
    )


@pytest.mark.parametrize("shape", [frames.exim, frames.qmail, frames.sendmail, frames.postfix, frames.yahoo])
def test_so_does_a_letter_that_a_server_wrote_for_people(shape):
    report = read(shape("550 5.1.1 no such user"))
    assert (report.kind, report.recipient, report.code, report.enhanced) == (Kind.HARD, R, 550, "5.1.1")
    assert (report.returned_to, report.message_id) == ((BACK,), MESSAGE_ID)


def test_the_letter_that_came_back_is_no_part_of_the_reason():
    """Ours speaks of spam, of policy and of users who are not found, as news may."""
    assert read(frames.report("552 5.2.2 mailbox full")).kind is Kind.SOFT
    assert read(frames.qmail("Sorry, no mailbox here by that name. (#5.1.1)")).kind is Kind.HARD


def test_an_address_with_a_telling_name_is_no_reason_either():
    made = frames.report("550 5.1.1 <no-spam.policy@blocked.example>: user unknown")
    assert read(made).kind is Kind.HARD


def test_of_several_recipients_the_worst_counts():
    both = frames.report("451 4.4.1 no answer", action="delayed").replace(
        b"\r\n--=_x\r\nContent-Type: message/rfc822",
        b"\r\nFinal-Recipient: rfc822; luis@members.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        b"Diagnostic-Code: smtp; 550 5.1.1 user unknown\r\n\r\n--=_x\r\nContent-Type: message/rfc822",
    )
    assert (read(both).kind, read(both).recipient) == (Kind.HARD, "luis@members.example")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff" * 1000,
        b"Subject: =?utf-8?b?/////?=\r\nContent-Type: text/plain; charset=no-such\r\n\r\n\xff",
        b"Content-Type: multipart/report; boundary=\r\n\r\n",
        b"Content-Type: message/delivery-status\r\n\r\nAction",
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n" * 50,
        frames.report("550 5.1.1 user unknown")[:700],
    ],
)  # fmt: skip
def test_whatever_arrives_is_read(raw):
    assert read(raw).kind in {Kind.OTHER, Kind.SOFT, Kind.HARD}
