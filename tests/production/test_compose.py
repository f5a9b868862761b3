"""The files for containers are well-formed, name what they need, and leave nothing open. Nothing is started here."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.production import files

#: Read by the code, and not for whoever runs the containers: why.
NOT_FOR_CONTAINERS = {
    "PUBLISHER_DATA": "the image sets it",
    "PUBLISHER_STATIC_ROOT": "the image sets it",
    "CELERY_BROKER_URL": "REDIS_URL says it for all, and the server is the file's own",
    "PUBLISHER_BIND": "the image sets it",
    "PUBLISHER_DEBUG": "for developers",
    "PUBLISHER_FAULT": "for rehearsing the death of a worker",
    "PUBLISHER_SANDBOX_URL": "there is no sandbox in production",
    "PUBLISHER_SANDBOXED": "there is no sandbox in production",
    "PUBLISHER_LOOPBACK_ONLY": "the demo's promise",
    "PUBLISHER_ALLOW_LOOPBACK_SOURCES": "a container has nothing on loopback",
}
APPLICATION = ("migrate", "web", "worker", "clock")


def test_the_compose_file_is_valid() -> None:
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(files.COMPOSE))


def test_the_dockerfile_has_no_lint() -> None:
    run("hadolint", "--no-color", str(files.DOCKERFILE))


def test_compose_takes_the_file_once_the_example_is_filled_in(tmp_path: Path) -> None:
    run_compose(tmp_path, files.filled_in())


@pytest.mark.parametrize("name", sorted(files.needed()))
def test_compose_says_which_variable_is_missing(name: str, tmp_path: Path) -> None:
    said = run_compose(tmp_path, files.filled_in() | {name: ""}, expect=False)

    assert f"Set {name} in .env" in said


def test_the_example_explains_exactly_what_compose_asks_for() -> None:
    assert set(files.explained()) == files.asked_for()


def test_the_example_fills_in_no_secret() -> None:
    assert {name: files.explained()[name] for name in files.needed()} == dict.fromkeys(files.needed(), "")


def test_every_setting_can_be_set() -> None:
    """A variable that the code reads reaches the containers, or it is said why not."""
    given = files.services()["web"]["environment"]

    assert settings_read() == set(given) | set(NOT_FOR_CONTAINERS)


@pytest.mark.parametrize("name", APPLICATION)
def test_what_we_run_can_write_nothing_and_may_do_nothing(name: str) -> None:
    service = files.services()[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert files.instruction("USER") == "10001"


@pytest.mark.parametrize("name", ["web", "worker", "clock"])
def test_nothing_starts_before_the_tables_are_there(name: str) -> None:
    waits = {other: how["condition"] for other, how in files.services()[name]["depends_on"].items()}

    assert waits == {
        "migrate": "service_completed_successfully",
        "postgres": "service_healthy",
        "redis": "service_healthy",
    }


def test_only_the_pages_are_reached_from_outside_and_only_from_this_machine() -> None:
    services, example = files.services(), files.filled_in()

    ports = {name: [files.substituted(port, example) for port in s.get("ports", [])] for name, s in services.items()}
    assert {name: found for name, found in ports.items() if found} == {"web": ["127.0.0.1:8000:8000"]}
    assert services["redis"]["networks"] == services["postgres"]["networks"] == ["inside"]
    assert files.compose()["networks"]["inside"] == {"internal": True}


def test_everything_that_stays_is_asked_whether_it_lives() -> None:
    """The image itself asks the pages; the others say how they are asked."""
    checked = {name for name, service in files.services().items() if "test" in service.get("healthcheck", {})}

    assert checked == {"worker", "clock", "redis", "postgres"}
    assert "/healthz" in files.instruction("HEALTHCHECK")


def test_no_password_stands_in_a_command() -> None:
    commands = str([service.get("command") for service in files.services().values()])

    assert files.needed() & set(re.findall(r"\w+", commands)) == set()


def test_the_image_gets_what_it_copies_and_nothing_else() -> None:
    rules = (files.ROOT / ".dockerignore").read_text().split("\n")
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}

    assert "*" in rules
    assert allowed == set(files.copied())


def settings_read() -> set[str]:
    """The names that config/ and publisher/ take from the environment."""
    named = re.compile(r"""(?:os\.environ\.get\(|os\.environ\[|flag\(|number\(|kept_secrets\()\s*"([A-Z_]+)\"""")
    sources = [*(files.ROOT / "config").glob("*.py"), *(files.ROOT / "publisher").rglob("*.py")]
    found = {name for source in sources for name in named.findall(source.read_text())}
    return found | {f"PUBLISHER_KEYS_{name}" for name in ("LINKS", "SUPPRESSION", "TOKENS")}


def run(program: str, *arguments: str, **options: Any) -> str:
    done = subprocess.run(
        [files.BESIDE_PYTHON / program, *arguments], capture_output=True, text=True, cwd=files.ROOT, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def run_compose(folder: Path, variables: dict[str, str], *, expect: bool = True) -> str:
    """The real Compose on our file, with these variables and no others."""
    if not (files.BESIDE_PYTHON / "docker-compose").exists():
        pytest.skip("Compose comes as a package only for Python 3.11 on Linux, x86_64")
    env_file = folder / ".env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    bare = {"PATH": str(Path(shutil.which("sh") or "/bin/sh").parent), "HOME": str(folder)}
    # Its package swallows the exit code. With --quiet it says nothing unless it objects.
    said = run("docker-compose", "--env-file", str(env_file), "config", "--quiet", env=bare)
    assert (said == "") is expect, said
    return said
