from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from .items import Item, Picture
from .lives import Lives, known_states, moves
from .people import Person
from .post_sets import PostSet
from .publications import Publication
from .segments import Segment

DIGEST_MOVES = moves(
    {
        "draft": "in_review cancelled",
        # Back to draft: changes were asked, or somebody edited what lay on the approver's table.
        "in_review": "approved draft cancelled",
        # Back to draft: edited or withdrawn from, so the approval is void.
        "approved": "preparing draft cancelled",
        "preparing": "sending paused cancelled",
        "sending": "sent paused cancelled",
        # Resuming goes back to where the pause was: the audience may not be frozen to its end yet.
        "paused": "preparing sending cancelled",
        # Again sending: a person said of an unknown delivery that it did not arrive, and queued it again.
        "sent": "sending",
        "cancelled": "",
    }
)


class Digest(Lives):
    """One numbered issue of a publication."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        IN_REVIEW = "in_review", "in review"
        APPROVED = "approved", "approved"
        PREPARING = "preparing", "preparing"
        SENDING = "sending", "sending"
        PAUSED = "paused", "paused"
        SENT = "sent", "sent"
        CANCELLED = "cancelled", "cancelled"

    MOVES = DIGEST_MOVES

    publication = models.ForeignKey(Publication, models.PROTECT, related_name="digests")
    number = models.PositiveIntegerField(null=True, blank=True)
    date = models.DateField()
    introduction = models.TextField(blank=True)
    #: Who receives it; nobody named: all members of the publication.
    segment = models.ForeignKey(Segment, models.PROTECT, null=True, blank=True, related_name="digests")
    #: It went out before this service was there: it is in the archive, and was never mailed from here.
    archived = models.BooleanField(default=False)
    created_by = models.ForeignKey(Person, models.PROTECT, null=True, blank=True, related_name="+")
    #: The one proof that lies before the approver, while it is in review.
    review = models.ForeignKey("Proof", models.PROTECT, null=True, blank=True, related_name="+")
    #: The one proof that was approved. What goes out is its bytes.
    proof = models.ForeignKey("Proof", models.PROTECT, null=True, blank=True, related_name="+")
    start_at = models.DateTimeField(null=True, blank=True, db_index=True)
    #: When the sending began: the Date of every letter, the same at every attempt.
    started_at = models.DateTimeField(null=True, blank=True)
    #: The size of the audience that a person said yes to, where it grew after the approval.
    confirmed_count = models.PositiveIntegerField(default=0)
    #: The relay broke off this often in a row; nothing is claimed until then, for what it said.
    breaks = models.PositiveIntegerField(default=0)
    resting_until = models.DateTimeField(null=True, blank=True)
    resting_why = models.TextField(blank=True)
    #: When the clock last asked workers to send it.
    handed_at = models.DateTimeField(null=True, blank=True)
    #: A sentence when the digest waits for a person: due too late, the audience grew, the login was refused.
    attention = models.TextField(blank=True)
    #: When staff were mailed that it waits for them: publisher/attention.py.
    told_at = models.DateTimeField(null=True, blank=True)
    #: The last member looked at while the audience is being frozen, and how many rows that made.
    freeze_cursor = models.BigIntegerField(default=0)
    frozen_count = models.PositiveIntegerField(null=True, blank=True)
    #: The first letters are out, and the others wait until then; how they fared was looked at, or a person went on.
    canary_until = models.DateTimeField(null=True, blank=True)
    canary_passed = models.BooleanField(default=False)
    #: Of its first outcomes few were failures for good; or a person who saw them says that the list is right.
    list_checked = models.BooleanField(default=False)
    failures_accepted = models.BooleanField(default=False)
    #: A person has seen that servers refuse us for many of the recipients, and went on.
    refusals_accepted = models.BooleanField(default=False)
    #: When the last of its deliveries lost its address: publisher/retention.py.
    forgotten_at = models.DateTimeField(null=True, blank=True)
    #: When its failed addresses were last looked through for those that do not exist.
    failures_suppressed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-date", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["publication", "number"], name="number_once"),
            known_states(DIGEST_MOVES, "digest_state_known"),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        return self.publication.label(self.number, self.date)

    @property
    def editable(self) -> bool:
        return self.state in {"draft", "in_review", "approved"}

    @property
    def due(self) -> bool:
        return self.state == self.State.APPROVED and self.start_at is not None and self.start_at <= timezone.now()


class Entry(models.Model):
    """An item's place in a digest, with its own copy of the text: a change at the source changes nothing here."""

    digest = models.ForeignKey(Digest, models.CASCADE, related_name="entries")
    # Repeated from the digest, because the constraint below needs it: each item once in each series.
    publication = models.ForeignKey(Publication, models.PROTECT, related_name="+")
    item = models.ForeignKey(Item, models.PROTECT, related_name="entries")
    position = models.PositiveIntegerField()
    added_at = models.DateTimeField(auto_now_add=True)
    title = models.CharField(max_length=500)
    teaser = models.TextField(blank=True)
    link = models.URLField(max_length=2000, blank=True)
    byline = models.CharField(max_length=300, blank=True)
    picture = models.ForeignKey(Picture, models.PROTECT, null=True, blank=True)
    image_alt = models.CharField(max_length=1000, blank=True)
    image_caption = models.CharField(max_length=1000, blank=True)
    #: The digest was cancelled before anyone received it: the item may be used again.
    released = models.BooleanField(default=False)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["publication", "item"], condition=Q(released=False), name="item_once_in_series"
            )
        ]

    def __str__(self) -> str:
        return self.title


class Proof(models.Model):
    """Frozen bytes, and the SHA-256 over all of them. Never updated."""

    #: Of a digest, or of posts outside one.
    digest = models.ForeignKey(Digest, models.PROTECT, null=True, blank=True, related_name="proofs")
    post_set = models.ForeignKey(PostSet, models.PROTECT, null=True, blank=True, related_name="proofs")
    sha256 = models.CharField(max_length=64)
    subject = models.TextField()
    html = models.TextField()
    text = models.TextField()
    #: {"name": …, "email": …, "reply_to": …, "list_id": …}: who the letter says it is from.
    sender = models.JSONField(default=dict)
    #: [{"post": 5, "channel": "x @peru", "text": "…", "picture": sha256 | null, "alt": "…"}], in order.
    posts = models.JSONField(default=list)
    #: The rule by which the audience is taken when the sending starts: {"publication": …, "subscription": "active"}.
    audience = models.JSONField(default=dict)
    #: {"17": "https://…"}: where the counted link of an entry leads. Empty where links are not counted.
    links = models.JSONField(default=dict)
    #: PUBLISHER_BASE_URL as it was where this was made: what the letter's own links begin with.
    base_url = models.CharField(max_length=200, default="")
    audience_count = models.PositiveIntegerField()
    made_by = models.ForeignKey(Person, models.PROTECT, null=True, blank=True, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["digest", "sha256"], name="proof_once"),
            models.UniqueConstraint(fields=["post_set", "sha256"], name="set_proof_once"),
            models.CheckConstraint(
                condition=Q(digest__isnull=True, post_set__isnull=False)
                | Q(digest__isnull=False, post_set__isnull=True),
                name="proof_of_one",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.sha256[:12]}"

    @property
    def of(self) -> Digest | PostSet:
        """What was frozen."""
        frozen = self.digest or self.post_set
        assert frozen
        return frozen


class Approval(models.Model):
    """One person's decision on one proof."""

    class Decision(models.TextChoices):
        APPROVED = "approved", "approved"
        CHANGES = "changes", "asked for changes"

    proof = models.ForeignKey(Proof, models.PROTECT, related_name="approvals")
    person = models.ForeignKey(Person, models.PROTECT, related_name="approvals")
    decision = models.CharField(max_length=10, choices=Decision)
    comment = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-at"]
        constraints = [models.UniqueConstraint(fields=["proof", "person"], name="one_decision_each")]

    def __str__(self) -> str:
        return f"{self.person} {self.decision} {self.proof}"
