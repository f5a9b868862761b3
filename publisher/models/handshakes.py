from __future__ import annotations

from django.db import models
from django.utils import timezone

from .channels import Channel
from .people import Person
from .publications import Publication


class Handshake(models.Model):
    """An account that somebody is connecting: gone once it is used, and good for one person's session alone.

    The network sends the person back with the `state` that we gave them; only its hash is kept. What has to stay
    secret meanwhile is sealed: the address with the `state`, a verifier, the accounts to choose from and their tokens.
    """

    state_hash = models.CharField(max_length=64, unique=True)
    session_hash = models.CharField(max_length=64)
    publication = models.ForeignKey(Publication, models.CASCADE)
    network = models.CharField(max_length=20)
    #: The one that is connected again, with new credentials for the same account.
    channel = models.ForeignKey(Channel, models.CASCADE, null=True, blank=True)
    person = models.ForeignKey(Person, models.CASCADE)
    sealed = models.TextField()
    answered = models.BooleanField(default=False, help_text="The network has said yes: an account is to be chosen.")
    made_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"connecting {self.network}"
