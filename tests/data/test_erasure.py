"""After an erasure the address occurs nowhere: in no table, no file and no log, in no case and no encoding."""

from __future__ import annotations

import base64
import logging
import quopri
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.db.models import Count

from publisher import imports, joining, links, members, merging, notices, uploads
from publisher.delivery import ledger
from publisher.delivery import sending as sending_
from publisher.delivery.journal import Journal
from publisher.delivery.outcomes import refused
from publisher.delivery.reading import Reply
from publisher.delivery.replies import Phase
from publisher.lifecycle import note
from publisher.models import Bounce, Delivery, Digest, Event, Member, Notice, Subscription
from tests.lists import bring, in_blocks

ROSA = "Rosa.Vega+news@Members.Example"
STORED = ROSA.lower()
FORMER = "rosa.before@members.example"


def dump() -> str:
    """Every row of every table, bytes and all."""
    with connection.cursor() as cursor:
        said = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            said += [f"{table}: {[_read(cell) for cell in row]}" for row in cursor.fetchall()]
    return "\n".join(said)


def _read(cell: Any) -> Any:
    return bytes(cell).decode("latin-1") if isinstance(cell, bytes | memoryview) else cell


def files() -> str:
    found = [path for path in Path(django_settings.DATA).rglob("*") if path.is_file() and "sqlite3" not in path.name]
    return "\n".join(path.read_bytes().decode("latin-1") for path in found)


def forms(address: str) -> Iterator[str]:
    """As it is written in mails, addresses, headers and blobs."""
    yield address
    yield address.replace("+", " ")
    yield quote(address)
    yield quote(address, safe="")
    yield quopri.encodestring(address.encode(), quotetabs=True).decode()
    yield "".join(f"={ord(letter):02X}" for letter in address)
    yield address.encode().hex()
    yield address.encode("utf-16-le").decode("latin-1")
    for spelled in (address, address.lower(), address.encode("utf-16-le").decode("latin-1")):
        for offset in range(3):
            whole = base64.b64encode(b"x" * offset + spelled.encode("latin-1")).decode()
            yield whole[4 if offset else 0 : len(whole) // 4 * 4 - 4]


def where(address: str, said: str) -> list[str]:
    """The lines in which it stands, in whatever form."""
    sought = {form.casefold() for form in forms(address)}
    return [line[:200] for line in said.splitlines() if any(form in line.casefold() for form in sought)]


@pytest.fixture
def population(publication, other_publication, sending, anne, ben, caplog, settings) -> Any:
    """Rosa among others, known in every way in which anybody comes to be known."""
    caplog.set_level(logging.DEBUG)
    settings.BOUNCE_ADDRESS = "bounces@news.example.org"
    bring(publication, anne, "email,first_name,tags", f"{ROSA},Rosa,Lima", "luis@members.example,Luis,Lima")
    rosa = Member.objects.get(email=STORED)
    joining.ask(other_publication, ROSA, first_name="Rosa", language="es", how="page", worded=None, network="192.0.2.7")
    joining.answer()
    pending = Subscription.objects.get(member=rosa, publication=other_publication)
    for notice in Notice.objects.filter(member=rosa):
        notices.send(notice)
    members.confirm(links.confirm_token(pending))
    joining.ask(publication, ROSA, first_name="Rosa", language="", how="page", worded=None, network="192.0.2.8")
    Digest.objects.filter(pk=sending.pk).update(state="preparing", freeze_cursor=0)
    while ledger.freeze_chunk(Digest.objects.get(pk=sending.pk)):
        pass
    Digest.objects.filter(pk=sending.pk).update(state="sending")
    sending_.send_batch(Digest.objects.select_related("publication", "proof").get(pk=sending.pk))
    row = Delivery.objects.get(member=rosa)
    assert row.state == "sent"
    Bounce.objects.create(delivery=row, digest=sending, kind="soft", says=f"mailbox of {ROSA} is full", source="file")
    Delivery.objects.filter(pk=row.pk).update(reply=f"250 2.1.5 <{ROSA}> taken")
    note(sending, "settled", by=anne, why=f"{ROSA} telephoned: it arrived")
    twin = Member.objects.create(email=FORMER)
    Delivery.objects.create(digest=sending, member=twin, address=FORMER, state="sent")
    merging.merge(rosa, twin, by=anne)
    said = {"subject": "x", "html": "x", "text": ROSA, "sender_email": "a@b.example", "state": "sent"}
    Notice.objects.create(kind="preferences", address=STORED, **said)
    return rosa


def test_after_an_erasure_the_address_occurs_nowhere(population, publication, anne, caplog, tmp_path):
    waiting = uploads.put(
        publication, [f"email\n{ROSA}\n".encode("utf-16")], name=f"{ROSA}.csv", what="members", by=anne
    )
    other = uploads.put(publication, [b"email\nluis@members.example\n"], name="other.csv", what="members", by=anne)
    counts = dict(Delivery.objects.values_list("digest").annotate(n=Count("id")))
    assert where(STORED, dump())
    assert where(FORMER, dump())

    members.erase(population, by=anne)

    for address in (STORED, FORMER):
        assert where(address, dump()) == []
        assert where(address, files()) == []
        assert where(address, "\n".join(record.getMessage() for record in caplog.records)) == []
    assert dict(Delivery.objects.values_list("digest").annotate(n=Count("id"))) == counts
    assert (waiting.parts.exists(), other.parts.exists()) == (False, True)
    assert where("luis@members.example", dump())
    assert Event.objects.get(verb="settled").why == "(an address, erased) telephoned: it arrived"


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("élodie@members.example", "Élodie@Members.Example".encode("cp1252")),
        ("rosa@bücher.example", b"ROSA@xn--bcher-kva.example"),
        ("rosa@members.example", "ROSA@members.example".encode("utf-16-be")),
    ],
)
def test_a_list_that_waits_is_dropped_however_it_spells_the_person(publication, anne, address, written):
    filler = "x".encode("utf-16-be") * (uploads.PART // 2 - 5)  # so that the address stands on two parts
    made = uploads.put(publication, [b"email\n"], name="a.csv", what="members", by=anne)
    for position, part in enumerate((filler + written[:6], written[6:])):
        made.parts.create(position=position + 1, content=part)

    members.erase(Member.objects.create(email=address), by=anne)

    made.refresh_from_db()
    assert (made.state, made.parts.count()) == ("dropped", 0)


def test_sqlite_writes_over_what_it_deletes(db):
    """PostgreSQL tidies its own files."""
    asked = {"sqlite": "PRAGMA secure_delete", "postgresql": "SELECT 1"}
    with connection.cursor() as cursor:
        cursor.execute(asked[connection.vendor])
        assert cursor.fetchone() == (1,)


def test_what_is_erased_is_refused_wherever_it_comes_again(population, publication, anne, ben):
    members.erase(population, by=anne)
    told = bring(publication, anne, "email", ROSA, FORMER, "new@members.example")
    assert (told.added, told.refused) == (1, 2)
    *_, left = imports.import_leavers(
        in_blocks(f"email\n{ROSA}\n".encode()), publication, by=anne, how="x", reject=pytest.fail
    )
    assert (left.taken, left.known) == (0, 1)
    assert not Member.objects.filter(email__in=[STORED, FORMER]).exists()


def test_a_journal_that_is_left_behind_names_nobody(tmp_path):
    journal = Journal(tmp_path / "left.journal")
    journal.intend(1)
    said = Reply(550, (f"5.1.1 <{ROSA}>: unknown; passed on to other@members.example".encode(),))
    journal.answer(1, refused(said, Phase.RCPT))
    journal.close(keep=True)
    assert where(STORED, (tmp_path / "left.journal").read_text()) == []
    assert "(address)" in (tmp_path / "left.journal").read_text()


@pytest.mark.parametrize("form", list(forms(STORED)))
def test_an_address_is_seen_in_every_form(form):
    assert where(STORED, f"before{form}after") or where(STORED, f"xx{form}yy")
