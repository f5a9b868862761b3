"""The lexicon of app.bsky.feed.post: what a record must be, each fault in the reference server's manner.

Stricter than a real server in three places, where a slip would else only be seen by readers: a link's bytes must be
the link, a hashtag's the hashtag, and what the sandbox has no stage for is refused.
"""

import re
from collections.abc import Iterator
from typing import Any

from wcwidth import iter_graphemes

POST = "app.bsky.feed.post"

TID = re.compile(r"[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
ADDRESS = re.compile(r"https?://[^\s]+")

FIELDS = {"$type", "text", "createdAt", "facets", "embed", "langs"}
LARGEST_IMAGE = 1_000_000


def faults(record: Any) -> Iterator[str]:
    """What is wrong with the record of a post, pictures apart."""
    if not isinstance(record, dict):
        yield "Record must be an object"
        return
    if record.get("$type") != POST:
        yield f"Invalid $type: expected {POST}, got {record.get('$type')}"
    if absent := sorted(set(record) - FIELDS):
        yield f"The sandbox does not support: {', '.join(absent)}"
    if not isinstance(record.get("createdAt"), str) or not MOMENT.fullmatch(record["createdAt"]):
        yield "Record/createdAt must be an valid atproto datetime (both RFC-3339 and ISO-8601)"
    if not isinstance(record.get("text"), str):
        yield 'Record must have the property "text"'
        return
    yield from _text(record["text"])
    yield from _languages(record.get("langs", []))
    yield from _facets(record.get("facets", []), record["text"].encode())
    yield from _embed(record.get("embed"))


def _text(text: str) -> Iterator[str]:
    if len(text.encode()) > 3000:
        yield "Record/text must not be longer than 3000 characters"
    if sum(1 for _ in iter_graphemes(text)) > 300:
        yield "Record/text must not be longer than 300 graphemes"


def _languages(languages: Any) -> Iterator[str]:
    if not isinstance(languages, list) or len(languages) > 3:
        yield "Record/langs must not have more than 3 elements"
    elif not all(isinstance(one, str) and LANGUAGE.fullmatch(one) for one in languages):
        yield "Record/langs must be a well-formed BCP 47 language tag"


def _facets(facets: Any, text: bytes) -> Iterator[str]:
    if not isinstance(facets, list):
        yield "Record/facets must be an array"
        return
    before = 0
    for facet in facets:
        try:
            start, end = facet["index"]["byteStart"], facet["index"]["byteEnd"]
            (feature,) = facet["features"]
            words = text[start:end].decode()
        except (KeyError, TypeError, ValueError):
            yield "Record/facets must have an index on whole characters and one feature"
            return
        if not before <= start < end <= len(text):
            yield "Record/facets must stand in the text, one behind the other"
        if fault := _feature(feature, words):
            yield fault
        before = end


def _feature(feature: dict[str, Any], words: str) -> str:
    if feature.get("$type") == "app.bsky.richtext.facet#link":
        good = feature.get("uri") == words and ADDRESS.fullmatch(words)
        return "" if good else f"Record/facets: the bytes {words!r} are not the link {feature.get('uri')!r}"
    if feature.get("$type") == "app.bsky.richtext.facet#tag":
        good = words in (f"#{feature.get('tag')}", f"＃{feature.get('tag')}") and len(words) <= 65
        return "" if good else f"Record/facets: the bytes {words!r} are not the tag {feature.get('tag')!r}"
    return f"Record/facets: the sandbox does not support {feature.get('$type')}"


def _embed(embed: Any) -> Iterator[str]:
    if embed is None:
        return
    kind = embed.get("$type") if isinstance(embed, dict) else None
    if kind == "app.bsky.embed.external":
        yield from _card(embed.get("external"))
    elif kind == "app.bsky.embed.images":
        images = embed.get("images")
        if not isinstance(images, list) or not 1 <= len(images) <= 4:
            yield "Record/embed/images must not have more than 4 elements"
            return
        for image in images:
            yield from _image(image)
    else:
        yield f"Record/embed $type: the sandbox does not support {kind}"


def _card(external: Any) -> Iterator[str]:
    for name in ("uri", "title", "description"):
        if not isinstance(external, dict) or not isinstance(external.get(name), str):
            yield f'Record/embed/external must have the property "{name}"'
            return
    if not ADDRESS.fullmatch(external["uri"]):
        yield "Record/embed/external/uri must be a uri"
    if set(external) - {"$type", "uri", "title", "description"}:
        yield "Record/embed/external: the sandbox does not support a thumb"


def _image(image: Any) -> Iterator[str]:
    if not isinstance(image, dict) or not isinstance(image.get("alt"), str):
        yield 'Record/embed/images/0 must have the property "alt"'
        return
    blob = image.get("image")
    if not isinstance(blob, dict) or blob.get("$type") != "blob" or "$link" not in (blob.get("ref") or {}):
        yield "Record/embed/images/0/image should be a blob ref"
    shape = image.get("aspectRatio", {"width": 1, "height": 1})
    if not isinstance(shape, dict) or set(shape) - {"$type"} != {"height", "width"}:
        yield 'Record/embed/images/0/aspectRatio must have the property "width"'
    elif not all(type(side) is int and side >= 1 for side in (shape["width"], shape["height"])):
        yield "Record/embed/images/0/aspectRatio/width can not be less than 1"
    if set(image) - {"$type", "alt", "image", "aspectRatio"}:
        yield "Record/embed/images/0 has a property that the lexicon does not know"
