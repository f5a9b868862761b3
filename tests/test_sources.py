"""Reading sources by hand and by the clock, over a real server on loopback."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from PIL import Image

from publisher import sources
from publisher.intake import NotReadable
from publisher.intake.fetch import FetchRefused
from publisher.lifecycle import Refusal
from publisher.models import Event, Item, Picture, Source

LISTING = """<html><body>
<p>Welcome</p>
<h2>A reading room opens</h2>
<p>Update 119. 31 January 2007</p>
<p>Four hundred books, and people queued for them before the doors had been opened for the first time.</p>
<h2>Books cross the lake</h2>
<p>20 February 2007</p>
<p>By boat, because there is no road, and because the captain reads.</p>
<h2>What we want</h2>
<p>Books where there are none, and people who read them to each other in the evening.</p>
"""


class Site:
    """Answers what it is told: path → (status, headers, body). Remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[tuple[str, str | None, str | None]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.headers.get("If-None-Match"), self.headers.get("If-Modified-Since")
                site.asked.append((self.path, *asked))
                status, headers, body = site.answers.get(self.path, (404, {}, b""))
                if status == 200 and asked == (headers.get("ETag"), headers.get("Last-Modified")) and any(asked):
                    status, body = 304, b""
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def say(self, path: str, body: bytes | str = b"", status: int = 200, **headers: str) -> str:
        content = body.encode() if isinstance(body, str) else body
        self.answers[path] = (status, {name.replace("_", "-"): value for name, value in headers.items()}, content)
        return self.address + path


@pytest.fixture(autouse=True)
def _in_the_demo(settings: Any) -> None:
    settings.LOOPBACK_ONLY = settings.ALLOW_LOOPBACK_SOURCES = True


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    site.server.shutdown()
    thread.join()
    site.server.server_close()


@pytest.fixture
def source(publication, site):
    """A page that the clock reads every hour, due now."""
    address = site.say("/news", LISTING, ETag='"one"', Last_Modified="Sat, 31 Mar 2007 09:00:00 GMT")
    return Source.objects.create(
        publication=publication, address=address, poll_minutes=60, next_poll_at=timezone.now() - timedelta(minutes=1)
    )


def due_again(source: Any) -> Any:
    Source.objects.filter(pk=source.pk).update(next_poll_at=timezone.now() - timedelta(minutes=1))
    return Source.objects.select_related("publication").get(pk=source.pk)


# By the clock


def test_a_poll_takes_in_what_is_new_and_sets_the_next_one(source, publication):
    before = timezone.now()
    received = sources.poll(source)
    assert [item.title for item in received.new] == ["A reading room opens", "Books cross the lake"]
    source = Source.objects.get()
    assert timedelta(minutes=60) <= source.next_poll_at - before < timedelta(minutes=61)
    assert (source.kind, source.problem, source.etag) == ("listing", "", '"one"')
    assert source.last_modified == "Sat, 31 Mar 2007 09:00:00 GMT"
    assert source.last_read_at >= before
    assert [(u["text"], u["why"]) for u in source.unread] == [("Welcome", "It stands before the first item.")]
    # Nobody has looked at it yet: it stands in no letter by itself.
    assert publication.sections.get(title="What we want").shown is False


def test_what_has_not_changed_is_not_read_again(source, site):
    sources.poll(source)
    before = list(Item.objects.values()), list(Event.objects.values())
    assert sources.poll(due_again(source)) is None
    assert site.asked == [("/news", None, None), ("/news", '"one"', "Sat, 31 Mar 2007 09:00:00 GMT")]
    assert (list(Item.objects.values()), list(Event.objects.values())) == before
    assert len(Source.objects.get().unread) == 1


FAILURES = {
    "gone": (lambda site: site.say("/news", status=410), "127.0.0.1 answers 410: what was there is gone for good."),
    "no news": (lambda site: site.say("/news", b"\x00\x01\x02" * 90), "This is not text"),
    "nothing": (lambda site: site.say("/news", " "), "is empty."),
    "to a private network": (
        lambda site: site.say("/news", status=302, Location="http://10.0.0.1/news"),
        "10.0.0.1 leads to 10.0.0.1, an address inside a private network; it is not fetched.",
    ),
    "to the machine's own services": (
        lambda site: site.say("/news", status=302, Location="http://169.254.169.254/latest/meta-data"),
        "169.254.169.254 leads to 169.254.169.254, an address inside a private network; it is not fetched.",
    ),
}


@pytest.mark.parametrize(("fail", "said"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_kept_as_a_sentence_and_the_next_poll_set(source, site, settings, fail, said):
    settings.LOOPBACK_ONLY, settings.ALLOW_LOOPBACK_SOURCES = False, True
    sources.poll(source)
    fail(site)
    assert sources.poll(due_again(source)) is None
    source = Source.objects.get()
    assert said in source.problem
    assert source.next_poll_at > timezone.now()
    assert (Item.objects.count(), source.etag) == (2, '"one"')


def test_a_source_that_answers_again_has_no_problem_any_more(source, site):
    good = site.answers["/news"]
    site.say("/news", status=503)
    sources.poll(source)
    assert Source.objects.get().problem == "127.0.0.1 answers 503: its server is too busy or being mended."
    site.answers["/news"] = good
    sources.poll(due_again(source))
    assert Source.objects.get().problem == ""
    Source.objects.update(problem="503")
    sources.poll(due_again(source))
    assert Source.objects.get().problem == ""


def test_a_redirect_within_the_machine_is_followed_and_one_out_of_it_refused_in_the_demo(source, site):
    site.say("/old", status=301, Location="/news")
    Source.objects.update(address=site.address + "/old")
    assert len(sources.poll(due_again(source)).new) == 2
    site.say("/old", status=301, Location="https://example.org/news")
    sources.poll(due_again(source))
    assert Source.objects.get().problem == "This is the demo: it talks to this machine only, not to example.org."


def test_two_polls_at_once_are_one_fetch(source, site):
    same = Source.objects.get()
    assert sources.poll(source) is not None
    assert sources.poll(same) is None
    assert len(site.asked) == 1


@pytest.mark.django_db(transaction=True)
def test_eight_workers_at_once_are_one_fetch(source, site):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time: there is nobody to meet")
    start, done = threading.Barrier(8), []

    def work() -> None:
        mine = Source.objects.select_related("publication").get()
        start.wait(10)
        done.append(sources.poll(mine))
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert [len(each.new) for each in done if each] == [2]
    assert (len(done), len(site.asked), Item.objects.count()) == (8, 1, 2)


def test_a_source_whose_polling_was_stopped_meanwhile_is_not_asked(source, site):
    source.poll_minutes = None
    assert sources.poll(source) is None
    assert site.asked == []


def test_due_is_what_is_polled_and_whose_time_has_come(source, publication):
    def other(address: str, minutes: int | None, due_in: int | None) -> None:
        at = None if due_in is None else timezone.now() + timedelta(minutes=due_in)
        Source.objects.create(publication=publication, address=address, poll_minutes=minutes, next_poll_at=at)

    other("later", 60, 5)
    other("by hand", None, None)
    other("no more", None, -5)
    assert list(Source.due()) == [source]
    sources.poll(source)
    assert list(Source.due()) == []


def test_validators_that_do_not_fit_are_left_out(source, site):
    site.say("/news", LISTING, ETag='"' + "e" * 600 + '"', Last_Modified="m" * 101)
    sources.poll(source)
    assert (Source.objects.get().etag, Source.objects.get().last_modified) == ("", "")


# By hand


def test_an_import_reads_a_page_and_remembers_where_it_stood(publication, tmp_path, monkeypatch):
    (tmp_path / "news.txt").write_text(LISTING)
    monkeypatch.chdir(tmp_path)
    for address in ("news.txt", "./news.txt", str(tmp_path / "news.txt")):
        ((place, received),) = sources.import_from(address, publication)
    assert place == str(tmp_path / "news.txt")
    assert (len(received.new), received.unchanged) == (0, 2)
    assert [(s.address, s.kind, s.poll_minutes) for s in Source.objects.all()] == [(place, "listing", None)]
    assert publication.sections.get(title="What we want").shown is True


def test_an_import_by_hand_of_a_polled_page_leaves_its_polling_alone(source, publication, site):
    ((_, received),) = sources.import_from(source.address, publication)
    assert len(received.new) == 2
    again = Source.objects.get()
    assert (again.poll_minutes, again.next_poll_at, again.etag) == (60, source.next_poll_at, "")


def test_in_a_folder_what_is_no_source_is_reported_and_stops_nothing(publication, tmp_path):
    (tmp_path / "a.txt").write_text(LISTING)
    (tmp_path / "b.bin").write_bytes(b"\x00\x01\x02" * 90)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.txt").write_text("A mule turns ten\n\n1 April 2007\n\nHay, and a long speech.\n")
    (tmp_path / ".hidden").write_text(LISTING)
    found = {Path(place).name: received for place, received in sources.import_from(str(tmp_path), publication)}
    assert {name: len(received.new) for name, received in found.items()} == {"a.txt": 2, "b.bin": 0, "c.txt": 1}
    assert [(u.text, u.why) for u in found["b.bin"].unread] == [
        ("b.bin", "This is not text: it looks like a picture, an archive or a program.")
    ]


def test_a_place_that_cannot_be_read_is_said(tmp_path, settings):
    (tmp_path / "empty").mkdir()
    (tmp_path / "noise").write_bytes(b"\x00\x01\x02" * 90)
    for place, kind, said in [
        (tmp_path / "nowhere", Refusal, "There is nothing at"),
        (tmp_path / "empty", Refusal, "is empty"),
        (tmp_path / "noise", NotReadable, "This is not text"),
        ("http://192.168.1.1/", Refusal, "This is the demo"),
        ("http://[broken/", Refusal, "is not an address"),
    ]:
        with pytest.raises(kind, match=said):
            list(sources.readings(str(place)))
    settings.LOOPBACK_ONLY = False
    with pytest.raises(FetchRefused, match="private network"):
        list(sources.readings("http://192.168.1.1/"))


# Pictures


def jpeg() -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (40, 20), "teal").save(written, "JPEG")
    return written.getvalue()


@pytest.fixture
def pictured(make_item, site):
    return make_item(image_url=site.say("/boat.jpg", jpeg()), flags=["Odd."])


def test_a_picture_is_fetched_once_and_kept(pictured, site, make_item):
    make_item("Without", image_url="")
    assert sources.without_picture() == [pictured.pk]
    same = Item.objects.get(pk=pictured.pk)
    sources.fetch_picture(pictured)
    sources.fetch_picture(same)
    item = Item.objects.get(pk=pictured.pk)
    assert (item.picture, item.flags, item.image_url) == (Picture.objects.get(), ["Odd."], pictured.image_url)
    assert (len(site.asked), sources.without_picture()) == (1, [])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"status": 404}, "127.0.0.1 answers 404: there is nothing at this address."),
        ({"body": b"<html>"}, "This is no picture that can be read: give a JPEG, PNG, GIF or WebP."),
        (
            {"status": 302, "Location": "https://example.org/boat.jpg"},
            "This is the demo: it talks to this machine only, not to example.org.",
        ),
    ],
)
def test_a_picture_that_cannot_be_taken_is_flagged_and_not_asked_for_again(pictured, site, answer, said):
    site.say("/boat.jpg", **answer)
    sources.fetch_picture(pictured)
    item = Item.objects.get(pk=pictured.pk)
    assert (item.flags, item.picture) == (["Odd.", f"Its picture could not be taken: {said}"], None)
    assert (sources.without_picture(), item.state) == ([], "queued")


def test_a_picture_that_is_being_fetched_is_not_handed_over_again(pictured, site, monkeypatch):
    seen: list[Any] = []

    def look(address: str) -> Any:
        seen.append((sources.without_picture(), Item.objects.get(pk=pictured.pk).flags))
        raise Refusal("no")

    monkeypatch.setattr("publisher.reach.page", look)
    sources.fetch_picture(pictured)
    assert seen == [([], ["Odd.", "Its picture has not arrived."])]
