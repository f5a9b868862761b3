"""When what was not taken is tried again."""

from datetime import timedelta
from itertools import count

from django.utils import timezone

from publisher.delivery.retries import after

from .batches import GREYLISTED


def test_an_address_is_tried_for_the_whole_five_days() -> None:
    """Doubling alone would end after three days and a half: the next attempt would lie beyond the fifth day."""
    start = now = timezone.now()
    for attempts in count():
        first = start if attempts else None
        then = after(GREYLISTED, attempts=attempts, first_tried_at=first, refused_before=False, now=now)
        if then.state == "failed":
            break
        now = then.due_at
    assert (attempts, now - start) == (11, timedelta(days=5))
