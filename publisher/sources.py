"""Reading sources: by hand (an import) and by the clock (a poll)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from . import intake, items, pictures, reach
from .intake import NotReadable, Reading, fetch
from .items import Received
from .lifecycle import Refusal
from .models import Item, Publication, Source


def is_web(address: str) -> bool:
    return address.startswith(("http://", "https://"))


def readings(address: str) -> Iterator[tuple[str, Reading]]:
    """Every page under a path or at a web address, read. Raises NotReadable, FetchRefused or FetchFailed."""
    if is_web(address):
        fetched = fetch.get(reach.allowed(address), allow_loopback=settings.ALLOW_LOOPBACK_SOURCES)
        assert isinstance(fetched, fetch.Fetched)  # no condition was sent, so "not modified" is no answer
        yield address, intake.read(fetched.content, address=fetched.address, content_type=fetched.content_type)
        return
    for path in _files(Path(address)):
        yield str(path), intake.read(path.read_bytes(), address=str(path))


def import_from(address: str, publication: Publication) -> Iterator[tuple[str, Received]]:
    """Take in what a path or web address holds, page by page."""
    for place, reading in readings(address):
        source, _ = Source.objects.get_or_create(publication=publication, address=place)
        received = items.receive(publication, reading, source=source)
        _note_reading(source, reading)
        yield place, received


def poll(source: Source) -> Received | None:
    """Ask a source again; None where nothing changed there. A failure is kept on the source, in a sentence.

    The next poll is set before the fetch: a source that ends its worker must not be asked in a loop.
    """
    if not _take_turn(source):
        return None
    try:
        fetched = fetch.get(
            reach.allowed(source.address),
            etag=source.etag or None,
            last_modified=source.last_modified or None,
            allow_loopback=settings.ALLOW_LOOPBACK_SOURCES,
        )
        if isinstance(fetched, fetch.NotModified):
            Source.objects.filter(pk=source.pk).update(problem="", last_read_at=timezone.now())
            return None
        reading = intake.read(fetched.content, address=fetched.address, content_type=fetched.content_type)
    except (fetch.FetchRefused, fetch.FetchFailed, NotReadable, Refusal) as problem:
        Source.objects.filter(pk=source.pk).update(problem=str(problem))
        return None
    received = items.receive(source.publication, reading, source=source)
    source.etag, source.last_modified = fetched.etag or "", fetched.last_modified or ""
    _note_reading(source, reading)
    return received


def fetch_picture(item: Item) -> None:
    """Fetch and keep the picture that a source names; what cannot be fetched is flagged, the item stays."""
    try:
        fetched = fetch.get(reach.allowed(item.image_url), allow_loopback=settings.ALLOW_LOOPBACK_SOURCES)
        assert isinstance(fetched, fetch.Fetched)
        picture = pictures.keep(fetched.content)
    except (fetch.FetchRefused, fetch.FetchFailed, Refusal) as problem:
        flags = [*item.flags, f"Its picture could not be taken: {problem}"]
        Item.objects.filter(pk=item.pk).update(flags=flags, image_url="")
        return
    Item.objects.filter(pk=item.pk).update(picture=picture)


def without_picture() -> list[int]:
    """Items whose source names a picture that is not fetched yet."""
    return list(Item.objects.filter(~Q(image_url=""), picture=None).values_list("pk", flat=True)[:50])


def _take_turn(source: Source) -> bool:
    """Claim this poll by compare-and-set on its due time."""
    assert source.poll_minutes is not None
    following = timezone.now() + timedelta(minutes=source.poll_minutes)
    mine = Source.objects.filter(pk=source.pk, next_poll_at=source.next_poll_at, next_poll_at__lte=timezone.now())
    return mine.update(next_poll_at=following) == 1


def _note_reading(source: Source, reading: Reading) -> None:
    source.kind, source.problem, source.last_read_at = reading.kind, "", timezone.now()
    source.unread = [{"line": u.line, "text": u.text, "why": u.why} for u in reading.unread]
    source.save(update_fields=["kind", "problem", "last_read_at", "unread", "etag", "last_modified"])


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise Refusal(f"There is nothing at {path}.")
    if path.is_file():
        return [path]
    found = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
    if not found:
        raise Refusal(f"The folder {path} is empty.")
    return found
