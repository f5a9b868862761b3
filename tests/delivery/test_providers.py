"""PUBLISHER_MAIL_PROVIDER and its companions: what they mean, and that a mistake is named without showing the key."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils.module_loading import import_string

from publisher.delivery import parcels
from publisher.delivery.message import build
from publisher.delivery.providers import KINDS, Provider, ProviderWrong, parse_provider
from publisher.letters import Letter


def test_nothing_set_is_no_provider():
    assert parse_provider("", "", "", "") is None
    assert parse_provider(" ", "left over", "", "") is None


def test_a_name_and_a_key_are_enough():
    found = parse_provider(" Resend ", " re_1 ", "", "")
    assert found == Provider("resend", "https://api.resend.com/", ("re_1",))
    assert str(found) == "Resend (api.resend.com)"
    assert "re_1" not in repr(found)


def test_a_key_of_two_parts_an_address_and_options():
    assert parse_provider("mailjet", "k:s:t", "", "") == Provider("mailjet", KINDS["mailjet"].url, ("k", "s:t"))
    assert parse_provider("mailgun", "k", "https://api.eu.mailgun.net/v3", "sender_domain=mg.example.org,") == Provider(
        "mailgun", "https://api.eu.mailgun.net/v3/", ("k",), (("sender_domain", "mg.example.org"),)
    )
    local = parse_provider("postmark", "k", "http://127.0.0.1:8025", "")
    assert local is not None
    assert local.url == "http://127.0.0.1:8025/"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("pigeon", "k", "", ""), "PUBLISHER_MAIL_PROVIDER: 'pigeon' is not known; there are brevo, mailgun,"),
        (("amazon_ses", "k", "", ""), "Amazon SES takes letters by SMTP: set PUBLISHER_SMTP_URL"),
        (("resend", "", "", ""), "PUBLISHER_MAIL_PROVIDER_KEY: Resend needs one, as API_KEY."),
        (("mailjet", "s3cret", "", ""), "PUBLISHER_MAIL_PROVIDER_KEY: Mailjet needs one, as API_KEY:SECRET_KEY."),
        (("resend", "s3cret\nx", "", ""), "PUBLISHER_MAIL_PROVIDER_KEY: there is a space, or something that no key"),
        (("resend", "k", "http://api.resend.com/", ""), "the key would go over the network in clear text"),
        (("resend", "k", "ftp://x", ""), "PUBLISHER_MAIL_PROVIDER_URL: it must be the beginning of its addresses"),
        (("resend", "k", "https://u:s3cret@x/", ""), "no password, ? or # may stand in it"),
        (("resend", "k", "https://x:99999/", ""), "the host or the port cannot be read"),
        (("resend", "k", "", "sender_domain=x"), "'sender_domain' is no option of Resend; it knows none."),
        (("mailgun", "k", "", "domain=x"), "'domain' is no option of Mailgun; it knows sender_domain=…."),
        (("mailgun", "k", "", "sender_domain=x,sender_domain=y"), "an option stands there twice."),
    ],
)
def test_a_mistake_is_named_and_no_key_is_shown(given, said):
    with pytest.raises(ProviderWrong, match=re.escape(said)) as wrong:
        parse_provider(*given)
    assert "s3cret" not in str(wrong.value)


def test_letters_go_one_way(settings):
    settings.MAIL_PROVIDER, settings.MAIL_PROVIDER_KEY, settings.SMTP_URL = "resend", "k", "smtp://127.0.0.1:25"
    with pytest.raises(ProviderWrong, match="are both set: letters go one way"):
        parcels.chosen()


@pytest.mark.parametrize("name", KINDS)
def test_each_provider_can_be_opened_with_its_key_and_its_options(name):
    """Anymail knows the names that the table gives it: a key or an option that it does not know, it would ask for."""
    kind = KINDS[name]
    key, options = ":".join("k" for _ in kind.key), ",".join(f"{option}=x" for option in kind.options)
    provider = parse_provider(name, key, "http://127.0.0.1:1/", options)
    assert provider is not None
    backend = parcels._backend(provider)
    assert isinstance(backend, import_string(kind.backend))
    assert {getattr(backend, part) for part in kind.key} == {"k"}
    assert {getattr(backend, option) for option in kind.options} <= {"x"}
    assert backend.api_url == "http://127.0.0.1:1/"


OUR_HEADERS = {"List-Unsubscribe": "<https://x.example/leave/1>", "List-Id": "<update.x.example>", "Precedence": "bulk"}


@pytest.mark.parametrize("name", KINDS)
def test_each_provider_is_given_the_headers_and_told_not_to_track_or_fill_in(name):
    provider = parse_provider(name, "k:k" if name == "mailjet" else "k", "", "")
    assert provider is not None
    asked = request_of(provider)
    said = json.dumps(asked["data"]) if isinstance(asked["data"], dict) else asked["data"]
    said += str(asked["files"])
    withheld = {header for header in OUR_HEADERS if header.lower() in provider.kind.withheld}
    assert {header for header in OUR_HEADERS if header in said} == set(OUR_HEADERS) - withheld
    assert all(text in said for text in ("Rooms", "office@x.example", "a@members.example", "<p>Hello"))
    assert NO_TRACKING[name] in re.sub(r"\s", "", said)


NO_TRACKING = {
    "brevo": "",  # neither can be told with a letter
    "resend": "",
    "mailgun": '"o:tracking":"no"',
    "mailjet": '"TrackClicks":"disabled","TrackOpens":"disabled"',
    "postmark": '"TrackLinks":"None","TrackOpens":false',
    "sendgrid": '"tracking_settings":{"click_tracking":{"enable":false},"open_tracking":{"enable":false},'
    '"subscription_tracking":{"enable":false}}',
    "sparkpost": '"options":{"click_tracking":false,"open_tracking":false,"perform_substitutions":false}',
}


def request_of(provider: Provider) -> Any:
    """What would be asked of it for one letter."""
    message = build(
        Letter("News", "<p>Hello {first_name}</p>", "Hello {first_name}"),
        sender=("Rooms", "update@x.example"),
        recipient=('Ann "A" Ü', "a@members.example"),
        headers={**OUR_HEADERS, "Reply-To": "office@x.example"},
        values={"first_name": "Ann"},
        message_id="<1@x.example>",
        date=datetime(2007, 3, 31, tzinfo=UTC),
    )
    backend = parcels._backend(provider)
    payload = backend.build_message_payload(parcels._letter(provider, "a@members.example", message), {})
    return payload.get_request_params(backend.api_url)
