"""What we say to the public is said in every language, with the same blanks to fill in."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jinja2 import nodes
from markupsafe import Markup

from config.jinja import environment
from publisher import languages, letters

ROOT = Path(__file__).resolve().parent.parent
OTHERS = sorted(set(languages.NAMES) - {languages.DEFAULT})


def said_by_templates() -> Iterator[str]:
    for folder, parser in (("web", environment()), ("mail", letters.ENVIRONMENT)):
        for file in sorted((ROOT / "templates" / folder).rglob("*.*")):
            for call in parser.parse(file.read_text()).find_all(nodes.Call):
                if isinstance(call.node, nodes.Name) and call.node.name == "say":
                    assert isinstance(call.args[0], nodes.Const), f"{file}: what is said has to stand there"
                    yield call.args[0].value


def said_by_code() -> Iterator[str]:
    """languages.say(language, "…"), and the tables of sentences, whose names end so."""
    for file in sorted((ROOT / "publisher").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="languages"), attr="say"), args=[_, said, *_]):
                    yield from strings(said)
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if name.endswith("SENTENCES"):
                    yield from strings(value)


def strings(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def blanks(sentence: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None)


@pytest.mark.parametrize("language", OTHERS)
def test_every_sentence_has_its_own_in_every_language_and_none_is_left_over(language: str) -> None:
    assert set(languages.table(language)) == {*said_by_templates(), *said_by_code()}


@pytest.mark.parametrize("language", OTHERS)
def test_a_sentence_has_the_same_blanks_in_every_language(language: str) -> None:
    table = languages.table(language)

    assert len(table) > 30
    assert {english: blanks(said) for english, said in table.items()} == {english: blanks(english) for english in table}


@pytest.mark.parametrize(
    ("wanted", "spoken"),
    [(("es",), "es"), (("es-PE",), "es"), (("", "ES_mx"), "es"), (("qu", "es"), "es"), (("qu",), "en"), ((), "en")],
)
def test_the_first_language_that_we_speak_is_spoken(wanted: tuple[str, ...], spoken: str) -> None:
    assert languages.first_known(*wanted) == spoken


def test_values_are_escaped_and_a_link_stays_one() -> None:
    said: Any = languages.say_safely("es", "Subscribe to {series}", series="<b>Update</b>")
    linked = languages.say_safely("en", "Subscribe to {series}", series=Markup('<a href="/x">it</a>'))

    assert (said, linked) == ("Suscribirse a &lt;b&gt;Update&lt;/b&gt;", 'Subscribe to <a href="/x">it</a>')


def test_a_sentence_without_a_translation_is_said_in_english() -> None:
    assert languages.say("es", "Nobody wrote {this}.", this="this") == "Nobody wrote this."
