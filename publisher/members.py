"""What can be done with members: join, confirm, leave, suppress, erase, import."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Any

from django.db import transaction
from django.utils import timezone
from email_validator import EmailNotValidError, validate_email

from . import links, notices
from .lifecycle import Overtaken, Refusal, move, note
from .models import Consent, Delivery, Member, Notice, Person, Publication, Subscription, Suppression

State = Subscription.State
#: A pending joining is mailed at most this often, so that nobody can have a stranger's inbox filled.
ASK_AGAIN_AFTER = timedelta(hours=24)
_CHUNK = 1000


def normalise(email: str) -> str:
    """The address as it is stored: lower-case domain, one spelling of its characters. Refusal where it is none."""
    try:
        checked = validate_email(email.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError as problem:
        raise Refusal(f"“{email.strip()[:100]}” is not an e-mail address: {problem}") from problem
    return checked.normalized.casefold()


def join(
    publication: Publication,
    email: str,
    *,
    first_name: str = "",
    how: str,
    ip: str | None = None,
    wording: str = "",
    basis: str = "consent",
) -> None:
    """Ask to receive a publication. Outwardly always the same, whatever is known of the address.

    New and former members are asked by mail to confirm; active ones get nothing, and nobody learns that.
    """
    address = normalise(email)
    with transaction.atomic():
        member, _ = Member.objects.get_or_create(email=address, defaults={"first_name": first_name})
        subscription, new = Subscription.objects.get_or_create(
            member=member, publication=publication, defaults={"state": State.PENDING}
        )
        if subscription.state == State.ACTIVE or _asked_lately(member):
            return
        if subscription.state != State.PENDING:
            move(subscription, State.PENDING, by=None, why=how)
        elif new:
            note(subscription, "joined", by=None, why=how)
        Consent.objects.create(subscription=subscription, basis=basis, how=how, ip=ip, wording=wording)
        _ask(subscription)


def confirm(token: str) -> Subscription | None:
    """The person's own yes: pending → active. It lifts a suppression; nothing else does."""
    subscription = _subscription("confirm", token)
    if subscription is None or subscription.state == State.LEFT:
        return None
    with transaction.atomic():
        if subscription.state == State.PENDING:
            move(subscription, State.ACTIVE, by=None, why="confirmed by mail")
            subscription.consents.filter(confirmed_at=None).update(confirmed_at=timezone.now())
        Suppression.objects.filter(hash__in=Suppression.fingerprints(subscription.member.email)).delete()
    return subscription


def leave(token: str) -> Publication | None:
    """One click, effective at once, also for a sending under way. Doing it again changes nothing."""
    ids = links.read("leave", token)
    if ids is None or len(ids) != 2:
        return None
    publication = Publication.objects.filter(pk=ids[1]).first()
    subscription = Subscription.objects.filter(member_id=ids[0], publication_id=ids[1]).first()
    if subscription and subscription.state in {State.ACTIVE, State.PENDING}:
        try:
            move(subscription, State.LEFT, by=None, why="by the link in a letter")
        except Overtaken:
            return leave(token)
    return publication


def suppress(email: str, why: str) -> None:
    """Never mail this address again, in any publication, until the person themselves joins anew."""
    address = normalise(email)
    with transaction.atomic():
        Suppression.objects.get_or_create(hash=Suppression.fingerprints(address)[0], defaults={"why": why})
        for subscription in Subscription.objects.filter(member__email=address, state=State.ACTIVE):
            move(subscription, State.SUPPRESSED, by=None, why=why)


def erase(member: Member, *, by: Person | None) -> None:
    """Forget a person: every field and address goes; the counts of past sendings stay true; never mailed again."""
    with transaction.atomic():
        suppress(member.email, "erased")
        note(member, "erased", by=by)
        for row in Delivery.objects.filter(member=member):
            Delivery.objects.filter(pk=row.pk).update(member=None, address=f"erased-{row.pk}", reply="")
        member.delete()


@dataclass
class Imported:
    """What an import did. Every line of the file is counted in exactly one of these."""

    added: int = 0
    known: int = 0
    refused: int = 0  # left, suppressed or erased: never re-activated by an import
    rejected: list[tuple[int, str]] = field(default_factory=list)


def import_csv(
    lines: Iterable[str], publication: Publication, *, by: Person | None, basis: str, how: str
) -> Iterator[Imported]:
    """Read members from CSV lines with a header; yields the running report after each chunk of lines.

    Columns: email (or e-mail), and first_name, last_name where there are any. Nobody who left, or whose
    address is suppressed, is made active again. A line that cannot be read is reported with its number.
    """
    reader = csv.DictReader(lines)
    email = _email_column(reader.fieldnames)
    report = Imported()
    while chunk := list(islice(_rows(reader), _CHUNK)):
        _import_chunk(chunk, email, publication, by, basis, how, report)
        yield report


def _rows(reader: csv.DictReader[str]) -> Iterator[tuple[int, dict[str, Any] | str]]:
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            yield reader.line_num, str(problem)
        else:
            yield reader.line_num, row


def _email_column(names: Any) -> str:
    wanted = {"email", "e-mail", "mail", "email address", "e-mail address"}
    found = [name for name in names or () if name and name.strip().lstrip("\ufeff").casefold() in wanted]
    if not found:
        raise Refusal("The file's first line must name its columns, and one of them “email”.")
    return str(found[0])


def _import_chunk(
    chunk: list[tuple[int, dict[str, Any] | str]],
    column: str,
    publication: Publication,
    by: Person | None,
    basis: str,
    how: str,
    report: Imported,
) -> None:
    people: dict[str, dict[str, Any]] = {}
    for line, row in chunk:
        try:
            if isinstance(row, str):
                raise Refusal(row)
            address = normalise(row.get(column) or "")
        except Refusal as problem:
            report.rejected.append((line, str(problem)))
            continue
        if address in people:
            report.known += 1
        people.setdefault(address, row)
    with transaction.atomic():
        _take_in(people, publication, by, basis, how, report)


def _take_in(
    people: dict[str, dict[str, Any]],
    publication: Publication,
    by: Person | None,
    basis: str,
    how: str,
    report: Imported,
) -> None:
    prints = {print_: address for address in people for print_ in Suppression.fingerprints(address)}
    suppressed = {prints[found.hash] for found in Suppression.objects.filter(hash__in=prints)}
    existing = Subscription.objects.filter(publication=publication, member__email__in=people)
    states = dict(existing.values_list("member__email", "state"))
    for address in people:
        if address in suppressed or states.get(address) in {State.LEFT, State.SUPPRESSED}:
            report.refused += 1
        elif address in states:
            report.known += 1
    new = [address for address in people if address not in states and address not in suppressed]
    Member.objects.bulk_create(
        [
            Member(email=a, first_name=_cell(people[a], "first_name"), last_name=_cell(people[a], "last_name"))
            for a in new
        ],
        ignore_conflicts=True,
    )
    made = Subscription.objects.bulk_create(
        [
            Subscription(member_id=pk, publication=publication, state=State.ACTIVE)
            for pk in Member.objects.filter(email__in=new).values_list("pk", flat=True)
        ]
    )
    now = timezone.now()
    Consent.objects.bulk_create(
        [Consent(subscription=s, basis=basis, how=how, by=by, at=now, confirmed_at=now) for s in made]
    )
    report.added += len(made)


def _cell(row: dict[str, Any], name: str) -> str:
    return str(row.get(name) or "").strip()[:120]


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


def _subscription(purpose: str, token: str) -> Subscription | None:
    ids = links.read(purpose, token)
    if ids is None or len(ids) != 1:
        return None
    return Subscription.objects.select_related("member", "publication").filter(pk=ids[0]).first()
