"""What a network may do when it is asked for a post, and how the post must end: as data.

ON_ALL is played on every network: what breaks on the way, what garbles an answer, what the timeline and the clocks
do. Each network's own answers are in networks_own.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks import networks_wire as wire
from benchmarks.networks_wire import PAGE, Act, after, but, instead

if TYPE_CHECKING:
    from benchmarks.networks_story import Story

#: How a post ends without a person: it stands there once; the network does not want it; its account has to be
#: mended; or a person has to look.
PUBLISHED, REFUSED, HELD, ASKED = "published", "refused", "held", "asked"

Spoil = Callable[["Story"], None]


@dataclass(frozen=True)
class Behaviour:
    """`doubt`: the network has done it, and we were not told. `repeats`: it would take the same text twice."""

    name: str
    end: str
    spoil: Spoil
    doubt: bool = False
    repeats: bool = True
    #: What a person says of a post that stands there, when asked.
    mistaken: bool = False


def posting(act: Act, times: int | None = 1) -> Spoil:
    return lambda story: story.wire.order(act, story.room.posting, times=times)


def reading(act: Act, times: int | None = None) -> Spoil:
    """The timeline; without a number of times, the first looks, but not the last."""
    return lambda story: story.wire.order(act, story.room.reading, times=times or story.dice.randint(1, 3))


def blind(story: Story) -> None:
    """The timeline cannot be read, however often it is tried."""
    act = story.dice.choice([instead(503), wire.reset, instead(200, PAGE), instead(200, []), wire.hang_up])
    story.wire.order(act, story.room.reading, times=None)


def fault(behaviour: str, operation: str | None = None, **options: Any) -> Spoil:
    return lambda story: story.fault(behaviour, operation or story.operation, **options)


def lagging(least: int, most: int) -> Spoil:
    """The timeline is so many seconds behind."""
    return lambda story: story.fault("lagging", "timeline", times=None, seconds=story.dice.randint(least, most))


def unreachable(times: int) -> Spoil:
    return lambda story: story.away("nobody listens", times)


def unnamed(times: int) -> Spoil:
    return lambda story: story.away("no such name", times)


def skewed(*, ahead: bool) -> Spoil:
    """The network's clock is wrong by minutes."""
    return lambda story: story.skew(story.dice.randint(60, 240) * (1 if ahead else -1))


def by_hand(alter: Callable[[str], str]) -> Spoil:
    """Somebody posts on the network itself, meanwhile."""
    return lambda story: story.by_hand(alter)


def twin(story: Story) -> None:
    """Another post of ours says the very same, and goes out before we look."""
    story.twin()


def both(*spoils: Spoil) -> Spoil:
    def spoil(story: Story) -> None:
        for each in spoils:
            each(story)

    return spoil


def alike(text: str) -> str:
    """The same but for a letter, which nobody can tell from a text that the network has changed."""
    return text.replace("reading", "readng", 1)


LATER = {"Retry_After": "30"}
LATER_THOUGH_DONE = but(429, **LATER)
LOST = posting(after(wire.no_answer))
NEVER_ARRIVED = posting(wire.swallow)


def _no(name: str, spoil: Spoil, end: str) -> Behaviour:
    return Behaviour(name, end, spoil)


def _asked(name: str, spoil: Spoil) -> Behaviour:
    """Nothing was done, and no answer says so: what is not on the timeline is asked of a person."""
    return Behaviour(name, ASKED, spoil)


def _found(name: str, spoil: Spoil, **more: Any) -> Behaviour:
    """It was done, and no answer says so: the timeline does."""
    return Behaviour(name, PUBLISHED, spoil, doubt=True, **more)


def _unseen(name: str, spoil: Spoil, **more: Any) -> Behaviour:
    """It was done, and neither an answer nor the timeline says so: a person is asked."""
    return Behaviour(name, ASKED, spoil, doubt=True, **more)


def _done(name: str, spoil: Spoil) -> Behaviour:
    return Behaviour(name, PUBLISHED, spoil)


BEFORE = (
    _done("all is well", lambda story: None),
    _done("the connection is refused", unreachable(1)),
    _done("the connection is refused for an hour", unreachable(12)),
    _done("the name is not found", unnamed(1)),
    _asked("a reset before the request is read", posting(wire.reset)),
    _asked("an orderly end before an answer, nothing done", posting(wire.hang_up)),
    _asked("the request is cut somewhere", posting(wire.cut_the_request)),
    _asked("no answer within the time, nothing done", NEVER_ARRIVED),
    _asked("502 of something in front", posting(instead(502))),
    _asked("503 of something in front", posting(instead(503))),
    _asked("504 of something in front", posting(instead(504))),
    _asked("408, nothing done", posting(instead(408))),
    _asked("a page with 200, nothing done", posting(instead(200))),
    _asked("302 to a page to sign in, nothing done", posting(instead(302, Location="/login"))),
    _no("301: the address has moved", posting(instead(301, Location="/moved")), REFUSED),
    _no("307: the address has moved", posting(instead(307, Location="/moved")), REFUSED),
    _no("308: the address has moved", posting(instead(308, Location="/moved")), REFUSED),
    _no("404 as a page", posting(instead(404)), REFUSED),
    _done("429 of something in front", posting(instead(429, **LATER))),
)

AFTER = (
    _found("a reset after the commit", LOST),
    _found("an orderly end after the commit", posting(after(wire.ended))),
    _found("a time-out after the commit", posting(after(wire.silence))),
    _found("the answer's head is cut", posting(after(wire.cut_head))),
    _found("the answer's body is cut", posting(after(wire.cut_body))),
    _found("the answer stalls", posting(after(wire.stalls))),
    _found("the answer trickles", posting(after(wire.trickles))),
    _found("half of the JSON is all of it", posting(after(wire.truncated))),
    _found("noise instead of an answer", posting(after(wire.noise))),
    _found("an answer that is not packed as it says", posting(after(wire.not_packed))),
    _found("an answer in broken chunks", posting(after(wire.bad_chunks))),
    _found("a head without end", posting(after(wire.endless_head))),
    _found("a page with 200 after the commit", posting(but(200))),
    _found("an empty 200", posting(but(200, b""))),
    _found("204", posting(but(204, b""))),
    _found("a list", posting(but(200, []))),
    _found("an empty object", posting(but(200, {}))),
    _found("null", posting(but(200, None))),
    _found("success without an id", posting(but(200, {"success": True}))),
    _found("an id that is null", posting(but(200, {"id": None, "data": {"id": None}}))),
    _found("200 with an error in it", posting(but(200, {"error": {"message": "?"}, "errors": [{"message": "?"}]}))),
    _found("303 after the commit", posting(but(303, Location="/2/tweets/1"))),
    _found("500 as a page after the commit", posting(but(500))),
    _found("502 after the commit", posting(but(502))),
    _found("504 after the commit", posting(but(504))),
    _found("429 after the commit", posting(LATER_THOUGH_DONE)),
    _done("the answer comes in pieces", posting(after(wire.in_pieces))),
    _done("the answer has the wrong type", posting(after(wire.wrong_type))),
    _done("bytes behind the answer", posting(after(wire.with_more_behind))),
    _done("early hints before the answer", posting(after(wire.announced_early))),
)

TIMELINE = (
    _found("lost, and the first looks meet 503", both(LOST, reading(instead(503)))),
    _found("lost, and the first looks are cut", both(LOST, reading(after(wire.cut_body)))),
    _found("lost, and the first looks are reset", both(LOST, reading(wire.reset))),
    _found("lost, and the first looks see a page", both(LOST, reading(instead(200)))),
    _found("lost, and the first looks see an empty object", both(LOST, reading(instead(200, {})))),
    _found("lost, and the first looks see a list", both(LOST, reading(instead(200, [])))),
    _found("lost, and the first look gets no answer", both(LOST, reading(wire.swallow, 1))),
    _found("lost, and the timeline is late", both(LOST, lagging(60, 3000))),
    _found("lost, and the network's clock is ahead", both(skewed(ahead=True), LOST)),
    _found("lost, and the network's clock is behind", both(skewed(ahead=False), LOST)),
    _found("lost, and almost the same is posted by hand", both(LOST, by_hand(alike))),
    _found("lost, and another post of ours says the same", both(LOST, twin)),
    _unseen("lost, and the timeline cannot be read", both(LOST, blind)),
    _unseen("timed out, and the timeline cannot be read", both(posting(after(wire.silence)), blind)),
    _unseen("429 after the commit, and the timeline cannot be read", both(posting(LATER_THOUGH_DONE), blind)),
    _asked("never arrived, and the timeline cannot be read", both(NEVER_ARRIVED, blind)),
    _asked("429, nothing done, and the timeline cannot be read", both(posting(instead(429, **LATER)), blind)),
    _found(
        "429 after the commit, and the first looks meet 503", both(posting(LATER_THOUGH_DONE), reading(instead(503)))
    ),
    _asked("never arrived, and almost the same is posted by hand", both(NEVER_ARRIVED, by_hand(alike))),
    _done("never arrived, and the very same is posted by hand", both(NEVER_ARRIVED, by_hand(str))),
)

#: Where a timeline is all there is to look at: Bluesky keeps a post under a key of ours.
BY_TIMELINE = (_unseen("lost, and the timeline is hours behind", both(LOST, lagging(10_000, 90_000))),)
#: What is known for a repetition, by its text or by its key, saves what a person's mistake would post again.
MEMORY = (_unseen("said by mistake not to be there", both(LOST, blind), repeats=False, mistaken=True),)

ON_ALL = BEFORE + AFTER + TIMELINE
