"""Is this process alive, and is it ready to serve pages?"""

from __future__ import annotations

from typing import NamedTuple

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from .. import epoch, handing
from ..clockwork import LEASE
from ..models import Lease

BROKER_WAIT = 1.0  # seconds


class Finding(NamedTuple):
    ok: bool
    says: str


@never_cache
@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """The process answers. Asks nothing else: who restarts us for this must not do it because a database is away."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Each check with a sentence; 503 where pages cannot be served.

    The broker, the clock and the epoch are reported and do not decide. Pages are served without them: what
    staff approve and what members ask for are rows, which wait until the clock is back. Taking the web out of
    service because of them would hide the page on which a person reads what is wrong, and turn a late letter
    into a member who cannot leave.
    """
    findings = {"database": database(), "broker": broker(), "clock": clock()}
    if findings["database"].ok:
        findings["migrations"] = migrations()
    needed = [findings["database"], findings.get("migrations", Finding(False, ""))]
    serving = all(finding.ok for finding in needed)
    if serving:
        findings["epoch"] = sending()
    checks = {name: {"ok": finding.ok, "says": finding.says} for name, finding in findings.items()}
    return JsonResponse({"ready": serving, "checks": checks}, status=200 if serving else 503)


def database() -> Finding:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        # Its own words name hosts and users; they are in the log, not on a page that anyone may read.
        return Finding(False, "The database does not answer: check that it runs and that DATABASE_URL is right.")
    return Finding(True, "The database answers.")


def migrations() -> Finding:
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if missing:
        return Finding(False, f"{missing} migrations are not applied: run “publisher up”, or “django-admin migrate”.")
    return Finding(True, "All migrations are applied.")


def broker() -> Finding:
    if not settings.BROKER_URL:
        return Finding(True, "No REDIS_URL is set: there is no broker to reach from here.")
    # What is wrong in detail `publisher check` says: it names hosts, and this page anyone may read.
    if handing.trouble(BROKER_WAIT):
        return Finding(False, "The broker does not answer: letters and posts wait until it does. Check REDIS_URL.")
    return Finding(True, "The broker answers.")


def sending() -> Finding:
    """Whether anything may be sent from here. The reason names files, and stands on the staff's pages."""
    if epoch.doubt():
        return Finding(False, "Nothing is sent until a person has looked: see the staff's pages, or “publisher check”.")
    return Finding(True, "Nothing stands in the way of sending.")


def clock() -> Finding:
    try:
        lease = Lease.objects.filter(name=LEASE).first()
    except DatabaseError:
        return Finding(False, "Not known: the database does not answer.")
    if lease is None:
        return Finding(False, "The clock has never run here: start it with “publisher up”.")
    late = int((timezone.now() - lease.until).total_seconds())
    if late > 0:
        return Finding(False, f"The clock's lease ran out {late} seconds ago: nothing starts by itself until it runs.")
    return Finding(True, "The clock is running.")
