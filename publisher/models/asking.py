from __future__ import annotations

from django.db import models
from django.utils import timezone

from .members import ConsentWording
from .publications import Publication


class JoinRequest(models.Model):
    """Somebody asked to receive a publication: written down as it came, whatever is known of the address.

    A worker decides what comes of it, and then the row is gone.
    """

    publication = models.ForeignKey(Publication, models.CASCADE, related_name="+", db_index=False)
    email = models.EmailField()
    first_name = models.CharField(max_length=120, blank=True)
    language = models.CharField(max_length=8)
    how = models.CharField(max_length=120)
    worded = models.ForeignKey(ConsentWording, models.SET_NULL, null=True, related_name="+", db_index=False)
    network = models.CharField(max_length=43)
    at = models.DateTimeField(default=timezone.now)
    #: Later where a limit says so.
    due_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        indexes = [
            models.Index(fields=["email", "publication"], name="join_request_of"),
            models.Index(fields=["network"], name="join_request_from"),
        ]

    def __str__(self) -> str:
        return f"join request {self.pk}"


class LinkRequest(models.Model):
    """Somebody asked for the link to their preferences: written down as it came, whoever receives at this address.

    A worker decides whether it is mailed, and then the row is gone.
    """

    email = models.EmailField()
    network = models.CharField(max_length=43)
    at = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return f"link request {self.pk}"


class Asked(models.Model):
    """That a mail went to an address because somebody typed it. It knows no address and outlives what was asked for.

    `mailbox` and `network` are keyed hashes: they tell whether it was this one, and not which.
    """

    class What(models.TextChoices):
        JOIN = "join", "please confirm that you want it"
        LINK = "link", "the link to your preferences"
        ADDRESS = "address", "please confirm your new address"
        FRIEND = "friend", "an Update from a friend"

    what = models.CharField(max_length=8, choices=What)
    #: Which one is to be confirmed; of the others none.
    publication = models.ForeignKey(Publication, models.CASCADE, null=True, related_name="+", db_index=False)
    mailbox = models.CharField(max_length=64)
    network = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        indexes = [
            models.Index(fields=["mailbox", "what", "at"], name="asked_mailbox"),
            models.Index(fields=["network", "what", "at"], name="asked_network"),
        ]

    def __str__(self) -> str:
        return f"asked {self.pk}"
