"""publisher.sh, with stand-ins for the machine's Python, uv and package manager on its PATH.

What takes long, the installation of the real locks, is left to whoever starts a fresh clone.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .workers.conftest import ROOT, process, until  # noqa: F401 - process is a fixture

SCRIPT = ROOT / "publisher.sh"
TOOLS = ("cat", "cksum", "dirname", "env", "grep", "ln", "ls", "mkdir", "mv", "readlink", "rm", "rmdir", "sh", "sleep")

#: A Python that tells a lie about itself, so that the script's own question is what is tested.
PYTHON = """#!/bin/sh
while [ "$1" != -c ]; do
    case $1 in
        -m) exec {real} "$@" ;;
        *) shift ;;
    esac
done
shift
exec {real} -c "import sys
{lie}
exec(sys.argv.pop(1))" "$@"
"""
TOO_OLD = "sys.version_info = (3, 9, 2, 'final', 0)"
WITHOUT_VENV = "sys.modules['ensurepip'] = None"
WITHOUT_SQLITE = "sys.modules['sqlite3'] = None"
REAL = Path(sys.base_prefix) / "bin" / "python3"


def program(folder: Path, name: str, text: str = "#!/bin/sh\n") -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def python(folder: Path, name: str = "python3", lie: str = "") -> None:
    program(folder, name, PYTHON.format(real=REAL, lie=lie))


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The PATH of a machine with apt-get, without Python and without uv."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool, path=os.defpath)
        assert found
        (folder / tool).symlink_to(found)
    program(folder, "uname", "#!/bin/sh\necho Linux\n")
    program(folder, "apt-get")
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose path has blanks, with a `publisher` that says what it was asked, and small locks."""
    folder = tmp_path / "a check out"
    (folder / "publisher").mkdir(parents=True)
    shutil.copy(SCRIPT, folder)
    (folder / "publisher" / "__main__.py").write_text(
        "import os, sys; print(sys.argv[1:], os.environ['DJANGO_SETTINGS_MODULE'], os.environ['PYTHONPATH'])"
    )
    for lock in ("requirements.lock", "requirements-test.lock", "requirements-bootstrap.lock"):
        (folder / lock).write_text("")
    return folder


@pytest.fixture
def ask(machine: Path, checkout: Path):
    """ask("items", "list"): what the script answers there. There is no HOME."""

    def ask(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [checkout / "publisher.sh", *words],
            env={"PATH": str(machine), **environment},
            cwd=machine,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return ask


def refusal(answer: subprocess.CompletedProcess[str]) -> str:
    assert (answer.returncode, answer.stdout) == (2, "")
    return answer.stderr


@pytest.mark.parametrize("shell", ["sh", "dash", "bash --posix"])
def test_every_shell_can_read_it(shell: str):
    if not shutil.which(shell.split()[0]):
        pytest.skip(f"{shell} is not installed")

    subprocess.run([*shell.split(), "-n", SCRIPT], check=True)


def test_a_machine_without_python_is_told_how_to_get_it(ask):
    assert refusal(ask("demo")) == (
        "publisher.sh: Publisher needs Python 3.11 or later, and found none."
        " Install it with: sudo apt install python3 python3-venv\n"
    )


@pytest.mark.parametrize(
    ("manager", "how"),
    [
        ("dnf", "Install it with: sudo dnf install python3"),
        ("brew", "Install it with: brew install python"),
        (None, "Install it from https://www.python.org/downloads/ or with your system's packages."),
    ],
)
def test_the_advice_is_that_of_the_machine(ask, machine: Path, manager: str | None, how: str):
    (machine / "apt-get").unlink()
    if manager:
        program(machine, manager)

    assert refusal(ask("demo")) == f"publisher.sh: Publisher needs Python 3.11 or later, and found none. {how}\n"


def test_a_python_that_is_too_old_is_named(ask, machine: Path):
    python(machine, lie=TOO_OLD)

    assert refusal(ask("demo")) == (
        f"publisher.sh: Publisher needs Python 3.11 or later, and found only 3.9 ({machine}/python3)."
        " Install it with: sudo apt install python3.11 python3.11-venv\n"
    )


@pytest.mark.parametrize(("name", "package"), [("python3", "python3-venv"), ("python3.12", "python3.12-venv")])
def test_a_python_without_venv_is_named_with_the_package_that_is_missing(ask, machine: Path, name: str, package: str):
    python(machine, name, lie=WITHOUT_VENV)
    python(machine, "python3.14", lie=TOO_OLD)

    assert refusal(ask("demo")) == (
        f"publisher.sh: Publisher needs Python's venv module, which {name} lacks."
        f" Install it with: sudo apt install {package}\n"
    )


def test_a_python_that_was_built_without_a_part_is_named(ask, machine: Path):
    python(machine, lie=WITHOUT_SQLITE)

    assert refusal(ask("demo")).startswith("publisher.sh: python3 was built without the modules ctypes, sqlite3 or ssl")


def test_a_python_that_was_asked_for_and_does_not_serve_is_not_replaced(ask, machine: Path):
    python(machine)
    python(machine, "old one", lie=TOO_OLD)

    assert refusal(ask("demo", PUBLISHER_PYTHON=f"{machine}/old one")) == (
        f"publisher.sh: Publisher needs Python 3.11 or later, and found only 3.9 ({machine}/old one)."
        f" PUBLISHER_PYTHON is set to {machine}/old one: unset it, or name another.\n"
    )


def test_a_folder_that_is_no_environment_is_not_touched(ask, machine: Path, tmp_path: Path):
    python(machine)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "letter").touch()

    said = refusal(ask("demo", PUBLISHER_VENV=str(precious)))

    assert said.splitlines()[-1] == (
        f"publisher.sh: {precious} is there and is not an environment of Python."
        " Name another folder with PUBLISHER_VENV."
    )
    assert [file.name for file in precious.iterdir()] == ["letter"]
    assert not (tmp_path / "precious.lock").is_symlink()


@pytest.fixture
def uv(machine: Path):
    """A uv on the PATH that installs nothing, and notes what it was asked to; `more` is what else it does."""
    log = machine / "uv.log"

    def uv(more: str = "") -> Path:
        program(machine, "uv", f'#!/bin/sh\nfor last; do :; done\necho "$last" >>"{log}"\n{more}\n')
        return log

    python(machine)
    uv()
    return uv


SETTING_UP = "Setting up (first run only, about a minute) …\n"


def test_the_first_start_sets_up_and_the_next_does_not(ask, uv, checkout: Path):
    log = uv()
    first = ask("items", "list", "--state", "two words")
    second = ask("items")

    assert first.stderr == (
        f"{SETTING_UP}  making an environment in {checkout}/.venv\n  installing 0 packages\nSet up.\n"
    )
    assert first.stdout == f"['items', 'list', '--state', 'two words'] config.settings {checkout}\n"
    assert (second.stdout, second.stderr) == (f"['items'] config.settings {checkout}\n", "")
    assert log.read_text() == "requirements.lock\n"


def test_tests_need_more_and_what_they_need_serves_the_rest(ask, uv):
    log = uv()
    ask("demo")
    answer = ask("python", "-c", "print('hello')")
    ask("demo")

    assert answer.stdout == "hello\n"
    assert log.read_text() == "requirements.lock\nrequirements-test.lock\n"


def test_a_changed_lock_is_installed(ask, uv, checkout: Path):
    log = uv()
    ask("demo")
    (checkout / "requirements.lock").write_text("django==5.2.19\n")

    assert ask("demo").stderr == f"{SETTING_UP}  installing 1 packages\nSet up.\n"
    assert log.read_text() == "requirements.lock\nrequirements.lock\n"


def test_it_is_found_through_a_link(ask, uv, checkout: Path, machine: Path):
    ask("demo")
    (machine / "publisher").symlink_to(checkout / "publisher.sh")

    answer = subprocess.run([machine / "publisher", "up"], env={"PATH": str(machine)}, capture_output=True, text=True)

    assert answer.stdout == f"['up'] config.settings {checkout}\n"


def test_an_interrupted_set_up_begins_again(ask, uv, checkout: Path, process):  # noqa: F811
    log = uv("exec sleep 600")
    killed = process(checkout / "publisher.sh", "demo", env={"PATH": str(checkout.parent / "bin")})
    until(log.exists)
    (half_there := checkout / ".venv" / "half-there").touch()
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    uv()

    answer = ask("demo")

    assert answer.stderr.startswith(SETTING_UP)
    assert answer.stdout == f"['demo'] config.settings {checkout}\n"
    assert not half_there.exists()
    assert [file.name for file in checkout.glob(".venv*")] == [".venv"]


def test_of_two_that_start_at_once_one_sets_up_and_the_other_waits(uv, checkout: Path, process):  # noqa: F811
    go = checkout / "go"
    log = uv(f'until [ -e "{go}" ]; do sleep 0.1; done')
    start = [checkout / "publisher.sh", "demo"]
    around = {"PATH": str(checkout.parent / "bin")}
    first = process(*start, env=around)
    until(log.exists)
    second = process(*start, env=around)
    assert second.stdout.readline() == "Another start is setting up, waiting for it …\n"

    go.touch()

    ran = f"['demo'] config.settings {checkout}\n"
    assert first.communicate(timeout=60)[0].endswith(f"Set up.\n{ran}")
    assert second.communicate(timeout=60)[0] == ran
    assert log.read_text() == "requirements.lock\n"


def test_where_uv_cannot_install_pip_does(ask, uv, checkout: Path):
    uv("exit 1")

    answer = ask("demo")

    assert answer.stderr.splitlines()[-2:] == [
        "  uv did not succeed; trying pip, which takes a little longer",
        "Set up.",
    ]
    assert answer.stdout == f"['demo'] config.settings {checkout}\n"


def test_a_failed_set_up_says_so_and_the_next_start_tries_again(ask, uv, checkout: Path):
    uv("exit 1")
    (checkout / "requirements.lock").write_text("not a requirement\n")

    failed = ask("demo")
    uv()

    assert failed.returncode == 2
    assert failed.stderr.splitlines()[-1] == (
        "publisher.sh: the packages could not be installed; why stands above."
        " Check the network, then run the same command again: it goes on by itself."
    )
    assert ask("demo").stdout == f"['demo'] config.settings {checkout}\n"


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+(?:\[.+?\])?)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))


def test_the_lock_of_the_tests_holds_the_other_pin_for_pin():
    core, tests = pins("requirements.lock"), pins("requirements-test.lock")

    assert core == {name: version for name, version in tests.items() if name in core}
    assert len(core) > 50


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-test.lock", "requirements-bootstrap.lock"])
def test_a_lock_names_no_host_and_hashes_every_package(lock: str):
    text = (ROOT / lock).read_text()

    assert "://" not in text
    assert "--index" not in text
    assert [name for name in re.split(r"\n(?=\w)", text) if "--hash=sha256:" not in name] == []
