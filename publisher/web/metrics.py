"""What a monitoring system reads: counted in the database when it asks, so that every process says the same."""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from .. import epoch
from ..clockwork import LEASE
from ..models import Delivery, Digest, Lease, Notice, Post, Source
from ..models.lives import Lives
from . import client

#: Deliveries of digests that were settled before are left out: they are the whole past, and would be counted
#: again at every scrape.
RECENT = timedelta(days=7)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text, for this machine, or for whoever has PUBLISHER_METRICS_TOKEN."""
    if not _may_read(request):
        sentence = "Metrics are for this machine, or for a request with PUBLISHER_METRICS_TOKEN as its bearer token.\n"
        return HttpResponse(sentence, status=403, content_type="text/plain; charset=utf-8")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Counts(timezone.now()))
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_read(request: HttpRequest) -> bool:
    token = os.environ.get("PUBLISHER_METRICS_TOKEN", "")
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if token and hmac.compare_digest(given.encode(), token.encode()):
        return True
    # Behind a proxy on the same machine the whole world comes from loopback.
    proxied = any(name in request.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"))
    return not proxied and client.is_loopback(request)


class Counts(Collector):
    """All numbers of one scrape, in one query for each noun however many rows there are."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        due = GaugeMetricFamily("publisher_due", "Rows whose time has come and that nobody has taken.", labels=["noun"])
        oldest = GaugeMetricFamily(
            "publisher_due_oldest_seconds", "How long the oldest of these has been waiting.", labels=["noun"]
        )
        for noun, help_text, rows, waiting, due_at in self._nouns():
            states, count, first = _by_state(rows, waiting, due_at)
            family = GaugeMetricFamily(f"publisher_{noun}", help_text, labels=["state"])
            for state, number in states.items():
                family.add_metric([state], number)
            yield family
            due.add_metric([noun], count)
            oldest.add_metric([noun], self._age(first))
        polls = Source.due().aggregate(count=Count("pk"), first=Min("next_poll_at"))
        due.add_metric(["sources"], polls["count"])
        oldest.add_metric(["sources"], self._age(polls["first"]))
        yield from (due, oldest, self._clock(), _epoch())

    def _nouns(self) -> Iterator[tuple[str, str, QuerySet, Q, str]]:
        now = self.now
        live = Q(digest__state__in=["preparing", "sending", "paused"])
        recent = Delivery.objects.filter(live | Q(digest__state_since__gte=now - RECENT))
        may_go = Q(digest__state="sending", state__in=["queued", "deferred"], due_at__lte=now)
        yield "deliveries", "Deliveries of digests under way, or settled within 7 days.", recent, may_go, "due_at"
        yield "posts", "Posts.", Post.objects.all(), Q(state="approved", due_at__lte=now), "due_at"
        yield "digests", "Digests.", Digest.objects.all(), Q(state="approved", start_at__lte=now), "start_at"
        yield "notices", "Mails to one person.", Notice.objects.all(), Q(state="queued", due_at__lte=now), "due_at"

    def _age(self, since: datetime | None) -> float:
        return max(0.0, (self.now - since).total_seconds()) if since else 0.0

    def _clock(self) -> GaugeMetricFamily:
        """Seconds since the clock's lease ran out; negative while somebody holds it, absent if nobody ever did."""
        family = GaugeMetricFamily(
            "publisher_clock_lease_age_seconds", "Since the clock's lease ran out; negative while it is held."
        )
        for until in Lease.objects.filter(name=LEASE).values_list("until", flat=True):
            family.add_metric([], (self.now - until).total_seconds())
        return family


def _epoch() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "publisher_epoch_doubt", "1 while nothing is sent from here until a person looks.", float(bool(epoch.doubt()))
    )


def _by_state(rows: QuerySet, waiting: Q, due_at: str) -> tuple[dict[str, int], int, datetime | None]:
    """How many rows stand in each state (0 where none), how many are due, and since when the first."""
    model: type[Lives] = rows.model
    found = list(
        rows.order_by().values("state").annotate(
            number=Count("pk"), due=Count("pk", filter=waiting), first=Min(due_at, filter=waiting)
        )
    )  # fmt: skip
    states = dict.fromkeys(model.MOVES, 0) | {row["state"]: row["number"] for row in found}
    firsts = [row["first"] for row in found if row["first"]]
    return states, sum(row["due"] for row in found), min(firsts, default=None)
