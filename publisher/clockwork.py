"""What the clock does at each tick, and the lease that lets one clock do it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from . import (
    attention,
    bounces,
    budgets,
    checkups,
    digests,
    epoch,
    erasure,
    holders,
    joining,
    measures,
    members,
    notices,
    posting,
    readership,
    removals,
    retention,
    slots,
    sources,
    uploads,
)
from .bounces import mailbox
from .delivery import ledger, manners, paces, takeover
from .handing import hand_over
from .lifecycle import Overtaken
from .models import Delivery, Digest, Lease, Run, Source

LEASE = "clock"
#: A second clock takes over this long after the first one's last sign of life.
LEASE_TIME = timedelta(seconds=20)
#: Workers that do not answer, because their messages were lost, are asked again after this.
ASK_AGAIN_AFTER = timedelta(seconds=10)
_AT_ONCE = 100


def hold_lease(holder: str, lease_time: timedelta = LEASE_TIME) -> bool:
    """Take or keep the clock's lease. One holder at a time, by the database's own time.

    A holder that is a dead process of this machine is followed at once, any other when its time is over.
    """
    now, until = Now(), Now() + lease_time
    mine = Q(holder=holder) | Q(until__lt=now)
    current = Lease.objects.filter(name=LEASE).first()
    if current is None:
        return _first(holder, lease_time)
    if holders.alive(current.holder) is False:
        mine |= Q(holder=current.holder)
    return Lease.objects.filter(mine, name=LEASE).update(holder=holder, until=until) == 1


def drop_lease(holder: str) -> None:
    """Let a waiting clock go on at once."""
    Lease.objects.filter(name=LEASE, holder=holder).delete()


def once(schedule: str, occurrence: str, run: Callable[[], object]) -> bool:
    """Run this occurrence unless it has run: the unique key holds against two clocks and repeated hours."""
    try:
        with transaction.atomic():
            Run.objects.create(schedule=schedule, occurrence=occurrence)
            run()
    except IntegrityError:
        if not Run.objects.filter(schedule=schedule, occurrence=occurrence).exists():
            raise
        return False
    return True


def tick() -> None:
    """Settle what dead workers left, then hand everything that is due to the workers."""
    _ask_after_an_absence()
    recover()
    if epoch.doubt() is None:
        epoch.beat()
        _hand_over_digests()
        _hand_over_all("workers.delivery.notice", notices.due())
        _hand_over_all("workers.social.publish", slots.in_turn(posting.due()))
        removals.make_room(posting.replaced())
        _hand_over_all("workers.social.remove", removals.due())
        _hand_over_all("workers.social.figures", measures.due())
        for digest in attention.untold_digests():
            attention.tell_of(digest)
        _tell_of_posts()
    _hand_over_all("workers.social.reconcile", posting.to_look_for())
    _hand_over_all("workers.social.check_account", checkups.due())
    _hand_over_all("workers.intake.poll", Source.due())
    for item_id in sources.without_picture():
        hand_over("workers.intake.picture", item_id)
    _hand_over_all("workers.intake.bounces", mailbox.due())
    _hand_over_all("workers.intake.upload", uploads.due())
    bounces.settle()
    readership.tally()
    erasure.settle()
    if joining.somebody_waits():
        hand_over("workers.delivery.joining")
    for digest in manners.to_learn_from(timezone.now()):
        members.suppress_failed(digest)
    _release_of_last_month()
    _forget_unconfirmed()
    _keep_no_longer()
    _tidy()


def _release_of_last_month() -> None:
    """Once an hour, because a month begins at another moment in each zone."""
    now = timezone.now()
    this_hour = {"schedule": "release of last month", "occurrence": f"{now:%Y-%m-%dT%H}"}
    if epoch.doubt() is None and not Run.objects.filter(**this_hour).exists():
        once(**this_hour, run=budgets.release_of_last_month)


def _tell_of_posts() -> None:
    """Of what came to wait for a person; half an hour's worth of it in one mail, whatever goes wrong with how many."""
    now = timezone.now()
    for publication, posts in attention.untold():
        half = {"schedule": "posts that wait", "occurrence": f"{publication.pk} {now:%Y-%m-%dT%H}:{now.minute // 30}"}
        if not Run.objects.filter(**half).exists():
            once(**half, run=partial(attention.tell, publication, posts))


def _forget_unconfirmed() -> None:
    this_hour = {"schedule": "forget the unconfirmed", "occurrence": f"{timezone.now():%Y-%m-%dT%H}"}
    if not Run.objects.filter(**this_hour).exists():
        once(**this_hour, run=joining.forget)


def _keep_no_longer() -> None:
    """Each day, tick by tick, until nothing is left that was kept too long."""
    today = {"schedule": "retention", "occurrence": f"{timezone.now():%Y-%m-%d}"}
    # In doubt about the epoch nothing is forgotten either: a person may have to compare.
    if epoch.doubt() is None and not Run.objects.filter(**today).exists() and not retention.step():
        once(**today, run=retention.clear_sessions)


def _tidy() -> None:
    """Once a day: what no limit needs any more."""
    now = timezone.now()
    today = {"schedule": "tidy paces", "occurrence": f"{now:%Y-%m-%d}"}
    if not Run.objects.filter(**today).exists():
        once(**today, run=lambda: paces.tidy(now))


def _ask_after_an_absence() -> None:
    """What was under way when the clock stopped long ago: nobody knows what a disk that was put back has forgotten."""
    if since := epoch.away_since():
        question = f"The service was away from {since:%d %B at %H:%M} to {timezone.now():%d %B at %H:%M} UTC. Go on?"
        for digest in epoch.under_way():
            # Overtaken: somebody paused or cancelled it meanwhile.
            with suppress(Overtaken):
                digests.pause(digest, by=None, why=question)
        epoch.forget()


def recover() -> int:
    return takeover.recover() + posting.recover() + notices.recover() + uploads.recover()


def _hand_over_digests() -> None:
    for digest in Digest.objects.filter(state=Digest.State.APPROVED, start_at__lte=timezone.now()):
        hand_over("workers.delivery.start", digest.pk)
    for digest in Digest.objects.filter(state=Digest.State.PREPARING):
        hand_over("workers.delivery.prepare", digest.pk)
    for digest in Digest.objects.filter(state=Digest.State.SENDING).select_related("publication"):
        _hand_over_sending(digest)


def _hand_over_sending(digest: Digest) -> None:
    """Ask for as many workers as may send it, where none does. Each batch asks for the next itself."""
    now = timezone.now()
    waiting = digest.deliveries.filter(state__in=[Delivery.State.QUEUED, Delivery.State.DEFERRED], due_at__lte=now)
    if not waiting.exists():
        with suppress(Overtaken):
            digests.finish(digest)
    elif not _resting(digest, now) and not ledger.at_work(digest):
        Digest.objects.filter(pk=digest.pk).update(handed_at=now)
        for _ in range(settings.SENDERS_AT_ONCE):
            hand_over("workers.delivery.send", digest.pk)


def _resting(digest: Digest, now: datetime) -> bool:
    """After a break of the relay; and for a while after asking, so that unheard messages do not pile up."""
    asked = digest.handed_at is not None and now - digest.handed_at < ASK_AGAIN_AFTER
    return asked or (digest.resting_until is not None and digest.resting_until > now)


def _hand_over_all(task: str, due: QuerySet[Any]) -> None:
    for pk in due.values_list("pk", flat=True)[:_AT_ONCE]:
        hand_over(task, pk)


def _first(holder: str, lease_time: timedelta) -> bool:
    try:
        with transaction.atomic():
            Lease.objects.create(name=LEASE, holder=holder, until=Now() + lease_time)
    except IntegrityError:
        return False
    return True
