"""The `publisher` command: a door. Each word fetches rows, calls one verb and says what came of it."""

from __future__ import annotations

import os
import sys

import typer

from . import starting

app = typer.Typer(
    name="publisher",
    help="Carries an organisation's news to the people who want it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def main() -> None:
    word, arguments = (sys.argv[1:2] or [""])[0], sys.argv[2:]
    if word in starting.PROGRAMS:
        starting.begin(word, arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from . import tree
    from .answers import plainly

    tree.grow(app)
    plainly(app)
