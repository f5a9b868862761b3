from __future__ import annotations

from django.db import models

from .publications import Publication


class Farewell(models.Model):
    """Why somebody left, where they said so: on which day, and not who. Nothing leads from here to a person."""

    class Reason(models.TextChoices):
        OFTEN = "often", "It comes too often"
        SELDOM = "seldom", "I do not find the time to read it"
        CONTENT = "content", "It is not what I expected"
        ELSEWHERE = "elsewhere", "I follow the news in another way"
        NEVER_ASKED = "never_asked", "I never asked for it"
        OTHER = "other", "Another reason"

    publication = models.ForeignKey(Publication, models.CASCADE, related_name="farewells")
    reason = models.CharField(max_length=12, choices=Reason)
    # A day and no time: of few who leave in a week, a second would tell which event is theirs.
    on = models.DateField()

    def __str__(self) -> str:
        return f"farewell {self.pk}"
