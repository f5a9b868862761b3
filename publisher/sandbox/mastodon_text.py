"""What Mastodon makes of a text: how long it counts it, and the HTML that it shows."""

import html
import re

from wcwidth import iter_graphemes

from publisher.counting import extract_urls_with_indices

LIMIT = 500
URL_LENGTH = 23
# What is shown of an address: 30 characters behind the scheme. The rest stands there, and is hidden.
SHOWN = 30

HASHTAG = re.compile(r"(?<![\w&/])#(\w*[^\W\d_]\w*)")
MENTION = re.compile(r"(?<![\w/=])@([a-z0-9_]+)(?:@[\w.-]*\w)?", re.IGNORECASE)
SCHEME = re.compile(r"https?://(?:www\.)?", re.IGNORECASE)


def normal(text: str) -> str:
    """The text as it is kept: without white space around it. It stays composed or not, as it was sent."""
    return text.strip()


def length(text: str) -> int:
    """In graphemes; a link counts 23, a mention as the name alone."""
    counted = "".join("x" * URL_LENGTH if address else MENTION.sub(r"@\1", part) for part, address in pieces(text))
    return sum(1 for _ in iter_graphemes(counted))


def pieces(text: str) -> list[tuple[str, str | None]]:
    """The text in order, as (text, None) and (address, address): only what has a scheme is a link."""
    found: list[tuple[str, str | None]] = []
    position = 0
    for url in extract_urls_with_indices(text):
        start, end = url["indices"]
        if SCHEME.match(url["url"]):
            found += [(text[position:start], None), (url["url"], url["url"])]
            position = end
    return [piece for piece in [*found, (text[position:], None)] if piece[0]]


def rendered(text: str, *, home: str) -> str:
    """The status as HTML, in paragraphs, with its links in three parts and its hashtags as links."""
    marked = "".join(_link(part) if address else _words(part, home) for part, address in pieces(text))
    paragraphs = re.split(r"\n{2,}", marked.replace("\r\n", "\n"))
    return "".join(f"<p>{part.replace(chr(10), '<br />')}</p>" for part in paragraphs if part)


def tags(text: str) -> list[str]:
    words = (part for part, address in pieces(text) if not address)
    return [match[1] for part in words for match in HASHTAG.finditer(part)]


def _link(address: str) -> str:
    found = SCHEME.match(address)
    scheme = found[0] if found else ""
    rest = address[len(scheme) :]
    shown, hidden = html.escape(rest[:SHOWN]), html.escape(rest[SHOWN:])
    cut = "ellipsis" if hidden else ""
    return (
        f'<a href="{html.escape(address)}" target="_blank" rel="nofollow noopener" translate="no">'
        f'<span class="invisible">{scheme}</span><span class="{cut}">{shown}</span>'
        f'<span class="invisible">{hidden}</span></a>'
    )


def _words(text: str, home: str) -> str:
    def link(match: re.Match[str]) -> str:
        address = f"{home}/tags/{match[1].lower()}"
        return f'<a href="{address}" class="mention hashtag" rel="tag">#<span>{match[1]}</span></a>'

    return HASHTAG.sub(link, html.escape(text, quote=False))
