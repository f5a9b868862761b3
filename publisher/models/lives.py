"""What every noun with a lifecycle shares: a state, and since when. publisher/lifecycle.py writes it."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import ClassVar

from django.db import models
from django.utils import timezone

#: state → the states that may follow it. Each noun's own table stands on its model.
Moves = dict[str, frozenset[str]]


def moves(table: dict[str, str]) -> Moves:
    """Read a table written as {"draft": "in_review cancelled"}."""
    return {state: frozenset(following.split()) for state, following in table.items()}


class Lives(models.Model):
    """A row with a lifecycle. `state` has one writer: lifecycle.move (and delivery/ for its batches)."""

    MOVES: ClassVar[Moves]
    #: Ids that the event of a move keeps beside the row's own.
    MOVED_WITH: ClassVar[tuple[str, ...]] = ()
    State: ClassVar[type[models.TextChoices]]

    state = models.CharField(max_length=12)
    state_since = models.DateTimeField(default=timezone.now)

    class Meta:
        abstract = True

    def get_state_display(self) -> str:
        """The state as people read it: "in review". Django's own would need the choices on the field itself."""
        return str(self.State(self.state).label)


def known_states(table: Moves, name: str) -> models.CheckConstraint:
    """The database refuses a state that the table does not know.

    One comparison after the other: SQLite makes a table of what stands behind IN, for each row anew.
    """
    known = (models.Q(state=state) for state in sorted(table))
    return models.CheckConstraint(condition=reduce(or_, known), name=name)
