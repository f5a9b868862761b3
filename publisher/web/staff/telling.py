"""The history as sentences: "Ben Ortiz approved it"."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from publisher.models import Event

#: (noun, state it came to) → what was done. From a state that makes it another deed: (noun, from, to).
MOVED = {
    ("digest", "in_review"): "sent it to review",
    ("digest", "approved"): "approved it",
    ("digest", "in_review", "draft"): "took it back to draft",
    ("digest", "approved", "draft"): "took it back to draft, and the approval is void",
    ("digest", "preparing"): "began to freeze the audience",
    ("digest", "preparing", "sending"): "began to send",
    ("digest", "paused"): "paused it",
    ("digest", "paused", "preparing"): "resumed it",
    ("digest", "paused", "sending"): "resumed it",
    ("digest", "sent"): "finished the sending",
    ("digest", "cancelled"): "cancelled it",
    ("postset", "in_review"): "sent it to review",
    ("postset", "approved"): "approved it",
    ("postset", "in_review", "draft"): "took it back to draft",
    ("postset", "approved", "draft"): "took it back to draft, and the approval is void",
    ("postset", "cancelled"): "cancelled it",
    ("item", "queued"): "queued it",
    ("item", "set_aside"): "set it aside",
    ("item", "withdrawn"): "withdrew it",
    ("post", "removing"): "asked to remove it",
    ("post", "removing", "published"): "left it where it is",
    ("post", "removed"): "removed it",
}
DONE = {
    "connected": "connected it",
    "paused": "paused it",
    "resumed": "resumed it",
    "spent": "found its budget spent",
    "renewed": "renewed its credentials",
    "renewal lost": "lost the answer to a renewal",
    "ending": "saw its end come near",
    "added": "added it",
    "edited": "edited it",
    "joined": "let join",
    "left": "took out",
    "invited": "drafted an invitation",
    "ended": "ended it",
    "tagged": "filed it under its source’s tags",
    "received": "took it in",
    "updated": "updated it",
    "flagged": "flagged it",
    "kept own text": "kept its own text",
    "checked": "looked at what seemed damaged",
    "scheduled": "set the time of its start",
    "seen": "saw to it",
    "unscheduled": "took its start back",
    "asked": "stopped to ask",
    "delivered": "handed over a batch",
    "settled": "settled what was unknown",
    "reconciled": "held the mail server’s log against what was unknown",
    "looked": "looked for it on the network",
    "drafted": "drafted it",
    "timed": "gave it another time",
    "preferred": "gave it another place among those of its day",
    "postponed": "put it off",
    "heard": "read it at its source again",
    "corrected": "corrected it where it went out",
    "not removed": "could not remove it yet",
    "confirmed": "confirmed that this is the one that goes on",
}

#: So many lines of a history stand on a page.
SHOWN = 50


@dataclass(frozen=True)
class Line:
    said: str
    why: str
    at: datetime
    #: The time that was set, where one was.
    to: datetime | None = None


@dataclass(frozen=True)
class Told:
    """The newest lines, newest first, and how many there are before them."""

    lines: list[Line]
    earlier: int

    def __len__(self) -> int:
        return len(self.lines) + self.earlier


def newest(events: QuerySet[Event]) -> Told:
    """A sending of many batches has a history of thousands; nobody reads more of it than this."""
    # A batch that nothing came of is no news, and while a server is away there is one after the other.
    said = events.exclude(verb="delivered", detail={})
    shown = [_line(event) for event in said.order_by("-pk")[:SHOWN]]
    return Told(shown, said.count() - len(shown))


def _line(event: Event) -> Line:
    """Nobody means the service itself."""
    to = event.detail.get("at")
    said = f"{event.by.name if event.by else 'The service'} {_deed(event)}"
    return Line(said, event.why, event.at, datetime.fromisoformat(to) if to else None)


def _deed(event: Event) -> str:
    if event.verb != "moved":
        return DONE.get(event.verb, event.verb)
    exact = MOVED.get((event.noun, event.before, event.after))
    return exact or MOVED.get((event.noun, event.after)) or f"moved it from {event.before} to {event.after}"
