"""Do generated messages keep every rule, and do readers of mail agree on them? `python benchmarks/deliverability.py`.

    messages         as a sending makes them: hostile names, other scripts, long subjects, many items, signed or not
    rules            the table of publisher/deliverability/rules.py, and each signature verified by dkimpy
    parsers_differ   messages that Python's email and Perl's Email::MIME do not read alike
    spam_points      what SpamAssassin's local rules give the sample Update

Email::MIME and SpamAssassin are Debian's (libemail-mime-perl, spamassassin); where one is missing its figure is null,
and `skipped` says why.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import surroundings

if TYPE_CHECKING:
    from benchmarks import deliverability_population as population

BASE_URL = "https://news.example"
READ_MAIL = Path(__file__).with_name("read_mail.pl")
SAID = ("Subject", "Message-ID", "Date", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Archive",
        "Feedback-ID", "Precedence")  # fmt: skip
PEOPLE = ("From", "To", "Reply-To")
MOST_TOLD = 10


class PerlReader:
    """Email::MIME in a process of its own, which reads one message after the other."""

    def __init__(self) -> None:
        self._perl = subprocess.Popen(["perl", READ_MAIL], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, raw: bytes) -> dict[str, Any]:
        assert self._perl.stdin
        assert self._perl.stdout
        self._perl.stdin.write(b"%d\n%b" % (len(raw), raw))
        self._perl.stdin.flush()
        return dict(json.loads(self._perl.stdout.readline()))

    def __enter__(self) -> PerlReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._perl.communicate()


def missing_reader() -> str:
    """Why there is no second reader here; "" where there is one."""
    if not shutil.which("perl"):
        return "there is no perl"
    found = subprocess.run(["perl", "-MEmail::MIME", "-e1"], capture_output=True)
    return "there is no Email::MIME: apt-get install libemail-mime-perl" if found.returncode else ""


def as_python_reads(raw: bytes) -> dict[str, Any]:
    """What PerlReader says, as Python's email reads it.

    By its older interface: of two encoded-words side by side in a name the newer leaves a blank, against RFC 2047 §6.2.
    """
    mail = message_from_bytes(raw)
    leaves = [leaf for leaf in mail.walk() if not leaf.is_multipart()]
    return {
        "people": {name: [person for value in mail.get_all(name, []) for person in _people(value)] for name in PEOPLE},
        "said": {name: "\n".join(_spaced(_decoded(value)) for value in mail.get_all(name, [])) for name in SAID},
        "parts": [[leaf.get_content_type(), _hash(leaf)] for leaf in leaves],
    }


def _people(value: str) -> list[list[str]]:
    return [[_decoded(person), address] for person, address in getaddresses([_spaced(value)])]


def _decoded(value: str) -> str:
    return str(make_header(decode_header(value)))


def _hash(leaf: Message) -> str:
    content = leaf.get_payload(decode=True)
    assert isinstance(content, bytes)
    return hashlib.sha256(content.decode("utf-8", "replace").replace("\r\n", "\n").encode()).hexdigest()


def _spaced(text: str) -> str:
    return re.sub(r"[ \t\r\n]+", " ", text)


def spam_points(message: population.Message) -> tuple[float, str]:
    """What SpamAssassin's local rules give it, and for which."""
    told = subprocess.run(
        ["spamassassin", "--local", "--test-mode"], input=message.raw, capture_output=True, check=True, timeout=300
    ).stdout.decode("utf-8", "replace")
    status = re.search(r"^X-Spam-Status: .*?score=(-?[\d.]+).*?tests=([\w,\s]*?)\s+autolearn", told, re.M | re.S)
    if not status:
        raise RuntimeError(f"SpamAssassin said nothing of points:\n{told[:500]}")
    return float(status[1]), re.sub(r"\s+", "", status[2])


def measure(count: int) -> dict[str, Any]:
    """All figures. Inside of Django, in a place of its own."""
    from benchmarks import deliverability_population as population

    population.make_keys()
    at = datetime.now(UTC).replace(microsecond=0)
    spam = "" if shutil.which("spamassassin") else "there is no spamassassin: apt-get install spamassassin"
    skipped = {"parsers_differ": missing_reader(), "spam_points": spam}
    began = time.monotonic()
    with nullcontext() if skipped["parsers_differ"] else PerlReader() as perl:
        told = judge(population.messages(count, at), perl)
    points = None if skipped["spam_points"] else spam_points(population.sample(at))
    return {
        **told,
        "spam_points": points[0] if points else None,
        "spam_tests": points[1] if points else None,
        "skipped": {name: why for name, why in skipped.items() if why},
        "seconds": round(time.monotonic() - began, 1),
    }


def judge(messages: Iterator[population.Message], perl: PerlReader | None) -> dict[str, Any]:
    from publisher.deliverability.rules import RULES, Facts, look

    broken: Counter[str] = Counter()
    examples: list[str] = []
    seen = signed = differ = 0
    for message in messages:
        seen += 1
        signed += message.signed
        facts = Facts(BASE_URL, message.postal_address, message.at, message.signed)
        found = [(each.rule.id, each.how) for each in look(message.raw, facts)]
        found += [("signature-verifies", "dkimpy says no")] if message.signed and not _verified(message.raw) else []
        broken.update(name for name, _ in found)
        if perl and (one := perl.read(message.raw)) != (other := as_python_reads(message.raw)):
            differ += 1
            found.append(("parsers", f"Perl {_apart(one, other)}"))
        examples += [f"{name}: {how}" for name, how in found][: MOST_TOLD - len(examples)]
    return {
        "messages": seen,
        "signed": signed,
        "rules": len(RULES) + 1,
        "broken": sum(broken.values()),
        "broken_by_rule": dict(broken),
        "parsers_differ": differ if perl else None,
        "examples": examples,
    }


def _apart(one: dict[str, Any], other: dict[str, Any]) -> str:
    for group, said in one.items():
        if isinstance(said, dict):
            for name, value in said.items():
                if value != other[group][name]:
                    return f"{name}: {value!r}, Python {other[group][name]!r}"
        elif said != other[group]:
            return f"{group}: {said!r}, Python {other[group]!r}"
    return ""


def _verified(raw: bytes) -> bool:
    """Each of its signatures, by dkimpy, with the keys that we would publish."""
    import dkim

    from publisher.delivery import keys

    records = {f"{name}.".encode(): value.encode() for name, value in (key.record for key in keys.stored())}
    check = dkim.DKIM(raw)
    count = sum(line.lower().startswith(b"dkim-signature:") for line in raw.partition(b"\r\n\r\n")[0].split(b"\r\n"))
    return count > 0 and all(check.verify(n, dnsfunc=lambda name, timeout=5: records.get(name)) for n in range(count))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="benchmarks.deliverability", description="Generated messages, and every rule."
    )
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--rules", action="store_true", help="list the rules with their sources, and make no message")
    parser.add_argument("--json", action="store_true", help="the figures as JSON on standard output")
    options = parser.parse_args()
    with surroundings.folder() as folder:
        environment = surroundings.environment(folder, PUBLISHER_BASE_URL=BASE_URL)
        surroundings.enter(environment)
        if options.rules:
            return _list(options.json)
        told = measure(options.messages)
    print(json.dumps(told) if options.json else "\n".join(f"{name:16} {value}" for name, value in told.items()))
    points = told["spam_points"]
    return 1 if told["broken"] or told["parsers_differ"] or (points is not None and points >= 2) else 0


def _list(as_json: bool) -> int:
    from publisher.deliverability.rules import RULES

    rows = [{"id": rule.id, "what": rule.what, "source": rule.source} for rule in RULES]
    print(json.dumps(rows) if as_json else "\n".join(f"{r['id']:24} {r['what']} ({r['source']})" for r in rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
