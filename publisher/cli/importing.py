"""What is seen of an import: how far it is, and a file of the lines that were rejected."""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ..imports import Broken, preview, spreadsheet_safe
from ..imports.columns import CALLED
from ..lifecycle import Refusal
from .answers import as_json, err, remark, say, table

#: So many rejected lines are shown; the file has them all.
SHOWN = 20
_BLOCK = 256 * 1024
#: Without a terminal a line is written so often, in seconds.
_EVERY = 10.0


@contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """The file; standard input where it is called “-”."""
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        source = file.open("rb")
    except OSError as problem:
        raise Refusal(f"{file} cannot be read: {problem.strerror}.") from problem
    with source:
        yield source


class Rejects:
    """The rejected lines: written as they come, the first of them kept to be shown. Without any there is no file."""

    def __init__(self, path: Path, source: BinaryIO) -> None:
        self.path, self.count, self._first = path, 0, list[Broken]()
        self._lost = ""  # why not all of them could be written
        if path.exists() and _is(path, source):
            raise Refusal(f"The report of rejected lines would overwrite {path}: name another file with --report.")
        try:
            # It holds addresses: for whoever imports, and for nobody else.
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        except OSError as problem:
            why = f"The report of rejected lines cannot be written to {path} ({problem.strerror})"
            raise Refusal(f"{why}: name another file with --report.") from problem

    @cached_property
    def _file(self) -> TextIO:
        # With a mark, so that spreadsheets read it as what it is.
        return self.path.open("w", encoding="utf-8-sig", newline="")

    def add(self, broken: Broken) -> None:
        row = [str(broken.line), spreadsheet_safe(broken.why), spreadsheet_safe(broken.text)]
        self._write([row] if self.count else [["line", "problem", "text"], row])
        self.count += 1
        if self.count <= SHOWN:
            self._first.append(broken)

    def _write(self, rows: list[list[str]]) -> None:
        """A full disk shall not keep the good lines out; it is said at the end."""
        try:
            if not self._lost:
                csv.writer(self._file).writerows(rows)
        except OSError as problem:
            self._lost = str(problem.strerror)

    def _close(self) -> None:
        try:
            self._file.close()
        except OSError as problem:
            self._lost = self._lost or str(problem.strerror)
        if self._lost:
            remark(
                f"Not all of the {self.count:,} rejected lines could be written to {self.path}: {self._lost}.", "red"
            )

    def first(self) -> list[Broken]:
        """Those of the first that were not asked for yet."""
        shown, self._first = self._first, []
        return shown

    def __enter__(self) -> Rejects:
        return self

    def __exit__(self, problem: type[BaseException] | None, *where: object) -> None:
        if self.count:
            self._close()
        elif self.path.is_file() and (problem is None or not self.path.stat().st_size):
            self.path.unlink()  # also one of an earlier time, which would tell of lines that are in by now


class Watch:
    """How far it is: a bar on a terminal, else a line now and then, on standard error."""

    def __init__(self, source: BinaryIO, name: str) -> None:
        self._name, self._source, self._read = name, source, 0
        self._began = self._told = time.monotonic()
        columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rows]}")
        self._bar = Progress(*columns, TimeRemainingColumn(), console=err, transient=True, disable=not err.is_terminal)
        self._total = _size(source)
        self._task = self._bar.add_task(f"Reading {name}", total=self._total, rows="")

    def blocks(self) -> Iterator[bytes]:
        while block := self._source.read(_BLOCK):
            self._read += len(block)
            yield block

    def see(self, report: Any, rejected: Iterable[Broken] = ()) -> None:
        for broken in rejected:
            remark(f"{self._name}:{broken.line}: {broken.why}", "red")
        now = time.monotonic()
        pace = f"{report.rows:,} rows, {report.rows / max(now - self._began, 0.001):,.0f} a second"
        self._bar.update(self._task, completed=self._read, rows=pace)
        if self._bar.disable and now - self._told >= _EVERY:
            self._told = now
            of_all = f"{self._read / self._total:.0%} read, " if self._total else ""
            remark(f"{self._name}: {of_all}{pace}", "dim")

    def __enter__(self) -> Watch:
        self._bar.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._bar.stop()


def taken(file: Path, report: Path | None, bring: Callable[[Watch, str, Any], Iterable[Any]]) -> tuple[Any, str | None]:
    """Import a file with `bring(watch, how, reject)`; the last report, and where its rejected lines are, if any."""
    name = "standard-input" if str(file) == "-" else file.name
    told, rejected = None, report or file.with_name(f"{name}.rejected.csv")
    with opened(file) as source, Rejects(rejected, source) as rejects, Watch(source, name) as watch:
        reports = iter(bring(watch, f"import {name}", rejects.add))
        try:
            for told in reports:
                watch.see(told, rejects.first())
        except KeyboardInterrupt:
            if told:
                remark(
                    f"Broken off after {told.rows:,} rows. Run it again: what is in stays, nobody is in twice.", "red"
                )
            raise
        finally:
            if isinstance(reports, Generator):
                reports.close()  # now, and not when somebody collects it: it writes down how far it was
    return told, str(rejected) if told and told.rejected else None


def named_columns(said: Sequence[str] | None) -> dict[str, str]:
    """--column email=Correo --column first_name=Nombre; --column state= for “there is none in this list”."""
    pairs = [each.partition("=") for each in said or ()]
    if wrong := [name for name, sign, _ in pairs if not sign or name not in CALLED]:
        raise Refusal(f"--column {wrong[0]}: say NAME=COLUMN, with one of {', '.join(CALLED)} as the name.")
    names = [name for name, _, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise Refusal(f"--column {twice[0]} is said twice: an import takes one column for each.")
    return {name: column for name, _, column in pairs}


def show_preview(file: Path, publication: Any, columns: Any, basis: str, first: int, json: bool) -> None:
    with opened(file) as source:
        blocks = iter(lambda: source.read(_BLOCK), b"")
        seen = preview(blocks, publication, columns=columns, soft=basis == "soft_opt_in", first=first)
    if json:
        as_json(asdict(seen))
        return
    named = ", ".join(f"{what}: “{column}”" for what, column in seen.columns.items())
    say(f"{seen.encoding}, parted by {seen.delimiter!r}; {named}. Nothing is stored.")
    table(
        "The first lines",
        ["line", "address", "name", "becomes"],
        ((j.line, j.email, j.name, j.becomes) for j in seen.lines),
    )


def tell_departed(told: Any, rejected: str | None, *, json: bool) -> None:
    if json:
        as_json({**asdict(told), "report": rejected})
        return
    say(f"{told.taken} taken, {told.known} gone already, {told.kept} kept as they are.")
    tell_rejected(told.rejected, rejected)


def tell_rejected(count: int, where: str | None) -> None:
    if count:
        remark(f"{count} line{'s'[: count != 1]} rejected: see {where}.", "red")


def _size(source: BinaryIO) -> int | None:
    """Bytes in the file; None where nobody knows: a pipe."""
    try:
        return os.fstat(source.fileno()).st_size or None
    except OSError:
        return None


def _is(path: Path, source: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(source.fileno()))
    except OSError:
        return False
