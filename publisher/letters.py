"""Letters: from an edition's words to the subject, HTML and text that members receive. Pure.

    Edition | Jinja2 (templates/mail/<name>/) | MJML | mrml | Letter(subject, html, text)

A letter is rendered once for all its readers. What differs per reader stands in the bytes as a merge field
(`{first_name|friend}`, `{unsubscribe_url}`, `{because|you asked for it}`) and is filled in when the message is
assembled. Only the templates and the introduction may hold merge fields: a brace in an item's text is a brace.
"""

import re
import textwrap
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import mjml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from publisher import colours, languages
from publisher.merge import FIELDS
from publisher.mjml_components import problems
from publisher.standing import Bullets, blocks

__all__ = ["Edition", "Entry", "Letter", "Section", "problems", "render", "render_mail"]

TEMPLATES = Path(__file__).resolve().parent.parent / "templates" / "mail"
ACCENT = "#8a1c1c"
SUBJECT_FITS = 70  # characters; most inboxes cut a subject soon after
PREVIEW_FITS = 140
PICTURE_FITS = (536, 400)  # the measure of 600 without its margins; a tall picture must not fill the screen
COLUMNS = 72

# Stands for a "{" that is only a brace, until nothing looks for merge fields between here and the end of `render`.
BRACE = "\ue000"
CONTROL = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff{BRACE}]")
MERGE_FIELD = re.compile(r"\{[a-z_]+(?:\|[^{}]*)?\}")
FIELD_IN_WORDS = re.compile(rf"{BRACE}(?=(?:{'|'.join(FIELDS)})[|}}])")

# mrml (mjml-python 1.4) prints attributes, and the title among them, as Rust debugs a string: a backslash doubled, a
# no-break space or an accent on its own as `\u{a0}`. Character references pass through it untouched.
AS_ATTRIBUTE = re.compile(r"<mj-title>[^<]*|<[^>]*>")
NOT_PLAIN = re.compile(r"[^\x00-\x7f]|\\")

ADDRESSES = frozenset({"link", "more_url", "image_url", "join_url", "archive_url", "site_url", "preferences_url"})
FOLLOWED = frozenset({"http", "https"})


@dataclass(frozen=True)
class Entry:
    title: str
    label: str  # as printed beneath the title: "Update 120. 31 March 2007"
    teaser: str  # paragraphs parted by a blank line
    link: str | None = None
    byline: str | None = None
    image_url: str | None = None
    image_alt: str = ""
    image_caption: str | None = None
    image_width: int | None = None
    image_height: int | None = None
    more_url: str | None = None  # where "Read more" leads: the link, or the item's place in the archive

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Width and height to show the picture at: within PICTURE_FITS, never enlarged. None where unknown."""
        if not (self.image_width and self.image_height):
            return None
        wide, high = PICTURE_FITS
        scale = min(1, wide / self.image_width, high / self.image_height)
        return max(1, round(self.image_width * scale)), max(1, round(self.image_height * scale))


@dataclass(frozen=True)
class Section:
    """A standing section. Paragraphs are parted by a blank line; lines starting with "• " are a list."""

    title: str
    body: str


@dataclass(frozen=True)
class Edition:
    organisation: str
    series: str
    label: str
    introduction: str
    entries: tuple[Entry, ...]
    sections: tuple[Section, ...]
    join_url: str
    join_label: str
    archive_url: str
    site_url: str
    postal_address: str
    accent: str = ACCENT
    language: str = "en"
    preferences_url: str = ""  # where one has the link to one's own mailed; the same for everybody
    corrects: str | None = None  # the label of the issue that this letter corrects

    @property
    def heading(self) -> str:
        return f"Correction to {self.corrects}" if self.corrects else self.label

    @property
    def subject(self) -> str:
        """The label first, since that is what people look for; the organisation behind it where both fit."""
        whole = f"{self.heading} – {self.organisation}"
        return whole if len(whole) <= SUBJECT_FITS else self.heading

    @property
    def preview(self) -> str:
        """What inboxes show behind the subject: the first headlines."""
        return textwrap.shorten(" · ".join(entry.title for entry in self.entries), PREVIEW_FITS, placeholder=" …")


Thing = TypeVar("Thing", Edition, Entry, Section)


@dataclass(frozen=True)
class Letter:
    subject: str
    html: str
    text: str


def render(edition: Edition) -> Letter:
    """The letter of one edition, for all its readers."""
    return render_mail("update", edition=_inert(edition), accent=edition.accent, language=edition.language)


def render_mail(name: str, *, accent: str = ACCENT, language: str = "en", **context: Any) -> Letter:
    """The mail of `templates/mail/<name>/`. Raises jinja2.UndefinedError where the template needs more than it got."""
    context = {key: _words(value) if isinstance(value, str) else value for key, value in context.items()}
    context |= {"light": colours.light(accent), "dark": colours.dark(accent), "language": language}
    context["subject"] = " ".join(ENVIRONMENT.get_template(f"{name}/subject.txt").render(context).split())
    return Letter(
        subject=_settle_text(context["subject"]),
        html=_settle_html(mjml.mjml2html(markup(name, context), fonts={})),
        text=_settle_text(ENVIRONMENT.get_template(f"{name}/body.txt").render(context)).strip() + "\n",
    )


def markup(name: str, context: dict[str, Any]) -> str:
    """The MJML of a mail. Indentation is taken out: it would be a tenth of what is sent."""
    flat = re.sub(r"\n\s+", "\n", ENVIRONMENT.get_template(f"{name}/body.mjml").render(context))
    return AS_ATTRIBUTE.sub(lambda found: NOT_PLAIN.sub(_reference, found[0]), flat.replace(BRACE, "&#123;"))


def _reference(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"


def wrap(text: str, indent: int = 0, bullet: str = "") -> str:
    """`text` in lines of COLUMNS at most. Links and merge fields are never broken, however long they are."""
    unbroken = MERGE_FIELD.sub(lambda field: field[0].replace(" ", "\x1f"), text)
    margin = " " * indent
    return textwrap.fill(
        unbroken, COLUMNS, initial_indent=margin + bullet, subsequent_indent=margin + " " * len(bullet),
        break_long_words=False, break_on_hyphens=False,
    ).replace("\x1f", " ")  # fmt: skip


def wrap_blocks(text: str, indent: int = 0) -> str:
    """The paragraphs and lists of `text`, wrapped, a blank line between them."""
    return "\n\n".join(
        "\n".join(wrap(line, indent, "• ") for line in block.lines)
        if isinstance(block, Bullets)
        else wrap(block.text, indent)
        for block in blocks(text)
    )


def _inert(edition: Edition) -> Edition:
    """The edition with nothing alive in it but the merge fields of its introduction."""
    quiet = _quiet(edition)
    return replace(
        quiet,
        introduction=CONTROL.sub("", edition.introduction),
        entries=tuple(_quiet(entry) for entry in edition.entries),
        sections=tuple(_quiet(section) for section in edition.sections),
    )


def _quiet(thing: Thing) -> Thing:
    quiet: dict[str, Any] = {
        name: _address(value) if name in ADDRESSES else _words(value)
        for name, value in vars(thing).items()
        if isinstance(value, str)
    }
    return replace(thing, **quiet)


def _words(text: str) -> str:
    return CONTROL.sub("", text).replace("{", BRACE)


def _address(url: str) -> str:
    """The address if people can follow it, else "". A merge field in it would tell its server whose mail it is."""
    try:
        followed = urlsplit(url).scheme in FOLLOWED and not CONTROL.search(url)
    except ValueError:  # brackets around what is no IPv6 address
        return ""
    return "".join(url.split()).replace("{", "%7B").replace("}", "%7D") if followed else ""


def _settle_text(text: str) -> str:
    """Braces again. An item that prints a merge field gets a word joiner in it: invisible, and never filled."""
    return FIELD_IN_WORDS.sub("{\u2060", text).replace(BRACE, "{")


def _settle_html(html: str) -> str:
    # mrml drops the role of an mj-table (1.4), and screen readers would announce a table of one column.
    return re.sub(r"<table(?![^>]*\brole=)", '<table role="presentation"', html) + "\n"


ENVIRONMENT = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=select_autoescape(enabled_extensions=("mjml",)),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.filters |= {"blocks": blocks, "wrap": wrap, "wrap_blocks": wrap_blocks}
ENVIRONMENT.globals["say"] = languages.say_in_mail
ENVIRONMENT.tests["bullets"] = lambda block: isinstance(block, Bullets)
