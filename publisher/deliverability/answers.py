"""What the DNS is to those who judge: a function, whose answer may be nothing, and which may have no answer."""

from __future__ import annotations

from collections.abc import Callable

#: Name and type of the records, to their values as text. Empty: there are none. `Silent` where nobody answered.
Ask = Callable[[str, str], list[str]]


class Silent(Exception):
    """Nobody answered, or not this question. That says nothing about what the records are."""
