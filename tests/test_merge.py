"""Merge fields: what is filled, what stays as it was typed, and that a name stays a name."""

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.merge import FIELDS, ValueMissing, fill, misspelt, unknown_fields

ROSA = {
    "first_name": "Rosa",
    "unsubscribe_url": "https://news.example.org/leave?m=1&k=abc",
    "view_url": "https://news.example.org/view/120",
}


def test_the_fields_are_filled() -> None:
    text = "Dear {first_name|friend} {last_name|of ours}, {unsubscribe_url} {view_url}"
    assert fill(text, ROSA) == (
        "Dear Rosa of ours, https://news.example.org/leave?m=1&k=abc https://news.example.org/view/120"
    )


@pytest.mark.parametrize("values", [{}, {"first_name": ""}])
def test_a_member_without_a_name_gets_the_fallback(values: dict[str, str]) -> None:
    assert fill("Dear {first_name|friend}, hello {first_name}!", values) == "Dear friend, hello !"


def test_values_are_escaped_in_html_and_the_letter_is_not() -> None:
    letter = "<b>{first_name|you &amp; yours}</b> <a href='{unsubscribe_url}'>"
    assert fill(letter, ROSA | {"first_name": "<script>"}, html.escape) == (
        "<b>&lt;script&gt;</b> <a href='https://news.example.org/leave?m=1&amp;k=abc'>"
    )
    assert fill(letter, ROSA | {"first_name": ""}, html.escape).startswith("<b>you &amp; yours</b>")


@pytest.mark.parametrize("field", ["{unsubscribe_url}", "{view_url}", "{view_url|#}"])
def test_a_link_without_a_value_is_never_sent_empty(field: str) -> None:
    with pytest.raises(ValueMissing, match="this member has no"):
        fill(f"Leave: {field}", {"first_name": "Rosa"})


def test_a_name_that_looks_like_a_field_stays_a_name() -> None:
    values = ROSA | {"first_name": "{unsubscribe_url}"}
    assert fill("Dear {first_name|friend} {first_name}", values) == ("Dear {unsubscribe_url} {unsubscribe_url}")


@pytest.mark.parametrize(
    "typed",
    [
        "{firstname}",
        "{first_name.__class__}",
        "{{first_name}}",
        "{{ first_name }}",
        "{% include 'x' %}",
        "{ first_name }",
        "{FIRST_NAME}",
        "{surname|friend}",
        "{0}",
        "{first_name|a\nb}",
        "}{",
        "{",
    ],
)
def test_what_is_no_field_stays_as_it_was_typed(typed: str) -> None:
    assert fill(f"a {typed} b", ROSA) == f"a {typed} b"


def test_suspicious_fields_are_named_once_and_in_order() -> None:
    text = "{surname} {{ first_name }} {first_name|friend} {Unsubscribe_url} {surname} {% now %} {Vorname|du}"
    assert unknown_fields(text) == (
        "{surname}",
        "{{ first_name }}",
        "{Unsubscribe_url}",
        "{% now %}",
        "{Vorname|du}",
    )


def test_styles_and_known_fields_are_not_suspicious() -> None:
    text = "<style>p{margin:0} @media (x){a{color: red}}</style> {first_name|dear friend} {view_url} {} { } {1}"
    assert unknown_fields(text) == ()


@pytest.mark.parametrize(
    ("typed", "mended"),
    [
        ("Dear {first_nam|friend},", "{first_name|friend}"),
        ("Dear {firstname},", "{first_name|friend}"),
        ("Dear {First name},", "{first_name|friend}"),
        ("Dear {{ first_name }},", "{first_name|friend}"),
        ("Dear {FIRST_NAME|reader},", "{first_name|reader}"),
        ("Dear {lastname},", "{last_name|friend}"),
        ("Leave: {unsubscribe}", "{unsubscribe_url}"),
        ("{name}", "{first_name|friend}"),
        ("{% now %}", "{first_name|friend}"),
        ("{reader}", "{first_name|friend}"),
        ("{because|x}", "{first_name|x}"),
    ],
)
def test_a_field_that_is_none_is_named_with_the_one_that_was_meant(typed: str, mended: str) -> None:
    assert f" Did you mean {mended}? " in misspelt(typed)


@pytest.mark.parametrize(
    "typed",
    ["", "{first_name|friend}", "{view_url} {unsubscribe_url}", "{see the next page}", "{1}", "{}", "p {margin: 0}"],
)
def test_a_brace_that_is_text_is_not_taken_for_a_field(typed: str) -> None:
    assert misspelt(typed) == ""


@given(st.text(), st.text(alphabet="{}|%_.firstnameviewunsubscribeurl"), st.text(min_size=1))
def test_nothing_a_member_is_called_changes_the_rest_of_the_letter(left: str, right: str, name: str) -> None:
    text = f"{left}\x00{{first_name|friend}}\x00{right}"
    values = dict.fromkeys(FIELDS, "v") | {"first_name": name}
    assert fill(text, values) == f"{fill(left, values)}\x00{name}\x00{fill(right, values)}"
