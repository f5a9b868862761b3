from __future__ import annotations

from django.db import models
from django.utils import timezone

from .publications import Publication


class Source(models.Model):
    """Where items come from. A source with `poll_minutes` is asked again by the clock."""

    class Kind(models.TextChoices):
        LISTING = "listing", "listing page"
        FEED = "feed", "RSS or Atom feed"
        WORDPRESS = "wordpress", "WordPress site"
        FOLDER = "folder", "folder"

    publication = models.ForeignKey(Publication, models.CASCADE, related_name="sources")
    address = models.CharField(max_length=2000, help_text="A web address, or a path on this machine.")
    kind = models.CharField(max_length=12, choices=Kind, blank=True, help_text="Empty: found out by reading.")
    poll_minutes = models.PositiveIntegerField(null=True, blank=True)
    next_poll_at = models.DateTimeField(null=True, blank=True, db_index=True)
    etag = models.CharField(max_length=500, blank=True)
    last_modified = models.CharField(max_length=100, blank=True)
    last_read_at = models.DateTimeField(null=True, blank=True)
    problem = models.TextField(blank=True, help_text="Why the last reading failed, in a sentence.")
    #: Lines of the last reading that could not be read: [{"line": 12, "text": "…", "why": "…"}]
    unread = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["publication", "address"], name="source_once")]

    def __str__(self) -> str:
        return self.address

    @classmethod
    def due(cls) -> models.QuerySet[Source]:
        return cls.objects.filter(poll_minutes__isnull=False, next_poll_at__lte=timezone.now())
