from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from publisher import digests
from publisher.models import Digest, Item

LIST = "/staff/items/"
TITLES = ".items h2"


def test_what_waits_for_a_decision_comes_first(as_anne: Client, make_item: Any, read: Any) -> None:
    make_item("Withdrawn long ago", state="withdrawn")
    make_item("Not for us", state="set_aside")
    make_item("Goes into the next one", state="queued")
    make_item("Came in today", state="received")

    page = read(as_anne.get(LIST))

    assert page(TITLES) == ["Came in today", "Goes into the next one", "Not for us", "Withdrawn long ago"]
    assert page(".items .state") == ["received", "queued", "set aside", "withdrawn"]
    assert page(".tabs a") == ["all 4", "received 1", "queued 1", "set aside 1", "withdrawn 1"]
    assert page.one(".pagehead p") == "1 item waits for a decision: queue what belongs into the next digest."


def test_what_the_source_changed_comes_first_and_what_is_in_a_digest_late(
    as_anne: Client, make_item: Any, anne: Any, read: Any
) -> None:
    used, changed = make_item("In a digest"), make_item("Changed at its source", source_says={"teaser": "New."})
    digests.compose(used.publication, by=anne, items=[used, changed])
    make_item("Waits for a digest")

    page = read(as_anne.get(LIST))

    assert page(TITLES) == ["Changed at its source", "Waits for a digest", "In a digest"]
    assert page(".items .state") == ["in a digest", "queued", "in a digest"]


def test_searching_looks_into_titles_and_teasers(as_anne: Client, make_item: Any, read: Any) -> None:
    make_item("Books cross the lake", teaser="By boat.")
    make_item("A boat for the islands", teaser="With books.")
    make_item("The mule library", teaser="With books.")

    assert sorted(read(as_anne.get(LIST, {"q": "boat BOOKS"}))(TITLES)) == [
        "A boat for the islands",
        "Books cross the lake",
    ]
    assert read(as_anne.get(LIST, {"q": "llama"})).one(".empty") == "Nothing fits. Show all items"


def test_the_list_is_filtered_by_state_and_publication(
    as_anne: Client, make_item: Any, other_publication: Any, read: Any
) -> None:
    make_item("Ours, queued", state="queued")
    make_item("Ours, received", state="received")
    make_item("Theirs, queued", state="queued", publication=other_publication)

    assert read(as_anne.get(LIST, {"state": "queued", "publication": "update"}))(TITLES) == ["Ours, queued"]
    assert read(as_anne.get(LIST, {"publication": "peru-new"}))(TITLES) == ["Theirs, queued"]


def test_an_empty_list_says_what_to_do_first(as_anne: Client, publication: Any, read: Any) -> None:
    assert "publisher items import" in read(as_anne.get(LIST)).one(".empty")


def test_the_list_asks_the_database_as_often_for_thirty_items_as_for_one(
    as_anne: Client, make_item: Any, anne: Any
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert as_anne.get(LIST).status_code == 200
        return len(asked)

    digests.compose(make_item("First").publication, by=anne)
    few = queries()
    for n in range(29):
        make_item(f"Item {n}")
    digests.compose(Item.objects.first().publication, by=anne)  # type: ignore[union-attr]

    assert queries() == few


def test_long_lists_come_in_pages(as_anne: Client, make_item: Any, read: Any) -> None:
    for n in range(31):
        make_item(f"Item {n}")

    first, second = read(as_anne.get(LIST)), read(as_anne.get(LIST, {"page": "2"}))

    assert (len(first(TITLES)), len(second(TITLES))) == (30, 1)
    assert first.one(".pages span") == "page 1 of 2"


def test_queueing_leads_back_to_the_list_it_was_done_from(as_anne: Client, make_item: Any, read: Any) -> None:
    item = make_item("A reading room opens", state="received")
    here = f"{LIST}?q=reading"

    response = as_anne.post(reverse("item-queue", args=[item.pk]), {"back": here}, follow=True)

    assert response.redirect_chain == [(here, 302)]
    assert read(response)(".messages p") == ["“A reading room opens” is queued for the next Update."]
    assert read(response)(".items .state") == ["queued"]


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_nothing_leads_back_to_another_site(as_anne: Client, make_item: Any, elsewhere: str) -> None:
    item = make_item(state="received")

    assert as_anne.post(reverse("item-queue", args=[item.pk]), {"back": elsewhere})["Location"] == LIST


def test_with_htmx_a_deed_answers_with_its_row_and_what_was_done(as_anne: Client, make_item: Any, read: Any) -> None:
    item = make_item("A reading room opens", state="received")

    response = as_anne.post(reverse("item-queue", args=[item.pk]), {"back": LIST}, headers={"HX-Request": "true"})

    fragment = read(response)
    assert "<html" not in response.content.decode()
    assert fragment(".item .state") == ["queued"]
    assert fragment.values("#messages", "hx-swap-oob") == ["true"]
    assert fragment("#messages p") == ["“A reading room opens” is queued for the next Update."]


def test_what_cannot_be_done_is_said_in_place(as_anne: Client, make_item: Any, read: Any) -> None:
    item = make_item("Gone", state="withdrawn")

    page = read(as_anne.post(reverse("item-queue", args=[item.pk]), follow=True))

    assert page(".messages .error") == ["“Gone” is withdrawn: it cannot become queued."]


def test_an_item_is_edited_in_its_row(as_anne: Client, make_item: Any, read: Any) -> None:
    item = make_item("Peruís new room", teaser="One.")
    address = reverse("item-edit-row", args=[item.pk])
    htmx = {"HX-Request": "true"}

    form = read(as_anne.get(address, headers=htmx))
    assert form.values("input[name$=title]") == ["Peruís new room"]

    changed = {f"item-{item.pk}-title": "Peru’s new room", f"item-{item.pk}-teaser": "One.\r\n\r\nTwo."}
    assert read(as_anne.post(address, changed, headers=htmx)).one(TITLES.split()[1]) == "Peru’s new room"
    item.refresh_from_db()
    assert (item.title, item.teaser) == ("Peru’s new room", "One.\n\nTwo.")


def test_without_javascript_editing_happens_on_the_items_own_page(as_anne: Client, make_item: Any) -> None:
    item = make_item()

    assert as_anne.get(reverse("item-edit-row", args=[item.pk]))["Location"] == reverse("item", args=[item.pk])


def test_the_items_page_saves_every_field_and_tells_its_history(as_anne: Client, make_item: Any, read: Any) -> None:
    item = make_item("Old title")
    data = {
        "title": "New title",
        "teaser": "New teaser.",
        "link": "https://reading-rooms.example/new",
        "published_on": "2007-06-30",
        "date_label": "May / June 2007",
        "byline": "Rosa Quispe",
        "image_alt": "A mule",
        "image_caption": "The mule",
    }

    page = read(as_anne.post(reverse("item", args=[item.pk]), data, follow=True))

    item.refresh_from_db()
    assert {name: str(getattr(item, name)) for name in data} == data
    assert page(".messages p") == ["Saved."]
    assert page(".history li span") == ["Anne Rowe edited it"]


def test_an_item_without_a_title_is_not_saved(as_anne: Client, make_item: Any, read: Any) -> None:
    item = make_item("Keeps its title")

    page = read(as_anne.post(reverse("item", args=[item.pk]), {"title": " ", "teaser": "x"}))

    assert (page.status, page(".errorlist li")) == (422, ["This field is required."])
    item.refresh_from_db()
    assert item.title == "Keeps its title"


@pytest.fixture
def changed_at_source(make_item: Any) -> Any:
    return make_item("Books cross the lake", teaser="Nine hours.", source_says={"teaser": "Seven hours."})


def test_what_the_source_says_now_stands_beside_ours(as_anne: Client, changed_at_source: Any, read: Any) -> None:
    page = read(as_anne.get(LIST))

    assert (page(".flagged dt"), page(".flagged del"), page(".flagged ins")) == (
        ["teaser"],
        ["Nine hours."],
        ["Seven hours."],
    )


@pytest.mark.parametrize(("deed", "teaser"), [("item-take", "Seven hours."), ("item-keep", "Nine hours.")])
def test_the_sources_text_is_taken_or_left(
    as_anne: Client, changed_at_source: Any, read: Any, deed: str, teaser: str
) -> None:
    page = read(as_anne.post(reverse(deed, args=[changed_at_source.pk]), follow=True))

    changed_at_source.refresh_from_db()
    assert changed_at_source.teaser == teaser
    assert page(".flagged") == []


def test_what_looks_damaged_is_flagged_until_somebody_has_looked(as_anne: Client, make_item: Any, read: Any) -> None:
    item = make_item(flags=["“Peruís” looks like damaged text."])
    assert read(as_anne.get(LIST))(".flagged p") == ["Looks damaged. “Peruís” looks like damaged text."]

    assert read(as_anne.post(reverse("item-clear-flags", args=[item.pk]), follow=True))(".flagged") == []


def test_ticked_items_are_queued_together_and_the_others_are_not(as_anne: Client, make_item: Any, read: Any) -> None:
    ticked = [make_item(name, state="received") for name in ("One", "Two")]
    left = make_item("Three", state="received")

    page = read(as_anne.post(reverse("items-queue"), {"item": [item.pk for item in ticked]}, follow=True))

    assert page(".messages p") == ["2 items are queued."]
    assert dict(Item.objects.values_list("title", "state")) == {"One": "queued", "Two": "queued", "Three": "received"}
    assert left.pk


def test_ticking_nothing_says_so(as_anne: Client, make_item: Any, read: Any) -> None:
    make_item(state="received")

    assert read(as_anne.post(reverse("items-queue"), follow=True))(".messages p") == [
        "Tick the items that you want to queue first."
    ]


def test_one_button_composes_the_next_digest(as_anne: Client, items: Any, read: Any) -> None:
    (button,) = read(as_anne.get(LIST))("button.filled")
    assert button == "Compose the next Update from 3 queued items"

    response = as_anne.post(reverse("digest-compose", args=["update"]))

    digest = Digest.objects.get()
    assert response["Location"] == reverse("digest", args=[digest.pk])
    assert digest.entries.count() == 3


def test_composing_from_nothing_is_refused_in_a_sentence(as_anne: Client, publication: Any, read: Any) -> None:
    page = read(as_anne.post(reverse("digest-compose", args=["update"]), follow=True))

    assert page(".messages .error") == ["No item is queued for Update: queue the items that belong into the next one."]


def test_withdrawing_needs_a_reason(as_anne: Client, make_item: Any, read: Any) -> None:
    item = make_item("A mistake")
    withdraw: Callable[[str], Any] = lambda why: as_anne.post(  # noqa: E731 - two calls of one line
        reverse("item-withdraw", args=[item.pk]), {"why": why}, follow=True
    )

    assert read(withdraw(" "))(".messages .error") == ["Say why the item is withdrawn: it stands in the history."]
    assert read(withdraw("It is not true."))(".messages .success") == ["“A mistake” is withdrawn for good."]
