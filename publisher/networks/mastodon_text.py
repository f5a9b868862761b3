"""Texts as Mastodon has them: how long it counts one, and what it makes of one."""

import re
from html.parser import HTMLParser

from wcwidth import iter_graphemes

from publisher.counting import extract_urls_with_indices

# What a link of any length counts for.
URL_LENGTH = 23
LINK = re.compile(r"https?://\S+", re.IGNORECASE)
# A person on another server, who counts by name alone.
MENTION = re.compile(r"(?<![\w/=])(@\w+)@[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.IGNORECASE | re.ASCII)


def length(text: str) -> int:
    """As StatusLengthValidator counts: graphemes, a link as 23, a mention without its server; never less.

    Composed or not (NFC) makes no difference to graphemes. It finds links by twitter-text, as we do.
    """
    total, position = 0, 0
    for url in extract_urls_with_indices(text):
        start, end = url["indices"]
        if LINK.match(url["url"]):
            total += letters(text[position:start]) + URL_LENGTH
            position = end
    return total + letters(text[position:])


def letters(text: str) -> int:
    """Graphemes of a text without links. What looks like one under a domain that is unknown here may be one there."""
    perhaps = sum(max(0, URL_LENGTH - graphemes(link.group())) for link in LINK.finditer(text))
    return graphemes(MENTION.sub(r"\1", text)) + perhaps


def graphemes(text: str) -> int:
    return sum(1 for _ in iter_graphemes(text))


class Reader(HTMLParser):
    """What a follower reads. A link is printed whole, its ends in parts that are hidden."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.text += {"p": "\n\n", "br": "\n"}.get(tag, "")

    def handle_data(self, data: str) -> None:
        self.text += data


def plain(html: str) -> str:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader.text.strip()
