from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from publisher.models import Consent, Member, Subscription, Suppression

CONSENT = ("--by", "anne", "--basis", "consent")
CHOICES = (
    "consent (they said yes, and you can show it), or soft_opt_in (a charity met them itself from 5 February 2026 on, "
    "and offered a way out)."
)
LIST = "email,first_name\nrosa@members.example,José\nnot an address,x\nm0@members.example,Known\n"


@pytest.fixture
def write(tmp_path: Path):
    def to_file(text: str, encoding: str = "utf-8") -> Path:
        file = tmp_path / "members.csv"
        file.write_bytes(text.encode(encoding))
        return file

    return to_file


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_a_list_is_taken_in_whatever_wrote_it(publisher, write, members, anne, encoding):
    answer = publisher("members", "import", write(LIST, encoding), *CONSENT)
    assert (answer.status, answer.out) == (0, "1 added, 1 known already, 0 left or suppressed and not added.\n")
    told, where = answer.err.splitlines()
    assert told.startswith("members.csv:3: “not an address” is not an e-mail address")
    assert where.startswith("1 line rejected: see ")
    assert Member.objects.get(email="rosa@members.example").first_name == "José"
    assert (Consent.objects.get().how, Consent.objects.get().by) == ("import members.csv", anne)


def test_an_import_speaks_json(publisher, write, publication, anne):
    file = write(LIST)
    told = publisher("members", "import", file, "--by", "anne", "--basis", "soft_opt_in", "--json").json()
    assert told == {"added": 2, "known": 0, "refused": 0, "rejected": 1, "report": f"{file}.rejected.csv"}


def test_all_rejected_lines_are_in_a_report_and_the_first_are_shown(publisher, write, publication, anne, tmp_path):
    lines = [f"=nobody{n},x" for n in range(50)]
    file, report = write("\n".join(["email,first_name", *lines])), tmp_path / "elsewhere.csv"
    answer = publisher("members", "import", file, *CONSENT, "--report", report)
    assert answer.err.count("is not an e-mail address") == 20
    assert answer.err.endswith(f"50 lines rejected: see {report}.\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere.csv", "members.csv"]
    (header, *rows) = csv.reader(io.StringIO(report.read_text(encoding="utf-8-sig")))
    assert (header, len(rows), rows[0][0], rows[0][2]) == (["line", "problem", "text"], 50, "2", "'=nobody0,x")
    assert oct(report.stat().st_mode & 0o777) == "0o600"


def test_a_report_is_there_only_as_long_as_something_was_rejected(publisher, write, publication, anne, tmp_path):
    file, report = write(LIST), tmp_path / "members.csv.rejected.csv"
    publisher("members", "import", file, *CONSENT)
    told = report.read_text()
    publisher("members", "import", file, "--by", "anne", "--basis", "hope")
    assert report.read_text() == told
    publisher("members", "import", write("email\nrosa@members.example\n"), *CONSENT)
    assert not report.exists()


def test_a_report_overwrites_no_list_and_must_have_a_place(publisher, write, publication, anne, tmp_path):
    file = write(LIST)
    for report, why in ((file, "would overwrite"), (tmp_path / "no" / "where.csv", "No such file or directory")):
        answer = publisher("members", "import", file, *CONSENT, "--report", report)
        assert (answer.status, why in answer.err, "with --report" in answer.err) == (1, True, True)
    assert file.read_text(encoding="utf-8") == LIST
    assert not Member.objects.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full: only Linux has a disk that is always full")
def test_where_the_report_finds_no_room_the_good_lines_are_in_and_it_is_said(publisher, write, publication, anne):
    lines = "".join(f"nobody{n}\n" for n in range(5000))
    answer = publisher(
        "members", "import", write(f"email\n{lines}rosa@members.example\n"), *CONSENT, "--report", "/dev/full"
    )
    assert "Not all of the 5,000 rejected lines could be written to /dev/full: No space left on device." in answer.err
    assert list(Member.objects.values_list("email", flat=True)) == ["rosa@members.example"]


def test_a_list_is_read_from_a_pipe(publisher, publication, anne, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    answer = publisher("members", "import", "-", *CONSENT, typed="email\nrosa@members.example\n")
    assert answer.out == "1 added, 0 known already, 0 left or suppressed and not added.\n"
    assert Consent.objects.get().how == "import standard-input"
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_basis_or_list_is_one_sentence(publisher, write, publication, anne):
    basis = publisher("members", "import", write(LIST), "--by", "anne", "--basis", "hope")
    assert (basis.status, basis.err) == (
        1,
        f"--basis: “hope” is no basis for mailing anybody: say {CHOICES}\n",
    )
    for more in ([], ["--dry-run"]):  # nobody claims a consent by not choosing
        nothing = publisher("members", "import", write(LIST), "--by", "anne", *more)
        assert (nothing.status, nothing.err) == (
            1,
            f"--basis: Nobody has said on what they may be mailed: say {CHOICES}\n",
        )
    assert publisher("members", "import", write(LIST), "--preview", "1").status == 0
    assert publisher("members", "import", write("name\nRosa\n"), *CONSENT).status == 1
    assert not Member.objects.exists()


def test_an_export_is_safe_in_a_spreadsheet_and_tells_of_this_publication_alone(
    publisher, members, make_members, other_publication
):
    make_members(1, of=other_publication, prefix="other")
    Member.objects.filter(pk=members[0].pk).update(first_name='=HYPERLINK("http://evil.example")', last_name="+1")
    Subscription.objects.filter(member=members[1]).update(state="left")
    out = publisher("members", "export", "--publication", "update").out
    header, *rows = csv.reader(io.StringIO(out.removeprefix("\ufeff")))
    assert header[:6] == ["email", "first_name", "last_name", "language", "state", "since"]
    assert [row[:5] for row in rows[:2]] == [
        ["m0@members.example", '\'=HYPERLINK("http://evil.example")', "'+1", "", "active"],
        ["m1@members.example", "Name1", "", "", "left"],
    ]
    assert (len(rows), "other" in out) == (5, False)


def test_one_member_is_shown_and_erased(publisher, write, publication, anne, make_members):
    make_members(1)
    publisher("members", "import", write(LIST), *CONSENT, "--wording", "Yes,  send me\nthe news.")
    told = publisher("members", "show", "Rosa@members.example", "--json").json()
    assert (told["email"], told["subscriptions"][0]["publication"]) == ("rosa@members.example", "update")
    (consent,) = told["subscriptions"][0]["consents"]
    assert (consent["basis"], consent["by"], consent["words"]) == ("consent", anne.name, "Yes, send me the news.")
    assert (consent["confirmed_at"], consent["imported_at"]) == (None, consent["at"])
    assert "send me the" in publisher("members", "show", "rosa@members.example").out
    assert publisher("members", "erase", "rosa@members.example", "--by", "anne").status == 0
    assert publisher("members", "show", "rosa@members.example").status == 1
    assert (Member.objects.get().email, Suppression.objects.count()) == ("m0@members.example", 1)
    again = publisher("members", "import", write(LIST), *CONSENT)
    assert again.out == "0 added, 1 known already, 1 left or suppressed and not added.\n"
