"""Making a proof: the exact bytes of a digest and its posts, and the SHA-256 over all of it.

Whether it still holds is asked by reviews.py at the approval, by digests.py at the start, by posting.py at each post.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from . import letters, links
from .delivery import ledger
from .delivery.addresses import CannotBuild
from .delivery.assembly import Assembly
from .lifecycle import Refusal
from .models import Digest, Entry, Person, Post, PostSet, Proof, Publication

#: What is frozen, hashed and approved: these fields of a Proof, and nothing that goes out is outside them. Where links
#: are counted, so is where they lead.
CONTENT = ("subject", "html", "text", "sender", "posts", "audience")


JOIN_LABEL = "Become a member"


#: Of a set, what has not gone out yet: an edit of the rest is approved without what followers have read.
TO_GO = Q(state__in=["draft", "approved", "held"])


def freeze(whole: Digest | PostSet, *, by: Person | None) -> Proof:
    """The proof of a digest or of a set of posts as it stands. The same bytes give the same proof."""
    content = _content(whole)
    if isinstance(whole, Digest):
        _assemble(content)
    base_url = settings.BASE_URL if isinstance(whole, Digest) else ""
    made = {**content, "audience_count": _audience_count(whole), "made_by": by, "base_url": base_url}
    if isinstance(whole, Digest):
        return Proof.objects.get_or_create(digest=whole, sha256=sha256(content), defaults=made)[0]
    return Proof.objects.get_or_create(post_set=whole, sha256=sha256(content), defaults=made)[0]


def _assemble(content: dict[str, Any]) -> None:
    """Refusal for what no mail can carry, a name of two lines for one: else it is found out after the approval."""
    sender = content["sender"]
    headers = {"List-Id": f"<{sender['list_id']}>", "Reply-To": sender["reply_to"]}
    letter = letters.Letter(*(content[part] for part in ("subject", "html", "text")))
    try:
        Assembly(
            letter,
            sender=(sender["name"], sender["email"]),
            headers={name: value for name, value in headers.items() if value},
            date=timezone.now(),
        )
    except CannotBuild as problem:
        raise Refusal(f"No mail can be made of this. {problem}") from problem


def intact(proof: Proof) -> bool:
    """Whether the stored bytes are those that the hash was made of."""
    stored = {name: getattr(proof, name) for name in CONTENT}
    return sha256({**stored, "links": proof.links} if proof.links else stored) == proof.sha256


def still_true(proof: Proof) -> bool:
    """Whether the proof's bytes hash to what it says, and are what would go out now."""
    return intact(proof) and sha256(_content(proof.of)) == proof.sha256


def made_elsewhere(proof: Proof) -> str:
    """Why its links lead elsewhere than those that are added at the sending; empty where all have one beginning."""
    if proof.base_url in ("", settings.BASE_URL):
        return ""
    return (
        f"The letter's links begin with {proof.base_url}, and PUBLISHER_BASE_URL is {settings.BASE_URL} here. "
        "Set it alike where proofs are made and where letters are sent; then change the digest and have that approved."
    )


def as_approved(post: Post) -> bool:
    """Whether the approved proof of what it belongs to holds exactly this post. Without a proof nothing is compared."""
    whole = post.digest or post.post_set
    if whole is None or whole.proof_id is None:
        return True
    return _post(post) in Proof.objects.values_list("posts", flat=True).get(pk=whole.proof_id)


def sha256(content: dict[str, Any]) -> str:
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def letter(digest: Digest) -> letters.Letter:
    made = letters.render(edition(digest))
    if digest.publication.measure != Publication.Measure.PERSONS:
        return made
    return replace(made, html=links.with_reader(made.html), text=links.with_reader(made.text))


def edition(digest: Digest) -> letters.Edition:
    """What the letter is made of, read from the rows."""
    publication = digest.publication
    entries = digest.entries.select_related("picture", "digest__publication").defer("picture__content")
    sections = publication.sections.filter(shown=True)
    return letters.Edition(
        organisation=publication.organisation,
        series=publication.series,
        label=digest.label,
        introduction=digest.introduction,
        entries=tuple(_entry(digest, entry) for entry in entries),
        sections=(*_corrections(digest), *(letters.Section(one.title, _without_call(one.body)) for one in sections)),
        join_url=links.membership_url(publication),
        join_label=JOIN_LABEL,
        archive_url=links.archive_url(publication),
        preferences_url=links.ask_preferences_url(),
        site_url=publication.site_url,
        postal_address=publication.postal_address,
        accent=publication.accent,
        language=publication.language,
    )


def _corrections(digest: Digest) -> list[letters.Section]:
    """What was wrong in earlier issues, in the words that readers of the archive see."""
    told = digest.corrections.order_by("public_at", "id").prefetch_related("entries__digest__publication")
    return [letters.Section(*correction.as_told(digest)) for correction in told]


def _without_call(body: str) -> str:
    """A section's text without the call that ends it on the site: the letter has it as its button."""
    text, _, last = body.rstrip().rpartition("\n\n")
    return text if last.strip() == JOIN_LABEL else body


def _entry(digest: Digest, entry: Entry) -> letters.Entry:
    picture, link = entry.picture, _link(digest, entry)
    return letters.Entry(
        title=entry.title,
        label=digest.label,
        teaser=entry.teaser,
        link=link,
        byline=entry.byline or None,
        image_url=links.picture_url(picture) if picture else None,
        image_alt=entry.image_alt,
        image_caption=entry.image_caption or None,
        image_width=picture.width if picture else None,
        image_height=picture.height if picture else None,
        more_url=link,
    )


def _link(digest: Digest, entry: Entry) -> str | None:
    if not entry.link or digest.publication.measure == Publication.Measure.OFF:
        return entry.link or None
    return links.counted_url(entry)


def _audience_count(whole: Digest | PostSet) -> int:
    return ledger.audience(whole.publication, _rule(whole)).count() if isinstance(whole, Digest) else 0


def _content(whole: Digest | PostSet) -> dict[str, Any]:
    return _content_of_digest(whole) if isinstance(whole, Digest) else _content_of_set(whole)


def _content_of_set(post_set: PostSet) -> dict[str, Any]:
    """Posts, and no letter to anybody."""
    nothing: dict[str, Any] = {"html": "", "text": "", "sender": {}, "audience": {}}
    to_go = post_set.posts.filter(TO_GO).select_related("channel")
    return {**nothing, "subject": post_set.title, "posts": [_post(post) for post in to_go]}


def _content_of_digest(digest: Digest) -> dict[str, Any]:
    made = letter(digest)
    return {
        "subject": made.subject,
        "html": made.html,
        "text": made.text,
        "sender": _sender(digest.publication),
        "posts": [_post(post) for post in digest.posts.exclude(state="cancelled").select_related("channel")],
        "audience": _audience(digest),
        **_links(digest),
    }


def _links(digest: Digest) -> dict[str, Any]:
    """Where counted links lead. Nothing at all where none is counted: such a proof is what it always was."""
    led = {str(entry.pk): entry.link for entry in digest.entries.all() if entry.link}
    return {"links": led} if led and digest.publication.measure != Publication.Measure.OFF else {}


def _audience(digest: Digest) -> dict[str, Any]:
    """The rule itself, and not only its name: a segment that is changed later is not what was approved."""
    whole = {"publication": digest.publication.slug, "subscription": "active"}
    return {**whole, "segment": digest.segment.name, "rule": _rule(digest)} if digest.segment else whole


def _rule(digest: Digest) -> dict[str, Any]:
    return dict(digest.segment.rule) if digest.segment else {}


def _sender(publication: Publication) -> dict[str, str]:
    return {
        "name": publication.sender_name or publication.organisation,
        "email": publication.sender_email,
        "reply_to": publication.reply_to,
        "list_id": publication.list_id,
    }


def _post(post: Any) -> dict[str, Any]:
    return {
        "post": post.pk,
        "channel": str(post.channel),
        "purpose": post.purpose,
        "text": post.text,
        "link": post.link,
        "picture": post.picture_id,
        "alt": post.image_alt,
    }
