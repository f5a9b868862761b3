from __future__ import annotations

import os
import sys
from typing import Annotated

import typer


def demo(
    no_serve: Annotated[bool, typer.Option("--no-serve", help="End when everything has arrived, or has not.")] = False,
    web: Annotated[str, typer.Option(help="HOST:PORT of the pages.")] = "",
) -> None:
    """The whole way on sample news, on this machine only; prints what arrived where, then serves the pages."""
    arguments = [*(["--no-serve"] if no_serve else []), *(["--web", web] if web else [])]
    # Started by name, in this process's place: the product does not import its supervisor.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "workers.demo", *arguments])  # noqa: S606
