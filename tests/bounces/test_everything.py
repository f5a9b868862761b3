"""Mails of every shape, each as the answer to the letter of a member of its own: who is mailed afterwards."""

from __future__ import annotations

from collections import Counter

from django.db import transaction

from benchmarks import bounces_corpus
from publisher import bounces, links
from publisher.models import Bounce, Delivery
from tests.bounces.conftest import back, suppressed

#: Of what is known every sixth; `python -m benchmarks.bounces` takes all of it, through a real mailbox.
CORPUS = [*(bounces_corpus.Mail(*each) for each in bounces_corpus.known()[::6]), *bounces_corpus.odd()]


def answering(mail, row):
    leave = links.leaver(row.digest.publication_id)(row.member_id)
    return back(mail.raw.replace(bounces_corpus.LEAVE.encode(), leave.encode()), row)


def test_only_who_does_not_exist_or_complained_is_suppressed(went_out, make_members):
    corpus = [*CORPUS, *bounces_corpus.forged()]
    # A person has said that the list is right: so many could be a wrong one.
    digest = went_out(make_members(len(corpus)), failures_accepted=True)
    rows = list(digest.deliveries.order_by("pk"))
    with transaction.atomic():  # one commit for all: what is looked at is the end
        for mail, row in zip(corpus, rows, strict=True):
            bounces.take(answering(mail, row), "file")
    meant = {row.address.partition("@")[0]: str(mail.kind) for mail, row in zip(corpus, rows, strict=True)}
    # Not one for a failure of ours, nor for a mailbox that is full, a machine's answer, or a forgery.
    assert suppressed() == sorted(name for name, kind in meant.items() if kind in {"hard", "complaint"})
    counted = Counter(kind for kind in meant.values() if kind in Bounce.Kind.values)
    assert bounces.counts(digest) == dict(counted)
    states = Counter(Delivery.objects.values_list("state", flat=True))
    assert states == {
        "bounced": counted["hard"] + counted["soft"] + counted["policy"],
        "sent": len(corpus) - counted.total() + counted["complaint"],
    }
