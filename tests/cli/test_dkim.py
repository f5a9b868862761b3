"""`publisher dkim`: from a new key to signed letters, with what has to be published in between."""

from __future__ import annotations

import pytest
from django.utils import timezone

from publisher.delivery import keys


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.DKIM_FOLDER = str(tmp_path)


def test_a_key_is_made_published_used_and_retired(publisher):
    made = publisher("dkim", "new", "example.org", "--selector", "one", "--kind", "ed25519")
    (key,) = publisher("dkim", "list", "--json").json()
    assert (made.status, made.err) == (0, "")
    assert f"  name   one._domainkey.example.org\n  value  {key['dns_value']}\n" in made.out
    assert f'one._domainkey.example.org. IN TXT ( "{key["dns_value"]}" )\n' in made.out
    assert "publisher dkim use example.org one" in made.out
    assert (key["domain"], key["selector"], key["kind"], key["in_use"], key["problem"]) == (
        "example.org", "one", "ed25519", False, "",
    )  # fmt: skip
    assert publisher("dkim", "use", "example.org", "one").out == "Letters from example.org are signed with one.\n"
    assert [signer.selector for signer in keys.signers_for("example.org")] == ["one"]
    ended = publisher("dkim", "retire", "example.org", "one")
    assert ended.out.startswith("one signs nothing any more.")
    assert ended.err == "Letters from example.org are not signed by Publisher now.\n"
    assert publisher("dkim", "list", "--json").json() == []


def test_a_key_is_named_after_its_kind_and_month_and_never_made_twice(publisher):
    assert publisher("dkim", "new", "example.org").status == 0
    (key,) = publisher("dkim", "list", "--json").json()
    assert (key["selector"], key["kind"]) == (f"rsa-{timezone.now():%Y%m}", "rsa")
    again = publisher("dkim", "new", "example.org")
    assert (again.status, again.out) == (1, "")
    assert again.err == f"example.org has, or had, a key {key['selector']}: name another with --selector.\n"


def test_the_key_whose_place_another_takes_is_named(publisher):
    for name in ("one", "two"):
        publisher("dkim", "new", "example.org", "--selector", name, "--kind", "ed25519")
        answer = publisher("dkim", "use", "example.org", name)
    assert "It takes the place of one: leave that one's record for two weeks" in answer.out
    rows = [line.split() for line in publisher("dkim", "list").out.splitlines()[2:]]
    assert rows == [["example.org", "one", "ed25519", "no"], ["example.org", "two", "ed25519", "yes"]]


def test_what_cannot_be_is_said_in_a_sentence(publisher):
    answer = publisher("dkim", "use", "example.org", "none")
    assert (answer.status, answer.err.startswith("The key none of example.org cannot be read from")) == (1, True)
