"""The public archive: what has been sent, in the words that were approved.

Text comes from the digest's entries, never from the items: what a source says today, or somebody is still
writing, is not what was approved. So an item's body is nowhere here: no proof holds it, and it can be edited
after the sending. Two things leave the archive again: an item that was withdrawn, and a digest that was cancelled.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from ... import cards, corrections, drawing, links, merge, search, standing
from ...models import Correction, Delivery, Digest, Entry, Item, Picture, Publication

PAGE = 40  # Updates on one page of the archive: most of a year of a weekly
BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
CARD_FITS = 200  # characters of a description on the networks' cards

#: A withdrawn item's page disappears within this time from the caches on the way, too.
brief = cache_control(public=True, max_age=60)


@dataclass(frozen=True)
class Block:
    """A paragraph, or the points of a list."""

    lines: tuple[str, ...]
    points: bool


def blocks(teaser: str) -> list[Block]:
    """A teaser with every break and space of it, so that it can be read back; `standing.blocks` makes them even."""
    parts = (tuple(filter(None, map(str.strip, part.splitlines()))) for part in BLANK_LINE.split(teaser))
    return [_block(lines) for lines in parts if lines]


def _block(lines: tuple[str, ...]) -> Block:
    if not all(line.startswith(standing.BULLET) for line in lines):
        return Block(lines, points=False)
    return Block(tuple(line.removeprefix(standing.BULLET).strip() for line in lines), points=True)


@dataclass(frozen=True)
class Shown:
    """The picture that networks and messengers show of a page, and the same in words."""

    address: str
    width: int
    height: int
    alt: str


@dataclass(frozen=True)
class Story:
    """An entry as the archive prints it."""

    entry: Entry
    label: str
    address: str
    picture: Picture | None
    notes: list[Correction]

    @property
    def blocks(self) -> list[Block]:
        return blocks(self.entry.teaser)

    @property
    def extension(self) -> str:
        return links.EXTENSIONS[self.picture.media_type] if self.picture else ""

    @property
    def shown(self) -> Shown:
        """Its picture, or the card of its words."""
        if self.picture:
            size = self.picture.width, self.picture.height
            return Shown(links.picture_url(self.picture), *size, self.entry.image_alt)
        return Shown(f"{self.address}card.png", *drawing.SIZE, cards.of(self.entry).alt)

    @property
    def summary(self) -> str:
        """The teaser on one line, for a card."""
        return textwrap.shorten(self.entry.teaser, CARD_FITS, placeholder=" …")


def sent() -> QuerySet[Digest]:
    """The digests that have gone out, or have begun to.

    One that was paused on its way counts too where anybody has received it: the links in that letter lead here.
    """
    received = Delivery.objects.filter(digest=OuterRef("pk"), state__in=["sent", "bounced"])
    gone = Q(state__in=["sending", "sent"]) | (Q(state="paused") & Exists(received))
    return Digest.objects.filter(gone, number__isnull=False).select_related("publication")


def entries() -> QuerySet[Entry]:
    """What of a digest may be read: without what was withdrawn since, and without the pictures' bytes."""
    shown = Entry.objects.exclude(item__state=Item.State.WITHDRAWN)
    return shown.select_related("picture").defer("picture__content")


def notes() -> Prefetch:
    """What was wrong with them, as far as readers may know."""
    return Prefetch("corrections", corrections.public(), to_attr="notes")


def headlines() -> Prefetch:
    return Prefetch("entries", entries(), to_attr="shown")


@require_safe
@brief
def home(request: HttpRequest) -> HttpResponse:
    newest = sent().filter(publication=OuterRef("pk")).order_by("-number").values("pk")[:1]
    publications = Publication.objects.annotate(latest_id=Subquery(newest)).order_by("organisation", "series")
    ids = [found.latest_id for found in publications]
    latest = sent().prefetch_related(headlines()).in_bulk(ids)
    listed = [(publication, latest.get(publication.latest_id)) for publication in publications]
    names = {publication.organisation for publication in publications}
    context = {
        "listed": sorted(listed, key=lambda each: each[1] is None),  # what has not begun stands last
        # One colour for one publication: a page of several takes the house's own.
        "publication": listed[0][0] if len(listed) == 1 else None,
        "organisation": names.pop() if len(names) == 1 else "",
    }
    return render(request, "public/home.html", context)


@require_safe
@brief
def publication(request: HttpRequest, slug: str) -> HttpResponse:
    """Past Updates, newest first. Parted by number (`?before=80`), so that a page's address keeps its content.

    `?q=lake 1998` leaves those with an item in which each of the words stands, and shows these items alone.
    """
    here = get_object_or_404(Publication, slug=slug)
    asked = request.GET.get("q", "").strip()[: search.LONGEST * search.MOST_WORDS]
    before = request.GET.get("before", "")
    if before and not (before.isascii() and before.isdigit() and len(before) < 10):
        raise Http404("The number after “before” is no number.")
    found = _found(here, asked).order_by("-number")
    rows = list(found.filter(number__lt=int(before))[: PAGE + 1] if before else found[: PAGE + 1])
    digests, more = rows[:PAGE], len(rows) > PAGE
    context = {
        "publication": here,
        "years": [(year, list(group)) for year, group in groupby(digests, lambda digest: digest.date.year)],
        "earlier": digests[-1].number if more else None,
        "first_page": not before,
        "asked": asked,
        "canonical": links.archive_url(here) + (f"?before={before}" if before else ""),
        "feed_url": links.feed_url(here),
    }
    return render(request, "public/archive.html", context)


def _found(here: Publication, asked: str) -> QuerySet[Digest]:
    digests = sent().filter(publication=here)
    if not search.words(asked):
        return digests.prefetch_related(headlines())
    hits = search.matching(entries().filter(digest__publication=here), asked)
    # The keys alone: what the search compares would otherwise be read with each row again.
    return digests.filter(pk__in=hits.values("digest")).prefetch_related(Prefetch("entries", hits, to_attr="shown"))


@require_safe
@brief
def membership(request: HttpRequest, slug: str) -> HttpResponse:
    """ "Become a member": the publication's own words, and the way to the organisation's ledger where there is one."""
    here = get_object_or_404(Publication, slug=slug)
    context = {"publication": here, "blocks": standing.blocks(here.membership), "canonical": links.membership_url(here)}
    return render(request, "public/membership.html", context)


def _sections(here: Digest) -> Iterator[tuple[str, str]]:
    """What it puts right of earlier issues, then what stands in each; what stood in a past one nobody knows."""
    yield from (correction.as_told(here) for correction in corrections.told(here))
    if here.archived:
        return
    yield from here.publication.sections.filter(shown=True).values_list("title", "body")


@require_safe
@brief
def digest(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    here = get_object_or_404(sent(), publication__slug=slug, number=number)
    numbers = sent().filter(publication=here.publication)
    stories = [told(entry, here) for entry in entries().filter(digest=here).prefetch_related(notes())]
    context = {
        "publication": here.publication,
        "digest": here,
        "introduction": standing.blocks(_introduction(here)),
        "stories": stories,
        "withdrawn": here.entries.count() - len(stories),
        "sections": [(title, standing.blocks(body)) for title, body in _sections(here)],
        "earlier": numbers.filter(number__lt=number).order_by("-number").first(),
        "later": numbers.filter(number__gt=number).order_by("number").first(),
        "canonical": links.digest_url(here),
        "summary": _headlines(stories),
        "shown": next((story.shown for story in stories if story.picture), None) or _card(here),
    }
    return render(request, "public/digest.html", context)


def entry_at(slug: str, number: int, position: int) -> Entry:
    """An entry that readers may see, with its digest; 404, in a sentence, where there is none."""
    here = get_object_or_404(sent(), publication__slug=slug, number=number)
    entry = entries().filter(digest=here, position=position).first()
    if entry is None:
        raise Http404(f"{here.label} has no item {position}.")
    entry.digest = here
    return entry


@require_safe
@brief
def item(request: HttpRequest, slug: str, number: int, position: int) -> HttpResponse:
    """One item's page: an address for what has no page of its own, and what the networks' cards show."""
    here = get_object_or_404(sent(), publication__slug=slug, number=number)
    found = here.entries.select_related("item", "picture").defer("item__body", "picture__content")
    entry = found.filter(position=position).prefetch_related(notes()).first()
    if entry is None:
        raise Http404(f"{here.label} has no item {position}.")
    if entry.item.state == Item.State.WITHDRAWN:
        # Gone and not just missing: search engines and networks drop what they kept of it.
        return render(request, "public/withdrawn.html", {"publication": here.publication, "digest": here}, status=410)
    story = told(entry, here)
    context = {
        "publication": here.publication,
        "digest": here,
        "story": story,
        "canonical": story.address,
        "shown": story.shown,
    }
    return render(request, "public/item.html", context)


def told(entry: Entry, digest: Digest) -> Story:
    entry.digest = digest  # with its publication: saves a query for each address
    return Story(entry, digest.label, links.entry_url(entry), entry.picture, list(getattr(entry, "notes", ())))


def _card(digest: Digest) -> Shown:
    return Shown(f"{links.digest_url(digest)}card.png", *drawing.SIZE, cards.of_digest(digest).alt)


def _introduction(digest: Digest) -> str:
    """The greeting as it stands for nobody in particular: "Dear friend"."""
    anybody = {"view_url": links.digest_url(digest), "unsubscribe_url": links.subscribe_url(digest.publication)}
    return merge.fill(digest.introduction, anybody)


def _headlines(stories: list[Story]) -> str:
    return textwrap.shorten(" · ".join(story.entry.title for story in stories), CARD_FITS, placeholder=" …")
