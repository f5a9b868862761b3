"""Logs are one JSON object a line, and hold nobody's address and no secret, whoever wrote the line."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import structlog

from config import logs

ROOT = Path(__file__).resolve().parent.parent
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Logging as in production, into memory; afterwards as it was."""
    root, kept = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    logs.configure("json", stream=written)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers, root.level = handlers, level
    structlog.configure(**kept)
    logging.captureWarnings(False)


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("Mailed anne.o'rowe+news@members.example.org today", "Mailed […] today"),
        ("to=<anne@members.example>, cc=ben@[192.0.2.1]", "to=<[…]>, cc=[…]"),
        ("no such user: rösa@büro.example", "no such user: […]"),
        ("GET /subscribe?email=anne%40members.example", "GET /subscribe?email=[…]"),
        ("Not Found: /leave/MS4yfqkX_-9/", "Not Found: /leave/[…]/"),
        ("https://news.example/confirm/MS4yfqkX_-9/?x=1", "https://news.example/confirm/[…]/?x=1"),
        ("cannot reach smtp://user:p4ss@mail.example:587", "cannot reach smtp://[…]@mail.example:587"),
        ("redis://:p4ss@127.0.0.1:6379/0", "redis://[…]@127.0.0.1:6379/0"),
        ("POST /v24.0/1/feed?access_token=EAAB1&message=Hello", "POST /v24.0/1/feed?access_token=[…]&message=Hello"),
        ("{'page_token': 'pt-123', 'page_id': '1'}", "{'page_token': '[…]', 'page_id': '1'}"),
        ('{"app_secret": "s3cret"}', '{"app_secret": "[…]"}'),
        ("Authorization: Bearer abc.def-ghi", "Authorization: […]"),
        ('Authorization: OAuth oauth_consumer_key="ck", oauth_token="at"', "Authorization: […]"),
        ("sent Bearer abcdefghijkl", "sent Bearer […]"),
        ("oauth_signature=tnnArxj06cW%3D&oauth_nonce=kYjz", "oauth_signature=[…]&oauth_nonce=[…]"),
        ("Error validating EAABwzLixnjYBO1234567890abcdef", "Error validating […]"),
    ],
)
def test_addresses_and_secrets_are_taken_out_of_any_text(said: str, written: str) -> None:
    assert logs.scrub_text(said) == written


@pytest.mark.parametrize(
    "said",
    [
        "Update 120. 31 March 2007: 1,204 sent",
        "timeline of /x/@reading_rooms",
        "x @reading_rooms and 3 @ 4",
        "GET /update/120/ 200",
        "the token was refused",
        "https://reading-rooms.example/news?id=7#top",
    ],
)
def test_what_runs_the_service_can_still_be_read(said: str) -> None:
    assert logs.scrub_text(said) == said


@pytest.mark.parametrize("long", ["a", ".", "a-", "://", "bearer ", "token", "/leave/"])
def test_a_long_word_takes_no_long_time(long: str) -> None:
    before = time.perf_counter()
    logs.scrub_text(long * 100_000)
    assert time.perf_counter() - before < 5  # quadratic time would take minutes


def test_a_line_says_when_who_and_what(lines: Lines) -> None:
    structlog.get_logger("publisher.delivery").info("claimed", digest=120, rows=100)
    logging.getLogger("django.request").warning("Not Found: %s", "/leave/MS4yfqkX/")
    first, second = lines()
    assert {name: first[name] for name in ("event", "level", "logger", "digest", "rows")} == {
        "event": "claimed",
        "level": "info",
        "logger": "publisher.delivery",
        "digest": 120,
        "rows": 100,
    }
    assert first["timestamp"].endswith("Z")
    assert (second["event"], second["logger"]) == ("Not Found: /leave/[…]/", "django.request")


def test_a_secret_is_taken_out_wherever_it_hides(lines: Lines) -> None:
    canary = "canary-7f3a"
    secrets = {
        "password": canary,
        "headers": {"Authorization": f"Bearer {canary}", "Cookie": f"sessionid={canary}"},
        "rows": [{"address": f"{canary}@members.example"}, (f"access_token={canary}",)],
        "raw": f"password={canary}".encode(),
        "thing": ValueError(f"smtp://u:{canary}@mail.example"),
    }
    structlog.get_logger().warning(f"{canary}@members.example", **secrets)
    logging.getLogger("tweepy").error("refused %s", {"access_token_secret": canary}, extra={"token": canary})
    try:
        raise RuntimeError(f"550 no such user {canary}@members.example")
    except RuntimeError:
        logging.getLogger("publisher").exception("could not deliver to %s", f"{canary}@members.example")
        structlog.get_logger().exception("could not deliver")
    written = lines()
    assert len(written) == 4
    assert [line for line in written if canary in json.dumps(line)] == []
    assert ["RuntimeError: 550 no such user […]" in line.get("exception", "") for line in written[2:]] == [True, True]


def test_nobody_can_forge_a_line(lines: Lines) -> None:
    logging.getLogger("publisher").info('title\n{"level": "critical", "event": "forged"}')
    assert [line["level"] for line in lines()] == ["info"]


def test_a_process_logs_to_standard_error_in_the_format_it_is_told() -> None:
    said = "from config import logs; logs.configure(); import logging; logging.getLogger('a').info('m@b.example left')"
    for style, shown in (("json", '"event": "[…] left"'), ("console", "[…] left")):
        run = subprocess.run(
            [sys.executable, "-c", said],
            env={"PUBLISHER_LOG_FORMAT": style},
            capture_output=True,
            text=True,
            check=True,
        )
        assert (run.stdout, shown in run.stderr, run.stderr.count("\n")) == ("", True, 1)


def test_gunicorn_logs_requests_without_what_is_private_in_them(tmp_path: Path) -> None:
    environ = {
        **os.environ,
        "PUBLISHER_DATA": str(tmp_path),
        "PUBLISHER_BIND": "127.0.0.1:0",
        "PUBLISHER_WEB_WORKERS": "1",
    }
    said: list[dict[str, Any]] = []
    command = [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py", "config.wsgi"]
    server = subprocess.Popen(command, env=environ, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr
        port = None
        while not port:  # an end of the stream is no JSON, and ends this too
            said.append(json.loads(server.stderr.readline()))
            port = re.search(r"Listening at: .*:(\d+)", said[-1]["event"])
        asked = Request(
            f"http://127.0.0.1:{port[1]}/leave/canary-token/?access_token=canary",
            headers={
                "Cookie": "sessionid=canary",
                "Authorization": "Bearer canary",
                "User-Agent": "canary@members.example",
            },
        )
        with urlopen(asked) as answer:
            assert answer.status == 200
    finally:
        server.terminate()
        rest = server.communicate(timeout=30)[1].splitlines()
    said += [json.loads(line) for line in rest]
    (access,) = [line for line in said if line["logger"] == "gunicorn.access"]
    assert (access["event"], access["status"], access["level"]) == ("GET /leave/[…]/", 200, "info")
    assert [line for line in said if "canary" in json.dumps(line)] == []
