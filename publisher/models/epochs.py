from __future__ import annotations

from uuid import uuid4

from django.db import models
from django.db.models import Q


class Epoch(models.Model):
    """Which installation this database belongs to, and how far it has sent. One row; publisher/epoch.py moves it."""

    #: Made anew each time a person confirms; a machine whose file names a former one has been confirmed with it.
    installation = models.UUIDField(default=uuid4)
    former = models.JSONField(default=list, blank=True)
    #: Only ever grows. A file beside the database that saw more tells that the database was put back.
    counter = models.PositiveBigIntegerField(default=0)
    advanced_at = models.DateTimeField(null=True, blank=True)
    #: The clock's last sign of life.
    ticked_at = models.DateTimeField(null=True, blank=True)
    #: What one machine saw holds for all: those that were away meanwhile cannot see it themselves.
    doubt = models.TextField(blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_epoch")]

    def __str__(self) -> str:
        return f"epoch {self.installation}, {self.counter}"
