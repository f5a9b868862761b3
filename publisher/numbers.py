""" "Update NN": unique, immutable and without gaps in each publication."""

from __future__ import annotations

from django.db import transaction

from .models import Digest, Publication


def reserve(publication_id: int) -> int:
    """The next number, taken under a lock: two digests submitted at once get two numbers.

    The number of a digest that was cancelled before anyone received it is taken first, so no gap stays.
    """
    with transaction.atomic():
        publication = Publication.objects.select_for_update().get(pk=publication_id)
        if publication.free_numbers:
            number, *publication.free_numbers = sorted(publication.free_numbers)
        else:
            number, publication.next_number = publication.next_number, publication.next_number + 1
        publication.save(update_fields=["next_number", "free_numbers"])
        return number


def give_back(digest: Digest) -> None:
    """Free the number of a digest that nobody received, for the next one submitted."""
    if digest.number is None:
        return
    with transaction.atomic():
        publication = Publication.objects.select_for_update().get(pk=digest.publication_id)
        publication.free_numbers = sorted({*publication.free_numbers, digest.number})
        publication.save(update_fields=["free_numbers"])
        digest.number = None
        digest.save(update_fields=["number"])
