"""What X makes of a text: its weight, and how it comes back, with links as t.co and & as &amp;."""

import hashlib
import html
import unicodedata
from typing import Any

from publisher.counting import extract_urls_with_indices, parse_tweet

LIMIT = 280


def normal(text: str) -> str:
    """The text that X keeps and compares: composed (NFC), without white space around it."""
    return unicodedata.normalize("NFC", text).strip()


def weight(text: str) -> int:
    """The weighted length by X's own rules; a link counts 23."""
    return int(parse_tweet(text).weightedLength)


def valid(text: str) -> bool:
    return bool(parse_tweet(text).valid)


def pieces(text: str) -> list[tuple[str, str | None]]:
    """The text in order, as (text, None) and (link text, address). A bare name.md is a link here too."""
    found: list[tuple[str, str | None]] = []
    position = 0
    for url in extract_urls_with_indices(text):
        start, end = url["indices"]
        found += [(text[position:start], None), (url["url"], _address(url["url"]))]
        position = end
    return [piece for piece in [*found, (text[position:], None)] if piece[0]]


def _address(url: str) -> str:
    return url if url.lower().startswith(("http://", "https://")) else f"http://{url}"


def rendered(text: str, *, handle: str, post_id: int, media: list[int]) -> tuple[str, dict[str, Any]]:
    """The text as X returns it, and its entities: where each link stands and what it was.

    A post with pictures ends in one more link, to the pictures. Positions are counted in the returned text.
    """
    out, urls = "", []
    for part, address in pieces(text):
        if address is None:
            out += html.escape(part, quote=False)
            continue
        urls.append(_entity(out, post_id, address, part.removeprefix("https://").removeprefix("http://")))
        out += urls[-1]["url"]
    if media:
        out += " " if out else ""
        picture = f"https://x.com/{handle}/status/{post_id}/photo/1"
        entity = _entity(out, post_id, picture, f"pic.x.com/{_code(post_id, picture)}")
        urls += [entity | {"media_key": f"3_{number}"} for number in media]
        out += entity["url"]
    return out, ({"urls": urls} if urls else {})


def _entity(before: str, post_id: int, address: str, display: str) -> dict[str, Any]:
    short = f"https://t.co/{_code(post_id, address)}"
    return {
        "start": len(before),
        "end": len(before) + len(short),
        "url": short,
        "expanded_url": address,
        "display_url": display if len(display) <= 27 else f"{display[:26]}…",
    }


def _code(post_id: int, address: str) -> str:
    return hashlib.sha256(f"{post_id} {address}".encode()).hexdigest()[:10]
