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
        "claimed": "armed queued skipped failed",
        # Back to queued: the connection broke before the final dot, so nothing was accepted.
        "armed": "sent deferred failed unknown queued",
        "deferred": "claimed skipped",
        "sent": "bounced",
        "unknown": "sent queued",
        "failed": "",
        "skipped": "",
        "bounced": "",
    }
)


class Hold(models.Model):
    """One worker's hold on the rows that it claimed: a lease on all of them, and its primary key is their fence.

    Every transaction of the worker renews it first, and so waits for whoever ends it. A row's `hold` stays when it
    has its outcome: that is how a late answer, or a journal that returns, finds the row it belongs to.
    """

    digest = models.ForeignKey(Digest, models.CASCADE, related_name="holds")
    #: host:boot:pid-namespace/pid/start, see holders.py
    holder = models.CharField(max_length=120)
    #: Its file in the folder of journals. Not the key: a restored database counts anew, and the files stay.
    journal = models.CharField(max_length=40, unique=True)
    #: Until when the worker is believed to live without a sign of life, by the database's clock.
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["until"], condition=Q(ended_at=None), name="hold_open")]

    def __str__(self) -> str:
        return f"hold {self.pk}"


class Delivery(Lives):
    """One digest for one member, with its outcome.

    A worker claims rows under a hold, arms a group of them before the first of its messages is handed over,
    and writes the replies. What was armed when a whole machine died is *unknown*: the message may have
    arrived, and only evidence or a person decides.
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

    # Both indexes below begin with the digest: it needs none of its own, which each row would pay for.
    digest = models.ForeignKey(Digest, models.PROTECT, related_name="deliveries", db_index=False)
    # Erasure nulls the member and blanks the address; the row stays, so that the counts stay true.
    member = models.ForeignKey(Member, models.SET_NULL, null=True, blank=True, related_name="deliveries")
    address = models.CharField(max_length=320)
    due_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)
    first_tried_at = models.DateTimeField(null=True, blank=True)
    #: No index and no join: whoever looks for the rows of a hold knows their digest and their state.
    hold = models.ForeignKey(Hold, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False)
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
    #: The digest of which this is the letter, for somebody who joined after it had gone out: then no words of its own.
    digest = models.ForeignKey(Digest, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
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
