from __future__ import annotations

import typer
from django.core import management


def migrate() -> None:
    """Set up the database, or bring it up to date."""
    management.call_command("migrate", interactive=False, verbosity=1)


def manage(context: typer.Context) -> None:
    """Any of Django's own commands: `publisher manage shell`."""
    management.execute_from_command_line(["publisher manage", *context.args])
