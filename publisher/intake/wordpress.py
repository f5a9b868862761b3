"""The posts of a WordPress site, from /wp-json/wp/v2/posts (best with ?_embed for authors and pictures)."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from publisher.intake import NotReadable, ParsedItem, Reading, Unread, clean, damage, page
from publisher.intake.dates import in_words
from publisher.intake.feed import uncut


def read(content: bytes, *, address: str, content_type: str | None = None) -> Reading:
    """Return the published posts; what lacks a title, or is not public, is reported as unread."""
    posts = _posts(damage.decode(content, content_type), address)
    items, unread = [], []
    for position, post in enumerate(posts, 1):
        why = _why_not(post)
        if why:
            unread.append(Unread(position, json.dumps(post)[:200], f"Post {position} {why}."))
        else:
            items.append(_item(post, address))
    return Reading(tuple(items), (), tuple(unread), "wordpress")


def _posts(text: str, address: str) -> list[Any]:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotReadable(f"{address} answers with JSON that cannot be read.") from error
    if isinstance(answer, dict) and isinstance(answer.get("code"), str) and answer.get("message"):
        raise NotReadable(f"WordPress at {address} answers: {clean.text(_text(answer['message']))[:200]}")
    posts = answer if isinstance(answer, list) else [answer]
    if posts and not any(isinstance(post, dict) and "title" in post for post in posts):
        raise NotReadable(f"{address} is JSON, but holds no WordPress posts.")
    return posts


def _why_not(post: Any) -> str | None:
    if not isinstance(post, dict):
        return "is no post"
    if post.get("status", "publish") != "publish":
        return f"is not published (“{str(post['status'])[:30]}”)"
    return None if clean.text(_rendered(post, "title")) else "has no title"


def _item(post: Mapping[str, Any], address: str) -> ParsedItem:
    link = page.absolute(_text(post.get("link")), address)
    content = _rendered(post, "content")
    teaser = _teaser(_rendered(post, "excerpt"), content)
    title = clean.text(_rendered(post, "title"))
    published_on = _day(post)
    body = clean.fragment(content, link or address)
    picture = _first(post, "wp:featuredmedia")
    return ParsedItem(
        title=title,
        teaser=teaser,
        published_on=published_on,
        date_label=in_words(published_on) if published_on else "",
        series=None,
        number=None,
        byline=clean.text(_text(_first(post, "author").get("name"))) or None,
        image_caption=clean.text(_rendered(picture, "caption")) or None,
        link=link,
        body=body if clean.paragraphs(body) != teaser else "",
        image_url=page.absolute(_text(picture.get("source_url")), address),
        image_alt=clean.text(_text(picture.get("alt_text"))) or None,
        tags=_tags(post),
        guid=_rendered(post, "guid") or link,
        damage=tuple(([] if published_on else ["The post gives no date."]) + damage.signs_of(title, teaser)),
    )


def _teaser(excerpt: str, content: str) -> str:
    text = clean.paragraphs(excerpt)
    if not text:
        return clean.paragraphs(content).split("\n\n")[0]
    return uncut(text)


def _day(post: Mapping[str, Any]) -> date | None:
    """Return the day by the site's own clock (`date`), not Greenwich's (`date_gmt`)."""
    try:
        return date.fromisoformat(_text(post.get("date"))[:10])
    except ValueError:
        return None


def _tags(post: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of its categories and tags, which only ?_embed gives; without it there are numbers alone."""
    embedded = post.get("_embedded")
    groups = embedded.get("wp:term") if isinstance(embedded, dict) else None
    terms = [term for group in groups or () if isinstance(group, list) for term in group if isinstance(term, dict)]
    names = [clean.text(_text(term.get("name"))) for term in terms]
    return tuple(dict.fromkeys(name for name in names if name))


def _text(value: Any) -> str:
    """Return a string without halves of characters, which JSON can carry and UTF-8 cannot; else ""."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _rendered(holder: Mapping[str, Any], name: str) -> str:
    """Return a field as HTML; WordPress wraps most of them as {"rendered": …}."""
    value = holder.get(name)
    return _text(value.get("rendered")) if isinstance(value, dict) else _text(value)


def _first(post: Mapping[str, Any], relation: str) -> Mapping[str, Any]:
    """Return the first embedded thing of a relation; {} where there is none, or an error in its place."""
    embedded = post.get("_embedded")
    things = embedded.get(relation) if isinstance(embedded, dict) else None
    thing = things[0] if isinstance(things, list) and things else None
    return thing if isinstance(thing, dict) else {}
