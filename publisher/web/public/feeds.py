"""The past Updates as an Atom feed (RFC 4287), newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import conditional_page, require_safe
from lxml import etree

from ... import links
from ...letters import CONTROL
from ...models import Digest, Publication
from .archive import Story, brief, entries, notes, sent, told

ATOM = "http://www.w3.org/2005/Atom"
MOST = 30
#: When a feed without entries was changed: it has to say something.
BEFORE_ALL = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Issue:
    digest: Digest
    stories: list[Story]

    @property
    def published(self) -> datetime:
        return self.digest.started_at or self.digest.state_since

    @property
    def updated(self) -> datetime:
        """A correction that became public is a new text."""
        corrected = (note.public_at for story in self.stories for note in story.notes if note.public_at)
        return max([self.published, *corrected])


@require_safe
@brief
@conditional_page
def feed(request: HttpRequest, slug: str) -> HttpResponse:
    publication = get_object_or_404(Publication, slug=slug)
    shown = Prefetch("entries", entries().prefetch_related(notes()))
    digests = sent().filter(publication=publication).order_by("-number").prefetch_related(shown)[:MOST]
    issues = [Issue(digest, [told(one, digest) for one in digest.entries.all()]) for digest in digests]
    written = etree.tostring(_feed(request, publication, issues), xml_declaration=True, encoding="utf-8")
    return HttpResponse(written, content_type="application/atom+xml; charset=utf-8")


def _feed(request: HttpRequest, publication: Publication, issues: list[Issue]) -> etree._Element:
    root = etree.Element(f"{{{ATOM}}}feed", nsmap={None: ATOM})
    root.set("{http://www.w3.org/XML/1998/namespace}lang", publication.language)
    _text(root, "id", _id(publication))
    _text(root, "title", f"{publication.series} – {publication.organisation}")
    _text(root, "updated", max((issue.updated for issue in issues), default=BEFORE_ALL).isoformat())
    _link(root, "self", links.feed_url(publication), "application/atom+xml")
    _link(root, "alternate", links.archive_url(publication), "text/html")
    _text(etree.SubElement(root, f"{{{ATOM}}}author"), "name", publication.organisation)
    for issue in issues:
        _entry(request, etree.SubElement(root, f"{{{ATOM}}}entry"), issue)
    return root


def _entry(request: HttpRequest, entry: etree._Element, issue: Issue) -> None:
    digest, stories = issue.digest, issue.stories
    _text(entry, "id", f"{_id(digest.publication)}:{digest.number}")
    _text(entry, "title", digest.label)
    _text(entry, "published", issue.published.isoformat())
    _text(entry, "updated", issue.updated.isoformat())
    _link(entry, "alternate", links.digest_url(digest), "text/html")
    _text(entry, "summary", " · ".join(story.entry.title for story in stories))
    page = render(request, "public/_feed_entry.html", {"publication": digest.publication, "stories": stories})
    _text(entry, "content", page.content.decode().strip()).set("type", "html")


def _id(publication: Publication) -> str:
    """A name for ever (RFC 4151): the List-Id is stable, a web address need not be."""
    return f"tag:{publication.list_id},2005:updates"


def _text(parent: etree._Element, name: str, text: str) -> etree._Element:
    made = etree.SubElement(parent, f"{{{ATOM}}}{name}")
    made.text = CONTROL.sub("", text)  # which XML cannot hold
    return made


def _link(parent: etree._Element, rel: str, address: str, kind: str) -> None:
    etree.SubElement(parent, f"{{{ATOM}}}link", rel=rel, type=kind, href=address)
