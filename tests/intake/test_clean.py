"""Foreign HTML comes out harmless."""

import pytest

from publisher.intake import clean


def test_what_a_text_needs_stays_and_links_become_absolute() -> None:
    html = '<h2>A</h2><p class="x">B <em>c</em> <a href="../d" target="_blank">e</a></p><ul><li>f</li></ul>'

    assert clean.fragment(html, "https://example.org/a/b") == (
        '<h2>A</h2><p>B <em>c</em> <a href="https://example.org/d" rel="noopener noreferrer">e</a></p>'
        "<ul><li>f</li></ul>"
    )


def test_mail_addresses_may_be_linked() -> None:
    assert clean.fragment('<a href="mailto:a@example.org">a</a>') == (
        '<a href="mailto:a@example.org" rel="noopener noreferrer">a</a>'
    )


@pytest.mark.parametrize(
    "scheme", ["javascript:", "JaVa\tScript:", "data:text/html,", "vbscript:", " javascript:", "file:///"]
)
def test_other_links_lose_their_address(scheme: str) -> None:
    assert clean.fragment(f'<a href="{scheme}alert(1)">x</a>') == '<a rel="noopener noreferrer">x</a>'


@pytest.mark.parametrize("tag", ["svg", "math", "style", "title", "textarea", "noscript", "iframe", "xmp", "script"])
def test_the_doors_around_every_sanitiser_are_shut(tag: str) -> None:
    assert tag not in clean.TAGS
    assert clean.fragment(f"<p>a</p><{tag}><img src=x onerror=alert(1)></{tag}>") == "<p>a</p>"


@pytest.mark.parametrize(
    "attack",
    [
        "<math><annotation-xml encoding=text/html><style><img src=x onerror=alert(1)></style></annotation-xml></math>",
        "<svg><p><style><g title='</style><img src=x onerror=alert(1)>'></svg>",
        '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
        "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
        "<p onclick=alert(1) style='x:expression(1)'>",
        "<table><td background=javascript:alert(1)><object data=x>",
    ],
)
def test_known_attacks_leave_nothing_that_runs(attack: str) -> None:
    cleaned = clean.fragment(attack)

    assert "<img" not in cleaned
    assert "onerror" not in cleaned.replace("&lt;img src=x onerror=alert(1)&gt;", "").replace(
        "onerror=alert(1)&gt;", ""
    )
    assert clean.fragment(cleaned) == cleaned


def test_html_becomes_paragraphs() -> None:
    assert clean.paragraphs("<p>A&nbsp;b &amp; c</p>d<br><br>e<ul><li>f</li><li>g</li></ul>") == (
        "A\u00a0b & c\n\nd\n\ne\n\n• f\n• g"
    )


def test_no_html_is_no_text() -> None:
    assert (clean.paragraphs(" "), clean.paragraphs("<!-- x -->"), clean.text("")) == ("", "", "")
