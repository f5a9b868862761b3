from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from publisher import digests
from publisher import items as item_verbs
from publisher.lifecycle import Refusal
from publisher.models import Digest, Entry, Post

TITLES = ".entries h3"
#: X counts every link as 23 characters.
LONG_LINK = "https://www.example.org/news/2007/03/the-mule-library-turns-ten-and-has-a-waiting-list"
NEWEST_FIRST = ["A reading room opens", "Books cross the lake", "The mule library turns ten"]


def to(name: str, digest: Any, *more: int) -> str:
    return reverse(name, args=[digest.pk, *more])


def entry_of(digest: Any, title: str) -> Entry:
    found: Entry = digest.entries.get(title=title)
    return found


def test_a_draft_shows_its_entries_in_order_and_one_next_step(as_anne: Client, digest: Any, read: Any) -> None:
    page = read(as_anne.get(to("digest", digest)))

    assert page(TITLES) == NEWEST_FIRST
    assert page.one("h1") == "The next Update"
    assert page(".filled") == ["Send to review"]


def test_an_entry_moves_up_and_down_and_stays_at_the_ends(as_anne: Client, digest: Any, read: Any) -> None:
    lake = entry_of(digest, "Books cross the lake")

    def move(way: str) -> list[str]:
        titles: list[str] = read(as_anne.post(to("entry-move", digest, lake.pk), {"way": way}, follow=True))(TITLES)
        return titles

    assert move("up") == ["Books cross the lake", "A reading room opens", "The mule library turns ten"]
    assert move("up") == ["Books cross the lake", "A reading room opens", "The mule library turns ten"]
    assert move("down") == NEWEST_FIRST
    assert move("down") == ["A reading room opens", "The mule library turns ten", "Books cross the lake"]


def test_what_is_taken_out_waits_in_the_queue_and_comes_back(as_anne: Client, digest: Any, read: Any) -> None:
    lake = entry_of(digest, "Books cross the lake")

    page = read(as_anne.post(to("entry-remove", digest, lake.pk), follow=True))
    assert page(TITLES) == ["A reading room opens", "The mule library turns ten"]
    assert page(".addable > span") == ["Books cross the lake 20 March 2007"]

    page = read(as_anne.post(to("digest-add", digest), {"item": lake.item_id}, follow=True))
    assert page(TITLES) == ["A reading room opens", "The mule library turns ten", "Books cross the lake"]
    assert page(".addable") == []


def test_date_and_introduction_are_saved(as_anne: Client, digest: Any, read: Any) -> None:
    data = {"date": "2007-04-30", "introduction": "Dear {first_name|friend},\r\n\r\nspring has come."}

    page = read(as_anne.post(to("digest-edit", digest), data, follow=True))

    digest.refresh_from_db()
    assert (digest.date, digest.introduction) == (date(2007, 4, 30), "Dear {first_name|friend},\n\nspring has come.")
    assert page(".messages p") == ["Saved."]


def test_a_date_that_is_none_is_named_and_nothing_is_saved(as_anne: Client, digest: Any, read: Any) -> None:
    page = read(as_anne.post(to("digest-edit", digest), {"date": "2007-02-31", "introduction": "New"}, follow=True))

    assert page(".messages .error") == ["Date: Enter a valid date."]
    digest.refresh_from_db()
    assert (digest.date, digest.introduction) == (date(2007, 3, 31), "")


def opening(page: Any, **typed: str) -> dict[str, str]:
    """What a browser sends with each button of the page, by form="opening"."""
    (token,) = page.values("#opening input[name=seen]")
    return {"seen": token, "date": "2007-03-31", "introduction": "", **typed}


TYPED = "Dear {first_name|friend},\r\n\r\nspring has come."


@pytest.mark.parametrize(
    "press",
    [
        lambda digest: (to("digest-review", digest), {}),
        lambda digest: (to("entry-move", digest, digest.entries.first().pk), {"way": "down"}),
        lambda digest: (to("entry-remove", digest, digest.entries.first().pk), {}),
        lambda digest: (to("digest-add", digest), {"item": digest.entries.first().item_id}),
        lambda digest: (to("digest-audience", digest), {"segment": ""}),
    ],
    ids=["review", "move", "remove", "add", "audience"],
)
def test_each_button_brings_along_what_is_typed(as_anne: Client, digest: Any, read: Any, press: Any) -> None:
    page = read(as_anne.get(to("digest", digest)))
    address, more = press(digest)
    as_anne.post(address, opening(page, introduction=TYPED) | more, follow=True)
    digest.refresh_from_db()
    assert digest.introduction == "Dear {first_name|friend},\n\nspring has come."


def test_whoever_types_nothing_changes_nothing(as_anne: Client, as_ben: Client, digest: Any, anne: Any, read: Any):
    """Ben has written meanwhile; Anne, whose page is older, moves an entry."""
    digests.edit(digest, by=anne, introduction="Dear all,  \n\n\nspring. ")
    page = read(as_anne.get(to("digest", digest)))
    shown = opening(page, introduction="Dear all,  \r\n\r\n\r\nspring. ")
    as_ben.post(to("digest-edit", digest), {"date": "2007-03-31", "introduction": "Ben's own"})
    as_anne.post(to("entry-move", digest, digest.entries.first().pk), shown | {"way": "down"})
    digest.refresh_from_db()
    assert digest.introduction == "Ben's own"
    assert digest.entries.first().title == NEWEST_FIRST[1]


def test_two_who_write_at_once_lose_neither(as_anne: Client, as_ben: Client, digest: Any, read: Any) -> None:
    annes, bens = (read(client.get(to("digest", digest))) for client in (as_anne, as_ben))
    as_ben.post(to("digest-edit", digest), opening(bens, introduction="Ben's"))

    page = read(as_anne.post(to("digest-review", digest), opening(annes, introduction="Anne's")))

    assert page.one(".messages .error").startswith("Somebody else has changed the introduction or the date meanwhile;")
    assert page.one("#id_introduction") == "Anne's"
    digest.refresh_from_db()
    assert (digest.state, digest.introduction) == ("draft", "Ben's")
    as_anne.post(to("digest-edit", digest), opening(page, introduction="Anne's"))
    digest.refresh_from_db()
    assert digest.introduction == "Anne's"


@pytest.mark.parametrize("name", ["digest-edit", "digest-review"])
def test_a_misspelt_field_goes_to_nobody_and_what_was_typed_stays(
    as_anne: Client, digest: Any, read: Any, name: str
) -> None:
    page = read(as_anne.get(to("digest", digest)))

    page = read(as_anne.post(to(name, digest), opening(page, introduction="Dear {first_nam|friend},")))

    assert page.one(".messages .error").startswith(
        "Introduction: “{first_nam|friend}” would reach everybody just so: there is no such field. "
        "Did you mean {first_name|friend}?"
    )
    assert page.one("#id_introduction") == "Dear {first_nam|friend},"
    digest.refresh_from_db()
    assert (digest.state, digest.introduction) == ("draft", "")


def test_a_misspelt_field_that_stands_there_already_is_not_sent_to_review(digest: Any, anne: Any) -> None:
    Digest.objects.filter(pk=digest.pk).update(introduction="Dear {{ first_name }},")
    with pytest.raises(Refusal, match="would reach everybody just so"):
        digests.proof(digest, by=anne)


def test_an_entrys_text_is_its_own(as_anne: Client, digest: Any, read: Any) -> None:
    lake = entry_of(digest, "Books cross the lake")
    prefix = f"entry-{lake.pk}"
    data = {f"{prefix}-title": "Books cross Lake Titicaca", f"{prefix}-teaser": "By boat."}

    page = read(as_anne.post(to("entry-edit", digest, lake.pk), data, follow=True))

    assert page(TITLES)[1] == "Books cross Lake Titicaca"
    lake.item.refresh_from_db()
    assert lake.item.title == "Books cross the lake"


def test_an_entry_of_another_digest_cannot_be_reached_through_this_one(
    as_anne: Client, digest: Any, make_item: Any, anne: Any
) -> None:
    other = digests.compose(digest.publication, by=anne, items=[make_item("Elsewhere")])
    elsewhere = entry_of(other, "Elsewhere")

    assert as_anne.post(to("entry-remove", digest, elsewhere.pk)).status_code == 404
    assert other.entries.count() == 1


def test_the_preview_is_the_letter_as_it_would_be_now(as_anne: Client, digest: Any, anne: Any) -> None:
    digests.edit(digest, by=anne, introduction="Dear {first_name|friend},")

    letter = as_anne.get(to("digest-preview", digest))

    assert "Dear friend," in letter.content.decode()
    assert [title for title in NEWEST_FIRST if title in letter.content.decode()] == NEWEST_FIRST


def test_the_preview_may_run_nothing_and_lead_nowhere(as_anne: Client, digest: Any, read: Any) -> None:
    shown = as_anne.get(to("digest-preview", digest))
    policy = shown["Content-Security-Policy"].split("; ")
    page = read(as_anne.get(to("digest", digest)))

    assert {"default-src 'none'", "form-action 'none'", "frame-ancestors 'self'", "sandbox"} <= set(policy)
    assert shown["X-Frame-Options"] == "SAMEORIGIN"
    assert [rule for rule in policy if rule.startswith("script-src")] == []
    assert page.values("iframe", "sandbox") == [""]


def test_the_frame_is_loaded_anew_only_when_something_changed(
    as_anne: Client, digest: Any, anne: Any, read: Any
) -> None:
    def frame() -> list[str]:
        found: list[str] = read(as_anne.get(to("digest", digest))).values("iframe", "src")
        return found

    before = frame()
    assert frame() == before
    digests.edit(digest, by=anne, introduction="Something else")
    assert frame() != before


def test_sending_to_review_leads_to_the_proof(as_anne: Client, digest: Any, read: Any) -> None:
    response = as_anne.post(to("digest-review", digest), follow=True)

    assert response.redirect_chain == [(to("proof", digest), 302)]
    assert read(response).one("h1") == "Update 120. 31 March 2007"


def test_an_empty_digest_is_not_sent_to_review(as_anne: Client, digest: Any, read: Any) -> None:
    digest.entries.all().delete()

    page = read(as_anne.post(to("digest-review", digest), follow=True))

    assert page(".messages .error") == ["The digest is empty: add an item first."]
    digest.refresh_from_db()
    assert digest.state == "draft"


def test_whoever_edits_what_lies_before_the_approver_is_told_what_follows(
    as_anne: Client, proof: Any, read: Any
) -> None:
    page = read(as_anne.get(to("digest", proof.digest)))
    assert page.one(".attention").startswith("This lies before the approver.")

    as_anne.post(to("digest-edit", proof.digest), {"date": "2007-03-31", "introduction": "One more thing."})

    proof.digest.refresh_from_db()
    assert proof.digest.state == "draft"


def test_a_post_is_worded_anew_and_counted_as_its_network_counts(
    as_anne: Client, channels: Any, proof: Any, read: Any
) -> None:
    post = proof.digest.posts.filter(channel=channels[0]).first()
    Post.objects.filter(pk=post.pk).update(link=LONG_LINK)
    text = f"Ten years of mules! {LONG_LINK}"

    page = read(as_anne.post(reverse("post-words", args=[post.pk]), {"text": text}, follow=True))

    assert page.one(f"#post-{post.pk} > .teaser") == text
    assert page.one(f"#post-{post.pk} .length") == "Length: 43 of 280"


def test_a_post_that_is_too_long_is_refused_with_the_numbers(
    as_anne: Client, channels: Any, proof: Any, read: Any
) -> None:
    post = proof.digest.posts.filter(channel=channels[0]).first()
    Post.objects.filter(pk=post.pk).update(link=LONG_LINK)
    text = f"{'x' * 300} {LONG_LINK}"

    page = read(as_anne.post(reverse("post-words", args=[post.pk]), {"text": text}, follow=True))

    assert page("form .attention") == ["X takes 280 characters; this has 324. Shorten it."]
    assert page.one("textarea") == text
    proof.digest.refresh_from_db()
    assert proof.digest.state == "in_review"


def test_what_has_gone_out_can_be_read_but_not_changed(as_anne: Client, digest: Any, read: Any) -> None:
    Digest.objects.filter(pk=digest.pk).update(state="sent")

    page = read(as_anne.get(to("digest", digest)))

    assert page("main form") == []
    assert page(TITLES) == NEWEST_FIRST


@pytest.mark.usefixtures("channels")
def test_the_page_takes_as_many_queries_for_ten_entries_as_for_one(as_anne: Client, make_item: Any, anne: Any) -> None:
    def queries(count: int) -> int:
        made = [make_item(f"{count} {n}") for n in range(count)]
        digest = digests.compose(made[0].publication, by=anne, items=made)
        digests.proof(digest, by=anne)
        with CaptureQueriesContext(connection) as asked:
            assert as_anne.get(to("digest", digest)).status_code == 200
        return len(asked)

    assert queries(1) == queries(10)


def test_the_list_has_what_waits_first_and_a_fixed_number_of_queries(
    as_anne: Client, make_item: Any, anne: Any, read: Any
) -> None:
    first = digests.compose(make_item("One").publication, by=anne)
    Digest.objects.filter(pk=first.pk).update(state="sent", number=119)
    with CaptureQueriesContext(connection) as few:
        as_anne.get("/staff/digests/")
    second = digests.compose(first.publication, by=anne, items=[make_item("Two")], date=date(2007, 3, 31))
    digests.proof(second, by=anne)

    with CaptureQueriesContext(connection) as more:
        page = read(as_anne.get("/staff/digests/"))

    assert page(".digests .state") == ["in review", "sent"]
    assert len(more) == len(few)


def test_without_a_digest_the_list_says_what_to_do_first(as_anne: Client, publication: Any, read: Any) -> None:
    assert "Queue the items that belong into the first one" in read(as_anne.get("/staff/digests/")).one(".empty")


def test_an_item_that_was_set_aside_meanwhile_is_not_added(
    as_anne: Client, digest: Any, make_item: Any, anne: Any, read: Any
) -> None:
    item = make_item("Changed our mind")
    item_verbs.set_aside(item, by=anne)

    page = read(as_anne.post(to("digest-add", digest), {"item": item.pk}, follow=True))

    assert page(".messages .error") == ["“Changed our mind” is set aside: queue it first."]
    assert page(TITLES) == NEWEST_FIRST
