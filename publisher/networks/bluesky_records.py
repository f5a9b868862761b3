"""What a post is on Bluesky: the key of its record, its links and hashtags by their bytes, its card. No requests."""

import re
import secrets
import time
import unicodedata
from collections.abc import Iterator, Mapping
from hashlib import sha256
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

from publisher.networks.base import Picture
from publisher.networks.timeline import headline

POST = "app.bsky.feed.post"

# What keys of posts are written in (TIDs): microseconds since 1970 and ten bits beside them, in order when sorted.
ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"
# The year 2022, before anybody posted there: no other program's key lies before it, and none of ours in the future.
BEFORE_BLUESKY = 1_640_995_200_000_000

LONGEST_TAG = 64
ADDRESS = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
AFTER_ADDRESS = ".,;:!?'\"’”»)]}…"
TAG = re.compile(r"(?<!\S)[#＃](?!\ufe0f)(\S+)")


def record_key(key: str) -> str:
    """The key of the record of a post: always the same for the same key; without one, a new one each time."""
    if key:
        number = int.from_bytes(sha256(key.encode()).digest()) % (BEFORE_BLUESKY << 10)
    else:
        number = time.time_ns() // 1000 << 10 | secrets.randbelow(1024)
    return "".join(ALPHABET[number >> shift & 31] for shift in range(60, -1, -5))


def address_of(did: str, key: str) -> str:
    return f"at://{did}/{POST}/{key}"


def facets(text: str, link: str | None) -> list[dict[str, Any]]:
    """What may be clicked: addresses and hashtags, by where their UTF-8 bytes stand. A reader shows no other links."""
    found = [*_addresses(text, link), *_tags(text)]
    return [_facet(text, start, end, feature) for start, end, feature in sorted(found, key=lambda one: one[0])]


Found = tuple[int, int, dict[str, str]]


def _addresses(text: str, link: str | None) -> Iterator[Found]:
    for match in ADDRESS.finditer(text):
        address = match.group().rstrip(AFTER_ADDRESS)
        # Ours may end in what would else be the sentence's.
        if link and match.group().startswith(link) and not match.group()[len(link) :].strip(AFTER_ADDRESS):
            address = link
        feature = {"$type": "app.bsky.richtext.facet#link", "uri": address}
        yield match.start(), match.start() + len(address), feature


def _tags(text: str) -> Iterator[Found]:
    for match in TAG.finditer(text):
        tag = _without_punctuation(match.group(1))
        if not tag or tag.isdigit() or len(tag) > LONGEST_TAG:
            continue
        yield match.start(), match.start() + 1 + len(tag), {"$type": "app.bsky.richtext.facet#tag", "tag": tag}


def _without_punctuation(word: str) -> str:
    while word and unicodedata.category(word[-1]).startswith("P"):
        word = word[:-1]
    return word


def _facet(text: str, start: int, end: int, feature: dict[str, str]) -> dict[str, Any]:
    index = {"byteStart": len(text[:start].encode()), "byteEnd": len(text[:end].encode())}
    return {"index": index, "features": [feature]}


def card(text: str, link: str) -> dict[str, Any]:
    """The card under a post without a picture. Bluesky makes none by itself: it shows what the record says."""
    title = headline(text)
    if ADDRESS.match(title):
        title = urlsplit(link).hostname or link
    return {"$type": "app.bsky.embed.external", "external": {"uri": link, "title": title, "description": ""}}


def links(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Where the links of a record lead: those in its text, by its facets, and the one of its card."""
    features = [feature for facet in record.get("facets") or () for feature in facet.get("features") or ()]
    external = (record.get("embed") or {}).get("external") or {}
    found = [feature.get("uri") for feature in features] + [external.get("uri")]
    return tuple(address for address in found if isinstance(address, str))


def proportions(picture: Picture) -> dict[str, Any]:
    """The picture's width and height, without which a reader's page jumps when it comes; {} where they are unknown."""
    try:
        with Image.open(BytesIO(picture.content)) as image:
            width, height = image.size
    except (OSError, ValueError, Image.DecompressionBombError):
        return {}
    return {"aspectRatio": {"width": width, "height": height}}
