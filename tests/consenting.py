"""Somebody at the pages of a network, who is asked for consent: what they come back with."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import requests
from lxml import html

from tests import canaries

APPS = {
    "x": {"client_id": "app-of-x", "client_secret": canaries.secret("x-app")},
    "facebook": {"client_id": "4711", "client_secret": canaries.secret("facebook-app")},
}


def register(sandbox, back):
    """Our apps at the networks of the sandbox, with the one address that people are sent back to."""
    for network, app in APPS.items():
        answer = requests.post(f"{sandbox.url}/control/apps", json={"network": network, "redirect_uri": back, **app})
        assert answer.status_code == 201, answer.text


def agree(address, *, allow=True, accounts=None, without=()):
    """The query with which the network sends them back: their answer on its page, as the form that is there."""
    page = requests.get(address, timeout=5)
    assert page.status_code == 200, page.text
    form = html.fromstring(page.text).forms[0]
    fields = [(field.name, field.value) for field in form.inputs if field.get("type") == "hidden"]
    boxes = [box.get("value") for box in form.cssselect("[name=account]") if box.get("checked") is not None]
    fields += [("account", one) for one in (boxes if accounts is None else accounts)]
    fields += [("without", scope) for scope in without] + [("allow", "yes" if allow else "no")]
    sent = requests.post(address, data=fields, allow_redirects=False, timeout=5)
    assert sent.status_code == 302, sent.text
    return dict(parse_qsl(urlsplit(sent.headers["Location"]).query))
