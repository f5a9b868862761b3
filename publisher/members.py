"""What can be done with members: join, confirm, leave, suppress, erase, import."""

from __future__ import annotations

import csv
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone
from email_validator import EmailNotValidError, validate_email

from . import links, notices
from .delivery import manners
from .lifecycle import Refusal, move, note
from .models import Consent, Delivery, Digest, Member, Notice, Person, Publication, Subscription, Suppression

State = Subscription.State
#: An address is asked to confirm at most this often, so that nobody can have a stranger's inbox filled.
ASK_AGAIN_AFTER = timedelta(hours=24)
_CHUNK = 1000
#: Lines that one record of a CSV file may have, within quotation marks. More: a mark was never closed.
_LINES = 50
#: What a spreadsheet would take for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_EMAIL_COLUMNS = frozenset({"email", "e-mail", "mail", "email address", "e-mail address"})


def normalise(email: str) -> str:
    """The address as it is stored: lower case, one spelling of its characters. Refusal where it is none."""
    try:
        checked = validate_email(email.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError as problem:
        raise Refusal(f"“{email.strip()[:100]}” is not an e-mail address: {problem}") from problem
    # Not casefold(): it would make another mailbox of “straße@…”.
    return checked.normalized.lower()


def join(
    publication: Publication,
    email: str,
    *,
    first_name: str = "",
    last_name: str = "",
    how: str,
    ip: str | None = None,
    wording: str = "",
    basis: str = "consent",
) -> None:
    """Ask to receive a publication. Outwardly always the same, whatever is known of the address.

    New and former members are asked by mail to confirm; active ones get nothing, and nobody learns that.
    """
    address = normalise(email)
    names = {"first_name": _name(first_name), "last_name": _name(last_name)}
    with transaction.atomic():
        member, _ = Member.objects.select_for_update().get_or_create(email=address, defaults=names)
        subscription, new = Subscription.objects.get_or_create(
            member=member, publication=publication, defaults={"state": State.PENDING}
        )
        if subscription.state == State.ACTIVE or _asked_lately(member):
            return
        if subscription.state != State.PENDING:
            move(subscription, State.PENDING, by=None, why=how)
        elif new:
            note(subscription, "joined", by=None, why=how)
        _rename_unconfirmed(member, names)
        Consent.objects.create(subscription=subscription, basis=basis, how=how[:120], ip=ip, wording=wording)
        _ask(subscription)


def confirm(token: str) -> Subscription | None:
    """The person's own yes: pending → active. It lifts a suppression; nothing else does.

    Doing it again changes nothing. An old link, after the person left or was suppressed, is no new yes.
    """
    ids = links.read("confirm", token)
    if ids is None or len(ids) != 1:
        return None
    with transaction.atomic():
        _lock(subscriptions=ids[0])
        subscription = Subscription.objects.select_related("member", "publication").filter(pk=ids[0]).first()
        if subscription is None or subscription.state not in {State.PENDING, State.ACTIVE}:
            return None
        if subscription.state == State.PENDING:
            _activate(subscription)
    return subscription


def leave(token: str) -> Publication | None:
    """One click, effective at once, also for a sending under way. Doing it again changes nothing."""
    ids = links.read("leave", token)
    if ids is None or len(ids) != 2:
        return None
    with transaction.atomic():
        _lock(pk=ids[0])
        for subscription in Subscription.objects.filter(member_id=ids[0], publication_id=ids[1]):
            if subscription.state in {State.ACTIVE, State.PENDING}:
                move(subscription, State.LEFT, by=None, why="by the link in a letter")
    return Publication.objects.filter(pk=ids[1]).first()


def suppress(email: str, why: str) -> None:
    """Never mail this address again, in any publication, until the person themselves joins anew."""
    address = normalise(email)
    with transaction.atomic():
        _lock(email=address)
        Suppression.objects.get_or_create(hash=Suppression.fingerprints(address)[0], defaults={"why": why})
        for subscription in Subscription.objects.filter(member__email=address, state=State.ACTIVE):
            move(subscription, State.SUPPRESSED, by=None, why=why)


def suppress_failed(digest: Digest, most: int = 200) -> int:
    """Suppress the addresses of which a server said that they do not exist; how many. Called until nothing is left.

    Only when the failures speak of the addresses and not of a wrong list. Whoever joined anew since is left alone.
    """
    found = []
    if manners.believed(digest):
        with transaction.atomic():
            chosen = list(_no_such_address(digest).values_list("member_id", flat=True)[:most])
            _lock(pk__in=chosen)
            # Asked again under the lock: somebody may have confirmed a new joining meanwhile.
            found = list(_no_such_address(digest).filter(member_id__in=chosen).values_list("address", "enhanced"))
            for address, enhanced in found:
                suppress(address, f"no such address: {enhanced} to {digest.label}")
    if len(found) < most:
        Digest.objects.filter(pk=digest.pk).update(failures_suppressed_at=timezone.now())
    return len(found)


def erase(member: Member, *, by: Person | None) -> None:
    """Forget a person: every field and address goes; the counts of past sendings stay true; never mailed again."""
    with transaction.atomic():
        if not _lock(pk=member.pk):  # somebody else has just done it
            return
        suppress(member.email, "erased")
        note(member, "erased", by=by)
        for row in Delivery.objects.filter(member=member):
            Delivery.objects.filter(pk=row.pk).update(member=None, address=f"erased-{row.pk}", reply="")
        member.delete()


@dataclass
class Imported:
    """What an import did. Every record of the file is counted in exactly one of these."""

    added: int = 0
    known: int = 0
    refused: int = 0  # left, suppressed or erased: never re-activated by an import
    rejected: list[tuple[int, str]] = field(default_factory=list)


def import_csv(
    lines: Iterable[str], publication: Publication, *, by: Person | None, basis: str, how: str
) -> Iterator[Imported]:
    """Read members from CSV lines with a header; yields the running report after each chunk of lines.

    Columns: email (or e-mail), and first_name, last_name where there are any, parted by comma, semicolon or tab.
    Nobody who left, or whose address is suppressed, is made active again. A line that cannot be read is reported
    with its number, and the next one is read.
    """
    if basis not in Consent.Basis.values:
        raise Refusal(f"“{basis}” is no basis for mailing anybody: say one of {', '.join(Consent.Basis.values)}.")
    rows = _Rows(lines)
    report = Imported()
    terms = {"basis": basis, "how": how[:120], "by": by}
    while chunk := list(islice(rows, _CHUNK)):
        _import_chunk(chunk, publication, terms, report)
        yield report
    counted = {"added": report.added, "known": report.known, "refused": report.refused}
    note(publication, "imported members", by=by, why=how, rejected=len(report.rejected), **counted)


def spreadsheet_safe(cell: str) -> str:
    """The cell with an apostrophe before what a spreadsheet would run as a formula. `import_csv` takes it off again."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


class _Rows:
    """The records of a CSV file, each with the number of its first line; a string says what is wrong with one.

    A quotation mark that is opened and not closed would swallow all that follows: then its line alone is given up.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines, self.ahead, self.number = iter(lines), deque[str](), 0
        header = self._take().removeprefix("\ufeff")
        self.delimiter = max(",;\t", key=header.count)
        self.names = [name.strip().casefold() for name in self._parse(header) or []]
        if not _EMAIL_COLUMNS & set(self.names):
            raise Refusal("The file's first line must name its columns, and one of them “email”.")
        self.names = ["email" if name in _EMAIL_COLUMNS else name.replace(" ", "_") for name in self.names]

    def __iter__(self) -> Iterator[tuple[int, dict[str, str] | str]]:
        while line := self._take():
            if line.strip():
                yield self.number, self._record(line)

    def _record(self, line: str) -> dict[str, str] | str:
        more: list[str] = []
        while (cells := self._parse(line + "".join(more))) is None:
            following = self._take() if len(more) < _LINES else ""
            if not following:
                self._give_back(more)
                return "The quotation marks in this line do not match."
            more.append(following)
        return dict(zip(self.names, map(_plain, cells), strict=False))

    def _parse(self, text: str) -> list[str] | None:
        """The cells, or None where a quotation mark is still open, or one stands where none can."""
        try:
            return next(csv.reader([text], delimiter=self.delimiter, strict=True), [])
        except csv.Error:
            return None

    def _take(self) -> str:
        line = self.ahead.popleft() if self.ahead else next(self.lines, "")
        self.number += bool(line)
        return line

    def _give_back(self, lines: list[str]) -> None:
        self.ahead.extendleft(reversed(lines))
        self.number -= len(lines)


def _plain(cell: str) -> str:
    cell = cell.strip()
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def _import_chunk(
    chunk: list[tuple[int, dict[str, str] | str]], publication: Publication, terms: dict[str, Any], report: Imported
) -> None:
    people: dict[str, dict[str, str]] = {}
    for line, row in chunk:
        try:
            if isinstance(row, str):
                raise Refusal(row)
            address = normalise(row.get("email", ""))
        except Refusal as problem:
            report.rejected.append((line, str(problem)))
            continue
        report.known += address in people
        people.setdefault(address, row)
    with transaction.atomic():
        _lock(email__in=people)
        standing = _standing(people, publication)
        new = {address: row for address, row in people.items() if address not in standing}
        made = _make(new)
        # Another import, or a person on the page, may have been first while we waited for them.
        standing |= _standing(new, publication)
        report.added += _add([pk for address, pk in made.items() if address not in standing], publication, terms)
        counted = Counter(standing.values())
        report.known += counted["known"]
        report.refused += counted["refused"]


def _standing(people: Iterable[str], publication: Publication) -> dict[str, str]:
    """Of these addresses, which are known already, and which must not be added: they left, or are suppressed."""
    prints = {print_: address for address in people for print_ in Suppression.fingerprints(address)}
    suppressed = Suppression.objects.filter(hash__in=prints).values_list("hash", flat=True)
    existing = Subscription.objects.filter(publication=publication, member__email__in=people)
    gone = {State.LEFT.value, State.SUPPRESSED.value}
    found = {
        email: "refused" if state in gone else "known"
        for email, state in existing.values_list("member__email", "state")
    }
    return found | {prints[hash_]: "refused" for hash_ in suppressed}


def _make(people: dict[str, dict[str, str]]) -> dict[str, int]:
    """Members of these addresses, locked, by address: made here, or by somebody else a moment ago."""
    Member.objects.bulk_create(
        [
            Member(
                email=address,
                first_name=_name(row.get("first_name", "")),
                last_name=_name(row.get("last_name", "")),
            )
            # In one order, so that two imports of the same people wait for each other and not both for ever.
            for address, row in sorted(people.items())
        ],
        ignore_conflicts=True,
    )
    return _lock(email__in=people)


def _add(members: list[int], publication: Publication, terms: dict[str, Any]) -> int:
    made = Subscription.objects.bulk_create(
        [Subscription(member_id=pk, publication=publication, state=State.ACTIVE) for pk in members]
    )
    now = timezone.now()
    Consent.objects.bulk_create([Consent(subscription=s, at=now, confirmed_at=now, **terms) for s in made])
    return len(made)


def _lock(**which: Any) -> dict[str, int]:
    """Lock these members until the transaction ends; their numbers by address.

    What is done to one person is done in turns: whoever comes second looks again, and finds what the first has done.
    """
    locked = Member.objects.select_for_update(of=("self",)).filter(**which).order_by("pk")
    return dict(locked.values_list("email", "pk"))


def _no_such_address(digest: Digest) -> QuerySet[Delivery]:
    """The failed rows of members who are still mailed at that address, and have not joined since."""
    active = Subscription.objects.filter(member_id=OuterRef("member_id"), state=State.ACTIVE)
    failed = digest.deliveries.filter(
        state=Delivery.State.FAILED, enhanced__in=manners.NO_SUCH_ADDRESS, member__email=F("address")
    )
    joined_since = active.filter(state_since__gt=OuterRef("state_since"))
    return failed.filter(Exists(active)).exclude(Exists(joined_since)).order_by("member_id")


def _activate(subscription: Subscription) -> None:
    move(subscription, State.ACTIVE, by=None, why="confirmed by mail")
    if asked := subscription.consents.filter(confirmed_at=None).first():
        asked.confirmed_at = timezone.now()
        asked.save(update_fields=["confirmed_at"])
    Suppression.objects.filter(hash__in=Suppression.fingerprints(subscription.member.email)).delete()


def _rename_unconfirmed(member: Member, names: dict[str, str]) -> None:
    """Until somebody has confirmed, the name is only what a stranger typed: the next one may be right."""
    confirmed = Consent.objects.filter(subscription__member=member, confirmed_at__isnull=False)
    if any(names.values()) and not confirmed.exists():
        Member.objects.filter(pk=member.pk).update(**names)


def _name(typed: str) -> str:
    """One line without control characters, in the length of its column."""
    return " ".join("".join(c if c.isprintable() else " " for c in typed).split())[:120]


def _ask(subscription: Subscription) -> None:
    publication = subscription.publication
    notices.write(
        "confirm",
        publication,
        subscription.member,
        confirm_url=links.confirm_url(subscription),
        organisation=publication.organisation,
        publication=publication.series,
        accent=publication.accent,
        language=publication.language,
        postal_address=publication.postal_address,
    )


def _asked_lately(member: Member) -> bool:
    since = timezone.now() - ASK_AGAIN_AFTER
    return Notice.objects.filter(member=member, kind="confirm", due_at__gt=since).exists()
