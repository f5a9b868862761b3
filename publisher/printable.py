"""What somebody else wrote, as it can stand in one line: in a journal, a log, a column, a page."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Nothing in it ends a line or moves a cursor. Half a character is in no file, and a NUL in no database."""
    shown = text if text.isprintable() else "".join(each if each.isprintable() else " " for each in text)
    return " ".join(shown.split())
