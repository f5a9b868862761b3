"""Posts outside a digest: composed, proofed and approved as a set. These are commands of `publisher posts`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .. import post_sets, prices, repeated_posts
from ..lifecycle import Refusal
from ..models import Channel, Item, PostSet, Publication
from .answers import By, In, Json, as_json, remark, say, table, the_person, the_proof, the_publication
from .posts import the_channel

Sha256 = Annotated[str, typer.Option(help="Of the proof that you saw: its first 12 characters or more.")]
On = Annotated[list[str] | None, typer.Option("--on", metavar="'NETWORK ACCOUNT'", help="Without it, on all channels.")]


def grow(app: typer.Typer) -> None:
    for name, verb in (
        ("sets", sets),
        ("compose", compose),
        ("show", show),
        ("proof", proof),
        ("approve", approve),
        ("ask-changes", ask_changes),
        ("take-back", take_back),
        ("cancel-set", cancel_set),
    ):
        app.command(name)(verb)


def sets(publication: In = None, json: Json = False) -> None:
    """The sets of posts outside a digest, newest first."""
    found = PostSet.objects.filter(publication=the_publication(publication))
    if json:
        as_json([_shown(each) for each in found])
        return
    table("Sets", ["id", "state", "title"], ((each.pk, each.get_state_display(), each.title) for each in found))


def compose(item_ids: list[int], on: On = None, publication: In = None, by: By = None) -> None:
    """A set of posts: one for each of these items on each channel that has none of it."""
    chosen, person = the_publication(publication), the_person(by)
    made = post_sets.compose(chosen, _items(chosen, item_ids), by=person, channels=_channels(chosen, on))
    say(f"Set {made.pk}, “{made}”: {made.posts.count()} posts. See them with `publisher posts show {made.pk}`.")


def show(set_id: int, json: Json = False) -> None:
    """One set: its posts as they stand, and its proof."""
    found = _named(set_id)
    if json:
        as_json(_shown(found))
        return
    say(f"{found.title}: {found.get_state_display()}")
    if seen := found.review or found.proof:
        say(f"Proof {seen.sha256}")
    rows = ((p.pk, p.channel, p.get_state_display(), p.text) for p in found.posts.select_related("channel"))
    table("Posts", ["id", "channel", "state", "text"], rows)


def proof(set_id: int, by: By = None) -> None:
    """Freeze the posts of a set and lay them before the approver."""
    made = post_sets.proof(_named(set_id), by=the_person(by))
    say(f"{made.of.label} is in review. Proof {made.sha256}.")
    say(f"Its posts cost {prices.of_proof(made.posts)}.")
    for sentence in repeated_posts.of(made.of):
        remark(sentence, "yellow")


def approve(set_id: int, sha256: Sha256 = "", by: By = None, comment: str = "") -> None:
    """Approve exactly the posts of the proof that you saw."""
    found, person = _named(set_id), the_person(by)
    post_sets.approve(_as_seen(found, sha256), by=person, comment=comment)
    found.refresh_from_db()
    say(f"{found.title} is approved; its posts go out from {found.start_at:%Y-%m-%d %H:%M} UTC, at their times.")


def ask_changes(set_id: int, comment: str, sha256: Sha256 = "", by: By = None) -> None:
    """Send a set back to draft with a comment."""
    found, person = _named(set_id), the_person(by)
    post_sets.ask_changes(_as_seen(found, sha256), by=person, comment=comment)
    say("Sent back with your comment.")


def take_back(set_id: int, by: By = None, why: str = "taken back") -> None:
    """Back to draft, from review or after the approval. What has gone out has gone out."""
    post_sets.take_back(_named(set_id), by=the_person(by), why=why)
    say("A draft again.")


def cancel_set(set_id: int, why: Annotated[str, typer.Option()], by: By = None) -> None:
    """Stop for good what has not gone out yet."""
    post_sets.cancel(_named(set_id), by=the_person(by), why=why)
    say("Cancelled.")


def _as_seen(found: PostSet, sha256: str) -> Any:
    return the_proof(found, sha256, made_with=f"publisher posts proof {found.pk}")


def _items(publication: Publication, ids: list[int]) -> list[Item]:
    # A longer number is no id, and more than a database takes.
    found = publication.items.in_bulk([pk for pk in ids if pk < 2**63])
    if missing := [str(pk) for pk in ids if pk not in found]:
        raise Refusal(f"There is no item {', '.join(missing)} of {publication.series}: see `publisher items list`.")
    return [found[pk] for pk in dict.fromkeys(ids)]


def _channels(publication: Publication, on: list[str] | None) -> list[Channel] | None:
    if not on:
        return None
    parts = (each.strip().partition(" ") for each in on)
    return [the_channel(publication, network, account.strip()) for network, _, account in parts]


def _named(set_id: int) -> PostSet:
    found = PostSet.objects.select_related("publication", "review", "proof").filter(pk=set_id).first()
    if found is None:
        raise Refusal(f"There is no set of posts {set_id}: see `publisher posts sets`.")
    return found


def _shown(found: PostSet) -> dict[str, Any]:
    return {
        "id": found.pk,
        "title": found.title,
        "state": found.state,
        "start_at": found.start_at,
        "review": found.review.sha256 if found.review else None,
        "proof": found.proof.sha256 if found.proof else None,
        "posts": [
            {"id": p.pk, "channel": str(p.channel), "state": p.state, "text": p.text, "due_at": p.due_at}
            for p in found.posts.select_related("channel")
        ],
    }
