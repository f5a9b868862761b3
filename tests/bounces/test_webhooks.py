"""What providers report: signed or not, of our letters or not, once or often, in time or not."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from publisher import bounces, links
from publisher.delivery.providers import KINDS
from publisher.models import Bounce, Delivery
from publisher.web.public.webhooks import VIEWS
from tests.bounces import providers
from tests.bounces.conftest import everything, suppressed
from tests.bounces.providers import NO_USER, SECRETS, SPAM, signed

#: Secrets of the right form that are not ours.
OTHERS = {"resend": "whsec_b3RoZXJzZWNyZXQ=", "sendgrid": providers.ANOTHER_KEY}
HARD, SOFT, POLICY, COMPLAINT = "hard", "soft", "policy", "complaint"
#: provider, what it is given to say, what we make of it ("": nothing).
SAID = [
    ("brevo", ("hard_bounce", NO_USER), HARD),
    ("brevo", ("hard_bounce", SPAM), POLICY),
    ("brevo", ("soft_bounce", "452 4.2.2 mailbox full"), SOFT),
    ("brevo", ("invalid_email", ""), HARD),
    ("brevo", ("blocked", ""), POLICY),
    ("brevo", ("spam", ""), COMPLAINT),
    ("brevo", ("deferred", ""), ""),
    ("brevo", ("delivered", ""), ""),
    ("brevo", ("error", ""), ""),
    ("mailgun", ("failed", NO_USER), HARD),
    ("mailgun", ("failed", SPAM), POLICY),
    # It gave up after hours of "later"; or a server said no in words that tell nothing of the address.
    ("mailgun", ("failed", "Too old"), SOFT),
    ("mailgun", ("failed", "550 5.4.1 no answer that anybody understands"), SOFT),
    ("mailgun", ("complained",), COMPLAINT),
    ("mailgun", ("unsubscribed",), COMPLAINT),
    ("mailgun", ("opened",), ""),
    ("mailjet", ("bounce", "user unknown"), HARD),
    ("mailjet", ("blocked", "policy issue"), POLICY),
    ("mailjet", ("blocked", "content blocked"), POLICY),
    ("mailjet", ("spam",), COMPLAINT),
    ("mailjet", ("sent",), ""),
    ("postmark", ("Bounce", "HardBounce", NO_USER), HARD),
    ("postmark", ("Bounce", "SoftBounce", "452 4.2.2 mailbox full"), SOFT),
    ("postmark", ("Bounce", "DMARCPolicy", "550 5.7.26 unauthenticated"), POLICY),
    ("postmark", ("Bounce", "Transient", "451 later"), ""),
    ("postmark", ("Bounce", "AutoResponder", ""), ""),
    ("postmark", ("SpamComplaint", "SpamComplaint", ""), COMPLAINT),
    ("postmark", ("Delivery",), ""),
    ("resend", ("bounced", "The recipient's email provider sent a hard bounce message."), HARD),
    ("resend", ("bounced", "… a bounce message because the recipient's inbox was full.", "Transient"), SOFT),
    ("resend", ("complained",), COMPLAINT),
    ("resend", ("delivery_delayed",), ""),
    ("sendgrid", ("bounce", NO_USER), HARD),
    ("sendgrid", ("bounce", SPAM, "blocked"), POLICY),
    ("sendgrid", ("dropped", "Bounced Address"), HARD),
    ("sendgrid", ("dropped", "Unsubscribed Address"), COMPLAINT),
    ("sendgrid", ("spamreport",), COMPLAINT),
    ("sendgrid", ("processed",), ""),
    ("sparkpost", ("bounce", NO_USER, "10"), HARD),
    ("sparkpost", ("bounce", SPAM, "51"), POLICY),
    ("sparkpost", ("bounce", "452 mailbox full", "22"), SOFT),
    ("sparkpost", ("bounce", "timeout", "24"), SOFT),
    ("sparkpost", ("spam_complaint",), COMPLAINT),
    ("sparkpost", ("delay", "451 later", "70"), ""),
]


@pytest.fixture
def provider(settings):
    """provider("mailgun"): letters go there, and its events are signed with our secret."""

    def choose(name):
        settings.MAIL_PROVIDER, settings.MAIL_PROVIDER_WEBHOOK = name, SECRETS[name]

    return choose


def token_of(row):
    return links.bounce_address(row.pk).partition("@")[0].partition("+")[2]


def post(name, body, headers, client=None):
    made = client or Client(headers=headers)
    return made.post(f"/webhooks/{name}/", body, content_type="application/json")


def tell(name, row, *said):
    return post(name, *signed(name, getattr(providers, name)(token_of(row), *said)))


def state(row):
    return Delivery.objects.get(pk=row.pk).state


@pytest.mark.parametrize(("name", "said", "kind"), SAID, ids=[f"{s[0]}-{'-'.join(s[1][:2])[:40]}" for s in SAID])
def test_each_event_has_its_effect_and_no_other(digest, row, provider, name, said, kind):
    provider(name)
    assert tell(name, row, *said).status_code == 200
    found = list(Bounce.objects.values_list("delivery", "kind", "source"))
    assert found == ([(row.pk, kind, name)] if kind else [])
    assert suppressed() == (["m0"] if kind in {HARD, COMPLAINT} else [])
    assert state(row) == ("bounced" if kind in {HARD, SOFT, POLICY} else "sent")
    assert digest.deliveries.exclude(pk=row.pk).filter(state="sent").count() == 4


def test_every_provider_that_takes_letters_may_report_of_them():
    assert (
        VIEWS.keys() == KINDS.keys() == SECRETS.keys() == {name for name, _, _ in SAID} == bounces.events.FINAL.keys()
    )


def one_of(name):
    return next(said for each, said, kind in SAID if (each, kind) == (name, COMPLAINT))


@pytest.mark.parametrize("name", VIEWS)
def test_what_is_not_signed_with_our_secret_is_refused_and_changes_nothing(digest, row, provider, settings, name):
    provider(name)
    before = everything()
    event = getattr(providers, name)(token_of(row), *one_of(name))
    body, headers = signed(name, event)
    bare = json.dumps(event).encode()
    assert [post(name, bare, {}).status_code, post(name, b"{}", {}).status_code] == [403, 403]
    if name in {"resend", "sendgrid"}:
        changed = body.replace(b"m0@", b"m1@")
        assert post(name, changed, headers).status_code == 403
    settings.MAIL_PROVIDER_WEBHOOK = OTHERS.get(name, "other:secret")
    assert post(name, body, headers).status_code == 403
    settings.MAIL_PROVIDER_WEBHOOK = ""
    assert post(name, body, headers).status_code == 403
    assert everything() == before


@pytest.mark.parametrize("name", VIEWS)
def test_an_event_of_no_letter_of_ours_is_taken_and_changes_nothing(digest, row, provider, name):
    provider(name)
    before = everything()
    good = token_of(row)
    for token in ("", "nonsense", good[:-1] + ("a" if good[-1] != "a" else "b"), good + "a", None, 5, ["x"]):
        event = getattr(providers, name)(token, *one_of(name))
        assert post(name, *signed(name, event)).status_code == 200
    assert everything() == before


def test_repetitions_are_one(digest, row, provider):
    provider("postmark")
    tell("postmark", row, "Bounce", "HardBounce", NO_USER)
    before = everything()
    assert {tell("postmark", row, "Bounce", "HardBounce", NO_USER).status_code for _ in range(20)} == {200}
    assert everything() == before


def test_a_bounce_before_the_answer_that_took_the_letter_waits_for_it(digest, row, provider):
    provider("mailgun")
    digest.deliveries.filter(pk=row.pk).update(state="armed")
    tell("mailgun", row, "failed", NO_USER)
    tell("mailgun", row, "delivered")
    assert (state(row), suppressed(), bounces.settle()) == ("armed", [], 0)
    digest.deliveries.filter(pk=row.pk).update(state="sent")
    assert (bounces.settle(), state(row), suppressed()) == (1, "bounced", ["m0"])


def test_a_doubt_is_over_when_the_provider_delivered_it(digest, row, provider):
    provider("brevo")
    digest.deliveries.filter(pk=row.pk).update(state="unknown")
    tell("brevo", row, "delivered")
    assert state(row) == "sent"


@pytest.mark.parametrize("name", VIEWS)
def test_only_the_provider_that_is_set_is_listened_to(digest, row, settings, name):
    settings.MAIL_PROVIDER, settings.MAIL_PROVIDER_WEBHOOK = "", SECRETS[name]
    assert tell(name, row, *one_of(name)).status_code == 404
    assert (Client().get("/webhooks/nobody/").status_code, suppressed()) == (405, [])


def test_no_session_and_no_cookie_are_needed_and_none_is_given(digest, row, provider):
    provider("postmark")
    body, headers = signed("postmark", providers.postmark(token_of(row), "Delivery"))
    response = post("postmark", body, headers, Client(enforce_csrf_checks=True, headers=headers))
    assert (response.status_code, response.content, response.cookies) == (200, b"", {})
    assert Client().head("/webhooks/postmark/").status_code == 200


def test_what_is_torn_is_refused(digest, provider):
    provider("postmark")
    headers = signed("postmark", {})[1]
    for body in (b"", b"[]", b"{", b"\xff", b"[1, 2]", b'"x"'):
        assert (body, post("postmark", body, headers).status_code) == (body, 400)


def test_an_odd_event_costs_none_of_those_that_came_with_it(digest, row, provider):
    provider("sendgrid")
    good = providers.sendgrid(token_of(row), "bounce", NO_USER)
    body, headers = signed("sendgrid", [{"event": "bounce", "timestamp": "soon"}, 5, None, *good, {}])
    assert (post("sendgrid", body, headers).status_code, suppressed()) == (200, ["m0"])


def test_brackets_without_end_are_refused(digest, provider):
    for name in ("mailgun", "postmark"):
        provider(name)
        assert post(name, b"[" * 100_000, signed(name, {})[1]).status_code == 400
