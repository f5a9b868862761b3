"""Lists of a former system: whose columns are called otherwise, who left there, and what would become of each line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from publisher import exports, imports, members
from publisher.imports import columns
from publisher.lifecycle import Refusal
from publisher.models import Consent, Member, MemberTag, Notice, Subscription, Suppression
from tests.lists import bring_bytes, in_blocks


@pytest.fixture
def bring(publication: Any, anne: Any) -> Any:
    """bring("email…\\n…", leavers) → its last report, and the sentences of what was rejected."""

    def run(text: str, verb: Any = imports.import_csv, encoding: str = "utf-8", **given: Any) -> Any:
        rejected: list[Any] = []
        basis = {"basis": given.pop("basis", "consent")} if verb is imports.import_csv else {}
        *_, told = verb(
            in_blocks(text.encode(encoding)), publication, by=anne, how="import old.csv", reject=rejected.append,
            **basis, **given,
        )  # fmt: skip
        return told, [(one.line, one.why) for one in rejected]

    return run


def states() -> dict[str, str]:
    return dict(Subscription.objects.values_list("member__email", "state"))


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        ("Apellidos;Correo electrónico;Nombre;Idioma", "cp1252"),
        ("Nom,Adresse e-mail,Prénom,Langue", "utf-8-sig"),
        ("Nachname\tE-Mail-Adresse\tVorname\tSprache", "utf-16"),
        ("last_name,EMAIL,First Name,lang", "utf-8"),
    ],
)
def test_columns_are_known_in_any_order_and_in_the_languages_in_which_lists_come(bring, header, encoding):
    parted = ";" if ";" in header else "\t" if "\t" in header else ","
    bring(f"{header}\n" + parted.join(["Vega", "rosa@members.example", "José", "ES"]), encoding=encoding)
    found = Member.objects.get()
    assert (found.email, found.first_name, found.last_name, found.language) == (
        "rosa@members.example",
        "José",
        "Vega",
        "es",
    )


def test_a_column_is_what_somebody_says_it_is(bring):
    text = "Kontakt,Mail,Wer\nrosa@members.example,office@old.example,Rosa\n"
    bring(text, columns={"email": "Kontakt", "first_name": "Wer"})
    assert list(Member.objects.values_list("email", "first_name")) == [("rosa@members.example", "Rosa")]
    assert columns.found(["Mail", "E-Mail"]) == {"email": 0}


def test_who_left_says_the_list_becomes_no_member_and_is_taken_as_a_leaver_first(bring):
    text = "email,status\nrosa@members.example,unsubscribed\nluis@members.example,subscribed\n"
    told, _ = bring(text, imports.import_leavers)
    assert (told.taken, told.kept, states()) == (1, 1, {"rosa@members.example": "left"})
    told, _ = bring(text)
    assert (told.added, told.refused) == (1, 1)
    told, _ = bring("email\nrosa@members.example\n")
    assert (told.added, told.refused) == (0, 1)
    assert states() == {"rosa@members.example": "left", "luis@members.example": "active"}


def test_leavers_of_a_former_system_take_away_who_was_imported_and_nobody_who_confirmed_here(
    bring, publication, make_members, other_publication
):
    imported, confirmed, elsewhere = "i@members.example", "m0@members.example", "other0@members.example"
    bring(f"email\n{imported}\n")
    make_members(1)
    make_members(1, of=other_publication, prefix="other")
    here = Subscription.objects.get(member__email=confirmed)
    Consent.objects.create(subscription=here, how="subscribe page", confirmed_at=datetime.now(UTC))
    told, wrong = bring(f"email\n{imported}\n{confirmed}\n{elsewhere}\nnobody\n", imports.import_leavers)
    assert (told.taken, told.kept, told.rejected, len(wrong)) == (2, 1, 1, 1)
    here = Subscription.objects.filter(publication=publication)
    assert dict(here.values_list("member__email", "state")) == {
        imported: "left",
        confirmed: "active",
        elsewhere: "left",
    }
    assert Subscription.objects.get(publication=other_publication).state == "active"
    again, _ = bring(f"email\n{imported}\n", imports.import_leavers)
    assert (again.taken, again.known) == (0, 1)


def test_suppressions_of_a_former_system_hold_for_all_publications_and_keep_no_address(
    bring, make_members, other_publication
):
    make_members(1, of=other_publication, prefix="other")
    told, _ = bring(
        "Email,Status\nother0@members.example,bounced\nrosa@members.example,x\n", imports.import_suppressions
    )
    assert (told.taken, told.known, states()) == (2, 0, {"other0@members.example": "suppressed"})
    told, _ = bring("email\nrosa@members.example\nother0@members.example\nnew@members.example\n")
    assert (told.added, told.refused) == (1, 2)
    assert Suppression.objects.count() == 2
    assert list(Member.objects.order_by("pk").values_list("email", flat=True)) == [
        "other0@members.example",
        "new@members.example",
    ]
    assert not Notice.objects.exists()


def test_a_preview_says_of_each_line_what_would_become_of_it_and_stores_nothing(publication, make_members, anne):
    make_members(3)
    Subscription.objects.filter(member__email="m1@members.example").update(state="left")
    Subscription.objects.filter(member__email="m2@members.example").update(state="pending")
    members.suppress("gone@members.example", "complaint")
    before = Member.objects.count(), Consent.objects.count()
    lines = ["m0@members.example", "m1@members.example", "m2@members.example", "gone@members.example", "no address",
             "new@members.example", "NEW@members.example", "later@members.example"]  # fmt: skip
    text = "Correo;Nombre\n" + "".join(f"{line};José\n" for line in lines)
    seen = imports.preview(in_blocks(text.encode("cp1252")), publication, first=7)
    assert (seen.delimiter, seen.encoding, seen.columns) == (
        ";",
        "Windows-1252",
        {"email": "Correo", "first_name": "Nombre"},
    )
    assert [(line.line, line.becomes.split(":")[0]) for line in seen.lines] == [
        (2, "is a member already"),
        (3, "left"),
        (4, "has been asked to confirm"),
        (5, "must not be mailed"),
        (6, "rejected"),
        (7, "becomes a member"),
        (8, "stands in the list before"),
    ]
    assert (Member.objects.count(), Consent.objects.count()) == before


def test_a_dry_run_counts_as_the_import_then_does(publication, bring, make_members):
    make_members(2)
    members.suppress("m1@members.example", "complaint")
    text = "email,state\nm0@members.example,\nm1@members.example,\nnew@members.example,\nNew@members.example,\nx,\n"
    text += "old@members.example,left\n"
    reading = imports.opened(in_blocks(text.encode()), None)
    ((chunk, added, known, refused),) = imports.dry_run(reading, publication)
    assert Member.objects.count() == 2
    told, _ = bring(text)
    assert (
        (added, known, refused, len(chunk.broken))
        == (told.added, told.known, told.refused, told.rejected)
        == (1, 2, 2, 1)
    )


def test_the_day_of_a_consent_is_kept_and_the_soft_opt_in_is_not_for_who_was_there_before(bring):
    text = (
        "email,consent date\nold@members.example,2026-02-04\nnew@members.example,2026-02-05\nodd@members.example,soon\n"
        "first@members.example,0001-01-01T00:00:00+14:00\n"
    )
    told, wrong = bring(text, basis="soft_opt_in")
    assert (told.added, told.rejected) == (1, 3)
    assert [(line, why.split(":")[0][:60]) for line, why in wrong[:2]] == [
        (2, "The soft opt-in is for those who gave their address from 5 F"),
        (4, "“soon” is no day on which anybody has agreed"),
    ]
    found = Consent.objects.get()
    assert (found.at, found.basis) == (datetime(2026, 2, 5, tzinfo=UTC), "soft_opt_in")


def test_a_name_of_a_file_that_is_an_address_is_not_kept(publication, anne):
    *_, _told = imports.import_csv(
        in_blocks(b"email\nrosa@members.example\n"), publication, by=anne, basis="consent",
        how="import luis@members.example.csv", reject=pytest.fail,
    )  # fmt: skip
    assert Consent.objects.get().how == "import (address)"


def test_an_export_comes_back_as_it_was(publication, other_publication, anne, bring):
    text = "email,first_name,last_name,language,agreed_at,tags\n"
    text += 'rosa@members.example,=Rosa,"Vega\nOrtiz",es,2024-05-01T10:00:00+00:00,Lima; =Cusco\n'
    bring(text + "luis@members.example,,,,2023-01-01,\n")
    Subscription.objects.filter(member__email="luis@members.example").update(state="left")
    file = "".join(exports.as_csv(publication))
    assert all(not cell.startswith(("=", "+", "-", "@")) for line in file.splitlines() for cell in line.split(","))
    whole = list(exports.rows(publication))
    assert "".join(exports.as_json(publication)).count("rosa@members.example") == 1
    Member.objects.all().delete()
    publication_again = other_publication
    *_, left = imports.import_leavers(in_blocks(file.encode()), publication_again, by=anne, how="x", reject=pytest.fail)
    told = bring_bytes(publication_again, anne, file.encode())
    assert (left.taken, told.added, told.refused, told.rejected) == (1, 1, 1, 0)
    again = list(exports.rows(publication_again))
    same = ("email", "first_name", "last_name", "language", "state", "agreed_at", "tags", "basis")
    mine = next(row for row in whole if row["state"] == "active")
    assert {name: mine[name] for name in same} == {
        name: next(row for row in again if row["state"] == "active")[name] for name in same
    }
    assert sorted(row["state"] for row in again) == ["active", "left"]
    assert sorted(MemberTag.objects.values_list("name", flat=True)) == ["=Cusco", "Lima"]


def test_a_list_that_is_none_is_refused(publication):
    with pytest.raises(Refusal, match="one of them “email”"):
        imports.preview(in_blocks(b"name\nRosa\n"), publication)


def test_an_export_asks_the_database_no_more_often_for_many(publication, make_members, django_assert_num_queries):
    make_members(50)
    with django_assert_num_queries(3):
        assert sum(1 for _ in exports.rows(publication)) == 50
