"""How fast the engine sends, beside Postfix's own load generator: `python benchmarks/delivery.py`.

Round by round smtp-source and the engine send the same number of the same message to the same server. What counts
is the ratio of each pair, not the messages per second, which differ from hour to hour on a shared machine. See
benchmarks/README.md for what each figure means.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import certificates, signing, surroundings
from benchmarks.contestants import Contestant, Engine, Sent, Workers, smtp_source
from benchmarks.servers import OurSink, SmtpSink, running
from workers.processes import Crew

SESSIONS = (1, 4, 10, 20)
TRIALS = 3  # rounds in which the best number of sessions is looked for


@dataclass(frozen=True)
class Case:
    name: str
    items: int = 5
    dkim: str = ""
    processes: int = 1
    celery: bool = False
    starttls: bool = False


CASES = (
    Case("25k"),
    Case("72k", items=20),
    Case("25k-ed25519", dkim="ed25519"),
    Case("72k-ed25519", items=20, dkim="ed25519"),
    Case("25k-rsa-2p", dkim="rsa", processes=2),
    Case("25k-celery", celery=True),
    Case("25k-starttls", starttls=True),
)

say = partial(print, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Result:
    case: str
    ratio_median: float
    ratios: list[float]
    baseline_sessions: int
    cpu_us_per_message: float
    rss_growth_mib: float


class Bench:
    """The place of one run: its database with the audience, and how a case is set up and measured there."""

    def __init__(self, options: argparse.Namespace, place: Path, crew: Crew) -> None:
        self.options, self.place, self.crew = options, place, crew
        given, _ = surroundings.database(options.database, crew, place)
        self.environment = surroundings.environment(place, **given)
        surroundings.migrate(crew, self.environment)
        surroundings.enter(self.environment)
        from benchmarks import scene

        self.scene = scene
        say(f"{options.messages} members join")
        self.all, self.one = scene.audience("all", options.messages), scene.audience("one", 1)

    def measure(self, case: Case) -> Result:
        say(f"\n{case.name}, {self.options.database}")
        with self._server(case) as (server, environment):
            letter = self._letter(case, environment)
            with self._contestant(case, environment) as contestant:
                pair = Pair(self, case, server, contestant, letter)
                return pair.compare(self.options.rounds)

    def digest(self, items: int, *, to: Any = None) -> int:
        """A new digest, ready to be sent to everybody."""
        return int(self.scene.frozen(self.scene.approved(to or self.all, items)).pk)

    @contextlib.contextmanager
    def _server(self, case: Case) -> Iterator[tuple[SmtpSink | OurSink, dict[str, str]]]:
        """Where both send to, and the engine's settings for it."""
        environment = self.environment | signing.environment(case.dkim, self.place)
        if not case.starttls:
            with running(SmtpSink(self.place)) as sink:
                yield sink, environment | {"PUBLISHER_SMTP_URL": f"smtp://127.0.0.1:{sink.port}"}
            return
        trusted, shown = certificates.make(self.place)
        with running(OurSink(self.place / "sink.log", "--certificate", str(shown))) as ours:
            where = f"smtp://127.0.0.1:{ours.port}?tls=starttls"
            yield ours, environment | {"PUBLISHER_SMTP_URL": where, "SSL_CERT_FILE": str(trusted)}

    def _letter(self, case: Case, environment: dict[str, str]) -> Path:
        """The message that the engine makes of this case for one member, as smtp-source reads it."""
        kept = self.place / f"{case.name}.eml"
        with running(OurSink(self.place / "one.log", "--keep", str(kept))) as sink:
            elsewhere = environment | {"PUBLISHER_SMTP_URL": f"smtp://127.0.0.1:{sink.port}"}
            engine = Engine(elsewhere, self.place / "senders.log")
            engine.send(self.digest(case.items, to=self.one))
            engine.stop()
        message = kept.read_bytes()
        wanted = self.scene.SIZES[case.items]
        if abs(len(message) - wanted) > wanted * 0.05:
            raise SystemExit(f"{case.name}: a message has {len(message)} bytes, not {wanted} within 5 %.")
        if not signing.is_signed(message, case.dkim):
            raise SystemExit(f"{case.name}: the message is not signed with {case.dkim or 'nothing'}.")
        kept.write_bytes(message.replace(b"\r\n", b"\n"))
        say(f"  a message of {len(message)} bytes")
        return kept

    @contextlib.contextmanager
    def _contestant(self, case: Case, environment: dict[str, str]) -> Iterator[Contestant]:
        contestant: Contestant
        if case.celery:
            contestant = Workers(environment, self.crew, self.place, at_once=4)
        else:
            contestant = Engine(environment, self.place / "senders.log", case.processes)
        try:
            yield contestant
        finally:
            contestant.stop()


class Pair:
    """smtp-source and the engine before the same server, with the same message."""

    def __init__(
        self, bench: Bench, case: Case, server: SmtpSink | OurSink, contestant: Contestant, letter: Path
    ) -> None:
        self.bench, self.case, self.server = bench, case, server
        self.contestant, self.letter, self.messages = contestant, letter, bench.options.messages

    def compare(self, rounds: int) -> Result:
        warm = self._engine()
        sessions = self._best_sessions()
        told = [self._round(number, sessions) for number in range(rounds)]
        ratios = [baseline / sent.seconds for baseline, sent in told]
        spent = statistics.median(sent.spent for _, sent in told)
        return Result(
            case=self.case.name,
            ratio_median=round(statistics.median(ratios), 3),
            ratios=[round(ratio, 3) for ratio in ratios],
            baseline_sessions=sessions,
            cpu_us_per_message=round(spent / self.messages * 1e6, 1),
            rss_growth_mib=round(max(sent.growth for sent in (warm, *(sent for _, sent in told))), 1),
        )

    def _best_sessions(self) -> int:
        """With which number of sessions smtp-source is fastest here and now: they take turns."""
        took: dict[int, list[float]] = {sessions: [] for sessions in SESSIONS}
        for _ in range(TRIALS):
            for sessions, seconds in took.items():
                seconds.append(self._smtp_source(sessions))
        medians = {sessions: statistics.median(seconds) for sessions, seconds in took.items()}
        found = ", ".join(f"{sessions}: {self._rate(seconds)}" for sessions, seconds in medians.items())
        best = min(medians, key=lambda sessions: medians[sessions])
        say(f"  smtp-source by sessions ({found} a second): {best} is best")
        return best

    def _round(self, number: int, sessions: int) -> tuple[float, Sent]:
        """Both once, the first of a round second in the next: neither has always the warmer machine."""
        if number % 2:
            sent = self._engine()
            baseline = self._smtp_source(sessions)
        else:
            baseline = self._smtp_source(sessions)
            sent = self._engine()
        cost = sent.spent / self.messages * 1e6
        rates = f"smtp-source {self._rate(baseline)} engine {self._rate(sent.seconds)} a second"
        say(f"  round {number + 1}: {rates}, ratio {baseline / sent.seconds:.2f}, {cost:.0f} µs, {sent.growth:.1f} MiB")
        return baseline, sent

    def _smtp_source(self, sessions: int) -> float:
        work = partial(smtp_source, self.server.port, sessions, self.messages, self.letter)
        return self._counted("smtp-source", work)

    def _engine(self) -> Sent:
        digest = self.bench.digest(self.case.items)
        sent = self._counted("the engine", partial(self.contestant.send, digest))
        self._check(digest)
        return sent

    def _counted(self, who: str, work: Callable[[], Any]) -> Any:
        """What the work gives. The server must have taken exactly so many messages meanwhile."""
        before = self.server.taken()
        done = work()
        taken = self.server.taken() - before
        if taken != self.messages:
            raise SystemExit(f"{self.case.name}: {who} sent {self.messages} messages; the server took {taken}.")
        return done

    def _check(self, digest: int) -> None:
        from publisher.models import Digest

        counts = self.bench.scene.counts(Digest.objects.get(pk=digest))
        if counts != {"sent": self.messages}:
            raise SystemExit(f"{self.case.name}: the ledger says {counts}, not {self.messages} sent.")

    def _rate(self, seconds: float) -> int:
        return round(self.messages / seconds)


def main() -> int:
    options = _arguments().parse_args()
    chosen = [case for case in CASES if not options.case or case.name in options.case]
    with surroundings.folder() as place, surroundings.crew(place) as crew:
        bench = Bench(options, place, crew)
        results = [bench.measure(case) for case in chosen]
    if options.json:
        print(json.dumps([asdict(result) for result in results], indent=1))
    else:
        _print(results)
    return 0


def _print(results: list[Result]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("case", box=box.SIMPLE_HEAD)
    for column in ("ratio", "lowest", "highest", "sessions", "µs a message", "MiB more"):
        table.add_column(column, justify="right")
    for result in results:
        low, high = min(result.ratios), max(result.ratios)
        ratios = (f"{ratio:.2f}" for ratio in (result.ratio_median, low, high))
        cost = (str(result.baseline_sessions), f"{result.cpu_us_per_message:.1f}", f"{result.rss_growth_mib:.1f}")
        table.add_row(result.case, *ratios, *cost)
    Console().print(table)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.delivery", description="The engine beside smtp-source.")
    names = [case.name for case in CASES]
    parser.add_argument("--case", action="append", choices=names, help="may be given again; default: all")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--database", choices=["embedded", "postgres"], default="embedded")
    parser.add_argument("--json", action="store_true", help="the results as JSON on standard output")
    return parser


if __name__ == "__main__":
    sys.exit(main())
