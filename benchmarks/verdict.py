"""What the sink's log says of a sending: who was lost, who was mailed twice, and whether each doubt is explained.

The log is the oracle: what the ledger says is compared with it and never believed for its own sake. Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: Seconds around a kill in which what happened to a message may have been its doing, beside the sink's slowness:
#: a worker may learn of its database's death at its next writing, and a dead one's last bytes take their time.
MARGIN = 5.0
#: Seconds before a kill in which a connection must have been open: one that is cut is closed before the kill is noted.
JUST_BEFORE = 1.0
#: What the sink notes of a message that may have left its sender in doubt.
TRACES = ("accepted", "unanswered", "broken")


@dataclass(frozen=True)
class Entry:
    at: float
    event: str
    connection: int
    recipient: str
    message_id: str


@dataclass
class Kill:
    """Something that was killed, frozen or cut. A freeze lasts until it `ended`."""

    what: str
    began: float
    ended: float = 0.0
    connections: int = 0  # that were open just before

    @property
    def over(self) -> float:
        return max(self.began, self.ended)

    def near(self, at: float, slow: float) -> bool:
        return self.began - MARGIN - slow <= at <= self.over + MARGIN + slow


@dataclass
class Line:
    """What the log says of one connection as a whole."""

    opened: float = float("inf")
    closed: float = float("inf")
    whole: float = 0.0  # when it last had a whole message

    def note(self, entry: Entry) -> None:
        if entry.event == "opened":
            self.opened = entry.at
        elif entry.event == "closed":
            self.closed = entry.at
        elif entry.event != "broken":
            self.whole = entry.at

    def ends(self, trace: Entry, kill: Kill) -> bool:
        """Whether it was open at the kill, and this was its last: where another follows, its answer was heard."""
        open_then = self.opened <= kill.over and self.closed >= kill.began - JUST_BEFORE
        return open_then and self.whole <= trace.at


@dataclass
class Verdict:
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    #: Not settled although all is over, or the ledger denies what the sink has taken.
    wrong: list[str] = field(default_factory=list)
    #: What became of the messages in doubt, as the sink tells it.
    fates: Counter[str] = field(default_factory=Counter)

    @property
    def violated(self) -> bool:
        return bool(self.lost or self.twice or self.unexplained or self.wrong)


def read(log: Path) -> list[Entry]:
    """All whole lines: the last may be just being written."""
    lines = log.read_text().splitlines(keepends=True)
    return [_entry(line) for line in lines if line.endswith("\n")]


def judge(
    entries: Collection[Entry], ledger: Mapping[str, str], members: Iterable[str], kills: list[Kill], slow: float
) -> Verdict:
    """`ledger` is the state of each address; `slow` is how long the sink lets each reply wait."""
    taken = Counter(entry.recipient for entry in entries if entry.event == "accepted")
    verdict = Verdict(unknown=sorted(address for address, state in ledger.items() if state == "unknown"))
    for member in members:
        state = ledger.get(member, "missing")
        if state == "unknown":
            continue
        if not taken[member]:
            verdict.lost.append(member)
        elif state != "sent":
            verdict.wrong.append(f"{member} is {state}, and the sink has taken its letter")
    verdict.twice = [address for address, times in taken.items() if times > 1] + _shared(entries)
    verdict.wrong += [f"{address} is nobody's" for address in taken if address not in ledger]
    _explain(verdict, entries, kills, slow)
    return verdict


def most_connections(entries: Iterable[Entry], since: float, until: float) -> int:
    """The most connections that were open at the same time between two moments."""
    open_now = most = 0
    for entry in entries:
        if entry.at > until:
            break
        before = open_now
        open_now += {"opened": 1, "closed": -1}.get(entry.event, 0)
        if entry.at >= since:
            most = max(most, before, open_now)
    return max(most, open_now)


def _entry(line: str) -> Entry:
    at, event, connection, recipient, message_id = line.split()
    return Entry(float(at), event, int(connection), recipient, message_id)


def _shared(entries: Iterable[Entry]) -> list[str]:
    """Message-IDs under which more than one recipient was mailed."""
    recipients = defaultdict(set)
    for entry in entries:
        if entry.event == "accepted" and entry.message_id != "-":
            recipients[entry.message_id].add(entry.recipient)
    return [message_id for message_id, mailed in recipients.items() if len(mailed) > 1]


def _explain(verdict: Verdict, entries: Collection[Entry], kills: list[Kill], slow: float) -> None:
    """Each kill explains at most one doubt on each connection that was open then, if the log shows the break."""
    traces = {entry.recipient: entry for entry in entries if entry.event in TRACES}
    lines = _lines(entries)
    spent: dict[int, set[int]] = defaultdict(set)
    for address in sorted(verdict.unknown, key=lambda unknown: traces[unknown].at if unknown in traces else 0):
        trace = traces.get(address)
        verdict.fates[_fate(address, entries, trace)] += 1
        near = [
            kill for kill in kills if trace and _explains(kill, trace, lines[trace.connection], spent[id(kill)], slow)
        ]
        if trace and near:
            spent[id(min(near, key=lambda kill: kill.over))].add(trace.connection)
        else:
            verdict.unexplained.append(address)


def _explains(kill: Kill, trace: Entry, line: Line, spent: Collection[int], slow: float) -> bool:
    """`spent` are the connections on which it explains a doubt already."""
    room = len(spent) < kill.connections and trace.connection not in spent
    return room and kill.near(trace.at, slow) and line.ends(trace, kill)


def _lines(entries: Iterable[Entry]) -> dict[int, Line]:
    lines: dict[int, Line] = defaultdict(Line)
    for entry in entries:
        lines[entry.connection].note(entry)
    return lines


def _fate(address: str, entries: Iterable[Entry], trace: Entry | None) -> str:
    if trace is None:
        return "of which the sink knows nothing"
    taken = any(entry.recipient == address and entry.event == "accepted" for entry in entries)
    answered = {"accepted": "answered", "unanswered": "not answered", "broken": "broken off before its end"}
    return f"{'taken' if taken else 'not taken'}, {answered[trace.event]}"
