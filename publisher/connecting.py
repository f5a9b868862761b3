"""Connecting an account: typed in, or by consent on the network's own pages, from the click to the channel."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from . import channels, links, networks, sealing, tokens
from .lifecycle import Refusal
from .models import Channel, Handshake, Person, Publication
from .networks.base import Failure
from .networks.consent import Candidate, Consent
from .sealing import CannotUnseal

logger = logging.getLogger(__name__)

#: For so long somebody may read the network's page, and then ours.
LONGEST = timedelta(minutes=15)
#: Of an account, as its column has it.
LONGEST_NAME = 120
GONE = "This connecting did not begin here, was used already, or took too long: begin anew."


def back() -> str:
    """The one address that networks send people back to: to be registered with each app, exactly so."""
    return links.absolute(reverse("channel-answered"))


def lacking(network: str) -> list[str]:
    """What of the app is not configured yet, of a network that asks for consent."""
    way = networks.consent_class(network)
    app = settings.NETWORK_APPS.get(network, {})
    return [name for name in way.needs if not app.get(name)] if way else []


def begin(
    publication: Publication,
    network: str,
    *,
    by: Person,
    session: str,
    asked: Mapping[str, str] | None = None,
    channel: Channel | None = None,
) -> Handshake:
    """Prepare to ask on the network's pages; `address_of` says where. With a channel: the same account again."""
    Handshake.objects.filter(made_at__lt=timezone.now() - LONGEST).delete()
    said = {name: value.strip() for name, value in (asked or {}).items()}
    way, state = _way(network, said), secrets.token_urlsafe(32)
    try:
        begun = way.begin(back=back(), state=state, asked=said)
    except Failure as problem:
        raise Refusal(problem.reason) from None
    return Handshake.objects.create(
        state_hash=_hash(state),
        session_hash=_hash(session),
        publication=publication,
        network=network,
        channel=channel,
        person=by,
        sealed=sealing.seal({"address": begun.address, "kept": begun.kept, "asked": said}),
    )


def address_of(handshake: Handshake) -> str:
    """Refusal where somebody was there already."""
    address = _told(handshake).get("address")
    if not address:
        raise Refusal(GONE)
    return str(address)


def answer(query: Mapping[str, str], *, by: Person, session: str) -> Channel | Handshake:
    """Somebody came back from the network. The channel; or the handshake, where they have to choose an account.

    Refusal, in a sentence, where it is not theirs, was used already, they said no there, or it is another account.
    """
    handshake = _mine(by, session).filter(state_hash=_hash(query.get("state", "")), answered=False).first()
    # Used up before anything is asked: of two that come back at once one goes on.
    if handshake is None or not Handshake.objects.filter(pk=handshake.pk, answered=False).update(answered=True):
        raise Refusal(GONE)
    handshake.answered = True
    try:
        found = _found(handshake, query)
        fitting = _fitting(handshake, found)
    except Refusal:
        handshake.delete()
        raise
    if len(found) == 1 and not found[0].problem:
        handshake.delete()
        return _keep(handshake, fitting[0])
    handshake.sealed = sealing.seal({"found": [_written(candidate) for candidate in fitting]})
    handshake.save(update_fields=["sealed"])
    return handshake


def waiting(pk: int, *, by: Person, session: str) -> Handshake:
    """This person's handshake, in the session in which it began. Refusal where there is none any more."""
    found = _mine(by, session).filter(pk=pk).first()
    if found is None:
        raise Refusal(GONE)
    return found


def candidates(handshake: Handshake) -> list[Candidate]:
    if not handshake.answered:
        raise Refusal(GONE)
    return [
        Candidate(one["account"], frozenset(one["names"]), one["credentials"], one["problem"])
        for one in _told(handshake).get("found", ())
    ]


def choose(handshake: Handshake, number: int) -> Channel:
    """Connect this one of the candidates."""
    found = dict(enumerate(candidates(handshake))).get(number)
    if found is None or found.problem:
        raise Refusal(found.problem if found else "Choose one of the accounts.")
    if not Handshake.objects.filter(pk=handshake.pk).delete()[0]:
        raise Refusal(GONE)
    return _keep(handshake, found)


def type_in(
    publication: Publication, network: str, account: str, credentials: Mapping[str, str], *, by: Person
) -> Channel:
    """Connect an account whose credentials a person has. Whether the network accepts them is looked at next."""
    given = {name: value.strip() for name, value in credentials.items() if value.strip()}
    if not account.strip():
        raise Refusal("Which account? Give its name as followers know it.")
    try:
        networks.connect(network, credentials=given, address="http://127.0.0.1", account=account.strip())
    except Failure as problem:
        raise Refusal(problem.reason) from None
    _refuse_another(publication, network, account.strip(), given)
    return channels.keep(publication, network, account.strip(), given, by=by)


def _found(handshake: Handshake, query: Mapping[str, str]) -> list[Candidate]:
    """What the network says to the answer. Refusal, in a sentence, whatever it is that it says."""
    told = _told(handshake)
    try:
        return _way(handshake.network, told["asked"]).finish(back=back(), answer=query, kept=told["kept"])
    except Failure as problem:
        raise Refusal(problem.reason) from None
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as problem:
        # Not its words, nor the traceback: what cannot be read may hold a token.
        logger.warning("connecting on %s: the answer cannot be read: %s", handshake.network, type(problem).__name__)
        label = networks.network_class(handshake.network).label
        raise Refusal(f"{label} answered in a way that cannot be read: begin anew.") from None


def _told(handshake: Handshake) -> dict[str, Any]:
    try:
        return sealing.unseal(handshake.sealed)
    except CannotUnseal:
        raise Refusal(GONE) from None


def _way(network: str, asked: Mapping[str, str]) -> Consent:
    """How the network asks. Refusal where it does not, or where its app is not configured."""
    label = networks.network_class(network).label
    if missing := lacking(network):
        raise Refusal(f"The app on {label} is not configured yet: {', '.join(missing)} is missing.")
    try:
        way = tokens.consent(network, account=asked.get("account", ""), credentials=asked)
    except Failure as problem:
        raise Refusal(problem.reason) from None
    if way is None:
        raise Refusal(f"An account on {label} is connected by typing in its credentials.")
    return way


def _mine(by: Person, session: str) -> Any:
    young = timezone.now() - LONGEST
    found = Handshake.objects.filter(person=by, session_hash=_hash(session), made_at__gte=young)
    return found.select_related("publication", "channel", "person")


def _fitting(handshake: Handshake, found: list[Candidate]) -> list[Candidate]:
    """All of them; or of a channel that is connected again, its own account."""
    channel = handshake.channel
    if channel is None:
        return found
    fitting = [candidate for candidate in found if _is(channel, candidate) or _is_called(channel, candidate)]
    if not fitting:
        others = ", ".join(candidate.account for candidate in found)
        raise Refusal(f"This was to be {channel.account}, and you came back with {others}. Sign in there as the other.")
    return fitting


def _is(channel: Channel, candidate: Candidate) -> bool:
    """By the network's own id where both say it; else by what is the account's alone, such as its handle."""
    ours, theirs = _identity(channel.network, _kept(channel)), _identity(channel.network, candidate.credentials)
    if ours and theirs:
        return ours == theirs
    return bool(candidate.names & {name.lstrip("@").casefold() for name in (channel.account, *ours.values())})


def _is_called(channel: Channel, candidate: Candidate) -> bool:
    """Where the channel's own id cannot be read any more, a person who connects it again may mean the one so called."""
    return not _kept(channel) and candidate.account.casefold() == channel.account.casefold()


def _identity(network: str, credentials: Mapping[str, Any]) -> dict[str, str]:
    """All that the network knows the account by; nothing where the credentials do not say all of it."""
    names = networks.network_class(network).identity
    said = {name: str(credentials[name]) for name in names if credentials.get(name)}
    return said if len(said) == len(names) else {}


def _kept(channel: Channel) -> dict[str, Any]:
    try:
        return channel.credentials
    except CannotUnseal:
        return {}


def _keep(handshake: Handshake, candidate: Candidate) -> Channel:
    """On the channel that has the account already, whatever it is called there; else on a new one."""
    publication, network = handshake.publication, handshake.network
    ours = list(publication.channels.filter(network=network))
    known = handshake.channel or next((channel for channel in ours if _is(channel, candidate)), None)
    account = known.account if known else _new_name(candidate, network, {channel.account for channel in ours})
    return channels.keep(publication, network, account, candidate.credentials, by=handshake.person)


def _new_name(candidate: Candidate, network: str, taken: set[str]) -> str:
    """Its own; with its number where another account of ours is called the same."""
    if candidate.account not in taken:
        return candidate.account
    number = " ".join(_identity(network, candidate.credentials).values()) or secrets.token_hex(4)
    return f"{candidate.account} ({number})"[:LONGEST_NAME]


def _refuse_another(publication: Publication, network: str, account: str, given: Mapping[str, str]) -> None:
    """Another account under a name that is taken would take over the posts of the first, and its approvals."""
    found = publication.channels.filter(network=network, account=account).first()
    ours, theirs = (_identity(network, _kept(found)) if found else {}), _identity(network, given)
    if ours and theirs and ours != theirs:
        said = ", ".join(f"{name} {value}" for name, value in ours.items())
        raise Refusal(f"“{account}” is connected already, as {said}: give the other account another name.")


def _written(candidate: Candidate) -> dict[str, Any]:
    return {
        "account": candidate.account,
        "names": sorted(candidate.names),
        "credentials": candidate.credentials,
        "problem": candidate.problem,
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
