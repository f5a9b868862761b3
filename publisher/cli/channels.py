from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from .. import budgets, checkups, networks, prices, tokens
from ..lifecycle import Refusal
from ..models import Channel, Publication
from .answers import By, In, Json, as_json, remark, say, table, the_person, the_publication
from .posts import the_channel
from .publications import connect

app = typer.Typer(help="Connected accounts: connect, check, budget; seal their credentials anew.", no_args_is_help=True)
app.command("connect")(connect)


@app.command("list")
def list_(publication: In = None, json: Json = False) -> None:
    """The accounts, what was last found wrong with them, and what they cost this month."""
    rows = _all_shown(list(_of(the_publication(publication))))
    if json:
        as_json(rows)
        return
    columns = ["account", "paused", "problem", "looked at", "ends", "money"]
    table("Channels", columns, (_row(row) for row in rows))


@app.command()
def check(publication: In = None, json: Json = False) -> None:
    """Ask each network about its account now, as the clock does daily. Status 1 where something is wrong."""
    found = list(_of(the_publication(publication)))
    wrong = [channel for channel in found if checkups.look(channel) or channel.attention]
    if json:
        as_json(_all_shown(found))
    else:
        for channel in found:
            say(f"{channel}: {channel.attention or channel.health or checkups.ending(channel) or 'may post'}")
    raise typer.Exit(1 if wrong else 0)


@app.command()
def budget(
    network: str,
    account: str,
    amount: Annotated[str, typer.Argument(help="So much a month, as 12.50; “none” for no limit.")] = "",
    when_spent: Annotated[str, typer.Option(help="ask: a person releases; month: or the next month does.")] = "",
    publication: In = None,
    by: By = None,
) -> None:
    """Show or set what a channel may cost in a month, on the publication's calendar."""
    channel = the_channel(the_publication(publication), network, account)
    if amount:
        rule = when_spent or channel.when_spent
        if rule not in Channel.WhenSpent.values:
            raise Refusal(f"“{rule}” is no rule: say one of {', '.join(Channel.WhenSpent.values)}.")
        budgets.set_budget(channel, _amount(amount), rule, by=the_person(by))
    say(f"{channel}: {budgets.standing(channel)}; when it is spent: {channel.get_when_spent_display()}.")


@app.command()
def rotate(json: Json = False) -> None:
    """Seal all stored credentials with the newest of the keys in PUBLISHER_KEYS_TOKENS. Twice does no harm."""
    done = tokens.rotate()
    if json:
        as_json({"sealed_anew": done.resealed, "newest_already": done.newest, "unreadable": done.unreadable})
    else:
        say(f"Sealed anew: {done.resealed}. Sealed with the newest key already: {done.newest}.")
        for name in done.unreadable:
            remark(f"{name}: no key opens it. Put its key back into PUBLISHER_KEYS_TOKENS, or connect it again.", "red")
        if not done.unreadable:
            say("The older keys are not needed any more, but for backups.")
    raise typer.Exit(1 if done.unreadable else 0)


@app.command("prices")
def prices_(json: Json = False) -> None:
    """What networks charge, by the price table."""
    rows: list[dict[str, Any]] = [
        {"network": networks.network_class(network).label, "for": line, "price": str(amount), "currency": currency}
        for network, (currency, lines) in prices.table().items()
        for line, amount in lines.items()
    ]
    if json:
        as_json(rows)
        return
    table("Prices", ["network", "for", "price", "currency"], (list(row.values()) for row in rows))


def _of(publication: Publication) -> Any:
    return publication.channels.select_related("publication")


def _amount(text: str) -> Decimal | None:
    if text.lower() == "none":
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Refusal(f"“{text}” is no amount of money: write it as 12.50, or “none”.") from None


def _all_shown(channels: list[Channel]) -> list[dict[str, Any]]:
    gone = budgets.spent_by_channel(channels)
    return [_shown(channel, gone[channel.pk]) for channel in channels]


def _shown(channel: Channel, gone: prices.Price) -> dict[str, Any]:
    return {
        "network": channel.network,
        "account": channel.account,
        "paused": channel.paused,
        "attention": channel.attention,
        "health": channel.health,
        "checked_at": channel.checked_at,
        "expires_at": channel.expires_at,
        "budget": channel.budget,
        "when_spent": channel.when_spent,
        "money": budgets.standing(channel, gone),
    }


def _row(shown: dict[str, Any]) -> list[Any]:
    looked = shown["checked_at"] and f"{shown['checked_at']:%Y-%m-%d %H:%M}"
    ends = shown["expires_at"] and f"{shown['expires_at']:%Y-%m-%d}"
    problem = shown["attention"] or shown["health"]
    name = f"{shown['network']} {shown['account']}"
    return [name, "yes" if shown["paused"] else "no", problem, looked or "not yet", ends, shown["money"]]
