"""What staff and terminals see of what came back."""

from __future__ import annotations

import json
import mailbox

import pytest
from django.test import Client
from typer.testing import CliRunner

from publisher import bounces
from publisher.bounces.reading import read
from publisher.cli.bounces import app
from publisher.models import Digest
from tests.bounces.conftest import back, everything, suppressed, take
from tests.bounces.test_taking import BLOCKED, FULL, GONE, SPAM, many_come_back


@pytest.fixture
def as_anne(anne):
    client = Client()
    client.force_login(anne)
    return client


def page(client, digest):
    return " ".join(client.get(f"/staff/digests/{digest.pk}/sending/").content.decode().split())


def told(*words):
    return CliRunner().invoke(app, words, catch_exceptions=False)


def test_the_page_of_a_sending_counts_what_came_back_and_says_why(digest, as_anne):
    assert "What came back" not in page(as_anne, digest)
    rows = list(digest.deliveries.order_by("pk"))
    for raw, row in zip((GONE, BLOCKED, SPAM), rows, strict=False):
        take(raw, row)
    shown = page(as_anne, digest)
    assert shown.count("What came back") == 1
    assert '<th scope="row">no such address</th><td class="number">1</td>' in shown
    assert '<th scope="row">called spam</th><td class="number">1</td>' in shown
    assert "1 × refused because of us (550 5.7.1): smtp; 550 5.7.1 blocked by policy" in shown
    assert "@members.example" not in shown


def test_the_list_is_called_right_on_the_page(went_out, make_members, as_anne):
    digest = went_out(make_members(60))
    many_come_back(digest, 22)
    before = len(suppressed())
    assert "is this the right list?" in page(as_anne, digest)
    as_anne.post(f"/staff/digests/{digest.pk}/sending/believe/")
    bounces.settle()
    assert (before < 20, len(suppressed()), Digest.objects.get().failures_accepted) == (True, 22, True)
    assert "The list is right" not in page(as_anne, digest).partition('id="back"')[2].partition("History")[0]


def test_a_message_is_read_at_the_terminal_and_a_dry_run_changes_nothing(digest, row, tmp_path):
    file = tmp_path / "bounce.eml"
    file.write_bytes(back(GONE, row))
    before = everything()
    (dry,) = json.loads(told("read", "--file", str(file), "--dry-run", "--json").stdout)
    assert (dry["kind"], dry["delivery"], dry["new"], everything()) == ("hard", row.pk, False, before)
    (done,) = json.loads(told("read", "--file", str(file), "--json").stdout)
    assert (done["new"], done["understood"], suppressed()) == (True, True, ["m0"])
    assert "0 of 1 told something new" in told("read", "--file", str(file)).stdout


def test_an_mbox_is_read_and_what_came_back_is_listed(digest, tmp_path):
    rows = list(digest.deliveries.order_by("pk"))
    box = mailbox.mbox(tmp_path / "box")
    for raw, row in zip((GONE, FULL, SPAM), rows, strict=False):
        box.add(back(raw, row))
    box.add(GONE)
    box.close()
    assert (
        "4 read, 1 not understood. 3 of 4 told something new." in told("read", "--mbox", str(tmp_path / "box")).stdout
    )
    listed = json.loads(told("list", "--json").stdout)
    assert {(each["delivery"], each["kind"], each["waits"]) for each in listed} == {
        (rows[0].pk, "hard", ""),
        (rows[1].pk, "soft", ""),
        (rows[2].pk, "complaint", ""),
    }
    assert "@" not in str(listed)


def test_of_what_waits_the_reading_says_so(digest, row):
    digest.deliveries.filter(pk=row.pk).update(state="armed")
    bounces.note(row, read(GONE), "file")
    assert [each["waits"] for each in json.loads(told("list", "--json").stdout)] == ["waits"]


def test_a_members_page_says_what_came_back_and_what_followed(went_out, make_members, as_anne):
    people = make_members(2)
    for number, raw in ((119, FULL), (120, BLOCKED), (121, GONE)):
        take(raw, went_out(people, number).deliveries.get(member=people[0]))
    whole = " ".join(as_anne.get(f"/staff/members/{people[0].pk}/").content.decode().split())
    table = whole.partition('id="returned"')[2].partition("What to do")[0]
    said = [[td.partition(">")[2] for td in tr.split("</td>")[:-1]] for tr in table.split("<tr>")[2:]]
    assert [row[1:] for row in said] == [
        ["no such address", "smtp; 550 5.1.1 &lt;the address&gt;: user unknown", "not mailed any more"],
        ["refused because of us", "smtp; 550 5.7.1 blocked by policy, see https://lists.example",
         "nothing: it was about us"],
        ["not now", "smtp; 552 5.2.2 mailbox full",
         "a day that counts: with 4 in 30 days the address is not mailed any more"],
    ]  # fmt: skip
    other = as_anne.get(f"/staff/members/{people[1].pk}/").content.decode()
    assert "What came back" not in other
