"""Bluesky's answers for the scripted server, and the one post that the stories are about."""

from datetime import UTC, datetime

from publisher.networks.base import Outgoing
from publisher.networks.bluesky_records import facets, record_key
from tests.networks.conftest import BLUESKY_DID as DID
from tests.networks.conftest import BLUESKY_HANDLE as HANDLE
from tests.networks.conftest import Script, reply

LINK = "https://example.org/water"
POST = Outgoing(f"Clean water at last\n\n{LINK}", LINK, key="7c9e6679")
KEY = record_key("7c9e6679")
HERE = f"at://{DID}/app.bsky.feed.post/{KEY}"
CID = "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq"
BLOB = {
    "$type": "blob",
    "ref": {"$link": "bafkreibjfgx2gprinfvicegelk5kosd6y2frmqpqzwqkg7usac74l3t2v4"},
    "mimeType": "image/png",
    "size": 7,
}
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)

SESSION = reply(200, {"did": DID, "handle": HANDLE, "accessJwt": "access-2", "refreshJwt": "refresh-2"})
MADE = reply(200, {"uri": HERE, "cid": CID, "validationStatus": "valid"}, Date="Sun, 22 Nov 2026 10:00:00 GMT")
ME = reply(200, {"did": DID, "handle": HANDLE, "active": True})
ABSENT = reply(400, {"error": "RecordNotFound", "message": f"Could not locate record: {HERE}"})
UPLOADED = reply(200, {"blob": BLOB})


def error(status: int, name: str, message: str = "…", **headers: str) -> bytes:
    return reply(status, {"error": name, "message": message}, **headers)


def record(text: str = POST.text, at: str = "2026-11-22T10:00:05.000Z", link: str | None = LINK) -> dict[str, object]:
    """A record as the server gives it back, with its link in a facet."""
    return {"$type": "app.bsky.feed.post", "text": text, "createdAt": at, "facets": facets(text, link)}


def there(value: dict[str, object], uri: str = HERE) -> bytes:
    return reply(200, {"uri": uri, "cid": CID, "value": value})


def asked(script: Script) -> list[str]:
    return [one.path.rpartition(".")[2] for one in script.asked]


def page(*records: tuple[str, dict[str, object]], then: str | None = None) -> bytes:
    listed = [{"uri": f"at://{DID}/app.bsky.feed.post/{key}", "cid": CID, "value": value} for key, value in records]
    return reply(200, {"records": listed} | ({"cursor": then} if then else {}))
