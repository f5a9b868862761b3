"""Why people left, where they said so: counted by month, with their own words, and without persons."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby

from .models import Farewell, Publication
from .printable import one_line

FITS = 500
#: So many of a month's own words are shown: a page is no archive.
SHOWN = 100
#: What somebody typed among their words and may be a person: an address, a number of a telephone.
_ADDRESS, _NUMBER = re.compile(r"\S+@\S+"), re.compile(r"\+?\d(?:[\s().-]{0,2}\d){6,}")


@dataclass(frozen=True)
class Month:
    """Of how many who left in it which reason was given, and what they said in their own words."""

    first: date
    reasons: Counter[str] = field(default_factory=Counter)
    words: list[tuple[str, str]] = field(default_factory=list)

    @property
    def unshown(self) -> int:
        return max(0, len(self.words) - SHOWN)


def say(publication: Publication, reason: str, words: str = "") -> bool:
    """Keep why somebody left, without the person; False where it is none of the reasons that we offer.

    Out of their own words goes what looks like an address or a telephone's number.
    """
    if reason not in Farewell.Reason.values:
        return False
    said = one_line(words[: 4 * FITS])
    said = _NUMBER.sub("(a number)", _ADDRESS.sub("(an address)", said))[:FITS]
    Farewell.objects.create(publication=publication, reason=reason, words=said, on=publication.today())
    return True


def months(publication: Publication, number: int = 12) -> list[Month]:
    """The newest months in which anybody gave a reason, the newest first.

    A month and no day, and the words by the alphabet: of few who left, an order would tell who said what.
    """
    rows = Farewell.objects.filter(publication=publication).order_by("-on").values_list("on", "reason", "words")
    found: list[Month] = []
    for first, group in groupby(rows.iterator(), lambda row: row[0].replace(day=1)):
        if len(found) == number:
            break
        given = list(group)
        labels = {value: str(label) for value, label in Farewell.Reason.choices}
        words = sorted((said, labels[reason]) for _, reason, said in given if said)
        found.append(Month(first, Counter(reason for _, reason, _ in given), words))
    return found
