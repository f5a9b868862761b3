"""Consent on the networks' own pages, walked by real requests against the sandbox: every no has its sentence."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
import requests

from publisher.networks import facebook_consent, mastodon_consent, x_consent
from publisher.networks.base import Outgoing, Refused, TryLater, Unknown
from publisher.networks.facebook import Facebook
from publisher.networks.mastodon import Mastodon
from publisher.networks.x import X
from publisher.sandbox import accounts, clock
from tests import canaries
from tests.consenting import APPS, agree, register

BACK = "https://publisher.example/staff/channels/answered/"


@pytest.fixture
def x_way(sandbox):
    register(sandbox, BACK)
    return x_consent.Consent(app=APPS["x"], address=f"{sandbox.url}/x")


@pytest.fixture
def facebook_way(sandbox):
    register(sandbox, BACK)
    return facebook_consent.Consent(app=APPS["facebook"], address=f"{sandbox.url}/graph")


@pytest.fixture
def _clock_at_rest():
    yield
    clock.put(ahead=0)


def walk(way, **answers):
    begun = way.begin(back=BACK, state="the-state", asked={})
    query = agree(begun.address, **answers)
    assert query.pop("state") == "the-state"
    return way.finish(back=BACK, answer=query, kept=begun.kept)


# ---- X


def test_consent_on_x_gives_keys_that_post(sandbox, x_way):
    (candidate,) = walk(x_way)
    adapter = X(credentials=candidate.credentials, address=f"{sandbox.url}/x", account=candidate.account)
    adapter.publish(Outgoing(text="Books cross the lake", link=None))
    assert candidate.account == "update_news"
    assert [post["text"] for post in sandbox.json("/x/posts.json")] == ["Books cross the lake"]
    assert adapter.check().problem is None
    assert sorted(candidate.credentials) == ["oauth2_ends", "oauth2_refresh_token", "oauth2_token", "user_id"]


def test_the_secret_of_x_stays_out_of_every_address(x_way):
    begun = x_way.begin(back=BACK, state="the-state", asked={})
    assert APPS["x"]["client_secret"] not in begun.address
    assert begun.kept["verifier"] not in begun.address
    assert "canary" not in f"{begun!r}"


def test_who_says_no_on_x_connects_nothing(x_way):
    with pytest.raises(Refused, match="X was told no: nothing is connected"):
        walk(x_way, allow=False)


def test_a_permission_that_was_left_out_is_named(x_way):
    with pytest.raises(Refused, match=r"media\.write is missing"):
        walk(x_way, without=["media.write"])


def test_a_code_is_good_once_and_for_who_has_the_verifier(x_way):
    begun = x_way.begin(back=BACK, state="s", asked={})
    query = agree(begun.address)
    with pytest.raises(Refused, match="does not take the code"):
        x_way.finish(back=BACK, answer=query, kept={"verifier": "of somebody else"})
    with pytest.raises(Refused, match="does not take the code"):
        x_way.finish(back=BACK, answer=query, kept=begun.kept)


def test_the_address_to_come_back_to_is_exact(sandbox, x_way):
    begun = x_way.begin(back=BACK + "?more", state="s", asked={})
    assert requests.get(begun.address, timeout=5).status_code == 400


@pytest.mark.usefixtures("_clock_at_rest")
def test_a_code_of_x_ends_after_half_a_minute(x_way):
    begun = x_way.begin(back=BACK, state="s", asked={})
    query = agree(begun.address)
    clock.put(ahead=31)
    with pytest.raises(Refused, match="good for 30 seconds"):
        x_way.finish(back=BACK, answer=query, kept=begun.kept)


def test_an_app_that_x_does_not_know_is_named(sandbox, x_way):
    begun = x_way.begin(back=BACK, state="s", asked={})
    wrong = x_consent.Consent(app={**APPS["x"], "client_secret": "wrong"}, address=f"{sandbox.url}/x")
    with pytest.raises(Refused, match="PUBLISHER_X_CLIENT_ID"):
        wrong.finish(back=BACK, answer=agree(begun.address), kept=begun.kept)


@pytest.mark.usefixtures("_clock_at_rest")
def test_a_renewal_gives_new_keys_and_uses_the_old_ones_up(sandbox, x_way):
    (candidate,) = walk(x_way)
    ends = x_way.ends(candidate.credentials)
    assert timedelta(minutes=110) < ends - datetime.now(UTC) < timedelta(minutes=121)
    renewed = x_way.renew(candidate.credentials)
    assert renewed["user_id"] == candidate.credentials["user_id"]
    clock.put(ahead=7201)
    old = X(credentials=candidate.credentials, address=f"{sandbox.url}/x", account="update_news").check()
    assert old.refused
    with pytest.raises(Refused, match="no longer accepts"):
        x_way.renew(candidate.credentials)
    with pytest.raises(Refused, match="no longer accepts"):
        # Whoever uses a token twice may have stolen it: X takes all that came of it.
        x_way.renew(renewed)


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [
        ("silent_after_commit", Unknown),
        ("internal_error", Unknown),
        ("html_success", Unknown),
        ("rate_limited", TryLater),
    ],
)
def test_a_renewal_without_an_answer_is_no_refusal(sandbox, x_way, behaviour, failure):
    (candidate,) = walk(x_way)
    x_way._session.timeouts = (0.3, 0.3)
    sandbox.fault("x", behaviour, "token")
    with pytest.raises(failure):
        x_way.renew(candidate.credentials)


# ---- Facebook


def test_consent_on_facebook_gives_the_pages_with_their_own_tokens(sandbox, facebook_way):
    accounts.add(
        sandbox.store,
        {
            "network": "facebook",
            "page_id": "2002",
            "name": "Other",
            "credentials": {"page_token": "t2", "tasks": "MODERATE"},
        },
    )
    first, other = sorted(walk(facebook_way), key=lambda candidate: candidate.account == "Other")
    adapter = Facebook(credentials=first.credentials, address=f"{sandbox.url}/graph", account=first.account)
    adapter.publish(Outgoing(text="Books cross the lake", link=None))
    assert first.credentials.pop("page_token").startswith("EAAP")
    assert first.credentials == {"page_id": "1001", "app_secret": APPS["facebook"]["client_secret"]}
    assert (first.names, first.problem) == (frozenset({"1001"}), "")
    assert (other.credentials, "CREATE_CONTENT is missing" in other.problem) == ({}, True)
    assert len(sandbox.json("/graph/posts.json")) == 1


def test_an_end_that_facebook_tells_of_is_kept(sandbox, facebook_way):
    ends = int(datetime(2030, 1, 2, tzinfo=UTC).timestamp())
    credentials = {"page_id": "1001", "page_token": canaries.secret("token-of-page-1001"), "expires_at": str(ends)}
    accounts.add(sandbox.store, {"network": "facebook", "name": "Update", "credentials": credentials})
    (candidate,) = walk(facebook_way)
    adapter = Facebook(
        credentials={**candidate.credentials, "version": "v26.0"}, address=f"{sandbox.url}/graph", account="Update"
    )
    assert adapter.check().expires_at == datetime(2030, 1, 2, tzinfo=UTC)


def test_every_no_on_facebook_has_its_sentence(sandbox, facebook_way):
    with pytest.raises(Refused, match="Facebook was told no"):
        walk(facebook_way, allow=False)
    with pytest.raises(Refused, match="has no role on any page"):
        walk(facebook_way, accounts=[])
    with pytest.raises(Refused, match="pages_manage_posts is missing"):
        walk(facebook_way, without=["pages_manage_posts"])
    begun = facebook_way.begin(back=BACK, state="s", asked={})
    wrong = facebook_consent.Consent(app={**APPS["facebook"], "client_secret": "wrong"}, address=f"{sandbox.url}/graph")
    with pytest.raises(Refused, match="PUBLISHER_FACEBOOK_APP_ID"):
        wrong.finish(back=BACK, answer=agree(begun.address), kept=begun.kept)


# ---- Mastodon


@pytest.fixture
def mastodon_way(sandbox):
    token = {"access_token": canaries.secret("typed-in")}
    accounts.add(sandbox.store, {"network": "mastodon", "handle": "@update@news.example", "credentials": token})
    return mastodon_consent.Consent(app={}, address=f"{sandbox.url}/mastodon")


def test_consent_on_mastodon_needs_no_app_of_ours_and_gives_a_token_that_posts(sandbox, mastodon_way):
    (candidate,) = walk(mastodon_way)
    adapter = Mastodon(credentials=candidate.credentials, address=f"{sandbox.url}/mastodon", account=candidate.account)
    adapter.publish(Outgoing(text="Books cross the lake", link=None))
    assert candidate.account == f"@update@{sandbox.url.removeprefix('http://')}"
    assert [post["text"] for post in sandbox.json("/mastodon/posts.json")] == ["Books cross the lake"]
    assert (adapter.check().problem, mastodon_way.ends(candidate.credentials)) == (None, None)


def test_every_no_on_mastodon_has_its_sentence(sandbox, mastodon_way):
    with pytest.raises(Refused, match="Mastodon was told no"):
        walk(mastodon_way, allow=False)
    with pytest.raises(Refused, match="write:statuses is missing"):
        walk(mastodon_way, without=["write:statuses"])
    begun = mastodon_way.begin(back=BACK, state="s", asked={})
    query = agree(begun.address)
    for kept in ({**begun.kept, "verifier": "of somebody else"}, begun.kept):
        with pytest.raises(Refused, match="good once and for ten minutes"):
            mastodon_way.finish(back=BACK, answer=query, kept=kept)
    nowhere = mastodon_consent.Consent(app={}, address=f"{sandbox.url}/nothing")
    with pytest.raises(Refused, match="there is no Mastodon at this address"):
        nowhere.begin(back=BACK, state="s", asked={})


def test_no_secret_of_a_consent_is_logged(sandbox, x_way, facebook_way, caplog):
    caplog.set_level(logging.DEBUG)
    (x,) = walk(x_way)
    (page,) = walk(facebook_way)
    said = "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith("publisher.sandbox")
    )
    secrets = [x.credentials["oauth2_token"], x.credentials["oauth2_refresh_token"], page.credentials["page_token"]]
    assert [secret for secret in (*secrets, *(app["client_secret"] for app in APPS.values())) if secret in said] == []
