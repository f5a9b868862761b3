"""A hashtag and a period: items join by tag or by hand, and their posts carry it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
import time_machine

from publisher import campaigns, digests, items, post_sets, tags
from publisher.intake import ParsedItem, Reading
from publisher.lifecycle import NotAllowed, Refusal
from publisher.models import Campaign, Event, Post
from publisher.networks import network_class
from tests.cli.conftest import Command
from tests.cli.conftest import publisher as publisher

#: The digest of the cast is dated 31 March 2007.
FIRST, LAST = date(2007, 3, 29), date(2007, 4, 1)


@pytest.fixture(autouse=True)
def during() -> Any:
    """The day before the digest's own, at noon in London."""
    with time_machine.travel(datetime(2007, 3, 30, 11, tzinfo=UTC), tick=False) as at:
        yield at


@pytest.fixture
def campaign(publication: Any, anne: Any) -> Campaign:
    return campaigns.add(publication, "#WaterWeek", FIRST, LAST, by=anne, name="The week of water")


def posts_on(digest: Any, network: str) -> dict[str, Post]:
    found = digest.posts.filter(channel__network=network, purpose="item").select_related("item")
    return {post.item.title: post for post in found}


def belonging(campaign: Campaign) -> list[str]:
    return sorted(campaign.belonging().values_list("title", flat=True))


# ---- Who belongs to it


@pytest.mark.parametrize("tag", ["WaterWeek", "water week", "Water-Week", "#waterweek", "WATERWEEK"])
def test_an_item_joins_by_its_tag_however_it_is_written(
    campaign: Campaign, make_item: Any, anne: Any, tag: str
) -> None:
    item, other = make_item("A well"), make_item("A road")
    tags.put(item, f"Peru, {tag}", by=anne)
    tags.put(other, "Water", by=anne)

    assert belonging(campaign) == ["A well"]
    assert list(Campaign.objects.of_item(item)) == [campaign]
    assert list(Campaign.objects.of_item(other)) == []


def test_an_item_leaves_with_its_tag(campaign: Campaign, make_item: Any, anne: Any) -> None:
    item = make_item("A well")
    tags.put(item, "Peru, water week", by=anne)
    tags.put(item, "Peru", by=anne)

    assert belonging(campaign) == []
    assert list(Campaign.objects.of_item(item)) == []


def test_an_item_joins_and_leaves_by_hand(campaign: Campaign, items: Any, anne: Any) -> None:
    campaigns.join(campaign, items[:2], by=anne)
    assert belonging(campaign) == ["A reading room opens", "Books cross the lake"]

    campaigns.leave(campaign, items[0], by=anne)

    assert belonging(campaign) == ["Books cross the lake"]
    with pytest.raises(Refusal, match="did not join by hand: take the tag WaterWeek off it"):
        campaigns.leave(campaign, items[2], by=anne)


def test_items_of_another_publication_stay_out(
    campaign: Campaign, other_publication: Any, make_item: Any, anne: Any
) -> None:
    stranger = make_item("Elsewhere", publication=other_publication)
    tags.put(stranger, "WaterWeek", by=anne)

    assert belonging(campaign) == []
    assert list(Campaign.objects.of_item(stranger)) == []
    with pytest.raises(Refusal, match="“Elsewhere” belongs to another publication than #WaterWeek"):
        campaigns.join(campaign, [stranger], by=anne)


def read_of(*names: str) -> Reading:
    parsed = ParsedItem("A well", "It gives water.", FIRST, "29 March 2007", None, None, None, None, None, tags=names)
    return Reading((parsed,), (), (), "feed")


def test_a_source_brings_tags_and_takes_none_away(publication: Any, anne: Any) -> None:
    (item,) = items.receive(publication, read_of("Wells", "Uncategorized")).new
    assert tags.as_text(item) == "Wells"

    for _ in range(2):
        assert items.receive(publication, read_of("WaterWeek")).unchanged == 1
    assert tags.as_text(item) == "Wells, WaterWeek"
    told = Event.objects.filter(noun="item", verb="tagged").order_by("pk")
    assert [event.detail["tags"] for event in told] == [["Wells"], ["WaterWeek"]]


def test_what_staff_took_off_a_source_does_not_bring_back(publication: Any, anne: Any) -> None:
    (item,) = items.receive(publication, read_of("Wells", "WaterWeek")).new
    items.edit(item, by=anne, tagged="Wells, Clean water")

    items.receive(publication, read_of("Wells", "waterweek"))

    assert tags.as_text(item) == "Wells, Clean water"
    assert Event.objects.get(noun="item", verb="edited").detail == {
        "fields": ["tags"],
        "tags": ["Wells", "Clean water"],
    }


def test_a_tag_has_letters_and_an_end(make_item: Any, anne: Any) -> None:
    with pytest.raises(Refusal, match="“--” is no tag: it has no letter"):
        tags.put(make_item(), "Peru, --", by=anne)
    with pytest.raises(Refusal, match="A tag has at most 64 characters"):
        tags.put(make_item("Another"), "a" * 65, by=anne)


# ---- What it does to posts


@pytest.mark.usefixtures("channels")
def test_posts_of_its_items_carry_the_hashtag(campaign: Campaign, digest: Any, anne: Any) -> None:
    campaigns.join(campaign, [digest.entries.first().item], by=anne)

    digests.proof(digest, by=anne)

    for network in ("x", "facebook"):
        posts = posts_on(digest, network)
        assert {title for title, post in posts.items() if "#WaterWeek" in post.text} == {"A reading room opens"}
        assert {title for title, post in posts.items() if post.campaign == campaign} == {"A reading room opens"}
        post = posts["A reading room opens"]
        assert network_class(network).measure(post.text) <= network_class(network).limit


@pytest.mark.usefixtures("channels")
@pytest.mark.parametrize(("first", "last", "carried"), [(-5, -1, False), (-5, 0, True), (0, 0, True), (1, 5, False)])
def test_only_in_its_period(publication: Any, digest: Any, anne: Any, first: int, last: int, carried: bool) -> None:
    days = [digest.date + timedelta(days=first), digest.date + timedelta(days=last)]
    campaign = campaigns.add(publication, "WaterWeek", *days, by=anne)
    campaign.items.add(digest.entries.first().item)

    digests.proof(digest, by=anne)

    assert ("#WaterWeek" in posts_on(digest, "x")["A reading room opens"].text) is carried


@pytest.mark.usefixtures("channels")
def test_one_that_was_ended_is_carried_no_more(campaign: Campaign, digest: Any, anne: Any) -> None:
    campaigns.join(campaign, [digest.entries.first().item], by=anne)
    campaigns.end(campaign, by=anne)

    digests.proof(digest, by=anne)

    assert "#WaterWeek" not in posts_on(digest, "x")["A reading room opens"].text
    with pytest.raises(NotAllowed, match="#WaterWeek is over"):
        campaigns.join(campaign, [], by=anne)


@pytest.mark.usefixtures("channels")
def test_news_of_a_live_campaign_goes_out_with_its_hashtag_as_soon_as_it_is_approved(
    publication: Any, make_item: Any, anne: Any, ben: Any
) -> None:
    campaigns.add(publication, "WaterWeek", FIRST, LAST, by=anne, live=True)
    item = make_item("The first well is open")
    tags.put(item, "water week", by=anne)

    posts = post_sets.compose(publication, [item], by=anne)
    post_sets.approve(post_sets.proof(posts, by=anne), by=ben)

    posts.refresh_from_db()
    assert [("#WaterWeek" in post.text, post.due_at == posts.start_at) for post in posts.posts.all()] == [
        (True, True)
    ] * 2


@pytest.mark.usefixtures("channels")
def test_live_coverage_goes_out_at_once_and_the_rest_in_its_slots(
    publication: Any, digest: Any, anne: Any, ben: Any
) -> None:
    live = campaigns.add(publication, "LiveWater", FIRST, LAST, by=anne, live=True)
    slow = campaigns.add(publication, "SlowWater", FIRST, LAST, by=anne)
    entries = list(digest.entries.all())
    campaigns.join(live, [entries[1].item], by=anne)
    campaigns.join(slow, [entries[1].item, entries[2].item], by=anne)

    digests.approve(digests.proof(digest, by=anne), by=ben)

    digest.refresh_from_db()
    posts = posts_on(digest, "x")
    assert posts["Books cross the lake"].due_at == digest.start_at
    assert "#LiveWater #SlowWater" in posts["Books cross the lake"].text
    for slow_one in ("A reading room opens", "The mule library turns ten"):
        local = posts[slow_one].due_at.astimezone(publication.zone)
        assert (local.weekday(), local.time()) in {(0, time(9)), (3, time(17, 30))}


# ---- Its days and its name


@pytest.mark.parametrize("hashtag", ["EITI2016", "#EITI2016", " 2016EITI ", "Agua_y_vida", "Perú", "水の日"])
def test_a_hashtag_is_one_word(hashtag: str) -> None:
    assert campaigns.checked(hashtag) == hashtag.strip().lstrip("#")


@pytest.mark.parametrize(
    "hashtag", ["", "#", "2016", "clean water", "clean-water", "water!", "#a#b", "_x", "a.b", "a" * 65]
)
def test_what_a_network_would_cut_is_no_hashtag(hashtag: str) -> None:
    with pytest.raises(Refusal):
        campaigns.checked(hashtag)


def test_two_of_one_hashtag_do_not_run_at_once(campaign: Campaign, anne: Any) -> None:
    with pytest.raises(Refusal, match="There is #WaterWeek from 29 March to 1 April 2007 already"):
        campaigns.add(campaign.publication, "waterweek", LAST, LAST + timedelta(days=3), by=anne)

    again = campaigns.add(campaign.publication, "WaterWeek", date(2008, 3, 29), date(2008, 4, 1), by=anne)
    with pytest.raises(Refusal, match="already"):
        campaigns.edit(again, by=anne, starts_on=LAST)


def test_days_are_those_of_the_publication_s_zone(campaign: Campaign, publication: Any, during: Any) -> None:
    publication.time_zone = "America/Lima"
    publication.save()
    campaign.refresh_from_db()

    during.move_to(datetime(2007, 4, 2, 3, tzinfo=UTC))
    assert (campaign.phase, campaign.over) == ("running", False)
    during.move_to(datetime(2007, 4, 2, 6, tzinfo=UTC))
    assert (campaign.phase, campaign.over) == ("over", True)


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (date(2016, 2, 23), date(2016, 2, 26), "23 to 26 February 2016"),
        (date(2016, 2, 23), date(2016, 2, 23), "23 February 2016"),
        (date(2016, 2, 23), date(2016, 3, 2), "23 February to 2 March 2016"),
        (date(2016, 12, 30), date(2017, 1, 2), "30 December 2016 to 2 January 2017"),
    ],
)
def test_a_period_is_said_as_people_say_it(first: date, last: date, said: str) -> None:
    assert Campaign(starts_on=first, ends_on=last).period == said


def test_a_campaign_does_not_end_before_it_starts(publication: Any, anne: Any) -> None:
    with pytest.raises(Refusal, match="The last day of a campaign comes after its first"):
        campaigns.add(publication, "WaterWeek", LAST, FIRST, by=anne)


# ---- Inviting followers


@pytest.mark.usefixtures("channels")
def test_followers_are_invited_with_a_card_on_each_channel_once(campaign: Campaign, anne: Any) -> None:
    campaigns.edit(campaign, by=anne, invitation="Four days at four rivers.")

    made = campaigns.invite(campaign, by=anne)

    posts = {post.channel.network: post for post in made.posts.select_related("channel", "picture")}
    assert posts["x"].text == (
        "Follow #WaterWeek, 29 March to 1 April 2007\nThe week of water\n\nFour days at four rivers."
    )
    assert {(post.state, post.purpose, post.campaign) for post in posts.values()} == {("draft", "campaign", campaign)}
    assert all(post.picture and "#WaterWeek" in post.image_alt for post in posts.values())
    with pytest.raises(Refusal, match="Every channel of Update has an invitation to #WaterWeek already"):
        campaigns.invite(campaign, by=anne)


@pytest.mark.usefixtures("channels")
def test_who_wrote_the_invitation_does_not_approve_it(campaign: Campaign, anne: Any, ben: Any, carla: Any) -> None:
    """Ben words the campaign, Carla only presses the button: his are the words that would go out."""
    campaigns.edit(campaign, by=ben, invitation="Four days at four rivers.")
    proof = post_sets.proof(campaigns.invite(campaign, by=carla), by=carla)
    assert post_sets.editors_since_approval(proof.post_set) == {anne, ben, carla}
    with pytest.raises(NotAllowed, match="somebody else has to approve it"):
        post_sets.approve(proof, by=ben)


# ---- The commands


def test_a_campaign_from_a_terminal(publication: Any, channels: Any, items: Any, anne: Any, publisher: Command) -> None:
    added = publisher(
        "campaigns", "add", "#EITI2016", "2007-03-29", "2007-04-01", "--name", "EITI", "--live", "--by", "anne"
    )
    assert added.out.startswith("#EITI2016, 29 March to 1 April 2007: 0 items have its tag.")
    assert (
        publisher("campaigns", "join", "eiti2016", items[0].pk, "--by", "anne").out == "Joined: A reading room opens.\n"
    )
    assert publisher("campaigns", "invite", "EITI2016", "--by", "anne").status == 0

    shown = publisher("campaigns", "show", "EITI2016", "--json").json()
    assert [item["title"] for item in shown["items"]] == ["A reading room opens"]
    assert [(post["purpose"], post["state"]) for post in shown["posts"]] == [("campaign", "draft")] * 2
    (listed,) = publisher("campaigns", "list", "--json").json()
    assert (listed["hashtag"], listed["phase"], listed["live"]) == ("EITI2016", "running", True)

    assert publisher("campaigns", "end", "EITI2016", "--by", "anne").status == 0
    assert publisher("campaigns", "list", "--json").json()[0]["phase"] == "ended"
    refused = publisher("campaigns", "join", "Other", items[0].pk, "--by", "anne")
    assert refused.err == "Update has no campaign #Other. There are: #EITI2016.\n"
