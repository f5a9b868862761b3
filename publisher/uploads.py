"""Lists that staff upload: looked at, started by somebody's word, and taken in by a worker while the page tells of it.

The bytes lie in the database until it is over, because the worker may be on another machine. Beginning anew after a
crash brings nobody twice: who is in is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from . import holders, imports
from .delivery.outcomes import unnamed
from .handing import hand_over
from .lifecycle import Overtaken, Refusal, move, note
from .models import Consent, Person, Publication, Upload, UploadPart

State, What = Upload.State, Upload.What
PART = 256 * 1024
#: About three million addresses. A longer list is for the command, which reads it where it lies.
LARGEST = 100 * 1024 * 1024
#: A longer one is not counted while somebody waits for the page.
COUNTED = 5 * 1024 * 1024
#: So many rejected lines are kept to be shown.
SHOWN = 200


def put(publication: Publication, chunks: Iterable[bytes], *, name: str, what: str, by: Person) -> Upload:
    """Keep an uploaded list until somebody starts it. Refusal where it is no list, or too long."""
    with transaction.atomic():
        made = Upload.objects.create(
            publication=publication, name=unnamed(name)[:120] or "list", what=What(what), by=by, state=State.WAITING
        )
        for position, part in enumerate(_in_parts(chunks)):
            made.size += len(part)
            if made.size > LARGEST:
                raise Refusal(f"The file is larger than {LARGEST >> 20} MB: import it with `publisher members import`.")
            UploadPart.objects.create(upload=made, position=position, content=part)
        if not made.size:
            raise Refusal(imports.EMPTY)
        made.save(update_fields=["size"])
        imports.opened(blocks(made), None if _tells_itself(made) else {"email": _first_name(made)})
        note(made, "uploaded", by=by, what=what, size=made.size)
    return made


def preview(upload: Upload, columns: Mapping[str, str] | None = None, basis: str = "") -> imports.Preview:
    """What would become of its first lines."""
    said = dict(columns or upload.columns)
    if "email" not in said and not _tells_itself(upload):
        said["email"] = _first_name(upload)
    soft, kind = basis == "soft_opt_in", imports.KINDS[upload.what]
    return imports.preview(blocks(upload), upload.publication, columns=said, soft=soft, kind=kind)


def dry_run(upload: Upload) -> imports.Imported:
    """What would become of all its lines, with what was chosen last; nothing is stored. Refusal where it is long, or
    nobody has said on what they may be mailed.
    """
    if upload.what != What.MEMBERS or upload.size > COUNTED:
        raise Refusal(
            f"Only lists of members of up to {COUNTED >> 20} MB are counted here: `publisher members import --dry-run` "
            "counts longer ones."
        )
    counts, soft = imports.Imported(), imports.ground(upload.basis) == Consent.Basis.SOFT_OPT_IN
    reading = imports.opened(blocks(upload), upload.columns or None)
    for chunk, added, known, refused in imports.dry_run(reading, upload.publication, soft=soft):
        counts.added, counts.known = counts.added + added, counts.known + known
        counts.refused, counts.rejected = counts.refused + refused, counts.rejected + len(chunk.broken)
    return counts


def start(upload: Upload, *, columns: Mapping[str, str], basis: str, wording: str = "", by: Person) -> None:
    """waiting → queued: with these columns, on this ground and to these words, by this person's word."""
    choose(upload, columns=columns, basis=basis, wording=wording)  # kept, where something is still to be said
    ground = imports.ground(basis) if upload.what == What.MEMBERS else ""
    move(upload, State.QUEUED, by=by, columns=dict(columns), basis=ground, wording=imports.as_words(wording))
    hand_over("workers.intake.upload", upload.pk)


def choose(upload: Upload, *, columns: Mapping[str, str], basis: str, wording: str = "") -> None:
    """Look at it with these columns, and on this ground; it waits as before."""
    imports.opened(blocks(upload), columns)
    ground = basis if basis in Consent.Basis.values else upload.basis
    waiting = Upload.objects.filter(pk=upload.pk, state=State.WAITING)
    waiting.update(columns=dict(columns), basis=ground, wording=imports.as_words(wording))


def drop(upload: Upload, *, by: Person | None, why: str = "") -> None:
    with transaction.atomic():
        move(upload, State.DROPPED, by=by, why=why)
        upload.parts.all().delete()


def due() -> QuerySet[Upload]:
    return Upload.objects.filter(state=State.QUEUED)


def take(upload: Upload) -> None:
    """Take it in, telling how far it is after each chunk. Nothing happens where somebody else has it."""
    try:
        move(upload, State.RUNNING, by=None, holder=holders.me())
    except Overtaken:
        return
    try:
        for report in _reports(upload):
            _tell(upload, report)
    except Refusal as problem:
        _end(upload, State.FAILED, str(problem)[:300])
    else:
        _end(upload, State.DONE, "")


def recover() -> int:
    """What a dead worker left begins anew."""
    lost = [each for each in Upload.objects.filter(state=State.RUNNING) if holders.alive(each.holder) is False]
    for upload in lost:
        move(upload, State.QUEUED, by=None, why="its worker died", taken=0)
    return len(lost)


def blocks(upload: Upload) -> Iterator[bytes]:
    """Its bytes. Refusal where they are gone: somebody in it was erased."""
    positions = list(upload.parts.values_list("pk", flat=True))
    if not positions:
        raise Refusal("Its lines are gone: somebody in it was erased meanwhile, or it is over. Upload it anew.")
    for pk in positions:
        part = UploadPart.objects.filter(pk=pk).values_list("content", flat=True).first()
        if part is None:
            raise Refusal("Somebody in it was erased meanwhile: upload it anew.")
        yield bytes(part)


def _reports(upload: Upload) -> Iterator[Any]:
    def reject(broken: imports.Broken) -> None:
        if len(upload.rejected) < SHOWN:
            upload.rejected.append([broken.line, broken.why, broken.text])

    upload.rejected, upload.taken = [], 0
    given: dict[str, Any] = {"by": upload.by, "reject": reject, "columns": upload.columns}
    given["how"] = f"import {upload.name}"
    if upload.what == What.MEMBERS:
        given |= {"basis": upload.basis, "wording": upload.wording}
        return imports.import_csv(_counted(upload), upload.publication, **given)
    if upload.what == What.LEAVERS:
        return imports.import_leavers(_counted(upload), upload.publication, **given)
    return imports.import_suppressions(_counted(upload), upload.publication, **given)


def _counted(upload: Upload) -> Iterator[bytes]:
    for block in blocks(upload):
        upload.taken += len(block)
        yield block


def _tell(upload: Upload, report: Any) -> None:
    Upload.objects.filter(pk=upload.pk).update(
        report=asdict(report), taken=upload.taken, rejected=upload.rejected, holder=holders.me()
    )


def _end(upload: Upload, state: str, problem: str) -> None:
    with transaction.atomic():
        move(upload, state, by=None, problem=problem)
        upload.parts.all().delete()


def _tells_itself(upload: Upload) -> bool:
    try:
        imports.opened(blocks(upload), None)
    except Refusal:
        return False
    return True


def _first_name(upload: Upload) -> str:
    """Its first column, until somebody says which has the addresses."""
    return imports.names(blocks(upload))[0]


def _in_parts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    kept = b""
    for chunk in chunks:
        kept += chunk
        while len(kept) >= PART:
            yield kept[:PART]
            kept = kept[PART:]
    if kept:
        yield kept
