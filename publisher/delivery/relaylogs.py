"""What a relay's own log says of letters that are asked for by their Message-ID.

A log names a message by its queue id, and the Message-ID once: that line binds the two, and what follows is said of
the queue id alone. To be named is not to be taken: Postfix logs the Message-ID as soon as it reads the header, also
of a message that breaks off before its end. So "taken" needs a line of its own.

Read line by line, keeping only what is asked for: a log of any size, in bounded memory. The formats are tables.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from enum import StrEnum

from .logtimes import Coverage, Stamps


class Found(StrEnum):
    """What became of a letter, as far as the log tells. The order is that of certainty."""

    ABSENT = "absent"
    ADDRESSED = "addressed"  # a letter to this address was taken, but the log tells no letter from another
    SEEN = "seen"  # named, and neither taken nor refused: put on hold, or the rest is in another file
    REFUSED = "refused"  # named, and not taken: it broke off before its end, or the relay said no
    TAKEN = "taken"
    DELIVERED = "delivered"
    BOUNCED = "bounced"


TAKEN = frozenset({Found.TAKEN, Found.DELIVERED, Found.BOUNCED})


class Does(StrEnum):
    """What a line does to the message of its queue id."""

    BEGINS = "begins"  # a message is being received under this id, which another may have had before
    NAMES = "names"
    TAKES = "takes"
    ACCEPTS = "accepts"  # names and takes
    DELIVERS = "delivers"
    BOUNCES = "bounces"
    REFUSES = "refuses"
    BREAKS = "breaks"  # the connection of this process ended within the message that it was receiving
    ENDS = "ends"  # the id may be given to another message from here on
    ADDRESSES = "addresses"


#: Said of a message whose Message-ID may not have been asked for, or not been read yet.
_ALWAYS = frozenset({Does.BEGINS, Does.NAMES, Does.ACCEPTS, Does.BREAKS, Does.ADDRESSES})


@dataclass(frozen=True)
class Dialect:
    """One program's way to log. `line` finds the queue id, the process and the rest; `steps` say what the rest does."""

    name: str
    line: re.Pattern[bytes]
    steps: tuple[tuple[Does, re.Pattern[bytes]], ...]


def _steps(*table: tuple[Does, bytes]) -> tuple[tuple[Does, re.Pattern[bytes]], ...]:
    return tuple((does, re.compile(pattern)) for does, pattern in table)


_TO = rb"to=<(?P<to>[^>]*)>, (?:orig_to=<(?P<for>[^>]*)>, )?.*?"

POSTFIX = Dialect(
    "Postfix",
    re.compile(
        rb" (?P<host>\S+) \S+/(?P<daemon>[\w-]+)\[(?P<process>\d+)\]: (?:(?P<id>[0-9A-Za-z]{5,20}): )?(?P<rest>.*)"
    ),
    _steps(
        (Does.BEGINS, rb"client="),
        (Does.NAMES, rb"message-id=(?P<message><[^<>\s]+>)"),
        # "after END-OF-MESSAGE" is said of messages that were taken. The rest of the line tells how many bytes came.
        (Does.BREAKS, rb"(?:lost connection|timeout) after (?:DATA|BDAT)\b"),
        (Does.TAKES, rb"from=<[^>]*>, size=\d+, nrcpt=\d+ \(queue active\)"),
        (Does.DELIVERS, _TO + rb"\bstatus=sent (?P<said>.*)"),
        (Does.BOUNCES, _TO + rb"\bstatus=(?:bounced|expired|undeliverable) (?P<said>.*)"),
        (Does.TAKES, _TO + rb"\bstatus=deferred"),
        (Does.BOUNCES, rb"from=<[^>]*>, status=(?P<said>(?:force-)?expired.*)"),
        (Does.REFUSES, rb"(?:milter-)?reject: (?P<said>.*)"),
        (Does.BOUNCES, rb"(?P<said>(?:milter-)?discard: .*)"),
        (Does.ENDS, rb"removed"),
    ),
)
EXIM = Dialect(
    "Exim",
    # Through syslog the time stands twice. Ids have three parts: of 6, 6 and 2 characters, since 4.97 of 6, 11 and 4.
    re.compile(
        rb" ?(?:(?P<host>\S+) \S*exim\S*: )?(?:\d{4}-\d\d-\d\d [\d:.]+ (?:[+-]\d{4} )?)?(?:\[\d+\] )?"
        rb"(?P<id>\w{6}-(?:\w{6}-\w{2}|\w{11}-\w{4})) (?P<rest>.*)"
    ),
    _steps(
        (Does.ACCEPTS, rb"<= .*? id=(?P<message>\S+)"),
        (Does.BOUNCES, rb"=> :?(?P<said>blackhole.*)"),
        (Does.DELIVERS, rb"(?:=>|->|>>) (?P<to>\S+) (?:<(?P<for>[^>]+)> )?(?P<said>.*)"),
        (Does.BOUNCES, rb"\*\* (?P<to>\S+?):? (?:<(?P<for>[^>]+)>:? )?(?P<said>.*)"),
        (Does.ENDS, rb"Completed"),
    ),
)
OPENSMTPD = Dialect(
    "OpenSMTPD",
    # Its msgid and evpid are its own: of the Message-ID its log says nothing.
    re.compile(rb" (?P<host>\S+) \S*smtpd\[\d+\]: (?P<id>[0-9a-f]{16}) (?P<rest>.*)"),
    _steps((Does.ADDRESSES, rb"smtp envelope evpid=(?P<said>\w+) from=<[^>]*> to=<(?P<to>[^>]*)>")),
)
DIALECTS = (POSTFIX, EXIM, OPENSMTPD)

#: Programs that write logs say so when they leave something out.
_LEFT_OUT = re.compile(rb"messages? (?:lost|dropped|suppressed)|Suppressed \d+ messages|due to rate-limiting", re.I)
#: A delivery to a filter of the same relay, which gives the message back under another id.
_HANDED_ON = re.compile(r"queued as (\w+)")
_MOST_RECENT = 10_000
_MOST_PASSAGES = 20


@dataclass
class Passage:
    """One way of a message through one queue."""

    queue_id: str
    at: datetime | None = None
    found: Found = Found.SEEN
    said: str = ""


@dataclass
class Trace:
    """All that the log says of one Message-ID."""

    passages: list[Passage] = field(default_factory=list)

    @property
    def last(self) -> Passage:
        """The passage that decides: the newest that ended, else the newest that was taken, else what there is."""
        ids = {passage.queue_id for passage in self.passages}
        for wanted in ({Found.DELIVERED, Found.BOUNCED}, TAKEN, {Found.ADDRESSED}, {Found.SEEN}):
            for passage in reversed(self.passages):
                if passage.found in wanted and not (wanted != TAKEN and _handed_on(passage, ids)):
                    return passage
        return self.passages[-1]

    @property
    def found(self) -> Found:
        if not self.passages:
            return Found.ABSENT
        last = self.last
        return Found.TAKEN if _handed_on(last, {each.queue_id for each in self.passages}) else last.found


def _handed_on(passage: Passage, ids: set[str]) -> bool:
    if passage.found is not Found.DELIVERED:
        return False
    return bool((onward := _HANDED_ON.search(passage.said)) and onward[1] in ids - {passage.queue_id})


class _Recent(OrderedDict[tuple[bytes, bytes], bytes]):
    """The newest so many: what is said of a message before it is known to be asked for."""

    def keep(self, key: tuple[bytes, bytes], value: bytes) -> None:
        self[key] = value
        self.move_to_end(key)
        if len(self) > _MOST_RECENT:
            self.popitem(last=False)


class Reader:
    """Reads lines, and keeps what they say of the Message-IDs that are asked for."""

    def __init__(self, asked: Mapping[str, str], *, now: datetime, zone: tzinfo = UTC) -> None:
        """`asked` maps "<…@…>" to the address it went to. `now` and `zone` are for times without a year or a zone."""
        self.asked = asked
        self.addresses: dict[str, list[str]] = {}
        for message, address in asked.items():
            self.addresses.setdefault(address.lower(), []).append(message)
        self.traces: dict[str, Trace] = {}
        self.coverage = Coverage()
        self.stamps = Stamps(now, zone)
        self.spoken: set[str] = set()
        self._under: dict[tuple[bytes, bytes], tuple[Passage, str]] = {}
        self._receiving, self._broken = _Recent(), _Recent()

    def trace(self, message: str) -> Trace:
        return self.traces.get(message) or Trace()

    def log(self, lines: Iterable[bytes]) -> None:
        """Read a log in any of the dialects, line by line."""
        for line in lines:
            after = self.stamps.read(line, self.coverage)
            if after is None:
                continue
            for dialect in DIALECTS:
                if match := dialect.line.match(line, after):
                    self.spoken.add(dialect.name)
                    self._line(dialect, match)
                    break
            else:
                self.coverage.left_out |= _LEFT_OUT.search(line) is not None

    def listed(self, message: str, found: Found, at: datetime | None, queue_id: str, said: str) -> None:
        """One record of a list: what it says is said at once."""
        if message in self.asked:
            self._passage(message, Passage(queue_id, at, found, said))

    def _line(self, dialect: Dialect, match: re.Match[bytes]) -> None:
        groups = match.groupdict()
        key = (groups.get("host") or b"", groups["id"] or b"")
        known = key in self._under
        for does, pattern in dialect.steps:
            if (known or does in _ALWAYS) and (step := pattern.match(groups["rest"])):
                getattr(self, f"_{does}")(key, {**groups, **step.groupdict()})
                break

    # What a line does.

    def _begins(self, key: tuple[bytes, bytes], said: dict[str, bytes | None]) -> None:
        self._under.pop(key, None)
        self._broken.pop(key, None)
        self._receiving.keep((key[0], said["process"] or b""), key[1])

    def _breaks(self, key: tuple[bytes, bytes], said: dict[str, bytes | None]) -> None:
        """Logged by the process that received; the Message-ID may be logged after it, by another."""
        queue_id = self._receiving.pop((key[0], said["process"] or b""), b"")
        self._broken.keep((key[0], queue_id), b"it broke off before its end")
        if (key[0], queue_id) in self._under:
            self._refuses((key[0], queue_id), {"said": b"it broke off before its end"})

    def _names(self, key: tuple[bytes, bytes], said: dict[str, bytes | None]) -> None:
        message = _text(said["message"])
        message = message if message.startswith("<") else f"<{message}>"
        self._under.pop(key, None)
        if message not in self.asked:
            return
        passage = Passage(_text(key[1]), self.stamps.at)
        self._under[key] = (passage, self.asked[message].lower())
        self._passage(message, passage)
        if key in self._broken:
            self._refuses(key, {"said": self._broken[key]})

    def _takes(self, key: tuple[bytes, bytes], said: dict[str, bytes | None]) -> None:
        passage, _ = self._under[key]
        if passage.found not in TAKEN:
            passage.found, passage.said = Found.TAKEN, ""

    def _accepts(self, key: tuple[bytes, bytes], said: dict[str, bytes | None]) -> None:
        self._names(key, said)
        if key in self._under:
            self._takes(key, said)

    def _delivers(self, key: tuple[bytes, bytes], said: dict[str, bytes | None]) -> None:
        self._ended(key, said, Found.DELIVERED)

    def _bounces(self, key: tuple[bytes, bytes], said: dict[str, bytes | None]) -> None:
        self._ended(key, said, Found.BOUNCED)

    def _ended(self, key: tuple[bytes, bytes], said: dict[str, bytes | None], found: Found) -> None:
        """To one of its recipients. A copy to somebody else says only that it was taken."""
        self._takes(key, said)
        passage, address = self._under[key]
        recipients = {_text(said[name]).lower() for name in ("to", "for") if said.get(name)}
        if (address in recipients or not recipients) and passage.found is not Found.DELIVERED:
            passage.found, passage.said = found, _text(said.get("said"))

    def _refuses(self, key: tuple[bytes, bytes], said: dict[str, bytes | None]) -> None:
        passage, _ = self._under[key]
        if passage.found is Found.SEEN:
            passage.found, passage.said = Found.REFUSED, _text(said.get("said"))

    def _ends(self, key: tuple[bytes, bytes], said: dict[str, bytes | None]) -> None:
        self._takes(key, said)  # Removed from the queue it had been in.
        del self._under[key]

    def _addresses(self, key: tuple[bytes, bytes], said: dict[str, bytes | None]) -> None:
        for message in self.addresses.get(_text(said["to"]).lower(), ()):
            self._passage(message, Passage(_text(said["said"]), self.stamps.at, Found.ADDRESSED))

    def _passage(self, message: str, passage: Passage) -> None:
        passages = self.traces.setdefault(message, Trace()).passages
        passages.append(passage)
        del passages[:-_MOST_PASSAGES]


def _text(said: bytes | None) -> str:
    """As it can be shown: what senders wrote into it may hold anything."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", (said or b"").decode("utf-8", "replace")).strip()[:400]
