"""No credential is ever said: each channel's are marked, and everything that happens to it is listened to.

That the whole run is listened to stands in tests/conftest.py; here is what would make them speak.
"""

from __future__ import annotations

import logging

import pytest
from django.apps import apps
from django.core import serializers
from django.http import StreamingHttpResponse
from django.utils import timezone

from publisher import checks, clockwork, connecting, networks, post_sets, posting
from publisher.models import Channel, Post
from publisher.networks import NETWORKS
from publisher.sandbox import accounts
from tests import canaries
from tests.consenting import agree

#: What each network is told; a network that is new here has its line in the sandbox too.
CREDENTIALS = {
    "x": ("consumer_key", "consumer_secret", "access_token", "access_token_secret"),
    "facebook": ("page_token", "app_secret"),
    "mastodon": ("access_token",),
    "bluesky": ("app_password",),
}
#: Before the request, after the commit, refused, garbled: what errors are made of.
BEHAVIOURS = ("close_before_reading", "close_after_commit", "html_500", "redirect_301", "cut_body")


@pytest.fixture
def told_all():
    """Every library at DEBUG."""
    names = (None, "urllib3", "requests_oauthlib", "oauthlib", "tweepy", "httpx", "httpcore", "atproto", "mastodon")
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture(params=NETWORKS)
def channel(request, publication, sandbox, settings):
    settings.NETWORK_URLS = {
        name: f"{sandbox.url}/{path}"
        for name, path in {"x": "x", "facebook": "graph", "mastodon": "mastodon", "bluesky": "bluesky"}.items()
    }
    handle = "7007" if request.param == "facebook" else "rooms.example"
    account = f"@{handle}@rooms.example" if request.param == "mastodon" else handle
    channel = Channel(publication=publication, network=request.param, account=account)
    marked = {name: canaries.secret(name) for name in CREDENTIALS[request.param]}
    channel.credentials = marked | ({"page_id": "7007", "version": "v24.0"} if request.param == "facebook" else {})
    channel.save()
    accounts.add(sandbox.store, {"network": request.param, "handle": handle, "credentials": channel.credentials})
    return channel


@pytest.fixture
def due(channel, make_item, anne, ben):
    """As many approved posts as anything here needs."""
    made = [make_item(f"Rain in Puno, day {day}") for day in range(len(BEHAVIOURS) + 1)]
    post_set = post_sets.compose(channel.publication, made, by=anne)
    post_sets.approve(post_sets.proof(post_set, by=anne), by=ben)
    Post.objects.update(due_at=timezone.now())
    return list(post_set.posts.select_related("channel__publication"))


def everything_stored():
    """All rows but what is sealed, as an export of them would be."""
    rows = [row for model in apps.get_app_config("publisher").get_models() for row in model._default_manager.all()]
    return serializers.serialize("json", rows)


def test_no_credential_is_said_whatever_the_network_does(sandbox, due, told_all, caplog):
    for post, behaviour in zip(due, (None, *BEHAVIOURS), strict=True):
        if behaviour:
            sandbox.fault(post.channel.network, behaviour, "*", times=2)
        posting.publish(post)
        posting.reconcile(Post.objects.get(pk=post.pk))
    canaries.look("a check", str(list(checks._channels())))
    clockwork.tick()
    canaries.look("the database", everything_stored())
    assert canaries.heard() == []
    assert "Starting new HTTP connection" in caplog.text


def test_no_credential_is_said_where_an_adapter_breaks(sandbox, due, told_all, caplog, monkeypatch):
    network = due[0].channel.network

    def broken(*_, **__):
        raise ValueError(f"no, not with {due[0].channel.credentials}")

    sandbox.fault(network, "close_after_commit", "post", times=1)
    posting.publish(due[0])
    for post, verb in zip(due, ("find", "publish", "__init__"), strict=False):
        with monkeypatch.context() as changed:
            changed.setattr(networks.network_class(network), verb, broken)
            posting.publish(post)
            posting.reconcile(Post.objects.get(pk=post.pk))
    canaries.look("the database", everything_stored())
    assert canaries.heard() == []
    assert caplog.text.count("ValueError: no, not with") == 3


def test_no_credential_is_on_a_page(due, anne, client):
    client.force_login(anne)
    for address in ("items", "digests", "wordings", "channels", "plan", "campaigns", "sets"):
        assert client.get(f"/staff/{address}/").status_code == 200, address
    assert canaries.heard() == []


def test_the_watch_hears_what_is_said(publication, tmp_path):
    said = {"name": "anybody", "msg": "signed with %s", "args": (canaries.secret("token"),)}
    canaries.LISTENER.handle(logging.makeLogRecord(said))
    canaries.look("a header", "Basic cm9vbXM6Y2FuYXJ5LW9mLXRoZS1jYXN0LWFjY2Vzc190b2tlbg==")
    canaries.look("a page", "sealed")
    type(publication).objects.filter(site_url=canaries.secret("token")).exists()
    export = StreamingHttpResponse(canaries._streamed("/export/", [b"address", canaries.secret("token").encode()]))
    assert b"".join(export).startswith(b"address")
    (tmp_path / "demo.log").write_text("asked with demo-psg-page-token")
    canaries.look_into(tmp_path)
    (tmp_path / "demo.log").unlink()
    heard = [said.partition(":")[0] for said in canaries.heard()]
    assert heard == ["the log of anybody", "a header", "the database", "the export /export/", "the file demo.log"]


def test_what_the_sandbox_gives_out_is_marked(sandbox, anne, publication, settings):
    settings.NETWORK_URLS = {"mastodon": f"{sandbox.url}/mastodon"}
    typed = {"access_token": canaries.secret("typed")}
    accounts.add(sandbox.store, {"network": "mastodon", "handle": "rooms", "credentials": typed})
    begun = connecting.begin(publication, "mastodon", by=anne, session="s", asked={"server": "rooms.example"})
    channel = connecting.answer(agree(connecting.address_of(begun)), by=anne, session="s")
    assert canaries.MARK in channel.credentials["access_token"]
