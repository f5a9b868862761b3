"""How the pages say dates, numbers and paragraphs. Filters of the templates, named in config/jinja.py."""

from __future__ import annotations

import re
from datetime import date, datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.utils import timezone
from markupsafe import Markup, escape

from publisher import timetable
from publisher.models import Digest
from publisher.models.publications import printed

FILTERS = ("called", "day", "grouped", "moment", "paragraphs", "plural", "query", "short_hash", "tone")
#: The colour that repeats what a state's word says. What is not named here is quiet.
TONES = {
    "good": "queued approved sent published public",
    "wait": "received in_review paused deferred held",
    "busy": "preparing sending publishing removing claimed armed",
    "bad": "failed refused unknown bounced",
}
TONE_OF = {state: tone for tone, states in TONES.items() for state in states.split()}
BLANK_LINE = re.compile(r"\n\s*\n")


def moment(at: datetime, zone: ZoneInfo | None = None) -> str:
    """ "Saturday 31 March, 09:00" on the wall clock of the zone; with the year when it is not this one."""
    return timetable.on_the_wall(zone or timezone.get_current_timezone(), at)


def day(on: date | None) -> str:
    """ "31 March 2007", as the letters print it."""
    return printed(on) if on else "no date"


def called(digest: Digest) -> str:
    """ "Update 120. 31 March 2007"; before it has its number, "the next Update, 31 March 2007"."""
    return digest.label if digest.number else f"the next {digest.publication.series}, {printed(digest.date)}"


def grouped(count: int) -> str:
    return f"{count:,}"


def plural(count: int, one: str, many: str = "") -> str:
    """ "1 member", "2,000 members"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def paragraphs(text: str) -> Markup:
    """Plain text as paragraphs, parted where a line is blank; a single line break stays one."""
    parts = [part.strip() for part in BLANK_LINE.split(text) if part.strip()]
    lines = (Markup("<br>\n").join(escape(line) for line in part.splitlines()) for part in parts)
    return Markup("\n").join(Markup("<p>{}</p>").format(part) for part in lines)


def query(kept: dict[str, str], **more: object) -> str:
    """A query string of what is not empty."""
    return urlencode({name: value for name, value in {**kept, **more}.items() if value not in ("", None)})


def tone(state: str) -> str:
    return TONE_OF.get(state, "")


def short_hash(sha256: str) -> str:
    return sha256[:12]
