"""The date line in all the ways that people have printed it."""

from datetime import date

import pytest

from publisher.intake import dates, labels
from publisher.intake.labels import Label


@pytest.mark.parametrize(
    ("printed", "last_day"),
    [
        ("31 January 2007", date(2007, 1, 31)),
        ("07 February 2016", date(2016, 2, 7)),
        ("5 March 2019", date(2019, 3, 5)),
        ("31st January 2007", date(2007, 1, 31)),
        ("the 2nd of May, 2007", date(2007, 5, 2)),
        ("Tuesday, 5 March 2019", date(2019, 3, 5)),
        ("5 Mar. 2019", date(2019, 3, 5)),
        ("31 MARCH 2007", date(2007, 3, 31)),
        ("31 Mar 07", date(2007, 3, 31)),
        ("31-Mar-2007", date(2007, 3, 31)),
        ("March 31, 2007", date(2007, 3, 31)),
        ("2007-03-31", date(2007, 3, 31)),
        ("31/3/2007", date(2007, 3, 31)),
        ("3/31/2007", date(2007, 3, 31)),
        ("31\u00a0March\u2009 2007", date(2007, 3, 31)),
        ("5 March 2019 at 10:30", date(2019, 3, 5)),
        ("Sept. 2009", date(2009, 9, 30)),
        ("February 2008", date(2008, 2, 29)),
        ("June / July 2009", date(2009, 7, 31)),
        ("June/July 2009", date(2009, 7, 31)),
        ("June and July 2009", date(2009, 7, 31)),
        ("December 2009 / January 2010", date(2010, 1, 31)),
        ("December / January 2010", date(2010, 1, 31)),
        ("December 2009 / January", date(2010, 1, 31)),
        ("Aug - Sep 12", date(2012, 9, 30)),
        ("Aug – Sep ’12", date(2012, 9, 30)),
        ("June-July-August 2009", date(2009, 8, 31)),
        ("24-25 February 2016", date(2016, 2, 25)),
        ("30 June – 2 July 2009", date(2009, 7, 2)),
        ("30 December 2009 - 2 January 2010", date(2010, 1, 2)),
        ("Mid-June 2003", date(2003, 6, 30)),
        ("31 Jan 85", date(1985, 1, 31)),
    ],
)
def test_the_last_day_of_what_is_printed_counts(printed: str, last_day: date) -> None:
    assert dates.read(printed) == dates.Printed(last_day)


@pytest.mark.parametrize(
    ("printed", "problem"),
    [
        ("31 June 2007", "The date “31 June 2007” does not exist."),
        ("29 February 2007", "The date “29 February 2007” does not exist."),
        ("0 March 2007", "The date “0 March 2007” does not exist."),
        ("31 March 20007", "The date “31 March 20007” does not exist."),
        ("Spring 2009", "The date “Spring 2009” names a season, not a month."),
        ("31 Janury 2007", "The month of the date “31 Janury 2007” cannot be read (perhaps January)."),
    ],
)
def test_a_day_that_does_not_exist_is_a_date_line_without_a_day(printed: str, problem: str) -> None:
    assert dates.read(printed) == dates.Printed(None, problem)


def test_a_range_that_runs_backwards_ends_with_its_later_day() -> None:
    assert dates.read("June 2009 - March 2009") == dates.Printed(
        date(2009, 6, 30), "The range “June 2009 - March 2009” runs backwards."
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2009",
        "March",
        "12",
        "Report on 31 March 2007",
        "Augusta 2007",
        "In March 2007 he left",
        "7 of 9",
        "1,272 police",
    ],
)
def test_other_lines_are_no_dates(text: str) -> None:
    assert dates.read(text) is None


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("Update 119. 31 January 2007", ("Update", 119, "31 January 2007")),
        ("UPDATE 098. 31 July 2003", ("Update", 98, "31 July 2003")),
        ("update 98, June / July 2003", ("Update", 98, "June / July 2003")),
        ("Update 120 31 March 2007", ("Update", 120, "31 March 2007")),
        ("Update 106. 30 November 2004", ("Update", 106, "30 November 2004")),
        ("Update\u00a0120.\u00a031\u00a0March\u00a02007", ("Update", 120, "31 March 2007")),
        ("Update No. 98: 31 July 2003", ("Update", 98, "31 July 2003")),
        ("Update #98 – 31 July 2003", ("Update", 98, "31 July 2003")),
        ("Update 98 (31 July 2003)", ("Update", 98, "31 July 2003")),
        ("(Update 119. 31 January 2007)", ("Update", 119, "31 January 2007")),
        ("Peru New 057. 30 March 2007", ("Peru New", 57, "30 March 2007")),
        ("PERU NEW 057. 30 March 2007", ("Peru New", 57, "30 March 2007")),
        ("119. 31 January 2007", (None, 119, "31 January 2007")),
        ("Update 31 March 2007", ("Update", None, "31 March 2007")),
        ("Posted on 5 March 2019", (None, None, "5 March 2019")),
        ("31 July 2006", (None, None, "31 July 2006")),
    ],
)
def test_series_and_number_are_told_from_the_date(line: str, label: tuple[str | None, int | None, str]) -> None:
    read = labels.read(line)

    assert read is not None
    assert (read.series, read.number, read.date_label, read.problem) == (*label, None)


def test_a_known_series_with_a_date_that_cannot_be_read_is_still_a_date_line() -> None:
    assert labels.read("Update 119. January") == Label(
        "Update", 119, "January", None, "The date “January” cannot be read."
    )


@pytest.mark.parametrize(
    "title", ["Elections 2006. 30 April", "Elections 2006. 30 April 2006", "Update 119. A new law"]
)
def test_a_title_with_numbers_is_no_date_line(title: str) -> None:
    assert labels.read(title) is None


@pytest.mark.parametrize(
    ("printed", "day"),
    [
        ("20 March 2007", True),
        ("March 20th, 2007", True),
        ("2007-03-20", True),
        ("20-Mar-2007", True),
        ("Tuesday 20 March 2007, 10:30", True),
        ("March 2007", False),
        ("October / November 2026", False),
        ("12 – 14 November 2026", False),
        ("late November 2026", False),
        ("soon", False),
    ],
)
def test_a_day_is_told_from_a_month_and_from_a_range(printed: str, day: bool) -> None:
    assert dates.is_a_day(printed) is day
