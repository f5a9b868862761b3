"""The documents say what is there: variables, commands, links, tables of moves, and code that works."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main

from publisher import delivery, models
from publisher.cli import publications, tree
from publisher.networks.base import Refused

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(page for folder in (ROOT, ROOT / "docs") for page in folder.glob("*.md"))
OPERATORS = ROOT / "docs" / "operator-guide.md"

VARIABLE = re.compile(
    r"\b(?:PUBLISHER_[A-Z_]*[A-Z]|DATABASE_URL|REDIS_URL|CELERY_BROKER_URL|SECRET_KEY|POSTGRES_PASSWORD|REDIS_PASSWORD)\b"
)
#: How a child of one start is known; nobody sets it.
OUR_OWN = {"PUBLISHER_RUN"}
#: settings.py puts these names together.
PUT_TOGETHER = {"PUBLISHER_KEYS_LINKS", "PUBLISHER_KEYS_SUPPRESSION", "PUBLISHER_KEYS_TOKENS"}

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:\bpublisher|\./publisher\.sh|python -m publisher) ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?")


# ---- Variables


def test_every_variable_is_in_the_guide_for_operators() -> None:
    assert variables_of_the_code() - described() == set()


def test_the_guide_describes_no_variable_that_nothing_reads() -> None:
    assert described() - variables_of_the_code() == set()


def test_the_example_of_an_environment_names_only_what_is_described() -> None:
    named = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)

    assert set(named) - described() == set()


def test_every_setting_of_a_publication_is_in_the_guide_for_operators() -> None:
    chapter = OPERATORS.read_text().partition("\n## Settings of a publication\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", chapter, re.MULTILINE)

    assert sorted(name for row in rows for name in words(row)) == sorted(publications._FIELDS)


# ---- Commands


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_named_is_there(page: Path) -> None:
    words = {f"{word} {then}".strip() for word, then in COMMAND.findall(code_of(page)) if word != "manage"}

    assert {word for word in words if not is_command(word)} == set()


def test_the_two_commands_of_the_first_page_are_words_of_the_script() -> None:
    shown = re.findall(r"^\./publisher\.sh (\w+)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    script = (ROOT / "publisher.sh").read_text()

    assert shown == ["demo", "test"]
    assert "    test)" in script
    assert is_command("demo")


# ---- Links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_picture_is_there(page: Path) -> None:
    targets = [target for target in LINK.findall(without_code(page)) if "://" not in target]

    assert [target for target in targets if not leads_somewhere(page, target)] == []


def test_pictures_are_small_and_each_is_shown() -> None:
    shown = {Path(target).name for page in PAGES for target in LINK.findall(page.read_text()) if "images/" in target}
    pictures = {file.name: file.stat().st_size for file in (ROOT / "docs" / "images").iterdir()}

    assert set(pictures) - shown == set()
    assert {name: size for name, size in pictures.items() if size > 250 * 1024} == {}


# ---- What is told of the code


@pytest.mark.parametrize("noun", ["Item", "Digest", "Delivery", "Post", "Correction", "Subscription", "Notice"])
def test_the_tables_of_moves_are_those_of_the_models(noun: str) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    (table,) = re.findall(rf"^\*\*{noun}\*\*\n\n((?:\|.*\n)+)", page, re.MULTILINE)
    rows = [row.split("|")[1:3] for row in table.splitlines()[2:]]

    assert {words(start)[0]: set(words(to)) for start, to in rows} == {
        start: set(to) for start, to in getattr(models, noun).MOVES.items()
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_is_there(page: Path) -> None:
    named = re.findall(r"`((?:publisher|workers|config|templates|tests)/[\w./-]+)`", page.read_text())
    invented = {"publisher/networks/postcard.py"}

    assert {name for name in named if not (ROOT / name).exists()} - invented == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_function_that_is_named_by_its_module_is_there(page: Path) -> None:
    """`digests.approve`, `delivery.ledger.freeze_all(digest)`: what stands before the dot is a module of ours."""
    named = re.findall(r"`((?:[a-z_]+\.)+)(?!(?:py|sh)`)(\w+)(?:\([^`]*\))?`", page.read_text())
    ours = {(room, name): modules_named(room.rstrip(".")) for room, name in named}

    assert {
        room + name
        for (room, name), modules in ours.items()
        if modules and not any(hasattr(import_module(module), name) for module in modules)
    } == set()


def test_the_way_through_the_delivery_room_leads_past_each_file_once() -> None:
    files = sorted(file.stem for file in (ROOT / "publisher" / "delivery").glob("[a-z]*.py"))

    assert sorted(re.findall(r"^ {4}.{15}(\w+) ", delivery.__doc__ or "", re.MULTILINE)) == files


def test_the_sketch_of_a_network_is_one() -> None:
    page = (ROOT / "docs" / "adding-a-network.md").read_text()
    adapter, *_ = (code for language, code in FENCE.findall(page) if language == "python")
    made: dict[str, Any] = {}
    exec(compile(adapter, "postcard.py", "exec"), made)  # the page's own code, to see that it holds

    network = made["Postcard"](credentials={"token": "t"}, address="http://127.0.0.1:9", account="rooms")

    assert (network.name, network.limit, network.measure("abc")) == ("postcard", 500, 3)
    assert network.check().problem.startswith("Postcard could not be reached")
    with pytest.raises(Refused, match="needs a token"):
        made["Postcard"](credentials={}, address="http://127.0.0.1:9", account="rooms")


# ---- How it is looked at


def variables_of_the_code() -> set[str]:
    """What settings, processes, commands, scripts and containers read, by its whole name."""
    files = [ROOT / name for name in ("publisher.sh", "Dockerfile", "docker-compose.yml")]
    files += [file for room in ("publisher", "workers", "config") for file in (ROOT / room).rglob("*.py")]
    found = {name for file in files for name in VARIABLE.findall(file.read_text())}
    return (found | PUT_TOGETHER) - OUR_OWN - {name for name in found if name.endswith("_")}


def described() -> set[str]:
    """The variables that have a row in the guide's table."""
    rows = re.findall(r"^\| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \|", OPERATORS.read_text(), re.MULTILINE)
    return {name for row in rows for name in words(row)}


@cache
def modules_named(words: str) -> tuple[str, ...]:
    """Each module of publisher whose name ends so: `text` is in networks, `publisher.networks.text` as well."""
    files = [file.relative_to(ROOT).with_suffix("") for file in (ROOT / "publisher").rglob("*.py")]
    dotted = [".".join(file.parts).removesuffix(".__init__") for file in files if "migrations" not in file.parts]
    return tuple(name for name in dotted if f".{name}".endswith(f".{words}"))


def words(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def code_of(page: Path) -> str:
    text = page.read_text()
    return "\n".join([*(code for _, code in FENCE.findall(text)), *re.findall(r"`([^`\n]+)`", without_code(page))])


def without_code(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def is_command(said: str) -> bool:
    """A word of `publisher`, with the word after it where the first is a group; or a word of the script's own."""
    word, _, then = said.partition(" ")
    if word in {"test", "lint", "python"}:
        return True
    commands = the_commands()
    return word in commands and (not commands[word] or not then or then in commands[word])


@cache
def the_commands() -> dict[str, set[str]]:
    """Each word of `publisher`, with the words that may follow where it is a group."""
    grown = typer.Typer()
    tree.grow(grown)
    made: Any = typer.main.get_command(grown)
    return {word: set(getattr(command, "commands", ())) for word, command in made.commands.items()}


def leads_somewhere(page: Path, target: str) -> bool:
    path, _, heading = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    return file.exists() and (not heading or heading in headings(file))


def headings(page: Path) -> set[str]:
    """Their anchors, as they are made of the words."""
    found = re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}
