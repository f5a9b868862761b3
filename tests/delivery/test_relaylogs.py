"""What relays write into their logs. Postfix wrote its one itself (3.7), doing each thing that it was told to."""

from __future__ import annotations

import bz2
import gzip
import lzma
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from publisher.delivery import logfiles
from publisher.delivery.logfiles import LogUnreadable

LOGS = Path(__file__).parent / "logs"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
#: What was done to the letter, the first character of its Message-ID, and whom it was for.
LETTERS = {
    "delivered": ("a", "m0"),
    "came back": ("b", "gone"),
    "waits": ("c", "later"),
    "broke off before the dot": ("d", "m1"),
    "left right after the dot": ("e", "m2"),
    "on hold": ("f", "m3"),
    "refused by a rule": ("0", "m4"),
    "to an alias": ("2", "alias"),
    "refused at the recipient": ("3", "nobody"),
}
ASKED = {f"<{sign * 40}@reading-rooms.example>": f"{name}@members.example" for sign, name in LETTERS.values()}
A = f"<{'a' * 40}@reading-rooms.example>"


def read(*files: Path, zone=UTC, now=NOW, asked=ASKED):
    return logfiles.read(files, asked, now=now, zone=zone)


def found(reader):
    return {
        what: str(reader.trace(f"<{sign * 40}@reading-rooms.example>").found) for what, (sign, _) in LETTERS.items()
    }


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_postfix_tells_of_each_letter_what_became_of_it():
    reader = read(LOGS / "postfix.txt")
    assert found(reader) == {
        "delivered": "delivered",
        "came back": "bounced",
        "waits": "taken",
        "broke off before the dot": "refused",
        "left right after the dot": "delivered",
        "on hold": "seen",
        "refused by a rule": "absent",
        "to an alias": "delivered",
        "refused at the recipient": "absent",
    }
    last = reader.trace(A).last
    assert (last.queue_id, last.at) == ("BD06B21E050", datetime(2026, 11, 23, 2, 53, 38, tzinfo=UTC))
    assert last.said == "(250 2.0.0 Ok: queued as SINK1)"
    assert reader.spoken == {"Postfix"}


def test_exim_tells_of_each_letter_what_became_of_it():
    told = {what: state for what, state in found(read(LOGS / "exim.txt")).items() if state != "absent"}
    assert told == {
        "delivered": "delivered",
        "came back": "bounced",
        "waits": "taken",
        "left right after the dot": "delivered",
    }


def test_exim_through_syslog_tells_the_same(tmp_path):
    lines = (LOGS / "exim.txt").read_text().splitlines()
    log = written(tmp_path / "log", "".join(f"Nov 23 02:53:50 relay exim[77]: {line}\n" for line in lines))
    assert found(read(log)) == found(read(LOGS / "exim.txt"))


def test_opensmtpd_names_the_address_alone_and_that_is_no_proof():
    reader = read(LOGS / "opensmtpd.txt")
    assert {what for what, state in found(reader).items() if state != "absent"} == {"delivered"}
    assert (str(reader.trace(A).found), reader.trace(A).last.queue_id) == ("addressed", "c405e39ad6bbc64f")


def test_what_is_not_asked_for_is_not_kept():
    reader = read(LOGS / "postfix.txt", asked={A: "m0@members.example"})
    assert list(reader.traces) == [A]


def postfix(*lines: str) -> str:
    return "".join(f"Nov 23 02:44:15 relay postfix/{line}\n" for line in lines)


TAKEN = (
    "smtpd[1]: 4AB: client=worker[192.0.2.7]",
    f"cleanup[2]: 4AB: message-id={A}",
    "qmgr[3]: 4AB: from=<u@reading-rooms.example>, size=1, nrcpt=1 (queue active)",
)


def ending(queue_id: str, status: str, to: str = "m0@members.example", said: str = "(250 ok)") -> str:
    return f"smtp[4]: {queue_id}: to=<{to}>, relay=mx[192.0.2.25]:25, delay=1, dsn=2.0.0, status={status} {said}"


STORIES = {
    "named alone": ("seen", TAKEN[:2]),
    "taken": ("taken", TAKEN),
    "broke off, logged after the name": (
        "refused",
        (*TAKEN[:2], "smtpd[1]: lost connection after DATA (9 bytes) from x"),
    ),
    "broke off, another process": ("taken", (*TAKEN, "smtpd[9]: lost connection after DATA (9 bytes) from x")),
    "left after the end": ("seen", (*TAKEN[:2], "smtpd[1]: lost connection after END-OF-MESSAGE from x")),
    "a filter refused": ("refused", (*TAKEN[:2], "cleanup[2]: 4AB: milter-reject: END-OF-MESSAGE from x: 5.7.1 no")),
    "thrown away": ("bounced", (*TAKEN[:2], "cleanup[2]: 4AB: milter-discard: END-OF-MESSAGE from x")),
    "given up": ("bounced", (*TAKEN, "qmgr[3]: 4AB: from=<u@r>, status=expired, returned to sender")),
    "a copy came back, to somebody else": ("taken", (*TAKEN, ending("4AB", "bounced", "archive@elsewhere.example"))),
    "waited, then arrived": ("delivered", (*TAKEN, ending("4AB", "deferred"), ending("4AB", "sent"))),
    "the id went to another message": (
        "taken",
        (*TAKEN, "qmgr[3]: 4AB: removed", "smtpd[1]: 4AB: client=x", ending("4AB", "bounced")),
    ),
    "another message is received under the id": (
        "taken",
        (*TAKEN, "smtpd[1]: 4AB: client=x", ending("4AB", "bounced")),
    ),
    "the id went to another message, unnoticed": (
        "taken",
        (*TAKEN, "cleanup[2]: 4AB: message-id=<other@reading-rooms.example>", ending("4AB", "bounced")),
    ),
    "through a filter and back": (
        "bounced",
        (
            *TAKEN,
            *(line.replace("4AB", "5CD") for line in TAKEN),
            ending("5CD", "bounced"),
            ending("4AB", "sent", said="(250 2.0.0 from MTA: 250 2.0.0 Ok: queued as 5CD)"),
        ),
    ),
    "through a filter, and waits": (
        "taken",
        (
            *TAKEN,
            *(line.replace("4AB", "5CD") for line in TAKEN),
            ending("4AB", "sent", said="(250 2.0.0 Ok: queued as 5CD)"),
        ),
    ),
    "broke off, then taken": (
        "taken",
        (
            *(line.replace("4AB", "3EF") for line in TAKEN[:2]),
            "smtpd[1]: lost connection after DATA (9 bytes) from x",
            *TAKEN,
        ),
    ),
}


@pytest.mark.parametrize(("word", "lines"), STORIES.values(), ids=STORIES.keys())
def test_postfix_stories(tmp_path, word, lines):
    lines = [line.replace("4AB", "4ABCD").replace("5CD", "5CDEF").replace("3EF", "3EFAB") for line in lines]
    assert str(read(written(tmp_path / "log", postfix(*lines))).trace(A).found) == word


def test_two_relays_in_one_log_are_told_apart(tmp_path):
    lines = postfix(*TAKEN).replace("4AB", "4ABCD") + postfix(ending("4ABCD", "bounced")).replace("relay", "other", 1)
    assert str(read(written(tmp_path / "log", lines)).trace(A).found) == "taken"


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, bytes], ids=lambda pack: pack.__module__)
def test_rotated_and_packed_files_are_read_oldest_first(tmp_path, pack):
    """Taken at the end of one file, came back in the next; the names say nothing."""
    old = postfix(*TAKEN).replace("4AB", "4ABCD").encode()
    new = postfix(ending("4ABCD", "bounced")).replace("02:44", "03:10").encode()
    (tmp_path / "b").write_bytes(pack(old))
    (tmp_path / "a").write_bytes(pack(new))
    assert str(read(tmp_path / "a", tmp_path / "b").trace(A).found) == "bounced"


@pytest.mark.parametrize(
    ("stamp", "zone", "hour"),
    [
        ("Nov 23 02:44:15", "UTC", 2),
        ("Nov 23 02:44:15", "America/Lima", 7),
        ("2026-11-23T02:44:15.123456+01:00", "UTC", 1),
        ("2026-11-23T02:44:15+0100", "UTC", 1),
        ("2026-11-23T02:44:15Z", "America/Lima", 2),
        ("relay-1  | 2026-11-23 02:44:15", "UTC", 2),
    ],
)
def test_times_of_all_forms(tmp_path, stamp, zone, hour):
    log = written(tmp_path / "log", postfix(*TAKEN).replace("4AB", "4ABCD").replace("Nov 23 02:44:15", stamp))
    assert read(log, zone=ZoneInfo(zone)).trace(A).last.at == datetime(2026, 11, 23, hour, 44, 15, tzinfo=UTC)


@pytest.mark.parametrize(("now", "year"), [(datetime(2027, 1, 2), 2026), (datetime(2026, 11, 24), 2026)])
def test_a_time_without_a_year_is_the_newest_that_is_past(tmp_path, now, year):
    log = written(tmp_path / "log", postfix(*TAKEN).replace("4AB", "4ABCD"))
    assert read(log, now=now.replace(tzinfo=UTC)).trace(A).last.at.year == year


def test_the_log_covers_what_it_has_lines_of(tmp_path):
    hours = [f"Nov 23 {hour:02}:{minute}:00 relay x: y\n" for hour in (1, 2, 3, 6, 7) for minute in (10, 50)]
    covered = read(written(tmp_path / "log", "".join(hours))).coverage

    def at(hour):
        return datetime(2026, 11, 23, hour, 0, tzinfo=UTC)

    assert covered.covers(at(2), at(3))
    assert not covered.covers(at(3), at(7))  # a file is missing
    assert not covered.covers(at(1), at(3))  # begins later
    assert not covered.covers(at(7), at(8))  # ends before
    assert not covered.left_out


def test_a_log_that_lost_lines_says_so(tmp_path):
    lines = "Nov 23 02:44:15 relay rsyslogd: imuxsock lost 12 messages from pid 7 due to rate-limiting\n"
    assert read(written(tmp_path / "log", lines)).coverage.left_out


LISTS = {
    "ids": (f"{A}\n", "taken"),
    "ids without brackets": (f"{A[1:-1]}\n", "taken"),
    "a table": (f"Message-ID,Status\n{A},Delivered\n", "delivered"),
    "a table with semicolons": (f'queue_id;"message_id";event\n4AB;{A[1:-1]};bounce\n', "bounced"),
    "a status that nobody knows": (f"message-id,status\n{A},frobbed\n", "seen"),
    "another's": (f"message-id,status\n{A.replace('a', 'z')},delivered\n", "absent"),
}


@pytest.mark.parametrize(("text", "word"), LISTS.values(), ids=LISTS.keys())
def test_lists_and_tables(tmp_path, text, word):
    assert str(read(written(tmp_path / "log", text)).trace(A).found) == word


def test_what_cannot_be_read_is_told_with_its_name(tmp_path):
    cut = tmp_path / "mail.log.1.gz"
    cut.write_bytes(gzip.compress(b"Nov 23 02:44:15 relay x\n" * 9999)[:-20])
    with pytest.raises(LogUnreadable, match=r"mail\.log\.1\.gz is packed, and damaged or cut off"):
        read(cut)
    with pytest.raises(LogUnreadable, match="nowhere cannot be read: No such file"):
        read(tmp_path / "nowhere")


def test_a_file_of_anything_says_nothing(tmp_path):
    noise = tmp_path / "noise"
    noise.write_bytes(bytes(range(256)) * 1000 + b"x" * 200_000 + b"\nFeb 31 25:61:99 relay postfix/x[1]: y\n")
    reader = read(noise)
    assert (reader.traces, reader.spoken, reader.coverage.joined()) == ({}, set(), [])
