from __future__ import annotations

import unicodedata

from django.db import models
from django.db.models import Q

from .lives import Lives, known_states, moves
from .publications import Publication
from .sources import Source


class Picture(models.Model):
    """A picture, stored once by the hash of its bytes; what was approved cannot change under its address."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    media_type = models.CharField(max_length=40)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.sha256[:12]} {self.width}×{self.height}"


ITEM_MOVES = moves(
    {
        "received": "queued set_aside",
        "queued": "set_aside withdrawn",
        "set_aside": "queued",
        # Withdrawn is for good: what was announced as withdrawn must not come back by a click.
        "withdrawn": "",
    }
)


class Item(Lives):
    """One piece of news. Whether it has been used is on its entries and posts, not here."""

    class State(models.TextChoices):
        RECEIVED = "received", "received"
        QUEUED = "queued", "queued"
        SET_ASIDE = "set_aside", "set aside"
        WITHDRAWN = "withdrawn", "withdrawn"

    MOVES = ITEM_MOVES

    publication = models.ForeignKey(Publication, models.CASCADE, related_name="items")
    source = models.ForeignKey(Source, models.SET_NULL, null=True, blank=True, related_name="items")
    #: What makes it the same item when it is read again: its link, else source, date and normalised title.
    identity = models.CharField(max_length=64)
    title = models.CharField(max_length=500)
    teaser = models.TextField(blank=True)
    body = models.TextField(blank=True)
    link = models.URLField(max_length=2000, blank=True)
    published_on = models.DateField(null=True, blank=True, db_index=True)
    date_label = models.CharField(max_length=120, blank=True)
    byline = models.CharField(max_length=300, blank=True)
    #: The series and number that the source printed with it, if any: it has been in that Update.
    printed_series = models.CharField(max_length=60, blank=True)
    printed_number = models.PositiveIntegerField(null=True, blank=True)
    picture = models.ForeignKey(Picture, models.PROTECT, null=True, blank=True)
    image_url = models.URLField(max_length=2000, blank=True)
    image_alt = models.CharField(max_length=1000, blank=True)
    image_caption = models.CharField(max_length=1000, blank=True)
    #: Sentences for staff: what looks damaged, what changed at the source.
    flags = models.JSONField(default=list, blank=True)
    #: What the source says now of an item that is already used: {"teaser": "…"}. Never applied by itself.
    source_says = models.JSONField(default=dict, blank=True)
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-published_on", "id"]
        constraints = [
            models.UniqueConstraint(fields=["publication", "identity"], name="item_once"),
            known_states(ITEM_MOVES, "item_state_known"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def used(self) -> bool:
        """Whether its text has left, or stands where it was or will be approved: in a digest or a live post."""
        return (
            self.entries.filter(released=False).exists()
            or self.posts.exclude(Q(state="draft") | Q(state="cancelled")).exists()
        )


def tag_key(name: str) -> str:
    """A tag as tags are compared: "Clean Water", "clean-water" and "#CleanWater" are one."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    # Letters, their marks, numbers: what parts words or decorates them is no difference.
    return "".join(letter for letter in folded if unicodedata.category(letter)[0] in "LMN")[:64]


class Tag(models.Model):
    """A word that an item is filed under, by its source (a category) or by staff. Campaigns gather items by them."""

    item = models.ForeignKey(Item, models.CASCADE, related_name="tags")
    key = models.CharField(max_length=64)
    name = models.CharField(max_length=64)
    #: Staff took it off: the source, which still says it, does not bring it back.
    dropped = models.BooleanField(default=False)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["item", "key"], name="tag_once")]
        indexes = [models.Index(fields=["key"], name="tag_key")]

    def __str__(self) -> str:
        return self.name
