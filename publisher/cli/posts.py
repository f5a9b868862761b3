from __future__ import annotations

from typing import Annotated

import typer
from django.utils import timezone

from .. import epoch, posting, posts, slots
from ..lifecycle import Refusal
from ..models import Channel, Post, Publication
from .answers import By, In, Json, as_json, say, table, the_person, the_publication

app = typer.Typer(help="Posts on the channels: list, hold, release, publish now.", no_args_is_help=True)


@app.command("list")
def list_(publication: In = None, state: str | None = None, json: Json = False) -> None:
    """The posts, with what became of them."""
    if state and state not in Post.State.values:
        raise Refusal(f"No post is ever “{state}”: say one of {', '.join(Post.State.values)}.")
    found = Post.objects.filter(channel__publication=the_publication(publication)).select_related("channel")
    rows = list(found.filter(state=state) if state else found)
    if json:
        as_json(
            [
                {
                    "id": p.pk,
                    "channel": str(p.channel),
                    "state": p.state,
                    "text": p.text,
                    "due_at": p.due_at,
                    "url": p.remote_url or None,
                    "outcome": p.outcome,
                }
                for p in rows
            ]
        )
        return
    table(
        "Posts",
        ["id", "channel", "state", "due", "text", "outcome"],
        ((p.pk, p.channel, p.get_state_display(), p.due_at, p.text.split("\n")[0], p.outcome) for p in rows),
    )


@app.command()
def hold(post_id: int, by: By = None, why: str = "") -> None:
    """Keep an approved post back."""
    person = the_person(by)
    posts.hold(named(post_id), by=person, why=why)
    say("Held.")


@app.command()
def release(post_id: int, by: By = None) -> None:
    """Let a held post go out: at its time, or as soon as it may where that is past."""
    person = the_person(by)
    posts.release(named(post_id), by=person)
    say("Released: it goes out at its time; now, where that is past and quiet hours and distance allow it.")


@app.command()
def publish(post_id: int, by: By = None) -> None:
    """Post an approved post now, without waiting for its slot or for the workers."""
    post, person = named(post_id), the_person(by)
    if doubt := epoch.doubt():
        raise Refusal(doubt)
    slots.post_now(post, by=person)
    posting.publish(post)
    post.refresh_from_db()
    say(f"{post.get_state_display()}: {post.remote_url or post.outcome or 'not yet; see its digest'}")


@app.command()
def settle(
    post_id: int, there: Annotated[bool, typer.Option("--there/--not-there")], by: By = None, url: str = ""
) -> None:
    """Say of an unknown post whether it is there. Not there: it goes out again."""
    person = the_person(by)
    posts.settle(named(post_id), by=person, published=there, remote_url=url)
    say("Settled.")


@app.command()
def known(post_id: int) -> None:
    """What is known of an unknown post: when it was asked for, what was answered, what stood on the timeline."""
    post = named(post_id)
    found = posts.evidence(post)
    if found is None:
        raise Refusal(f"Post {post_id} is {post.get_state_display()}, not unknown.")
    asked = (found.asked_at, f"asked for on {post.channel}, attempt {found.attempts}: {post.text}")
    told = [asked, (found.answered_at, found.answer), *found.looks]
    table("Known", ["when", "what"], ((f"{at:%Y-%m-%d %H:%M:%S}" if at else "", what) for at, what in told))


@app.command("resume-channel")
def resume_channel(network: str, account: str, publication: In = None, by: By = None) -> None:
    """Let a channel post again after its account was mended."""
    chosen, person = the_publication(publication), the_person(by)
    channel = the_channel(chosen, network, account)
    posts.resume_channel(channel, by=person)
    waiting = channel.posts.filter(state=Post.State.APPROVED, due_at__lte=timezone.now()).count()
    say(f"{channel} posts again. Due on it: {waiting}; what is too late by its rule asks first.")


def the_channel(publication: Publication, network: str, account: str) -> Channel:
    channel = publication.channels.filter(network=network, account=account).first()
    if channel is None:
        connected = ", ".join(str(channel) for channel in publication.channels.all()) or "none yet"
        raise Refusal(f"There is no channel {network} {account}. Connected: {connected}.")
    return channel


def named(post_id: int) -> Post:
    found = (
        Post.objects.select_related("channel__publication", "item", "digest__publication", "picture")
        .filter(pk=post_id)
        .first()
    )
    if found is None:
        raise Refusal(f"There is no post {post_id}: see `publisher posts list`.")
    return found
