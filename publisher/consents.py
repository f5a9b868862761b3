"""The words to which people say yes, in each language: what stands now, and every version that ever did."""

from __future__ import annotations

import ipaddress

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from . import languages
from .lifecycle import Refusal, note
from .models import ConsentWording, Person, Publication

About = ConsentWording.About
LONGEST = 1_000
TRIES = 3
#: Our own words, until staff write theirs.
OUR_SENTENCES = {
    About.RECEIVING: (
        "I would like to receive {series} from {organisation} by e-mail. "
        "I can leave at any time, with one click in every letter."
    ),
    About.MEASURING: (
        "{organisation} may keep which links in {series} I follow, to learn what its readers care for. "
        "I can take this back here at any time, and then what was kept is deleted."
    ),
}


def current(publication: Publication, language: str, about: About = About.RECEIVING) -> ConsentWording:
    """The words that are shown now: ours, until staff write their own. Each version is kept once it is first shown."""
    newest = _versions(publication, language, about).first()
    ours = our_words(publication, language, about)
    if newest and (not newest.ours or newest.text == ours):
        return newest
    return _add(publication, language, about, ours, by=None)


def version(publication: Publication, language: str, number: str) -> ConsentWording | None:
    """The words that a form showed, by the number that it sends along; None where there never were such."""
    if not number.isdecimal() or len(number) > 6:
        return None
    return _versions(publication, language, About.RECEIVING).filter(version=int(number)).first()


def earlier(worded: ConsentWording) -> QuerySet[ConsentWording]:
    versions = _versions(worded.publication, worded.language, About(worded.about))
    return versions.filter(version__lt=worded.version)


def change(
    publication: Publication, language: str, text: str, *, by: Person, about: About = About.RECEIVING
) -> ConsentWording:
    """From now on people say yes to these words. Who said yes before, said it to those that stood then."""
    text = " ".join(text.split())
    if not text or len(text) > LONGEST:
        raise Refusal(f"Write what people agree to, in at most {LONGEST:,} characters.")
    now = current(publication, language, about)
    return now if text == now.text else _add(publication, language, about, text, by=by)


def shortened(network: str) -> str:
    """A network as it is kept: /24, and /48 of IPv6, where a provider's /56 would be one household's line."""
    try:
        known = ipaddress.ip_network(network)
    except ValueError:
        return ""
    return str(known.supernet(new_prefix=48) if known.version == 6 and known.prefixlen > 48 else known)


def our_words(publication: Publication, language: str, about: About = About.RECEIVING) -> str:
    names = {"series": publication.series, "organisation": publication.organisation}
    return languages.say(language, OUR_SENTENCES[about], **names)


def _versions(publication: Publication, language: str, about: About) -> QuerySet[ConsentWording]:
    known = ConsentWording.objects.filter(publication=publication, about=about, language=language)
    return known.order_by("-version")


def _add(publication: Publication, language: str, about: About, text: str, *, by: Person | None) -> ConsentWording:
    for _ in range(TRIES):
        newest = _versions(publication, language, about).first()
        if newest and newest.text == text:
            return newest  # somebody else has just added it
        number = newest.version + 1 if newest else 1
        try:
            with transaction.atomic():
                added = ConsentWording.objects.create(
                    publication=publication, about=about, language=language, version=number,
                    text=text, ours=by is None, by=by,
                )  # fmt: skip
                if by:
                    note(publication, "reworded consent", by=by, about=about, language=language, version=number)
        except IntegrityError:
            continue
        return added
    raise Refusal("Somebody else changes these words at the same moment. Look at them, and try again.")
