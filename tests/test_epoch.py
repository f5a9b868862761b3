"""The epoch: what a database and the files on its machines say of each other, and what a person's word does."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from publisher import clockwork, digests, epoch, members, notices, posting, witness
from publisher.lifecycle import NotAllowed, Refusal, history
from publisher.models import Digest, Epoch, Notice, Post
from tests.test_witness import full_disk

pytestmark = pytest.mark.django_db(transaction=True)

Machine = Callable[[str], Any]


@pytest.fixture
def on(settings: Any, tmp_path: Path) -> Machine:
    """on("a"): go on as the machine of this name, which has a data folder of its own."""

    def go(name: str) -> None:
        settings.DATA = tmp_path / name
        settings.DATA.mkdir(exist_ok=True)
        epoch.forget()

    go("a")
    return go


@pytest.fixture
def sent(on: Machine) -> Epoch:
    """Machine a has sent, and its clock runs."""
    epoch.begin()
    epoch.advance()
    epoch.beat()
    return Epoch.objects.get()


def doubt() -> str | None:
    epoch.forget()
    return epoch.doubt()


def tick() -> None:
    epoch.forget()
    clockwork.tick()


@contextmanager
def put_back() -> Iterator[None]:
    """A backup of the row is made, something happens, and the backup is restored."""
    kept = Epoch.objects.get()
    yield
    kept.save()


# ---- In order


def test_a_fresh_installation_makes_both_by_itself(on):
    assert (doubt(), epoch.file().exists()) == (None, False)
    tick()
    made = Epoch.objects.get()
    assert witness.read(epoch.file()) == witness.Witness(str(made.installation), 0)
    assert doubt() is None


def test_the_file_follows_what_was_committed_and_nothing_else(sent):
    def seen() -> int:
        return witness.read(epoch.file()).counter

    with transaction.atomic():
        epoch.advance()
        assert (doubt(), seen()) == (None, 1)
    assert seen() == 2
    with transaction.atomic():
        epoch.advance()
        transaction.set_rollback(True)
    assert (Epoch.objects.get().counter, seen(), doubt()) == (2, 2, None)


def test_starting_a_sending_and_a_post_are_counted_and_the_time_that_passes(on, sending, channels):
    begun = Epoch.objects.get().counter
    posting.publish(Post.objects.filter(state="approved").first())
    assert (begun, Epoch.objects.get().counter) == (1, 2)
    tick()
    assert Epoch.objects.get().counter == 2
    Epoch.objects.update(advanced_at=timezone.now() - timedelta(seconds=11))
    tick()
    assert Epoch.objects.get().counter == 3
    Digest.objects.update(state="sent")
    Epoch.objects.update(advanced_at=timezone.now() - timedelta(minutes=59))
    tick()
    assert Epoch.objects.get().counter == 3
    Epoch.objects.update(advanced_at=timezone.now() - timedelta(minutes=61))
    tick()
    assert Epoch.objects.get().counter == witness.read(epoch.file()).counter == 4


def test_looking_is_cheap(sent, django_assert_num_queries):
    epoch.forget()
    with django_assert_num_queries(1):
        for _ in range(100):
            assert epoch.doubt() is None


# ---- What raises a doubt


def test_a_database_that_was_put_back_is_noticed(sent):
    with put_back():
        epoch.advance()
    assert doubt() == epoch.RESTORED


def test_a_database_without_an_epoch_beside_a_file_that_saw_one_is_noticed(sent):
    Epoch.objects.all().delete()
    assert doubt() == epoch.EMPTIED


def test_a_copied_folder_is_noticed_and_the_first_goes_on(sent, on, tmp_path):
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    on("b")
    assert doubt() == epoch.COPIED
    on("a")
    assert doubt() is None


def test_the_folder_of_another_installation_is_noticed(sent):
    witness.write(epoch.file(), str(uuid4()), 1)
    assert doubt() == epoch.ANOTHER


def test_a_folder_that_has_lost_its_file_is_noticed(sent):
    epoch.file().unlink()
    assert doubt() == epoch.NEW_HERE


def test_a_damaged_file_is_noticed(sent, ben):
    epoch.file().write_text("{")
    assert doubt() == epoch.DAMAGED.format(file=epoch.file(), problem="it is damaged")
    epoch.confirm(by=ben, why="the disk was full; nothing was restored")
    assert doubt() is None


def test_what_one_machine_saw_holds_for_one_that_was_away(sent, on, settings):
    """The other has no file, or one that is older than the backup: by itself it would send."""
    settings.EPOCH = str(sent.installation)
    on("b")
    assert doubt() is None
    with put_back():
        on("a")
        epoch.advance()
    assert doubt() == epoch.RESTORED
    on("b")
    assert doubt() == epoch.RESTORED


def test_on_a_full_disk_nothing_is_sent_and_it_goes_on_by_itself(sent, ben):
    Epoch.objects.update(counter=2)
    said = epoch.UNWRITABLE.format(file=epoch.file(), problem="File too large")
    with full_disk():
        assert doubt() == said
        with pytest.raises(Refusal, match="cannot be written: File too large"):
            epoch.confirm(by=ben, why="compared")
    assert doubt() is None
    assert witness.read(epoch.file()).counter == 2


def test_where_the_file_cannot_be_made_nothing_begins(on, proof, ben):
    epoch.file().mkdir()
    digests.approve(proof, by=ben)
    Digest.objects.update(start_at=timezone.now())
    digests.start(proof.digest)
    assert Digest.objects.get().state == "approved"
    assert doubt() == epoch.DAMAGED.format(file=epoch.file(), problem="Is a directory")
    with pytest.raises(Refusal, match="cannot be written: Is a directory"):
        epoch.confirm(by=ben, why="compared")


# ---- What a doubt stops


def test_in_doubt_nothing_goes_out_and_nothing_is_lost(on, sending, ben, publication, connected, monkeypatch):
    members.join(publication, "rosa@members.example", how="subscribe page")
    handed: list[str] = []
    monkeypatch.setattr(clockwork, "hand_over", lambda task, *ids: handed.append(task.rpartition(".")[2]))
    epoch.file().unlink()
    tick()
    notices.send(Notice.objects.get())
    for post in Post.objects.all():
        posting.publish(post)
    assert handed == []
    assert (connected.json("/mail/log.json"), Notice.objects.get().state) == ([], "queued")
    assert {*Post.objects.values_list("state", flat=True)} == {"approved"}
    epoch.confirm(by=ben, why="the log of the mail server ends where ours does")
    tick()
    assert handed == ["notice"]
    notices.send(Notice.objects.get())
    assert len(connected.json("/mail/log.json")) == 1


def test_in_doubt_a_due_digest_does_not_begin(sent, proof, ben):
    digests.approve(proof, by=ben)
    Digest.objects.update(start_at=timezone.now())
    epoch.file().unlink()
    epoch.forget()
    digests.start(Digest.objects.get())
    assert Digest.objects.get().state == "approved"


# ---- A person's word


def test_confirming_gives_both_a_new_id_and_says_who_did_it(sent, ben):
    with put_back():
        epoch.advance()
    epoch.confirm(by=ben, why="compared with the log of the mail server")
    now = Epoch.objects.get()
    assert now.installation != sent.installation
    assert witness.read(epoch.file()) == witness.Witness(str(now.installation), 3)
    assert doubt() is None
    (event,) = history(now)
    assert (event.verb, event.by, event.why) == ("confirmed", ben, "compared with the log of the mail server")
    assert event.detail["doubt"] == epoch.RESTORED


def test_what_would_go_out_at_once_waits_for_a_word_of_its_own(on, sending, publication, make_item, anne, ben):
    """All of it stood so in the backup, and may have gone out since."""
    later = digests.compose(publication, by=anne, items=[make_item("A second one")])
    digests.approve(digests.proof(later, by=anne), by=ben)
    Digest.objects.filter(pk=later.pk).update(start_at=timezone.now())
    early = Post.objects.filter(digest=sending).first()
    Post.objects.filter(digest=later).update(due_at=timezone.now() + timedelta(days=1))
    epoch.file().unlink()
    epoch.confirm(by=ben, why="compared")
    sending.refresh_from_db()
    later.refresh_from_db()
    early.refresh_from_db()
    assert (sending.state, sending.attention) == ("paused", epoch.STOOD_SO)
    assert (later.state, later.start_at, later.attention) == ("approved", None, epoch.STOOD_SO)
    assert (early.state, early.outcome) == ("held", epoch.STOOD_DUE)
    assert {*Post.objects.filter(digest=later).values_list("state", flat=True)} == {"approved"}
    digests.resume(sending, by=ben)
    assert sending.state == "sending"


def test_only_who_may_approve_confirms_with_a_reason_and_only_a_doubt(sent, anne, ben):
    with pytest.raises(NotAllowed, match="nobody doubts"):
        epoch.confirm(by=ben, why="compared")
    epoch.file().unlink()
    with pytest.raises(NotAllowed, match="approvers"):
        epoch.confirm(by=anne, why="compared")
    with pytest.raises(Refusal, match="Say what you compared"):
        epoch.confirm(by=ben, why=" ")
    assert doubt() == epoch.NEW_HERE
    epoch.confirm(by=ben, why="compared")
    with pytest.raises(NotAllowed, match="nobody doubts"):
        epoch.confirm(by=ben, why="compared")
    assert Epoch.objects.get().former == [str(sent.installation)]


def test_a_confirmed_database_that_is_put_back_before_it_is_doubted_again(sent, ben):
    with put_back():
        epoch.file().unlink()
        epoch.confirm(by=ben, why="compared")
    assert doubt() == epoch.ANOTHER


# ---- Several machines on one database


def test_machines_that_were_there_before_anything_was_sent_need_no_word(on):
    epoch.begin()
    on("b")
    epoch.begin()
    epoch.advance()
    on("a")
    assert doubt() is None
    on("late")
    assert doubt() == epoch.NEW_HERE


def test_a_confirmation_on_one_machine_holds_for_those_that_stood_by_the_former_id(sent, on, ben, settings):
    settings.EPOCH = str(sent.installation)
    on("b")
    assert doubt() is None
    settings.EPOCH = ""
    on("a")
    with put_back():
        epoch.advance()
    assert doubt() == epoch.RESTORED
    epoch.confirm(by=ben, why="compared")
    on("b")
    assert doubt() is None
    on("a")
    assert doubt() is None


def test_a_further_machine_joins_by_its_environment_and_then_has_its_own_file(sent, on, settings, tmp_path):
    settings.EPOCH = str(sent.installation)
    on("b")
    assert doubt() is None
    shutil.copytree(tmp_path / "a", tmp_path / "c")
    on("c")
    assert doubt() is None
    settings.EPOCH = ""
    for machine in "abc":
        on(machine)
        assert doubt() is None


def test_the_environment_excuses_nothing_else(sent, on, settings):
    settings.EPOCH = str(uuid4())
    on("b")
    assert doubt() == epoch.NEW_HERE
    settings.EPOCH = str(sent.installation)
    witness.write(epoch.file(), str(uuid4()), 1)
    assert doubt() == epoch.ANOTHER
    on("a")
    with put_back():
        epoch.advance()
    assert doubt() == epoch.RESTORED


def test_a_backup_that_brings_its_environment_along_is_no_further_machine(sent, on, settings):
    """The clock stands still in it since the backup was made."""
    Epoch.objects.update(ticked_at=timezone.now() - timedelta(days=1))
    settings.EPOCH = str(sent.installation)
    on("b")
    tick()
    assert doubt() == epoch.NEW_HERE


# ---- A disk that was put back


def test_after_a_long_absence_what_was_under_way_asks(on, sending, ben, settings):
    tick()
    Epoch.objects.update(ticked_at=timezone.now() - timedelta(seconds=settings.LATE_AFTER + 60))
    assert doubt().startswith("The clock has been away since")
    tick()
    sending.refresh_from_db()
    assert sending.state == "paused"
    assert sending.attention.startswith("The service was away from")
    assert sending.attention.endswith("Go on?")
    assert doubt() is None
    digests.resume(sending, by=ben)
    tick()
    sending.refresh_from_db()
    assert sending.state == "sending"


def test_after_a_short_absence_it_goes_on(on, sending, settings):
    tick()
    Epoch.objects.update(ticked_at=timezone.now() - timedelta(seconds=settings.LATE_AFTER - 60))
    tick()
    sending.refresh_from_db()
    assert (sending.state, doubt()) == ("sending", None)


def test_a_database_holds_one_epoch(sent):
    with pytest.raises(IntegrityError), transaction.atomic():
        Epoch.objects.create(pk=2)
