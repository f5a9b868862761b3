from __future__ import annotations

from typing import Annotated

import typer

from .. import clicks, members, readership
from ..lifecycle import Refusal
from ..models import Subscription
from .answers import In, Json, as_json, say, table, the_publication

app = typer.Typer(
    help="Figures: members over time, what became of each Update, and who agreed to be counted.", no_args_is_help=True
)

How = Annotated[str, typer.Option(help="How we know: “on the form at the conference”.")]


@app.command("members")
def members_(
    publication: In = None, months: Annotated[int, typer.Option(min=1, max=120)] = 12, json: Json = False
) -> None:
    """How many joined, left and bounced in each month."""
    chosen = the_publication(publication)
    found = [
        {"month": f"{month.first:%Y-%m}", "joined": month.joined, "left": month.left, "bounced": month.bounced}
        for month in readership.months(chosen, months)
    ]
    if json:
        as_json({"active": readership.active(chosen), "months": found})
        return
    table("Members", ["month", "joined", "left", "bounced"], (list(row.values()) for row in found))
    say(f"{readership.active(chosen):,} receive {chosen.series} today.")


@app.command()
def updates(
    publication: In = None, most: Annotated[int, typer.Option(min=1, max=500)] = 12, json: Json = False
) -> None:
    """What became of each Update: sent, bounced, left after it, and how often its links were followed."""
    chosen = the_publication(publication)
    found = readership.issues(chosen, list(readership.mailed(chosen)[:most]))
    if json:
        as_json([_shown(issue) for issue in found])
        return
    rows = ((i.digest.label, i.sent, i.bounced, i.failed, i.left_after, i.followed) for i in found)
    table("Updates", ["", "sent", "bounced", "failed", "left after it", "links followed"], rows)


@app.command()
def agree(
    email: str,
    wording: Annotated[str, typer.Option(help="The words to which they said yes.")],
    how: How,
    publication: In = None,
) -> None:
    """Note that a member agreed that it is kept which links they follow."""
    clicks.agree(_subscription(email, publication), how=how, wording=wording)
    say("Noted. From the next letter on their links tell them apart, where the publication has measure=persons.")


@app.command()
def withdraw(email: str, how: How, publication: In = None) -> None:
    """Note that a member does not agree any more, and delete what was kept."""
    clicks.withdraw(_subscription(email, publication), how=how)
    say("Noted, and deleted what was kept.")


def _subscription(email: str, publication: str | None) -> Subscription:
    found = Subscription.objects.filter(
        publication=the_publication(publication), member__email=members.normalise(email), state="active"
    ).first()
    if found is None:
        raise Refusal("Nobody of this address receives the publication.")
    return found


def _shown(issue: readership.Issue) -> dict[str, object]:
    links = [
        {"title": f.entry.title, "link": f.entry.link, "people": f.people, "machines": f.machines, "agreed": f.readers}
        for f in issue.links
    ]
    names = ("sent", "bounced", "failed", "left_after", "followed")
    return {"update": issue.digest.label, **{name: getattr(issue, name) for name in names}, "links": links}
