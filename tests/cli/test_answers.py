"""What holds for every command: help, JSON, one sentence where something is wrong, names that leave no doubt."""

from __future__ import annotations

import json

import pytest

from publisher.models import Event, Person, Publication, Source

GROUPS = ["items", "digests", "members", "posts", "publications", "people"]
READ = [
    ("items", "list"),
    ("digests", "list"),
    ("digests", "show"),
    ("members", "export"),
    ("members", "show", "m0@members.example"),
    ("posts", "list"),
    ("publications", "list"),
    ("publications", "sources"),
    ("publications", "sections"),
    ("people", "list"),
]
WRITE = [
    ("items", "queue", "1"),
    ("items", "set-aside", "1"),
    ("items", "withdraw", "1", "--why", "x"),
    ("items", "import", "tests", "--queue"),
    ("items", "import", "tests", "--take-number"),
    ("posts", "hold", "1"),
    ("posts", "release", "1"),
    ("posts", "settle", "1", "--there"),
    ("digests", "compose"),
    ("digests", "proof"),
    ("digests", "approve"),
    ("digests", "send"),
    ("digests", "undo"),
    ("digests", "pause"),
    ("digests", "resume"),
    ("digests", "cancel"),
    ("members", "import", "pyproject.toml", "--basis", "consent"),
    ("members", "erase", "m0@members.example"),
    ("publications", "set", "next_number=9"),
    ("publications", "connect", "x", "reading_rooms"),
    ("publications", "section", "Our aims", "--hide"),
]


def test_the_command_without_words_says_what_there_is(publisher):
    for words in ([], ["--help"]):
        answer = publisher(*words)
        assert [word for word in (*GROUPS, "check", "demo", "up", "migrate") if word not in answer.out] == []


@pytest.mark.parametrize("group", GROUPS)
def test_each_group_says_what_it_can(publisher, group):
    answer = publisher(group, "--help")
    assert (answer.status, answer.err) == (0, "")
    lines = [line.strip("│ ") for line in answer.out.partition("Commands")[2].splitlines()[1:] if line.startswith("│")]
    assert [line for line in lines if len(line.split()) < 3] == []  # a word without its sentence


@pytest.mark.parametrize("words", READ, ids=" ".join)
def test_what_reads_speaks_json(publisher, words, channels, proof, members):
    Source.objects.create(publication=proof.digest.publication, address="https://rooms.example/feed")
    found = json.loads(publisher(*words, "--json").out)
    assert found
    plain = publisher(*words)
    assert (plain.status, plain.err) == (0, "") != (0, plain.out)


@pytest.mark.parametrize("words", WRITE, ids=" ".join)
def test_who_names_nobody_changes_nothing(publisher, words, proof, members):
    before = list(Event.objects.values()), list(Publication.objects.values())
    for more in ([], ["--by", "nobody"], ["--by", ""]):
        answer = publisher(*words, *more, typed="{}")
        assert (answer.status, answer.out) == (1, "")
        assert answer.err == "Who are you? Name yourself with --by (or PUBLISHER_PERSON): anne.\n"
    assert (list(Event.objects.values()), list(Publication.objects.values())) == before


def test_who_may_not_sign_in_any_more_does_nothing_here_either(publisher, publication, anne, ben):
    Person.objects.filter(pk=ben.pk).update(is_active=False)
    answer = publisher("publications", "set", "next_number=9", "--by", "ben")
    assert (answer.status, answer.err.endswith(": anne.\n")) == (1, True)


def test_the_environment_may_name_the_person(publisher, publication, anne, monkeypatch):
    monkeypatch.setenv("PUBLISHER_PERSON", "anne")
    assert publisher("publications", "set", "next_number=121").status == 0
    assert Event.objects.get().by == anne


def test_a_publication_is_named_where_there_are_several(publisher, publication, other_publication):
    assert publisher("items", "list").err == "Which publication? Name one with --publication: peru-new, update.\n"
    wrong = publisher("items", "list", "--publication", "updat")
    assert wrong.err == "There is no publication “updat”: name one of peru-new, update.\n"
    assert publisher("items", "list", "--publication", "update", "--json").json() == []


def test_without_a_publication_one_is_asked_for(publisher):
    answer = publisher("items", "list")
    assert (answer.status, answer.err) == (
        1,
        "There is no publication yet: make one with `publisher publications add` (its --help says with what).\n",
    )


WRONG = {
    ("items", "list", "--state", "lost"): "No item is ever “lost”: say one of received, queued, set_aside, withdrawn.",
    ("posts", "list", "--state", "lost"): "No post is ever “lost”",
    ("items", "queue", "99", "--by", "anne"): "There is no item 99: see `publisher items list`.",
    ("posts", "hold", "99", "--by", "anne"): "There is no post 99: see `publisher posts list`.",
    ("digests", "show"): "There is no digest in the making: see `publisher digests list`.",
    ("digests", "show", "7"): "There is no digest 7: see `publisher digests list`.",
    ("digests", "cancel", "0"): "There is no digest 0: see `publisher digests list`.",
    ("deliveries", "list", "--digest", "0"): "There is no digest 0: see `publisher digests list`.",
    ("digests", "compose", "--by", "anne"): "No item is queued for Update: queue the items that belong into the next",
    ("members", "show", "nobody@members.example"): "There is no member with this address.",
    ("members", "show", "nobody"): "“nobody” is not an e-mail address",
    ("publications", "set", "next_number=many", "--by", "anne"): "next_number: “many” value must be an integer.",
    ("publications", "set", "pace=fast", "--by", "anne"): "“pace=fast”: give NAME=VALUE with a name of series,",
    ("publications", "set", "time_zone=Mars", "--by", "anne"): "time_zone: “Mars” is not a time zone",
    ("publications", "set", "accent=red", "--by", "anne"): "accent: A colour as #8a1c1c.",
    ("publications", "section", "None", "--show", "--by", "anne"): "There is no section “None”",
    ("publications", "poll", "news.html"): "The clock reads web addresses, not “news.html”",
    (
        "publications",
        "connect",
        "myspace",
        "rooms",
        "--by",
        "anne",
    ): "“myspace” is no network known here: x, facebook, mastodon, bluesky.",
    ("items", "import", "nowhere.txt"): "There is nothing at ",
    ("items", "import", "https://example.org/"): "This is the demo",
}


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_what_is_wrong_is_one_sentence(publisher, publication, anne, settings, words):
    settings.LOOPBACK_ONLY = True
    answer = publisher(*words)
    assert (answer.status, answer.out) == (1, "")
    assert answer.err.startswith(WRONG[words])
    assert (answer.err.count("\n"), "Traceback" in answer.err) == (1, False)


def test_brackets_in_what_others_wrote_are_printed(publisher, make_item, anne):
    item = make_item("A [red]new[/] room [/b] :books:", state="received")
    assert "A [red]new[/] room [/b] :books:" in publisher("items", "list").out
    assert publisher("items", "queue", item.pk, "--by", "anne").out == "Queued: A [red]new[/] room [/b] :books:\n"


# Where nothing is set up


def test_a_newcomer_is_led_on_sentence_by_sentence(elsewhere, tmp_path):
    (tmp_path / "page.txt").write_text("A room opens\n\n31 March 2007\n\nWith four hundred books.\n")
    first = elsewhere("items", "import", "page.txt")
    assert (first.status, first.out) == (1, "")
    assert first.err.splitlines() == [
        "To look first and store nothing, add --dry-run.",
        "The database is not set up yet, or not up to date: run `publisher migrate`.",
    ]
    looked = elsewhere("items", "import", "page.txt", "--dry-run", "--json").json()
    assert [(item["title"], item["published_on"]) for item in looked] == [("A room opens", "2007-03-31")]
    assert elsewhere("migrate").status == 0
    second = elsewhere("items", "import", "page.txt")
    assert second.err == (
        "There is no publication yet: make one with `publisher publications add` (its --help says with what). "
        "To look first and store nothing, add --dry-run.\n"
    )
    elsewhere("publications", "add", "update", "--series", "Update", "--organisation", "Rooms",
              "--sender", "update@rooms.example", "--postal-address", "1 Example Street")  # fmt: skip
    assert [len(page["new"]) for page in elsewhere("items", "import", "page.txt", "--json").json()] == [1]


def test_a_database_that_cannot_be_reached_is_one_sentence(elsewhere):
    answer = elsewhere("items", "list", DATABASE_URL="postgresql://anne:secret@127.0.0.1:1/none")
    assert (answer.status, answer.out, answer.err.count("\n")) == (1, "", 1)
    assert answer.err.startswith("The database cannot be used: connection failed: ")
    assert "secret" not in answer.err
