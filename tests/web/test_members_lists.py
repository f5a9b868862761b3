"""Lists of members on the staff's pages: uploaded, looked at, started; segments; what is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from publisher import digests, retention, segments, uploads
from publisher.models import Consent, Digest, Event, Member, MemberTag, Segment, Subscription, Upload, UploadPart
from workers import intake

ODD = "Wer;Kontakt\nRosa;rosa@members.example\nLuis;luis@members.example\nx;no address\n"


@pytest.fixture
def put(as_anne: Any, publication: Any) -> Any:
    """put("email…", what="leavers") → the page of the upload."""

    def upload(text: str, what: str = "members", name: str = "old.csv") -> Any:
        file = SimpleUploadedFile(name, text.encode())
        return as_anne.post(reverse("member-list-put", args=["update"]), {"file": file, "what": what}, follow=True)

    return upload


def test_a_list_is_looked_at_mapped_started_and_followed(put: Any, read: Any, as_anne: Any, anne: Any) -> None:
    page = read(put(ODD))
    upload = Upload.objects.get()
    why = "is not an e-mail address: An email address must have an @-sign."
    assert page("tbody td:nth-child(4)") == [f"rejected: “{name}” {why}" for name in ("Rosa", "Luis", "x")]
    chosen = {"email": "Kontakt", "first_name": "Wer", "basis": "soft_opt_in", "wording": "News, please"}
    page = read(as_anne.post(reverse("member-list-start", args=[upload.pk]), {**chosen, "look": "1"}, follow=True))
    assert [line.split(":")[0] for line in page("tbody td:nth-child(4)")] == ["becomes a member"] * 2 + ["rejected"]
    assert (Member.objects.count(), Upload.objects.get().state) == (0, "waiting")
    as_anne.post(reverse("member-list-start", args=[upload.pk]), chosen)
    assert Upload.objects.get().state == "queued"
    intake.upload(upload.pk)
    page = read(as_anne.get(reverse("member-list", args=[upload.pk])))
    assert page("ul.lines li") == [
        "2 became members",
        "0 were known already",
        "0 left or are suppressed, and were not added",
        "1 lines could not be read",
    ]
    assert page("tbody td")[0] == "4"
    consent = Consent.objects.first()
    assert consent is not None
    assert (consent.basis, consent.how, consent.by) == ("soft_opt_in", "import old.csv", anne)
    page = read(as_anne.get(reverse("member", args=[consent.subscription.member_id])))
    assert page("td q") == ["News, please"]
    assert page("td .quiet")[0].startswith("by the list, not by themselves: imported ")
    assert not UploadPart.objects.exists()


def test_nobody_claims_a_consent_by_not_choosing_and_what_was_chosen_is_kept(put: Any, read: Any, as_anne: Any) -> None:
    page = read(put(ODD))
    assert (page.tree.cssselect("input[name=basis][checked]"), len(page("label input[name=basis]"))) == ([], 2)
    start = reverse("member-list-start", args=[Upload.objects.get().pk])
    chosen = {"email": "Kontakt", "first_name": "Wer", "wording": "News, please"}
    for more in ({}, {"basis": "hope"}, {"count": "1"}):
        page = read(as_anne.post(start, {**chosen, **more}, follow=True))
        assert page.one("#messages").endswith(
            ": say consent (they said yes, and you can show it), or soft_opt_in (a charity met them itself from "
            "5 February 2026 on, and offered a way out)."
        )
        upload = Upload.objects.get()
        assert (upload.state, upload.basis, upload.wording, upload.parts.count()) == ("waiting", "", "News, please", 1)
        assert page("td:nth-child(4)")[:2] == ["becomes a member"] * 2
        assert page.tree.cssselect("input[name=basis][checked]") == []


def test_an_empty_file_is_called_empty(put: Any, read: Any) -> None:
    for text in ("", "\n \n"):
        assert read(put(text)).one("#messages").startswith("The file is empty.")
    assert not Upload.objects.exists()


def test_who_left_and_who_must_not_be_mailed_come_first(put: Any, as_anne: Any) -> None:
    for what, text in (("leavers", "email\nrosa@members.example\n"), ("suppressions", "email\nluis@members.example\n")):
        put(text, what)
        upload = Upload.objects.first()
        assert upload is not None
        as_anne.post(reverse("member-list-start", args=[upload.pk]), {"email": "email", "basis": "consent"})
        intake.upload(upload.pk)
    put("email\nrosa@members.example\nluis@members.example\nnew@members.example\n")
    last = Upload.objects.first()
    assert last is not None
    as_anne.post(reverse("member-list-start", args=[last.pk]), {"email": "email", "basis": "consent"})
    intake.upload(last.pk)
    last.refresh_from_db()
    assert last.report == {"added": 1, "known": 0, "refused": 2, "rejected": 0}
    assert list(Subscription.objects.filter(state="active").values_list("member__email", flat=True)) == [
        "new@members.example"
    ]


def test_a_list_is_taken_in_once_however_often_it_is_handed_over(put: Any, as_anne: Any) -> None:
    put("email\nrosa@members.example\n")
    upload = Upload.objects.get()
    as_anne.post(reverse("member-list-start", args=[upload.pk]), {"email": "email", "basis": "consent"})
    again = as_anne.post(
        reverse("member-list-start", args=[upload.pk]), {"email": "email", "basis": "consent"}, follow=True
    )
    assert again.status_code == 200
    intake.upload(upload.pk)
    intake.upload(upload.pk)
    assert (Member.objects.count(), Event.objects.filter(verb="imported members").count()) == (1, 1)


def test_a_list_whose_worker_died_begins_anew_and_brings_nobody_twice(publication: Any, anne: Any) -> None:
    made = uploads.put(publication, [b"email\nrosa@members.example\n"], name="a.csv", what="members", by=anne)
    uploads.start(made, columns={"email": "email"}, basis="consent", by=anne)
    Upload.objects.filter(pk=made.pk).update(state="running", holder=_dead())
    assert uploads.recover() == 1
    uploads.take(Upload.objects.get())
    assert (Upload.objects.get().state, Member.objects.count()) == ("done", 1)


def _dead() -> str:
    from publisher import holders

    return holders.me().rsplit("/", 1)[0] + "/1"


@pytest.mark.parametrize(("text", "what"), [("", "members"), ("email\na@b.example\n", "friends")])
def test_what_is_no_list_is_refused_and_not_kept(put: Any, text: str, what: str) -> None:
    assert put(text, what).status_code == 200
    assert not Upload.objects.exists()


def test_a_list_of_leavers_is_shown_as_what_it_is(put: Any, read: Any, make_members: Any, as_anne: Any) -> None:
    make_members(1)
    text = "email,status\nm0@members.example,unsubscribed\nrosa@members.example,active\nluis@members.example,left\n"
    assert read(put(text, "leavers"))("tbody td:last-child") == [
        "is a member here, and leaves",
        "is still there, says the list: is left as they are",
        "is remembered as having left",
    ]
    assert set(read(put(text, "suppressions"))("tbody td:last-child")) == {"will be mailed no more, in no publication"}


def test_a_column_that_was_taken_for_another_is_let_go_and_all_lines_are_counted(
    put: Any, read: Any, as_anne: Any
) -> None:
    put("email,Status,First  given\nrosa@members.example,0,Rosa\nnobody,1,\n")
    start = reverse("member-list-start", args=[Upload.objects.get().pk])
    given = {"email": "email", "state": "", "first_name": "First given", "basis": "consent"}
    page = read(as_anne.post(start, given | {"count": "1"}, follow=True))
    assert page.one("#messages") == (
        "Of all lines, 1 would become members, 0 are known already, 0 left or are suppressed and would not be added, "
        "1 cannot be read. Nothing is stored."
    )
    assert (page("tbody td")[1:4], Member.objects.count()) == (["rosa@members.example", "Rosa", "becomes a member"], 0)


def test_a_list_that_nobody_started_is_dropped_after_a_week(put: Any, as_anne: Any, read: Any) -> None:
    put("email\nrosa@members.example\n")
    Upload.objects.update(at=timezone.now() - timedelta(days=8))
    retention.step()
    upload = Upload.objects.get()
    assert (upload.state, UploadPart.objects.count()) == ("dropped", 0)


def test_a_dropped_list_is_forgotten(put: Any, as_anne: Any) -> None:
    put("email\nrosa@members.example\n")
    as_anne.post(reverse("member-list-drop", args=[Upload.objects.get().pk]))
    assert (Upload.objects.get().state, UploadPart.objects.count(), Member.objects.count()) == ("dropped", 0, 0)


def test_all_members_are_taken_as_a_file_and_it_is_written_down(
    as_anne: Any, anne: Any, make_members: Any, other_publication: Any
) -> None:
    make_members(2)
    make_members(1, of=other_publication, prefix="other")
    answer = as_anne.post(reverse("member-export", args=["update"]), {"form": "csv"})
    said = b"".join(answer.streaming_content).decode()
    assert (said.count("@members.example"), "other0" in said, answer["Cache-Control"]) == (2, False, "no-store")
    assert Event.objects.get(verb="exported members").by == anne
    assert as_anne.get(reverse("member-export", args=["update"])).status_code == 405


def test_a_digest_goes_to_a_segment_that_staff_named(
    as_anne: Any, read: Any, digest: Any, make_members: Any, anne: Any
) -> None:
    rosa, _ = make_members(2)
    MemberTag.objects.create(member=rosa, key="lima", name="Lima")
    given = {"name": "In Lima", "tags": "Lima", "joined_to": "2100-01-01"}
    page = read(as_anne.post(reverse("member-segment-add", args=["update"]), given, follow=True))
    assert page("tbody td")[:2] == ["1", "is tagged lima, joined until 2100-01-01"]
    segment = Segment.objects.get()
    page = read(as_anne.post(reverse("digest-audience", args=[digest.pk]), {"segment": segment.pk}, follow=True))
    assert page("#segment option[selected]") == ["In Lima"]
    digests.proof(Digest.objects.get(), by=anne)
    proof = read(as_anne.get(reverse("proof", args=[digest.pk])))
    assert "1 member of the segment “In Lima”" in proof("dd")
    page = read(as_anne.post(reverse("member-segment-remove", args=[segment.pk]), follow=True))
    assert Segment.objects.exists()


def test_a_segment_is_changed_on_its_page_which_says_what_comes_of_each_digest(
    as_anne: Any, read: Any, digest: Any, make_members: Any, anne: Any
) -> None:
    make_members(2)
    segment = segments.add(digest.publication, "Some", {"languages": [""], "joined_from": "2001-01-01"}, by=anne)
    digests.choose_audience(digest, segment, by=anne)
    page = read(as_anne.get(reverse("member-segment", args=[segment.pk])))
    assert page.values("#id_languages, #id_joined_from") == ["none", "2001-01-01"]
    assert page("ul.lines li") == ["draft 31 March 2007 goes to whom the rule names when it is sent to review."]
    edit = reverse("member-segment-edit", args=[segment.pk])
    page = read(as_anne.post(edit, {"name": "Others", "languages": "es, ", "joined_from": ""}, follow=True))
    assert (page.one("h1"), page.one("#messages")) == ("Others", "Saved: “Others” has 0 members now.")
    assert as_anne.post(edit, {"name": "Others", "languages": "¿?"}).status_code == 422
    assert Segment.objects.get().rule == {"languages": ["es"]}


def test_what_is_kept_is_shown_with_its_reasons(as_anne: Any, read: Any, publication: Any) -> None:
    page = read(as_anne.get(reverse("member-kept")))
    assert page("tbody td:nth-child(2)")[0] == "90 days"
    assert len(page("tbody tr")) == len(retention.RULES)


@pytest.mark.parametrize("name", ["member-lists", "member-segments", "member-kept"])
def test_nobody_sees_these_who_is_not_signed_in(client: Any, name: str, db: Any) -> None:
    assert client.get(reverse(name)).status_code == 302


def test_the_lists_cost_the_same_for_many(put: Any, as_anne: Any, django_assert_max_num_queries: Any) -> None:
    for number in range(3):
        put("email\nrosa@members.example\n", name=f"{number}.csv")
    with django_assert_max_num_queries(8):
        as_anne.get(reverse("member-lists"))
