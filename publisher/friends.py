"""An Update, or one item of it, for a friend: one mail, and the friend is not kept.

No words of the sender go along: what anybody may type, robots fill with links. No name either, since nobody who stands
at a public page has shown who they are; who comes by their own mailed link has, and is named.
"""

from __future__ import annotations

import re
import textwrap

from django.db import transaction

from . import asking, languages, links, members, notices, preferences
from .models import Consent, Digest, Entry, Member, Subscription

FITS = 400  # characters of a teaser
#: What may stand as a name in a mail to a stranger: no address, no number, nothing that a robot would advertise.
NAME = re.compile(r"(?:[^\W\d_]|\d(?!\d)|[ '’-]|\.(?= |$)){1,60}")


def send(
    digest: Digest, entry: Entry | None, email: str, *, network: str, language: str, sender: Member | None = None
) -> None:
    """Mail the digest, or this entry of it, to the address. Outwardly the same where caps or a suppression forbid it.

    Refusal where it is no address. The address stands on the notice until it was handed over, and nowhere after.
    """
    address = members.normalise(email)
    publication = digest.publication
    with transaction.atomic():
        if preferences.suppressed(address) or not asking.allow(asking.What.FRIEND, address, network):
            return
        notices.write_to(
            "friend",
            publication,
            address,
            sender=_named(sender),
            label=digest.label,
            title_of=entry.title if entry else "",
            teasers=_teasers(digest, entry),
            read_url=links.entry_url(entry) if entry else links.digest_url(digest),
            subscribe_url=links.subscribe_url(publication),
            organisation=publication.organisation,
            series=publication.series,
            accent=publication.accent,
            language=languages.first_known(language, publication.language),
            postal_address=publication.postal_address,
        )


def _teasers(digest: Digest, entry: Entry | None) -> list[str]:
    """The item's own beginning, or the headlines of the issue: words that were approved, and no others."""
    if entry:
        return [textwrap.shorten(entry.teaser, FITS, placeholder=" …")]
    shown = digest.entries.exclude(item__state="withdrawn")
    return list(shown.values_list("title", flat=True))


def _named(sender: Member | None) -> str:
    """The sender's name, if they have confirmed it or a list brought it: until then anybody may have typed it."""
    if sender is None or not NAME.fullmatch(sender.name):
        return ""
    known = Consent.objects.filter(
        Consent.KNOWN, subscription__member=sender, subscription__state=Subscription.State.ACTIVE
    )
    return sender.name if known.exists() else ""
