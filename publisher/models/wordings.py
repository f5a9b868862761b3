from __future__ import annotations

from django.db import models

from .publications import Publication


class Wording(models.Model):
    """How a publication words its posts of one purpose on one network. Without a row: as templates/social says."""

    publication = models.ForeignKey(Publication, models.CASCADE, related_name="wordings")
    network = models.CharField(max_length=20, help_text="A key of publisher.networks.NETWORKS.")
    purpose = models.CharField(max_length=10, help_text="A purpose of a post.")
    text = models.TextField(help_text="Words and fields, as publisher/networks/wording.py knows them.")

    class Meta:
        ordering = ["network", "purpose"]
        constraints = [models.UniqueConstraint(fields=["publication", "network", "purpose"], name="wording_once")]

    def __str__(self) -> str:
        return f"{self.purpose} on {self.network}"
