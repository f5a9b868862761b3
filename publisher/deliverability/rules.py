"""All rules that a letter's bytes are held against, and what they say of one."""

from __future__ import annotations

from dataclasses import dataclass

from . import rules_form, rules_lists, rules_parts
from .letter import Facts, Opened
from .rule import Rule

__all__ = ["RULES", "Broken", "Facts", "look"]

RULES: tuple[Rule, ...] = (*rules_form.rule, *rules_lists.rule, *rules_parts.rule)


@dataclass(frozen=True)
class Broken:
    rule: Rule
    how: str

    def __str__(self) -> str:
        return f"{self.rule.what}: {self.how}. ({self.rule.source})"


def look(raw: bytes, facts: Facts) -> list[Broken]:
    """The rules that these bytes break, in the order of the table."""
    letter = Opened(raw, facts)
    found = ((rule, rule.look(letter)) for rule in RULES)
    return [Broken(rule, how) for rule, how in found if how]
