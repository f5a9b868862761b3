from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone


def known_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as problem:
        raise ValidationError(f"“{name}” is not a time zone such as “Europe/London”.") from problem


#: First parts of addresses that are ours: a publication called so could not be reached.
RESERVED = frozenset({"staff", "pictures", "leave", "confirm", "accent", "static", "healthz", "readyz", "metrics"})
RESERVED |= {"preferences", "webhooks", "l"}


def free_slug(slug: str) -> None:
    if slug in RESERVED:
        raise ValidationError(f"“{slug}” is one of our own addresses: choose another.")


def printed(day: date) -> str:
    """A date as the letters print it: "31 March 2007"."""
    return f"{day.day} {day:%B %Y}"


class Publication(models.Model):
    """A series that an organisation publishes, such as "Update"."""

    class Measure(models.TextChoices):
        OFF = "off", "nothing"
        LINKS = "links", "how often each link is followed"
        PERSONS = "persons", "who followed which link, of those who agreed"

    slug = models.SlugField(unique=True, validators=[free_slug])
    series = models.CharField(max_length=60, help_text="The word before the number: “Update” in “Update 120”.")
    organisation = models.CharField(max_length=120)
    site_url = models.URLField(blank=True)
    sender_name = models.CharField(max_length=120, blank=True)
    sender_email = models.EmailField()
    reply_to = models.EmailField(blank=True)
    list_id = models.CharField(max_length=120, help_text="Stable for ever, as “update.peru.example”.")
    postal_address = models.TextField(help_text="Printed in the footer of every letter, as the law asks.")
    join_url = models.URLField(blank=True, help_text="Where “Become a member” leads; empty: to our own page.")
    membership = models.TextField(blank=True, help_text="What “Become a member” says: paragraphs, and lists with •.")
    accent = models.CharField(
        max_length=7,
        default="#8a1c1c",
        validators=[RegexValidator(r"^#[0-9a-fA-F]{6}$", "A colour as #8a1c1c.")],
    )
    language = models.CharField(max_length=8, default="en")
    time_zone = models.CharField(max_length=60, default="Europe/London", validators=[known_zone])
    next_number = models.PositiveIntegerField(default=1)
    #: Numbers of digests that were cancelled before anyone received them. The next digest takes the lowest.
    free_numbers = models.JSONField(default=list, blank=True)
    four_eyes = models.BooleanField(default=True, help_text="Nobody approves what they edited themselves.")
    hold_minutes = models.PositiveIntegerField(default=5, help_text="Between approval and the first letter: undo.")
    measure = models.CharField(max_length=10, choices=Measure, default=Measure.OFF, help_text="What links tell us.")
    canary_size = models.PositiveIntegerField(default=0, help_text="So many letters go out first; 0: all at once.")
    canary_minutes = models.PositiveIntegerField(default=15, help_text="For so long the others wait for them.")

    class Meta:
        ordering = ["series"]

    def __str__(self) -> str:
        return f"{self.series} ({self.organisation})"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def today(self, now: datetime | None = None) -> date:
        return (now or timezone.now()).astimezone(self.zone).date()

    def label(self, number: int | None, day: date) -> str:
        """ "Update 120. 31 March 2007": the one wording in subject, header, archive and posts."""
        return f"{self.series} {number}. {printed(day)}" if number else printed(day)


class StandingSection(models.Model):
    """A block that is in every letter: the aims, why to join. `body`: paragraphs parted by a blank line."""

    publication = models.ForeignKey(Publication, models.CASCADE, related_name="sections")
    title = models.CharField(max_length=200)
    body = models.TextField()
    position = models.PositiveIntegerField(default=0)
    shown = models.BooleanField(default=True)

    class Meta:
        ordering = ["position", "id"]
        constraints = [models.UniqueConstraint(fields=["publication", "title"], name="section_once")]

    def __str__(self) -> str:
        return self.title
