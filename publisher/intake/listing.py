"""A listing page, as plain text or HTML, into items and standing sections.

An item is a title, a date line ("Update 119. 31 January 2007", "June / July 2009") and a teaser; a byline
in parentheses and a picture's caption may stand around them. A block without a date is a standing
section; a call that ends it ("Become a member") stays its last paragraph. Every other line is reported
as unread, with the reason.
"""

import re
from collections.abc import Sequence

from publisher.intake import NotReadable, ParsedItem, ParsedSection, Reading, Unread, damage, entries, page
from publisher.intake.blocks import NOISE, Block, find, is_caption, is_head
from publisher.intake.labels import Label
from publisher.intake.labels import read as read_label
from publisher.intake.lines import Line, of_text, paragraphs, prose

#: Some hundred times the longest listing known, and read within seconds.
MAX_LINES = 50_000

BYLINE = re.compile(
    r"\((?!see |continued|cont[.)]|part |click |read |updated|pdf|in spanish)([^()]{3,120})\)\.?",
    re.IGNORECASE,
)
NAME_WORD = r"(?:[A-ZÁÉÍÓÚÑÜ][\w.’'-]*|de|del|la|los|van|von|da|and|y|&)"
NAME = re.compile(rf"{NAME_WORD}(?:,? {NAME_WORD}){{1,7}}")
WRITTEN_BY = re.compile(rf"(?:[Bb]y|BY|[Pp]or) {NAME_WORD}(?:,? {NAME_WORD}){{0,7}}")
SENTENCE = re.compile(r"[a-záéíóúñ]{3,}[.!?](?:\s|$)")
#: How a mail's text part prints where an item goes on.
PRINTED_LINK = re.compile(r"(?:read|find out) more:? +(https?://\S+)", re.IGNORECASE)
#: What follows this line in a mail is its footer (RFC 3676 §4.3).
SIGNATURE = "--"
#: A title's first line that cannot be its last.
OPEN_END = re.compile(
    r"(?:[,:;–—&/-]|\b(?:a|an|the|of|in|on|to|for|and|or|by|with|from|at|as|over|against|de|la|el|y|en))$",
    re.I,
)


def read(content: bytes, *, address: str, content_type: str | None = None) -> Reading:
    """Return the items, sections and unread lines of a listing page."""
    text = damage.decode(content, content_type)
    if not page.is_html(text):
        return read_lines(of_text(text))
    root = page.parse(text)
    items, unread = entries.read(root, address)
    if items:
        # The page says itself what its items are; all else on it is its frame.
        return Reading(tuple(items), (), tuple(unread), "listing")
    return read_lines(page.lines(root, address))


def read_lines(lines: Sequence[Line]) -> Reading:
    if not lines:
        raise NotReadable("There is no text on this page.")
    if len(lines) > MAX_LINES:
        raise NotReadable(f"This page has {len(lines)} lines; a listing has at most {MAX_LINES}.")
    lines, unread = _without_footer(lines)
    before, blocks = find(lines)
    items, sections = [], []
    unread += [Unread(line.number, line.text, "It stands before the first item.") for line in before]
    for i, block in enumerate(blocks):
        if block.label and block.at is not None:
            item, rest = _item(block, block.at, block.label)
            items += [item] if item else []
        else:
            section, rest = _standing(block, alone=_is_alone(blocks, i))
            sections += [section] if section else []
        unread += rest
    unread.sort(key=lambda one: one.line)
    return Reading(tuple(items), tuple(sections), tuple(unread), "listing")


def _without_footer(lines: Sequence[Line]) -> tuple[Sequence[Line], list[Unread]]:
    end = next((i for i, line in enumerate(lines) if line.text.strip() == SIGNATURE), len(lines))
    return lines[:end], [Unread(line.number, line.text, "It is the footer of a mail.") for line in lines[end:]]


def _is_alone(blocks: Sequence[Block], i: int) -> bool:
    """A single undated block between dated ones is rather an item that lost its date than a section."""
    return 0 < i < len(blocks) - 1 and bool(blocks[i - 1].label and blocks[i + 1].label)


def _standing(block: Block, *, alone: bool) -> tuple[ParsedSection | None, list[Unread]]:
    lines, unread = _without_noise(block.lines)
    if not lines:
        return None, unread
    title, body = lines[0], lines[1:]
    if alone:
        why = "It has no date, but stands between dated items."
    elif title.heading == 1:
        why = "It is the page's own heading."
    elif not body:
        why = "It has neither a date nor text."
    elif all(line.linked for line in body):
        why = "It is a list of links."
    else:
        return ParsedSection(title.text, prose(body), title.number), unread
    return None, [*unread, Unread(title.number, prose(lines), why)]


def _without_noise(lines: Sequence[Line]) -> tuple[list[Line], list[Unread]]:
    noise = [line for line in lines[1:] if NOISE.fullmatch(line.text)]
    kept = [line for line in lines if line not in noise]
    return kept, [_noise(line) for line in noise]


class _Draft:
    """What has been found of one item so far."""

    def __init__(self) -> None:
        self.title: list[Line] = []
        self.captions: list[str] = []
        self.byline: str | None = None
        self.link: str | None = None
        self.damage: list[str] = []

    def take(self, line: Line) -> bool:
        """Take a line that is a caption or a byline; False where it is neither."""
        if is_caption(line):
            self.captions.append(line.text.strip("()[]") if line.text[0] in "([" else line.text)
        elif not self.byline and (name := byline(line)):
            self.byline = name
        else:
            return False
        return True


def byline(line: Line, *, strict: bool = False) -> str | None:
    """Return who wrote it, without the parentheses, if that is all the line says.

    Strict: only "By …" or a name, as in the last line of a text, where other remarks stand in parentheses.
    """
    if line.role == "byline":
        return line.text
    if len(line.text) <= 80 and WRITTEN_BY.fullmatch(line.text):
        return line.text
    match = BYLINE.fullmatch(line.text)
    if not match or SENTENCE.search(match[1]):
        return None
    if strict and not (WRITTEN_BY.match(match[1]) or NAME.fullmatch(match[1])):
        return None
    return match[1].strip()


def _item(block: Block, at: int, label: Label) -> tuple[ParsedItem | None, list[Unread]]:
    draft = _Draft()
    if label.problem:
        draft.damage.append(label.problem)
    head, noise = _clean_head(block.lines[:at])
    tail, unread = _clean_tail(block.lines[at + 1 :], label, draft)
    head, tail = _parted(block, head, tail)
    _read_head(draft, head)
    teaser = _read_tail(draft, tail)
    if not draft.title:
        return None, [Unread(block.lines[0].number, prose(block.lines), "There is a date, but no title.")]
    return _finish(draft, label, teaser, block), noise + unread


def _parted(block: Block, head: list[Line], tail: list[Line]) -> tuple[list[Line], list[Line]]:
    """Return what the title is read from and what the teaser is, wherever the date stands."""
    if block.date_first:
        return _head_below(tail)
    if (head and not is_head(head)) or (not tail and _is_long(paragraphs(head)[1:])):
        # The date stands below the text, or in the midst of it.
        first, *text = paragraphs(head)
        return first, [*(line for part in text for line in part), *tail]
    return head, tail


def _noise(line: Line) -> Unread:
    return Unread(line.number, line.text, "It is navigation, not text.")


def _clean_head(lines: Sequence[Line]) -> tuple[list[Line], list[Unread]]:
    kept = [line for line in lines if not NOISE.fullmatch(line.text)]
    if not kept:
        return list(lines), []  # "Home" may be the title of an item, if nothing else is
    return kept, [_noise(line) for line in lines if line not in kept]


def _clean_tail(lines: Sequence[Line], label: Label, draft: _Draft) -> tuple[list[Line], list[Unread]]:
    kept: list[Line] = []
    unread = []
    for line in lines:
        other = read_label(line.text) if len(line.text) <= 100 else None
        if other and other.date_label == label.date_label and other.number in (None, label.number):
            continue  # the date line once more
        if NOISE.fullmatch(line.text):
            unread.append(_noise(line))
            continue
        if printed := PRINTED_LINK.fullmatch(line.text):
            draft.link = printed[1]
            continue
        if other:
            draft.damage.append(f"A second date is printed: “{line.text}”.")
        kept.append(line)
    return _without_links(kept, unread)


def _without_links(lines: list[Line], unread: list[Unread]) -> tuple[list[Line], list[Unread]]:
    """Report a list of nothing but links at the end: a menu that follows the last item."""
    end = len(lines)
    while end and lines[end - 1].bullet and lines[end - 1].linked:
        end -= 1
    if len(lines) - end < 2:
        return lines, unread
    return lines[:end], unread + [Unread(line.number, line.text, "It is a list of links.") for line in lines[end:]]


def _is_long(parts: Sequence[Sequence[Line]]) -> bool:
    return any(sum(len(line.text) for line in part) > 160 for part in parts)


def _head_below(tail: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """Part title from teaser where the date stands above both."""
    first = paragraphs(tail)[0] if tail else []
    if len(first) > 1 and not _is_long([first]) and first[-1].text[-1] not in ".!?…":
        return list(first), list(tail[len(first) :])
    return list(tail[:1]), list(tail[1:])


def _read_head(draft: _Draft, head: Sequence[Line]) -> None:
    parts = [[line for line in part if not draft.take(line)] for part in _by_gap(head)]
    parts = [part for part in parts if part]
    if not parts:
        return
    title = next((part for part in parts if any(line.heading for line in part)), None)
    title = title or next((part for part in reversed(parts) if any(line.linked for line in part)), parts[-1])
    for part in parts:
        if part is not title:
            draft.captions.append(" ".join(line.text for line in part))
    _read_title(draft, title)


def _by_gap(lines: Sequence[Line]) -> list[list[Line]]:
    parts: list[list[Line]] = []
    for line in lines:
        if parts and not line.gap:
            parts[-1].append(line)
        else:
            parts.append([line])
    return parts


def _read_title(draft: _Draft, lines: list[Line]) -> None:
    """Tell a title of two lines from a caption and a title without a blank line between them."""
    first, rest = lines[0], lines[1:]
    if rest and not first.heading and first.text[-1] in ".!?" and not rest[0].text[0].islower():
        draft.captions.append(first.text)
        return _read_title(draft, rest)
    if rest and not OPEN_END.search(first.text) and not rest[0].text[0].islower() and not first.heading:
        draft.damage.append(f"The title stands on two lines; “{first.text}” may be a picture's caption.")
    draft.title = lines


def _read_tail(draft: _Draft, tail: list[Line]) -> str:
    while tail and (draft.take(tail[0]) if len(tail) > 1 or byline(tail[0]) else False):
        tail = tail[1:]
    if tail and not draft.byline and len(paragraphs(tail)) > 1 and (name := byline(tail[-1], strict=True)):
        draft.byline = name
        tail = tail[:-1]
    return prose(tail)


def _finish(draft: _Draft, label: Label, teaser: str, block: Block) -> ParsedItem:
    title = " ".join(line.text for line in draft.title)
    caption = " ".join(draft.captions) or None
    image = next((line for line in block.lines if line.image_url), None)
    return ParsedItem(
        title=title,
        teaser=teaser,
        published_on=label.published_on,
        date_label=label.date_label,
        series=label.series,
        number=label.number,
        byline=draft.byline,
        image_caption=caption,
        link=_link(draft.title, block.lines) or draft.link,
        image_url=image.image_url if image else None,
        image_alt=image.image_alt if image else None,
        line=draft.title[0].number,
        damage=tuple(draft.damage + damage.signs_of(title, teaser, caption, draft.byline)),
    )


def _link(title: Sequence[Line], lines: Sequence[Line]) -> str | None:
    """Return the title's own link, else that of "read more"."""
    own = next((line.link for line in title if line.link), None)
    return own or next((line.link for line in lines if line.link and line.linked and NOISE.fullmatch(line.text)), None)
