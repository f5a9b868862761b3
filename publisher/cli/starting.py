"""Commands that become another program: everything running in one terminal."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import typer

#: Started by name, in this process's place: the product does not import its supervisor.
PROGRAMS = {"up": "workers.up", "demo": "workers.demo"}
#: For typer: these words' options are the program's own.
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def begin(word: str, arguments: list[str]) -> NoReturn:
    """Become the program of this word. Nothing of Django is loaded for it: it starts a second sooner."""
    os.execv(sys.executable, [sys.executable, "-P", "-m", PROGRAMS[word], *arguments])  # noqa: S606 - no shell wanted


def up(context: typer.Context) -> None:
    """Web, clock, workers and embedded server, in one terminal, until interrupted."""
    begin("up", context.args)


def demo(context: typer.Context) -> None:
    """The whole way on sample news, on this machine only; prints what arrived where, then serves the pages."""
    begin("demo", context.args)
