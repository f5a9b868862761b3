from __future__ import annotations

from django.db import models


class Lease(models.Model):
    """Who runs the clock. One row a name; the time is the database's, so that two machines agree."""

    name = models.CharField(max_length=40, primary_key=True)
    holder = models.CharField(max_length=120)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} held by {self.holder}"


class Run(models.Model):
    """One planned run of a schedule. The unique key makes two clocks, a restart or a repeated hour give one run."""

    schedule = models.CharField(max_length=120)
    occurrence = models.CharField(max_length=40, help_text="The local time that was planned, as 2007-03-31T09:00.")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["schedule", "occurrence"], name="run_once")]

    def __str__(self) -> str:
        return f"{self.schedule} {self.occurrence}"
