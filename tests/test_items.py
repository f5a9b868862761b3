"""Receiving news, again and again; and what staff do with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from django.test import Client

from publisher import digests, intake, items, lifecycle
from publisher.intake import ParsedItem, ParsedSection, Reading, Unread
from publisher.lifecycle import NotAllowed, Refusal
from publisher.models import Digest, Event, Item, Post, Publication, Source, StandingSection

OPENING = "A reading room with four hundred books opened in the old post office of Puno, and people queued for it."
OPENS = ParsedItem(
    title="A reading room opens",
    teaser=OPENING,
    published_on=date(2007, 3, 20),
    date_label="20 March 2007",
    series=None,
    number=None,
    byline=None,
    image_caption=None,
    link=None,
)
LAKE = replace(OPENS, title="Books cross the lake", teaser="By boat.", link="https://rooms.example/lake")


def page(*parsed: ParsedItem, **given: Any) -> Reading:
    return Reading(**{"items": parsed, "sections": (), "unread": (), "kind": "listing", **given})


@pytest.fixture
def source(publication):
    return Source.objects.create(publication=publication, address="https://rooms.example/news")


@pytest.fixture
def read(publication, source):
    """read(OPENS, LAKE): a reading of the source's page, taken in; what came of it in numbers."""

    def take_in(*parsed: ParsedItem, source: Any = source, **given: Any) -> tuple[int, int, int, int]:
        received = items.receive(publication, page(*parsed, **given), source=source, by_hand=True)
        return len(received.new), len(received.updated), len(received.flagged), received.unchanged

    return take_in


def everything() -> Any:
    """All that a reading could change."""
    rows = (Item, Event, StandingSection, Publication, Digest, Post)
    return [list(model.objects.order_by("pk").values()) for model in rows]


def the_item() -> Item:
    return Item.objects.get()


# The same again


def test_the_same_page_twice_changes_nothing(read):
    section = ParsedSection("Our aims and how we work", "Books.")
    assert read(OPENS, LAKE, sections=(section,)) == (2, 0, 0, 0)
    before = everything()
    assert read(OPENS, LAKE, sections=(section,)) == (0, 0, 0, 2)
    assert everything() == before


def test_the_same_page_from_another_address_gives_no_second_item(read, publication):
    brief = replace(OPENS, title="In brief", teaser="Rain.", date_label="March", published_on=None)
    read(OPENS, LAKE, brief)
    before = everything()
    copy = Source.objects.create(publication=publication, address="/home/anne/news.html")
    assert read(OPENS, LAKE, brief, source=copy) == (0, 0, 0, 3)
    assert everything() == before


def test_another_publication_takes_the_same_page_for_itself(read, other_publication):
    read(OPENS)
    assert len(items.receive(other_publication, page(OPENS)).new) == 1


LINKS = [
    "https://rooms.example/lake",
    "http://rooms.example/lake",
    "https://www.rooms.example/lake",
    "https://rooms.example/lake/",
    "HTTPS://WWW.Rooms.Example/lake/",
]


@pytest.mark.parametrize("link", LINKS)
def test_a_link_is_the_same_however_it_is_spelled(read, link):
    read(LAKE)
    again = replace(LAKE, link=link, published_on=date(2008, 1, 1), date_label="1 January 2008")
    new, *_ = read(again)
    assert (new, Item.objects.count()) == (0, 1)


@pytest.mark.parametrize("link", ["https://rooms.example/Lake", "https://rooms.example/?p=2", "https://lake.example/"])
def test_another_link_is_another_item(read, link):
    read(LAKE)
    assert read(replace(LAKE, title="Another", teaser="On foot.", link=link)) == (1, 0, 0, 0)


def test_two_items_of_one_date_are_two(read):
    assert read(OPENS, replace(OPENS, title="A school opens", teaser="Elsewhere.")) == (2, 0, 0, 0)


def test_two_items_that_begin_alike_are_two_where_a_page_has_both(read):
    other = replace(OPENS, title="A second reading room opens")
    assert read(OPENS, other) == (2, 0, 0, 0)
    assert read(OPENS, other) == (0, 0, 0, 2)
    assert read(OPENS, other, replace(OPENS, title="A third reading room opens")) == (1, 0, 0, 2)


def test_two_items_of_one_title_and_date_are_two_where_their_texts_differ(read):
    brief = [replace(OPENS, title="In brief", teaser=teaser) for teaser in ("Rain in Puno.", "Sun in Lima.")]
    assert read(*brief) == (2, 0, 0, 0)
    assert read(*brief) == (0, 0, 0, 2)


def test_an_item_printed_twice_on_a_page_is_one(read):
    assert read(LAKE, OPENS, replace(LAKE, teaser="By boat. And by mule.")) == (2, 0, 0, 1)
    assert read(LAKE, OPENS, replace(LAKE, teaser="By boat. And by mule.")) == (0, 0, 0, 3)


def test_a_link_that_leads_to_a_page_of_news_tells_no_items_apart(read):
    front = "https://rooms.example/news"
    two = replace(OPENS, link=front), replace(LAKE, link=front)
    assert read(*two) == (2, 0, 0, 0)
    newest = replace(OPENS, title="The mule turns ten", teaser="Hay!", link=front, published_on=date(2007, 4, 2))
    assert read(newest, *two) == (1, 0, 0, 2)


def test_other_news_at_an_address_that_told_news_before_is_new(read):
    read(replace(OPENS, link="https://rooms.example/news"))
    later = replace(LAKE, link="https://rooms.example/news", published_on=date(2007, 5, 1), date_label="1 May 2007")
    assert read(later) == (1, 0, 0, 0)
    assert read(later) == (0, 0, 0, 1)


# What a source changes


@pytest.mark.parametrize("state", ["received", "queued", "set_aside"])
def test_a_changed_teaser_updates_an_item_that_is_not_used(read, state):
    read(LAKE, OPENS)
    Item.objects.update(state=state)
    assert read(replace(LAKE, teaser="By boat, at last."), OPENS) == (0, 1, 0, 1)
    assert list(Item.objects.order_by("pk").values_list("state", "teaser", "source_says")) == [
        (state, "By boat, at last.", {}),
        (state, OPENING, {}),
    ]


def test_a_reading_that_gives_less_takes_nothing_away(read):
    read(replace(LAKE, body="<p>All of it.</p>", byline="Rosa Vega"))
    assert read(LAKE) == (0, 0, 0, 1)
    assert (the_item().body, the_item().byline) == ("<p>All of it.</p>", "Rosa Vega")


@pytest.fixture
def of_lake(read, publication, anne):
    """A draft of one item, of LAKE as it is read from the source."""
    read(LAKE)
    items.queue(the_item(), by=anne)
    return digests.compose(publication, by=anne, date=date(2007, 3, 31))


def in_draft(digest: Any, anne: Any, ben: Any) -> None:
    pass


def in_review(digest: Any, anne: Any, ben: Any) -> None:
    digests.proof(digest, by=anne)


def approved(digest: Any, anne: Any, ben: Any) -> None:
    digests.approve(digests.proof(digest, by=anne), by=ben)


def sent(digest: Any, anne: Any, ben: Any) -> None:
    approved(digest, anne, ben)
    Digest.objects.filter(pk=digest.pk).update(state="sent")


@pytest.mark.parametrize("use", [in_draft, in_review, approved, sent])
def test_a_changed_source_flags_a_used_item_and_voids_nothing(of_lake, use, read, channels, anne, ben):
    use(of_lake, anne, ben)
    Item.objects.update(flags=["Looks damaged."])
    before = everything()
    changed = replace(LAKE, title="Books cross", teaser="By mule.", byline="Rosa Vega", damage=("Odd.",))
    assert read(changed) == (0, 0, 1, 0)
    assert the_item().source_says == {"title": "Books cross", "teaser": "By mule.", "byline": "Rosa Vega"}
    Item.objects.update(source_says={})
    Event.objects.filter(verb="flagged").delete()
    assert everything() == before


def test_what_the_source_says_now_does_not_bar_the_approval(of_lake, read, anne, ben):
    proof = digests.proof(of_lake, by=anne)
    section = ParsedSection("Join us", "Now.")
    items.receive(
        of_lake.publication, page(replace(LAKE, teaser="By mule."), sections=(section,)), source=Source.objects.get()
    )
    digests.approve(proof, by=ben)
    assert Digest.objects.get().state == "approved"


def test_a_live_post_uses_an_item_and_a_cancelled_one_does_not(read, channels):
    read(LAKE)
    post = Post.objects.create(channel=channels[0], purpose="item", item=the_item(), state="published", text="x")
    assert read(replace(LAKE, teaser="By mule.")) == (0, 0, 1, 0)
    Post.objects.filter(pk=post.pk).update(state="cancelled")
    assert read(replace(LAKE, teaser="On foot.")) == (0, 1, 0, 0)


def test_an_item_of_a_cancelled_digest_is_not_used_any_more(of_lake, read, anne):
    digests.cancel(of_lake, by=anne, why="wrong month")
    assert read(replace(LAKE, teaser="By mule.")) == (0, 1, 0, 0)


def test_a_flag_is_raised_once_and_goes_when_the_source_comes_round(of_lake, read):
    changed = replace(LAKE, teaser="By mule.")
    assert [read(changed), read(changed), read(LAKE)] == [(0, 0, 1, 0), (0, 0, 0, 1), (0, 0, 0, 1)]
    assert the_item().source_says == {}
    assert read(changed) == (0, 0, 1, 0)


def test_a_changed_title_is_flagged_and_never_new(read):
    read(OPENS)
    renamed = replace(OPENS, title="A reading room opens in Puno")
    assert read(renamed) == (0, 0, 1, 0)
    assert the_item().title == "A reading room opens"
    assert the_item().source_says == {"title": "A reading room opens in Puno"}
    assert read(renamed) == (0, 0, 0, 1)


def test_a_title_taken_from_the_source_is_what_the_item_is_known_by(read, anne):
    read(OPENS)
    renamed = replace(OPENS, title="A reading room opens in Puno")
    read(renamed)
    items.take_source_text(the_item(), by=anne)
    assert (the_item().title, the_item().source_says) == ("A reading room opens in Puno", {})
    assert read(renamed) == (0, 0, 0, 1)
    assert read(replace(renamed, teaser="Quite another text.")) == (0, 1, 0, 0)


def test_a_title_changed_on_another_day_is_another_item(read):
    read(OPENS)
    assert read(replace(OPENS, title="Another opens", published_on=date(2007, 4, 1))) == (1, 0, 0, 0)


def test_staffs_words_are_not_undone_by_a_source_that_says_the_same_as_ever(read, anne):
    read(LAKE)
    items.edit(the_item(), by=anne, teaser="Anne's words")
    assert read(LAKE) == (0, 0, 0, 1)
    assert (the_item().teaser, the_item().source_says) == ("Anne's words", {})


def test_staffs_words_stay_where_the_source_changes_and_it_is_flagged(read, anne):
    read(LAKE)
    items.edit(the_item(), by=anne, teaser="Anne's words")
    assert read(replace(LAKE, teaser="By mule.")) == (0, 0, 1, 0)
    assert (the_item().teaser, the_item().source_says) == ("Anne's words", {"teaser": "By mule."})


def test_who_keeps_their_own_text_is_not_asked_again(read, anne):
    changed = replace(LAKE, teaser="By mule.")
    read(LAKE)
    items.edit(the_item(), by=anne, teaser="Anne's words")
    read(changed)
    items.keep_own_text(the_item(), by=anne)
    assert read(changed) == (0, 0, 0, 1)
    assert (the_item().teaser, the_item().source_says) == ("Anne's words", {})


def test_two_sources_that_word_one_item_differently_do_not_undo_each_other(read, publication):
    feed = Source.objects.create(publication=publication, address="https://rooms.example/feed")
    in_feed = replace(LAKE, title="Books cross the lake – Rooms")
    read(LAKE)
    read(in_feed, source=feed)
    before = everything()
    assert [read(LAKE), read(in_feed, source=feed)] == [(0, 0, 0, 1)] * 2
    assert everything() == before


def test_an_update_brings_the_picture_and_what_looks_damaged_now(read):
    read(replace(LAKE, damage=("“Peruís” looks damaged.",)))
    read(replace(LAKE, teaser="Mended.", image_url="https://rooms.example/boat.jpg"))
    assert (the_item().flags, the_item().image_url) == ([], "https://rooms.example/boat.jpg")


def test_what_is_too_long_is_cut_and_said(read):
    read(replace(LAKE, title="T" * 501, link="https://rooms.example/" + "x" * 2000, image_alt="a" * 1001))
    assert len(the_item().title) == 500
    assert (the_item().link, len(the_item().image_alt)) == ("", 1000)
    assert the_item().flags == [f"Its {name} is too long to be kept whole." for name in ("title", "link", "image alt")]


# Numbers, sections, lines that could not be read


def test_printed_numbers_propose_the_next(publication, read):
    Publication.objects.update(next_number=1)
    publication.refresh_from_db()
    printed = [replace(LAKE, link=f"https://rooms.example/{n}", series="Update", number=n) for n in (118, 119, 117)]
    other = replace(LAKE, link="https://rooms.example/o", series="Peru New", number=300)
    received = items.receive(publication, page(*printed, other))
    assert received.proposed_number == 120
    assert [item.printed_number for item in received.new] == [118, 119, 117, 300]
    Publication.objects.update(next_number=120)
    publication.refresh_from_db()
    assert items.receive(publication, page(*printed, other)).proposed_number is None


def test_standing_sections_are_kept_once_and_then_the_staffs(publication, read, other_publication):
    aims = ParsedSection("Aims", "Books for all.")
    read(OPENS, sections=(aims,))
    section = StandingSection.objects.get(title="Aims")
    assert (section.publication, section.body, section.position, section.shown) == (publication, aims.body, 1, True)
    StandingSection.objects.filter(pk=section.pk).update(title="What we want", body="Anne's words")
    read(OPENS, sections=(replace(aims, body="More books."),))
    assert list(publication.sections.values_list("title", "body")) == [
        ("Our aims", "Books where there are none."),
        ("What we want", "Anne's words"),
    ]
    assert not other_publication.sections.exists()


def test_a_section_that_appears_later_is_kept_and_not_shown(source, read):
    read(OPENS)
    Source.objects.update(last_read_at=Item.objects.get().received_at)
    source.refresh_from_db()
    read(OPENS, sections=(ParsedSection("Win a car", "Click."),))
    assert StandingSection.objects.get(title="Win a car").shown is False


def test_what_was_not_read_is_reported(publication):
    unread = (Unread(12, "31 March", "There is a date, but no title."),)
    assert items.receive(publication, page(unread=unread)).unread == unread


def test_a_listings_item_keeps_what_was_printed(read):
    read(replace(OPENS, series="Update", number=119, date_label="31 January 2007", damage=("Odd.",)))
    item = the_item()
    assert (item.state, item.printed_series, item.printed_number, item.date_label, item.flags) == (
        "received",
        "Update",
        119,
        "31 January 2007",
        ["Odd."],
    )


# Our own archive


@pytest.fixture
def archived(publication, make_item, anne, ben):
    """Update 120, sent: an item with a link, one without, one with a text of ours, one edited in the digest."""
    make_item("With a link", body="")
    make_item("Without a link", link="", teaser=OPENING + "\n\nA second paragraph.", byline="Rosa Vega")
    make_item("With a body", link="", teaser="Short.", body="<p>All of it, and more.</p>")
    make_item("Reworded", link="")
    digest = digests.compose(publication, by=anne, date=date(2007, 3, 31))
    digests.edit_entry(digest.entries.get(title="Reworded"), by=anne, title="Reworded by Anne", teaser="Hers.")
    sent(digest, anne, ben)
    return Digest.objects.get()


@pytest.mark.parametrize("address", ["/update/120/", *(f"/update/120/{place}/" for place in range(1, 5))])
def test_our_own_archive_page_gives_no_new_item_and_changes_nothing(archived, publication, address):
    before = everything()
    content = Client().get(address).content
    reading = intake.read(content, address=f"https://updates.example{address}")
    assert len(reading.items) == (4 if address == "/update/120/" else 1)
    received = items.receive(publication, reading, source=Source.objects.create(publication=publication, address="a"))
    assert (received.new, received.updated, received.flagged) == ([], [], [])
    assert received.proposed_number is None
    assert everything() == before


def test_the_archive_of_another_series_is_news_to_us(archived, other_publication):
    reading = intake.read(Client().get("/update/120/").content, address="https://updates.example/update/120/")
    assert len(items.receive(other_publication, reading).new) == 4


# What staff do


def test_what_staff_do_with_an_item_is_written_down(read, anne):
    read(LAKE)
    item = the_item()
    items.queue(item, by=anne)
    items.set_aside(item, by=anne, why="not yet")
    items.queue(item, by=anne)
    items.withdraw(item, by=anne, why="not true")
    told = [(event.verb, event.after, event.by, event.why) for event in lifecycle.history(item)]
    assert told == [
        ("received", "", None, ""),
        ("moved", "queued", anne, ""),
        ("moved", "set_aside", anne, "not yet"),
        ("moved", "queued", anne, ""),
        ("moved", "withdrawn", anne, "not true"),
    ]
    with pytest.raises(NotAllowed, match="is withdrawn: it cannot become queued"):
        items.queue(item, by=anne)


def test_an_item_in_a_digest_that_is_being_made_is_not_set_aside(digest, anne):
    item = digest.entries.first().item
    with pytest.raises(Refusal, match="Take it out there first"):
        items.set_aside(item, by=anne)
    digests.remove(digest.entries.first(), by=anne)
    items.set_aside(item, by=anne)
    assert Item.objects.get(pk=item.pk).state == "set_aside"


def test_withdrawing_needs_a_reason(items_queued, anne):
    with pytest.raises(Refusal, match="Say why"):
        items.withdraw(items_queued[0], by=anne, why=" ")
    assert Item.objects.get(pk=items_queued[0].pk).state == "queued"


@pytest.fixture
def items_queued(request):
    return request.getfixturevalue("items")


def test_a_withdrawn_item_is_taken_out_and_none_of_its_posts_goes_out(digest, channels, anne, ben):
    approved(digest, anne, ben)
    gone, *_ = digest.entries.all()
    items.withdraw(gone.item, by=anne, why="not true")
    assert [entry.title for entry in digest.entries.all()] == ["Books cross the lake", "The mule library turns ten"]
    assert set(Post.objects.filter(item=gone.item).values_list("state", flat=True)) == {"cancelled"}
    assert set(Post.objects.exclude(item=gone.item).values_list("state", flat=True)) == {"draft"}


def test_a_withdrawn_item_stays_withdrawn_when_its_page_is_read_again(read, anne):
    read(LAKE)
    items.queue(the_item(), by=anne)
    items.withdraw(the_item(), by=anne, why="not true")
    read(replace(LAKE, teaser="By mule."))
    assert the_item().state == "withdrawn"


def test_an_edit_names_what_was_changed_and_nothing_else(make_item, anne):
    item = make_item()
    items.edit(item, by=anne, teaser="Anne's words", title=item.title)
    items.edit(item, by=anne, teaser="Anne's words")
    assert [(e.verb, e.by, e.detail) for e in lifecycle.history(item)] == [("edited", anne, {"fields": ["teaser"]})]
    assert Item.objects.get(pk=item.pk).teaser == "Anne's words"


@pytest.mark.parametrize(
    ("fields", "said"), [({"state": "queued"}, "cannot be edited: state"), ({"title": " "}, "title")]
)
def test_what_is_no_edit_is_refused(make_item, anne, fields, said):
    item = make_item(state="received")
    with pytest.raises(Refusal, match=said):
        items.edit(item, by=anne, **fields)
    assert (Item.objects.get().state, Item.objects.get().title) == ("received", item.title)


def test_taking_the_sources_text_changes_the_item_and_not_the_digest(of_lake, read, anne):
    read(replace(LAKE, teaser="By mule.", published_on=date(2007, 3, 21), date_label="21 March 2007"))
    items.take_source_text(the_item(), by=anne)
    assert (the_item().teaser, the_item().published_on, the_item().source_says) == (
        "By mule.",
        date(2007, 3, 21),
        {},
    )
    assert of_lake.entries.get().teaser == "By boat."


def test_staff_who_have_looked_clear_what_seemed_damaged(read, anne):
    read(replace(LAKE, damage=("Odd.",)))
    items.clear_flags(the_item(), by=anne)
    assert (the_item().flags, Event.objects.last().verb) == ([], "checked")


def test_a_page_of_a_hundred_items_is_read_again_in_few_queries(read, django_assert_max_num_queries):
    many = [
        replace(LAKE, title=f"Title {n}", link=f"https://rooms.example/{n}", published_on=LAKE.published_on)
        for n in range(100)
    ]
    assert read(*many) == (100, 0, 0, 0)
    with django_assert_max_num_queries(120):
        assert read(*many) == (0, 0, 0, 100)
