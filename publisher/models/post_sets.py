from __future__ import annotations

from django.db import models

from .lives import Lives, known_states, moves
from .people import Person
from .publications import Publication

POST_SET_MOVES = moves(
    {
        "draft": "in_review cancelled",
        # Back to draft: changes were asked, or somebody edited what lay on the approver's table.
        "in_review": "approved draft cancelled",
        # Back to draft: a post that had not gone out yet was edited, so the approval of the rest is void.
        "approved": "draft cancelled",
        "cancelled": "",
    }
)


class PostSet(Lives):
    """Posts outside a digest that are approved together. Whether they went out is on the posts, not here."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        IN_REVIEW = "in_review", "in review"
        APPROVED = "approved", "approved"
        CANCELLED = "cancelled", "cancelled"

    MOVES = POST_SET_MOVES

    publication = models.ForeignKey(Publication, models.PROTECT, related_name="post_sets")
    title = models.CharField(max_length=300)
    created_by = models.ForeignKey(Person, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    #: The one proof that lies before the approver, while it is in review.
    review = models.ForeignKey("Proof", models.PROTECT, null=True, blank=True, related_name="+")
    #: The one proof that was approved. What goes out is what it holds.
    proof = models.ForeignKey("Proof", models.PROTECT, null=True, blank=True, related_name="+")
    #: Its posts take their slots from then on: after the hold in which an approval can be undone.
    start_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [known_states(POST_SET_MOVES, "post_set_state_known")]

    def __str__(self) -> str:
        return self.title

    @property
    def label(self) -> str:
        return self.title

    @property
    def editable(self) -> bool:
        return self.state != self.State.CANCELLED
