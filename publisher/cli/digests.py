from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from .. import digests, links, prices, repeated_posts, timetable
from ..delivery import ledger, manners
from ..lifecycle import history
from ..models import Delivery, Digest, Event, Proof
from .answers import By, In, Json, as_json, remark, say, table, the_digest, the_person, the_proof, the_publication

app = typer.Typer(help="Digests: compose, proof, approve, send, pause.", no_args_is_help=True)

Number = Annotated[int | None, typer.Argument(help="Its number; without one, the digest in the making.")]


@app.command("list")
def list_(publication: In = None, json: Json = False) -> None:
    """All digests, newest first."""
    found = Digest.objects.filter(publication=the_publication(publication)).select_related("publication")
    if json:
        as_json([_shown(digest) for digest in found])
        return
    table(
        "Digests",
        ["digest", "state", "starts", "waits for"],
        ((d.label, d.get_state_display(), _wall(d, d.start_at), d.attention) for d in found),
    )


@app.command()
def show(number: Number = None, publication: In = None, json: Json = False) -> None:
    """One digest: its state, entries, counts and history."""
    digest = the_digest(publication, number)
    if json:
        as_json(_shown(digest))
        return
    say(f"{digest.label}: {digest.get_state_display()}")
    if digest.attention:
        say(digest.attention, style="yellow")
    for sentence in manners.standing(digest):
        say(sentence)
    if proof := digest.review or digest.proof:
        say(f"Proof {proof.sha256}, for {proof.audience_count} members")
    table("Entries", ["", "title"], ((e.position, e.title) for e in digest.entries.all()))
    counts = ledger.counts(digest).items()
    table("Deliveries", ["state", "members"], ((Delivery.State(state).label, count) for state, count in counts))
    table(
        "Posts",
        ["channel", "state", "text"],
        ((p.channel, p.get_state_display(), p.text.split("\n")[0]) for p in digest.posts.select_related("channel")),
    )
    table("History", ["when", "who", "what", "why"], (_told(digest, event) for event in history(digest)))


@app.command()
def compose(
    publication: In = None, by: By = None, date: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])] = None
) -> None:
    """A draft of all queued items."""
    digest = digests.compose(the_publication(publication), by=the_person(by), date=date.date() if date else None)
    say(f"A draft with {digest.entries.count()} items, dated {digest.date}.")


@app.command()
def proof(number: Number = None, publication: In = None, by: By = None) -> None:
    """Freeze the draft and lay it before the approver."""
    made = digests.proof(the_digest(publication, number), by=the_person(by))
    say(f"{made.of.label} is in review. Proof {made.sha256}, for {made.audience_count} members.")
    say(f"Its posts cost {prices.of_proof(made.posts)}.")
    for sentence in repeated_posts.of(made.of):
        remark(sentence, "yellow")


@app.command()
def approve(
    number: Number = None,
    sha256: Annotated[str, typer.Option(help="Of the proof that you saw: its first 12 characters or more.")] = "",
    publication: In = None,
    by: By = None,
    comment: str = "",
) -> None:
    """Approve exactly the bytes of the proof that you saw."""
    digest, person = the_digest(publication, number), the_person(by)
    digests.approve(_as_seen(digest, sha256), by=person, comment=comment)
    digest.refresh_from_db()
    say(f"{digest.label} is approved and starts at {digest.start_at:%Y-%m-%d %H:%M} UTC.")


@app.command()
def send(
    number: Number = None,
    publication: In = None,
    by: By = None,
    at: Annotated[datetime | None, typer.Option(help="UTC; without it, as soon as the hold allows.")] = None,
) -> None:
    """Schedule an approved digest (also the answer where it asks)."""
    digest = the_digest(publication, number)
    start = digests.schedule(digest, at.replace(tzinfo=UTC) if at else None, by=the_person(by))
    say(f"{digest.label} starts at {start:%Y-%m-%d %H:%M} UTC.")


@app.command()
def undo(number: Number = None, publication: In = None, by: By = None) -> None:
    """During the hold: it stays approved, and starts when somebody schedules it."""
    digest = the_digest(publication, number)
    digests.unschedule(digest, by=the_person(by))
    say(f"{digest.label} will not start by itself.")


@app.command()
def pause(number: Number = None, publication: In = None, by: By = None, why: str = "") -> None:
    """Stop handing over; what has gone out has gone out."""
    digest = the_digest(publication, number)
    digests.pause(digest, by=the_person(by), why=why)
    say(f"{digest.label} is paused.")


@app.command()
def resume(number: Number = None, publication: In = None, by: By = None) -> None:
    """Go on where the pause was."""
    digest = the_digest(publication, number)
    digests.resume(digest, by=the_person(by))
    say(f"{digest.label} goes on.")


@app.command()
def cancel(number: Number = None, publication: In = None, by: By = None, why: str = "") -> None:
    """Stop for good."""
    digest = the_digest(publication, number)
    digests.cancel(digest, by=the_person(by), why=why)
    say(f"{digest.label} is cancelled.")


def _as_seen(digest: Digest, sha256: str) -> Proof:
    return the_proof(digest, sha256, made_with="publisher digests proof")


def _wall(digest: Digest, at: datetime | None) -> str:
    return timetable.on_the_wall(digest.publication.zone, at) if at else ""


def _told(digest: Digest, event: Event) -> tuple[str, str, str, str]:
    what = f"{event.before} → {event.after}" if event.verb == "moved" else event.verb
    return _wall(digest, event.at), event.by.username if event.by else "", what, event.why


def _shown(digest: Digest) -> dict[str, Any]:
    return {
        "id": digest.pk,
        "label": digest.label,
        "number": digest.number,
        "date": digest.date.isoformat(),
        "state": digest.state,
        "start_at": digest.start_at,
        "attention": digest.attention,
        "holds_back": manners.standing(digest),
        "archive": links.digest_url(digest) if digest.number else None,
        "review": digest.review.sha256 if digest.review else None,
        "proof": digest.proof.sha256 if digest.proof else None,
        "frozen": digest.frozen_count,
        "deliveries": ledger.counts(digest),
        "entries": [{"position": e.position, "title": e.title, "link": e.link or None} for e in digest.entries.all()],
        "posts": [
            {
                "channel": str(p.channel),
                "state": p.state,
                "text": p.text,
                "due_at": p.due_at,
                "url": p.remote_url or None,
            }
            for p in digest.posts.select_related("channel")
        ],
        "history": [
            {
                "at": e.at,
                "verb": e.verb,
                "before": e.before,
                "after": e.after,
                "by": e.by.username if e.by else None,
                "why": e.why,
            }
            for e in history(digest)
        ],
    }
