"""What real sending needs: each thing looked at for itself, with what to do where it is missing."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from publisher import checks
from publisher.delivery import keys
from publisher.models import Channel, Lease, Person, Publication

MENDS = {
    "Public address": "Set PUBLISHER_BASE_URL",
    "Mail server": "Set PUBLISHER_SMTP_URL",
    "Clock": "Start `publisher up`",
    "People": "Add who writes and who approves: `publisher people add",
    "Publications": "Make one: `publisher publications add",
}


def found() -> dict[str, Any]:
    return {check.name: check for check in checks.run()}


def missing() -> dict[str, str]:
    return {name: check.says for name, check in found().items() if not check.ok}


@pytest.mark.django_db
def test_an_empty_place_says_what_to_do_for_each():
    empty = {check.name: check.mend for check in checks.run() if not check.ok}
    assert list(empty) == list(MENDS)
    assert {name: mend[: len(MENDS[name])] for name, mend in empty.items()} == MENDS


def test_what_is_in_order_needs_nothing(connected, publication, anne, ben, settings):
    settings.BASE_URL = "https://updates.example"
    Lease.objects.create(name="clock", holder="x", until=timezone.now() + timezone.timedelta(minutes=1))
    assert missing() == {}
    assert found()[f"Mail server {settings.SMTP_URL.removeprefix('smtp://')}"].says == "answers"
    assert [check.says.partition(",")[0] for name, check in found().items() if name.startswith("Channel")] == [
        "may post",
        "may post",
    ]


def test_a_relay_that_refuses_our_login_or_is_not_there_is_said(connected, settings, db):
    settings.SMTP_URL = f"{settings.SMTP_URL},smtp://127.0.0.1:1,smtp://mail.example.org"
    settings.LOOPBACK_ONLY = True
    said = {name: says for name, says in missing().items() if name.startswith("Mail")}
    assert said == {
        "Mail server 127.0.0.1:1": "127.0.0.1:1: connecting failed: Connection refused.",
        "Mail server mail.example.org:25": (
            "This is the demo: it talks to this machine only, not to mail.example.org."
        ),
    }
    assert connected.json("/mail/log.json") == []


@pytest.mark.parametrize(
    ("smtp", "sandbox", "said"),
    [
        ("smtp://127.0.0.1:25", "http://127.0.0.1:8001", "the sandbox: no letter leaves this machine"),
        ("http://x", "", "PUBLISHER_SMTP_URL, relay 1: it must begin with smtp:// or smtps://"),
    ],
)
def test_the_sandbox_is_not_taken_for_a_mail_server(db, settings, smtp, sandbox, said):
    settings.SMTP_URL, settings.SANDBOX_URL = smtp, sandbox
    settings.SANDBOXED = ("mail",) if sandbox else ()
    assert missing()["Mail server"].startswith(said)


def test_an_account_that_cannot_post_is_said_with_how_to_connect_it_again(connected, channels, settings):
    x, facebook = channels
    x.credentials = {**x.credentials, "access_token": "wrong"}
    x.save()
    Channel.objects.filter(pk=facebook.pk).update(attention="The page is gone.")
    said = missing()
    assert said["Channel facebook Andean Reading Rooms"] == "The page is gone."
    assert "X" in said["Channel x reading_rooms"]
    assert found()["Channel x reading_rooms"].mend == (
        "Connect it again: `publisher publications connect x 'reading_rooms' --publication update`."
    )


def test_credentials_whose_key_is_lost_are_said(connected, settings):
    settings.KEYS = {**settings.KEYS, "tokens": ["another"]}
    assert missing()["Channel x reading_rooms"].startswith("Stored credentials cannot be opened")


def test_one_person_is_enough_where_nobody_has_to_be_asked(publication, ben):
    assert "People" in missing()
    Publication.objects.update(four_eyes=False)
    assert "People" not in missing()
    Person.objects.update(is_active=False)
    assert missing()["People"] == "0 may sign in, 0 of them approve"


def test_a_publication_without_its_address_is_said(publication):
    Publication.objects.update(postal_address="", list_id="")
    assert missing()["Publication update"] == "lacks postal_address, list_id"
    assert found()["Publication update"].mend == (
        "`publisher publications set --publication update postal_address=… list_id=…`."
    )


def test_it_is_said_who_signs_the_letters(publication, settings, tmp_path):
    settings.DKIM_FOLDER = str(tmp_path)
    domain = publication.sender_email.rpartition("@")[2]
    unsigned = found()["Signature of update"]
    assert (unsigned.ok, unsigned.says) == (
        True,
        f"not signed here: let the mail server sign, or make a key with `publisher dkim new {domain}`",
    )
    keys.make(domain, "one", keys.Kind.ED25519)
    keys.use(domain, "one")
    assert found()["Signature of update"].says == f"signed with one (ed25519-sha256) for {domain}"
    (tmp_path / domain / "one.pem").write_text("nonsense")
    assert missing()["Signature of update"].startswith(f"The key one of {domain} cannot be read from")


def test_it_is_said_where_letters_come_back_to(db, settings):
    assert "Bounce address" not in found()
    settings.BOUNCE_ADDRESS = "bounces@example.org"
    assert missing()["Bounce address"] == "bounces@example.org, and nobody reads what comes there"
    settings.BOUNCE_IMAP_URL = "imaps://u:p@mail.example.org/"
    assert (found()["Bounce address"].ok, found()["Bounce address"].says) == (True, "bounces@example.org")
    settings.BOUNCE_ADDRESS = "bounces"
    assert missing()["Bounce address"].startswith("PUBLISHER_BOUNCE_ADDRESS is no address such as")


def test_limits_that_cannot_be_understood_are_said(db, settings):
    assert found()["Pace"].says == "as fast as the mail server takes it"

    settings.RATE, settings.DOMAINS, settings.WARM_UP = "10", "gmail.com:rate=5", "2026-11-23"
    says = "at most 10 letters a second, with limits for domains, from a new sender since 23 November 2026"
    assert found()["Pace"].says == says

    settings.DOMAINS = "gmail.com=5"
    written = "write it as gmail.com:rate=10;connections=3"
    assert missing()["Pace"] == f"“gmail.com=5” in PUBLISHER_DOMAINS: {written}."


def test_a_message_server_that_is_not_there_is_said(db, settings):
    settings.BROKER_URL = "redis://127.0.0.1:1/0"
    assert "Connection refused" in missing()["Message server"]
    settings.BROKER_URL = "nonsense://127.0.0.1"
    assert missing()["Message server"] == "its address cannot be used"


def test_a_check_that_breaks_says_so_and_the_others_go_on(db, monkeypatch):
    monkeypatch.setattr(checks, "parse_relays", lambda value: 1 / 0)
    said = missing()
    assert said["Mail"] == "could not be looked at: ZeroDivisionError: division by zero"
    assert "People" in said


def test_looking_changes_nothing(connected, publication):
    with connection.execute_wrapper(only_reading):
        list(checks.run())


def only_reading(execute: Any, sql: str, *rest: Any) -> Any:
    assert sql.lstrip().upper().startswith(("SELECT", "PRAGMA", "SHOW")), sql
    return execute(sql, *rest)
