"""What real sending needs, each looked at for itself, with what to do where it is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models.functions import Now
from django.utils import timezone

from . import attention, budgets, checkups, epoch, handing, joining, links, prices, reach, tokens
from .bounces import mailbox
from .delivery import keys, manners, paces, parcels
from .delivery.conversation import Conversation
from .delivery.limits import LimitsWrong
from .delivery.outcomes import Timeouts
from .delivery.providers import Provider
from .delivery.relays import Relay, RelayWrong, parse_relays
from .lifecycle import Refusal
from .models import Channel, Lease, Mailbox, Person, Publication

#: Somebody waits for the answer: a server that is slower than this is worth a look.
_BRIEF = Timeouts(connect=10, greeting=20, starttls=10, auth=20, quit=2)


#: A mailbox that is read once a minute, and was not for so long, is not read any more.
STALE = timedelta(hours=1)


@dataclass(frozen=True)
class Check:
    name: str
    ok: bool
    says: str
    mend: str = ""


def run() -> Iterator[Check]:
    """All checks in the order in which they are worth mending. One that breaks says so; the others go on."""
    database = _database()
    yield database
    for check in (_workers, _address, _keys):
        yield from _safely(check)
    yield from _safely(_mail)
    yield from _safely(_bounces)
    yield from _safely(_pace)
    yield from _safely(_prices)
    if not database.ok:
        return
    for check in (_mailbox, _epoch, _clock, _people, _publications, _joining, _signatures, _sealed):
        yield from _safely(check)
    for check in (_channels, _digests, _posts):
        yield from _safely(check)


def _safely(check: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """What it finds; an error of ours or of a library is something found as well."""
    try:
        yield from list(check())
    except Exception as problem:
        name = check.__name__.strip("_").capitalize()
        said = f"could not be looked at: {type(problem).__name__}: {problem}"
        yield Check(name, False, said, "This is a fault in Publisher: please report it with this sentence.")


def _database() -> Check:
    name = "Database"
    try:
        connection.ensure_connection()
        executor = MigrationExecutor(connection)
        up_to_date = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as problem:
        mend = "Start the database that DATABASE_URL names, then run `publisher migrate`."
        return Check(name, False, str(problem).split("\n")[0], mend)
    says = f"{connection.vendor}, {'up to date' if up_to_date else 'not set up, or not up to date'}"
    return Check(name, up_to_date, says, "Run `publisher migrate`.")


def _workers() -> Iterator[Check]:
    name = "Message server"
    mend = (
        "Set REDIS_URL (and CELERY_BROKER_URL, where it is set: it comes first) to a Redis server (6.2 or later), or "
        "run `publisher up`, which brings one."
    )
    trouble = handing.trouble(_BRIEF.connect)
    answers = "answers" if settings.BROKER_URL else "none set: `publisher up` starts its own"
    yield Check(name, not trouble, trouble or answers, mend)


def _epoch() -> Iterator[Check]:
    found = epoch.look()
    mend = (
        "See `publisher epoch show`, compare with what was sent, then `publisher epoch confirm`. A further machine of "
        "a running installation is started with PUBLISHER_EPOCH instead."
    )
    said, confirmable = (found.says, found.confirmable) if found else ("nothing stands in the way of sending", True)
    yield Check("Epoch", found is None, said, mend if confirmable else "It is over by itself once that is mended.")


def _clock() -> Iterator[Check]:
    running = Lease.objects.filter(name="clock", until__gt=Now()).exists()
    mend = "Start `publisher up`, or `python -m workers.clock` on one machine."
    yield Check("Clock", running, "running" if running else "not running: nothing starts by itself", mend)


def _people() -> Iterator[Check]:
    """Where everybody may approve what they wrote, one person is enough."""
    active = Person.objects.filter(is_active=True)
    approvers, all_ = active.filter(may_approve=True).count(), active.count()
    needed = 2 if Publication.objects.filter(four_eyes=True).exists() or not Publication.objects.exists() else 1
    mend = (
        "Add who writes and who approves: `publisher people add anne --name 'Anne Rowe'`, "
        "`publisher people add ben --name 'Ben Ortiz' --approver`."
    )
    yield Check("People", approvers >= 1 and all_ >= needed, f"{all_} may sign in, {approvers} of them approve", mend)


def _address() -> Iterator[Check]:
    mend = "Set PUBLISHER_BASE_URL to the public https:// address: it is in every letter, for ever."
    yield Check("Public address", settings.BASE_URL.startswith("https://"), settings.BASE_URL, mend)


def _keys() -> Iterator[Check]:
    lost = sorted(name for name, keys in settings.KEYS.items() if not keys)
    where = settings.DATA / "keys"
    says = f"none for {', '.join(lost)}" if lost else f"from the environment, or kept in {where}: back them up"
    yield Check("Keys", not lost, says, f"Restore {where} from the backup.")


def _mail() -> Iterator[Check]:
    name, mend = "Mail server", "Set PUBLISHER_SMTP_URL, as smtp://user:password@mail.example.org:587?tls=starttls."
    try:
        if provider := parcels.chosen():
            yield _provider(provider)
            return
        relays = parse_relays(settings.SMTP_URL)
    except RelayWrong as problem:
        yield Check(name, False, str(problem), mend)
        return
    if not relays or "mail" in settings.SANDBOXED:
        yield Check(name, False, "the sandbox: no letter leaves this machine" if relays else "none set", mend)
        return
    for relay in relays:
        yield _relay(f"{name} {relay}", relay, mend)


def _relay(name: str, relay: Relay, mend: str) -> Check:
    try:
        reach.allowed(f"smtp://{relay}")
    except Refusal as refusal:
        return Check(name, False, str(refusal), mend)
    with Conversation(relay, helo=_our_name(), timeouts=_BRIEF) as conversation:
        problem = conversation.sign_in()
    taken = "takes our login" if relay.user else "answers"
    return Check(name, problem is None, problem.text if problem else taken, mend)


def _provider(provider: Provider) -> Check:
    name = f"Mail provider {provider}"
    mend = "Look at PUBLISHER_MAIL_PROVIDER_KEY and PUBLISHER_MAIL_PROVIDER_URL, and at the provider's own pages."
    try:
        reach.allowed(provider.url)
    except Refusal as refusal:
        return Check(name, False, str(refusal), mend)
    well, says = parcels.look(provider)
    if well and not settings.MAIL_PROVIDER_WEBHOOK:
        mend = "Let it report to /webhooks/, and set PUBLISHER_MAIL_PROVIDER_WEBHOOK: the operator's guide says how."
        return Check(name, False, f"{says}; but what comes back is told to nobody", mend)
    return Check(name, well, says, mend)


def _pace() -> Iterator[Check]:
    try:
        limits, first_day = paces.limits(), manners.first_day()
    except LimitsWrong as problem:
        yield Check("Pace", False, str(problem), "Change the variable, and start workers and clock anew.")
        return
    said = [f"at most {limits.rate:g} letters a second" if limits.rate else "as fast as the mail server takes it"]
    if limits.domain_rate or limits.domain_connections or limits.domains:
        said.append("with limits for domains")
    if first_day:
        said.append(f"from a new sender since {first_day:%d %B %Y}")
    yield Check("Pace", True, ", ".join(said))


def _our_name() -> str:
    return urlsplit(settings.BASE_URL).hostname or "localhost"


def _publications() -> Iterator[Check]:
    if not Publication.objects.exists():
        mend = (
            "Make one: `publisher publications add update --series Update --organisation '…' "
            "--sender update@example.org --postal-address '…'`."
        )
        yield Check("Publications", False, "none", mend)
    for publication in Publication.objects.all():
        missing = [name for name in ("postal_address", "sender_email", "list_id") if not getattr(publication, name)]
        given = " ".join(f"{name}=…" for name in missing)
        mend = f"`publisher publications set --publication {publication.slug} {given}`."
        next_one = f"{publication.series} {publication.next_number} comes next"
        says = f"lacks {', '.join(missing)}" if missing else next_one
        yield Check(f"Publication {publication.slug}", not missing, says, mend)


def _joining() -> Iterator[Check]:
    """Nothing to say where nobody has to wait."""
    if said := joining.crowded():
        mend = "If nobody called for members, look where the form stands: it may be a robot."
        yield Check("Joining", False, said, mend)


def _bounces() -> Iterator[Check]:
    """Nothing to say where none is set: letters come back to their sender then."""
    mend = "Set PUBLISHER_BOUNCE_ADDRESS to the address of a mailbox that takes bounces+anything@example.org as well."
    if not settings.BOUNCE_ADDRESS:
        return
    try:
        links.bounce_address(1)
    except Refusal as refusal:
        yield Check("Bounce address", False, str(refusal), mend)
    else:
        unread = "" if settings.BOUNCE_IMAP_URL else ", and nobody reads what comes there"
        mend = "Set PUBLISHER_BOUNCE_IMAP_URL to its mailbox: until then, no address that does not exist is taken off."
        yield Check("Bounce address", not unread, f"{settings.BOUNCE_ADDRESS}{unread}", mend)


def _mailbox() -> Iterator[Check]:
    """What was found when it was last read; nothing where none is set."""
    name, mend = "Bounce mailbox", f"Look at PUBLISHER_BOUNCE_IMAP_URL, as {mailbox.EXAMPLE}."
    try:
        place = mailbox.chosen()
    except Refusal as refusal:
        yield Check(name, False, str(refusal), mend)
        return
    if place is None:
        return
    row = Mailbox.objects.filter(place=str(place)).first()
    if row is None or not (row.read_at or row.problem):
        yield Check(name, True, "not read yet")
    elif row.problem:
        yield Check(name, False, row.problem, mend)
    elif row.read_at and row.read_at < timezone.now() - STALE:
        says = f"not read since {row.read_at:%d %B at %H:%M} UTC"
        yield Check(name, False, says, "Look whether clock and workers run, and what their log says of the mailbox.")
    else:
        left = f", {row.not_understood} not understood" if row.not_understood else ""
        mend = f"Look into its folder “{mailbox.NOT_UNDERSTOOD}”; delete what needs nobody."
        yield Check(name, not left, f"last read {row.read_at:%d %B at %H:%M} UTC{left}", mend)


def _signatures() -> Iterator[Check]:
    """Who lets the mail server sign has no key here, and that is in order."""
    for publication in Publication.objects.all():
        domain = publication.sender_email.rpartition("@")[2]
        name = f"Signature of {publication.slug}"
        try:
            signers = keys.signers_for(domain)
        except Refusal as refusal:
            yield Check(name, False, str(refusal), "Letters wait meanwhile: none goes out unsigned.")
            continue
        ours = f"signed with {', '.join(f'{s.selector} ({s.algorithm})' for s in signers)} for {domain}"
        theirs = f"not signed here: let the mail server sign, or make a key with `publisher dkim new {domain}`"
        yield Check(name, True, ours if signers else theirs)


def _prices() -> Iterator[Check]:
    mend = "Mend the file that PUBLISHER_PRICES names, after the model of config/prices.toml."
    try:
        known = ", ".join(f"{network} in {currency}" for network, (currency, _) in prices.table().items())
    except prices.PricesWrong as problem:
        yield Check("Prices", False, str(problem), mend)
    else:
        yield Check("Prices", True, f"known for {known}" if known else "none: everything counts as free")


def _sealed() -> Iterator[Check]:
    """Where all is sealed with the newest key, the older ones may go."""
    counts = tokens.keys_in_use()
    lost, older = counts.pop(None, 0), sum(count for place, count in counts.items() if place)
    if lost:
        mend = "Put the key they were sealed with back into PUBLISHER_KEYS_TOKENS, or connect the accounts again."
        yield Check("Stored credentials", False, f"{lost} cannot be opened with any key", mend)
    elif older:
        mend = "Run `publisher channels rotate`; until then keep the older keys in PUBLISHER_KEYS_TOKENS."
        yield Check("Stored credentials", False, f"{older} still need an older key", mend)
    else:
        yield Check("Stored credentials", True, "all are sealed with the newest key")


def _channels() -> Iterator[Check]:
    for channel in Channel.objects.select_related("publication"):
        found = checkups.look(channel)
        problem = channel.attention or found or checkups.ending(channel)
        slug = channel.publication.slug
        mend = (
            "Connect it again: "
            f"`publisher publications connect {channel.network} '{channel.account}' --publication {slug}`."
        )
        yield Check(f"Channel {channel}", not problem, problem or _well(channel), mend)


def _digests() -> Iterator[Check]:
    found = list(attention.waiting_digests()[: attention.NAMED])
    says = " ".join(f"{digest.label}: {attention.said_of(digest)}" for digest in found) or "none waits"
    mend = "Look at their sending on the staff's pages, or at `publisher digests list`."
    yield Check("Digests", not found, says, mend)


def _posts() -> Iterator[Check]:
    waiting = attention.waiting()
    count, first = waiting.count(), waiting.first()
    says = (
        f"{count} wait for a person, for the longest time this one: {attention.said(first)}" if first else "none waits"
    )
    yield Check("Posts", first is None, says, "Look at the plan on the staff's pages, or at `publisher posts list`.")


def _well(channel: Channel) -> str:
    ends = f", ends on {channel.expires_at:%d %B %Y}" if channel.expires_at else ""
    return f"may post, {budgets.standing(channel)}{ends}"
