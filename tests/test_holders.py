from __future__ import annotations

import subprocess
import sys

from publisher import holders

PRINT_ME = "from publisher import holders; print(holders.me(), flush=True); input()"


def test_we_are_alive():
    assert holders.alive(holders.me()) is True


def test_another_process_lives_until_it_is_killed():
    with subprocess.Popen(
        [sys.executable, "-c", PRINT_ME], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        holder = other.stdout.readline().strip()
        assert holders.alive(holder) is True
        other.kill()
        other.wait()
        assert holders.alive(holder) is False


def test_a_pid_that_came_back_is_somebody_else():
    place, pid, started = holders.me().rsplit("/", 2)
    assert holders.alive(f"{place}/{pid}/{int(started) - 1}") is False


def test_of_another_machine_nothing_can_be_said():
    _, pid, started = holders.me().rsplit("/", 2)
    assert holders.alive(f"another-host:boot:1/{pid}/{started}") is None
