"""How fast a list of members is taken in, and how much memory that takes: `python benchmarks/members.py`.

The command itself is run, in a process of its own, from its start to its end: every address is looked at, and each
member gets a subscription and a consent. One line of the list in a thousand is broken, in one of seven ways: each of
these must be reported with its number, and no other.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import surroundings

#: Half of a list has its mailboxes with a few providers, the other half with many small ones.
PROVIDERS = ("gmail.example", "outlook.example", "yahoo.example", "mail.example")
SMALL = 40_000
FIRST = ("Ana", "Luis", "Rosa", "Tomás", "Inés", "Pedro", "Marta", "Jorge", "Lucía", "Raúl", "Elena", "Hugo")
LAST = ("Vega", "Rowe", "Ortiz", "Vidal", "Quispe", "Mamani", "Flores", "Huamán", "Rojas", "Díaz", "Soto")
BROKEN = 1_000
PUBLISHER = [sys.executable, "-m", "publisher"]


#: Each is one broken line, in turn: no address, a quotation mark that stays open, a NUL, too many cells, an address
#: that may be cut, more than a line may have, and what no encoding reads.
BREAKS: tuple[Callable[[bytes], bytes], ...] = (
    lambda line: line.replace(b"@", b" at "),
    lambda line: b'"' + line,
    lambda line: line.replace(b",", b",\0", 1),
    lambda line: line.replace(b",", b",a,b,", 1),
    lambda line: line.partition(b"@")[0],
    lambda line: line + b"x" * 70_000,
    lambda line: line.replace(b",", b",\x81", 1),
)


def write_list(file: Path, rows: int) -> list[int]:
    """Write it; the numbers of its broken lines."""
    broken: list[int] = []
    with file.open("wb") as lines:
        lines.write(b"email,first_name,last_name,since\n")
        for n in range(rows):
            line = _line(n).encode()
            if n % BROKEN == BROKEN - 1:
                line = BREAKS[len(broken) % len(BREAKS)](line)
                broken.append(n + 2)
            lines.write(line + b"\n")
    return broken


def _line(n: int) -> str:
    first, last = FIRST[n % len(FIRST)], LAST[n % len(LAST)]
    # A prime step, so that the addresses come in no order, as on a real list.
    name = f"{['ariel', 'sasha', 'kim', 'robin'][n % 4]}.{n * 7_368_787 % 99_999_989}"
    domain = PROVIDERS[n // 2 % len(PROVIDERS)] if n % 2 else f"mail{n * 31 % SMALL}.example"
    return f"{name}@{domain},{first},{last},2007-03-{n % 28 + 1:02}"


def import_(file: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Run the command; what it counted, its seconds, and the peak of its memory."""
    command = [*PUBLISHER, "members", "import", str(file), "--by", "anne", "--basis", "consent", "--json"]
    began = time.monotonic()
    running = subprocess.Popen(command, env=dict(environment), stdout=subprocess.PIPE, cwd=surroundings.ROOT)
    assert running.stdout is not None
    told = running.stdout.read()
    _, status, used = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - began
    if running.returncode:
        raise SystemExit(f"The import ended with status {running.returncode}.")
    scale = 1 if sys.platform == "darwin" else 1024
    return {**json.loads(told), "seconds": round(seconds, 2), "peak_mib": round(used.ru_maxrss * scale / 2**20, 1)}


def measure(rows: int, database: str, again: bool) -> list[dict[str, Any]]:
    with surroundings.folder() as place, surroundings.crew(place) as crew:
        (place / "data").mkdir()
        environment = surroundings.environment(place, **surroundings.database(database, crew, place)[0])
        surroundings.migrate(crew, environment)
        _set_up(environment)
        file = place / "members.csv"
        broken = write_list(file, rows)
        told = [import_(file, environment) for _ in range(2 if again else 1)]
        mib = round(file.stat().st_size / 2**20, 1)
        with Path(told[0]["report"]).open(encoding="utf-8-sig", newline="") as report:
            reported = [int(row["line"]) for row in csv.DictReader(report)]
    if (told[0]["added"], told[0]["rejected"], reported) != (rows - len(broken), len(broken), broken):
        raise SystemExit(f"The import lost a line, or told of a wrong one: {told[0]}")
    return [_figures(rows, mib, database, one) for one in told]


def _set_up(environment: Mapping[str, str]) -> None:
    person = "from benchmarks import scene; scene.staff(); scene.audience('update', 0)"
    code = f"import django; django.setup(); {person}"
    subprocess.run([sys.executable, "-c", code], env=dict(environment), check=True, cwd=surroundings.ROOT)


def _figures(rows: int, mib: float, database: str, told: dict[str, Any]) -> dict[str, Any]:
    kept = {name: told[name] for name in ("added", "known", "refused", "rejected", "seconds", "peak_mib")}
    load = round(os.getloadavg()[0], 2)
    per_second = round(rows / told["seconds"])
    return {"database": database, "rows": rows, "file_mib": mib, **kept, "rows_per_second": per_second, "load": load}


def main() -> None:
    options = _arguments().parse_args()
    told = measure(options.rows, options.database, options.again)
    if options.json:
        print(json.dumps(told[0] if len(told) == 1 else told, indent=2))
        return
    for one in told:
        print(
            f"{one['database']:9} {one['rows']:>9,} rows, {one['added']:,} added, {one['known']:,} known: "
            f"{one['seconds']:.1f} s, {one['rows_per_second']:,} rows/s, peak {one['peak_mib']} MiB, load {one['load']}"
        )


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--database", choices=["embedded", "postgres"], default="embedded")
    parser.add_argument("--again", action="store_true", help="import the same list a second time: all are known then")
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    main()
