"""What comes in with a form: no character that cannot be stored, and nothing that another site has made."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse

from publisher.models import Campaign, JoinRequest, Publication


def test_what_no_database_takes_is_said_to_the_person_and_changes_nothing(as_anne, read, publication, make_item):
    item = make_item("A reading room opens")
    answers = [
        as_anne.generic("POST", address, *form(name, "Quinoa\x00", "utf-8"))
        for address, name in (
            (reverse("item-correct-draft", args=[item.pk]), "said"),
            (reverse("channel-connect", args=["update", "x"]), "account"),
            (reverse("campaign-add", args=["update"]), "hashtag"),
            (reverse("sign-in"), "username"),
            (reverse("subscribe", args=["update"]), "email"),
        )
    ]
    assert [read(answer).one("h1") for answer in answers] == ["That cannot be stored"] * 5
    assert {answer.status_code for answer in answers} == {400}
    assert (Campaign.objects.count(), Publication.objects.get().channels.count()) == (0, 0)


def test_an_address_and_a_cookie_are_read_as_well(client, publication):
    client.cookies["sessionid"] = "\x00" * 32
    assert client.get(reverse("sign-in")).status_code == 400
    client.cookies.clear()
    assert client.get(reverse("archive", args=["update"]), {"q": "\x00"}).status_code == 400
    assert client.get(reverse("archive", args=["update"]), {"q": "Quinoa ñ 日"}).status_code == 200


@pytest.mark.parametrize("charset", ["unicode-escape", "utf-7", "utf-16", "zlib", "idna", "undefined"])
def test_an_encoding_that_a_client_names_is_not_believed(client, publication, charset):
    """Python has codecs that make halves of surrogates, and some that make no text at all."""
    answers = [
        client.generic("POST", reverse(name, args=args), *form("email", r"\ud800+2AA-", charset))
        for name, args in (("subscribe", ["update"]), ("ask-preferences", []), ("leave", ["token"]), ("sign-in", []))
    ]
    assert [answer.status_code for answer in answers] == [422, 422, 400, 200]
    assert not JoinRequest.objects.exists()


def form(name, value, charset):
    """A form of one field, as a client may send it that says so little about itself as this one."""
    body = f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n--b--\r\n'
    return body.encode(), f"multipart/form-data; boundary=b; charset={charset}"


def test_no_form_of_the_staff_is_taken_from_another_site(anne):
    """Every address under /staff/, whatever it does: without the token of our own pages it changes nothing."""
    abroad = Client(enforce_csrf_checks=True)
    abroad.force_login(anne)
    found = {address: abroad.post(address).status_code for address in staff_addresses(get_resolver())}
    assert len(found) > 100
    # 405: a page that takes no form at all.
    assert {address: status for address, status in found.items() if status not in (403, 405)} == {}


def staff_addresses(resolver, before="/"):
    for pattern in resolver.url_patterns:
        place = before + re.sub(r"<int:\w+>", "1", re.sub(r"<slug:\w+>", "update", str(pattern.pattern)))
        if isinstance(pattern, URLResolver):
            yield from staff_addresses(pattern, place)
        elif place.startswith("/staff/"):
            yield place
