"""The mailbox that letters come back to, read in a real IMAP conversation."""

from __future__ import annotations

import socket
import threading
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from benchmarks import bounces_frames as frames
from publisher import bounces, checks, clockwork, epoch
from publisher.bounces import mailbox
from publisher.lifecycle import Refusal
from publisher.models import Bounce, Mailbox
from tests.bounces.conftest import back, everything, suppressed
from tests.bounces.postbox import PASSWORD, Postbox
from tests.bounces.test_taking import FULL, GONE, SPAM
from tests.delivery.certificates import Authority
from workers import intake


@pytest.fixture(scope="module")
def server():
    made = Postbox()
    yield made
    made.stop()


@pytest.fixture
def postbox(server, settings):
    client = server.client()
    for folder in ("INBOX", "INBOX/Read", "INBOX/Not understood"):
        if client.select(f'"{folder}"')[0] == "OK":
            client.store("1:*", "+FLAGS", r"(\Deleted)")
            client.expunge()
    client.logout()
    settings.BOUNCE_IMAP_URL = server.url()
    return server


def read():
    """As the clock asks a worker to; → how many mails it took"""
    Mailbox.objects.update(next_read_at=timezone.now())
    return sum(mailbox.read_due(each.pk) for each in mailbox.due())


def check():
    (found,) = [each for each in checks.run() if each.name == "Bounce mailbox"]
    return found.ok, found.says


def test_what_came_back_is_noted_and_put_where_it_belongs(postbox, digest, row):
    other = digest.deliveries.get(address="m1@members.example")
    postbox.put(back(GONE, row), back(FULL, other), frames.letter("Re: Update 120", "Dear editor …"), GONE)
    assert read() == 4
    assert set(Bounce.objects.values_list("delivery", "kind", "source")) == {
        (row.pk, "hard", "mailbox"),
        (other.pk, "soft", "mailbox"),
    }
    assert suppressed() == ["m0"]
    assert postbox.holds() == {"INBOX/Read": 2, "INBOX/Not understood": 2}
    box = Mailbox.objects.get()
    assert (box.not_understood, box.problem, box.emptied_at is not None) == (2, "", True)
    assert check()[0] is False
    assert check()[1].endswith("2 not understood")


def test_the_clock_asks_a_worker_once_a_minute(postbox, digest, row):
    postbox.put(back(GONE, row))
    (due,) = mailbox.due()
    intake.bounces(due.pk)
    assert (Bounce.objects.count(), list(mailbox.due())) == (1, [])
    intake.bounces(due.pk)  # a message that comes twice
    with time_machine.travel(timezone.now() + timedelta(seconds=61), tick=False):
        assert [each.pk for each in mailbox.due()] == [due.pk]


def test_a_copy_that_nobody_confirmed_moves_no_mail(postbox, digest, row, ben, settings, tmp_path, monkeypatch):
    handed: list[str] = []
    monkeypatch.setattr(clockwork, "hand_over", lambda task, *ids: handed.append(task))
    settings.DATA = tmp_path
    postbox.put(back(GONE, row))
    (due,) = mailbox.due()
    epoch.begin()
    epoch.advance()
    epoch.file().unlink()
    epoch.forget()
    clockwork.tick()
    intake.bounces(due.pk)  # a message that was copied along
    assert (handed, Bounce.objects.count(), postbox.holds()) == ([], 0, {"INBOX": 1})
    epoch.confirm(by=ben, why="the first one was switched off")
    clockwork.tick()
    intake.bounces(due.pk)
    assert handed == ["workers.intake.bounces"]
    assert (Bounce.objects.count(), postbox.holds()) == (1, {"INBOX/Read": 1})


def test_what_was_noted_and_not_moved_is_read_again_without_effect(postbox, digest, row):
    mail = back(GONE, row)
    bounces.take(mail, "mailbox")
    Mailbox.objects.create(place=str(mailbox.chosen()), emptied_at=timezone.now())
    bounces.settle()
    before = everything()
    postbox.put(mail, mail)
    assert read() == 2
    assert (everything(), postbox.holds()) == (before, {"INBOX/Read": 2})


def test_a_dry_run_moves_and_changes_nothing(postbox, digest, row):
    postbox.put(back(GONE, row))
    before = everything()
    turn = mailbox.read(mailbox.chosen(), bounces.look, move=False)
    assert [(each.delivery, str(each.report.kind)) for each in turn.taken] == [(row, "hard")]
    assert (everything(), postbox.holds()) == (before, {"INBOX": 1})


def test_more_than_a_batch_is_read_in_several_and_nobody_is_suppressed_before_the_end(
    postbox, digest, monkeypatch, settings
):
    monkeypatch.setattr(mailbox, "BATCH", 2)
    monkeypatch.setattr(mailbox, "TURN", 4)
    rows = list(digest.deliveries.order_by("pk"))
    postbox.put(*(back(GONE, row) for row in rows))
    assert (read(), suppressed()) == (4, [])
    assert bounces.settle() == 0
    assert (read(), suppressed()) == (1, ["m0", "m1", "m2", "m3", "m4"])
    assert postbox.holds() == {"INBOX/Read": 5}


def test_a_mail_that_we_stumble_over_waits_for_a_person_and_the_others_are_read(postbox, digest, row, monkeypatch):
    def stumble(raw, source):
        if b"stumble" in raw:
            raise RecursionError("in a library")
        return bounces.take(raw, source)

    monkeypatch.setattr(mailbox, "take", stumble)
    postbox.put(frames.letter("stumble", "x"), back(SPAM, row))
    read()
    assert (postbox.holds(), suppressed()) == ({"INBOX/Read": 1, "INBOX/Not understood": 1}, ["m0"])


def test_a_wrong_password_is_said_and_never_shown(postbox, digest, settings, caplog):
    settings.BOUNCE_IMAP_URL = postbox.url(password=f"{PASSWORD}-wrong")
    assert read() == 0
    box = Mailbox.objects.get()
    assert box.problem == "The mailbox refuses our login: look at the user and the password."
    assert check() == (False, box.problem)
    assert box.next_read_at > timezone.now() + timedelta(minutes=4)
    assert PASSWORD not in f"{caplog.text} {mailbox.chosen()!r} {Mailbox.objects.values()}"


def test_a_mailbox_that_is_not_read_any_more_is_said(postbox, digest):
    read()
    Mailbox.objects.update(read_at=timezone.now() - timedelta(minutes=61))
    assert (check()[0], check()[1].startswith("not read since ")) == (False, True)


def test_a_server_that_answers_what_is_no_imap_is_said(db, settings):
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings.BOUNCE_IMAP_URL = f"imap://u:p@127.0.0.1:{other.getsockname()[1]}/"
        talking = threading.Thread(target=lambda: _greet(other), daemon=True)
        talking.start()
        assert read() == 0
        talking.join(5)
    assert Mailbox.objects.get().problem.startswith("The mailbox answers with ")


def _greet(listener):
    connection, _ = listener.accept()
    with connection:
        connection.sendall(b"* OK [CAPABILITY IMAP4rev1] hello\r\n")
        while line := connection.recv(4096):
            tag, _, asked = line.partition(b" ")
            found = b"* SEARCH one two\r\n" if b"SEARCH" in asked else b'* LIST () "/" INBOX/Read\r\n'
            connection.sendall(found + tag + b" OK\r\n" if b"FETCH" not in asked else b"* 1 FETCH (UID one {3}\r\n")


def test_a_server_that_is_away_or_silent_is_said(db, settings, monkeypatch):
    monkeypatch.setattr(mailbox, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.BOUNCE_IMAP_URL = f"imap://u:p@127.0.0.1:{silent.getsockname()[1]}/"
        assert read() == 0
        assert Mailbox.objects.get().problem.startswith("The mailbox does not answer: ")
    Mailbox.objects.all().delete()
    assert read() == 0
    assert Mailbox.objects.get().problem.startswith("The mailbox does not answer: ")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize(
    ("kind", "problem"), [("good", ""), ("wrong name", "is not trusted"), ("self-signed", "is not trusted")]
)
def test_the_servers_certificate_is_checked(db, settings, monkeypatch, authority, kind, problem):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.folder / "authority.pem"))
    server = Postbox(authority.server(kind))
    try:
        settings.BOUNCE_IMAP_URL = server.url("imaps")
        read()
    finally:
        server.stop()
    said = Mailbox.objects.get().problem
    assert (problem in said, bool(said)) == (True, bool(problem))


@pytest.mark.parametrize(
    ("address", "because"),
    [
        ("imap://u:s3cret@mail.example.org/", "must begin with imaps://"),
        ("imaps://mail.example.org/", "a user and a password belong into it"),
        ("https://u:s3cret@mail.example.org/", "it must be as imaps://"),
        ("imaps://u:s3cret@mail.example.org:port/", "it cannot be read"),
        ("imaps://u:s3cret%0A@mail.example.org/", "a user and a password"),
    ],
)
def test_a_setting_that_cannot_be_used_is_said_without_the_password(db, settings, address, because):
    settings.BOUNCE_IMAP_URL = address
    with pytest.raises(Refusal, match=because) as refusal:
        mailbox.chosen()
    assert "s3cret" not in str(refusal.value)
    assert (list(mailbox.due()), check()) == ([], (False, str(refusal.value)))


def test_the_demo_reads_no_mailbox_elsewhere(db, settings):
    settings.LOOPBACK_ONLY = True
    settings.BOUNCE_IMAP_URL = "imaps://u:p@mail.example.org/"
    with pytest.raises(Refusal, match="talks to this machine only"):
        mailbox.read(mailbox.chosen(), bounces.look)


def test_without_a_mailbox_the_clock_asks_nobody(db):
    clockwork.tick()
    assert not Mailbox.objects.exists()
