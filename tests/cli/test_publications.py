from __future__ import annotations

import json
import re

import pytest
from django.utils import timezone

from publisher import digests, numbers
from publisher.cli import answers, publications
from publisher.models import Channel, Digest, Event, Person, Publication, Source, StandingSection
from tests.canaries import secret

KEYS = {name: secret(name) for name in ("consumer_key", "consumer_secret", "access_token", "access_token_secret")}
NEW = ("publications", "add", "update", "--series", "Update", "--organisation", "Rooms", "--next-number", "120")


def test_a_publication_is_added_and_changed(publisher, anne):
    answer = publisher(*NEW, "--sender", "update@rooms.example", "--postal-address", "1 Example Street")
    assert (answer.status, answer.out) == (0, "Update 120 comes next.\n")
    publisher("publications", "set", "time_zone=America/Lima", "four_eyes=no", "hold_minutes=0", "--by", "anne")
    publication = Publication.objects.get()
    assert (publication.list_id, publication.time_zone, publication.four_eyes, publication.hold_minutes) == (
        "update.rooms.example",
        "America/Lima",
        False,
        0,
    )
    assert (Event.objects.get().by, Event.objects.get().detail) == (
        anne,
        {"fields": ["four_eyes", "hold_minutes", "time_zone"]},
    )
    told = publisher("publications", "list", "--json").json()
    assert told == [{"slug": "update", "series": "Update", "organisation": "Rooms", "next_number": 120}]


def test_the_name_of_a_list_is_ascii_whatever_the_senders_domain_is(publisher, anne):
    publisher(*NEW, "--sender", "update@bücher.example", "--postal-address", "1 Example Street")
    assert Publication.objects.get().list_id == "update.xn--bcher-kva.example"


def test_a_publication_that_is_not_whole_is_not_added(publisher, publication):
    for sender, said in [("nobody", "sender_email: Enter a valid email address."), ("a@rooms.example", "slug:")]:
        answer = publisher(*NEW, "--sender", sender, "--postal-address", "x")
        assert (answer.status, said in answer.err) == (1, True)
    assert Publication.objects.get() == publication


def test_the_help_names_every_setting(publisher):
    told = set(re.findall(r"\w+", publisher("publications", "set", "--help").out))
    editable = {field.name for field in Publication._meta.concrete_fields} - {"id", "slug", "free_numbers"}
    assert editable - told == set()


def test_one_wrong_setting_changes_none(publisher, publication, anne):
    assert publisher("publications", "set", "hold_minutes=9", "language=x" * 9, "--by", "anne").status == 1
    assert Publication.objects.get().hold_minutes == 5
    assert not Event.objects.exists()


def test_how_many_letters_go_out_first_is_set(publisher, publication, anne):
    assert (publication.canary_size, publication.canary_minutes) == (0, 15)
    assert publisher("publications", "set", "canary_size=100", "canary_minutes=30", "--by", "anne").status == 0
    publication.refresh_from_db()
    assert (publication.canary_size, publication.canary_minutes) == (100, 30)
    assert publisher("publications", "set", "canary_size=-1", "--by", "anne").status == 1


def test_a_number_that_was_given_away_is_never_given_again(publisher, proof, anne):
    answer = publisher("publications", "set", "next_number=120", "--by", "anne")
    assert answer.err == "next_number: 120 was given away already, so 121 is the first that is free.\n"
    assert publisher("publications", "set", "next_number=130", "--by", "anne").status == 0
    assert (Publication.objects.get().next_number, Digest.objects.get().number) == (130, 120)


def test_a_number_that_came_back_is_not_given_a_second_time(publisher, proof, anne):
    digests.cancel(proof.digest, by=anne, why="nothing in it is true")
    answer = publisher("publications", "set", "next_number=120", "--by", "anne")
    assert answer.err == "next_number: 120 was given away already, so 121 is the first that is free.\n"
    assert [numbers.reserve(proof.digest.publication_id) for _ in range(2)] == [120, 121]


def test_a_number_that_is_taken_while_another_setting_changes_stays_taken(publisher, publication, anne, monkeypatch):
    def then_somebody_takes_one(slug):
        found = answers.the_publication(slug)
        numbers.reserve(found.pk)
        return found

    monkeypatch.setattr(publications, "the_publication", then_somebody_takes_one)
    assert publisher("publications", "set", "accent=#123456", "--by", "anne").status == 0
    assert Publication.objects.values_list("accent", "next_number").get() == ("#123456", 121)


def test_an_account_is_connected_and_its_secrets_sealed(publisher, publication, anne):
    answer = publisher("publications", "connect", "x", "reading_rooms", "--by", "anne", typed=json.dumps(KEYS))
    assert (answer.status, answer.out) == (0, "Connected x reading_rooms. `publisher check` tries it.\n")
    channel = Channel.objects.get()
    assert channel.credentials == KEYS
    assert KEYS["access_token_secret"] not in channel.sealed_credentials.split()
    Channel.objects.update(paused=True, attention="X refused our keys.")
    publisher("publications", "connect", "x", "reading_rooms", "--by", "anne", typed=json.dumps(KEYS))
    channel.refresh_from_db()
    assert (Channel.objects.count(), channel.paused, channel.attention) == (1, False, "")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("nonsense", "must be a JSON object on standard input"),
        ("[]", "must be a JSON object of texts"),
        ('{"consumer_key": 7}', "must be a JSON object of texts"),
        ('{"consumer_key": "ck"}', "X needs consumer_secret, access_token, access_token_secret"),
    ],
)
def test_credentials_that_cannot_serve_are_refused(publisher, publication, anne, typed, said):
    answer = publisher("publications", "connect", "x", "reading_rooms", "--by", "anne", typed=typed)
    assert (answer.status, said in answer.err) == (1, True)
    assert not Channel.objects.exists()


def test_a_page_is_polled_and_its_failures_are_told(publisher, publication):
    publisher("publications", "poll", "https://rooms.example/feed", "--minutes", "30")
    assert list(Source.due()) == [Source.objects.get()]
    assert publisher("publications", "poll", "https://rooms.example/feed", "--minutes", "1").status == 2
    unread = [{"line": 12, "text": "31 March", "why": "There is a date, but no title."}]
    Source.objects.update(problem="rooms.example answers 410.", unread=unread, last_read_at=timezone.now())
    (told,) = publisher("publications", "sources", "--json").json()
    assert (told["poll_minutes"], told["problem"], told["unread"]) == (30, "rooms.example answers 410.", unread)
    plain = publisher("publications", "sources")
    assert "rooms.example answers 410." in plain.out
    assert plain.err == "https://rooms.example/feed:12: not read: There is a date, but no title. 31 March\n"
    publisher("publications", "poll", "https://rooms.example/feed", "--stop")
    assert (list(Source.due()), Source.objects.get().poll_minutes) == ([], None)


def test_a_section_is_shown_and_hidden_by_somebody(publisher, publication, other_publication, anne):
    StandingSection.objects.create(publication=other_publication, title="Our aims", body="x", shown=True)
    publisher("publications", "section", "Our aims", "--hide", "--publication", "update", "--by", "anne")
    (told,) = publisher("publications", "sections", "--publication", "update", "--json").json()
    assert (told["title"], told["shown"]) == ("Our aims", False)
    assert other_publication.sections.get().shown is True
    assert (Event.objects.get().verb, Event.objects.get().by) == ("edited", anne)
    publisher("publications", "section", "Our aims", "--show", "--publication", "update", "--by", "anne")
    assert publication.sections.get().shown is True


def test_people_are_added_with_a_password_worth_the_name(publisher):
    added = publisher("people", "add", "anne", "--name", "Anne Rowe", "--password", "letters-to-lima")
    assert (added.status, added.out) == (0, "Anne Rowe can sign in.\n")
    publisher("people", "add", "ben", "--name", "Ben Ortiz", "--password", "letters-to-puno", "--approver")
    for words, said in [
        (["eva", "--password", "short"], "This password is too short"),
        (["eva rowe", "--password", "letters-to-lima"], "Enter a valid username"),
        (["anne", "--password", "letters-to-lima"], "There is a anne already."),
    ]:
        answer = publisher("people", "add", *words)
        assert (answer.status, answer.err.startswith(said)) == (1, True), answer.err
    assert [(p.username, p.may_approve, p.check_password("letters-to-lima")) for p in Person.objects.all()] == [
        ("anne", False, True),
        ("ben", True, False),
    ]
    assert publisher("people", "list", "--json").json()[1] == {
        "username": "ben",
        "name": "Ben Ortiz",
        "email": "",
        "approver": True,
        "active": True,
    }
    publisher("people", "email", "ben", "ben@reading-rooms.example")
    assert publisher("people", "email", "ben", "nonsense").err.startswith("Enter a valid email address")
    assert publisher("people", "list", "--json").json()[1]["email"] == "ben@reading-rooms.example"
