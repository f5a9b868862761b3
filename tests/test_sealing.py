"""Stored secrets: unreadable in the database, readable with any key that is still configured."""

from __future__ import annotations

import pytest
from django.db import connection

from publisher import sealing
from publisher.models import Channel
from publisher.sealing import CannotUnseal
from tests import canaries

SECRETS = {"page_token": "the-page-token", "page_id": "1001"}


@pytest.fixture
def _keys(settings):
    settings.KEYS = {**settings.KEYS, "tokens": ["old"]}


@pytest.mark.usefixtures("_keys")
def test_what_is_sealed_comes_back_and_cannot_be_read_meanwhile():
    sealed = sealing.seal(SECRETS)
    assert "the-page-token" not in sealed
    assert sealing.unseal(sealed) == SECRETS
    assert sealing.seal(SECRETS) != sealed


@pytest.mark.usefixtures("_keys")
def test_an_older_key_still_opens_and_the_newest_seals(settings):
    sealed = sealing.seal(SECRETS)
    settings.KEYS = {**settings.KEYS, "tokens": ["new", "old"]}
    assert sealing.unseal(sealed) == SECRETS
    sealed_anew = sealing.seal(SECRETS)
    settings.KEYS = {**settings.KEYS, "tokens": ["new"]}
    assert sealing.unseal(sealed_anew) == SECRETS
    with pytest.raises(CannotUnseal, match="put the key they were sealed with back into PUBLISHER_KEYS_TOKENS"):
        sealing.unseal(sealed)


@pytest.mark.usefixtures("_keys")
@pytest.mark.parametrize("broken", ["", "nonsense", "ä", "gAAAAA"])
def test_what_was_never_sealed_is_said(broken):
    with pytest.raises(CannotUnseal):
        sealing.unseal(broken)


def test_a_channels_secrets_stand_nowhere_in_the_database(channels):
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM publisher_channel")
        rows = str(cursor.fetchall())
    assert [secret for channel in channels for secret in channel.credentials.values() if f"'{secret}'" in rows] == []
    assert Channel.objects.get(network="facebook").credentials["page_token"] == canaries.secret("page_token")
    assert "pt" not in f"{channels[1]} {channels[1]!r}"
