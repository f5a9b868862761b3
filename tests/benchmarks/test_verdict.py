"""The judge of the faults: what the sink's log shows counts, whatever the ledger says."""

from __future__ import annotations

from pathlib import Path

from benchmarks import verdict
from benchmarks.verdict import Kill, Verdict

ROSA, LUIS, INES = "rosa@members.example", "luis@members.example", "ines@members.example"
LOG = f"""\
100.0 opened 1 - -
100.1 opened 2 - -
101.0 accepted 1 {ROSA} <1@x>
101.5 unanswered 2 {LUIS} <2@x>
101.5 closed 2 - -
102.0 accepted 1 {INES} <3@x>
"""
SENT = {ROSA: "sent", LUIS: "unknown", INES: "sent"}


def judged(tmp_path: Path, ledger: dict[str, str], *kills: Kill, log: str = LOG) -> Verdict:
    file = tmp_path / "sink.log"
    file.write_text(log)
    return verdict.judge(verdict.read(file), ledger, (ROSA, LUIS, INES), list(kills), slow=0)


def kill(at: float, connections: int = 1) -> Kill:
    return Kill("the worker", at, connections=connections)


def test_a_doubt_at_a_kill_is_explained(tmp_path: Path) -> None:
    found = judged(tmp_path, SENT, kill(101.4))

    assert (found.lost, found.twice, found.unknown, found.unexplained, found.wrong) == ([], [], [LUIS], [], [])
    assert dict(found.fates) == {"not taken, not answered": 1}
    assert not found.violated


def test_a_doubt_without_a_kill_is_not_explained(tmp_path: Path) -> None:
    assert judged(tmp_path, SENT).unexplained == [LUIS]
    assert judged(tmp_path, SENT, kill(150)).unexplained == [LUIS]


def test_a_freeze_explains_until_it_ends(tmp_path: Path) -> None:
    assert judged(tmp_path, SENT, Kill("a child, frozen", 60, ended=100.2, connections=1)).unexplained == []


def test_a_kill_explains_no_more_doubts_than_connections(tmp_path: Path) -> None:
    ledger = {ROSA: "unknown", LUIS: "unknown", INES: "sent"}

    log = LOG.replace(f"102.0 accepted 1 {INES}", f"100.9 accepted 1 {INES}")

    assert judged(tmp_path, ledger, kill(101.4), log=log).unexplained == [LUIS]
    assert judged(tmp_path, ledger, kill(101.4, connections=2), log=log).unexplained == []
    assert judged(tmp_path, ledger, kill(101.4), kill(101.6), log=log).unexplained == []


def test_a_doubt_before_another_letter_on_its_connection_is_not_explained(tmp_path: Path) -> None:
    ledger = {ROSA: "unknown", LUIS: "sent", INES: "sent"}

    assert judged(tmp_path, ledger, kill(101.4, connections=2)).unexplained == [ROSA]


def test_a_kill_explains_no_second_doubt_on_a_connection(tmp_path: Path) -> None:
    ledger = {ROSA: "unknown", LUIS: "sent", INES: "unknown"}
    log = LOG.replace("102.0 accepted 1", "102.0 broken 1")

    assert judged(tmp_path, ledger, kill(101.4, connections=2), log=log).unexplained == [INES]


def test_a_kill_explains_nothing_on_a_connection_that_was_not_open(tmp_path: Path) -> None:
    after, before = LOG.replace("100.1 opened 2", "101.45 opened 2"), LOG.replace("101.5 ", "100.2 ")

    assert judged(tmp_path, SENT, kill(101.4, connections=2), log=after).unexplained == [LUIS]
    assert judged(tmp_path, SENT, kill(101.4, connections=2), log=before).unexplained == [LUIS]


def test_a_doubt_of_which_the_sink_knows_nothing_is_not_explained(tmp_path: Path) -> None:
    silent = LOG.replace("101.5 unanswered 2 luis", "101.5 accepted 2 jose")

    assert judged(tmp_path, SENT, kill(101.4), log=silent).unexplained == [LUIS]


def test_who_was_sent_to_by_the_ledger_alone_is_lost(tmp_path: Path) -> None:
    found = judged(tmp_path, {**SENT, LUIS: "sent"}, kill(101.4))

    assert found.lost == [LUIS]
    assert found.violated


def test_who_has_no_final_state_and_no_letter_is_lost(tmp_path: Path) -> None:
    assert judged(tmp_path, {**SENT, LUIS: "queued"}).lost == [LUIS]
    assert judged(tmp_path, {ROSA: "sent", INES: "sent"}).lost == [LUIS]


def test_who_has_a_letter_and_no_final_state_would_get_another(tmp_path: Path) -> None:
    found = judged(tmp_path, {**SENT, INES: "queued"}, kill(101.4))

    assert found.wrong == [f"{INES} is queued, and the sink has taken its letter"]
    assert found.violated


def test_a_second_letter_counts_whatever_the_ledger_says(tmp_path: Path) -> None:
    again = LOG + f"103.0 accepted 1 {ROSA} <1@x>\n"

    assert judged(tmp_path, SENT, kill(101.4), log=again).twice == [ROSA]


def test_one_message_id_for_two_members_counts_as_twice(tmp_path: Path) -> None:
    assert judged(tmp_path, SENT, kill(101.4), log=LOG.replace("<3@x>", "<1@x>")).twice == ["<1@x>"]


def test_a_letter_to_nobody_of_the_audience_is_wrong(tmp_path: Path) -> None:
    stray = LOG + "103.0 accepted 1 jose@members.example <9@x>\n"

    assert judged(tmp_path, SENT, kill(101.4), log=stray).wrong == ["jose@members.example is nobody's"]


def test_a_line_that_is_just_being_written_is_left_for_later(tmp_path: Path) -> None:
    file = tmp_path / "sink.log"
    file.write_text(LOG + "103.0 accep")

    assert len(verdict.read(file)) == 6


def test_connections_are_counted_at_their_most(tmp_path: Path) -> None:
    file = tmp_path / "sink.log"
    file.write_text(LOG)
    entries = verdict.read(file)

    assert verdict.most_connections(entries, 100.05, 100.06) == 1
    assert verdict.most_connections(entries, 101.2, 101.6) == 2
    assert verdict.most_connections(entries, 101.6, 103) == 1
