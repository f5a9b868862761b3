from __future__ import annotations

from django.db import models
from django.db.models import Q


class Pace(models.Model):
    """What the workers of all machines share of one limit.

    A row for all letters ("all"), one for each recipient domain that has a rate or rests ("to gmail.com"), and one for
    each sending domain that is being warmed up ("from example.org").
    """

    name = models.CharField(max_length=300, primary_key=True)
    #: All that was granted will have gone by then, at the rate that is set (GCRA, virtual scheduling).
    busy_until = models.DateTimeField(null=True, blank=True)
    #: How often in a row the domain asked for rest, and until when it has it.
    strikes = models.PositiveIntegerField(default=0)
    resting_until = models.DateTimeField(null=True, blank=True)
    #: How many went out on this day (UTC).
    day = models.DateField(null=True, blank=True)
    count = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["resting_until"], condition=Q(strikes__gt=0), name="pace_rests")]

    def __str__(self) -> str:
        return self.name
