"""What mail that came back says, in the shapes and wordings that mail systems use."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks import bounces_corpus
from benchmarks import bounces_frames as frames
from benchmarks.bounces_frames import BACK, MESSAGE_ID, R
from benchmarks.bounces_words import answers
from publisher.bounces.phrases import Kind
from publisher.bounces.reading import Report, of_answer, read


def test_nearly_every_mail_is_in_its_class_and_no_failure_of_ours_is_laid_on_an_address():
    corpus = bounces_corpus.known()
    said = [(kind, name, read(raw)) for kind, name, raw in corpus]
    wrong = [(name, kind, report.kind) for kind, name, report in said if report.kind is not kind]
    assert len(corpus) >= 300
    assert len(wrong) <= len(corpus) // 100, wrong
    # A soft one counts as well, after some days: so a failure of ours is neither.
    assert [name for kind, name, report in said if kind is Kind.POLICY and report.kind in {Kind.HARD, Kind.SOFT}] == []
    assert [name for kind, name, report in said if kind is not Kind.HARD and report.kind is Kind.HARD] == []
    assert Counter(kind for kind, _, _ in corpus).keys() == set(Kind)


def test_words_that_the_tables_were_not_written_by_lay_no_failure_of_ours_on_an_address():
    said = [(kind, each, of_answer(each).kind) for kind in ("hard", "soft", "policy") for each in answers(kind)]
    wrong = [(kind, each, found) for kind, each, found in said if found != kind]
    assert len(said) >= 400
    assert len(wrong) <= len(said) // 50, wrong
    assert [each for kind, each, found in said if kind != "hard" and found is Kind.HARD] == []


@pytest.mark.parametrize("mail", bounces_corpus.odd(), ids=lambda mail: mail.name)
def test_odd_shapes_are_read_as_what_they_are(mail):
    assert read(mail.raw).kind is mail.kind


def test_what_a_provider_passes_on_without_addresses_still_says_which_letter_it_was():
    assert read(bounces_corpus.redacted("original-mail-from")).returned_to[-1] == BACK
    assert read(bounces_corpus.redacted("list-unsubscribe")).leaving == (bounces_corpus.LEAVE,)


def test_a_report_says_whom_why_and_which_letter():
    answer = "550-5.1.1 The email account that you tried to reach does not exist. 550 5.1.1 NoSuchUser"
    assert read(frames.report(answer)) == Report(
        Kind.HARD, R, 550, "5.1.1", f"smtp; {answer}", returned_to=(BACK,), message_id=MESSAGE_ID
    )


@pytest.mark.parametrize("shape", [frames.exim, frames.qmail, frames.sendmail, frames.postfix, frames.yahoo])
def test_so_does_a_letter_that_a_server_wrote_for_people(shape):
    report = read(shape("550 5.1.1 no such user"))
    assert (report.kind, report.recipient, report.code, report.enhanced) == (Kind.HARD, R, 550, "5.1.1")
    assert (report.returned_to, report.message_id) == ((BACK,), MESSAGE_ID)


def test_the_letter_that_came_back_is_no_part_of_the_reason():
    """Ours speaks of spam, of policy and of users who are not found, as news may."""
    assert read(frames.report("552 5.2.2 mailbox full")).kind is Kind.SOFT
    assert read(frames.qmail("Sorry, no mailbox here by that name. (#5.1.1)")).kind is Kind.HARD


def test_an_address_with_a_telling_name_is_no_reason_either():
    made = frames.report("550 5.1.1 <no-spam.policy@blocked.example>: user unknown")
    assert read(made).kind is Kind.HARD


def test_of_several_recipients_the_worst_counts():
    both = frames.report("451 4.4.1 no answer", action="delayed").replace(
        b"\r\n--=_x\r\nContent-Type: message/rfc822",
        b"\r\nFinal-Recipient: rfc822; luis@members.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        b"Diagnostic-Code: smtp; 550 5.1.1 user unknown\r\n\r\n--=_x\r\nContent-Type: message/rfc822",
    )
    assert (read(both).kind, read(both).recipient) == (Kind.HARD, "luis@members.example")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff" * 1000,
        b"Subject: =?utf-8?b?/////?=\r\nContent-Type: text/plain; charset=no-such\r\n\r\n\xff",
        b"Content-Type: multipart/report; boundary=\r\n\r\n",
        b"Content-Type: message/delivery-status\r\n\r\nAction",
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n" * 50,
        frames.report("550 5.1.1 user unknown")[:700],
    ],
)  # fmt: skip
def test_whatever_arrives_is_read(raw):
    assert read(raw).kind in {Kind.OTHER, Kind.SOFT, Kind.HARD}
