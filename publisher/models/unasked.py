from __future__ import annotations

from django.db import models
from django.utils import timezone


class Unasked(models.Model):
    """That a mail went to an address because somebody typed it: a friend's, or a member's new one.

    It knows no address. `mailbox` and `network` are keyed hashes: they tell whether it was this one, and not which.
    """

    class What(models.TextChoices):
        FRIEND = "friend", "an Update from a friend"
        ADDRESS = "address", "please confirm your new address"

    what = models.CharField(max_length=8, choices=What)
    mailbox = models.CharField(max_length=64)
    network = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        indexes = [
            models.Index(fields=["mailbox", "at"], name="unasked_mailbox"),
            models.Index(fields=["network", "at"], name="unasked_network"),
        ]

    def __str__(self) -> str:
        return f"unasked {self.pk}"
