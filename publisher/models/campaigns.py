from __future__ import annotations

from datetime import date

from django.db import models
from django.db.models import F, Q

from .items import Item, Tag
from .publications import Publication, printed


class CampaignQuerySet(models.QuerySet["Campaign"]):
    def running(self, on: date) -> CampaignQuerySet:
        return self.filter(starts_on__lte=on, ends_on__gte=on, ended_at=None)

    def of_item(self, item: Item) -> CampaignQuerySet:
        """Those that it joined by one of its tags, or that a person put it into."""
        tags = Tag.objects.filter(item=item, dropped=False).values("key")
        mine = self.filter(publication=item.publication_id)
        return mine.filter(
            Q(key__in=tags) | Q(pk__in=Campaign.items.through.objects.filter(item=item).values("campaign"))
        )


class Campaign(models.Model):
    """A hashtag and a period, such as #EITI2016 from 23 to 26 February: items join it, and their posts carry it."""

    publication = models.ForeignKey(Publication, models.CASCADE, related_name="campaigns")
    hashtag = models.CharField(max_length=64, help_text="Without its sign: “EITI2016”.")
    key = models.CharField(max_length=64, editable=False, help_text="The hashtag as tags are compared.")
    name = models.CharField(max_length=200)
    #: Days in the publication's zone, both within.
    starts_on = models.DateField()
    ends_on = models.DateField()
    #: Its posts go out at once, not in the slots of their channels.
    live = models.BooleanField(default=False)
    invitation = models.TextField(blank=True, help_text="What followers are told when they are invited.")
    link = models.URLField(max_length=2000, blank=True, help_text="Where the invitation leads, if anywhere.")
    #: A person ended it before its last day.
    ended_at = models.DateTimeField(null=True, blank=True)
    #: Joined by hand. Those with its tag belong to it too: see `of_item` and `belonging`.
    items = models.ManyToManyField(Item, related_name="campaigns", blank=True)

    objects = CampaignQuerySet.as_manager()

    class Meta:
        ordering = ["-starts_on", "id"]
        constraints = [
            # The same hashtag may come again next year, as another campaign.
            models.UniqueConstraint(fields=["publication", "key", "starts_on"], name="campaign_once"),
            models.CheckConstraint(condition=Q(ends_on__gte=F("starts_on")), name="campaign_ends_after_it_starts"),
        ]

    def __str__(self) -> str:
        return f"#{self.hashtag}"

    @property
    def period(self) -> str:
        """ "23 to 26 February 2016", as people say it."""
        first, last = self.starts_on, self.ends_on
        if first == last:
            return printed(last)
        if (first.year, first.month) == (last.year, last.month):
            return f"{first.day} to {printed(last)}"
        return (
            f"{first.day} {first:%B} to {printed(last)}"
            if first.year == last.year
            else f"{printed(first)} to {printed(last)}"
        )

    @property
    def over(self) -> bool:
        return self.ended_at is not None or self.publication.today() > self.ends_on

    @property
    def phase(self) -> str:
        """In a word: to come, running, over, ended."""
        if self.ended_at:
            return "ended"
        today = self.publication.today()
        return "to come" if today < self.starts_on else "over" if today > self.ends_on else "running"

    def belonging(self) -> models.QuerySet[Item]:
        """Its items: with its tag, or joined by hand."""
        tagged = Tag.objects.filter(key=self.key, dropped=False).values("item")
        by_hand = type(self).items.through.objects.filter(campaign=self).values("item")
        return Item.objects.filter(publication=self.publication_id).filter(Q(pk__in=tagged) | Q(pk__in=by_hand))
