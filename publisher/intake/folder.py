"""A folder of listing pages, feeds and WordPress answers, in the order of their names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from publisher import intake
from publisher.intake import NotReadable, Reading


@dataclass(frozen=True, slots=True)
class File:
    """One file of a folder: its reading, or the sentence that says why there is none."""

    path: Path
    reading: Reading | None
    problem: str | None = None


def read(folder: Path, *, kind: str | None = None) -> tuple[File, ...]:
    """Read every file under `folder`. A file that cannot be read stops none of the others."""
    return tuple(_read(path, kind) for path in files(folder))


def files(folder: Path) -> Iterator[Path]:
    """Yield the files under `folder`, without hidden ones and without links that lead out of it."""
    root = folder.resolve()
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and path.resolve().is_relative_to(root):
            yield path


def _read(path: Path, kind: str | None) -> File:
    try:
        with path.open("rb") as file:
            content = file.read(intake.MAX_BYTES + 1)
        return File(path, intake.read(content, address=path.resolve().as_uri(), kind=kind))
    except NotReadable as error:
        return File(path, None, str(error))
    except OSError as error:
        return File(path, None, f"{path.name} cannot be opened: {error.strerror}.")


def merge(files: Sequence[File]) -> Reading:
    """Join the readings of a folder; a section that every page repeats is kept once."""
    readings = [(file, file.reading) for file in files if file.reading]
    sections = {
        (section.title, section.body): section
        for _, reading in reversed(readings)
        for section in reversed(reading.sections)
    }
    return Reading(
        items=tuple(item for _, reading in readings for item in reading.items),
        sections=tuple(reversed(sections.values())),
        unread=tuple(
            replace(one, why=f"{file.path.name}: {one.why}") for file, reading in readings for one in reading.unread
        ),
        kind="folder",
    )
