"""The frame of a digest's letter: what is the same in every member's message, and which headers there are."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Mapping
from functools import cache, partial
from typing import cast

from django.conf import settings

from .. import links
from ..letters import Letter
from ..models import Digest, MeasuringConsent, Proof, Publication
from . import keys, message
from .addresses import ascii_domain
from .assembly import Assembly
from .statements import Due

#: Why somebody gets it who has not asked for it: the charitable soft opt-in. Who has, reads the letter's own words.
_MET = "you supported its work or showed interest, and have not opted out"

#: How much longer than the first a message may be: names differ, and links by a few digits.
_SLACK = 1024

#: Seconds for which a letter is not assembled anew.
_FRAME_FOR = 30.0

#: A provider has return addresses of its own; of ours it is told the token, and no mail ever goes there.
_AT_PROVIDER = "bounces@provider.invalid"

_kept = threading.local()


def frame_of(digest: Digest, proof: Proof) -> Frame:
    """The frame that this thread's last batch had, if it was of this proof, and not long ago: keys may be changed."""
    key, now = (digest.pk, proof.sha256, digest.started_at), time.monotonic()
    kept, made_at, made = getattr(_kept, "frame", (None, 0.0, None))
    if made is not None and kept == key and now - made_at < _FRAME_FOR:
        return cast(Frame, made)
    frame = Frame(digest, proof)
    _kept.frame = key, now, frame
    _spare_the_collector()
    return frame


@cache
def _spare_the_collector() -> None:
    """Let the garbage collector leave alone what the process has loaded: it went through all of it with each claim."""
    gc.freeze()


class Frame:
    """What is the same in every member's message of one digest."""

    def __init__(self, digest: Digest, proof: Proof) -> None:
        publication = digest.publication
        # From the proof, not from the publication: who it is from was approved too. In A-labels: any relay takes them.
        self.sender = ascii_domain(proof.sender["email"])
        self.domain = self.sender.rpartition("@")[2]
        self._leave = links.leaver(publication.pk)
        self._digest_id, self._agreed = digest.pk, _agreed(publication, proof)
        self._message_id = message.id_maker(proof.sha256, self.domain)
        self._returns = settings.BOUNCE_ADDRESS or (_AT_PROVIDER if settings.MAIL_PROVIDER.strip() else "")
        assert digest.started_at is not None
        assembly = partial(
            Assembly,
            Letter(subject=proof.subject, html=proof.html, text=proof.text),
            sender=(proof.sender["name"], self.sender),
            headers=_headers(digest, proof),
            date=digest.started_at,
            prefixes={"unsubscribe_url": links.leave_prefix()},
            constants={"view_url": links.digest_url(digest)},
            signers=keys.signers_for(self.domain),
        )
        self._assembly, self._plain = assembly(), assembly(plain=True)
        self.size = len(self.message(Due(0, "nobody@example.org", 0, None, None, 0, "", "", True))) + _SLACK

    def message(self, due: Due) -> bytes:
        """The member's message, in wire form. Raises CannotBuild."""
        return b"".join(self.pieces(due))

    def pieces(self, due: Due) -> list[bytes]:
        """The same, not put together."""
        leave = self._leave(due.member_id or 0)
        assembly = self._plain if due.plain else self._assembly
        return assembly.pieces(
            recipient=(f"{due.first_name} {due.last_name}".strip(), due.address),
            values={
                "first_name": due.first_name,
                "last_name": due.last_name,
                "unsubscribe_url": leave,
                "because": _MET if due.met else "",
                "reader": self._reader(due.member_id),
            },
            message_id=self._message_id(due.address),
        )

    def _reader(self, member_id: int | None) -> str:
        """Who follows a link is told by the links of those alone who agreed."""
        return links.reader(member_id, self._digest_id) if member_id in self._agreed and member_id else ""

    def sender_for(self, due: Due) -> str:
        """The envelope's sender, to which bounces go."""
        return links.bounce_address(due.id, self._returns) if self._returns else self.sender


def _agreed(publication: Publication, proof: Proof) -> frozenset[int]:
    """The members who agreed to be told apart; read for a letter alone in which they can be."""
    if "{reader}" not in proof.html:
        return frozenset()
    agreed = MeasuringConsent.objects.filter(subscription__publication=publication)
    return frozenset(agreed.values_list("subscription__member", flat=True))


def _headers(digest: Digest, proof: Proof) -> Mapping[str, str]:
    publication = digest.publication
    given = {
        "List-Unsubscribe": "<{unsubscribe_url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": f"<{proof.sender['list_id']}>",
        "List-Archive": f"<{links.archive_url(publication)}>",
        "Precedence": "bulk",
        "Feedback-ID": f"{proof.sha256[:12]}:{publication.slug}:digest:publisher",
    }
    reply_to = proof.sender["reply_to"]
    return {**given, "Reply-To": reply_to} if reply_to else given
