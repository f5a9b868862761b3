from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from django.core import management


def up(
    web: Annotated[str, typer.Option(help="HOST:PORT of the pages.")] = "",
    no_sandbox: Annotated[bool, typer.Option("--no-sandbox", help="Do not start the sandbox.")] = False,
) -> None:
    """Web, clock, workers and embedded server, in one terminal, until interrupted."""
    arguments = [*(["--web", web] if web else []), *(["--no-sandbox"] if no_sandbox else [])]
    # Started by name, in this process's place: the product does not import its supervisor.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "workers.up", *arguments])  # noqa: S606


def migrate() -> None:
    """Set up the database, or bring it up to date."""
    management.call_command("migrate", interactive=False, verbosity=1)


def manage(context: typer.Context) -> None:
    """Any of Django's own commands: `publisher manage shell`."""
    management.execute_from_command_line(["publisher manage", *context.args])
