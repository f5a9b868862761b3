"""The rules of the house that no linter knows: what may stand where, and what must not stand anywhere."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db.migrations.loader import MigrationLoader

from publisher.models import Post
from publisher.networks import NETWORKS, network_class

ROOT = Path(__file__).resolve().parent.parent
CODE = ("publisher", "workers", "config")

#: Where a network's name is data, not a question: its line in a table of addresses, and the demo's cast.
MAY_NAME_NETWORKS = {"config/settings.py", "publisher/demo/cast.py", "workers/up.py"}
NETWORK_ROOMS = ("publisher/networks/", "publisher/sandbox/")
#: What would tell of the machine of whoever wrote it, or bind a checkout to a place on the network.
TELLTALES = {
    "a folder of one machine": r"(?<![\w.~*])/(?:work|root)/",
    "a registry": r"pypi\.org|pythonhosted\.|npmjs\.|yarnpkg\.|deb\.debian|crates\.io|docker\.io|ghcr\.io|quay\.io",
}
NEVER_TRACKED = r"(^|/)(package-lock\.json|uv\.lock|poetry\.lock|node_modules|\.env|\.venv|__pycache__)(/|$)|\.sqlite3"
LONGEST_FILE, LONGEST_TEST = 450, 500


# ---- The database


@pytest.mark.django_db
def test_no_model_has_changed_without_a_migration() -> None:
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)


def test_the_migrations_end_in_one_leaf() -> None:
    """Two leaves come of two branches that each added one: the second is made again on top of the first."""
    leaves = MigrationLoader(None).graph.leaf_nodes("publisher")

    assert len(leaves) == 1, leaves


# ---- The code


def test_only_lifecycle_and_delivery_write_a_state() -> None:
    """Whatever else moves a row goes past the table of moves, the comparison and the event."""
    writers = {name for name in sources("publisher", "workers") if any(writes_state(node) for node in tree(name))}

    assert {name for name in writers if not name.startswith("publisher/sandbox/")} == {
        "publisher/lifecycle.py",
        "publisher/delivery/evidence.py",
        "publisher/delivery/ledger.py",
        "publisher/delivery/takeover.py",
    }


def test_no_network_is_asked_for_by_name_outside_its_adapter() -> None:
    """What is true of one network stands in its adapter, as data; a third one is then a file and a line."""
    outside = [name for name in sources(*CODE) if not name.startswith(NETWORK_ROOMS)]

    assert {name for name in outside if names_of_networks() & strings(name)} == MAY_NAME_NETWORKS
    # Data is no question even there: nothing is compared with it, or chosen by it.
    assert {name for name in outside if any(asks_for_a_network(node) for node in tree(name))} == set()
    assert {name for name in outside if imports_an_adapter(name)} == set()


def test_no_page_mail_style_or_script_names_a_network() -> None:
    """Whatever the network, its label, colour and rules come from its adapter."""
    static = (ROOT / "publisher" / "web" / "static" / "publisher").glob("*.*")
    looked_at = [*templates("web", "mail", "social"), *static]

    assert len(looked_at) > 40
    assert {str(page.relative_to(ROOT)) for page in looked_at if names_a_network(page.read_text())} == set()


@pytest.mark.parametrize(
    "asked",
    [
        "if post.channel.network == 'facebook': pass",
        "if channel.network in ('x', 'mastodon'): pass",
        "if network.label == 'Bluesky': pass",
        "match network:\n    case 'x': pass",
        "limit = {'x': 280}.get(network)",
        "limit = LIMITS['facebook']",
        "if str(channel).startswith('x'): pass",
    ],
)
def test_a_question_for_a_network_is_seen(asked: str) -> None:
    assert any(asks_for_a_network(node) for node in ast.walk(ast.parse(asked)))


@pytest.mark.parametrize(
    "asked",
    [
        '{% if post.channel.network == "x" %}',
        "{% if said.network in ['Facebook', 'X'] %}",
        '{{ {"mastodon": "toot"}[network] }}',
        '[data-network="bluesky"] { color: blue }',
        ".state.facebook { color: blue }",
    ],
)
def test_a_page_that_names_a_network_is_seen(asked: str) -> None:
    assert names_a_network(asked)


def test_functions_are_short() -> None:
    lengths = sorted(length for name in sources(*CODE) for length in function_lengths(name))

    assert statistics.median(lengths) <= 9
    assert lengths[int(len(lengths) * 0.9)] <= 30


def test_no_file_is_long() -> None:
    """Ours, that is: the first migration and the locks are written by programs. A test's stories may be a few more."""
    suffixes = {".py", ".html", ".css", ".mjml", ".txt", ".sh"}
    ours = [f for f in tracked() if f.suffix in suffixes and not {"migrations", "golden"} & set(f.parts)]

    assert {
        str(f): lines(f) for f in ours if lines(f) > (LONGEST_TEST if f.parts[0] == "tests" else LONGEST_FILE)
    } == {}


# ---- The templates


def test_every_page_and_fragment_is_used() -> None:
    mentioned = all_code() + "".join(page.read_text() for page in templates("web", "sandbox"))
    #: Django itself asks for these.
    by_name = {"400.html", "403.html", "403_csrf.html", "404.html", "500.html"}
    rooms = ("web", "sandbox")
    names = {str(page.relative_to(ROOT / "templates" / room)) for room in rooms for page in templates(room)}

    assert {name for name in names - by_name if f'"{name}"' not in mentioned} == set()


def test_every_mail_is_written_by_somebody_and_whole() -> None:
    folders = [folder for folder in (ROOT / "templates" / "mail").iterdir() if folder.is_dir()]
    written = {
        name for name in sources("publisher") if not name.startswith("publisher/sandbox/") for name in strings(name)
    }

    assert {folder.name for folder in folders} <= written
    for folder in folders:
        assert {"subject.txt", "body.mjml", "body.txt"} <= {file.name for file in folder.iterdir()}, folder.name


def test_every_fragment_of_a_mail_is_included() -> None:
    mails = templates("mail")
    said = "".join(page.read_text() for page in mails)
    fragments = {page for page in mails if page.name.startswith("_")}

    assert {page.name for page in fragments if not re.search(rf"[\"'/]{page.name}[\"']", said)} == set()


def test_there_is_a_wording_for_each_purpose_of_a_post() -> None:
    assert {page.stem for page in templates("social")} == {str(purpose) for purpose in Post.Purpose.values}


# ---- The checkout


def test_nothing_is_tracked_that_is_made_or_secret() -> None:
    assert [str(file) for file in tracked() if re.search(NEVER_TRACKED, str(file))] == []


@pytest.mark.parametrize("what", TELLTALES)
def test_no_tracked_file_names(what: str) -> None:
    here = Path(__file__).relative_to(ROOT)
    told = [
        f"{file}: {found[0]}"
        for file in tracked()
        if file != here and (found := re.search(TELLTALES[what], text(file)))
    ]

    assert told == []


# ---- How it is looked at


def sources(*roots: str) -> list[str]:
    """The Python files below these folders, by their path from the root."""
    found = [file.relative_to(ROOT) for root in roots for file in (ROOT / root).rglob("*.py")]
    return sorted(str(file) for file in found if "migrations" not in file.parts)


@cache
def tree(name: str) -> list[ast.AST]:
    return list(ast.walk(ast.parse((ROOT / name).read_text())))


def strings(name: str) -> set[str]:
    return {node.value for node in tree(name) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def writes_state(node: ast.AST) -> bool:
    """`thing.state = …`, or `rows.update(state=…)`."""
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
        targets: list[Any] = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(isinstance(target, ast.Attribute) and target.attr == "state" for target in targets)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "update":
        return any(keyword.arg == "state" for keyword in node.keywords)
    return False


@cache
def names_of_networks() -> frozenset[str]:
    """Keys and labels; a network that is new counts by itself."""
    return frozenset(NETWORKS) | {network_class(name).label for name in NETWORKS}


def asks_for_a_network(node: ast.AST) -> bool:
    """network == "x"; network in ("x", …); case "x"; RULES["x"]; {"x": …}.get(network); name.startswith("x")."""
    match node:
        case ast.Compare():
            return any(names(each) for each in (node.left, *node.comparators))
        case ast.MatchValue():
            return names(node.value)
        case ast.Subscript():
            return names(node.slice) or (isinstance(node.value, ast.Dict) and names(node.value))
        case ast.Call(func=ast.Attribute()):
            picks = node.func.attr in {"get", "startswith", "endswith", "removeprefix", "pop"}
            return picks and (names(node.func.value) or any(names(each) for each in node.args))
    return False


def names(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Constant) and each.value in names_of_networks() for each in ast.walk(node))


def imports_an_adapter(name: str) -> bool:
    files = {path.partition(":")[0] for path in NETWORKS.values()}
    froms = {node.module or "" for node in tree(name) if isinstance(node, ast.ImportFrom)}
    whole = {f"publisher.{module.removeprefix('publisher.')}" for module in froms}
    named = {each.name for node in tree(name) if isinstance(node, ast.Import) for each in node.names}
    return bool(files & (whole | named))


def names_a_network(text: str) -> bool:
    """{% if post.channel.network == "x" %}, [data-network="x"], .facebook {}: quoted, or as a class of the style."""
    asked = "|".join(map(re.escape, sorted(names_of_networks())))
    return bool(re.search(rf"""["'](?:{asked})["']|\.(?:{asked})\b(?=[^{{}};]*\{{)""", text))


def function_lengths(name: str) -> Iterator[int]:
    for node in tree(name):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.end_lineno - node.lineno + 1


def all_code() -> str:
    return "".join((ROOT / name).read_text() for name in sources(*CODE))


def templates(*rooms: str) -> list[Path]:
    return [file for room in rooms for file in sorted((ROOT / "templates" / room).rglob("*")) if file.is_file()]


@cache
def tracked() -> list[Path]:
    """What git keeps, by path from the root."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("this is no git checkout: nothing tells which files are tracked")
    return [Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def lines(file: Path) -> int:
    return len((ROOT / file).read_text().splitlines())


def text(file: Path) -> str:
    return (ROOT / file).read_text(errors="replace")
