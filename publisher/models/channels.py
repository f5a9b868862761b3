from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from .. import sealing
from .campaigns import Campaign
from .digests import Digest
from .items import Item, Picture
from .lives import Lives, known_states, moves
from .post_sets import PostSet
from .publications import Publication


class Channel(models.Model):
    """A connected account on a network. Its credentials are sealed; nothing prints them."""

    class WhenSpent(models.TextChoices):
        ASK = "ask", "wait for a person"
        MONTH = "month", "wait for the next month"

    publication = models.ForeignKey(Publication, models.CASCADE, related_name="channels")
    network = models.CharField(max_length=20, help_text="A key of publisher.networks.NETWORKS.")
    account = models.CharField(max_length=120, help_text="The handle or page as followers know it.")
    sealed_credentials = models.TextField(blank=True)
    paused = models.BooleanField(default=False)
    attention = models.TextField(blank=True, help_text="A sentence when a person is needed.")
    #: The network wants nothing more of this account before then.
    resting_until = models.DateTimeField(null=True, blank=True)
    #: When it posts, on the publication's clock: publisher/slots.py. Quiet hours may end on the next day.
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    spacing_minutes = models.PositiveIntegerField(default=0, help_text="So far two posts are apart.")
    late_after = models.PositiveIntegerField(
        null=True, blank=True, help_text="Seconds after which a post asks; empty: as PUBLISHER_LATE_AFTER says."
    )
    #: Quiet hours or the last post keep the next one back, but not what a person sends now.
    free_at = models.DateTimeField(null=True, blank=True)
    #: In the currency of the price table; nothing: as much as it costs. See publisher/budgets.py.
    budget = models.DecimalField(max_digits=10, decimal_places=3, null=True, blank=True)
    when_spent = models.CharField(max_length=5, choices=WhenSpent, default=WhenSpent.ASK)
    spent_in = models.CharField(max_length=7, blank=True, help_text="The month of which staff know that it is spent.")
    #: What the daily look at the account found: publisher/checkups.py.
    check_at = models.DateTimeField(default=timezone.now)
    checked_at = models.DateTimeField(null=True, blank=True)
    health = models.TextField(blank=True, help_text="What the last look found wrong, in a sentence.")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="When it ends by itself, as far as is known.")
    announced = models.DateTimeField(null=True, blank=True, help_text="The end that staff were told of.")
    #: Who is asking for new credentials, and since when: publisher/tokens.py.
    renewing_by = models.CharField(max_length=120, blank=True)
    renewing_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["network", "account"]
        constraints = [
            models.UniqueConstraint(fields=["publication", "network", "account"], name="channel_once"),
            models.CheckConstraint(
                condition=Q(quiet_from=None, quiet_until=None)
                | (Q(quiet_from__isnull=False, quiet_until__isnull=False) & ~Q(quiet_from=F("quiet_until"))),
                name="channel_quiet_hours",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.network} {self.account}"

    @property
    def credentials(self) -> dict[str, Any]:
        return sealing.unseal(self.sealed_credentials) if self.sealed_credentials else {}

    @credentials.setter
    def credentials(self, values: dict[str, Any]) -> None:
        self.sealed_credentials = sealing.seal(values)


class Slot(models.Model):
    """A weekly time at which a channel may post, on the wall clock of the publication's zone."""

    class Weekday(models.IntegerChoices):
        MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = range(7)

    channel = models.ForeignKey(Channel, models.CASCADE, related_name="slots")
    weekday = models.PositiveSmallIntegerField(choices=Weekday)
    time = models.TimeField()

    class Meta:
        ordering = ["weekday", "time"]
        constraints = [
            models.UniqueConstraint(fields=["channel", "weekday", "time"], name="slot_once"),
            models.CheckConstraint(condition=Q(weekday__lte=6), name="slot_weekday"),
        ]

    def __str__(self) -> str:
        return f"{self.get_weekday_display()} {self.time:%H:%M}"


POST_MOVES = moves(
    {
        "draft": "approved cancelled",
        # Back to draft: the approval it belonged to is void.
        "approved": "publishing held cancelled draft",
        # Back to approved: the network said "later", or the request never left. Nothing was posted.
        # Not to held: the request is on its way, and whoever held it would find it posted.
        "publishing": "published refused unknown approved",
        # There is no way from held to published: what was held is released first, by a person.
        # Back to draft too: its text belonged to an approval that is void.
        "held": "approved cancelled draft",
        "unknown": "published approved",
        # A person takes it off the network again.
        "published": "removing",
        # Back to published: the network refused to take it off, so it stands.
        "removing": "removed published",
        "removed": "",
        # A person has seen it: its item may be posted anew.
        "refused": "cancelled",
        "cancelled": "",
    }
)


class Post(Lives):
    """One text for one channel.

    The intent is committed before the request leaves. What had left without an answer is *unknown*: it is
    looked for on the network's own timeline, and never sent again by itself.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        APPROVED = "approved", "approved"
        PUBLISHING = "publishing", "being posted"
        PUBLISHED = "published", "published"
        REMOVING = "removing", "being removed"
        REMOVED = "removed", "removed"
        REFUSED = "refused", "refused"
        HELD = "held", "held"
        UNKNOWN = "unknown", "unknown"
        CANCELLED = "cancelled", "cancelled"

    MOVES = POST_MOVES

    class Purpose(models.TextChoices):
        ITEM = "item", "an item"
        DIGEST = "digest", "a digest"
        CAMPAIGN = "campaign", "an invitation to a campaign"
        ERRATUM = "erratum", "a correction"

    class Timing(models.TextChoices):
        """How it comes to its time. Placing it anew leaves alone what a person chose."""

        PLANNED = "planned", "by its channel's timetable"
        CHOSEN = "chosen", "a person chose it"
        NOW = "now", "now, as a person said, whatever the hour"

    channel = models.ForeignKey(Channel, models.PROTECT, related_name="posts")
    purpose = models.CharField(max_length=10, choices=Purpose)
    digest = models.ForeignKey(Digest, models.PROTECT, null=True, blank=True, related_name="posts")
    post_set = models.ForeignKey(PostSet, models.PROTECT, null=True, blank=True, related_name="posts")
    item = models.ForeignKey(Item, models.PROTECT, null=True, blank=True, related_name="posts")
    #: Which it invites to, or whose hashtag it carries.
    campaign = models.ForeignKey(Campaign, models.PROTECT, null=True, blank=True, related_name="posts")
    text = models.TextField()
    #: Staff have worded it themselves: making a new proof keeps it.
    edited = models.BooleanField(default=False)
    link = models.URLField(max_length=2000, blank=True)
    picture = models.ForeignKey(Picture, models.PROTECT, null=True, blank=True)
    image_alt = models.CharField(max_length=1000, blank=True)
    position = models.PositiveIntegerField(default=0)
    #: What networks know it by at each attempt. At random: of a clone's posts a number would name others of ours.
    key = models.UUIDField(default=uuid4, unique=True, editable=False)
    declined = models.BooleanField(
        default=False, help_text="A person cancelled it: a new proof does not draft it again."
    )
    timing = models.CharField(max_length=7, choices=Timing, default=Timing.PLANNED)
    priority = models.SmallIntegerField(default=0, help_text="Of items of one day the higher goes first.")
    due_at = models.DateTimeField(null=True, blank=True)
    slot_at = models.DateTimeField(null=True, blank=True, help_text="The weekly time that is its own.")
    #: What the last attempt costs, if it went out; and the month whose budget left nothing for it.
    charged = models.DecimalField(max_digits=10, decimal_places=3, null=True, blank=True)
    spent_in = models.CharField(max_length=7, blank=True)
    #: The network said "later": not before this. Its time in the plan stays, so that a late one is known as late.
    not_before = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    holder = models.CharField(max_length=120, blank=True)
    intent_at = models.DateTimeField(null=True, blank=True)
    first_intent_at = models.DateTimeField(null=True, blank=True, help_text="Since when it may be on the timeline.")
    look_at = models.DateTimeField(null=True, blank=True)
    looks = models.PositiveIntegerField(default=0)
    published_at = models.DateTimeField(null=True, blank=True)
    remote_id = models.CharField(max_length=200, blank=True)
    remote_url = models.URLField(max_length=2000, blank=True)
    outcome = models.TextField(blank=True, help_text="What happened, in a sentence, with what is known.")
    #: When staff were mailed that it waits for them: publisher/attention.py.
    told_at = models.DateTimeField(null=True, blank=True)
    #: The post that was wrong. This one takes its place, and waits until that is removed; an erratum stands beside it.
    corrects = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="corrections")
    #: When it is next taken off the network; and how often that was tried. See publisher/removals.py.
    remove_at = models.DateTimeField(null=True, blank=True)
    removals = models.PositiveIntegerField(default=0)
    #: So many of the looks at what followers did with it are over. See publisher/measures.py.
    measured = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "id"]
        # What the clock asks at each tick: a handful of rows among all that were ever posted.
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="approved"), name="post_due"),
            models.Index(fields=["state_since"], condition=Q(state="publishing"), name="post_publishing"),
            models.Index(fields=["look_at"], condition=Q(state="unknown"), name="post_unknown"),
            models.Index(
                fields=["state_since"], condition=Q(state__in=["refused", "unknown", "held"]), name="post_waiting"
            ),
            models.Index(fields=["remove_at"], condition=Q(state="removing"), name="post_removing"),
            models.Index(
                fields=["published_at"], condition=Q(state="published", measured__lt=6), name="post_to_measure"
            ),
            # What was the channel's last?
            models.Index(fields=["channel", "intent_at"], name="post_last"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["item", "channel", "purpose"],
                # One that corrects another stands beside it, at least on paper.
                condition=Q(item__isnull=False, corrects__isnull=True) & ~Q(state="cancelled"),
                name="item_post_once",
            ),
            models.UniqueConstraint(
                fields=["digest", "channel", "purpose"],
                condition=Q(item__isnull=True, corrects__isnull=True) & ~Q(state="cancelled"),
                name="digest_post_once",
            ),
            models.UniqueConstraint(
                fields=["campaign", "channel"],
                condition=Q(purpose="campaign", corrects__isnull=True) & ~Q(state="cancelled"),
                name="campaign_post_once",
            ),
            models.UniqueConstraint(
                fields=["channel", "remote_id"], condition=~Q(remote_id=""), name="remote_post_once"
            ),
            # Of two who place posts at once neither gets what the other has taken.
            models.UniqueConstraint(
                fields=["channel", "slot_at"],
                condition=Q(slot_at__isnull=False) & ~Q(state="cancelled"),
                name="slot_taken_once",
            ),
            models.UniqueConstraint(
                fields=["corrects"],
                condition=Q(corrects__isnull=False)
                & Q(state__in=["draft", "approved", "held", "publishing", "unknown"]),
                name="one_correction_at_a_time",
            ),
            known_states(POST_MOVES, "post_state_known"),
        ]

    def __str__(self) -> str:
        return f"post {self.pk} on {self.channel}"

    @property
    def due(self) -> bool:
        return self.due_at is not None and self.due_at <= timezone.now()
