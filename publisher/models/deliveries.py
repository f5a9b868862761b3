from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from .digests import Digest
from .lives import Lives, known_states, moves
from .members import Member

DELIVERY_MOVES = moves(
    {
        "queued": "claimed skipped",
        # Back to queued: the lease ran out, or the connection broke before anything was handed over.
        "claimed": "armed queued skipped deferred failed",
        # Back to queued: the connection broke before the final dot, so nothing was accepted.
        "armed": "sent deferred failed unknown queued",
        "deferred": "claimed failed skipped",
        "sent": "bounced",
        "unknown": "sent queued",
        "failed": "",
        "skipped": "",
        "bounced": "",
    }
)


class Delivery(Lives):
    """One digest for one member, with its outcome.

    A worker claims rows under a lease with a fencing number, arms each one just before its message is
    handed over, and writes the reply. What was armed when its worker died is *unknown*: the message may
    have arrived, and only evidence or a person decides.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "queued"
        CLAIMED = "claimed", "claimed"
        ARMED = "armed", "being handed over"
        SENT = "sent", "sent"
        DEFERRED = "deferred", "to be tried again"
        FAILED = "failed", "failed"
        UNKNOWN = "unknown", "unknown"
        SKIPPED = "skipped", "skipped"
        BOUNCED = "bounced", "bounced"

    MOVES = DELIVERY_MOVES
    #: Nothing more will happen to these by itself.
    SETTLED = frozenset({"sent", "failed", "unknown", "skipped", "bounced"})

    digest = models.ForeignKey(Digest, models.PROTECT, related_name="deliveries")
    # Erasure nulls the member and blanks the address; the row stays, so that the counts stay true.
    member = models.ForeignKey(Member, models.SET_NULL, null=True, blank=True, related_name="deliveries")
    address = models.CharField(max_length=320)
    due_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)
    first_tried_at = models.DateTimeField(null=True, blank=True)
    holder = models.CharField(max_length=120, blank=True)
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    #: The last reply: "250", "2.0.0", "OK: queued as …", and in which phase of the conversation it came.
    code = models.PositiveIntegerField(null=True, blank=True)
    enhanced = models.CharField(max_length=12, blank=True)
    reply = models.CharField(max_length=500, blank=True)
    phase = models.CharField(max_length=12, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["digest", "address"], name="delivery_once"),
            known_states(DELIVERY_MOVES, "delivery_state_known"),
        ]
        indexes = [
            models.Index(fields=["digest", "state", "due_at"]),
            models.Index(fields=["lease_until"], condition=Q(state__in=["claimed", "armed"]), name="delivery_leases"),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk}"


NOTICE_MOVES = moves(
    {
        "queued": "sending",
        # Back to queued: refused for now, or broken off before the final dot.
        "sending": "sent failed unknown queued",
        "sent": "",
        "failed": "",
        "unknown": "sent queued",
    }
)


class Notice(Lives):
    """A mail to one person that is not a digest: please confirm, here is your link. Same conversation, own row."""

    class State(models.TextChoices):
        QUEUED = "queued", "queued"
        SENDING = "sending", "being handed over"
        SENT = "sent", "sent"
        FAILED = "failed", "failed"
        UNKNOWN = "unknown", "unknown"

    MOVES = NOTICE_MOVES

    kind = models.CharField(max_length=20)
    member = models.ForeignKey(Member, models.CASCADE, null=True, blank=True, related_name="notices")
    address = models.EmailField()
    sender_name = models.CharField(max_length=120, blank=True)
    sender_email = models.EmailField()
    subject = models.TextField()
    html = models.TextField()
    text = models.TextField()
    due_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)
    holder = models.CharField(max_length=120, blank=True)
    reply = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [known_states(NOTICE_MOVES, "notice_state_known")]
        indexes = [models.Index(fields=["state", "due_at"])]

    def __str__(self) -> str:
        return f"{self.kind} notice {self.pk}"
