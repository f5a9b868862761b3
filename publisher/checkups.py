"""The daily look at each connected account: whose it is, whether it may post, and when it ends by itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from . import channel_accounts, channels, notices
from .lifecycle import Refusal, note
from .models import Channel
from .models.publications import printed
from .networks.base import Account, Refused, TryLater, printable
from .sealing import CannotUnseal

EVERY = timedelta(days=1)
#: So long before its end staff are told, once.
AHEAD = timedelta(days=14)


def due() -> Any:
    return Channel.objects.filter(check_at__lte=timezone.now())


def daily(channel: Channel) -> bool:
    """The look that is due, by whoever takes it first: the next is planned before anything is asked."""
    mine = Channel.objects.filter(pk=channel.pk, check_at=channel.check_at, check_at__lte=timezone.now())
    if not mine.update(check_at=timezone.now() + EVERY):
        return False
    look(channel)
    return True


def look(channel: Channel) -> str:
    """What is wrong with the account, in a sentence; empty where it may post. Written on the channel with its time.

    Credentials that are refused pause the channel before a post fails on them, and those of another account before
    one stands there; trouble on the way does not.
    """
    account, before = _asked(channel), channel.health
    problem = printable(account.problem or "")
    found = {"checked_at": timezone.now(), "health": problem}
    if account.expires_at or not account.problem:
        found["expires_at"] = account.expires_at
    Channel.objects.filter(pk=channel.pk).update(**found)
    for name, value in found.items():
        setattr(channel, name, value)
    # Of another account's credentials once: whoever resumed it since knows, as of an account that was renamed.
    if account.refused or (account.strange and problem != before):
        channels.pause(channel, problem or "The network accepts the credentials no more.")
    announce(channel)
    return problem


def _asked(channel: Channel) -> Account:
    """What the network says; where it cannot even be asked, that. Only its own no is a refusal."""
    try:
        return channel_accounts.connect(channel).check()
    except Refused as problem:
        return Account(channel.account, "", problem.reason, refused=problem.kind == "credentials")
    except CannotUnseal as problem:
        return Account(channel.account, "", str(problem), refused=True)
    except (TryLater, Refusal) as problem:
        return Account(channel.account, "", str(problem))


def announce(channel: Channel, now: datetime | None = None) -> bool:
    """Tell staff of an end that is near: once for each end, whoever sees it first."""
    now = now or timezone.now()
    if channel.expires_at is None or channel.expires_at - now > AHEAD:
        return False
    fresh = Channel.objects.filter(pk=channel.pk).exclude(announced=channel.expires_at)
    if not fresh.update(announced=channel.expires_at):
        return False
    sentence = ending(channel, now)
    note(channel, "ending", by=None, why=sentence)
    notices.tell_staff(channel.publication, headline=f"{channel}: {sentence}", sentence=f"{sentence} {MEND}")
    return True


MEND = "Connect it again, or set a newer version of the interface, before then."


def ending(channel: Channel, now: datetime | None = None) -> str:
    """ "It ends on 18 February 2028."; nothing while that is far, or not known."""
    now = now or timezone.now()
    if channel.expires_at is None or channel.expires_at - now > AHEAD:
        return ""
    day = printed(channel.expires_at.astimezone(channel.publication.zone).date())
    return f"It ended on {day}." if channel.expires_at <= now else f"It ends on {day}."
