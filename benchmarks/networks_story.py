"""One story: a few posts for a new account, one of which meets what the network does this time.

The product's own verbs post, look again, and give up; time goes on by leaps to the next moment that they wait for.
When nothing goes on by itself any more, a person mends what is to be mended, and it all goes on to its end. What
counts is the network's own log.
"""

from __future__ import annotations

import hashlib
import random
import socket
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from benchmarks.networks_behaviours import ASKED, HELD, PUBLISHED, REFUSED, Behaviour
from benchmarks.networks_stage import ROOMS, Stage
from publisher import channel_accounts, networks, posting, posts
from publisher.models import Channel, Item, Person, Picture, Post, Publication
from publisher.networks.base import Outgoing

#: What goes on after this goes on for ever.
HORIZON = timedelta(days=4)
MOST_LEAPS = 100
NOBODY = "http://127.0.0.1:9"
NOWHERE = "nowhere.example"

_OPENERS = "A reading room opens; Books cross the lake; The mule library turns ten; Ñandú & Cía lend maps <1820>"
_SAYINGS = (
    "Forty families came — more than the hall holds.",
    "“Sí,” said Dr. Flores, “we need shelves & chairs.”",
    "See update.py and report.md for the figures: 3 < 5.",
    "Cafe\u0301, música 🎺🇵🇪 and a family 👩‍👩‍👧 of readers.",
    "每个村庄都有一个图书馆。",
    "The next reading is on 31 March at 19:30.",
    "It cost $1,200; half of it came from the #library itself.",
)
#: The smallest PNG that a viewer opens: one transparent pixel.
_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da63fcffff3f03000"
    "5fe02fea72d0b0f0000000049454e44ae426082"
)


_WAITING = (Post.State.APPROVED, Post.State.PUBLISHING, Post.State.UNKNOWN)


@dataclass
class Verdict:
    """What a story came to: its posts by name, under what is wrong with them."""

    wanted: int = 0
    twice: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


class Story:
    def __init__(self, stage: Stage, network: str, behaviour: Behaviour, seed: int, alone: bool = False) -> None:
        self.stage, self.network, self.behaviour, self.seed = stage, network, behaviour, seed
        self.dice = random.Random(f"{network} {behaviour.name} {seed}")
        self.room, self.wire = ROOMS[network], stage.wire
        self._away: tuple[str, int] = ("", 0)
        self._hand: Outgoing | None = None
        stage.begin(self.dice)
        handle, credentials, self.who = stage.account(network, repeats=behaviour.repeats)
        self.channel = Channel(publication=publication(), network=network, account=handle)
        self.channel.credentials = credentials
        self.channel.save()
        self.posts = [self._post(number) for number in range(1 if alone else self.dice.choice([1, 1, 2]))]
        self.victim = self.dice.choice(self.posts)
        self.spoilt = False
        self.end = timezone.now() + HORIZON

    # ---- What a behaviour may ask for

    @property
    def operation(self) -> str:
        """What the network calls the request that posts the victim."""
        return self.room.operations[-1 if self.victim.picture_id else 0]

    def fault(self, behaviour: str, operation: str, **options: Any) -> None:
        self.stage.control(
            "faults", network=self.network, behaviour=behaviour, operation=operation, **{"times": 1} | options
        )

    def away(self, how: str, times: int) -> None:
        """The next attempts find nobody there."""
        self._away = (how, times)

    def skew(self, seconds: int) -> None:
        self.stage.skew = seconds
        self.stage.go_to(timezone.now().timestamp())

    def by_hand(self, alter: Callable[[str], str]) -> None:
        """Once the request is spoilt, somebody posts this text where the network's own pages are."""
        outgoing = posts.outgoing(self.victim)
        self._hand = Outgoing(alter(outgoing.text), outgoing.link, outgoing.picture, key=f"{outgoing.key}-by-hand")

    def twin(self) -> None:
        """Another post with the victim's text, due before the victim is looked for."""
        again = {name: getattr(self.victim, name) for name in ("text", "link", "picture", "image_alt")}
        self.posts.append(self._kept(len(self.posts), timezone.now() + timedelta(seconds=10), again))

    # ---- How it goes

    def play(self) -> Verdict:
        verdict = Verdict()
        self._go_on()
        self._judge_the_machine(verdict)
        # Twice: what waited for its account for long is asked about as late.
        for _ in range(2):
            if self._all().filter(state__in=(*_WAITING, Post.State.HELD)).exists():
                self._person()
                self._go_on()
        self._judge_the_end(verdict)
        verdict.wanted = len(self.posts)
        return verdict

    def _go_on(self) -> None:
        """Everything that happens by itself, until nothing does, or it takes too long."""
        for _ in range(MOST_LEAPS):
            moments = self._moments()
            if not moments or min(moments.values()) > self.end:
                return
            if min(moments.values()) > timezone.now():
                self.stage.go_to(min(moments.values()).timestamp())
            self._tick([number for number, moment in moments.items() if moment <= timezone.now()])

    def _moments(self) -> dict[int, datetime]:
        """The posts with which something goes on by itself, and when: what was asked to wait for is waited for."""
        channel = Channel.objects.values("paused", "resting_until", "free_at").get(pk=self.channel.pk)
        kept_back = (channel["resting_until"], channel["free_at"])
        moments = {}
        rows = Post.objects.filter(channel=self.channel, state__in=_WAITING).order_by("position", "pk")
        for row in rows.values("pk", "state", "state_since", "due_at", "not_before", "look_at"):
            if row["state"] == Post.State.PUBLISHING:
                moments[row["pk"]] = row["state_since"] + posting.LONGEST + timedelta(seconds=1)
            elif row["state"] == Post.State.UNKNOWN and row["look_at"]:
                moments[row["pk"]] = row["look_at"]
            elif row["state"] == Post.State.APPROVED and not channel["paused"]:
                moments[row["pk"]] = max(filter(None, (row["due_at"], row["not_before"], *kept_back)))
        return moments

    def _tick(self, ripe: list[int]) -> None:
        """What the clock finds and a worker does. Whether it really is due is for the verbs to ask again."""
        posting.recover()
        for number in ripe:
            post = self._all().get(pk=number)
            if post.state == Post.State.APPROVED:
                self._publish(post)
            elif post.state == Post.State.UNKNOWN:
                posting.reconcile(post)

    def _publish(self, post: Post) -> None:
        meets_it = post == self.victim and not self.spoilt
        if meets_it:
            self.spoilt = True
            self.behaviour.spoil(self)
        with self._reached():
            posting.publish(post)
        if meets_it:
            self._post_by_hand()

    def _person(self) -> None:
        """Mends what was broken, says what is there, and lets what was held go."""
        self.stage.mend(self.dice)
        self._away = ("", 0)
        self.end = timezone.now() + HORIZON
        somebody = person()
        for post in self._rows(Post.State.UNKNOWN):
            there = self._copies(post) > sum(row.text == post.text for row in self._rows(Post.State.PUBLISHED))
            posts.settle(post, by=somebody, published=there and not self.behaviour.mistaken)
        if Channel.objects.filter(pk=self.channel.pk, paused=True).exists():
            posts.resume_channel(Channel.objects.get(pk=self.channel.pk), by=somebody)
        for post in self._rows(Post.State.HELD):
            posts.release(post, by=somebody)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Whether the network can be reached at all, this time."""
        how, times = self._away
        if not times:
            yield
            return
        self._away = (how, times - 1)
        address = NOBODY if how == "nobody listens" else f"http://{NOWHERE}"
        elsewhere = settings.NETWORK_URLS | {self.network: address + self.room.path}
        with patch.multiple(settings, NETWORK_URLS=elsewhere, LOOPBACK_ONLY=False):
            with patch.object(socket, "getaddrinfo", _resolved):
                yield

    def _post_by_hand(self) -> None:
        outgoing, self._hand = self._hand, None
        if outgoing:
            self.wire.orders, kept = [], self.wire.orders
            channel_accounts.connect(self.channel).publish(outgoing)
            self.wire.orders = kept

    # ---- What it came to

    def _judge_the_machine(self, verdict: Verdict) -> None:
        for post in self._rows(*Post.State):
            end = how_it_ended(post)
            if end is None:
                verdict.stuck.append(self._said(post, "nothing moves it any more"))
            elif end == ASKED:
                verdict.unknown.append(self._said(post, "asked of a person"))
            if post == self.victim and end is not None and end != self.behaviour.end:
                verdict.lost.append(self._said(post, f"should have been {self.behaviour.end}"))

    def _judge_the_end(self, verdict: Verdict) -> None:
        rows = self._rows(*Post.State)
        for post in rows:
            copies, wanted = self._copies(post), sum(row.text == post.text for row in rows)
            if copies > wanted:
                verdict.twice.append(self._said(post, f"stands there {copies} times, and should {wanted}"))
            refused = post == self.victim and self.behaviour.end == REFUSED
            if copies < wanted and not (refused and post.state == Post.State.REFUSED):
                verdict.lost.append(self._said(post, f"stands there {copies} times, and should {wanted}"))
            if how_it_ended(post) not in (PUBLISHED, REFUSED):
                verdict.stuck.append(self._said(post, "after a person has done everything"))

    def _copies(self, post: Post) -> int:
        """How often the network's log says that this text was posted."""
        wanted = _plain(post.text)
        return sum(_plain(line["text"]).startswith(wanted) for line in self.stage.log(self.room, self.who))

    def _said(self, post: Post, what: str) -> str:
        return (
            f"{self.network}, “{self.behaviour.name}”, seed {self.seed}: post {post.position} is {post.state}, {what}:"
            f" {post.outcome or 'no outcome'}"
        )

    def _rows(self, *states: str) -> list[Post]:
        """The posts in these states, as they stand in the database."""
        return list(self._all().filter(state__in=states))

    def _all(self) -> QuerySet[Post]:
        return Post.objects.filter(channel=self.channel).select_related("channel__publication", "picture")

    def _post(self, number: int) -> Post:
        network = networks.network_class(self.network)
        title = f"{self.dice.choice(_OPENERS.split('; '))}, reading {self.dice.randrange(10**6)}"
        link = f"https://reading-rooms.example/{self.dice.randrange(10**6)}?a=1&copy=2#é"
        words: dict[str, Any] = {"text": self._text(title, link if network.link_in_text else ""), "link": link}
        if network.pictures is not None and self.dice.random() < 0.2:
            words |= {"picture": picture(), "image_alt": "A dark red square: “el cuadro”"}
        return self._kept(number, timezone.now() + timedelta(seconds=self.dice.choice([0, 0, 0, 20, 90, 4000])), words)

    def _kept(self, number: int, due_at: datetime, words: dict[str, Any]) -> Post:
        """An approved post of an item of its own."""
        identity = hashlib.sha256(f"{self.channel.pk} {number}".encode()).hexdigest()
        item = Item.objects.create(
            publication=self.channel.publication,
            identity=identity,
            title=words["text"][:80],
            link=words["link"],
            state=Item.State.QUEUED,
        )
        given = {"item": item, "purpose": Post.Purpose.ITEM, "state": Post.State.APPROVED, "position": number}
        return Post.objects.create(channel=self.channel, due_at=due_at, **given, **words)

    def _text(self, title: str, link: str) -> str:
        sayings = self.dice.sample(_SAYINGS, self.dice.randint(0, 2))
        return "\n\n".join(part for part in (title, self.dice.choice([" ", "\n"]).join(sayings), link) if part)


def how_it_ended(post: Post) -> str | None:
    """In the words of a behaviour; None where it has not ended. What waits with its account is held with it."""
    if post.state == Post.State.APPROVED and post.channel.paused:
        return HELD
    if post.state == Post.State.UNKNOWN:
        return None if post.look_at else ASKED
    known = {Post.State.PUBLISHED: PUBLISHED, Post.State.REFUSED: REFUSED, Post.State.HELD: HELD}
    return known.get(Post.State(post.state))


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _resolved(host: Any, *rest: Any, **more: Any) -> Any:
    if host == NOWHERE:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return _getaddrinfo(host, *rest, **more)


_getaddrinfo = socket.getaddrinfo


def publication() -> Publication:
    """The one of all stories."""
    return Publication.objects.get_or_create(
        slug="networks",
        defaults={
            "series": "Update",
            "organisation": "Andean Reading Rooms",
            "sender_email": "update@reading-rooms.example",
            "list_id": "update.reading-rooms.example",
            "next_number": 120,
        },
    )[0]


def person() -> Person:
    return Person.objects.get_or_create(username="ben", defaults={"may_approve": True})[0]


def picture() -> Picture:
    name = hashlib.sha256(_PNG).hexdigest()
    given = {"media_type": "image/png", "width": 1, "height": 1, "content": _PNG}
    return Picture.objects.get_or_create(sha256=name, defaults=given)[0]
