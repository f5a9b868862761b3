from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from .. import campaigns
from ..lifecycle import Refusal
from ..models import Campaign, Item
from .answers import By, In, Json, as_json, say, table, the_person, the_publication

app = typer.Typer(
    help="Campaigns: a hashtag and a period that items join, and their posts carry.", no_args_is_help=True
)

Hashtag = Annotated[str, typer.Argument(help="With or without its sign, as EITI2016.")]
Day = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"])]


@app.command()
def add(
    hashtag: Hashtag,
    starts_on: Day,
    ends_on: Day,
    name: str = "",
    live: Annotated[bool, typer.Option("--live", help="Its posts go out at once, not in weekly slots.")] = False,
    invitation: Annotated[str, typer.Option(help="What followers are told.")] = "",
    link: Annotated[str, typer.Option(help="Where the invitation leads.")] = "",
    publication: In = None,
    by: By = None,
) -> None:
    """Add a campaign from one day to another, both within."""
    chosen, person = the_publication(publication), the_person(by)
    more = {"name": name, "live": live, "invitation": invitation, "link": link}
    made = campaigns.add(chosen, hashtag, starts_on.date(), ends_on.date(), by=person, **more)
    say(f"{made}, {made.period}: {made.belonging().count()} items have its tag. `publisher campaigns invite` is next.")


@app.command("list")
def list_(publication: In = None, json: Json = False) -> None:
    """The campaigns, newest first."""
    found = list(the_publication(publication).campaigns.select_related("publication"))
    if json:
        as_json([_said(each) for each in found])
        return
    rows = ((str(c), c.period, c.phase, "live" if c.live else "", c.name) for c in found)
    table("Campaigns", ["hashtag", "when", "", "coverage", "name"], rows)


@app.command()
def show(hashtag: Hashtag, publication: In = None, json: Json = False) -> None:
    """A campaign with its items and posts."""
    found = campaigns.named(the_publication(publication), hashtag)
    items, posts = list(found.belonging()), list(found.posts.select_related("channel"))
    if json:
        told = [{"id": p.pk, "channel": str(p.channel), "purpose": p.purpose, "state": p.state} for p in posts]
        as_json({**_said(found), "items": [{"id": i.pk, "title": i.title} for i in items], "posts": told})
        return
    say(f"{found}, {found.period} ({found.phase}{', live' if found.live else ''}) {found.name}")
    table("Items", ["id", "title", "state"], ((i.pk, i.title, i.get_state_display()) for i in items))
    rows = ((p.pk, p.channel, p.get_state_display(), p.text.split("\n")[0]) for p in posts)
    table("Posts", ["id", "channel", "state", "text"], rows)


@app.command()
def join(hashtag: Hashtag, item_ids: list[int], publication: In = None, by: By = None) -> None:
    """Let items join by hand, also without its tag."""
    chosen, person = the_publication(publication), the_person(by)
    found = list(Item.objects.filter(pk__in=item_ids))
    if missing := sorted(set(item_ids) - {item.pk for item in found}):
        raise Refusal(f"There is no item {', '.join(map(str, missing))}: see `publisher items list`.")
    campaigns.join(campaigns.named(chosen, hashtag), found, by=person)
    say(f"Joined: {', '.join(item.title for item in found)}.")


@app.command()
def invite(hashtag: Hashtag, publication: In = None, by: By = None) -> None:
    """Draft an invitation with a card for each channel; they are approved as a set of posts."""
    chosen, person = the_publication(publication), the_person(by)
    made = campaigns.invite(campaigns.named(chosen, hashtag), by=person)
    for post in made.posts.select_related("channel"):
        say(f"{post.channel}:\n{post.text}\n")
    say(f"Drafted as set {made.pk}, “{made}”: approve it before it goes out.")


@app.command()
def end(hashtag: Hashtag, publication: In = None, by: By = None) -> None:
    """End a campaign before its last day."""
    chosen, person = the_publication(publication), the_person(by)
    campaigns.end(campaigns.named(chosen, hashtag), by=person)
    say("Ended: what is drafted from now on does not carry its hashtag.")


def _said(campaign: Campaign) -> dict[str, object]:
    return {
        "hashtag": campaign.hashtag,
        "name": campaign.name,
        "starts_on": campaign.starts_on,
        "ends_on": campaign.ends_on,
        "phase": campaign.phase,
        "live": campaign.live,
        "invitation": campaign.invitation,
        "link": campaign.link,
    }
