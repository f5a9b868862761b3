"""Where each block of a listing begins: the dated ones are news, the undated ones stand.

Date lines are the anchors, because they alone are unmistakable. Bullets, headings, blank lines and
indentation then say how far above a date line its block begins.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from publisher.intake import labels
from publisher.intake.labels import Label
from publisher.intake.lines import Line, paragraphs

#: Longer than any title or caption, shorter than a teaser that a bullet leads.
TITLE_MAX = 300
CAPTION_MAX = 240

CAPTION = re.compile(
    r"(?:photo(?:graph)?s?|picture|image|foto|caption|credit|illustration)s?(?: ?credits?)?"
    r"(?: ?:|(?: (?:by|courtesy|taken)\b)| ?©)"
    r"|©|\(?(?:above|below|left|right|pictured)\)?:"
    r"|[([](?:photo|picture|image|foto|credit|©)"
    r"|.{1,200}?[([](?:photo|picture|image|foto|credit|©)[^)\]]*[)\]]\.?$"
    r"|.{1,200}?\b(?:photo|picture|image|foto|credit)(?:graph)?: ?[^.]{1,60}\.?$",
    re.IGNORECASE,
)  # fmt: skip
#: Words of a page about itself, not about the world.
NOISE = re.compile(
    r"(?:read|see|view|find out) (?:more|all|full (?:story|article))\b.{0,20}"
    r"|more ?(?:\.\.\.|…|»|>|>>)?|\[?(?:\.\.\.|…)\]?"
    r"|(?:« ?|‹ ?|< ?)?(?:next|previous|prev|older|newer|first|last)(?: (?:page|posts|entries|items))?(?: ?»| ?›| ?>)?"
    r"|(?:back to )?top|home|print(?: this)?(?: page)?|share(?: this)?|skip to .{1,30}|page \d+(?: of \d+)?"
    r"|[\d\s|»«<>‹›….]+|(?:©|\(c\)|copyright\b).{0,120}|all rights reserved.{0,40}|last (?:updated|modified).{0,60}"
    r"|(?:[^|]{1,30}\|){2,}[^|]{0,30}|[-=_*~]{3,}",
    re.IGNORECASE,
)

RUNS_ON = re.compile(
    r"\b(?:in|on|of|by|until|till|since|from|to|before|after|during|and|or|the|early|late|this|for|at|dated|between)$",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Block:
    lines: list[Line]
    #: The date line's place in `lines`, and what it says; both None for a standing block.
    at: int | None = None
    label: Label | None = None
    #: The page prints the date above the title.
    date_first: bool = False


@dataclass(slots=True)
class Page:
    """A page's lines with the date lines among them; positions are indexes into `lines`."""

    lines: Sequence[Line]
    labels: list[Label | None]
    #: Bullets that lead items, by character and list, and how deep they stand at most. Deeper ones are
    #: lists inside an item.
    bullets: set[tuple[str, int]] = field(default_factory=set)
    depth: int = -1
    #: How deep the date lines under bulleted titles stand at least, where that is deeper than the bullets.
    inner: int | None = None
    date_first: bool = False


def find(lines: Sequence[Line]) -> tuple[list[Line], list[Block]]:
    """Return what stands before the first block, and the blocks."""
    page = _page(lines)
    dated = _dated_starts(page)
    starts = sorted(set(dated) | set(_undated_starts(page, dated)))
    blocks = []
    for start, end in pairwise([*starts, len(lines)]):
        at = dated.get(start)
        label = page.labels[at] if at is not None else None
        blocks.append(Block(list(lines[start:end]), None if at is None else at - start, label, page.date_first))
    return list(lines[: starts[0] if starts else len(lines)]), blocks


def _page(lines: Sequence[Line]) -> Page:
    page = Page(lines, _labels(lines))
    page.date_first = _is_date_first(page)
    _learn_bullets(page)
    return page


def _labels(lines: Sequence[Line]) -> list[Label | None]:
    found = [None if _is_end_of_prose(lines, i) else labels.read(line.text) for i, line in enumerate(lines)]
    known = labels.USUAL | {label.series.lower() for label in found if label and label.series and label.number}
    for i, line in enumerate(lines):
        if not found[i] and not _is_end_of_prose(lines, i):
            found[i] = labels.read(line.text, known)
        if not found[i] and (named := labels.number_only(line.text, known)):
            found[i] = _complete(named, found[i + 1] if i + 1 < len(lines) else None)
    for i, (label, below) in enumerate(pairwise(list(found))):
        if label and below and below.number and not label.number and below.date_label == label.date_label:
            found[i] = below  # the date, and below it the date once more with its number
        # A title may be a date ("5 April 1992"): what leads a block and has a date line below it is one.
        if label and below and (lines[i].bullet or lines[i].heading):
            found[i] = None
    return found


def _is_end_of_prose(lines: Sequence[Line], i: int) -> bool:
    """A wrapped sentence may leave "March 2007." alone on its last line."""
    return i > 0 and not lines[i].gap and not lines[i].bullet and bool(RUNS_ON.search(lines[i - 1].text))


def _complete(named: tuple[str, int], below: Label | None) -> Label:
    """Join "Update 119." with the date on the line below it."""
    if below and not below.number:
        return replace(below, series=named[0], number=named[1])
    return Label(*named, "", None, f"No date is printed beside “{named[0]} {named[1]}”.")


def _is_date_first(page: Page) -> bool:
    """A page prints dates above titles if they lead its blocks, or if it begins with one."""
    dated = [i for i, label in enumerate(page.labels) if label]
    led = [i for i in dated if page.lines[i].bullet or page.lines[i].heading]
    return bool(dated) and (len(led) * 2 > len(dated) or dated[0] == 0)


def _learn_bullets(page: Page) -> None:
    leads = {}
    for at, label in enumerate(page.labels):
        if label and (lead := _lead(page, at)) is not None:
            leads[lead] = at
    if not leads:
        return _learn_bullets_without_dates(page)
    page.bullets = {_kind(page.lines[lead]) for lead in leads}
    page.depth = max(page.lines[lead].indent for lead in leads)
    inner = min((page.lines[at].indent for lead, at in leads.items() if lead != at), default=0)
    page.inner = inner if inner > page.depth else None


def _learn_bullets_without_dates(page: Page) -> None:
    bulleted = [line for line in page.lines if line.bullet]
    if bulleted and not any(page.labels):
        page.bullets = {_kind(bulleted[0])}
        # The first may have lost its indentation when the page was copied.
        page.depth = max(bulleted[0].indent, min((line.indent for line in bulleted[1:]), default=0))


def _kind(line: Line) -> tuple[str, int]:
    return line.bullet, line.group


def _lead(page: Page, at: int) -> int | None:
    """Return the bullet above the date line `at` that leads its block, if there is one."""
    if page.date_first:
        return at if page.lines[at].bullet else None
    for i in range(at - 1, -1, -1):
        if page.labels[i]:
            return None
        if page.lines[i].bullet:
            return i if is_head(page.lines[i:at]) else None
    return None


def is_head(lines: Sequence[Line]) -> bool:
    """Title, caption and byline at most: what may stand between a bullet and its date line."""
    parts = paragraphs(lines)
    sizes = [sum(len(line.text) for line in part) for part in parts]
    return len(parts) <= 4 and max(sizes) <= TITLE_MAX and sum(sizes) <= 2 * TITLE_MAX


def _is_top(page: Page, i: int) -> bool:
    line = page.lines[i]
    if line.heading:
        return True
    if not line.bullet or _kind(line) not in page.bullets or not _is_outer(page, line):
        return False
    return not _in_list(page, i)


def _in_list(page: Page, i: int) -> bool:
    """Bullets on adjacent lines, equally deep, are the points of one list, never blocks."""
    return any(_are_points(page.lines[j], page.lines[j + 1]) for j in (i - 1, i) if 0 <= j < len(page.lines) - 1)


def _are_points(line: Line, below: Line) -> bool:
    return bool(line.bullet and below.bullet) and not below.gap and line.indent == below.indent


def _dated_starts(page: Page) -> dict[int, int]:
    """Map where each dated block begins to its date line."""
    starts: dict[int, int] = {}
    floor, current = 0, None
    for at, label in enumerate(page.labels):
        if not label:
            continue
        start = at if page.date_first and at >= floor else _start(page, floor, at, current)
        if start is not None and not (page.date_first and floor and _repeats(page, at, current)):
            starts[start] = at
            current = label
        floor = at + 1
    return starts


def _repeats(page: Page, at: int, current: Label | None) -> bool:
    return bool(page.labels[at - 1]) and page.labels[at] == current


def _start(page: Page, floor: int, at: int, current: Label | None) -> int | None:
    """Return where the block of the date line `at` begins; None where the line only repeats or strays."""
    if floor == at:
        return None
    tops = [i for i in range(floor, at) if _is_top(page, i)]
    if tops:
        lead = _outermost(page, tops, at)
        if is_head(page.lines[lead:at]) or page.inner is not None or _is_date_last(page, at):
            return _with_caption(page, floor, lead, lead_is_bullet=True)
    title = _paragraph_start(page, floor, at)
    if sum(len(line.text) for line in page.lines[title:at]) > TITLE_MAX:
        return None
    if page.depth >= 0 and not tops and (page.labels[at] == current or _is_inside(page, title)):
        return None  # the item's own date once more, or another one in its text
    return _with_caption(page, floor, title, lead_is_bullet=False)


def _is_inside(page: Page, i: int) -> bool:
    """Indented as the text under a bullet is."""
    return page.inner is not None and page.lines[i].indent >= page.inner


def _is_outer(page: Page, line: Line) -> bool:
    """As deep as the bullets of items. The first line of a page may have lost its own indentation."""
    return line.indent <= page.depth or (page.inner is not None and line.indent < page.inner)


def _outermost(page: Page, tops: list[int], at: int) -> int:
    """Return the bullet around a heading rather than the heading inside it."""
    lead = tops[-1]
    for outer in reversed(tops[:-1]):
        if page.lines[lead].bullet or not page.lines[outer].bullet or not is_head(page.lines[outer:at]):
            break
        lead = outer
    return lead


def _is_date_last(page: Page, at: int) -> bool:
    return at + 1 == len(page.lines) or _is_top(page, at + 1)


def _paragraph_start(page: Page, floor: int, end: int) -> int:
    """Return where the paragraph that ends before `end` begins, not above `floor`."""
    start = end - 1
    while start > floor and not page.lines[start].gap and not page.lines[start].bullet:
        start -= 1
    if start == floor and floor and not page.lines[floor].gap:
        return end - 1  # no blank lines at all: the teaser above touches the title, which is one line
    return start


def _with_caption(page: Page, floor: int, start: int, *, lead_is_bullet: bool) -> int:
    """Move `start` up over the picture's caption above the title, if that is what stands there."""
    if start <= floor or not page.lines[start].gap:
        return start
    above = _paragraph_start(page, floor, start)
    text = " ".join(line.text for line in page.lines[above:start])
    if len(text) > CAPTION_MAX or NOISE.fullmatch(text) or any(_is_top(page, i) for i in range(above, start)):
        return start
    if is_caption(page.lines[above]) or (floor and _stands_outside(page, above)) or _opens_page(page, above, text):
        return above
    unbulleted = not lead_is_bullet and page.depth < 0 and above > floor
    return above if unbulleted and _is_unfinished(text) else start


def is_caption(line: Line) -> bool:
    return line.role == "caption" or (len(line.text) <= CAPTION_MAX and bool(CAPTION.match(line.text)))


def _stands_outside(page: Page, i: int) -> bool:
    """Not indented as the list's own paragraphs are, so it belongs to no item above."""
    return page.inner is not None and page.lines[i].indent < page.inner and not page.lines[i].bullet


def _opens_page(page: Page, i: int, text: str) -> bool:
    """The only line above the first title: a caption if it is a phrase, else the page's name."""
    return i == 0 and not page.lines[0].heading and len(text.split()) >= 5


def _is_unfinished(text: str) -> bool:
    """No sentence: paragraphs of a teaser end with a full stop."""
    return len(text) <= 120 and text[-1:] not in ".!?…:;,\"'”’)]"


def _undated_starts(page: Page, dated: dict[int, int]) -> list[int]:
    heads = {i for start, at in dated.items() for i in range(start, at + 1)}
    starts = [i for i in range(len(page.lines)) if i not in heads and _is_top(page, i)]
    if not starts and page.depth < 0:
        return _standing_headings(page)
    return starts + _left_list(page, dated, starts)


def _left_list(page: Page, dated: dict[int, int], starts: list[int]) -> list[int]:
    """Return where text stands outside the list again, below its last block."""
    last = max([*dated.values(), *starts], default=len(page.lines))
    outside = (i for i in range(last + 1, len(page.lines)) if page.lines[i].gap and _stands_outside(page, i))
    return [i for i in outside if i not in starts][:1]


def _standing_headings(page: Page) -> list[int]:
    """Return short lines above longer text, below the last item of a listing without bullets."""
    dated = [i for i, label in enumerate(page.labels) if label]
    if len(dated) < 2:
        return []
    gaps = [i for i in range(dated[-1] + 1, len(page.lines)) if page.lines[i].gap and not page.lines[i].bullet]
    return [
        i for i, below in zip(gaps[1:], gaps[2:] or [len(page.lines)], strict=False) if _is_standing(page, i, below)
    ]


def _is_standing(page: Page, i: int, below: int) -> bool:
    text = page.lines[i].text
    if len(text) > 60 or text[-1] in ".,;:!…" or NOISE.fullmatch(text):
        return False
    if below > i + 1:
        return page.lines[i + 1].bullet != ""
    return below < len(page.lines) and len(page.lines[below].text) > 60
