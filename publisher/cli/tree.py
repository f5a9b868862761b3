"""Which word stands where. Each group of commands is a module named after its noun."""

from __future__ import annotations

import typer

from . import (
    archive,
    bounces,
    campaigns,
    channels,
    check,
    corrections,
    deliveries,
    digests,
    dkim,
    epoch,
    figures,
    items,
    members,
    people,
    post_sets,
    posts,
    publications,
    segments,
    service,
    slots,
    starting,
    suppressions,
    wordings,
)


def grow(app: typer.Typer) -> None:
    for module in (
        items,
        digests,
        deliveries,
        bounces,
        members,
        segments,
        suppressions,
        archive,
        posts,
        publications,
        people,
        dkim,
        epoch,
        figures,
        wordings,
        campaigns,
        slots,
        channels,
        corrections,
    ):
        app.add_typer(module.app, name=module.__name__.rpartition(".")[2])
    post_sets.grow(posts.app)
    app.command("demo", context_settings=starting.PASSED_ON)(starting.demo)
    app.command("up", context_settings=starting.PASSED_ON)(starting.up)
    app.command("migrate")(service.migrate)
    app.command("manage", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(service.manage)
    app.command("check")(check.check)
