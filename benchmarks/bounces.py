"""Mail that came back, on the real way: into an IMAP mailbox, read from there, into the database; then counted.

    python -m benchmarks.bounces [--database embedded|postgres] [--json]

Each mail of benchmarks/bounces_corpus.py is the answer to a letter to a member of its own. What it means stands beside
it in the corpus; who is mailed afterwards is read from the tables by SQL of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import imaplib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import surroundings
from workers.processes import Child, Crew

say = partial(print, file=sys.stderr, flush=True)
#: Kinds after which nobody is mailed any more, and those after which the letter counts as come back.
GONE, BACK_AGAIN = frozenset({"hard", "complaint"}), frozenset({"hard", "soft", "policy"})
AFTERWARDS = """
    SELECT d.id, d.state, s.state,
           (SELECT max(b.kind) FROM publisher_bounce b WHERE b.delivery_id = d.id),
           (SELECT count(*) FROM publisher_bounce b WHERE b.delivery_id = d.id)
    FROM publisher_delivery d JOIN publisher_subscription s ON s.member_id = d.member_id ORDER BY d.id
"""


@contextlib.contextmanager
def mailbox(place: Path, crew: Crew) -> Iterator[int]:
    """An IMAP server in a process of its own; its port."""
    announced = place / "sandbox.json"
    where = [word for name in ("http", "smtp", "imap") for word in (f"--{name}", "127.0.0.1:0")]
    command = ["publisher.sandbox", "--data", str(place / "sandbox"), "--announce", str(announced), *where]
    environment = surroundings.environment(place)
    crew.start(Child("sandbox", [*surroundings.PYTHON, *command], environment, surroundings.ROOT, announced.exists))
    yield json.loads(announced.read_text())["imap"]


def deliver(port: int, mails: Sequence[bytes]) -> None:
    client = imaplib.IMAP4("127.0.0.1", port)
    client.login("bounces", "sandbox")
    for raw in mails:
        client.append("INBOX", "", "", raw)
    client.logout()


def measure(database: str) -> dict[str, Any]:
    with surroundings.folder() as place, surroundings.crew(place) as crew, mailbox(place, crew) as port:
        given, _ = surroundings.database(database, crew, place)
        more = {
            "PUBLISHER_BOUNCE_ADDRESS": "bounces@news.example.org",
            "PUBLISHER_BOUNCE_IMAP_URL": f"imap://bounces:sandbox@127.0.0.1:{port}/INBOX",
        }
        environment = surroundings.environment(place, **more, **given)
        surroundings.migrate(crew, environment)
        surroundings.enter(environment)
        return {"database": database, **_measured(port)}


def _measured(port: int) -> dict[str, Any]:
    """To be called where Django is set up."""
    from benchmarks import bounces_corpus
    from benchmarks.bounces_stage import answering, sent_to

    corpus = bounces_corpus.everything()
    say(f"{len(corpus)} letters were taken, and {len(corpus)} mails come back")
    rows = sent_to(len(corpus))
    deliver(port, [answering(mail.raw, row) for mail, row in zip(corpus, rows, strict=True)])
    began = time.monotonic()
    taken = _read()
    seconds = time.monotonic() - began
    said = dict(Counter(str(each.report.kind) for each in taken))
    meant = {row.pk: (str(mail.kind), mail.forged, mail.name) for mail, row in zip(corpus, rows, strict=True)}
    per_second = round(len(taken) / seconds, 1)
    return {"messages": len(taken), "classes": said, **judged(meant), "per_second": per_second}


def _read() -> list[Any]:
    """Turn after turn, as the clock has it done, until nothing is left, nor anything to follow from it."""
    from publisher import bounces
    from publisher.bounces import mailbox as bounces_mailbox
    from publisher.models import Mailbox

    found: list[Any] = []
    place = bounces_mailbox.chosen()
    assert place is not None
    while not (found and Mailbox.objects.filter(emptied_at__isnull=False).exists()):
        found += bounces_mailbox.read_now(place)
    while bounces.settle():
        pass
    return found


def judged(meant: dict[int, tuple[str, bool, str]]) -> dict[str, Any]:
    """By the database alone: how each letter and its member stand now, and how they should."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(AFTERWARDS)
        found = {pk: row for pk, *row in cursor.fetchall()}
    wrong, wronged = [], Counter[str]()
    for pk, (kind, forged, name) in meant.items():
        expected = expectation("other" if forged else kind)
        if found[pk] != expected:
            wrong.append(f"{kind}: {name} ({', '.join(str(each) for each in found[pk])})"[:160])
        if found[pk][1] != expected[1]:
            wronged["forged" if forged else kind] += 1
    return {
        "wrong": len(wrong),
        "suppressed_for_sender_side": wronged["policy"],
        "suppressed_for_a_forgery": wronged["forged"],
        "suppressed_wrongly_otherwise": sum(wronged.values()) - wronged["policy"] - wronged["forged"] - wronged["hard"],
        "not_suppressed": wronged["hard"] + wronged["complaint"],
        "wrong_ones": wrong,
    }


def expectation(kind: str) -> list[Any]:
    """The letter's state, the subscription's, the kind that was noted, and how many were."""
    noted = kind in BACK_AGAIN or kind in GONE
    return [
        "bounced" if kind in BACK_AGAIN else "sent",
        "suppressed" if kind in GONE else "active",
        kind if noted else None,
        int(noted),
    ]


def main() -> None:
    options = _arguments().parse_args()
    told = {**measure(options.database), "load": round(os.getloadavg()[0], 2)}
    if options.json:
        print(json.dumps(told, indent=2))
    else:
        print("  ".join(f"{name}: {value}" for name, value in told.items() if name != "wrong_ones"))
        for one in told["wrong_ones"]:
            print(f"  {one}")
    if told["suppressed_for_sender_side"] or told["suppressed_for_a_forgery"] or told["wrong"] > told["messages"] / 100:
        raise SystemExit(1)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--database", choices=["embedded", "postgres"], default="embedded")
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    main()
