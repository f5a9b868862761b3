"""What a mail provider tells of a letter, in django-anymail's words, as the same Report that a mail gives.

A provider's "bounce" is anything from an address that does not exist to a refusal of us; its own list of those that it
does not mail is a "rejection". The server's words decide first, as everywhere; where they say nothing, whether the
provider calls it final.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from . import phrases
from .phrases import Kind
from .reading import Report, of_answer

#: Of these "for good" is any answer that begins with 5: whatever else a server says in words counts for more.
_ANY_5XX = frozenset({"mailgun", "sendgrid"})

#: By the type of an event; what is not here, and no bounce or rejection, says nothing of the letter.
BY_TYPE: Mapping[str, Kind] = {
    "delivered": Kind.DELIVERED,
    "opened": Kind.DELIVERED,
    "clicked": Kind.DELIVERED,
    "autoresponded": Kind.AUTO_REPLY,
    "deferred": Kind.DELAYED,
    "complained": Kind.COMPLAINT,
    "unsubscribed": Kind.COMPLAINT,  # a person's wish, that the provider knows and we do not
}
#: By the reason that anymail gives for a bounce or a rejection; what is not here is judged by its words.
BY_REASON: Mapping[str, Kind] = {
    "blocked": Kind.POLICY,
    "spam": Kind.POLICY,  # the content, or the provider's own filter; a person's word is "complained"
    "timed_out": Kind.SOFT,
    "unsubscribed": Kind.COMPLAINT,
}

#: Whether the provider calls it final, by its own name for it.
FINAL: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "brevo": lambda said: said.get("event") in {"hard_bounce", "invalid_email"},
    "mailgun": lambda said: (said.get("event-data") or {}).get("severity") == "permanent",
    "mailjet": lambda said: bool(said.get("hard_bounce")),
    "postmark": lambda said: said.get("Type") in {"HardBounce", "BadEmailAddress"},
    "resend": lambda said: ((said.get("data") or {}).get("bounce") or {}).get("type") == "Permanent",
    "sendgrid": lambda said: said.get("type") == "bounce" or "bounced address" in str(said.get("reason")).lower(),
    "sparkpost": lambda said: str(_innermost(said).get("bounce_class")) in {"10", "30"},
}


def report(provider: str, kind: str, reason: str | None, says: str, said: Mapping[str, Any]) -> Report:
    """One event: its type and reason as anymail names them, the server's words, and what the provider said itself."""
    answer = of_answer(says)
    if kind in BY_TYPE:
        return replace(answer, kind=BY_TYPE[kind])
    if kind not in {"bounced", "rejected"}:
        return replace(answer, kind=Kind.OTHER)
    final = FINAL[provider](said)
    if provider in _ANY_5XX and _unknown(answer) and not _listed(said):
        final = False
    return replace(answer, kind=_refused(reason, answer, final))


def _refused(reason: str | None, answer: Report, final: bool) -> Kind:
    if reason and reason in BY_REASON:
        return BY_REASON[reason]
    if answer.kind is Kind.POLICY or phrases.FULL.search(answer.says):
        return answer.kind
    return Kind.HARD if final else Kind.SOFT


def _unknown(answer: Report) -> bool:
    """Whether a server said something, and nothing that we understand as "there is nobody"."""
    return answer.kind is Kind.SOFT and bool(answer.says)


def _listed(said: Mapping[str, Any]) -> bool:
    """Whether the provider did not even try, because it came back before."""
    event = said.get("event-data") or {}
    return event.get("reason") == "suppress-bounce" or "bounced address" in str(said.get("reason")).lower()


def _innermost(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """SparkPost wraps an event twice: {"msys": {"message_event": {…}}}."""
    while len(said) == 1 and isinstance(inner := next(iter(said.values())), Mapping):
        said = inner
    return said
