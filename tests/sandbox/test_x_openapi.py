"""What the sandbox accepts and answers, held against X's own description of its API."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from publisher.sandbox import accounts, figures, x
from tests.sandbox.conftest import PNG, Client, Sandbox

ROOT = Path(__file__).resolve().parents[2]
DESCRIPTION = Path(os.environ.get("PUBLISHER_X_OPENAPI") or ROOT.parent / "shared" / "reference" / "x-openapi.json")

pytestmark = pytest.mark.skipif(
    not DESCRIPTION.exists(), reason=f"X's openapi.json is not here: PUBLISHER_X_OPENAPI names no file ({DESCRIPTION})"
)


@pytest.fixture(scope="module")
def description() -> Any:
    return json.loads(DESCRIPTION.read_text())


@pytest.fixture(scope="module")
def described(description: Any) -> Any:
    """described(name, value) raises where the value is not what X describes under this name."""
    registry: Registry[Any] = Registry().with_resource("x", Resource(description, DRAFT202012))

    def check(name: str, value: Any) -> None:
        schema = {"$ref": f"x#/components/schemas/{name}"}
        jsonschema.Draft202012Validator(schema, registry=registry).validate(value)

    return check


def test_a_post_and_its_answer_are_as_described(described: Any, x: Client) -> None:
    picture = x.request("POST", "/2/media/upload", data={"media_category": "tweet_image"}, files={"media": PNG}).json()
    described("MediaUploadResponse", picture)
    metadata = {"id": picture["data"]["id"], "metadata": {"alt_text": {"text": "A dam"}}}
    described("CreateMediaMetadataRequest", metadata)
    described("CreateMediaMetadataResponse", x.request("POST", "/2/media/metadata", json=metadata).json())
    body = {"text": "Look https://example.org", "media": {"media_ids": [picture["data"]["id"]]}}
    described("CreatePostsRequest", body)
    answer = x.request("POST", "/2/tweets", json=body)
    assert answer.status_code == 201
    described("CreatePostsResponse", answer.json())
    described("DeletePostsResponse", x.delete_tweet(answer.json()["data"]["id"]).json())


def test_reading_answers_as_described(described: Any, x: Client) -> None:
    x.create_tweet(text="Look https://example.org and report.md")
    described("GetUsersMeResponse", x.get_me(user_fields=["created_at"]).json())
    for name in ("update_news", "nobody"):
        answer = x.get_users_tweets(
            accounts.x_id(name), tweet_fields=["created_at", "entities", "author_id"], user_auth=True
        )
        described("GetUsersPostsResponse", answer.json())


def test_posts_by_their_ids_are_as_described(described: Any, sandbox: Sandbox, x: Client) -> None:
    number = x.create_tweet(text="Look https://example.org").json()["data"]["id"]
    told = {"network": "x", "id": number, "likes": 3, "reposts": 1, "comments": 2, "views": 400}
    figures.put(sandbox.store, told)
    answer = x.request("GET", "/2/tweets", params={"ids": f"{number},1", "post.fields": "public_metrics"})
    described("GetPostsByIdsResponse", answer.json())
    assert answer.json()["data"][0]["public_metrics"]["like_count"] == 3
    assert [problem["value"] for problem in answer.json()["errors"]] == ["1"]


@pytest.mark.parametrize(
    "body",
    [
        {"text": "a", "made_for_super_followers": True},
        {"text": 7},
        {"text": "a", "media": {"media_ids": ["1", "2", "3", "4", "5"]}},
        {"text": "a", "media": {"media_ids": ["one"]}},
        {"text": "a", "reply": {}},
        {"text": "a", "reply_settings": "everyone"},
    ],
)
def test_what_the_description_forbids_the_sandbox_refuses(described: Any, x: Client, body: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        described("CreatePostsRequest", body)
    answer = x.request("POST", "/2/tweets", json=body)
    assert answer.status_code == 400
    described("InvalidRequestProblem", answer.json())


def test_every_field_of_a_post_is_either_supported_or_refused_by_name(description: Any) -> None:
    fields = description["components"]["schemas"]["CreatePostsRequest"]["properties"]
    assert sorted(fields) == sorted({*x.POST, *x.NOT_HERE})


def test_the_description_has_every_call_that_the_sandbox_serves(description: Any, sandbox: Sandbox) -> None:
    served = [
        (route.method.lower(), route.path.removeprefix("/x"))
        for route in x.routes(sandbox.store)
        if route.path.startswith("/x/2/")
    ]
    assert [(method, path) for method, path in served if method not in description["paths"].get(path, {})] == []
    assert len(served) == 7
