"""A counted link names its digest and its entry, and nobody. Where it leads was approved, and machines count apart."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.utils import timezone

from publisher import clicks, digests, links, proofs
from publisher.delivery.frame import Frame
from publisher.delivery.statements import Due
from publisher.models import Click, Digest, MeasuringConsent, Reading, Subscription

pytestmark = pytest.mark.django_db
SCANNER = "Mozilla/5.0 (compatible; Barracuda Sentinel (EE))"


@pytest.fixture
def started(counted: Any, digest: Any, anne: Any, ben: Any) -> Digest:
    """Update 120, approved with counted links, its sending begun."""
    digests.approve(digests.proof(digest, by=anne), by=ben)
    return begun(digest)


def begun(digest: Digest) -> Digest:
    Digest.objects.filter(pk=digest.pk).update(started_at=timezone.now())
    return Digest.objects.select_related("proof", "publication").get(pk=digest.pk)


def paths(digest: Digest) -> list[str]:
    """The counted links of a letter, in the order of its entries."""
    assert digest.proof
    found = re.findall(re.escape(links.absolute("/l/")) + r"[A-Za-z0-9_-]+/", digest.proof.text)
    return [url.removeprefix(links.absolute("")) for url in found]


def counts(digest: Digest) -> dict[tuple[str, str], int]:
    return {(c.entry.title, c.by): c.count for c in Click.objects.filter(digest=digest, count__gt=0).order_by("entry")}


def test_turned_off_no_byte_of_a_letter_differs(digest: Any, anne: Any) -> None:
    proof = digests.proof(digest, by=anne)

    assert "/l/" not in proof.html + proof.text
    assert "{reader}" not in proof.html + proof.text
    assert proof.links == {}
    assert proof.sha256 == proofs.sha256({name: getattr(proof, name) for name in proofs.CONTENT})


def test_a_counted_link_leads_where_its_entry_does(started: Digest, follow: Any) -> None:
    answers = [follow(path) for path in paths(started)]

    assert [answer["Location"] for answer in answers] == [entry.link for entry in started.entries.all()]
    assert {answer.status_code for answer in answers} == {302}
    assert not any(answer.cookies for answer in answers)


def test_a_letter_names_the_same_links_to_everybody(started: Digest) -> None:
    frame = Frame(started, started.proof)  # type: ignore[arg-type]  # it was approved
    letters = [
        frame.message(Due(n, f"m{n}@members.example", 0, None, None, n, "Rosa", "", True)).decode().replace("=\r\n", "")
        for n in (1, 2)
    ]

    found = [re.findall(r"/l/[^\"\s]+", letter) for letter in letters]

    assert found[0] == found[1] != []


def test_where_links_lead_is_approved_with_the_letter(started: Digest, follow: Any) -> None:
    entry = started.entries.first()
    path = paths(started)[0]
    type(entry).objects.filter(pk=entry.pk).update(link="https://elsewhere.example/")  # past every verb

    assert follow(path)["Location"] == started.proof.links[str(entry.pk)]  # type: ignore[union-attr]
    assert not proofs.still_true(started.proof)  # type: ignore[arg-type]


def test_a_changed_target_is_another_proof(started: Digest) -> None:
    proof = started.proof
    assert proof
    assert proofs.intact(proof)

    proof.links = {**proof.links, next(iter(proof.links)): "https://elsewhere.example/"}

    assert not proofs.intact(proof)


@pytest.mark.parametrize("wrong", ["https://evil.example/", "MTcuMQ", "x", "%2F%2Fevil.example"])
def test_an_address_of_somebody_elses_making_leads_nowhere(started: Digest, follow: Any, wrong: str) -> None:
    assert follow(f"/l/{wrong}/").status_code == 404
    assert follow(f"/l/{links.sign('leave', started.pk, 1)}/").status_code == 404
    assert counts(started) == {}


def test_people_are_counted_by_link_and_day(started: Digest, follow: Any) -> None:
    first, second, _ = paths(started)
    for path, address in ((first, "203.0.113.7"), (first, "198.51.100.9"), (second, "192.0.2.1")):
        follow(path, address=address)

    assert list(counts(started).values()) == [2, 1]
    assert {by for _, by in counts(started)} == {"person"}


@pytest.mark.parametrize(
    "asked",
    [
        {"agent": SCANNER},
        {"agent": ""},
        {"method": "head"},
        {"agent": "curl/8.1"},
        {"address": "40.93.1.2"},
        {"address": "2a01:111:f400::7"},
    ],
)
def test_machines_are_counted_apart(started: Digest, follow: Any, asked: dict[str, str]) -> None:
    assert follow(paths(started)[0], **asked).status_code == 302

    assert [by for _, by in counts(started)] == ["machine"]


def test_who_follows_all_links_at_once_was_never_a_person(started: Digest, follow: Any) -> None:
    everything = paths(started)
    assert len(everything) == 3
    follow(everything[0], address="198.51.100.9")  # somebody who reads

    for path in [*everything, everything[0]]:
        follow(path)

    titles = [entry.title for entry in started.entries.all()]
    assert counts(started) == {
        (titles[0], "machine"): 2,
        (titles[0], "person"): 1,
        (titles[1], "machine"): 1,
        (titles[2], "machine"): 1,
    }


def test_a_link_that_was_not_sent_yet_is_not_counted(counted: Any, digest: Any, anne: Any, follow: Any) -> None:
    proof = digests.proof(digest, by=anne)
    digest.refresh_from_db()
    (token, *_) = re.findall(r"/l/([A-Za-z0-9_-]+)/", proof.text)

    assert follow(f"/l/{token}/")["Location"] == digest.entries.first().link
    assert counts(digest) == {}


# ---- With persons, of those who agreed


@pytest.fixture
def with_persons(counted: Any, digest: Any, members: Any, anne: Any, ben: Any) -> Digest:
    counted.measure = "persons"
    counted.save()
    digests.approve(digests.proof(digest, by=anne), by=ben)
    return begun(digest)


def agreed(member: Any) -> Subscription:
    subscription = Subscription.objects.get(member=member)
    clicks.agree(subscription, how="a form", wording="You may see which links I follow.")
    return subscription


def letter_of(digest: Digest, member: Any) -> str:
    assert digest.proof
    due = Due(1, member.email, 0, None, None, member.pk, member.first_name, "", True)
    return Frame(digest, digest.proof).message(due).decode().replace("=\r\n", "")


def test_only_who_agreed_has_links_of_their_own(with_persons: Digest, members: Any) -> None:
    agreed(members[0])

    mine, others = ([*re.findall(r"/l/[^\"\s]+", letter_of(with_persons, m))] for m in members[:2])

    assert [link.count("/") for link in others] == [3] * len(others)
    assert [link.count("/") for link in mine] == [4] * len(mine)
    assert [link.rsplit("/", 2)[0] + "/" for link in mine] == others


def test_what_who_agreed_follows_is_kept_until_they_withdraw(with_persons: Digest, members: Any, follow: Any) -> None:
    subscription = agreed(members[0])
    (path, *_) = re.findall(r"/l/[^\"\s]+", letter_of(with_persons, members[0]))

    assert follow(path)["Location"] == with_persons.entries.first().link  # type: ignore[union-attr]
    assert [r.entry for r in Reading.objects.all()] == [with_persons.entries.first()]
    clicks.withdraw(subscription, how="a form")
    follow(path)

    assert (Reading.objects.count(), MeasuringConsent.objects.count()) == (0, 0)
    assert sum(counts(with_persons).values()) == 2


def test_a_scanner_in_the_mailbox_of_who_agreed_is_not_taken_for_them(
    with_persons: Digest, members: Any, follow: Any
) -> None:
    agreed(members[0])
    everything = list(dict.fromkeys(re.findall(r"/l/[^\"\s]+", letter_of(with_persons, members[0]))))
    for path in everything:
        follow(path)

    assert (len(everything), Reading.objects.count()) == (3, 0)
    assert {by for _, by in counts(with_persons)} == {"machine"}


def test_a_reader_of_another_letter_or_nobody_is_not_kept(with_persons: Digest, members: Any, follow: Any) -> None:
    agreed(members[0])
    path = paths(with_persons)[0]

    for reader in (
        links.reader(members[0].pk, with_persons.pk + 1),
        links.reader(members[1].pk, with_persons.pk),
        "x/",
    ):
        assert follow(path + reader).status_code == 302

    assert Reading.objects.count() == 0


def test_forgetting_a_person_forgets_what_they_followed(with_persons: Digest, members: Any, follow: Any) -> None:
    from publisher import members as verbs

    agreed(members[0])
    follow(paths(with_persons)[0] + links.reader(members[0].pk, with_persons.pk))
    assert Reading.objects.count() == 1

    verbs.erase(members[0], by=None)

    assert (Reading.objects.count(), MeasuringConsent.objects.count()) == (0, 0)
    assert sum(counts(with_persons).values()) == 1
