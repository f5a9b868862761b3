from __future__ import annotations

from datetime import UTC, datetime

from django.db import models
from django.utils import timezone

from .digests import Digest, Entry
from .members import ConsentWording, Subscription
from .publications import Publication


class Click(models.Model):
    """How often a link of a letter was followed on a day, by people or by machines. Nothing leads to a person."""

    class By(models.TextChoices):
        PERSON = "person", "people"
        MACHINE = "machine", "machines"

    digest = models.ForeignKey(Digest, models.CASCADE, related_name="clicks", db_index=False)
    entry = models.ForeignKey(Entry, models.CASCADE, related_name="clicks")
    # A day and no time: of few who read, a second would tell who it was.
    day = models.DateField()
    by = models.CharField(max_length=10, choices=By)
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["digest", "entry", "day", "by"], name="click_once")]

    def __str__(self) -> str:
        return f"click {self.pk}"


class MeasuringConsent(models.Model):
    """A member agreed that it is kept which links they follow. Withdrawn, it is gone, and what was kept with it."""

    subscription = models.OneToOneField(Subscription, models.CASCADE, related_name="measuring")
    how = models.CharField(max_length=120, help_text="“preference page” …")
    #: Which of our wordings they saw; `wording` has the words where they were somebody else's.
    worded = models.ForeignKey(ConsentWording, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    wording = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"measuring consent {self.pk}"

    @property
    def words(self) -> str:
        """What the member was told."""
        return self.worded.text if self.worded else self.wording


class Reading(models.Model):
    """A member who agreed followed a link: once for each, when first."""

    consent = models.ForeignKey(MeasuringConsent, models.CASCADE, related_name="readings", db_index=False)
    entry = models.ForeignKey(Entry, models.CASCADE, related_name="readings")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["consent", "entry"], name="reading_once")]

    def __str__(self) -> str:
        return f"reading {self.pk}"


class MembersOfDay(models.Model):
    """How many joined a publication, left it, or had an address that letters came back from, on a day."""

    publication = models.ForeignKey(Publication, models.CASCADE, related_name="days", db_index=False)
    day = models.DateField()
    joined = models.PositiveIntegerField(default=0)
    left = models.PositiveIntegerField(default=0)
    bounced = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["day"]
        constraints = [models.UniqueConstraint(fields=["publication", "day"], name="members_of_day_once")]

    def __str__(self) -> str:
        return f"{self.publication_id} {self.day}"


class TalliedTo(models.Model):
    """The last event that is in the counts of days, and when all there was had been counted: one row."""

    event = models.BigIntegerField(default=0)
    at = models.DateTimeField(default=datetime(2000, 1, 1, tzinfo=UTC))

    def __str__(self) -> str:
        return f"event {self.event}"
