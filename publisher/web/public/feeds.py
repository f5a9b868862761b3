"""The past Updates as an Atom feed (RFC 4287), newest first."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Max, Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import conditional_page, require_safe
from lxml import etree

from ... import links
from ...letters import CONTROL
from ...models import Digest, Publication
from .archive import brief, entries, notes, sent, told

ATOM = "http://www.w3.org/2005/Atom"
MOST = 30


@require_safe
@brief
@conditional_page
def feed(request: HttpRequest, slug: str) -> HttpResponse:
    publication = get_object_or_404(Publication, slug=slug)
    shown = Prefetch("entries", entries().prefetch_related(notes()), to_attr="shown")
    digests = list(_dated(sent().filter(publication=publication)).order_by("-number").prefetch_related(shown)[:MOST])
    for digest in digests:
        digest.publication = publication
    written = etree.tostring(_feed(request, publication, digests), xml_declaration=True, encoding="utf-8")
    return HttpResponse(written, content_type="application/atom+xml; charset=utf-8")


def _dated(digests: QuerySet[Digest]) -> QuerySet[Digest]:
    """With when each was last changed for readers: a correction that became public is a new text."""
    public = Q(entries__corrections__state="public")
    return digests.annotate(corrected_at=Max("entries__corrections__public_at", filter=public))


def _feed(request: HttpRequest, publication: Publication, digests: list[Digest]) -> etree._Element:
    root = etree.Element(f"{{{ATOM}}}feed", nsmap={None: ATOM})
    root.set("{http://www.w3.org/XML/1998/namespace}lang", publication.language)
    _text(root, "id", _id(publication))
    _text(root, "title", f"{publication.series} – {publication.organisation}")
    newest = max(map(_updated, digests), default=datetime(1970, 1, 1, tzinfo=timezone.get_default_timezone()))
    _text(root, "updated", newest.isoformat())
    _link(root, "self", links.feed_url(publication), "application/atom+xml")
    _link(root, "alternate", links.archive_url(publication), "text/html")
    _text(etree.SubElement(root, f"{{{ATOM}}}author"), "name", publication.organisation)
    for digest in digests:
        _entry(request, etree.SubElement(root, f"{{{ATOM}}}entry"), digest)
    return root


def _entry(request: HttpRequest, entry: etree._Element, digest: Digest) -> None:
    _text(entry, "id", f"{_id(digest.publication)}:{digest.number}")
    _text(entry, "title", digest.label)
    _text(entry, "published", _published(digest).isoformat())
    _text(entry, "updated", _updated(digest).isoformat())
    _link(entry, "alternate", links.digest_url(digest), "text/html")
    _text(entry, "summary", " · ".join(one.title for one in digest.shown))
    stories = [told(one, digest) for one in digest.shown]
    page = render(request, "public/_feed_entry.html", {"publication": digest.publication, "stories": stories})
    _text(entry, "content", page.content.decode().strip()).set("type", "html")


def _id(publication: Publication) -> str:
    """A name for ever (RFC 4151): the List-Id is stable, a web address need not be."""
    return f"tag:{publication.list_id},2005:updates"


def _published(digest: Digest) -> datetime:
    return digest.started_at or digest.state_since


def _updated(digest: Digest) -> datetime:
    return max(filter(None, [_published(digest), digest.corrected_at]))


def _text(parent: etree._Element, name: str, text: str) -> etree._Element:
    made = etree.SubElement(parent, f"{{{ATOM}}}{name}")
    made.text = CONTROL.sub("", text)  # which XML cannot hold
    return made


def _link(parent: etree._Element, rel: str, address: str, kind: str) -> None:
    etree.SubElement(parent, f"{{{ATOM}}}link", rel=rel, type=kind, href=address)
