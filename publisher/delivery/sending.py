"""Sending one claimed batch: the letter's bytes for each member, over the connections of this process.

Starting, pausing and cancelling a whole digest is for publisher/digests.py.
"""

from __future__ import annotations

import gc
import logging
import random
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from functools import cache, partial
from typing import Any, cast

from django.conf import settings
from django.db import Error

from .. import epoch, links, reach
from ..letters import Letter
from ..lifecycle import note
from ..models import Digest, MeasuringConsent, Proof, Publication
from . import keys, ledger, message, paces, parcels, takeover
from .addresses import ascii_domain, ascii_host
from .assembly import Assembly
from .batch import GROUP, Batch
from .couriers import Couriers
from .engine import MOST_STRIKES, Engine
from .outcomes import Outcome, Result, refusal_in_words
from .providers import Provider
from .relays import Relay, parse_relays
from .rows import Row
from .statements import Due
from .turns import Turns

logger = logging.getLogger(__name__)

#: How much longer than the first a message may be: names differ, and links by a few digits.
_SLACK = 1024

#: Seconds for which a letter is not assembled anew.
_FRAME_FOR = 30.0

#: A provider has return addresses of its own; of ours it is told the token, and no mail ever goes there.
_AT_PROVIDER = "bounces@provider.invalid"

_mine = threading.local()  # an engine is for one thread


class Stopped(Exception):
    """A person is needed before anything more is sent; the text says why.

    A relay refuses us and no address, too much is in doubt, the list seems wrong, the canary did not fare well, or
    there is no way out at all.
    """


def send_batch(digest: Digest) -> int:
    """Claim a batch of the digest and send it; how many rows were claimed.

    Stopped where a person must look first. Where all relays break off, the digest rests: each time twice as long.
    """
    assert digest.proof is not None
    most = settings.CLAIM_SIZE
    if epoch.doubt():
        return 0  # every page says so
    engine, turns = mine(digest.proof.sender["email"])
    try:
        frame = frame_of(digest, digest.proof)
        batch = Batch(digest, frame, turns, most=most, connections=engine.most, relays=engine.relays)
    except BaseException:
        _forget()
        raise
    if not batch.claimed:
        hang_up()
        if batch.trouble:
            raise Stopped(batch.trouble)
        return 0
    broke = _run(engine, batch)
    if batch.claimed < most and not batch.cut_short:
        hang_up()  # the last of this digest, for now: somebody else may want the relay's connections
    _draw_conclusions(digest, batch, broke, engine.asked_for if isinstance(engine, Couriers) else 0.0)
    return batch.claimed


def _run(engine: Engine | Couriers, batch: Batch) -> Outcome | None:
    try:
        broke = engine.run(batch)
        batch.close()
    except BaseException as problem:
        engine.abandon(f"{type(problem).__name__} in the worker")
        _forget()
        # Whatever step it was that failed, and wherever: what is known stands in the journal. It is read at once,
        # or, where the database is away, by whoever takes over.
        batch.abandon()
        with suppress(Error, OSError):
            takeover.take_over(batch.hold)
        raise
    return broke


def _draw_conclusions(digest: Digest, batch: Batch, broke: Outcome | None, asked_for: float) -> None:
    counts = {state: number for state, number in batch.counts.items() if number}
    if counts:
        note(digest, "delivered", by=None, **dict[str, Any](counts))
    if batch.trouble:
        raise Stopped(batch.trouble)
    if broke is None:
        ledger.go_on(digest)
    elif broke.result is Result.FAILED:
        logger.warning("the relay refused us in %s: %s", broke.phase, broke.text)
        raise Stopped(refusal_in_words(broke))
    else:
        logger.warning("the relay broke off in %s: %s", broke.phase, broke.text)
        if broke.result is Result.UNKNOWN:
            raise Stopped(
                f"The mail server broke off after a letter {MOST_STRIKES} times in a row: look at it, then resume."
            )
        ledger.rest(digest, broke.text, timedelta(seconds=asked_for))


def mine(sender: str) -> tuple[Engine | Couriers, Turns[Row]]:
    """This thread's engine, with the connections that its last batch left open, and what it has learnt of domains."""
    way = usable_provider() or usable_relays()
    key = (way, ascii_host(sender.rpartition("@")[2]), settings.CONNECTIONS, paces.limits())
    if getattr(_mine, "key", None) != key:
        hang_up()
        _mine.turns = Turns(GROUP, settings.CONNECTIONS)
    if _mine.engine is None:
        _mine.engine = _engine(way, helo=key[1])
    _mine.key = key
    return _mine.engine, _mine.turns


def _engine(way: Provider | tuple[Relay, ...], *, helo: str) -> Engine | Couriers:
    if isinstance(way, Provider):
        return parcels.couriers(way, most=settings.CONNECTIONS)
    return Engine(way, helo=helo, connections=settings.CONNECTIONS)


def hang_up() -> None:
    """Say goodbye to the relays."""
    engine = getattr(_mine, "engine", None)
    _mine.engine = None
    if engine:
        engine.close()


def _forget() -> None:
    """Begin anew after an error: the line of those who wait, for one, may hold rows that are not ours."""
    hang_up()
    _mine.key = None


def usable_relays() -> tuple[Relay, ...]:
    relays = parse_relays(settings.SMTP_URL)
    if not relays:
        raise Stopped("No mail server is connected: set PUBLISHER_SMTP_URL.")
    for relay in relays:
        host = f"[{relay.host}]" if ":" in relay.host else relay.host
        reach.allowed(f"smtp://{host}:{relay.port}")
    return relays


def usable_provider() -> Provider | None:
    provider = parcels.chosen()
    if provider:
        reach.allowed(provider.url)
    return provider


def pick_way() -> Relay | Provider:
    """One way out, for one message: the provider, or a relay."""
    if provider := usable_provider():
        return provider
    relays = usable_relays()
    return random.choices(relays, weights=[relay.weight for relay in relays])[0]  # noqa: S311 - not a secret


def frame_of(digest: Digest, proof: Proof) -> Frame:
    """The frame that this thread's last batch had, if it was of this proof, and not long ago: keys may be changed."""
    key, now = (digest.pk, proof.sha256, digest.started_at), time.monotonic()
    kept, made_at, made = getattr(_mine, "frame", (None, 0.0, None))
    if made is not None and kept == key and now - made_at < _FRAME_FOR:
        return cast(Frame, made)
    frame = Frame(digest, proof)
    _mine.frame = key, now, frame
    _spare_the_collector()
    return frame


@cache
def _spare_the_collector() -> None:
    """Let the garbage collector leave alone what the process has loaded: it went through all of it with each claim."""
    gc.freeze()


class Frame:
    """What is the same in every member's message of one digest."""

    def __init__(self, digest: Digest, proof: Proof) -> None:
        publication = digest.publication
        # From the proof, not from the publication: who it is from was approved too. In A-labels: any relay takes them.
        self.sender = ascii_domain(proof.sender["email"])
        self.domain = self.sender.rpartition("@")[2]
        self._leave = links.leaver(publication.pk)
        self._digest_id, self._agreed = digest.pk, _agreed(publication, proof)
        self._message_id = message.message_ids(proof.sha256, self.domain)
        self._returns = settings.BOUNCE_ADDRESS or (_AT_PROVIDER if settings.MAIL_PROVIDER.strip() else "")
        assert digest.started_at is not None
        assembly = partial(
            Assembly,
            Letter(subject=proof.subject, html=proof.html, text=proof.text),
            sender=(proof.sender["name"], self.sender),
            headers=_headers(digest, proof),
            date=digest.started_at,
            prefixes={"unsubscribe_url": links.leave_prefix()},
            constants={"view_url": links.digest_url(digest)},
            signers=keys.signers_for(self.domain),
        )
        self._assembly, self._plain = assembly(), assembly(plain=True)
        self.size = len(self.message(Due(0, "nobody@example.org", 0, None, None, 0, "", "", True))) + _SLACK

    def message(self, due: Due) -> bytes:
        """The member's message, in wire form. Raises CannotBuild."""
        return b"".join(self.pieces(due))

    def pieces(self, due: Due) -> list[bytes]:
        """The same, not put together."""
        leave = self._leave(due.member_id or 0)
        assembly = self._plain if due.plain else self._assembly
        return assembly.pieces(
            recipient=(f"{due.first_name} {due.last_name}".strip(), due.address),
            values={
                "first_name": due.first_name,
                "last_name": due.last_name,
                "unsubscribe_url": leave,
                "reader": self._reader(due.member_id),
            },
            message_id=self._message_id(due.address),
        )

    def _reader(self, member_id: int | None) -> str:
        """Who follows a link is told by the links of those alone who agreed."""
        return links.reader(member_id, self._digest_id) if member_id in self._agreed and member_id else ""

    def sender_for(self, due: Due) -> str:
        """The envelope's sender, to which bounces go."""
        return links.bounce_address(due.id, self._returns) if self._returns else self.sender


def _agreed(publication: Publication, proof: Proof) -> frozenset[int]:
    """The members who agreed to be told apart; read for a letter alone in which they can be."""
    if "{reader}" not in proof.html:
        return frozenset()
    agreed = MeasuringConsent.objects.filter(subscription__publication=publication)
    return frozenset(agreed.values_list("subscription__member", flat=True))


def _headers(digest: Digest, proof: Proof) -> Mapping[str, str]:
    publication = digest.publication
    given = {
        "List-Unsubscribe": "<{unsubscribe_url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": f"<{proof.sender['list_id']}>",
        "List-Archive": f"<{links.archive_url(publication)}>",
        "Precedence": "bulk",
        "Feedback-ID": f"{proof.sha256[:12]}:{publication.slug}:digest:publisher",
    }
    reply_to = proof.sender["reply_to"]
    return {**given, "Reply-To": reply_to} if reply_to else given
