from __future__ import annotations

import hashlib
import hmac

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from .lives import Lives, known_states, moves
from .people import Person
from .publications import Publication


class Member(models.Model):
    """A person who receives. Paid membership is the organisation's own ledger, not ours."""

    email = models.EmailField()
    first_name = models.CharField(max_length=120, blank=True)
    last_name = models.CharField(max_length=120, blank=True)
    language = models.CharField(max_length=8, blank=True)
    # In the database too: lists come in by SQL of their own.
    plain_text = models.BooleanField(default=False, db_default=False, help_text="Letters without HTML.")
    joined_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        # Not unique=True: that brings a second index for LIKE, and nobody asks for the beginning of an address.
        constraints = [models.UniqueConstraint(fields=["email"], name="member_once")]

    def __str__(self) -> str:
        return f"member {self.pk}"  # never the address: this ends up in logs

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


SUBSCRIPTION_MOVES = moves(
    {
        "pending": "active left",
        "active": "left suppressed",
        # Joining again starts at the beginning, with a confirmation of its own.
        "left": "pending",
        # Only the person's own confirmed joining lifts a suppression.
        "suppressed": "pending",
    }
)


class Subscription(Lives):
    """Joins a member to a publication."""

    class State(models.TextChoices):
        PENDING = "pending", "waiting for confirmation"
        ACTIVE = "active", "active"
        LEFT = "left", "left"
        SUPPRESSED = "suppressed", "suppressed"

    MOVES = SUBSCRIPTION_MOVES
    MOVED_WITH = ("publication_id",)  # so that it can be counted when the row is gone

    # An index that begins with each of them is below.
    member = models.ForeignKey(Member, models.CASCADE, related_name="subscriptions", db_index=False)
    publication = models.ForeignKey(Publication, models.CASCADE, related_name="subscriptions", db_index=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["member", "publication"], name="subscription_once"),
            known_states(SUBSCRIPTION_MOVES, "subscription_state_known"),
        ]
        indexes = [models.Index(fields=["publication", "state", "member"])]

    def __str__(self) -> str:
        return f"subscription {self.pk}"


class ConsentWording(models.Model):
    """The words to which people say yes, of a publication in a language. Each change is a version of its own, kept."""

    class About(models.TextChoices):
        RECEIVING = "receiving", "to receive it"
        MEASURING = "measuring", "that it is kept which links they follow"

    publication = models.ForeignKey(Publication, models.CASCADE, related_name="consent_wordings", db_index=False)
    about = models.CharField(max_length=10, choices=About, default=About.RECEIVING)
    language = models.CharField(max_length=8)
    version = models.PositiveIntegerField()
    text = models.TextField()
    #: Our own words with the publication's names in them, not staff's: a new name makes a new version of these.
    ours = models.BooleanField(default=False)
    since = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(Person, models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["publication", "about", "language", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["publication", "about", "language", "version"], name="consent_wording_once")
        ]

    def __str__(self) -> str:
        return f"consent wording {self.language} {self.version}"


class Consent(models.Model):
    """On what a person may be mailed, since when, and to which words. Added to, never changed, but for a confirmation.

    Their own yes is `confirmed_at`; that somebody brought them with a list is `imported_at`, and no confirmation.
    """

    class Basis(models.TextChoices):
        CONSENT = "consent", "consent"
        SOFT_OPT_IN = "soft_opt_in", "charitable soft opt-in"

    #: What whoever brings a list says by choosing one of them.
    MEANS = {
        Basis.CONSENT: "they said yes, and you can show it",
        Basis.SOFT_OPT_IN: "a charity met them itself from 5 February 2026 on, and offered a way out",
    }
    #: More than a wish that a stranger may have typed: the person's own yes, or the word of whoever brought them.
    KNOWN = Q(confirmed_at__isnull=False) | Q(imported_at__isnull=False)

    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="consents")
    basis = models.CharField(max_length=12, choices=Basis, default=Basis.CONSENT)
    how = models.CharField(max_length=120, help_text="“subscribe page”, “import members.csv” …")
    #: Which of our wordings the person saw; `wording` has the words where they were somebody else's, as in a list.
    worded = models.ForeignKey(ConsentWording, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    wording = models.TextField(blank=True)
    #: From where: the network alone ("192.0.2.0/24"), which tells what an address tells here, and nobody's line.
    network = models.CharField(max_length=43, blank=True, default="", db_default="")
    # Without an index: a list brings a million rows of one person's, and nobody asks for all that they brought.
    by = models.ForeignKey(Person, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False)
    at = models.DateTimeField(default=timezone.now)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    imported_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"consent {self.pk}"

    @property
    def words(self) -> str:
        """What the person was told."""
        return self.worded.text if self.worded else self.wording


class Suppression(models.Model):
    """The keyed hash of an address that must not be mailed. Without an address it outlives erasure."""

    hash = models.CharField(max_length=64, unique=True)
    why = models.CharField(max_length=200)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.hash[:12]} {self.why}"

    @staticmethod
    def fingerprints(email: str) -> list[str]:
        """The keyed hashes of an address, the newest key's first. A bare hash could be guessed back."""
        plain = email.strip().casefold().encode()
        return [hmac.new(key.encode(), plain, hashlib.sha256).hexdigest() for key in settings.KEYS["suppression"]]
