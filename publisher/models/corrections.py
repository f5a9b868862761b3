from __future__ import annotations

from django.db import models
from django.utils import timezone

from .. import languages
from .digests import Digest, Entry
from .items import Item
from .lives import Lives, known_states, moves
from .people import Person
from .post_sets import PostSet

CORRECTION_MOVES = moves(
    {
        "draft": "public dropped",
        # What was read by anybody stays in the history; a wrong correction is corrected by another.
        "public": "",
        "dropped": "",
    }
)


class Correction(Lives):
    """What was wrong with an item that is out, in the words that stand beside it in the archive from then on."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        PUBLIC = "public", "public"
        DROPPED = "dropped", "dropped"

    MOVES = CORRECTION_MOVES

    item = models.ForeignKey(Item, models.PROTECT, related_name="corrections")
    note = models.TextField(help_text="What was wrong and what is right, for readers.")
    made_by = models.ForeignKey(Person, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)
    approved_by = models.ForeignKey(Person, models.PROTECT, null=True, blank=True, related_name="+")
    #: When readers could first see it: the day that stands beside it.
    public_at = models.DateTimeField(null=True, blank=True)
    #: Where in the archive it stands.
    entries = models.ManyToManyField(Entry, related_name="corrections", blank=True)
    #: The later issues that tell it to those who have read what was wrong, one of each publication.
    told_in = models.ManyToManyField(Digest, related_name="corrections", blank=True)
    #: The posts that were drafted with it: corrected ones and errata, approved as a set.
    post_set = models.ForeignKey(PostSet, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["id"]
        constraints = [known_states(CORRECTION_MOVES, "correction_state_known")]

    def as_told(self, digest: Digest) -> tuple[str, str]:
        """A heading and a text, as this issue says it. Wants `entries__digest__publication` to be read along."""
        wrong = [entry for entry in self.entries.all() if entry.publication_id == digest.publication_id]
        heading = languages.say(digest.publication.language, "Correction to {label}", label=wrong[0].digest.label)
        return heading, f"“{wrong[0].title}”: {self.note}"

    def __str__(self) -> str:
        return f"the correction of “{self.item}”"
