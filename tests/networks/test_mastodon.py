"""What we send to Mastodon, and what its answers mean."""

from datetime import timedelta
from email.utils import format_datetime

import pytest

from publisher.networks import connect, place
from publisher.networks.base import Outgoing, Picture, Published, Refused, TryLater, Unknown
from publisher.networks.mastodon import Mastodon
from tests.networks.conftest import MASTODON_KEYS, Script, reply
from tests.networks.mastodon_answers import CREATED, LINK, NOW, POST, asked_for, form, limited, said, status

PICTURE = Picture(b"\x89PNG\r\n\x1a\n...", "image/png", "Children at a well")


def test_a_post_is_published_with_its_id_and_address(script: Script, mastodon: Mastodon):
    script.play(CREATED)

    published = mastodon.publish(POST)

    assert published == Published("109348", "https://mastodon.example/@psg/109348", NOW + timedelta(seconds=5))
    (asked,) = script.asked
    assert (asked.method, asked.target) == ("POST", "/api/v1/statuses")
    assert form(asked) == {"status": [POST.text], "visibility": ["public"], "sensitive": ["0"], "lang": ["en"]}
    assert asked.headers["Authorization"] == f"Bearer {MASTODON_KEYS['access_token']}"


def test_each_attempt_at_a_post_has_its_key(script: Script, mastodon: Mastodon):
    script.play(CREATED)

    for outgoing in (POST, POST, Outgoing(POST.text, LINK)):
        mastodon.publish(outgoing)

    assert [asked.headers["Idempotency-Key"] for asked in script.asked] == ["post-7", "post-7", None]


def test_an_address_that_nobody_should_follow_is_not_kept(script: Script, mastodon: Mastodon):
    script.play(reply(200, status("7") | {"url": "javascript:alert(1)"}))

    assert mastodon.publish(POST).url == f"{script.address}/@psg/7"


@pytest.mark.parametrize(
    ("account", "more", "server"),
    [
        ("@psg@mastodon.example", {}, "mastodon.example"),
        ("psg@mastodon.example:8443", {}, "mastodon.example:8443"),
        ("@psg@example.org", {"server": "social.example.org"}, "social.example.org"),
    ],
)
def test_the_account_tells_its_server(account, more, server):
    found = place("mastodon", "https://{server}", credentials=MASTODON_KEYS | more, account=account)

    assert found == f"https://{server}"


@pytest.mark.parametrize(
    ("account", "more"),
    [
        ("psg", {}),
        ("@psg@localhost", {}),
        ("@psg@127.0.0.1", {}),
        ("@psg@mastodon.example/elsewhere", {}),
        ("@psg@mastodon.example", {"server": "http://mastodon.example"}),
        ("@psg@mastodon.example", {"server": "a@mastodon.example"}),
    ],
)
def test_what_names_no_server_is_refused(account, more):
    with pytest.raises(Refused, match="@name@mastodon") as caught:
        place("mastodon", "https://{server}", credentials=MASTODON_KEYS | more, account=account)

    assert caught.value.kind == "credentials"


def test_an_address_that_is_set_is_taken_for_every_account():
    assert place("mastodon", "http://127.0.0.1:9", credentials={}, account="psg") == "http://127.0.0.1:9"


def test_a_network_at_one_address_has_no_server_of_an_account():
    with pytest.raises(Refused, match="one address"):
        place("x", "https://{server}", credentials={}, account="@psg@mastodon.example")


def test_a_token_that_is_the_name_of_a_file_stays_one(script: Script, tmp_path):
    file = tmp_path / "token"
    file.write_text("what stands in a file of ours\nhttps://elsewhere.example\n")
    script.play(CREATED)

    connect(
        "mastodon", credentials={"access_token": str(file)}, address=script.address, account="@psg@m.example"
    ).publish(POST)

    (asked,) = script.asked
    assert asked.headers["Authorization"] == f"Bearer {file}"


def test_a_picture_is_uploaded_with_its_description_before_it_is_posted(script: Script, mastodon: Mastodon):
    script.play(reply(200, {"id": "77", "url": "https://m.example/77.png"}), CREATED)

    mastodon.publish(Outgoing(POST.text, LINK, PICTURE))

    assert asked_for(script) == [("POST", "/api/v2/media"), ("POST", "/api/v1/statuses")]
    upload, create = script.asked
    assert upload.headers.get_content_type() == "multipart/form-data"
    assert PICTURE.content in upload.body
    assert b'name="description"\r\n\r\nChildren at a well\r\n' in upload.body
    assert form(create)["media_ids[]"] == ["77"]


def test_a_picture_that_is_being_prepared_is_waited_for(script: Script, mastodon: Mastodon):
    accepted, unready, ready = (reply(code, {"id": "77", "url": None}) for code in (202, 206, 200))
    script.play(accepted, unready, unready, ready, CREATED)

    mastodon.publish(Outgoing(POST.text, LINK, PICTURE))

    looks = [("GET", "/api/v1/media/77")] * 3
    assert asked_for(script) == [("POST", "/api/v2/media"), *looks, ("POST", "/api/v1/statuses")]


def test_a_picture_that_is_never_ready_is_tried_later(script: Script, mastodon: Mastodon):
    script.play(reply(202, {"id": "77"}), reply(206, {"id": "77"}))

    with pytest.raises(TryLater, match="still prepares"):
        mastodon.publish(Outgoing(POST.text, LINK, PICTURE))

    assert asked_for(script) == [("POST", "/api/v2/media"), *[("GET", "/api/v1/media/77")] * 3]


def test_a_picture_that_cannot_be_prepared_is_refused(script: Script, mastodon: Mastodon):
    script.play(reply(202, {"id": "77"}), said(422, "Error processing thumbnail for uploaded media"))

    with pytest.raises(Refused, match="cannot read the picture"):
        mastodon.publish(Outgoing(POST.text, LINK, PICTURE))


@pytest.mark.parametrize("act", ["never answer", "close after reading", reply(503, "<html>"), reply(200, {"id": None})])
@pytest.mark.parametrize("before", [[], [reply(202, {"id": "77"})]])
def test_a_picture_that_fails_has_posted_nothing(script: Script, mastodon: Mastodon, before, act):
    if before and isinstance(act, bytes) and b'"id": null' in act:
        act = reply(500, "<html>")
    script.play(*before, act)

    with pytest.raises(TryLater) as caught:
        mastodon.publish(Outgoing(POST.text, LINK, PICTURE))

    assert caught.value.kind == "server"
    assert len(script.asked) == len(before) + 1


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (Picture(b"..", "image/tiff", "a"), "type image/tiff"),
        (Picture(b"." * (16 * 2**20 + 1), "image/png", "a"), "at most 16 MB"),
        (Picture(b"..", "image/png", "a" * 1501), "at most 1500 characters"),
    ],
)
def test_a_picture_that_mastodon_would_refuse_is_not_sent(script: Script, mastodon: Mastodon, picture, says):
    with pytest.raises(Refused, match=says):
        mastodon.publish(Outgoing(POST.text, LINK, picture))

    assert script.asked == []


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("Clean water", 11),
        ("Café, Cafe\u0301", 10),
        ("👩‍👩‍👧🇵🇪", 2),
        (LINK, 23),
        (f"({LINK}?{'a' * 600}).", 26),
        ("https://a.kids", 23),
        ("http://localhost:8000/news/of-the-week", 38),
        ("See report.md and www.example.org", 33),
        ("Thanks @ana@mastodon.example, me@example.org!", 28),
    ],
)
def test_a_text_is_counted_as_mastodon_counts_it(text, length):
    assert Mastodon.measure(text) == length


def test_a_text_that_is_too_long_is_not_sent(script: Script, mastodon: Mastodon):
    with pytest.raises(Refused, match="measures 501") as caught:
        mastodon.publish(Outgoing("é" * 477 + " " + LINK, None))

    assert (caught.value.kind, script.asked) == ("text", [])


def test_a_missing_token_is_named():
    with pytest.raises(Refused, match="access_token") as caught:
        connect("mastodon", credentials={}, address="https://m.example", account="@psg@m.example")

    assert caught.value.kind == "credentials"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (said(400, "param is missing or the value is empty"), "other"),
        (said(401, "The access token is invalid"), "credentials"),
        (reply(401, "<html>"), "credentials"),
        (said(403, "This action is outside the authorized scopes"), "permission"),
        (said(403, "Your login is currently disabled"), "credentials"),
        (said(403, "This action is not allowed"), "permission"),
        (reply(403, "<html>Attention required"), "permission"),
        (said(404, "Record not found"), "other"),
        (reply(410, "<html>"), "credentials"),
        (reply(413, "<html>413 Request Entity Too Large"), "other"),
        (said(422, "This method requires an authenticated user"), "credentials"),
        (said(422, "Validation failed: Text character limit of 500 exceeded"), "text"),
        (said(422, "Validation failed: Text can't be blank"), "text"),
        (said(422, "Duplicate record"), "duplicate"),
        (said(422, "Cannot attach more than 4 files"), "other"),
        (reply(422, [1, 2]), "other"),
        (reply(451), "other"),
    ],
)
def test_a_refusal_is_told_apart(script: Script, mastodon: Mastodon, answer, kind):
    script.play(answer)

    with pytest.raises(Refused) as caught:
        mastodon.publish(POST)

    assert (caught.value.kind, len(script.asked)) == (kind, 1)
    assert caught.value.code == int(answer[9:12])


def test_a_refusal_quotes_what_mastodon_says(script: Script, mastodon: Mastodon):
    script.play(said(422, "Validation failed: Text character limit of 500 exceeded"))

    with pytest.raises(Refused) as caught:
        mastodon.publish(POST)

    assert str(caught.value) == (
        "Mastodon says that the text is too long. It says: “Validation failed: Text character limit of 500 exceeded”"
    )


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (limited(X_RateLimit_Reset="2026-11-22T10:02:00.000000Z"), 121),
        (limited(X_RateLimit_Reset="2026-11-22T12:30:00.500000Z"), 9001),
        (limited(X_RateLimit_Reset=str(int(NOW.timestamp()) + 120)), 121),
        (limited(X_RateLimit_Reset="2026-11-22T10:02:00"), 121),
        (limited(Retry_After="40"), 40),
        (limited(Retry_After="40", X_RateLimit_Reset="2026-11-22T10:02:00Z"), 121),
        (limited(), 300),
        (limited(X_RateLimit_Reset="soon"), 300),
        (limited(X_RateLimit_Reset="2026-11-22T09:59:00Z"), 300),
        (limited(X_RateLimit_Reset="2036-11-22T09:59:00Z"), 300),
        (limited(X_RateLimit_Reset="9" * 30), 300),
    ],
)
def test_a_limit_says_when_it_ends_by_their_own_clock(script: Script, mastodon: Mastodon, answer, after):
    script.play(answer)

    with pytest.raises(TryLater) as caught:
        mastodon.publish(POST)

    assert (caught.value.kind, caught.value.after, len(script.asked)) == ("rate", after, 1)


def test_the_last_post_that_a_limit_allows_says_how_long_to_rest(script: Script, mastodon: Mastodon):
    limits = {"Date": format_datetime(NOW, usegmt=True), "X_RateLimit_Reset": "2026-11-22T12:30:00.000000Z"}
    script.play(*(reply(200, status("9"), X_RateLimit_Remaining=left, **limits) for left in ("1", "0")))

    assert [mastodon.publish(POST).rest for _ in range(2)] == [0, 9001]


def test_a_status_that_was_only_accepted_is_not_there_yet(script: Script, mastodon: Mastodon):
    script.play(reply(202, status("9")))

    with pytest.raises(Unknown):
        mastodon.publish(POST)


@pytest.mark.parametrize(
    "answer",
    [
        status("109348") | {"id": None},
        status("109348") | {"id": 109348},
        status("109348") | {"id": "../1"},
        status("109348") | {"created_at": "soon"},
        {"id": "109348", "scheduled_at": "2026-11-23T10:00:00.000Z", "params": {}},
        {"id": "109348", "data": {"id": "109348"}},
    ],
)
def test_what_is_not_a_whole_status_is_no_success(script: Script, mastodon: Mastodon, answer):
    script.play(reply(200, answer))

    with pytest.raises(Unknown):
        mastodon.publish(POST)


def test_a_body_is_what_was_written(script: Script, mastodon: Mastodon):
    """Nothing that Mastodon.py has of its own goes along: no schedule, no warning, no poll."""
    script.play(reply(200, {"id": "77"}), CREATED)

    mastodon.publish(Outgoing("“Sí” & 👩‍👩‍👧 = 1+1", None, PICTURE))

    assert form(script.asked[1]) == {
        "status": ["“Sí” & 👩‍👩‍👧 = 1+1"],
        "media_ids[]": ["77"],
        "visibility": ["public"],
        "sensitive": ["0"],
        "lang": ["en"],
    }
