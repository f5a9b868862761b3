"""Mail that comes back, in the shapes and wordings that mail systems use, each with what it means.

What it means stands beside it, and was put there by hand: no table of the product is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import bounces_answers, bounces_frames, bounces_words
from benchmarks.bounces_frames import BACK, R
from publisher.bounces.phrases import Kind

REFUSALS = [
    (kind, system, answer)
    for kind, rows in (
        (Kind.HARD, bounces_answers.HARD),
        (Kind.SOFT, bounces_answers.SOFT),
        (Kind.POLICY, bounces_answers.POLICY),
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


def known() -> list[tuple[Kind, str, bytes]]:
    """What the tables were written by: kind, name, mail."""
    found = [(kind, f"report: {system}: {answer}", bounces_frames.report(answer)) for kind, system, answer in REFUSALS]
    for kind, system, answer in REFUSALS:
        in_words = bounces_frames.IN_WORDS.get(system, bounces_frames.plain)
        found.append((kind, f"in words: {system}: {answer}", in_words(answer)))
    for number, (kind, system, answer) in enumerate(REFUSALS):
        if number % 3 == 0:
            made = bounces_frames.report(answer, diagnostic=False)
            found.append((kind, f"without diagnostic: {system}: {answer}", made))
        elif number % 3 == 1:
            found.append((kind, f"without words: {system}: {answer}", bounces_frames.report(answer, whole=False)))
    found += [(Kind.COMPLAINT, kind, bounces_frames.feedback(kind)) for kind in ("abuse", "fraud", "opt-out", "virus")]
    found += [(Kind.OTHER, kind, bounces_frames.feedback(kind)) for kind in ("not-spam", "auth-failure", "other-thing")]
    found += [
        (
            kind,
            action,
            bounces_frames.report("250 2.0.0 OK" if kind is Kind.DELIVERED else "451 4.4.1 no answer", action=action),
        )
        for action, kind in (
            ("delayed", Kind.DELAYED),
            ("delivered", Kind.DELIVERED),
            ("relayed", Kind.DELIVERED),
            ("expanded", Kind.DELIVERED),
        )
    ]
    marked = "Auto-Submitted: auto-replied"
    found += [(Kind.AUTO_REPLY, subject, bounces_frames.letter(subject, body)) for subject, body in AWAY]
    found += [(Kind.AUTO_REPLY, body, bounces_frames.letter("Re: Update 120", body, marked)) for _, body in AWAY]
    found += [(Kind.CHALLENGE, subject, bounces_frames.letter(subject, body)) for subject, body in PROVE]
    found += [(Kind.OTHER, subject, bounces_frames.letter(subject, body)) for subject, body in NOTHING]
    return found


@dataclass(frozen=True)
class Mail:
    """`forged`: its token is none of ours, so that it must change nothing, whatever it says."""

    kind: Kind
    name: str
    raw: bytes
    forged: bool = False


def everything() -> list[Mail]:
    """All of it: what is known, words that the tables were not written by, odd shapes, and forgeries."""
    found = [Mail(*each) for each in known()]
    for kind in (Kind.HARD, Kind.SOFT, Kind.POLICY):
        for answer in bounces_words.answers(str(kind)):
            found.append(Mail(kind, f"report, other words: {answer}", bounces_frames.report(answer)))
            found.append(Mail(kind, f"in words, other words: {answer}", bounces_frames.plain(answer)))
    return [*found, *odd(), *forged()]


def odd() -> list[Mail]:
    """Shapes that mislead: our own subject in it, an address of ours taken out, lies about charsets, a cut end."""
    gone, full = "550 5.1.1 user unknown", "552 5.2.2 mailbox full"
    report = bounces_frames.report(gone)
    about = b"Subject: Undeliverable: The challenge: please confirm that you are away"
    quoted = f"see below\n  Subject: The user whose account was closed, and a virus\n\n{full}"
    return [
        Mail(Kind.COMPLAINT, "feedback, our address only in Original-Mail-From", redacted("original-mail-from")),
        Mail(Kind.COMPLAINT, "feedback, only the way out is left", redacted("list-unsubscribe")),
        Mail(Kind.HARD, "our own subject speaks of absence", _subject(bounces_frames.plain(gone), about)),
        Mail(Kind.SOFT, "our own subject speaks of closed accounts", bounces_frames.plain(quoted)),
        Mail(Kind.HARD, "charset that is none", report.replace(b"charset=utf-8", b"charset=idna")),
        Mail(Kind.HARD, "charset with a NUL", report.replace(b"charset=utf-8", b'charset="a\0b"')),
        Mail(Kind.HARD, "cut off within our letter", report[: report.index(b"List-Unsubscribe")]),
        Mail(Kind.HARD, "a megabyte of our letter behind it", report + b"x" * 76 * 13_000),
        Mail(Kind.HARD, "lower-case address", report.replace(BACK.encode(), BACK.lower().encode())),
        Mail(Kind.OTHER, "parts within parts", b"".join(_nested(2000)) + b"\r\nx"),
        Mail(Kind.OTHER, "brackets", b"From: " + b"(" * 50_000 + b"\r\nTo: <" + BACK.encode() + b">\r\n\r\nx"),
        Mail(Kind.OTHER, "a line of 290,000 characters", bounces_frames.letter("Re: Update 120", "a" * 290_000)),
    ]


def redacted(kept: str) -> bytes:
    """RFC 5965 as large providers send it: to the address that was registered there, without anybody's address."""
    raw = bounces_frames.feedback("abuse", recipient=False)
    raw = raw.replace(BACK.encode(), b"complaints@news.example.org").replace(R.encode(), b"redacted@redacted.invalid")
    if kept == "original-mail-from":
        return raw.replace(b"Version: 1\r\n", f"Version: 1\r\nOriginal-Mail-From: <{BACK}>\r\n".encode())
    return raw.replace(b"https://news.example.org/leave/token", LEAVE.encode())


#: Put there by who takes the corpus: the way out of the letter that this mail is about.
LEAVE = "https://leave.example/TOKEN"


def forged() -> list[Mail]:
    """Whoever wants somebody taken off: reports and complaints without our token, or with half of one."""
    gone = bounces_frames.report("550 5.1.1 user unknown")
    changes: dict[str, Callable[[bytes], bytes]] = {
        "plain address": lambda raw: raw.replace(BACK.encode(), b"bounces@news.example.org"),
        "token made up": lambda raw: raw.replace(BACK.encode(), b"bounces+aaaaaaaaaaaaaaaaaaaa@news.example.org"),
        "token in the subject": lambda raw: raw.replace(BACK.encode(), b"b@x.example"),
        "no address": lambda raw: raw.replace(BACK.encode(), b""),
    }
    made = {"report": gone, "complaint": bounces_frames.feedback("abuse"), "in words": bounces_frames.qmail("no user")}
    return [
        Mail(Kind.OTHER, f"forged {what}: {name}", change(raw), forged=True)
        for what, raw in made.items()
        for name, change in changes.items()
    ]


def _nested(depth: int) -> list[bytes]:
    head = [b"From: MAILER-DAEMON@mx.example\r\nDelivered-To: " + BACK.encode() + b"\r\n"]
    return head + [b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(depth)]


def _subject(raw: bytes, line: bytes) -> bytes:
    return b"\r\n".join(line if one.startswith(b"Subject: Undel") else one for one in raw.split(b"\r\n"))
