from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models


class Person(AbstractUser):
    """Somebody of the staff. Members, who receive, are another noun and never sign in."""

    may_approve = models.BooleanField(
        default=False,
        help_text="May approve what others wrote. Whoever edited can never approve it themselves.",
    )

    @property
    def name(self) -> str:
        return self.get_full_name() or self.username
