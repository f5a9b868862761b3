from __future__ import annotations

import io
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from workers import traces
from workers.processes import Child, Crew, GaveUp, Patience, StartFailed, to_stream

from .conftest import DILIGENT, ROOT, STUBBORN, lines, linux_only, pid_of, program, until

FOREVER = "import signal\nwhile True: signal.pause()"


def diligent(name: str, log: Path, code: str = DILIGENT) -> Child:
    """Ready as soon as it can be stopped."""
    return program(name, code.format(name=name, log=str(log)), ready=lambda: f"{name} starts" in lines(log))


def test_children_start_in_order_and_stop_in_reverse(crew: Crew, tmp_path: Path):
    log = tmp_path / "log"
    for name in ("redis", "web", "clock"):
        crew.start(diligent(name, log))

    crew.stop()

    assert lines(log) == [
        *("redis starts", "web starts", "clock starts"),
        *("clock stops", "web stops", "redis stops"),
    ]
    assert list((tmp_path / "run").iterdir()) == []


def test_a_crashed_child_is_started_again(crew: Crew, tmp_path: Path):
    log = tmp_path / "log"
    crew.start(diligent("web", log), diligent("clock", log))
    first = pid_of(tmp_path / "run", "clock")

    os.kill(first, signal.SIGKILL)
    until(lambda: lines(log).count("clock starts") == 2)

    assert pid_of(tmp_path / "run", "clock") != first
    assert lines(log).count("web starts") == 1
    assert crew.failure is None


def test_a_child_that_crashes_again_and_again_ends_the_start_with_its_last_words(crew: Crew):
    crew.start(program("clock", "print('no such table: lease'); raise SystemExit(3)"))

    with pytest.raises(GaveUp) as caught:
        crew.wait()

    assert str(caught.value) == "clock ended with code 3, 3 times in a row.\n    no such table: lease\n    " + (
        "no such table: lease\n    no such table: lease"
    )


def test_a_child_that_has_been_well_for_long_may_crash_anew(tmp_path: Path):
    log = tmp_path / "log"
    easily_content = Patience(first=0.01, most=0.01, healthy=0, crashes=2, grace=20)
    with Crew(tmp_path / "run", run="this-run", patience=easily_content) as crew:
        crew.start(program("clock", f"open({str(log)!r}, 'a').write('ran\\n')"))
        until(lambda: len(lines(log)) > 4)
        assert crew.failure is None


def test_a_child_that_ends_while_starting_fails_the_start_with_its_last_words(crew: Crew):
    broken = program("web", "raise SystemExit('the port is taken')", ready=lambda: False)

    with pytest.raises(StartFailed, match=r"^web ended with code 1 while starting\.\n    the port is taken$"):
        crew.start(broken)


def test_a_child_that_is_never_ready_fails_the_start(crew: Crew):
    with pytest.raises(StartFailed, match=r"^web was not ready in 0\.1 s\.$"):
        crew.start(program("web", FOREVER, ready=lambda: False, ready_within=0.1))


def test_a_step_runs_to_its_end(crew: Crew, tmp_path: Path):
    done = tmp_path / "done"

    crew.run(program("migrate", f"open({str(done)!r}, 'w').close()"))

    assert done.exists()
    assert crew.children == []


def test_a_step_that_fails_says_why(crew: Crew):
    with pytest.raises(StartFailed, match=r"^migrate ended with code 1\.\n    the disk is full$"):
        crew.run(program("migrate", "raise SystemExit('the disk is full')"))


@linux_only
def test_stopping_leaves_no_grandchild(crew: Crew):
    two = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {FOREVER!r}]); print('both', flush=True)\n"
    child = program("workers", two + FOREVER)
    child.ready = lambda: list(child.tail) == ["both"]
    crew.start(child)
    assert child.process
    group = child.process.pid
    assert len(traces.members(group)) == 2

    crew.stop()

    assert traces.members(group) == []


def test_a_child_that_does_not_stop_is_killed_when_the_grace_is_over(tmp_path: Path):
    log = tmp_path / "log"
    with Crew(tmp_path / "run", run="this-run", patience=Patience(grace=0.3, reserve=0)) as crew:
        child = diligent("workers", log, STUBBORN)
        crew.start(child)
        process = child.process

    assert process
    assert process.returncode == -signal.SIGKILL
    assert lines(log) == ["workers starts", "workers stops"]


SUPERVISOR = """
import pathlib, sys
sys.path.insert(0, {root!r})
from workers.processes import Child, Crew, Patience
run = pathlib.Path({run!r})
with Crew(run, run="a-run", patience=Patience(grace=600)) as crew:
    crew.start(Child("web", [sys.executable, "-c", {code!r}], ready=lambda: pathlib.Path({log!r}).exists()))
    try:
        print("ready", flush=True)
        crew.wait()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
print("stopped", flush=True)
"""


def supervisor(tmp_path: Path, code: str) -> list[str]:
    log = str(tmp_path / "log")
    filled = SUPERVISOR.format(
        root=str(ROOT), run=str(tmp_path / "run"), log=log, code=code.format(name="web", log=log)
    )
    return [sys.executable, "-c", filled]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_stops_everything_politely(process, tmp_path: Path, number: signal.Signals):
    parent = process(*supervisor(tmp_path, DILIGENT))
    assert parent.stdout.readline() == "ready\n"
    child = pid_of(tmp_path / "run", "web")

    parent.send_signal(number)

    assert parent.communicate(timeout=20)[0] == "interrupted\nstopped\n"
    assert lines(tmp_path / "log") == ["web starts", "web stops"]
    assert traces.born(child) is None


def test_a_second_interrupt_does_not_wait_for_the_stubborn(process, tmp_path: Path):
    parent = process(*supervisor(tmp_path, STUBBORN))
    assert parent.stdout.readline() == "ready\n"
    child = pid_of(tmp_path / "run", "web")

    parent.send_signal(signal.SIGINT)
    until(lambda: "web stops" in lines(tmp_path / "log"))
    parent.send_signal(signal.SIGINT)

    assert parent.communicate(timeout=20)[0] == "interrupted\nstopped\n"
    assert traces.born(child) is None


@linux_only
def test_a_killed_parent_takes_its_children_along(process, tmp_path: Path):
    parent = process(*supervisor(tmp_path, DILIGENT))
    assert parent.stdout.readline() == "ready\n"
    child = pid_of(tmp_path / "run", "web")

    parent.kill()

    until(lambda: traces.born(child) is None)
    assert lines(tmp_path / "log") == ["web starts", "web stops"]


def test_an_orphan_is_ended_by_the_next_start(process, tmp_path: Path):
    run = tmp_path / "run"
    orphan = process(sys.executable, "-c", DILIGENT.format(name="web", log=str(tmp_path / "log")))
    until((tmp_path / "log").exists)
    traces.leave(run, "web", orphan.pid, "a-run")

    assert traces.end_orphans(run) == ["web"]

    assert orphan.wait(20) == 0
    assert lines(tmp_path / "log") == ["web starts", "web stops"]
    assert list(run.iterdir()) == []


def test_a_stubborn_orphan_is_killed(process, tmp_path: Path):
    orphan = process(sys.executable, "-c", STUBBORN.format(name="web", log=str(tmp_path / "log")))
    until((tmp_path / "log").exists)
    traces.leave(tmp_path / "run", "web", orphan.pid, "a-run")

    assert traces.end_orphans(tmp_path / "run", patience=0.2) == ["web"]

    assert orphan.wait(20) == -signal.SIGKILL


@linux_only
def test_what_an_orphan_left_is_ended_though_the_orphan_is_gone(process, tmp_path: Path):
    spawn = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {FOREVER!r}]).pid, flush=True)"
    gone = process(sys.executable, "-c", spawn, env={**os.environ, traces.RUN: "a-run"})
    left = int(gone.stdout.readline())
    traces.leave(tmp_path / "run", "workers", gone.pid, "a-run")
    gone.wait()

    assert traces.end_orphans(tmp_path / "run") == ["workers"]

    until(lambda: traces.born(left) is None)
    assert traces.born(left) is None


@pytest.mark.parametrize("run", ["a-run", None])
def test_a_stranger_with_an_old_number_is_left_alone(process, tmp_path: Path, run: str | None):
    stranger = process(sys.executable, "-c", "print('here', flush=True)\n" + FOREVER)
    stranger.stdout.readline()
    trace = tmp_path / "run" / "web.pid"
    trace.parent.mkdir()
    trace.write_text(json.dumps({"pid": stranger.pid, "born": "another boot 123", "run": run}))

    assert traces.end_orphans(tmp_path / "run") == []

    assert stranger.poll() is None
    assert not trace.exists()


@pytest.mark.parametrize("torn", ["", "{", "[]", '{"pid": 1}', '"web"'])
def test_a_torn_trace_blocks_nothing(tmp_path: Path, torn: str):
    (tmp_path / "web.pid").write_text(torn)

    assert traces.end_orphans(tmp_path) == []

    assert list(tmp_path.iterdir()) == []


def test_a_data_folder_is_used_by_one_start_at_a_time(tmp_path: Path):
    with traces.occupied(tmp_path) as note:
        note("http://127.0.0.1:8000")

        with pytest.raises(traces.Occupied) as caught, traces.occupied(tmp_path):
            pass

    assert str(caught.value) == (
        f"Publisher is already running in {tmp_path} (pid {os.getpid()}) at http://127.0.0.1:8000"
    )
    with traces.occupied(tmp_path):
        pass


def test_a_killed_start_gives_its_data_folder_back(process, tmp_path: Path):
    hold = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom pathlib import Path\nfrom workers import traces\n"
    hold += f"with traces.occupied(Path({str(tmp_path)!r})):\n    print('held', flush=True)\n    input()"
    holder = process(sys.executable, "-c", hold, stdin=-1)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(traces.Occupied, match=rf"\(pid {holder.pid}\)$"), traces.occupied(tmp_path):
        pass

    holder.kill()
    holder.wait()
    holder.stdin.close()

    with traces.occupied(tmp_path):
        pass


def test_lines_carry_the_name_of_their_child_and_json_passes_as_it_is():
    stream = io.StringIO()
    echo = to_stream(stream)

    echo("web", "listening")
    echo("workers", '{"event": "sent"}')

    assert stream.getvalue() == 'web      listening\n{"event": "sent"}\n'


def test_a_terminal_that_is_gone_does_not_stop_the_children():
    stream = io.StringIO()
    stream.close()

    to_stream(stream)("web", "listening")
