"""Share cards: what followers see of an item that has no picture, drawn of its title and series.

A card is a stored picture like any other, made before the approval: the proof names it by the hash of its bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import drawing, picture_renditions, pictures
from .models import Campaign, Digest, Entry, Item, Picture, Publication
from .models.publications import printed
from .networks import network_class


@dataclass(frozen=True)
class Card:
    """The words of a card, and the same words for those who cannot see it."""

    sheet: drawing.Sheet
    alt: str

    @property
    def content(self) -> bytes:
        return drawing.draw(self.sheet)

    @property
    def picture(self) -> Picture:
        return pictures.store(self.content, "image/png", drawing.SIZE)


def of(thing: Entry | Item) -> Card:
    """Of an item as a digest has it, or on its own."""
    if isinstance(thing, Entry):
        return of_words(thing.digest.publication, thing.title, thing.digest.label)
    return of_words(thing.publication, thing.title, _series_and_day(thing))


def of_digest(digest: Digest) -> Card:
    return of_words(digest.publication, digest.label, digest.publication.site_url.partition("://")[2].rstrip("/"))


def campaign(campaign: Campaign) -> Card:
    """What invites followers: its name and hashtag in large, and its period."""
    named = campaign.hashtag.casefold() in campaign.name.casefold()
    title = campaign.name if named else f"{campaign.name} #{campaign.hashtag}".strip()
    return of_words(campaign.publication, title, campaign.period)


def of_words(publication: Publication, title: str, label: str) -> Card:
    """Where the title cannot be drawn the label takes its place; the description has the title all the same."""
    alt = " ".join(f"{words.rstrip('.')}." if words[-1:].isalnum() else words for words in (title, label) if words)
    head, foot = (title, label) if drawing.fitted(title)[0] else (label, "")
    return Card(drawing.Sheet(publication.organisation, head, foot, publication.accent), alt)


def illustration(thing: Entry | Item | Campaign, network: str) -> tuple[Picture | None, str]:
    """The picture of a post and its description, as this network takes them: the item's own, else its card.

    No description: staff gave none, and are asked for one before the approval. A file's name is none.
    """
    adapter = network_class(network)
    if adapter.pictures is None:
        return None, ""
    if not isinstance(thing, Campaign) and thing.picture is not None:
        picture, alt = thing.picture, thing.image_alt
    elif (thing.link or isinstance(thing, Entry)) and not adapter.link_in_text:
        # The network shows the linked page itself, and a press on that opens it. Of our own pages it shows the same
        # card; and where an entry has no link, its page in our archive is linked.
        return None, ""
    else:
        card = campaign(thing) if isinstance(thing, Campaign) else of(thing)
        picture, alt = card.picture, card.alt
    return pictures.for_network(picture, network), picture_renditions.described(alt, adapter.longest_alt)


def missing(title: str) -> str:
    """What staff should know of a title's card, in a sentence; empty where it shows the title."""
    if letters := drawing.unshown(title):
        return f"The card cannot show “{letters}”: it has the series and the date in place of the title."
    if title and not drawing.fitted(title)[0]:
        return "A word of the title is wider than the card: it has the series and the date in place of the title."
    return ""


def _series_and_day(item: Item) -> str:
    series = item.publication.series
    return f"{series}. {printed(item.published_on)}" if item.published_on else series
