"""`publisher demo --no-serve`: with the sandbox, and against servers that nobody here wrote for it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from jsonschema import Draft202012Validator

from tests.workers.conftest import ROOT

MEMBERS = {f"member{n:03}@members.example" for n in range(200)}


def demo(data: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PUBLISHER_", "DATABASE_URL"))}
    ours = {"PUBLISHER_DATA": str(data), "PYTHONPATH": str(ROOT), "COLUMNS": "140"}
    command = [sys.executable, "-P", "-m", "publisher", "demo", "--no-serve", "--web", "127.0.0.1:0"]
    return subprocess.run(
        command, env=kept | ours | environment, capture_output=True, text=True, cwd=data, timeout=170, check=False
    )


def test_the_demo_goes_the_whole_way_twice(tmp_path: Path) -> None:
    for _ in range(2):
        done = demo(tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        rows = re.findall(r"^ +(\w[\w ]*? \d+)  +(.+?)  +(\d+)  +(\d+)  +all", done.stdout, re.MULTILINE)
        assert rows == [
            ("Update 120", "inboxes", "150", "150"),
            ("Update 120", "came back, read over IMAP", "1", "1"),
            ("Update 120", "bluesky: reading-rooms.example", "10", "10"),
            ("Update 120", "facebook: Andean Reading Rooms", "10", "10"),
            ("Update 120", "mastodon: @reading_rooms@reading-rooms.example", "10", "10"),
            ("Update 120", "x: reading_rooms", "10", "10"),
            ("Lake Letter 31", "inboxes", "50", "50"),
            ("Lake Letter 31", "bluesky: lake.example", "4", "4"),
            ("Lake Letter 31", "facebook: Friends of the Lake", "4", "4"),
            ("Lake Letter 31", "mastodon: @lake_letter@lake.example", "4", "4"),
            ("Lake Letter 31", "x: lake_letter", "4", "4"),
        ]


@dataclass
class Elsewhere:
    """A mail server, an X, a Graph API, a Mastodon and a Bluesky that know nothing of Publisher: they take and note."""

    smtp: str = ""
    address: str = ""
    mails: list[tuple[str, bytes]] = field(default_factory=list)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails += [(recipient, envelope.content) for recipient in envelope.rcpt_tos]
        return "250 OK"

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        number = str(len(self.requests))
        if path.startswith("/x/2/tweets"):
            return 201, {"data": {"id": number, "text": "", "edit_history_tweet_ids": [number]}}
        if path.startswith("/x/2/media/metadata"):
            return 200, {"data": {"id": number}}
        if path.startswith("/x/2/media"):
            return 200, {"data": {"id": number, "media_key": f"3_{number}"}}
        if path.startswith("/mastodon/"):
            return 200, {"id": number, "created_at": "2026-11-23T10:00:00.000Z", "content": ""}
        if path.startswith("/bluesky/"):
            return 200, self.answer_of_bluesky(path.rpartition(".")[2])
        return 200, {"id": f"1_{number}", "post_id": f"1_{number}"}

    def answer_of_bluesky(self, method: str) -> dict[str, Any]:
        cid = "bafkreibjfgx2gprinfvicegelk5kosd6y2frmqpqzwqkg7usac74l3t2v4"
        if method == "createSession":
            return {"did": "did:plc:1", "handle": "example.org", "accessJwt": "access", "refreshJwt": "refresh"}
        if method == "uploadBlob":
            return {"blob": {"$type": "blob", "ref": {"$link": cid}, "mimeType": "image/png", "size": 1}}
        return {"uri": f"at://did:plc:1/app.bsky.feed.post/{self.requests[-1][2]['rkey']}", "cid": cid}


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    taker = Elsewhere()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_json = "json" in self.headers.get("Content-Type", "")
            taker.requests.append((self.path, self.headers["Authorization"], json.loads(body) if is_json else body))
            status, answer = taker.answer(self.path)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    mail = Controller(taker, hostname="127.0.0.1", port=port)
    mail.start()
    taker.smtp = f"smtp://127.0.0.1:{port}"
    taker.address = f"http://127.0.0.1:{server.server_port}"
    yield taker
    mail.stop()
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_same_flow_delivers_to_servers_elsewhere(tmp_path: Path, elsewhere: Elsewhere) -> None:
    done = demo(
        tmp_path,
        PUBLISHER_SMTP_URL=elsewhere.smtp,
        PUBLISHER_X_API_URL=f"{elsewhere.address}/x",
        PUBLISHER_GRAPH_API_URL=f"{elsewhere.address}/graph",
        PUBLISHER_MASTODON_URL=f"{elsewhere.address}/mastodon",
        PUBLISHER_BLUESKY_URL=f"{elsewhere.address}/bluesky",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert Counter(recipient for recipient, _ in elsewhere.mails) == Counter(MEMBERS)
    for recipient, content in elsewhere.mails:
        check_mail(recipient, content)
    tweets = [body for path, _, body in elsewhere.requests if path == "/x/2/tweets"]
    posts = [path for path, _, _ in elsewhere.requests if re.fullmatch(r"/graph/v24\.0/\d+/(feed|photos)", path)]
    toots = [path for path, _, _ in elsewhere.requests if path == "/mastodon/api/v1/statuses"]
    skeets = {body["rkey"] for path, _, body in elsewhere.requests if path.endswith("com.atproto.repo.putRecord")}
    assert (len(tweets), len(posts), len(toots), len(skeets)) == (14, 14, 14, 14)
    assert all(authorization.startswith("OAuth ") for path, authorization, _ in elsewhere.requests if "/x/" in path)
    check_tweets(tweets)


def check_mail(recipient: str, content: bytes) -> None:
    """RFC 5322, 2045 and 8058, as far as a receiver sees."""
    mail = message_from_bytes(content, policy=policy.default)
    assert mail.defects == []
    for header in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "List-Unsubscribe", "List-Id"):
        assert len(mail.get_all(header)) == 1
    assert recipient in mail["To"]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert re.fullmatch(r"<https?://[^>]+/leave/[\w-]+/>", mail["List-Unsubscribe"])
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
    assert b"\n" not in content.replace(b"\r\n", b"")


def check_tweets(bodies: list[Any]) -> None:
    """What X's own description asks of them, where that is at hand."""
    file = Path(os.environ.get("PUBLISHER_X_OPENAPI") or ROOT.parent / "shared" / "reference" / "x-openapi.json")
    if not file.exists():
        return
    description = json.loads(file.read_text())
    schema = {"$ref": "#/components/schemas/CreatePostsRequest", "components": description["components"]}
    validator = Draft202012Validator(schema)
    assert [error.message for body in bodies for error in validator.iter_errors(body)] == []
