"""Forgetting a person in every table: what is deleted, what is blanked, what is looked through.

What hangs on the member goes with them. A delivery is kept for its count, without address, member and the server's
words. And an address may stand where no row of the member's is: in a reason that one of the staff typed, in a list that
waits to be imported. What servers say is rid of addresses as it comes in
(`delivery/outcomes.py`), and journals and logs with it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress

from django.apps import apps
from django.db import connection, transaction
from django.db.models import EmailField, Max

from .lifecycle import Overtaken, move
from .models import (
    Bounce,
    Delivery,
    Digest,
    Event,
    Member,
    Notice,
    Person,
    Publication,
    Suppression,
    Upload,
    UploadPart,
)

#: Stands with a number where a delivery's address was, so that each row stays its own. No mail ever goes there.
BLANKED = "erased-"
THE_ADDRESS = "(an address, erased)"
#: The member is deleted at the end; mails that have gone are looked through above; and the others are the house's own.
_NOT_TO_DELETE = {Member, Notice, Person, Publication}
#: As lists that were uploaded may be written, where an address is not all ASCII.
_WRITTEN = ("utf-8", "cp1252", "utf-16-le", "utf-16-be")
#: Bytes that the longest address may take, and a multiple of what a letter takes in UTF-16.
_OVERLAP = 2_048
#: Milliseconds for which others may have to wait while SQLite's log is cut off.
_PATIENCE = 250
#: Seconds after which it is tried again, and among how many of the newest events an erasure is looked for.
_EVERY, _LATELY = 20.0, 5_000
_settled = 0.0


def forget(member: Member) -> None:
    """Delete the member, and whatever names an address of theirs; the counts of past sendings stay true.

    The caller has locked the member, and has seen to it that the address is suppressed.
    """
    known = addresses_of(member)
    blank(Delivery.objects.filter(member=member).values_list("pk", flat=True))
    _refuse(known - {member.email})
    _blank_strays(known)
    _delete_what_waits(known)
    _rid_events_of(known)
    _drop_uploads_with(known)
    member.delete()
    if connection.vendor == "sqlite":
        transaction.on_commit(_shorten_log, robust=True)


def addresses_of(member: Member) -> set[str]:
    """The member's address, and those to which letters for them went.

    Not those of notices: a new address that was never confirmed may be anybody's.
    """
    mailed = Delivery.objects.filter(member=member).values_list("address", flat=True).distinct()
    return {member.email, *(address for address in mailed if "@" in address)}


def blank(rows: Iterable[int]) -> None:
    """Take the address and the server's words off these deliveries. Outcome and member stay."""
    chosen = list(rows)
    for pk in chosen:
        Delivery.objects.filter(pk=pk).update(address=f"{BLANKED}{pk}", reply="")
    Bounce.objects.filter(delivery_id__in=chosen).update(says="")


def _refuse(former: Collection[str]) -> None:
    """Former addresses are not brought back either, but for one that is somebody else's by now."""
    others = set(Member.objects.filter(email__in=former).values_list("email", flat=True))
    for address in set(former) - others:
        Suppression.objects.get_or_create(hash=Suppression.fingerprints(address)[0], defaults={"why": "erased"})


def _blank_strays(known: Collection[str]) -> None:
    """What was mailed to the address before the member came to be it, as another member or as nobody's."""
    digests = list(Digest.objects.values_list("pk", flat=True))  # so that the index is used, which begins with them
    others = Delivery.objects.filter(digest_id__in=digests, address__in=known)
    blank(others.filter(member__isnull=True).values_list("pk", flat=True))
    # Mails to staff are theirs, also where one of them is a member under the same address.
    Notice.objects.filter(member__isnull=True, address__in=known).exclude(kind="alert").delete()


def _delete_what_waits(known: Collection[str]) -> None:
    """Whatever has an address and waits to become something: a request to join, a change to this address."""
    for model in apps.get_app_config("publisher").get_models():
        if model not in _NOT_TO_DELETE:
            for field in model._meta.concrete_fields:
                if isinstance(field, EmailField):
                    model._default_manager.filter(**{f"{field.name}__in": known}).delete()


def _rid_events_of(known: Collection[str]) -> None:
    """Events hold no addresses; but one of the staff may have typed one, for a reason."""
    for address in known:
        anywhere = re.compile(re.escape(address), re.IGNORECASE)
        for event in Event.objects.filter(why__icontains=address):
            Event.objects.filter(pk=event.pk).update(why=anywhere.sub(THE_ADDRESS, event.why))
        for row in Suppression.objects.filter(why__icontains=address):
            Suppression.objects.filter(pk=row.pk).update(why=anywhere.sub(THE_ADDRESS, row.why))


def _drop_uploads_with(known: Collection[str]) -> None:
    """A list that names them is not taken in any more, and not kept: it has to be uploaded anew."""
    sought = {form for address in known for form in _forms(address)}
    for upload in Upload.objects.filter(parts__isnull=False).distinct():
        if any(_names(content, sought) for content in _content(upload)):
            upload.parts.all().delete()
            Upload.objects.filter(pk=upload.pk).update(
                problem="Somebody in it was erased meanwhile: upload it anew.", rejected=[]
            )
            if upload.state == Upload.State.WAITING:
                with suppress(Overtaken):  # somebody has just started it: its worker will find nothing
                    move(upload, Upload.State.DROPPED, by=None, why="somebody in it was erased")
    for upload in Upload.objects.exclude(rejected=[]):
        if _names(str(upload.rejected).encode(), sought):
            Upload.objects.filter(pk=upload.pk).update(rejected=[])


def _content(upload: Upload) -> Iterator[bytes]:
    """Part by part, for a list may have a hundred megabytes; each begins with how the one before ended."""
    before = b""
    for pk in list(upload.parts.values_list("pk", flat=True)):
        part = before + bytes(UploadPart.objects.filter(pk=pk).values_list("content", flat=True).first() or b"")
        yield part
        before = part[-_OVERLAP:]


def _forms(address: str) -> set[str]:
    """As it may be spelled in a list, in small letters."""
    local, _, domain = address.partition("@")
    try:
        return {address, f"{local}@{domain.encode('idna').decode()}"}
    except UnicodeError:  # a domain that this older rule does not know
        return {address}


def _names(content: bytes, sought: Collection[str]) -> bool:
    plain = content.replace(b"\0", b"").lower()  # UTF-16 without its NULs reads as ASCII does
    return any(
        form.encode() in plain if form.isascii() else any(form in read for read in _readings(content))
        for form in sought
    )


def _readings(content: bytes) -> Iterator[str]:
    for encoding in _WRITTEN:
        yield content.decode(encoding, errors="ignore").lower()


def settle() -> None:
    """Cut SQLite's log off where somebody was reading as a person was forgotten. The clock asks at each tick."""
    global _settled
    if connection.vendor != "sqlite" or time.monotonic() - _settled < _EVERY:
        return
    _settled = time.monotonic()
    newest = Event.objects.aggregate(newest=Max("pk"))["newest"] or 0
    if Event.objects.filter(pk__gt=newest - _LATELY, noun="member", verb="erased").exists():
        _shorten_log()


def _shorten_log() -> None:
    """SQLite's log keeps pages as they were. All wait while it is cut off, so nobody who reads is waited for long."""
    with connection.cursor() as cursor:
        (before,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {_PATIENCE}")
        try:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {before}")
