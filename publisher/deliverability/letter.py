"""A message opened for looking at: its bytes, its header lines as sent, its parts decoded, its HTML as a tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.headerregistry import BaseHeader, HeaderRegistry
from email.message import Message
from functools import cached_property
from typing import Any
from urllib.parse import SplitResult, urlsplit

from lxml import html as lxml_html

_URL = re.compile(r"https?://[^\s<>\"]+")
#: A word joiner is never seen: in the text it keeps a brace from being taken for a merge field.
_JOINER = "\u2060"
_SPACE = re.compile(r"\s+")
_READ = HeaderRegistry()


@dataclass(frozen=True)
class Facts:
    """What cannot be read from the bytes: whose letter it should be. `signed`: whether we sign for this sender."""

    base_url: str
    postal_address: str
    now: datetime
    signed: bool = False


@dataclass(frozen=True)
class Header:
    """One header as sent: `raw` with its folding, without the line end."""

    name: str
    raw: bytes

    @property
    def value(self) -> str:
        """Unfolded, not decoded."""
        return self.raw.partition(b":")[2].replace(b"\r\n", b"").decode("utf-8", "replace").strip()


@dataclass(frozen=True)
class Opened:
    raw: bytes
    facts: Facts

    @cached_property
    def head(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[0]

    @cached_property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @cached_property
    def headers(self) -> list[Header]:
        found = re.split(rb"\r\n(?![ \t])", self.head)
        return [Header(one.partition(b":")[0].decode("latin-1").lower(), one) for one in found]

    def all(self, name: str) -> list[str]:
        return [header.value for header in self.headers if header.name == name]

    def one(self, name: str) -> str:
        """The first of this name; "" where there is none."""
        return next(iter(self.all(name)), "")

    @cached_property
    def parsed(self) -> Message:
        """Its structure. Headers are read with `read`: as part of a message they would be read anew at each look."""
        return message_from_bytes(self.raw)

    @cached_property
    def leaves(self) -> list[Message]:
        """The parts that hold something."""
        return [part for part in self.parsed.walk() if not part.is_multipart()]

    @cached_property
    def _known(self) -> dict[str, list[BaseHeader]]:
        return {}

    def read(self, name: str) -> list[Any]:
        """The headers of this name as Python's strict reader understands them: decoded, with what it had to mend."""
        if name not in self._known:
            self._known[name] = [_READ(name, value) for value in self.all(name)]
        return self._known[name]

    def said(self, name: str) -> str:
        """The first of this name, decoded; "" where there is none."""
        return str(next(iter(self.read(name)), ""))

    @cached_property
    def parts(self) -> list[tuple[bytes, bytes]]:
        """Head and body of each part, as sent."""
        boundary = str(self.parsed.get_boundary() or "")
        if not boundary:
            return [(self.head, self.body)]
        between = re.split(rb"(?:\A|\r\n)--" + re.escape(boundary.encode()) + rb"(?:--)?[ \t]*(?=\r\n)", self.body)
        cut = [part.removeprefix(b"\r\n").partition(b"\r\n\r\n") for part in between[1:-1]]
        return [(head, body) for head, _, body in cut]

    def part(self, subtype: str) -> Message | None:
        return next((leaf for leaf in self.leaves if leaf.get_content_type() == f"text/{subtype}"), None)

    @cached_property
    def text(self) -> str:
        return self._content("plain")

    @cached_property
    def html(self) -> str:
        return self._content("html")

    def _content(self, subtype: str) -> str:
        part = self.part(subtype)
        return decoded(part).decode("utf-8", "replace") if part else ""

    @cached_property
    def tree(self) -> lxml_html.HtmlElement | None:
        return lxml_html.document_fromstring(self.html.encode(), parser=_utf8()) if self.html.strip() else None

    def elements(self, *names: str) -> Iterator[lxml_html.HtmlElement]:
        if self.tree is not None:
            yield from self.tree.iter(*names)

    @cached_property
    def html_links(self) -> list[str]:
        return [a.get("href", "").strip() for a in self.elements("a", "area")]

    @cached_property
    def text_links(self) -> list[str]:
        return [found[0].rstrip(".,;:!?)”’'") for found in _URL.finditer(self.text)]

    @cached_property
    def visible(self) -> str:
        """The words of the HTML, as one line."""
        body = self.tree.find("body") if self.tree is not None else None
        return words(body.text_content()) if body is not None else ""

    @cached_property
    def sender(self) -> str:
        """The address in From, in lower case; "" where there is not exactly one."""
        found = addresses(self, "from")
        return found[0].lower() if len(found) == 1 else ""

    @property
    def domain(self) -> str:
        return self.sender.rpartition("@")[2]

    @cached_property
    def signatures(self) -> list[dict[str, str]]:
        """The tags of each DKIM signature, white space taken out."""
        return [_tags(value) for value in self.all("dkim-signature")]

    @cached_property
    def leave_url(self) -> str:
        """The first https address in List-Unsubscribe."""
        uris = re.findall(r"<\s*([^<>]*?)\s*>", self.one("list-unsubscribe"))
        return next((uri for uri in uris if uri.lower().startswith("https:")), "")


def words(text: str) -> str:
    return _SPACE.sub(" ", text.replace(_JOINER, "")).strip()


def split(url: str) -> SplitResult | None:
    """None where it is no address at all."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def addresses(opened: Opened, name: str) -> list[str]:
    return [address.addr_spec for header in opened.read(name) for address in header.addresses]


def decoded(leaf: Message) -> bytes:
    """What a part holds, its transfer encoding taken off."""
    content = leaf.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _tags(value: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in value.split(";") if "=" in part)
    return {name.strip(): _SPACE.sub("", what) for name, _, what in pairs}


def _utf8() -> lxml_html.HTMLParser:
    return lxml_html.HTMLParser(encoding="utf-8")
