"""How a publication words its posts: look at a wording, try it on a real item, change it, put the house's own back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import links
from .lifecycle import Refusal, note
from .models import Campaign, Item, Person, Post, Publication, Wording
from .networks import NETWORKS, network_class, wording
from .networks.text import check_wording, render

#: What a digest's preview lists.
HEADLINES = 6


@dataclass(frozen=True)
class Worded:
    """How posts of one purpose are worded on one network; `own`: the publication has said so itself."""

    network: str
    purpose: str
    text: str
    own: bool

    @property
    def place(self) -> str:
        """ "an item on X"."""
        return f"{self.purpose_label} on {network_class(self.network).label}"

    @property
    def purpose_label(self) -> str:
        return str(Post.Purpose(self.purpose).label)

    @property
    def fields(self) -> tuple[str, ...]:
        return wording.kind_of(self.purpose).fields


@dataclass(frozen=True)
class Preview:
    """A post as it would be, or why there is none; `link`: what stands beside the text."""

    of: str
    text: str = ""
    link: str = ""
    length: int = 0
    limit: int = 0
    problem: str = ""


def all_of(publication: Publication) -> list[Worded]:
    own = {(w.network, w.purpose): w.text for w in publication.wordings.all()}
    return [
        Worded(network, purpose, own.get((network, purpose)) or _default(purpose, network), (network, purpose) in own)
        for network in NETWORKS
        for purpose in Post.Purpose.values
    ]


def of(publication: Publication, network: str, purpose: str) -> Worded:
    if network not in NETWORKS or purpose not in Post.Purpose.values:
        known = f"networks are {', '.join(NETWORKS)}; purposes are {', '.join(Post.Purpose.values)}"
        raise Refusal(f"There is no wording for {purpose} on {network}: {known}.")
    own = Wording.objects.filter(publication=publication, network=network, purpose=purpose).first()
    return Worded(network, purpose, own.text if own else _default(purpose, network), own is not None)


def change(publication: Publication, network: str, purpose: str, text: str, *, by: Person) -> None:
    """Word posts so from now on. What is drafted or approved already keeps its words until a new proof is made.

    Refusal, with a sentence, where it could not work there.
    """
    before, text = of(publication, network, purpose), _lines(text)
    if text == before.text:
        return
    try:
        check_wording(text, purpose, network)
    except ValueError as problem:
        raise Refusal(str(problem)) from problem
    Wording.objects.update_or_create(publication=publication, network=network, purpose=purpose, defaults={"text": text})
    # Written down as an edit of the publication: who words the posts of a digest does not approve it alone.
    note(publication, "edited", by=by, why=f"the wording of {before.place}", before=before.text, after=text)


def reset(publication: Publication, network: str, purpose: str, *, by: Person) -> None:
    """Back to the house's own wording."""
    before = of(publication, network, purpose)
    if not before.own:
        raise Refusal(f"The wording of {before.place} is the house's own already.")
    Wording.objects.filter(publication=publication, network=network, purpose=purpose).delete()
    after = _default(purpose, network)
    note(publication, "edited", by=by, why=f"the wording of {before.place}", before=before.text, after=after)


def write(publication: Publication, network: str, purpose: str, *, with_picture: bool, **fields: Any) -> str:
    """The text of a post, as the publication words it. Refusal where not even its shortest form fits."""
    worded = of(publication, network, purpose)
    try:
        return render(purpose, network, wording=worded.text, with_picture=with_picture, **fields)
    except ValueError as problem:
        raise Refusal(str(problem)) from problem


def preview(publication: Publication, worded: Worded, item: Item | None = None) -> Preview:
    """What the sender would make of this wording and this item, or the newest; a wording need not be saved for it."""
    adapter = network_class(worded.network)
    name, fields = _example(publication, worded.purpose, item)
    with_picture = adapter.pictures is not None
    try:
        check_wording(worded.text, worded.purpose, worded.network)
        text = render(worded.purpose, worded.network, wording=worded.text, with_picture=with_picture, **fields)
    except ValueError as problem:
        return Preview(name, problem=str(problem))
    beside = "" if adapter.link_in_text or with_picture else fields["link"]
    return Preview(name, text, beside, adapter.measure(text), adapter.limit)


def examples(publication: Publication) -> Iterator[Item]:
    """The newest items, to try a wording on."""
    yield from publication.items.order_by("-published_on", "-id").defer("body")[:10]


def _default(purpose: str, network: str) -> str:
    return wording.default(purpose, network)


def _lines(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip()


def _example(publication: Publication, purpose: str, item: Item | None) -> tuple[str, dict[str, Any]]:
    """What a preview is made of: its name, and the fields."""
    if purpose == Post.Purpose.CAMPAIGN:
        campaign = publication.campaigns.first()
        return (str(campaign), of_campaign(campaign)) if campaign else ("an invented campaign", INVENTED_CAMPAIGN)
    label = publication.label(publication.next_number, publication.today())
    found = list(examples(publication))
    if purpose == Post.Purpose.DIGEST:
        titles = [example.title for example in found[:HEADLINES]]
        return label, {"label": label, "headlines": titles, "link": links.archive_url(publication)}
    chosen = item or next(iter(found), None)
    if chosen is None:
        return "an invented item", {**INVENTED, "label": label}
    tags = [campaign.hashtag for campaign in Campaign.objects.of_item(chosen).running(publication.today())]
    link = chosen.link or links.archive_url(publication)
    return chosen.title, {
        "title": chosen.title,
        "teaser": chosen.teaser,
        "label": label,
        "link": link,
        "hashtags": tags,
    }


def of_campaign(campaign: Campaign) -> dict[str, Any]:
    return {
        "title": campaign.name,
        "label": campaign.period,
        "teaser": campaign.invitation,
        "hashtags": [campaign.hashtag],
        "link": campaign.link,
    }


INVENTED = {
    "title": "A reading room opens by the lake",
    "teaser": "On Saturday the first children borrowed books. The room has four hundred of them, and a stove.",
    "link": "https://www.example.org/news/a-reading-room-opens",
    "hashtags": ["ReadingWeek"],
}
INVENTED_CAMPAIGN = {
    "title": "The week of reading rooms",
    "label": "23 to 26 February 2016",
    "teaser": "Four days, and news from each.",
    "hashtags": ["ReadingWeek"],
    "link": "",
}
