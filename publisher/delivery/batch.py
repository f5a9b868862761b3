"""The rows that one worker holds, from the claim to their outcomes.

    waiting ──arm──▶ ready ──take──▶ under way ──settled──▶ decided ──go_on──▶ in the database
       ▲               ▲                 │
       claim, a slice  └───── unsent ────┘   this connection broke off before the dot

About GROUP rows are armed at any moment, so that the loss of a whole machine leaves no more of them unknown. One
transaction does the three things that are due together: it renews the hold, writes what is decided, arms what is next.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter, deque
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from itertools import islice

from django.conf import settings
from django.db.transaction import atomic
from django.utils import timezone

from .. import faults, holders
from ..models import Delivery, Digest, Hold
from . import ledger, manners, retries, statements
from .addresses import AddressRefused, CannotBuild, ascii_domain
from .claims import due_rows, suppressed_among
from .declined import Declined
from .dialogue import Transaction
from .frame import Frame
from .journal import Journal, journal_path
from .outcomes import Outcome, Result, made, refusal_in_words, taken
from .pausing import Suspicion
from .relays import Relay
from .replies import Phase
from .rows import Row
from .statements import Due, Written
from .stay import Stay
from .turns import Turns

State = Delivery.State
#: Rows that are armed at once: with a machine and its journal so many are lost to doubt.
GROUP = 64
#: So many messages are made before their turn. Signed ones take their time, and the relays should not wait meanwhile.
MADE_AHEAD = 7
#: Rows claimed in one transaction. More would keep everybody else waiting for the database.
SLICE = 1000
#: Whether a member may still be mailed is asked again of rows that were claimed longer ago than this.
ASK_AGAIN_AFTER = 30.0
#: So often a row may be announced by a connection that then breaks off, before it waits like one that was refused.
MOST_TRIES = 3
#: Seconds after which a hold is renewed, and a pause noticed, when nothing else is to be written.
BEAT = 2.0

_clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while the machine sleeps


class Batch:
    """Rows of a digest under one hold: `most`, or more while it only waits. `engine.Work` for one run of an engine."""

    def __init__(
        self, digest: Digest, frame: Frame, turns: Turns[Row], *, most: int, connections: int, relays: int = 1
    ) -> None:
        self.digest, self.frame, self.turns = digest, frame, turns
        #: How the batch went: "sent": 998, "failed": 2.
        self.counts: Counter[str] = Counter()
        #: Why a person must look before anything more is sent; empty as it should be.
        self.trouble = ""
        self.claimed = 0
        self._most, self._connections = most, connections
        self._stay, self._lease = Stay(settings.TURN), settings.CLAIM_LEASE
        self._ready: deque[Transaction] = deque()
        self._declined = Declined(relays)
        self._under_way: set[Transaction] = set()
        self._decided: list[tuple[Row, Outcome]] = []
        self._suspicion: Suspicion[Row] = Suspicion(connections, accepted=digest.refusals_accepted)
        self._taken: list[tuple[Row, bytes, float]] = []  # with the answers, and when they came: not settled yet
        self._freed = 0  # decided, but not written: they may be armed no more
        self._armed = 0  # in the database: ready, under way and decided
        self._given_back = 0
        self._failed = not digest.list_checked  # perhaps in a batch before
        self._over = self._late = self._all = False  # stopped; the turn is over; nothing more was due
        self._acted_at = self._safe_until = 0.0
        self._take_hold()

    def _take_hold(self) -> None:
        """The hold and its first rows, or nothing at all where nothing is due."""
        with ExitStack() as undone:
            with atomic():
                found = self._find(ledger.locked(self.digest.pk))
                if not found:
                    return
                self._journal = Journal(journal_path(settings.DATA, name := secrets.token_hex(16)))
                # Nothing is armed yet: should the commit have come through, the clock gives the rows back without it.
                undone.callback(self._journal.close)
                beginning = timezone.now()
                self.hold = Hold.objects.create(digest=self.digest, holder=holders.me(), until=beginning, journal=name)
                statements.renew(self.hold.pk, self._lease)  # by the database's clock, as it is always asked
                self._claim(found)
            undone.pop_all()
        faults.point("claimed")

    # What the engine asks.

    @property
    def left(self) -> int:
        if self._over or self._late:
            return 0
        return len(self._ready) + len(self._declined.waiting) + self.turns.waiting + (self._most > self.claimed)

    @property
    def cut_short(self) -> bool:
        """Whether its turn was over before its work: what it gave back is asked for at once."""
        return self._given_back > 0 and not self._over

    @property
    def wait(self) -> float:
        return 0.0 if self._ready else self.turns.wait()

    def wants(self, relay: Relay) -> bool:
        return bool(self._ready or self.turns.waiting or self._most > self.claimed) or self._declined.wants(relay)

    def left_to(self, relays: Collection[Relay]) -> None:
        for transaction, outcome in self._declined.by_all(relays):
            self._under_way.add(transaction)
            self.settled(transaction, outcome)

    def take(self, relay: Relay | None = None) -> Transaction | None:
        if self._over or self._late:
            return None
        transaction = self._declined.take(relay) if self._declined.waiting else None
        if transaction is None and not (self._ready and (transaction := self._stay.pick(self._ready))):
            return None
        transaction.row.begun = time.monotonic()
        self._under_way.add(transaction)
        return transaction

    def make(self, transaction: Transaction) -> bool:
        if not transaction.message:
            self._make_ahead()
        row: Row = transaction.row
        try:
            transaction.message = transaction.message or self.frame.pieces(row.due)
        except CannotBuild as problem:
            self.settled(transaction, made(Result.FAILED, Phase.BODY, str(problem), scope="recipient"))
            return False
        return True

    def _make_ahead(self) -> None:
        """Some of those whose turn comes next: one after the other they take half the time."""
        for each in islice(self._ready, MADE_AHEAD):
            with suppress(CannotBuild):  # said when its turn comes
                each.message = each.message or self.frame.pieces(each.row.due)

    def intend(self, transactions: Sequence[Transaction]) -> bool:
        """A worker that was stopped and wakes when its lease is over writes no dot: others may have the rows."""
        if self._over or time.clock_gettime(_clock) > self._safe_until:
            return False
        for each in transactions:
            each.row.intended = True
        self._journal.intend(*[each.row.due.id for each in transactions])
        faults.point("intended")
        return True

    # What the engine says.

    def answered(self, transaction: Transaction, outcome: Outcome) -> None:
        faults.point("replied")
        self._journal.answer(transaction.row.due.id, outcome)
        faults.point("noted")
        if outcome.result is Result.SENT:
            self.turns.settled(transaction.row, outcome)  # whatever stands behind it may be slow

    def settled(self, transaction: Transaction, outcome: Outcome) -> None:
        row: Row = transaction.row
        if row.settled:
            return
        row.settled = True
        self._under_way.discard(transaction)
        self.turns.settled(row, outcome)
        if outcome.result is Result.UNKNOWN:
            self._journal.answer(row.due.id, outcome)  # whatever was read before, it is in doubt
        if outcome.result is Result.SENT:
            self._believe(1)
        elif outcome.result is Result.UNKNOWN:
            self._settle_taken()  # they speak for the relay
            self._stop(self._suspicion.doubt())
        elif outcome.result is Result.FAILED and outcome.scope != "recipient":
            self._settle_taken()  # what was taken before says nothing of this one
            self._stop(self._suspicion.refusal(row, outcome))
            return
        self._freed += row.armed
        self._decided.append((row, outcome))

    def taken(self, transaction: Transaction, answer: bytes) -> None:
        """Noted at once; the rest of the books is done for many together."""
        faults.point("replied")
        self._journal.taken(transaction.row.due.id, answer)
        faults.point("noted")
        self._under_way.discard(transaction)
        self._taken.append((transaction.row, answer, time.monotonic()))

    def _settle_taken(self) -> None:
        for row, answer, at in self._taken:
            outcome = taken(answer)
            row.settled = True
            self.turns.settled(row, outcome, at)
            self._freed += row.armed
            self._decided.append((row, outcome))
        self._believe(len(self._taken))
        self._taken.clear()

    def declined(self, transaction: Transaction, outcome: Outcome, relay: Relay) -> bool:
        row: Row = transaction.row
        if row.settled or not self._declined.by(relay, transaction, outcome):
            return False
        self._journal.answer(row.due.id, outcome)  # an intent before it came to nothing
        row.intended = False
        self._under_way.discard(transaction)
        return True

    def unsent(self, transaction: Transaction, outcome: Outcome) -> None:
        row: Row = transaction.row
        if row.settled:
            return
        self._journal.answer(row.due.id, outcome)  # an intent before it, if there is one, came to nothing
        # What is said at MAIL is not about it: some relays end a session there after so many letters.
        blameless = outcome.phase in (Phase.CONNECT, Phase.RSET) or (outcome.phase is Phase.MAIL and outcome.code)
        row.tries += not blameless
        if row.tries >= MOST_TRIES:
            # Perhaps it is this very message that the relay breaks off at: the others shall not wait for it.
            self.settled(transaction, outcome if outcome.scope == "sender" else outcome._replace(scope="recipient"))
        else:
            row.intended = False
            self._under_way.discard(transaction)
            self._ready.appendleft(transaction)

    def go_on(self) -> None:
        """Write what is decided and arm what is next, when there is enough of either."""
        self._journal.write()
        now = time.monotonic()
        self._late = self._stay.over(now, self._under_way)
        if self._most == self.claimed and not (self._all or self._ready) and self._stay.idle(now, self._under_way):
            self._most += SLICE
        room = GROUP - self._armed + self._freed + len(self._taken)
        more = self.turns.waiting or self._most > self.claimed
        worth = room >= GROUP // 3 and len(self._ready) < self._connections // 2 + 1 and more and not self._over
        if worth or now - self._acted_at > BEAT:
            self._act(room)

    def close(self) -> None:
        """Write the last outcomes, give back what did not go out, and end the hold."""
        faults.point("releasing")
        self._settle_taken()
        self._lose_sight()
        ready = [transaction.row for transaction in [*self._ready, *self._declined.drain()]]
        for row in ready:
            self.turns.unsent(row)
        back = [*self.turns.drain(), *ready, *self._judged()]
        self._given_back, now = len(back), timezone.now()
        with atomic():
            digest = ledger.locked(self.digest.pk)
            # The lock, not the lease: an outcome is written also when somebody has ended the hold meanwhile.
            held = statements.renew(self.hold.pk, self._lease)
            statements.write(self.hold.pk, self._written(self._decided, now), now)
            for state in (State.CLAIMED, State.ARMED):
                statements.move([row.due.id for row in back], state, State.QUEUED, now, hold=self.hold.pk)
            ledger.went_back(digest)
            Hold.objects.filter(pk=self.hold.pk, ended_at=None).update(ended_at=now)
            manners.unsent(self.digest, [row.allowed_at for row in back])
        faults.point("ended")
        self.turns.learn()
        self._journal.close(keep=not held)  # ended from another machine, which has not read it: it knows more

    def abandon(self) -> None:
        """Let go without the database. The journal stays, for whoever takes over."""
        # A full disk: an answer that is not in it makes its row unknown. Closed twice: by an error after the end.
        with suppress(OSError):
            self._journal.close(keep=True)

    # One step in the database.

    def _act(self, room: int) -> None:
        asked_at, now = time.clock_gettime(_clock), timezone.now()
        self._settle_taken()
        self.turns.learn()
        chosen = self._choose(room)
        decided, self._decided = self._decided, []
        written, ids = self._written(decided, now), [row.due.id for row in chosen]
        told = statements.step(self.digest.pk, self.hold.pk, self._lease, written, ids, now)
        faults.point("committed")
        self._look_at_list()
        self._armed += len(told.armed) - sum(row.armed for row, _ in decided)
        self._freed = sum(row.armed for row, _ in self._decided)
        # Paused, cancelled, or taken from us: what is still claimed goes back when the batch closes.
        self._over = self._over or not told.going_on or len(told.armed) < len(chosen)
        self.turns.back(row for row in chosen if row.due.id not in told.armed)
        self._make_ready(row for row in chosen if row.due.id in told.armed)
        if not (self._over or self._ready or self._under_way):
            self._postpone()
        self._acted_at = time.monotonic()
        self._safe_until = asked_at + self._lease * 0.8
        faults.point("armed")

    def _make_ready(self, armed: Iterable[Row]) -> None:
        for row in armed:
            row.armed = True
            self._ready.append(Transaction(self.frame.sender_for(row.due), row.recipient, self.frame.size, row))

    def _choose(self, room: int) -> list[Row]:
        """Those to arm next; some are claimed for it where there are too few."""
        if self._over:
            return []
        chosen = self.turns.choose(room, more_due=not self._all)
        # Those who wait may all have to, for a domain that rests or is slow: then others are claimed.
        if self._most > self.claimed and (self.turns.waiting < GROUP or len(chosen) < room):
            self._claim_more()
            if self._over:
                self.turns.back(chosen)
                return []
            chosen += self.turns.choose(room - len(chosen), more_due=not self._all)
        return self._ask_again(chosen)

    def _claim_more(self) -> None:
        with atomic():
            # Before any row of it: whoever cancels locks the digest first, and its rows then.
            digest = ledger.locked(self.digest.pk)
            self._over = not statements.renew(self.hold.pk, self._lease)
            if not self._over:
                self._postpone()
                self._claim(self._find(digest))

    def _written(self, decided: Iterable[tuple[Row, Outcome]], now: datetime) -> list[Written]:
        written = [retries.written(row.due, outcome, now) for row, outcome in decided]
        for each in written:
            self.counts[each.state] += 1
            self._failed = self._failed or each.state == State.FAILED
        return written

    def _find(self, digest: Digest) -> list[tuple[Due, str]]:
        """The next slice of what is due, and the state of each. Fewer than a slice: there are no more."""
        self._allowed_at = now = timezone.now()
        wanted = min(SLICE, self._most - self.claimed)
        if digest.state != Digest.State.SENDING or (digest.resting_until and digest.resting_until > now):
            wanted, self._most, self._all = 0, 0, True
        if wanted <= 0:
            return []
        digest.proof = self.digest.proof
        allowed = manners.allowance(digest, wanted, now)
        found = due_rows(digest, allowed.count) if allowed.count else []
        if len(found) < wanted:
            self._most, self._all = self.claimed + len(found), True
        manners.unsent(digest, [now] * (allowed.count - len(found)))
        self._stop(allowed.stop)
        return found

    def _claim(self, found: list[tuple[Due, str]]) -> None:
        """Make them ours. Who left, was suppressed or erased meanwhile is skipped here."""
        now = timezone.now()
        for state in (State.QUEUED, State.DEFERRED):
            ids = [due.id for due, was in found if was == state]
            statements.move(ids, state, State.CLAIMED, now, hold=self.hold.pk)
        self.claimed += len(found)
        self._keep(Row(due, time.monotonic(), self._allowed_at) for due, _ in found)

    def _keep(self, rows: Iterable[Row]) -> None:
        """Those who may be mailed, and can be, stay; the others are skipped, or fail."""
        rows, now = list(rows), timezone.now()
        suppressed = suppressed_among([row.due.address for row in rows])
        wrong = [row for row in rows if not row.due.wanted or row.due.address in suppressed]
        statements.move([row.due.id for row in wrong], State.CLAIMED, State.SKIPPED, now, hold=self.hold.pk)
        manners.unsent(self.digest, [row.allowed_at for row in wrong])
        self.counts[State.SKIPPED] += len(wrong)
        skipped = set(map(id, wrong))
        self.turns.put([row for row in rows if id(row) not in skipped and self._is_address(row)])

    def _is_address(self, row: Row) -> bool:
        try:
            row.recipient = ascii_domain(row.due.address)
            row.domain = row.recipient.rpartition("@")[2].lower()
        except AddressRefused as problem:
            self._decided.append((row, made(Result.FAILED, Phase.RCPT, str(problem), scope="recipient")))
            return False
        return True

    def _postpone(self) -> None:
        """Rows of domains that rest or are slow go back, so that they do not fill this worker's hands."""
        postponed = self.turns.postponed()
        statements.postpone(self.hold.pk, [(row.due.id, at) for row, at in postponed], timezone.now())
        manners.unsent(self.digest, [row.allowed_at for row, _ in postponed])

    def _ask_again(self, chosen: list[Row]) -> list[Row]:
        """A relay may be slow, and people leave meanwhile: who was claimed long ago is looked at again."""
        old = [row for row in chosen if time.monotonic() - row.claimed_at > ASK_AGAIN_AFTER]
        if not old:
            return chosen
        wanted = statements.still_wanted(self.digest.publication_id, [row.due.id for row in old])
        now = time.monotonic()
        for row in old:
            row.claimed_at = now
            row.due = row.due._replace(wanted=row.due.id in wanted)
            self.turns.unsent(row)
        self._keep(old)  # in line again, those who still want it
        return [row for row in chosen if row not in old]

    # What the outcomes say about the relay and about us.

    def _look_at_list(self) -> None:
        """Whether so many addresses do not exist that it may be the wrong list."""
        if self._failed:
            self._failed = False
            with atomic():
                digest = ledger.locked(self.digest.pk)
                why = manners.verdict(digest)
            self.digest.list_checked = digest.list_checked
            self._stop(why or "")

    def _believe(self, times: int) -> None:
        if times and self._suspicion:
            stand = self._suspicion.taken(times)
            self._freed += sum(row.armed for row, _ in stand)
            self._decided += stand

    def _stop(self, why: str) -> None:
        if why:
            self.trouble = self.trouble or why
            self._over = True

    def _lose_sight(self) -> None:
        """Nothing is under way when a batch closes, unless an error broke it off: then the journal's rule holds."""
        for each in list(self._under_way):
            if each.row.intended:
                why = "The worker broke off after handing it over: it may have arrived."
                self.settled(each, made(Result.UNKNOWN, Phase.DOT, why))
            else:
                self._under_way.discard(each)
                self._ready.append(each)

    def _judged(self) -> list[Row]:
        """Refusals of us: where others were taken they stand; else it was not these rows' fault, and they go back."""
        refused, sent = self._suspicion.refused, any(outcome.result is Result.SENT for _, outcome in self._decided)
        if refused and not (self.trouble or sent or self.digest.deliveries.filter(state=State.SENT).exists()):
            self.trouble = refusal_in_words(refused[-1][1])
        if not self.trouble:
            self._decided += refused
            return []
        return [row for row, _ in refused]
