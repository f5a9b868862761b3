"""How a publication words its posts, set by staff in the pages and in a terminal."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from publisher import digests, wordings
from publisher.lifecycle import Refusal
from publisher.models import Event, Post, Wording
from publisher.networks import NETWORKS
from publisher.networks.text import weigh
from tests.cli.conftest import Command
from tests.cli.conftest import publisher as publisher
from tests.web.conftest import Read, signed_in

OURS = "Read it here: {link}\n{title} ({label})"


def at(publication: Any, network: str = "x", purpose: str = "item") -> str:
    return reverse("wording", args=[publication.slug, network, purpose])


def texts_on(digest: Any, network: str) -> list[str]:
    return list(digest.posts.filter(channel__network=network, purpose="item").values_list("text", flat=True))


def test_without_a_word_of_staff_the_house_s_own_wording_is_used(publication: Any) -> None:
    assert wordings.of(publication, "x", "item").text == "{title}\n{label}\n\n{teaser}\n\n{hashtags}\n{link}"
    assert {(each.network, each.own) for each in wordings.all_of(publication)} == {(name, False) for name in NETWORKS}


def test_posts_are_drafted_as_the_publication_words_them_there(
    publication: Any, other_publication: Any, channels: Any, digest: Any, anne: Any
) -> None:
    wordings.change(other_publication, "x", "item", "Not here: {link}", by=anne)
    wordings.change(publication, "x", "item", OURS, by=anne)
    wordings.change(publication, "x", "digest", "Not of an item: {link}", by=anne)

    digests.proof(digest, by=anne)

    assert wordings.of(publication, "x", "item").text == OURS
    assert wordings.of(other_publication, "x", "item").text == "Not here: {link}"
    entry = digest.entries.first()
    assert texts_on(digest, "x")[0] == f"Read it here: {entry.link}\n{entry.title} (Update 120. 31 March 2007)"
    assert texts_on(digest, "facebook")[0].startswith(f"{entry.title}\nUpdate 120. 31 March 2007\n\n")


def test_what_is_drafted_keeps_its_words_until_a_new_proof(
    publication: Any, channels: Any, proof: Any, anne: Any
) -> None:
    before = texts_on(proof.digest, "x")
    wordings.change(publication, "x", "item", OURS, by=anne)
    assert texts_on(proof.digest, "x") == before

    digests.edit(proof.digest, by=anne, date=date(2007, 4, 30))
    digests.proof(proof.digest, by=anne)

    assert texts_on(proof.digest, "x")[0].startswith("Read it here: ")


def test_whoever_changes_the_wording_does_not_approve_the_next_digest(
    publication: Any, channels: Any, digest: Any, anne: Any, ben: Any
) -> None:
    wordings.change(publication, "x", "item", OURS, by=ben)

    proof = digests.proof(digest, by=anne)

    assert digests.why_not(proof, ben) == (
        "You edited this digest since it was last approved: somebody else has to approve it."
    )


def test_a_change_is_written_down_with_both_texts(publication: Any, anne: Any) -> None:
    wordings.change(publication, "x", "item", OURS, by=anne)
    wordings.change(publication, "x", "item", OURS + "\n", by=anne)

    event = Event.objects.get(noun="publication", verb="edited")
    assert (event.by, event.why) == (anne, "the wording of an item on X")
    assert event.detail == {"before": "{title}\n{label}\n\n{teaser}\n\n{hashtags}\n{link}", "after": OURS}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{ config.SECRET_KEY }} {link}", "There is no field { config.SECRET_KEY } here"),
        ("{title}", "On X the link stands in the text: the wording needs a {link}."),
        ("{title", "A “{” is left over"),
    ],
)
def test_what_cannot_work_is_refused_and_nothing_changes(publication: Any, anne: Any, text: str, says: str) -> None:
    with pytest.raises(Refusal) as refused:
        wordings.change(publication, "x", "item", text, by=anne)

    assert says in str(refused.value)
    assert (Wording.objects.count(), Event.objects.count()) == (0, 0)


def test_a_network_or_purpose_that_is_none_is_named(publication: Any, anne: Any) -> None:
    with pytest.raises(Refusal, match="There is no wording for item on gazette: networks are x, facebook"):
        wordings.change(publication, "gazette", "item", OURS, by=anne)


def test_the_house_s_own_comes_back(publication: Any, anne: Any) -> None:
    wordings.change(publication, "x", "item", OURS, by=anne)
    wordings.reset(publication, "x", "item", by=anne)

    assert not wordings.of(publication, "x", "item").own
    with pytest.raises(Refusal, match="an item on X is the house's own already"):
        wordings.reset(publication, "x", "item", by=anne)


# ---- The pages


def test_the_preview_is_what_the_sender_makes(
    publication: Any, channels: Any, digest: Any, anne: Any, ben: Any
) -> None:
    newest = digest.entries.first()
    wordings.change(publication, "x", "item", "{title}\n\n{teaser}\n{link}", by=anne)

    page = Read(signed_in(anne).get(at(publication), {"item": newest.item_id}))

    digests.proof(digest, by=anne)
    post = digest.posts.get(channel=channels[0], item=newest.item)
    assert page.one("#preview") == " ".join(post.text.split())
    assert page.one(".length") == f"Length: {weigh(post.text)} of 280"


def test_trying_saves_nothing_and_keeps_what_was_typed(publication: Any, items: Any, anne: Any) -> None:
    data = {"text": "Just in: {title}\r\n{link}", "item": items[1].pk, "try": "yes"}

    page = Read(signed_in(anne).post(at(publication), data))

    assert page.one("#preview") == f"Just in: Books cross the lake {items[1].link}"
    assert page.one("#text") == "Just in: {title} {link}"
    assert page.values("option[selected]") == [str(items[1].pk)]
    assert not Wording.objects.exists()


def test_what_is_refused_stays_in_the_form(publication: Any, items: Any, anne: Any) -> None:
    page = Read(signed_in(anne).post(at(publication), {"text": "{titel} {link}"}))

    assert page.status == 422
    assert page.one("#text") == "{titel} {link}"
    assert page.one(".messages .error").startswith("There is no field {titel} here: there are {title}")


def test_saving_and_putting_back(publication: Any, items: Any, anne: Any) -> None:
    client = signed_in(anne)

    saved = Read(client.post(at(publication), {"text": OURS}, follow=True))
    assert saved.one(".messages .success") == "Saved. Posts that are drafted from now on are worded so."
    assert Wording.objects.get().text == OURS

    back = Read(client.post(f"{at(publication)}reset/", follow=True))
    assert back.one(".messages .success") == "The house’s own wording is back."
    assert not Wording.objects.exists()


def test_a_wording_is_text_on_its_page(publication: Any, make_item: Any, anne: Any) -> None:
    make_item("<script>alert(1)</script> {{ 7*7 }}")
    wordings.change(publication, "x", "item", "<b>{title}</b>\n{link}", by=anne)

    page = Read(signed_in(anne).get(at(publication)))

    assert page.one("#preview").startswith("<b><script>alert(1)</script> {{ 7*7 }}</b>")


def test_the_list_shows_each_network_s_wordings_in_a_fixed_number_of_queries(
    publication: Any, other_publication: Any, anne: Any
) -> None:
    client = signed_in(anne)
    client.get(reverse("wordings"))
    with CaptureQueriesContext(connection) as few:
        page = Read(client.get(reverse("wordings")))
    assert len(page("tbody tr")) == 2 * len(NETWORKS) * len(Post.Purpose.values)
    assert page("tbody .small.quiet") == []

    for network in ("x", "facebook"):
        wordings.change(publication, network, "item", OURS, by=anne)
    with CaptureQueriesContext(connection) as more:
        page = Read(client.get(reverse("wordings")))

    assert page("tbody .small.quiet") == ["your own", "your own"]
    assert len(more) == len(few)


def test_only_who_is_signed_in_sees_them(client: Client, publication: Any) -> None:
    assert client.get(at(publication)).status_code == 302
    assert client.post(at(publication), {"text": OURS}).status_code == 302
    assert not Wording.objects.exists()


@pytest.mark.parametrize("place", ["/staff/wordings/update/gazette/item/", "/staff/wordings/update/x/poem/"])
def test_a_page_for_a_wording_that_is_none_is_not_there(publication: Any, anne: Any, place: str) -> None:
    assert signed_in(anne).get(place).status_code == 404


# ---- The commands


def test_a_wording_is_set_shown_and_put_back_in_a_terminal(
    publication: Any, items: Any, publisher: Command, anne: Any
) -> None:
    said = publisher("wordings", "set", "x", "item", "{title}\\n{link}", "--by", "anne")
    text = f"A reading room opens\n{items[0].link}"
    assert said.out == f"Set. As of A reading room opens, {weigh(text)} of 280:\n\n{text}\n"

    shown = publisher("wordings", "show", "x", "item", "--json").json()
    assert (shown["text"], shown["own"], shown["preview"]["text"]) == ("{title}\n{link}", True, text)
    listed = publisher("wordings", "show", "--json").json()
    assert [(each["network"], each["purpose"]) for each in listed if each["own"]] == [("x", "item")]

    assert publisher("wordings", "reset", "x", "item", "--by", "anne").out == "The house's own wording is back.\n"


def test_a_terminal_says_why_a_wording_is_refused(publication: Any, publisher: Command, anne: Any) -> None:
    refused = publisher("wordings", "set", "x", "item", "-", "--by", "anne", typed="{title}\n")

    assert (refused.status, refused.out) == (1, "")
    assert refused.err == "On X the link stands in the text: the wording needs a {link}.\n"
