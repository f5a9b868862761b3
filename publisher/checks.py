"""What real sending needs, each looked at for itself, with what to do where it is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models.functions import Now
from kombu import Connection
from kombu.exceptions import OperationalError

from . import networks, reach
from .delivery.conversation import Conversation
from .delivery.relays import Relay, RelayWrong, parse_relays
from .lifecycle import Refusal
from .models import Channel, Lease, Person, Publication
from .sealing import CannotUnseal


@dataclass(frozen=True)
class Check:
    name: str
    ok: bool
    says: str
    mend: str = ""


def run() -> Iterator[Check]:
    """All checks in the order in which they are worth mending. One that breaks says so; the others go on."""
    yield _database()
    if not _migrated():
        return
    for check in (_workers, _clock, _people, _address, _keys):
        yield check()
    yield from _mail()
    yield from _publications()
    yield from _channels()


def _database() -> Check:
    name, mend = "Database", "Start the database that DATABASE_URL names, then run `publisher migrate`."
    try:
        connection.ensure_connection()
    except DatabaseError as problem:
        return Check(name, False, str(problem).split("\n")[0], mend)
    return Check(name, _migrated(), f"{connection.vendor}, {'up to date' if _migrated() else 'not set up'}", mend)


def _migrated() -> bool:
    try:
        executor = MigrationExecutor(connection)
        return not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return False


def _workers() -> Check:
    name, mend = (
        "Message server",
        "Set REDIS_URL to a Redis server (6.2 or later), or run `publisher up`, which brings one.",
    )
    if not settings.REDIS_URL:
        return Check(name, True, "none set: `publisher up` starts its own")
    try:
        with Connection(settings.REDIS_URL, transport_options={"socket_connect_timeout": 2}) as broker:
            broker.ensure_connection(max_retries=1, timeout=2)
    except (OperationalError, OSError) as problem:
        return Check(name, False, str(problem), mend)
    return Check(name, True, "answers")


def _clock() -> Check:
    running = Lease.objects.filter(name="clock", until__gt=Now()).exists()
    mend = "Start `publisher up`, or `python -m workers.clock` on one machine."
    return Check("Clock", running, "running" if running else "not running: nothing starts by itself", mend)


def _people() -> Check:
    approvers = Person.objects.filter(may_approve=True, is_active=True).count()
    others = Person.objects.filter(is_active=True).count()
    ok = approvers >= 1 and others >= 2
    mend = "Add an editor and an approver: `publisher people add ben --name 'Ben Ortiz' --approver`."
    return Check("People", ok, f"{others} who may sign in, {approvers} of them may approve", mend)


def _address() -> Check:
    mend = "Set PUBLISHER_BASE_URL to the public https:// address: it is in every letter, for ever."
    return Check("Public address", settings.BASE_URL.startswith("https://"), settings.BASE_URL, mend)


def _keys() -> Check:
    kept = [name for name, keys in settings.KEYS.items() if not keys]
    where = settings.DATA / "keys"
    says = f"from the environment, or kept in {where}: back them up with the database"
    return Check("Keys", not kept, says, "Restore the keys folder from the backup.")


def _mail() -> Iterator[Check]:
    name, mend = "Mail server", "Set PUBLISHER_SMTP_URL, as smtp://user:password@mail.example.org:587?tls=starttls."
    try:
        relays = parse_relays(settings.SMTP_URL)
    except RelayWrong as problem:
        yield Check(name, False, str(problem), mend)
        return
    if not relays or settings.SANDBOX_URL:
        yield Check(name, False, "the sandbox: no letter leaves this machine" if relays else "none set", mend)
        return
    for relay in relays:
        yield _relay(f"{name} {relay.host}", relay, mend)


def _relay(name: str, relay: Relay, mend: str) -> Check:
    try:
        reach.allowed(f"smtp://{relay.host}")
    except Refusal as problem:
        return Check(name, False, str(problem), mend)
    with Conversation(relay, helo="localhost") as conversation:
        problem = conversation.sign_in()
    return Check(name, problem is None, problem.text if problem else "takes our login", mend)


def _publications() -> Iterator[Check]:
    if not Publication.objects.exists():
        yield Check("Publications", False, "none", "Make one: `publisher publications add update --series Update …`.")
    for publication in Publication.objects.all():
        missing = [name for name in ("postal_address", "sender_email", "list_id") if not getattr(publication, name)]
        mend = f"`publisher publications set --publication {publication.slug} {' '.join(f'{n}=…' for n in missing)}`"
        says = (
            f"lacks {', '.join(missing)}" if missing else f"{publication.series} {publication.next_number} comes next"
        )
        yield Check(f"Publication {publication.slug}", not missing, says, mend)


def _channels() -> Iterator[Check]:
    for channel in Channel.objects.select_related("publication"):
        problem = channel.attention or _account_problem(channel)
        mend = f"Connect it again: `publisher publications connect {channel.network} {channel.account}`."
        yield Check(f"Channel {channel}", not problem, problem or "may post", mend)


def _account_problem(channel: Channel) -> str:
    try:
        address = reach.allowed(settings.NETWORK_URLS[channel.network])
        credentials = channel.credentials
    except (Refusal, CannotUnseal) as problem:
        return str(problem)
    network = networks.connect(channel.network, credentials=credentials, address=address, account=channel.account)
    return network.check().problem or ""
