from __future__ import annotations

from django.db import models

from .channels import Channel, Post


class Measure(models.Model):
    """What followers had done with a post until then, as its network counts it. None: it does not say."""

    post = models.ForeignKey(Post, models.CASCADE, related_name="measures")
    at = models.DateTimeField()
    likes = models.PositiveBigIntegerField(null=True, blank=True)
    reposts = models.PositiveBigIntegerField(null=True, blank=True)
    comments = models.PositiveBigIntegerField(null=True, blank=True)
    views = models.PositiveBigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.post} at {self.at:%Y-%m-%d %H:%M}"


class Gathering(models.Model):
    """How a channel's figures are asked for: within a budget, because some networks charge for each post read."""

    channel = models.OneToOneField(Channel, models.CASCADE, related_name="gathering")
    #: Posts read in a month; 0: none. X charges by the post.
    budget = models.PositiveIntegerField(default=1000)
    month = models.CharField(max_length=7, blank=True, help_text="The month that `reads` counts, as 2016-02.")
    reads = models.PositiveIntegerField(default=0)
    #: It failed this often in a row; nothing is asked until then. Why stands in a sentence.
    failures = models.PositiveIntegerField(default=0)
    rest_until = models.DateTimeField(null=True, blank=True)
    problem = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"figures of {self.channel}"
