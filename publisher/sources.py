"""Reading sources: by hand (an import) and by the clock (a poll)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.db.models import Q
from django.utils import timezone

from . import intake, items, pictures, reach
from .intake import NotReadable, Reading, Unread, fetch, folder
from .items import Received
from .lifecycle import Refusal
from .models import Item, Publication, Source

#: What a source may answer instead of news, in sentences for people.
PROBLEMS = (fetch.FetchRefused, fetch.FetchFailed, NotReadable, Refusal)
#: Stands with an item while its picture is fetched, and stays if the worker ends in the midst of it.
_AWAITED = "Its picture has not arrived."


def is_web(address: str) -> bool:
    return address.lower().startswith(("http://", "https://"))


def readings(address: str) -> Iterator[tuple[str, Reading]]:
    """Every page under a path or at a web address, read. Raises NotReadable, FetchRefused, FetchFailed or Refusal.

    In a folder, a file that is no source (a picture, a spreadsheet) is reported as unread and stops none of the others.
    """
    if is_web(address):
        fetched = reach.page(address)
        assert isinstance(fetched, fetch.Fetched)  # no condition was sent, so "not modified" is no answer
        yield address, _read(fetched)
        return
    path = Path(address).expanduser().resolve()
    if not path.is_dir():
        yield str(path), _read_file(path)
        return
    if not any(folder.files(path)):
        raise Refusal(f"The folder {path} is empty.")
    for file in folder.read(path):
        yield str(file.path), file.reading or _unread(file)


def import_from(address: str, publication: Publication) -> Iterator[tuple[str, Received]]:
    """Take in what a path or web address holds, page by page."""
    for place, reading in readings(address):
        source, _ = Source.objects.get_or_create(publication=publication, address=place)
        received = items.receive(publication, reading, source=source, by_hand=True)
        _note_reading(source, reading)
        yield place, received


def poll(source: Source) -> Received | None:
    """Ask a source again; None where nothing changed there. A failure is kept on the source, in a sentence.

    The next poll is set before the fetch: a source that ends its worker must not be asked in a loop.
    """
    if not _take_turn(source):
        return None
    try:
        fetched = reach.page(source.address, etag=source.etag or None, last_modified=source.last_modified or None)
        if isinstance(fetched, fetch.NotModified):
            Source.objects.filter(pk=source.pk).update(problem="", last_read_at=timezone.now())
            return None
        reading = _read(fetched)
    except PROBLEMS as problem:
        Source.objects.filter(pk=source.pk).update(problem=str(problem))
        return None
    received = items.receive(source.publication, reading, source=source)
    source.etag, source.last_modified = _kept(fetched.etag, 500), _kept(fetched.last_modified, 100)
    _note_reading(source, reading)
    return received


def fetch_picture(item: Item) -> None:
    """Fetch and keep the picture that a source names; what cannot be fetched is flagged, the item stays.

    Tried once, by whoever comes first: the clock hands a waiting picture over at every tick, and a slow server
    must not be asked for it by all workers at once.
    """
    address, flags = item.image_url, [flag for flag in item.flags if flag != _AWAITED]
    waiting = Item.objects.filter(pk=item.pk, picture=None, image_url=address).exclude(image_url="")
    if waiting.update(image_url="", flags=[*flags, _AWAITED]) != 1:
        return
    try:
        fetched = reach.page(address)
        assert isinstance(fetched, fetch.Fetched)
        picture = pictures.keep(fetched.content)
    except PROBLEMS as problem:
        Item.objects.filter(pk=item.pk).update(flags=[*flags, f"Its picture could not be taken: {problem}"])
        return
    Item.objects.filter(pk=item.pk).update(flags=flags, image_url=address)
    Item.objects.filter(pk=item.pk, picture=None).update(picture=picture)  # unless staff have chosen one meanwhile


def without_picture() -> list[int]:
    """Items whose source names a picture that is not fetched yet."""
    return list(Item.objects.filter(~Q(image_url=""), picture=None).values_list("pk", flat=True)[:50])


def _take_turn(source: Source) -> bool:
    """Claim this poll by compare-and-set on its due time."""
    if source.poll_minutes is None or source.next_poll_at is None:
        return False
    following = timezone.now() + timedelta(minutes=source.poll_minutes)
    mine = Source.objects.filter(pk=source.pk, next_poll_at=source.next_poll_at, next_poll_at__lte=timezone.now())
    return mine.update(next_poll_at=following) == 1


def _note_reading(source: Source, reading: Reading) -> None:
    source.kind, source.problem, source.last_read_at = reading.kind, "", timezone.now()
    source.unread = [{"line": u.line, "text": u.text, "why": u.why} for u in reading.unread]
    source.save(update_fields=["kind", "problem", "last_read_at", "unread", "etag", "last_modified"])


def _kept(validator: str | None, longest: int) -> str:
    """An ETag or date to ask with next time; one that does not fit is no use cut."""
    return validator if validator and len(validator) <= longest else ""


def _read(fetched: fetch.Fetched) -> Reading:
    return intake.read(fetched.content, address=fetched.address, content_type=fetched.content_type)


def _read_file(path: Path) -> Reading:
    if not path.exists():
        raise Refusal(f"There is nothing at {path}.")
    try:
        with path.open("rb") as file:
            content = file.read(intake.MAX_BYTES + 1)
    except OSError as problem:
        raise Refusal(f"{path} cannot be opened: {problem.strerror}.") from problem
    return intake.read(content, address=path.as_uri())


def _unread(file: folder.File) -> Reading:
    return Reading((), (), (Unread(1, file.path.name, file.problem or ""),), "")
