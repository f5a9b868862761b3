from __future__ import annotations

from django.db import models

from .people import Person


class Event(models.Model):
    """Who moved what, from, to, when, why. Holds ids, never addresses. Added to, never changed."""

    noun = models.CharField(max_length=20)
    noun_id = models.BigIntegerField()
    verb = models.CharField(max_length=20)
    before = models.CharField(max_length=12, blank=True)
    after = models.CharField(max_length=12, blank=True)
    #: Nobody means: the service itself, by the clock or a worker.
    by = models.ForeignKey(Person, models.PROTECT, null=True, blank=True, related_name="events")
    why = models.TextField(blank=True)
    detail = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["noun", "noun_id", "id"])]

    def __str__(self) -> str:
        return f"{self.noun} {self.noun_id} {self.verb} {self.before}→{self.after}"
