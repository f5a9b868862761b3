"""Joining under attack: how many mails an address gets, and whether the answers tell members from strangers.

    ./publisher.sh python benchmarks/joining.py [--requests 10000] [--each 1000] [--json]

Web, clock, workers, message server and sandbox run as `publisher up` runs them, and are asked over HTTP. The days of
which the second count speaks pass by a clock that is set, in this process, on the same database.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import statistics
import sys
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import surroundings
from workers import up

say = partial(print, file=sys.stderr, flush=True)
PAGE = "/bench/subscribe/"
#: Where members have the link to their preferences mailed, and strangers might learn who is one.
LINK_PAGE = "/preferences/"
#: Of each of the others so many fewer than of members and strangers.
FEWER = 4
KINDS = ("stranger", "active", "pending", "left", "suppressed", "erased")
WARM_UP = 100
AT_ONCE = 4
#: So many requests come between two ticks, in the days that pass by a clock that is set.
EACH_TICK = 10
BOUNDS = {
    "mails_24h": 1,
    "mails_90d": 3,
    "auc_time": 0.55,
    "auc_length": 0.55,
    "auc_link_time": 0.55,
    "auc_link_length": 0.55,
}


@dataclass
class Visitor:
    """A program that asks, over one connection, each time from another network."""

    url: str
    form: str
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)

    def ask(self, email: str, network: int, page: str = PAGE) -> tuple[float, int]:
        """Seconds, and bytes of the answer, headers included."""
        body = urlencode({"form": self.form, "email": email, "website": ""})
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Forwarded-For": f"10.{network >> 8 & 255}.{network & 255}.1",
        }
        began = time.perf_counter()
        self.connection.request("POST", page, body, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        took = time.perf_counter() - began
        if answer.status != 200:
            raise SystemExit(f"The server answered {answer.status}: {content[:500]!r}")
        return took, len(content) + sum(len(name) + len(value) for name, value in answer.getheaders())


def opened_form(url: str) -> str:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.request("GET", PAGE)
    html = connection.getresponse().read().decode()
    connection.close()
    (form,) = re.findall(r'name="form" value="([^"]+)"', html)
    time.sleep(2.5)  # nobody types an address faster
    return str(form)


def shower(url: str, form: str, requests: int) -> int:
    """So many requests for one address, from everywhere; the mails that came of them."""
    from publisher.models import Notice

    address = "victim@members.example"
    visitors = [Visitor(url, form) for _ in range(AT_ONCE)]

    def some(of: int) -> None:
        for n in range(of, requests, AT_ONCE):
            visitors[of].ask(address, n)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(some, range(AT_ONCE)))
    _wait(lambda: not _waiting(address))
    return Notice.objects.filter(address=address).count()


def days(requests: int) -> tuple[int, int]:
    """As many again, evenly over 90 days, for another address: the most mails in any 24 hours, and all of them."""
    import time_machine

    from publisher import consents, joining
    from publisher.models import Notice, Publication

    publication, address = Publication.objects.get(), "slowly@members.example"
    worded, begin = consents.current(publication, "en"), datetime.now(UTC) + timedelta(days=1)
    for n in range(requests):
        with time_machine.travel(begin + n * timedelta(days=90) / requests, tick=False):
            network = f"10.{n >> 8 & 255}.{n & 255}.0/24"
            joining.ask(publication, address, language="en", worded=worded, how="benchmark", network=network)
            if n % EACH_TICK == 0:
                joining.answer()
    times = sorted(Notice.objects.filter(address=address).values_list("due_at", flat=True))
    in_a_day = [bisect_right(times, at + timedelta(hours=24)) - bisect_left(times, at) for at in times]
    return max(in_a_day, default=0), len(times)


def known(each: int) -> dict[str, list[str]]:
    """Addresses of each kind, alike but for what is known of them."""
    from publisher import members
    from publisher.models import Consent, Member, Publication, Subscription

    publication = Publication.objects.get()
    numbers = random.Random(1).sample(range(10_000_000, 99_999_999), each * len(KINDS))
    addresses: dict[str, list[str]] = {}
    for at, kind in enumerate(KINDS):
        many = each if kind in {"stranger", "active"} else each // FEWER
        addresses[kind] = [f"p{number}@members.example" for number in numbers[at * each :][:many]]
        if kind in {"stranger", "erased"}:
            continue
        made = Member.objects.bulk_create(Member(email=address) for address in addresses[kind])
        states = Subscription.objects.bulk_create(
            Subscription(member=member, publication=publication, state=kind) for member in made
        )
        Consent.objects.bulk_create(Consent(subscription=subscription, how="benchmark") for subscription in states)
    for kind in ("suppressed", "erased"):
        for address in addresses[kind]:
            members.suppress(address, kind)
    return addresses


Answers = dict[str, list[tuple[float, int]]]


def measured(url: str, form: str, people: dict[str, list[str]], page: str) -> Answers:
    """Ask for everybody once, all kinds mixed; seconds and bytes of each answer."""
    line = [(kind, address) for kind, addresses in people.items() for address in addresses]
    random.Random(2).shuffle(line)
    visitor = Visitor(url, form)
    for n in range(WARM_UP):
        visitor.ask(f"w{10_000_000 + n}@members.example", n, page)
    found: Answers = {kind: [] for kind in KINDS}
    for n, (kind, address) in enumerate(line):
        found[kind].append(visitor.ask(address, WARM_UP + n, page))
    return found


def auc(one: Sequence[float], other: Sequence[float]) -> float:
    """How often one of the first is above one of the second, equals counting half: 0.5 tells nothing. At least 0.5."""
    ordered = sorted(other)
    above = sum(bisect_left(ordered, each) + bisect_right(ordered, each) for each in one) / 2
    share = above / (len(one) * len(other))
    return max(share, 1 - share)


def figures(found: Answers) -> dict[str, Any]:
    strangers = found["stranger"]
    times = {kind: [took for took, _ in answers] for kind, answers in found.items()}
    return {
        "n": len(found["active"]) + len(strangers),
        "auc_time": round(auc(times["active"], times["stranger"]), 4),
        "auc_length": round(auc([size for _, size in found["active"]], [size for _, size in strangers]), 4),
        "auc_time_of": {kind: round(auc(times[kind], times["stranger"]), 4) for kind in KINDS[2:]},
        "lengths": sorted({size for answers in found.values() for _, size in answers}),
        "median_ms": {kind: round(1000 * statistics.median(times[kind]), 2) for kind in KINDS},
    }


def _wait(until: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise SystemExit("What waits is not answered.")
        time.sleep(0.2)


def _waiting(address: str) -> bool:
    from publisher.models import JoinRequest

    return JoinRequest.objects.filter(email=address).exists()


def played(requests: int, each: int) -> dict[str, Any]:
    with surroundings.folder() as folder:
        given = surroundings.environment(folder, PUBLISHER_BEHIND_PROXY="1")
        with up.running(data=folder / "data", environment=given, say=say) as place:
            surroundings.enter(place.environment)
            from publisher.models import Publication

            Publication.objects.create(
                slug="bench",
                series="Update",
                organisation="Bench",
                sender_email="update@bench.example",
                list_id="update.bench.example",
                postal_address="1 Example Street",
            )
            form = opened_form(place.web_url)
            say(f"{requests} requests for one address")
            today = shower(place.web_url, form, requests)
            say(f"{each} members and {each} strangers ask")
            people = known(each)
            told = figures(measured(place.web_url, form, people, PAGE))
            say("and all of them ask for the link to their preferences")
            link = figures(measured(place.web_url, form, people, LINK_PAGE))
            told |= {f"auc_link_{name}": link[f"auc_{name}"] for name in ("time", "length")}
            told["link_median_ms"] = link["median_ms"]
        say(json.dumps(told))
        say(f"{requests} requests over 90 days")
        in_a_day, in_ninety = days(requests)
    return {"requests": requests, "mails_24h": max(today, in_a_day), "mails_90d": in_ninety, **told}


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.joining", description="Joining under attack.")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--each", type=int, default=1_000, help="members, and strangers")
    parser.add_argument("--json", action="store_true", help="the figures as JSON on standard output")
    options = parser.parse_args()
    told = played(options.requests, options.each)
    if options.json:
        print(json.dumps(told))
    else:
        for name, value in told.items():
            print(f"{name:12} {value}")
    wrong = [name for name, bound in BOUNDS.items() if told[name] > bound]
    for name in wrong:
        say(f"{name} is {told[name]}, and may be {BOUNDS[name]} at most")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
