from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from .deliveries import Delivery
from .digests import Digest


class Bounce(models.Model):
    """A letter that came back, or that was complained of. One of each kind for a delivery: a replay adds nothing."""

    class Kind(models.TextChoices):
        HARD = "hard", "no such address"
        SOFT = "soft", "not now"
        POLICY = "policy", "refused because of us"
        COMPLAINT = "complaint", "called spam"

    # An index that begins with each of them is below.
    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="bounces", db_index=False)
    #: The delivery's: what came back is counted for each digest.
    digest = models.ForeignKey(Digest, models.PROTECT, related_name="bounces", db_index=False)
    kind = models.CharField(max_length=10, choices=Kind)
    at = models.DateTimeField(default=timezone.now)
    code = models.PositiveIntegerField(null=True, blank=True)
    enhanced = models.CharField(max_length=12, blank=True)
    #: The server's reason, without addresses.
    says = models.CharField(max_length=500, blank=True)
    #: Where we have it from: "mailbox", "file", or a provider's name.
    source = models.CharField(max_length=20)
    #: Empty as long as what follows from it waits: the letter is still under way, or the list may be a wrong one.
    applied_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["delivery", "kind"], name="bounce_once")]
        indexes = [
            models.Index(fields=["digest", "kind", "at"]),
            models.Index(fields=["at"], condition=Q(applied_at=None), name="bounce_waits"),
        ]

    def __str__(self) -> str:
        return f"bounce {self.pk}"


class Mailbox(models.Model):
    """The mailbox that letters come back to: when it was read, to its end or not, and what nobody understood."""

    #: Its address without the password: another mailbox is another row.
    place = models.CharField(max_length=200, unique=True)
    next_read_at = models.DateTimeField(default=timezone.now)
    #: When it was last opened, and when last nothing was left in it.
    read_at = models.DateTimeField(null=True, blank=True)
    emptied_at = models.DateTimeField(null=True, blank=True)
    #: How many mails wait for a person in the folder of those that were not understood.
    not_understood = models.PositiveIntegerField(default=0)
    #: What is the matter with it, in a sentence; "" where nothing is.
    problem = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name_plural = "mailboxes"

    def __str__(self) -> str:
        return f"mailbox {self.pk}"
