"""What docker-compose.yml, the Dockerfile and .env.example say, read for the tests beside this file."""

from __future__ import annotations

import re
import secrets
import shlex
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent.parent
BESIDE_PYTHON = Path(sys.executable).parent

COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "Dockerfile"
EXAMPLE = ROOT / ".env.example"

_VARIABLE = re.compile(r"\$\{(\w+)(?:(:\?|:-)([^}]*))?\}")


def compose() -> dict[str, Any]:
    return dict(YAML(typ="safe").load(COMPOSE))


def services() -> dict[str, Any]:
    return dict(compose()["services"])


def needed() -> set[str]:
    """The variables without which Compose starts nothing."""
    return {name for name, how, _ in _VARIABLE.findall(COMPOSE.read_text()) if how == ":?"}


def asked_for() -> set[str]:
    return {name for name, _, _ in _VARIABLE.findall(COMPOSE.read_text())}


def explained() -> dict[str, str]:
    """.env.example's variables and what stands behind each."""
    return dict(re.findall(r"^(\w+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))


def filled_in() -> dict[str, str]:
    """.env as somebody fills it in who follows the example."""
    return explained() | {name: secrets.token_hex(32) for name in needed()} | {"PUBLISHER_BASE_URL": ADDRESS}


ADDRESS = "https://news.reading-rooms.example"


def substituted(value: str, environment: dict[str, str]) -> str:
    """As Compose does it: ${NAME:?…}, ${NAME:-default}, and $$ for a dollar."""

    def found(match: re.Match[str]) -> str:
        name, how, word = match.groups()
        return environment.get(name) or (word if how == ":-" else "")

    return _VARIABLE.sub(found, value).replace("$$", "$")


def image_environment() -> dict[str, str]:
    """What the last stage of the Dockerfile sets."""
    said = _instructions("ENV")[-1]
    return dict(pair.split("=", 1) for pair in shlex.split(said))


def copied() -> list[str]:
    """What the image holds of this repository."""
    return [words.split()[0] for words in _instructions("COPY") if not words.startswith("--from")]


def made() -> str:
    """The command that makes what is served."""
    return next(words for words in _instructions("RUN") if "collectstatic" in words)


def _instructions(word: str) -> list[str]:
    whole = re.sub(r"\\\n\s*", "", DOCKERFILE.read_text())
    return re.findall(rf"^\s*{word} (.+)$", whole, re.MULTILINE)


def instruction(word: str) -> str:
    """The last one of its kind, which is the one that counts."""
    return _instructions(word)[-1]
