"""Every mail of the corpus, each as the answer to the letter of a member of its own: who is mailed afterwards."""

from __future__ import annotations

from collections import Counter

from django.db import transaction

from publisher import bounces
from publisher.models import Bounce, Delivery
from tests.bounces.conftest import back, suppressed
from tests.bounces.test_reading import everything


def test_only_who_does_not_exist_or_complained_is_suppressed(went_out, make_members):
    corpus = everything()
    # A person has said that the list is right: so many could be a wrong one.
    digest = went_out(make_members(len(corpus)), failures_accepted=True)
    rows = list(digest.deliveries.order_by("pk"))
    with transaction.atomic():  # one commit for all: what is looked at is the end
        for (_, _, raw), row in zip(corpus, rows, strict=True):
            bounces.take(back(raw, row), "file")
    meant = {row.address.partition("@")[0]: str(kind) for (kind, _, _), row in zip(corpus, rows, strict=True)}
    assert len(corpus) >= 300
    assert suppressed() == sorted(name for name, kind in meant.items() if kind in {"hard", "complaint"})
    # Not one for a failure of ours, nor for a mailbox that is full, a machine's answer, or an advertisement.
    assert Counter(meant[name] for name in suppressed()).keys() == {"hard", "complaint"}
    counted = Counter(kind for kind in meant.values() if kind in Bounce.Kind.values)
    assert bounces.counts(digest) == dict(counted)
    states = Counter(Delivery.objects.values_list("state", flat=True))
    assert states == {
        "bounced": counted["hard"] + counted["soft"] + counted["policy"],
        "sent": len(corpus) - counted.total() + counted["complaint"],
    }
