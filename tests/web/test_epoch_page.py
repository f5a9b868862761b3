"""What staff see where nothing may be sent, and how somebody who may approve says that it goes on."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from prometheus_client.parser import text_string_to_metric_families

from publisher import epoch
from publisher.models import Digest, Epoch, Post

BANNER = ".nothingsent"


@pytest.fixture
def doubted(db: Any) -> None:
    """Something was sent, and what stood beside the database is gone."""
    epoch.begin()
    epoch.advance()
    epoch.file().unlink()


@pytest.mark.parametrize("name", ["items", "digests", "epoch"])
def test_every_staff_page_says_why_nothing_is_sent_and_where_to_go(
    doubted: None, as_anne: Client, publication: Any, read: Any, name: str
) -> None:
    page = read(as_anne.get(reverse(name)))
    assert page.one(BANNER) == f"{epoch.NEW_HERE} See what to do"
    assert page.values(f"{BANNER} a", "href") == [reverse("epoch")]


def test_in_order_no_page_says_so_but_its_own(as_anne: Client, publication: Any, read: Any) -> None:
    epoch.begin()
    assert read(as_anne.get(reverse("items")))(BANNER) == []
    assert read(as_anne.get(reverse("epoch")))("main p")[0].startswith("Yes: the database")


def test_strangers_read_nothing_of_it(doubted: None, client: Client, publication: Any) -> None:
    for address in ("/", reverse("sign-in")):
        assert b"from this machine" not in client.get(address).content
    assert client.get(reverse("epoch")).status_code == 302
    assert client.post(reverse("epoch-confirm"), {"why": "compared"}).status_code == 302
    assert Epoch.objects.get().former == []


def test_the_page_says_what_a_word_would_stop(as_ben: Client, sending: Any, read: Any) -> None:
    epoch.file().unlink()
    page = read(as_ben.get(reverse("epoch")))
    assert page("main ul.lines li")[0] == f"{sending.label} is being sent: it is paused."
    assert sum("is due: it is held" in line for line in page("main ul.lines li")) == Post.objects.count() == 8
    assert any(line.startswith("The post “Books cross the lake” of Update 120.") for line in page("main ul.lines li"))


def test_ben_confirms_and_the_sending_waits_for_him(as_ben: Client, sending: Any, read: Any) -> None:
    epoch.file().unlink()
    page = read(as_ben.post(reverse("epoch-confirm"), {"why": "compared with the log"}, follow=True))
    assert page.one(".messages .success").startswith("Confirmed.")
    assert page("ol.history li span") == [
        "Ben Ortiz confirmed that this is the one that goes on: compared with the log"
    ]
    assert page(BANNER) == []
    assert Digest.objects.get().state == "paused"


def test_anne_may_look_and_not_confirm(doubted: None, as_anne: Client, read: Any) -> None:
    assert read(as_anne.get(reverse("epoch")))("form#confirm, #next") == []
    page = read(as_anne.post(reverse("epoch-confirm"), {"why": "compared"}, follow=True))
    assert "approvers" in page.one(".messages .error")
    assert epoch.doubt() == epoch.NEW_HERE


def test_what_no_word_mends_has_no_button(as_ben: Client, sending: Any, read: Any, settings: Any) -> None:
    Epoch.objects.update(ticked_at="2007-03-31T09:00:00Z")
    page = read(as_ben.get(reverse("epoch")))
    assert page.one("main .attention").startswith("The clock has been away since 31 March at 09:00")
    assert page("#next") == []


def test_machines_read_it_too(doubted: None, client: Client) -> None:
    families = text_string_to_metric_families(client.get("/metrics").content.decode())
    assert {f.name: f.samples[0].value for f in families if f.name == "publisher_epoch_doubt"} == {
        "publisher_epoch_doubt": 1
    }
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]["epoch"]["ok"]) == (200, False)
    assert str(epoch.file().parent) not in ready.content.decode()
