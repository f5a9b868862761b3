from __future__ import annotations

from django.db import models

from .publications import Publication

#: What the page asks, in the order of the reasons.
REASON_SENTENCES = (
    "It comes too often",
    "I do not find the time to read it",
    "It is not what I expected",
    "I follow the news in another way",
    "I never asked for it",
    "Another reason",
)


class Farewell(models.Model):
    """Why somebody left, where they said so: on which day, and not who. Nothing leads from here to a person.

    Their own words are kept without addresses and numbers that may be anybody's.
    """

    class Reason(models.TextChoices):
        OFTEN = "often", REASON_SENTENCES[0]
        SELDOM = "seldom", REASON_SENTENCES[1]
        CONTENT = "content", REASON_SENTENCES[2]
        ELSEWHERE = "elsewhere", REASON_SENTENCES[3]
        NEVER_ASKED = "never_asked", REASON_SENTENCES[4]
        OTHER = "other", REASON_SENTENCES[5]

    publication = models.ForeignKey(Publication, models.CASCADE, related_name="farewells")
    reason = models.CharField(max_length=12, choices=Reason)
    words = models.CharField(max_length=500, blank=True)
    # A day and no time: of few who leave in a week, a second would tell which event is theirs.
    on = models.DateField()

    def __str__(self) -> str:
        return f"farewell {self.pk}"
