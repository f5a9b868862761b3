"""The pages of campaigns: add one, see who joined, invite followers, end it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from publisher import campaigns, tags
from publisher.models import Campaign, Post


@pytest.fixture
def campaign(publication: Any, anne: Any) -> Campaign:
    today = publication.today()
    return campaigns.add(publication, "WaterWeek", today, today + timedelta(days=3), by=anne, name="Water")


def at(campaign: Campaign, name: str = "campaign", *more: int) -> str:
    return reverse(name, args=[campaign.pk, *more])


def test_without_a_campaign_the_page_says_what_to_do_first(as_anne: Client, publication: Any, read: Any) -> None:
    page = read(as_anne.get(reverse("campaigns")))

    assert page.one(".empty") == "There is none yet. Add the first one below."
    assert page(".filled") == ["Add"]


def test_adding_one_leads_to_it_with_the_items_that_have_its_tag(
    as_anne: Client, publication: Any, items: Any, anne: Any, read: Any
) -> None:
    tags.put(items[0], "EITI 2016", by=anne)
    today = publication.today()
    typed = {"hashtag": "#EITI2016", "starts_on": today, "ends_on": today, "live": "on", "name": "EITI"}

    page = read(as_anne.post(reverse("campaign-add", args=["update"]), typed, follow=True))

    assert page.one("h1") == "#EITI2016"
    assert page(".lines .addable > span") == ["A reading room opens queued by its tag"]
    assert Campaign.objects.get().live is True


def test_what_is_wrong_is_said_and_nothing_is_added(as_anne: Client, publication: Any, read: Any) -> None:
    typed = {"hashtag": "clean water", "starts_on": "2016-02-23", "ends_on": "2016-02-26"}

    page = read(as_anne.post(reverse("campaign-add", args=["update"]), typed, follow=True))

    assert page.one(".messages .error").startswith("“clean water” is no hashtag: write it as one word")
    assert not Campaign.objects.exists()


def test_an_item_joins_and_leaves_on_the_page(as_anne: Client, campaign: Campaign, items: Any, read: Any) -> None:
    page = read(as_anne.post(at(campaign, "campaign-join"), {"item": items[1].pk}, follow=True))
    assert page.one(".messages .success") == "“Books cross the lake” has joined."
    assert page(".lines .addable > span") == ["Books cross the lake queued joined by hand"]
    assert page("#item option") == ["A reading room opens", "The mule library turns ten"]

    page = read(as_anne.post(at(campaign, "campaign-leave", items[1].pk), follow=True))
    assert page.one(".messages .success") == "“Books cross the lake” has left."
    assert page(".lines .addable") == []


@pytest.mark.usefixtures("channels")
def test_followers_are_invited_and_the_drafts_stand_there(as_anne: Client, campaign: Campaign, read: Any) -> None:
    page = read(as_anne.post(at(campaign, "campaign-invite"), follow=True))

    assert page.one("h1") == "Follow #WaterWeek"
    assert page.one(".messages .success") == "The invitations are drafted. They go out once they are approved."
    assert [text.partition(",")[0] for text in page(".posts .teaser")] == ["Follow #WaterWeek"] * 2
    assert len(read(as_anne.get(at(campaign)))(".posts .teaser")) == 2
    assert set(Post.objects.values_list("state", flat=True)) == {"draft"}


def test_it_is_changed_and_ended(as_anne: Client, campaign: Campaign, read: Any) -> None:
    typed = {"name": "Clean water", "starts_on": campaign.starts_on, "ends_on": campaign.ends_on, "live": "on"}
    page = read(as_anne.post(at(campaign, "campaign-edit"), typed, follow=True))
    assert page.one(".messages .success") == "Saved. Posts that are drafted from now on go by it."
    assert "live coverage" in page.one(".what p")

    page = read(as_anne.post(at(campaign, "campaign-end"), follow=True))
    assert page.one(".what .state") == "ended"
    assert (page(".filled"), page("main form")) == ([], [])


def test_the_page_takes_as_many_queries_for_many_items_as_for_one(
    as_anne: Client, campaign: Campaign, make_item: Any, anne: Any
) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert as_anne.get(at(campaign)).status_code == 200
        return len(queries)

    campaigns.join(campaign, [make_item("One")], by=anne)
    asked()
    few = asked()
    campaigns.join(campaign, [make_item(f"Item {n}") for n in range(9)], by=anne)

    assert asked() == few


def test_tags_are_edited_with_the_item(as_anne: Client, campaign: Campaign, items: Any, read: Any) -> None:
    item = items[0]
    typed = {"title": item.title, "teaser": item.teaser, "link": item.link, "tagged": "Peru, water week"}

    page = read(as_anne.post(reverse("item", args=[item.pk]), typed, follow=True))

    assert page.values("#id_tagged") == ["Peru, water week"]
    assert list(campaign.belonging()) == [item]


def test_only_who_is_signed_in_sees_or_changes_them(client: Client, campaign: Campaign) -> None:
    assert client.get(at(campaign)).status_code == 302
    assert client.post(at(campaign, "campaign-end")).status_code == 302
    campaign.refresh_from_db()
    assert campaign.ended_at is None
