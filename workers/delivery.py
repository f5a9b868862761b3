"""The queue `delivery`: preparing and sending digests, and notices to one person."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from celery import shared_task
from celery.signals import worker_ready
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from publisher import digests, epoch, joining, notices
from publisher.delivery import ledger, sending, takeover
from publisher.delivery.pausing import Stopped
from publisher.handing import hand_over
from publisher.lifecycle import Overtaken, Refusal
from publisher.models import Digest


@worker_ready.connect
def begin(**_: Any) -> None:
    """Before anything is sent each machine has its file; one that must not send says so in its log."""
    epoch.begin()
    connection.close()


@shared_task(name="workers.delivery.start")
def start(digest_id: int) -> None:
    digest = _digest(digest_id)
    if digest.due:
        with suppress(Overtaken):
            digests.start(digest)


@shared_task(name="workers.delivery.prepare")
def prepare(digest_id: int) -> None:
    # Overtaken: another worker had the same message, and has done it.
    with suppress(Overtaken):
        digests.prepare(_digest(digest_id))


@shared_task(name="workers.delivery.send")
def send(digest_id: int) -> None:
    # The clock may run on another machine: what a worker of this one left is told by a journal that only we can read.
    takeover.recover()
    digest = _digest(digest_id)
    # Each batch asks for the next, and the clock asks too: without this bound the askers would grow in number.
    if digest.state != Digest.State.SENDING or ledger.at_work(digest) >= settings.SENDERS_AT_ONCE:
        return
    try:
        sent = sending.send_batch(digest)
    except (Stopped, Refusal) as problem:
        _pause(digest, str(problem))
        return
    except (OperationalError, InterfaceError):
        raise  # The database was away, or locked for long. What was under way is settled; the clock asks again.
    except Exception as problem:
        # An error of ours: it would come again with each batch, and nobody would see it but the log.
        _pause(digest, f"The sending stopped at an error ({type(problem).__name__}): see the log, then resume.")
        raise
    if sent:
        hand_over("workers.delivery.send", digest_id)
    else:
        with suppress(Overtaken):
            digests.finish(digest)


@shared_task(name="workers.delivery.notice")
def notice(notice_id: int) -> None:
    found = notices.due().filter(pk=notice_id).first()
    if found:
        notices.send(found)


@shared_task(name="workers.delivery.joining")
def answer_joining() -> None:
    if joining.answer() == joining.AT_ONCE:
        hand_over("workers.delivery.joining")


def _pause(digest: Digest, why: str) -> None:
    with suppress(Overtaken):
        digests.pause(digest, by=None, why=why)


def _digest(digest_id: int) -> Digest:
    return Digest.objects.select_related("publication", "proof").get(pk=digest_id)
