"""Credentials that end and are renewed, and credentials that are sealed anew with a newer key.

Of networks. The tokens in links of letters are made and read in links.py.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from . import channels, epoch, holders, networks, notices, reach, sealing
from .lifecycle import note
from .models import Channel, Handshake
from .networks.base import Refused, TryLater
from .networks.consent import Consent

logger = logging.getLogger(__name__)

#: So long before they end credentials are renewed: more than the requests of one post may take.
EARLY = timedelta(minutes=10)
#: More than the time limits of the request add up to. A renewal that is older than this has been given up.
LONGEST = timedelta(minutes=5)
#: Where somebody else renews, and after an answer that was lost: so many seconds, then again.
SOON, LATER = 10, 60
LOST = (
    "No answer came when its credentials were renewed, so that they may be used up. This is tried once more; "
    "if it is refused, connect the account again."
)
#: In a copy: the installation that goes on has but one use of the token that renews.
UNCLEAR = "while it is not clear which database goes on"
#: Rows that are sealed anew in one step.
STEP = 100


def consent(network: str, *, account: str, credentials: Mapping[str, str]) -> Consent | None:
    """How this network lets people connect by consent there; None where it does not.

    Raises Refusal where its address leads out of the demo, Refused where the account's server cannot be told.
    """
    made = networks.consent_class(network)
    if made is None:
        return None
    address = networks.place(network, settings.NETWORK_URLS[network], credentials=credentials, account=account)
    # Only who is found by the server's name is told who may say where that leads.
    resolve = reach.of_server(settings.NETWORK_URLS[network])
    named = {"resolve": resolve} if resolve else {}
    return made(app=settings.NETWORK_APPS.get(network, {}), address=reach.allowed(address), **named)


def fresh(channel: Channel) -> dict[str, Any]:
    """The channel's credentials, renewed where they are about to end.

    Raises CannotUnseal; TryLater where somebody else is renewing them, or the network could not be asked; Refused where
    the network accepts them no more, and then the channel is paused.
    """
    way = consent(channel.network, account=channel.account, credentials=channel.credentials)
    if way is None or not _due(way, channel.credentials):
        return channel.credentials
    channel.refresh_from_db()
    if not _due(way, channel.credentials):
        return channel.credentials
    if epoch.doubt():
        raise TryLater(f"The credentials of {channel} are not renewed {UNCLEAR}.", after=LATER, kind="rate")
    since = _claim(channel)
    if since is None:
        raise TryLater(f"The credentials of {channel} are just being renewed.", after=SOON, kind="rate")
    return _renew(channel, way, since)


def _due(way: Consent, credentials: dict[str, Any]) -> bool:
    ends = way.ends(credentials)
    return ends is not None and ends - EARLY <= timezone.now()


def _claim(channel: Channel) -> datetime | None:
    """One renewal at a time: a token that renews is good for one use. The moment is what the claim is known by."""
    if channel.renewing_by:
        if holders.alive(channel.renewing_by) is not False and not _given_up(channel):
            return None
        _lost(channel)
    now = timezone.now()
    mine = Channel.objects.filter(pk=channel.pk, renewing_by=channel.renewing_by, renewing_since=channel.renewing_since)
    # What was renewed meanwhile has other credentials than those that we would use.
    mine = mine.filter(sealed_credentials=channel.sealed_credentials)
    return now if mine.update(renewing_by=holders.me(), renewing_since=now) else None


def _given_up(channel: Channel) -> bool:
    return channel.renewing_since is None or timezone.now() - channel.renewing_since > LONGEST


def _renew(channel: Channel, way: Consent, since: datetime) -> dict[str, Any]:
    """Ask, and commit what came before anybody uses it."""
    try:
        renewed = way.renew(channel.credentials)
    except TryLater:
        _let_go(channel, since)
        raise
    except Refused as problem:
        _let_go(channel, since)
        channels.pause(channel, problem.reason)
        raise
    except Exception as problem:  # the network may have given new ones, and we do not have them
        logger.warning("renewing the credentials of %s: %s", channel, type(problem).__name__)
        _let_go(channel, since)
        _lost(channel)
        raise TryLater(LOST, after=LATER, kind="rate") from None
    channel.credentials = renewed
    mended = {"health": ""} if channel.health == LOST else {}
    _let_go(channel, since, sealed_credentials=channel.sealed_credentials, **mended)
    note(channel, "renewed", by=None)
    return renewed


def _let_go(channel: Channel, since: datetime, **fields: Any) -> None:
    mine = Channel.objects.filter(pk=channel.pk, renewing_since=since)
    mine.update(renewing_by="", renewing_since=None, **fields)
    channel.renewing_by, channel.renewing_since = "", None


def _lost(channel: Channel) -> None:
    """Somebody asked, and what was answered is not known: staff are told, once."""
    if Channel.objects.filter(pk=channel.pk).exclude(health=LOST).update(health=LOST):
        note(channel, "renewal lost", by=None, why=LOST)
        notices.tell_staff(channel.publication, headline=f"{channel}: an answer was lost", sentence=LOST)
    channel.health = LOST


@dataclass
class Rotation:
    """What became of all that is sealed: counts, and the channels whose key is gone."""

    resealed: int
    newest: int
    unreadable: list[str]


def sealed() -> Iterator[tuple[type[Channel] | type[Handshake], str, int, str, str]]:
    """Everything that is sealed, in bounded steps: its model, field, row, text, and how people call it."""
    places: tuple[tuple[type[Channel] | type[Handshake], str], ...] = (
        (Channel, "sealed_credentials"),
        (Handshake, "sealed"),
    )
    for model, field in places:
        last = 0
        while rows := list(model._default_manager.filter(pk__gt=last).order_by("pk")[:STEP]):
            for row in rows:
                if text := getattr(row, field):
                    yield model, field, row.pk, text, str(row)
            last = rows[-1].pk


def rotate() -> Rotation:
    """Seal with the newest key what an older one has sealed. Twice does no harm, and another worker's change stays."""
    done = Rotation(0, 0, [])
    for model, field, pk, text, name in sealed():
        place = sealing.which_key(text)
        if place is None:
            done.unreadable.append(name)
        elif place == 0:
            done.newest += 1
        else:
            anew = {field: sealing.seal(sealing.unseal(text))}
            # 0 rows: it was renewed meanwhile, and so sealed with the newest key already.
            done.resealed += model._default_manager.filter(**{"pk": pk, field: text}).update(**anew)
    return done


def keys_in_use() -> dict[int | None, int]:
    """How many things each key has sealed: 0 is the newest key, None one that is no longer configured."""
    counts: dict[int | None, int] = {}
    for *_, text, _ in sealed():
        place = sealing.which_key(text)
        counts[place] = counts.get(place, 0) + 1
    return counts
