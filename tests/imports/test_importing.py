"""Lists of members: what comes of each line, told by what is stored."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from publisher import imports, links, members
from publisher.delivery import ledger
from publisher.imports import pacing
from publisher.lifecycle import Refusal
from publisher.models import Consent, Event, Member, Notice, Publication, Subscription, Suppression
from tests.lists import bring, bring_bytes, in_blocks

ROSA = "rosa@members.example"


@pytest.fixture
def short_chunks(monkeypatch):
    """Chunks of at most ten rows, on any database."""
    manner = dataclasses.replace(pacing.MANNERS[connection.vendor], rows=40, held=0.0)
    monkeypatch.setattr(pacing, "FEWEST", 10)
    monkeypatch.setitem(pacing.MANNERS, connection.vendor, manner)


def a_list(count: int, name: str = "m") -> bytes:
    return "".join(["email\n", *(f"{name}{n}@members.example\n" for n in range(count))]).encode()


def people() -> Any:
    """All that must not change by what belongs to another."""
    return [list(model.objects.order_by("pk").values()) for model in (Member, Subscription, Consent, Suppression)]


def test_an_import_brings_active_members_and_how_they_agreed(publication, anne, other_publication):
    lines = ["E-mail,First name,last_name,Note", "Rosa@Members.example,Rosa,Vega,x", "luis@members.example,,", ""]
    report = bring(publication, anne, *lines, basis="soft_opt_in")
    assert (report.added, report.known, report.refused, report.rejected) == (2, 0, 0, 0)
    assert sorted(Member.objects.values_list("email", "first_name", "last_name")) == [
        ("luis@members.example", "", ""),
        (ROSA, "Rosa", "Vega"),
    ]
    consents = {(c.basis, c.how, c.by, c.confirmed_at, c.imported_at == c.at) for c in Consent.objects.all()}
    assert consents == {("soft_opt_in", "import members.csv", anne, None, True)}
    assert ledger.audience(publication).count() == 2
    assert not ledger.audience(other_publication).exists()
    assert not Notice.objects.exists()
    event = Event.objects.get(noun="publication")
    assert (event.verb, event.by, event.why) == ("imported members", anne, "import members.csv")
    assert event.detail == {"added": 2, "known": 0, "refused": 0, "rejected": 0}


def test_an_import_is_mailed_and_is_nobodys_own_yes(publication, anne):
    bring(publication, None, "email", ROSA)
    assert ledger.audience(publication).count() == 1
    assert not ledger.audience(publication, {"engaged_from": "2026-01-01"}).exists()
    list(imports.import_leavers([b"email\nrosa@members.example"], publication, by=anne, how="x", reject=pytest.fail))
    assert Subscription.objects.get().state == "left"
    members.join(publication, ROSA, how="subscribe page")
    members.confirm(links.confirm_token(Subscription.objects.get()))
    kept = [(c.how, bool(c.confirmed_at), bool(c.imported_at)) for c in Consent.objects.order_by("pk")]
    assert kept == [("import members.csv", False, True), ("subscribe page", True, False)]
    assert ledger.audience(publication, {"engaged_from": "2026-01-01"}).count() == 1


def test_importing_again_changes_nobody(publication, anne):
    bring(publication, anne, "email,first_name", f"{ROSA},Rosa")
    before = people()
    report = bring(publication, anne, "email,first_name", f"{ROSA},Somebody", f"{ROSA},Twice")
    assert (report.added, report.known, report.refused) == (0, 2, 0)
    assert people() == before


def test_an_import_makes_nobody_active_again(publication, other_publication, make_members, anne):
    """Pending, active, left, suppressed, erased, and somebody who left another publication."""
    pending, _active, left, suppressed, erased = make_members(5)
    (elsewhere,) = make_members(1, of=other_publication, prefix="elsewhere")
    here = Subscription.objects.filter(publication=publication)
    here.filter(member=pending).update(state="pending")
    here.filter(member=left).update(state="left")
    Subscription.objects.filter(member=elsewhere).update(state="left")
    members.suppress(suppressed.email, "complaint")
    members.erase(erased, by=anne)
    addresses = ["stranger@members.example", elsewhere.email, *(f"m{n}@members.example" for n in range(5))]
    report = bring(publication, anne, "email", *addresses)
    assert (report.added, report.known, report.refused) == (2, 2, 3)
    assert sorted(here.values_list("member__email", "state")) == [
        ("elsewhere0@members.example", "active"),
        ("m0@members.example", "pending"),
        ("m1@members.example", "active"),
        ("m2@members.example", "left"),
        ("m3@members.example", "suppressed"),
        ("stranger@members.example", "active"),
    ]
    assert Subscription.objects.get(member=elsewhere, publication=other_publication).state == "left"
    assert not Member.objects.filter(email=erased.email).exists()
    assert sorted(Consent.objects.values_list("subscription__member__email", flat=True)) == [
        "elsewhere0@members.example",
        "stranger@members.example",
    ]


def test_who_is_suppressed_under_an_older_key_is_not_brought_back(publication, anne, settings):
    members.suppress(ROSA, "complaint")
    settings.KEYS = {**settings.KEYS, "suppression": ["new", "newer", *settings.KEYS["suppression"]]}
    members.suppress("luis@members.example", "complaint")
    report = bring(publication, anne, "email", ROSA, "luis@members.example", "eva@members.example")
    assert (report.added, report.refused) == (1, 2)
    assert list(Member.objects.values_list("email", flat=True)) == ["eva@members.example"]


def test_a_member_of_one_publication_is_imported_into_another(publication, other_publication, make_members, anne):
    make_members(1, of=other_publication)
    assert bring(publication, anne, "email", "m0@members.example").added == 1
    assert Member.objects.count() == 1


def test_a_broken_line_is_reported_with_its_number_and_the_good_ones_are_kept(publication, anne):
    report = bring(
        publication,
        anne,
        "first_name,email",
        "Rosa,rosa@members.example",
        "Nobody,not an address",
        "",
        '"Open,luis@members.example',
        "Eva,eva@members.example",
        "Short",
        'Two,"two@members.example" x',
        '"Ana\nMaría",ana@members.example',
        "Last,last@members.example",
    )
    assert sorted(Member.objects.values_list("email", "first_name")) == [
        ("ana@members.example", "Ana María"),
        ("eva@members.example", "Eva"),
        ("last@members.example", "Last"),
        (ROSA, "Rosa"),
    ]
    assert [(line, why.split(":")[0]) for line, why in report.broken] == [
        (3, "“not an address” is not an e-mail address"),
        (5, "The quotation marks in this line do not match."),
        (7, "This line ends after 1 of 2 cells, and the address may be cut."),
        (8, "The quotation marks in this line do not match."),
    ]
    assert (report.added, report.rejected) == (4, 4)


def test_a_word_of_a_former_system_that_we_do_not_know_makes_nobody_a_member(publication, anne):
    """It may be another word for “left”."""
    states = ["Subscribed", "Cancelled", "", "Désabonné", "gone fishing", "opted-out", "yes", "archived"]
    lines = [f"m{n}@members.example,{state}" for n, state in enumerate(states)]
    report = bring(publication, anne, "email,status", *lines)
    assert sorted(ledger.audience(publication).values_list("member__email", flat=True)) == [
        "m0@members.example", "m2@members.example", "m6@members.example"
    ]  # fmt: skip
    assert (report.added, report.rejected) == (3, 1)
    assert [(line, why.split(",")[0]) for line, why in report.broken] == [(6, "The list says “gone fishing” of it")]


@pytest.mark.parametrize("header", ["email;first_name", "\ufeffE-Mail Address\tfirst_name", '"EMAIL","First Name"'])
def test_lists_are_read_as_spreadsheets_write_them(publication, anne, header):
    parted = ";" if ";" in header else "\t" if "\t" in header else ","
    bring(publication, anne, header, f"{ROSA}{parted}Rosa")
    assert list(Member.objects.values_list("email", "first_name")) == [(ROSA, "Rosa")]


@pytest.mark.parametrize("lines", [[], ["first_name,last_name", "Rosa,Vega"]])
def test_a_list_without_a_column_of_addresses_is_refused(publication, anne, lines):
    with pytest.raises(Refusal, match="one of them “email”"):
        bring(publication, anne, *lines)


def test_a_list_without_names_of_columns_loses_nobody_and_names_nobody(publication, anne):
    with pytest.raises(Refusal, match="names no columns: put a line above it") as refused:
        bring(publication, anne, f"{ROSA},Rosa", "luis@members.example,Luis")
    assert ROSA not in str(refused.value)


def test_a_basis_that_the_law_does_not_know_is_refused(publication, anne):
    with pytest.raises(Refusal, match="“they are nice” is no basis"):
        bring(publication, anne, "email", ROSA, basis="they are nice")
    assert not Member.objects.exists()


def test_a_long_list_is_taken_in_chunks_and_told_of_while_it_is(publication, anne, short_chunks):
    lines = "".join(["email\n", *(f"m{n % 20}@members.example\n" for n in range(25))])
    told = [
        (report.added, report.known)
        for report in imports.import_csv(
            in_blocks(lines.encode()), publication, by=anne, basis="consent", how="import", reject=pytest.fail
        )
    ]
    assert told == [(10, 0), (20, 0), (20, 5)]
    assert Event.objects.get(noun="publication").detail == {"added": 20, "known": 5, "refused": 0, "rejected": 0}


@pytest.mark.django_db(transaction=True)
def test_an_import_that_broke_off_is_run_again_and_nothing_is_lost_or_there_twice(publication, anne, short_chunks):
    def breaks_off() -> Any:
        yield from list(in_blocks(a_list(100), 512))[:3]
        raise OSError("the stick was pulled out")

    with pytest.raises(OSError, match="pulled out"):
        list(imports.import_csv(breaks_off(), publication, by=anne, basis="consent", how="x", reject=pytest.fail))
    before = Member.objects.count()
    assert 0 < before < 100
    assert Consent.objects.count() == Subscription.objects.count() == before
    event = Event.objects.get(verb="imported members")
    assert (event.detail["broke_off"], event.detail["added"]) == (True, before)
    report = bring_bytes(publication, anne, a_list(100))
    assert (report.added, report.known) == (100 - before, before)
    assert Consent.objects.values("subscription__member").distinct().count() == Consent.objects.count() == 100


def test_a_long_list_brings_everybody_once_over_all_its_chunks_and_connections(publication, anne, short_chunks):
    members.suppress("m7@members.example", "complaint")
    list_twice = a_list(333) + a_list(333, name="M").removeprefix(b"email\n") + b"no address\n"
    report = bring_bytes(publication, anne, list_twice)
    assert (report.added, report.known, report.refused, report.rejected) == (332, 332, 2, 1)
    assert Subscription.objects.filter(publication=publication, state="active").count() == Member.objects.count() == 332
    assert Consent.objects.values("subscription").distinct().count() == Consent.objects.count() == 332


@pytest.mark.parametrize("cell", ["=1+1", "+44 20", "-x", "@SUM(A1)", "\tx", "\rx", "\nx"])
def test_a_cell_is_no_formula_and_comes_back_as_it_was(cell):
    assert imports.spreadsheet_safe(cell) == f"'{cell}"
    assert imports.spreadsheet_safe("Rosa") == "Rosa"


def test_what_was_exported_is_imported_as_it_was(publication, anne):
    bring(publication, anne, "email,first_name", "'+rosa@members.example,'=Rosa", "'o@members.example,'O")
    assert sorted(Member.objects.values_list("email", "first_name")) == [
        ("'o@members.example", "'O"),
        ("+rosa@members.example", "=Rosa"),
    ]


def test_names_are_one_line_in_the_length_of_their_column_and_what_they_are(publication, anne):
    bring(publication, anne, "email,first_name,last_name", f'{ROSA},"Rosa\u2028  \\N  María",{"V" * 200}')
    assert list(Member.objects.values_list("first_name", "last_name")) == [("Rosa \\N María", "V" * 120)]


@pytest.mark.parametrize("superuser", [True, False])
def test_an_import_refers_to_what_is_there_whoever_owns_the_database(publication, anne, superuser):
    """PostgreSQL lets a superuser do without its own look at each reference; others must get through with it."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite knows no superuser")
    with connection.cursor() as cursor:
        if not superuser:
            cursor.execute("CREATE ROLE plain")
            cursor.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO plain")
            cursor.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO plain")
            cursor.execute("SET LOCAL ROLE plain")
        assert bring(publication, anne, "email", ROSA).added == 1
        assert bring(publication, None, "email", "luis@members.example").added == 1
        cursor.execute("SELECT current_setting('session_replication_role'), current_setting('is_superuser')")
        assert cursor.fetchone() == ("origin", "on" if superuser else "off")
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert sorted(Consent.objects.values_list("subscription__member__email", "by__username")) == [
        ("luis@members.example", None),
        (ROSA, "anne"),
    ]


def test_an_import_into_a_publication_that_is_no_more_brings_nobody(publication, anne):
    @transaction.atomic
    def bring_there() -> None:
        bring(Publication(pk=publication.pk + 1000), anne, "email", ROSA)
        connection.check_constraints()

    with pytest.raises(IntegrityError):
        bring_there()
    assert not Member.objects.exists()
