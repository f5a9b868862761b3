"""Every request the X adapter makes, held against X's own description of its API (openapi.json)."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from publisher.networks import connect
from publisher.networks.base import Outgoing, Picture
from publisher.networks.x import X
from publisher.networks.x_consent import REFRESH, SCOPES, Consent
from tests.networks.conftest import X_KEYS, Asked, Script, reply

ROOT = Path(__file__).resolve().parents[2]
DESCRIPTION = Path(os.environ.get("PUBLISHER_X_OPENAPI") or ROOT.parent / "shared" / "reference" / "x-openapi.json")

pytestmark = pytest.mark.skipif(
    not DESCRIPTION.exists(), reason=f"X's openapi.json is not here: PUBLISHER_X_OPENAPI names no file ({DESCRIPTION})"
)

LINK = "https://example.org/water"
PICTURE = Picture(b"\x89PNG\r\n\x1a\n...", "image/png", "Children at a well")
POST = Outgoing(f"Clean water at last\n\n{LINK}", LINK, PICTURE)
MEDIA = reply(200, {"data": {"id": "77", "media_key": "3_77"}})
CREATED = reply(201, {"data": {"id": "9", "text": "…"}})
ME = reply(200, {"data": {"id": "42", "username": "psg", "name": "Peru Support Group"}})
OTHER = {"id": "8", "text": "Another", "created_at": "2026-11-22T10:00:05.000Z"}
MORE = reply(200, {"data": [OTHER], "meta": {"result_count": 1, "next_token": "t8"}})
NO_MORE = reply(200, {"meta": {"result_count": 0}})


class Description:
    """X's description, asked whether a request is one that it describes."""

    def __init__(self, found: Any) -> None:
        self.paths, self.parameters = found["paths"], found["components"]["parameters"]
        self.consent = found["components"]["securitySchemes"]["OAuth2UserToken"]["flows"]["authorizationCode"]
        self.registry: Registry[Any] = Registry().with_resource("x", Resource(found, DRAFT202012))

    def satisfied_by(self, asked: Asked) -> str:
        """The path as it is described. Raises where the request is not what is described."""
        path, operation = self._operation(asked)
        known = {
            one["name"]: one for one in map(self._parameter, operation.get("parameters", ())) if one["in"] != "path"
        }
        given = dict(parse_qsl(asked.target.partition("?")[2], strict_parsing="?" in asked.target))
        assert set(given) <= set(known)
        assert {name for name, one in known.items() if one.get("required")} <= set(given)
        for name, value in given.items():
            self._check(known[name]["schema"], value.split(",") if known[name]["schema"]["type"] == "array" else value)
        self._check_body(operation.get("requestBody"), asked)
        schemes = {"OAuth": "UserToken", "Bearer": "OAuth2UserToken"}
        wanted = schemes[asked.headers["Authorization"].partition(" ")[0]]
        ways = {name: scopes for way in operation["security"] for name, scopes in way.items()}
        assert set(ways[wanted]) <= set(SCOPES)
        return f"{asked.method} {path}"

    def _operation(self, asked: Asked) -> tuple[str, Any]:
        for path, methods in self.paths.items():
            if re.fullmatch(re.sub(r"\{\w+\}", r"\\d+", path), asked.path) and asked.method.lower() in methods:
                return path, methods[asked.method.lower()]
        raise AssertionError(f"X describes no {asked.method} {asked.path}")

    def _parameter(self, one: Any) -> Any:
        return self.parameters[one["$ref"].rpartition("/")[2]] if "$ref" in one else one

    def _check_body(self, described: Any, asked: Asked) -> None:
        if described is None:
            assert asked.body == b""
            return
        media_type = asked.headers.get_content_type()
        schema = described["content"][media_type]["schema"]
        self._check(schema, asked.json if media_type == "application/json" else fields_of(asked))

    def _check(self, schema: Any, value: Any) -> None:
        if schema.get("type") == "integer":
            value = int(value)
        rooted = json.loads(json.dumps(schema).replace('"#/', '"x#/'))
        jsonschema.Draft202012Validator(rooted, registry=self.registry).validate(value)


def fields_of(asked: Asked) -> dict[str, str]:
    whole = b"Content-Type: " + asked.headers["Content-Type"].encode() + b"\r\n\r\n" + asked.body
    parts = message_from_bytes(whole, policy=HTTP).get_payload()
    return {
        str(part.get_param("name", header="Content-Disposition")): part.get_payload(decode=True).decode("latin-1")
        for part in parts
    }


@pytest.fixture(scope="module")
def description() -> Description:
    return Description(json.loads(DESCRIPTION.read_text()))


@pytest.fixture(params=["the app's keys", "a consent"])
def x(request: pytest.FixtureRequest, script: Script) -> Any:
    keys = X_KEYS if request.param == "the app's keys" else {"oauth2_token": "canary-of-a-consent"}
    return connect("x", credentials=keys, address=script.address, account="psg")


def test_every_request_is_one_that_x_describes(description: Description, script: Script, x: X) -> None:
    script.play(MEDIA, MEDIA, CREATED)
    x.publish(POST)
    script.play(ME, MORE, NO_MORE)
    x.find(POST, since=datetime(2026, 11, 22, tzinfo=UTC))
    script.play(ME)
    x.check()
    script.play(reply(200, {"data": {"deleted": True}}))
    x.remove("9")
    script.play(reply(200, {"data": []}))
    x.figures([str(number) for number in range(1, 151)])

    assert [description.satisfied_by(asked) for asked in script.asked] == [
        "POST /2/media/upload",
        "POST /2/media/metadata",
        "POST /2/tweets",
        "GET /2/users/me",
        "GET /2/users/{id}/tweets",
        "GET /2/users/{id}/tweets",
        "GET /2/users/me",
        "DELETE /2/tweets/{id}",
        "GET /2/tweets",
        "GET /2/tweets",
    ]


def test_what_connects_an_account_and_renews_its_keys_is_what_x_describes(
    description: Description, script: Script
) -> None:
    way = Consent(app={"client_id": "canary-of-an-app"}, address=script.address)
    tokens = {"access_token": "canary-1", "refresh_token": "canary-2", "expires_in": 7200, "scope": " ".join(SCOPES)}
    script.play(reply(200, tokens), ME)
    way.finish(back="https://rooms.example/", answer={"code": "canary-3"}, kept={"verifier": "canary-4"})
    script.play(reply(200, tokens))
    way.renew({REFRESH: "canary-2"})

    token, me, renewal = script.asked
    described = ("POST", urlsplit(description.consent["tokenUrl"]).path)
    assert {(asked.method, asked.path) for asked in (token, renewal)} == {described}
    assert {asked.headers.get_content_type() for asked in (token, renewal)} == {"application/x-www-form-urlencoded"}
    assert description.satisfied_by(me) == "GET /2/users/me"
    assert set(SCOPES) <= set(description.consent["scopes"])


@pytest.mark.parametrize(
    "asked",
    [
        Asked("POST", "/2/statuses", {}, b""),  # type: ignore[arg-type]  # nothing is read of it
        Asked("GET", "/2/users/me?fields=id", {}, b""),  # type: ignore[arg-type]
        Asked("GET", "/2/tweets", {}, b""),  # type: ignore[arg-type]
        Asked("GET", "/2/tweets?ids=one", {}, b""),  # type: ignore[arg-type]
    ],
)
def test_what_x_does_not_describe_is_noticed(description: Description, asked: Asked) -> None:
    with pytest.raises((AssertionError, jsonschema.ValidationError)):
        description.satisfied_by(asked)
