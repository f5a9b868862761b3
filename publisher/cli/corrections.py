"""After the posting: what became of posts, taking one off its network, putting right what is out."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .. import corrections, measures, removals
from ..lifecycle import Refusal
from ..models import Correction, Item, Measure, Post
from . import posts
from .answers import By, In, Json, as_json, say, table, the_person, the_publication

app = typer.Typer(help="Items that were wrong: where they went, and what becomes of each place.", no_args_is_help=True)

Said = Annotated[str, typer.Option("--said", help="What was wrong and what is right: readers see it.")]
Choices = Annotated[
    list[str] | None, typer.Option("--post", metavar="ID=CHOICE", help="leave, remove, correct or erratum.")
]


@posts.app.command()
def figures(publication: In = None, json: Json = False) -> None:
    """What followers did with what was posted, as the networks count it: newest first."""
    found = Post.objects.filter(channel__publication=the_publication(publication), measures__isnull=False).distinct()
    found = found.select_related("channel", "item", "digest__publication").prefetch_related("measures")
    rows = list(found.order_by("-published_at", "-id"))
    if json:
        as_json([_figures(post) for post in rows])
        return
    newest = measures.latest(rows)
    table(
        "What became of posts",
        ["id", "channel", "about", "out since", *measures.KINDS],
        ((p.pk, p.channel, _about(p), p.published_at, *_counts(newest[p.pk])) for p in rows),
    )


@posts.app.command()
def remove(post_id: int, why: Annotated[str, typer.Option("--why")] = "", by: By = None) -> None:
    """Take a published post off its network."""
    person = the_person(by)
    removals.ask(_post(post_id), by=person, why=why)
    say("Asked for: the service tries until it is gone.")


@posts.app.command()
def gone(post_id: int, by: By = None) -> None:
    """Write down that a post is not on its network any more."""
    person = the_person(by)
    removals.gone(_post(post_id), by=person)
    say("Written down as removed.")


@app.command()
def places(item_id: int, json: Json = False) -> None:
    """Every place where an item went out."""
    found = corrections.places(_item(item_id))
    archive = [{"entry": entry.pk, "where": entry.digest.label, "state": "sent"} for entry in found.entries]
    out = [{"post": p.pk, "where": str(p.channel), "state": p.state, "url": p.remote_url} for p in found.posts]
    if json:
        as_json([*archive, *out])
        return
    rows = [[one.get("entry") or one.get("post"), one["where"], one["state"]] for one in [*archive, *out]]
    table("Where it went out", ["id", "where", "state"], rows)


@app.command()
def draft(item_id: int, said: Said, post: Choices = None, archive: bool = True, by: By = None) -> None:
    """Draft a correction. Posts that are not named are left; the note stands in the archive unless --no-archive."""
    person, item = the_person(by), _item(item_id)
    entries = [entry.pk for entry in corrections.places(item).entries] if archive else []
    made = corrections.correct(item, by=person, said=said, choices=dict(map(_choice, post or ())), entries=entries)
    say(f"Correction {made.pk} is drafted; readers see its note when it is approved.")
    if made.post_set_id:
        say(f"Its posts are set {made.post_set_id}: word them, and send them to review.")


@app.command("list")
def list_(publication: In = None, json: Json = False) -> None:
    """The corrections, newest first."""
    found = Correction.objects.filter(item__publication=the_publication(publication)).select_related("item", "made_by")
    rows = list(found.order_by("-pk"))
    if json:
        as_json(
            [{"id": c.pk, "item": c.item_id, "state": c.state, "note": c.note, "public_at": c.public_at} for c in rows]
        )
        return
    told = ((c.pk, c.item, c.get_state_display(), c.note, c.made_by.name) for c in rows)
    table("Corrections", ["id", "item", "state", "note", "by"], told)


@app.command()
def approve(correction_id: int, by: By = None) -> None:
    """Let readers see the note."""
    corrections.approve(_correction(correction_id), by=the_person(by))
    say("Readers see the note.")


@app.command()
def drop(correction_id: int, why: Annotated[str, typer.Option("--why")] = "", by: By = None) -> None:
    """Drop a note that no reader has seen."""
    corrections.drop(_correction(correction_id), by=the_person(by), why=why)
    say("Dropped.")


def _choice(text: str) -> tuple[int, str]:
    """ "17=remove"."""
    number, _, choice = text.partition("=")
    if not (number.isascii() and number.isdigit()):
        raise Refusal(f"“{text}” names no post and choice: write 17=remove.")
    return int(number), choice


def _figures(post: Post) -> dict[str, Any]:
    return {
        "id": post.pk,
        "channel": str(post.channel),
        "item": post.item_id,
        "digest": post.digest.label if post.digest else None,
        "state": post.state,
        "url": post.remote_url or None,
        "published_at": post.published_at,
        "figures": [{"at": one.at, **dict(zip(measures.KINDS, _counts(one), strict=True))} for one in _all(post)],
    }


def _all(post: Post) -> list[Measure]:
    return list(post.measures.all())


def _counts(measure: Measure) -> list[int | None]:
    return [getattr(measure, kind) for kind in measures.KINDS]


def _about(post: Post) -> str:
    return str(post.item or post.digest or post.text.split("\n")[0])


def _post(post_id: int) -> Post:
    found = Post.objects.select_related("channel__publication").filter(pk=post_id).first()
    if found is None:
        raise Refusal(f"There is no post {post_id}: see `publisher posts list`.")
    return found


def _item(item_id: int) -> Item:
    found = Item.objects.select_related("publication").filter(pk=item_id).first()
    if found is None:
        raise Refusal(f"There is no item {item_id}: see `publisher items list`.")
    return found


def _correction(correction_id: int) -> Correction:
    found = Correction.objects.select_related("item__publication", "made_by").filter(pk=correction_id).first()
    if found is None:
        raise Refusal(f"There is no correction {correction_id}: see `publisher corrections list`.")
    return found
