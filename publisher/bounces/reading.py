"""What a mail that came back says: which letter it is about, and what is the matter. Bytes in, a Report out.

Nothing in here is believed because it says so: whoever acts on a Report looks whether one of its `returned_to` is an
address that we made (see links.read_bounce), which only those know who had the letter.

Sources: RFC 3464 (delivery status), RFC 5965 (feedback), RFC 3834 (automatic answers), RFC 5321 §4.5.5 (the empty
return path); flufl.bounce for the wordings of servers that write their reports for people alone.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses

from flufl.bounce import all_failures

from ..printable import one_line
from . import phrases
from .phrases import Kind

#: It has a line for each of its twenty detectors, with every mail; where one stumbles its whole stack, which quotes
#: the mail, and with it addresses.
logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)

#: So much of a mail is read: what came back may carry the whole letter behind it.
LONGEST = 1_000_000
#: So much of what a server wrote is looked through for its reason.
_LOOKED_AT = 8000
_SAYS = 500

#: Headers in which an address of ours stands when a mail comes back to it, the surest first.
_ARRIVED_AT = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "apparently-to", "to")
#: Actions of RFC 3464 §2.3.3, and one that a server invented.
_ACTIONS = {
    "delayed": Kind.DELAYED,
    "delivered": Kind.DELIVERED,
    "relayed": Kind.DELIVERED,
    "expanded": Kind.DELIVERED,
}
#: Feedback types of RFC 5965 §7.3 and RFC 6430 that are a person's own wish to get no more.
_WISHES = frozenset({"abuse", "fraud", "virus", "opt-out", "opt-out-list", "miscategorized", "complaint"})

_CODE = re.compile(r"(?<![\d.#])([45]\d\d)(?=[ \-#:][^\d]|[ \-#:][245]\.\d)")
_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_WEB = re.compile(r"<(https?://[^<>\s]{1,500})>")
_AWAY = re.compile(
    r"out of (?:the )?office|auto(?:matic|mated)?[ -]?(?:repl|respon|antwort)|vacation|on holiday|away from|"
    r"abwesen|abwesend|fuera de (?:la )?oficina|respuesta autom|r[ée]ponse automatique|absen[ct]e|risposta automatica|"
    r"resposta autom|automatisch antwoord|autosvar|ausente|thank you for (?:your (?:e-?mail|message)|contacting)",
    re.IGNORECASE,
)
_PROVE = re.compile(
    r"challenge|verif(?:y|ication|icar)[\w ]{0,30}(?:you|sender|e-?mail|message|mensaje|remitente)|"
    r"(?:confirm|authori[sz]e)[\w ]{0,30}(?:sender|delivery|your (?:message|e-?mail|request))|please confirm|"
    r"spam ?arrest|boxbe|sender ?verify|spamblocker|approve[\w ]{0,20}sender|"
    r"held (?:for|pending|until)[\w ]{0,30}(?:verif|confirm|approv|releas)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Report:
    """What a mail says of one recipient. `says` is the server's reason in one line, with its words."""

    kind: Kind
    recipient: str = ""
    code: int | None = None
    enhanced: str = ""
    says: str = ""
    #: Addresses it came back to, or that stand in the letter it carries as where it comes back to.
    returned_to: tuple[str, ...] = ()
    #: Where one leaves, by the letter that was complained of: providers take the addresses out of what they pass on.
    leaving: tuple[str, ...] = ()
    #: Of the letter that it is about.
    message_id: str = ""


@dataclass(frozen=True)
class _Reason:
    kind: Kind
    recipient: str
    code: int | None
    enhanced: str
    says: str


def read(raw: bytes) -> Report:
    """What this mail says; of Kind.OTHER where it is nothing that came back. It never raises for what is in it."""
    try:
        return _read(message_from_bytes(raw[:LONGEST]))
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError, AssertionError):
        # Thousands of parts within parts, charsets that are none: the library's readers stumble, each in its own way.
        return Report(Kind.OTHER)


def _read(message: Message) -> Report:
    original = _original(message)
    reason = (
        _feedback(message, original)
        or _status(message)
        or _failed_recipients(message)
        or _automatic(message)
        or _in_words(message)
        or _Reason(Kind.OTHER, "", None, "", "")
    )
    return Report(
        kind=reason.kind,
        recipient=reason.recipient,
        code=reason.code,
        enhanced=reason.enhanced,
        says=one_line(reason.says)[:_SAYS],
        returned_to=tuple(dict.fromkeys(_returned_to(message, original))),
        leaving=tuple(_WEB.findall(_header(original, "list-unsubscribe"))) if reason.kind is Kind.COMPLAINT else (),
        message_id=_header(original, "message-id"),
    )


def _returned_to(message: Message, original: Message | None) -> Iterator[str]:
    yield from _addresses(message, _ARRIVED_AT)
    yield from _addresses(original, ("return-path",))
    for part in _parts(message, "message/feedback-report"):
        yield _bare(_fields(part).get("original-mail-from", ""))


def of_answer(says: str) -> Report:
    """What one answer of a server says, where it came without a mail."""
    reason = _reason("", says, "", says)
    return Report(reason.kind, code=reason.code, enhanced=reason.enhanced, says=one_line(says)[:_SAYS])


# Complaints.


def _feedback(message: Message, original: Message | None) -> _Reason | None:
    """RFC 5965, and the older form in which a provider sends the letter itself, with a header of its own."""
    for part in _parts(message, "message/feedback-report"):
        fields = _fields(part)
        wish = fields.get("feedback-type", "").lower()
        recipient = _bare(fields.get("original-rcpt-to", "") or fields.get("removal-recipient", ""))
        kind = Kind.COMPLAINT if wish in _WISHES else Kind.OTHER
        return _Reason(kind, recipient, None, "", f"feedback: {wish or 'without a type'}")
    recipient = _bare(_header(original, "x-hmxmroriginalrecipient") or _header(message, "x-hmxmroriginalrecipient"))
    return _Reason(Kind.COMPLAINT, recipient, None, "", "feedback: complaint") if recipient else None


# What servers write for machines.


def _status(message: Message) -> _Reason | None:
    """RFC 3464: the recipient whom it is worst for."""
    blocks = [block for part in _parts(message, "message/delivery-status") for block in _blocks(part)]
    reasons = [reason for block in blocks if (reason := _of_recipient(block, message))]
    return min(reasons, key=lambda reason: _WORST.index(reason.kind), default=None)


_WORST = (Kind.HARD, Kind.SOFT, Kind.POLICY, Kind.DELAYED, Kind.DELIVERED)


def _of_recipient(fields: dict[str, str], message: Message) -> _Reason | None:
    action = fields.get("action", "").lower().partition(" ")[0].strip("(;,")
    recipient = _bare(fields.get("original-recipient", "") or fields.get("final-recipient", ""))
    if not action or not (recipient or "status" in fields):
        return None
    says = fields.get("diagnostic-code", "")
    status = _find(_ENHANCED, fields.get("status", ""))
    if action in _ACTIONS:
        return _Reason(_ACTIONS[action], recipient, None, status, says)
    said = says if _telling(says) else f"{says} {_words(message)}"
    return _reason(recipient, said, status, says or said)


def _telling(says: str) -> bool:
    """Whether a diagnostic has words, and not only "smtp; 550" or "x-unix; 0x04"."""
    return len(re.findall(r"[^\W\d_]{3,}", re.sub(r"^\s*[\w-]+\s*;", "", says))) >= 2


def _failed_recipients(message: Message) -> _Reason | None:
    """A header that Exim, and others after it, put beside words for people."""
    failed = _header(message, "x-failed-recipients")
    return _reason(_bare(failed), words := _words(message), "", words) if failed else None


# What they write for people.


def _automatic(message: Message) -> _Reason | None:
    """A person's machine: away, or asking who we are. Not a server's report, which also is an automatic answer."""
    subject, start = _header(message, "subject"), _words(message)[:1500]
    if _UNDELIVERED.match(subject):
        return None  # what follows is our own subject, which may speak of holidays and challenges
    if _PROVE.search(subject) or (_PROVE.search(start) and not _from_nobody(message)):
        return _Reason(Kind.CHALLENGE, "", None, "", subject)
    answers = _header(message, "auto-submitted").lower().startswith("auto-replied")
    marked = answers or any(_header(message, name) for name in ("x-autoreply", "x-autorespond", "x-autoresponder"))
    marked = marked or _header(message, "precedence").lower() in {"auto_reply", "auto-reply"}
    if _AWAY.search(subject) or (marked and not _from_server(message)):
        return _Reason(Kind.AUTO_REPLY, "", None, "", subject)
    return None


def _in_words(message: Message) -> _Reason | None:
    """By the wordings that flufl.bounce knows, else where a server writes and says a code."""
    try:
        for_now, for_good = all_failures(message)
    except Exception:  # a stranger's bytes: whatever it stumbles over, this is no report that we can read
        for_now, for_good = frozenset(), frozenset()
    words = _words(message)
    if for_good:
        return _reason(_first(for_good), words, "", words)
    if for_now:
        return _Reason(Kind.DELAYED, _first(for_now), None, "", words)
    told = _find(_CODE, words) or phrases.of(words, "", None) is not Kind.SOFT or _bare(words)
    return _reason(_bare(words), words, "", words) if told and _from_server(message) else None


def _reason(recipient: str, said: str, status: str, says: str) -> _Reason:
    """By everything that was said; the status of a report may be as empty as 5.0.0."""
    said = said[:_LOOKED_AT]
    code = _find(_CODE, said)
    detailed = "" if status.endswith(".0.0") else status
    enhanced = detailed or _find(_ENHANCED, said) or status
    kind = phrases.of(said, enhanced, int(code) if code else None)
    return _Reason(kind, recipient, int(code) if code else None, enhanced, says)


# Who wrote it.

_SERVERS = re.compile(
    r"^(?:mailer-?daemon|postmaster|mail-?daemon|daemon|mailer|no-?reply-?mail-?daemon|mail[-. ]?delivery|mdaemon|"
    r"postoffice|smtpd?|administrator|bounces?|complaints?)\b",
    re.IGNORECASE,
)
_UNDELIVERED = re.compile(
    r"undeliver|returned mail|delivery (?:status|failure|has failed|problem|error|report|incomplete)|mail delivery|"
    r"failure notice|non[- ]?(?:deliver|remis)|mail (?:failure|system error|could not)|not delivered|"
    r"returned to sender|unzustellbar|nicht zugestellt|no (?:se ha )?(?:podido )?entrega|devuelto|non remis|"
    r"mancata consegna|n[ãa]o entregue",
    re.IGNORECASE,
)


def _from_nobody(message: Message) -> bool:
    """With the empty return path that RFC 5321 §4.5.5 asks of reports."""
    return _header(message, "return-path").strip() == "<>"


def _from_server(message: Message) -> bool:
    names = [part for _, address in getaddresses([_header(message, "from")]) for part in [address.partition("@")[0]]]
    return any(map(_SERVERS.match, names)) or bool(_UNDELIVERED.search(_header(message, "subject")))


# Pieces of a message that may be anything.


def _parts(message: Message, kind: str) -> Iterator[Message]:
    """The parts of a type, but for those within the letter that came back."""
    if message.get_content_type() == kind:
        yield message
    elif message.is_multipart() and message.get_content_maintype() != "message":
        for part in message.get_payload():
            if isinstance(part, Message):
                yield from _parts(part, kind)


def _blocks(part: Message) -> Iterator[dict[str, str]]:
    """The groups of fields of a delivery status: of the message, then of each recipient."""
    content = part.get_payload()
    for block in content if isinstance(content, list) else [_only_fields(str(content))]:
        if isinstance(block, Message):
            yield {name.lower(): one_line(str(value)) for name, value in block.items()}


def _fields(part: Message) -> dict[str, str]:
    merged: dict[str, str] = {}
    for block in _blocks(part):
        merged = block | merged
    content = part.get_payload(decode=True)
    if not merged and isinstance(content, bytes):
        merged = {name.lower(): str(value) for name, value in message_from_bytes(content).items()}
    return merged


def _only_fields(text: str) -> Message:
    return message_from_bytes(text.encode("utf-8", "replace"))


def _original(message: Message) -> Message | None:
    """The letter, or its headers, that a report carries."""
    for part in message.walk():
        if part.get_content_type() == "message/rfc822" and part.is_multipart():
            found = part.get_payload(0)
            return found if isinstance(found, Message) else None
        if part.get_content_type() == "text/rfc822-headers":
            return _only_fields(_text(part))
    words = _whole_text(message)
    at = re.search(r"^(?:Return-Path|Received|Message-ID|DKIM-Signature):", words, re.IGNORECASE | re.MULTILINE)
    return _only_fields(words[at.start() :]) if at else None


#: Ours, where a server repeats it: news may be of schools that are closed, and of viruses.
_SUBJECT = re.compile(
    r"^[ \t>*]*(?:subject|asunto|betreff|objet|oggetto|assunto|onderwerp)[ \t]?:.*$", re.IGNORECASE | re.MULTILINE
)


def _words(message: Message) -> str:
    """What is written for people, before the letter that follows below it."""
    words = _SUBJECT.sub("", _whole_text(message))
    cut = re.search(
        r"^-{2,}.{0,40}(?:original|copy of (?:your|the)|below this line|return(?:ed)? message|message header)"
        r"|^(?:Return-Path|Received): |^--- Below",
        words,
        re.IGNORECASE | re.MULTILINE,
    )
    return words[: cut.start()] if cut and cut.start() > 40 else words


def _whole_text(message: Message) -> str:
    return "\n".join(_texts(message))[: 4 * _LOOKED_AT]


def _texts(message: Message) -> Iterator[str]:
    if message.is_multipart():
        if message.get_content_maintype() != "message":
            for part in message.get_payload():
                if isinstance(part, Message):
                    yield from _texts(part)
    elif message.get_content_maintype() == "text" and message.get_content_type() != "text/rfc822-headers":
        text = _text(message)
        yield re.sub(r"<[^<>]*>", " ", text) if message.get_content_subtype() == "html" else text


def _text(part: Message) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return str(part.get_payload())
    try:
        return content.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):  # a charset that nobody knows, or that is none for texts
        return content.decode("utf-8", "replace")


def _header(message: Message | None, name: str) -> str:
    """The first header of this name; written in UTF-8 without being encoded it is read all the same."""
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == name), "") if message else ""
    value = raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        return one_line(str(make_header(decode_header(value))))
    except (HeaderParseError, ValueError, LookupError):
        return one_line(value)


def _addresses(message: Message | None, names: tuple[str, ...]) -> list[str]:
    if message is None:
        return []
    values = [one_line(str(value)) for name in names for value in message.get_all(name, [])]
    return [address for _, address in getaddresses(values) if "@" in address]


def _bare(recipient: str) -> str:
    """ "rfc822; <rosa@members.example>" as rosa@members.example."""
    written = re.sub(r"^\s*[\w-]+\s*;", "", recipient)
    # With bounds, as of a long line without an @ each beginning would be tried to its end.
    found = re.search(r"[^\s<>\"',;:()@]{1,100}@[^\s<>\"',;:()]{1,255}", written)
    return found[0] if found else ""


def _first(found: frozenset[bytes]) -> str:
    return min(found).decode("ascii", "replace")


def _find(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""
