"""A small checker for JSON bodies: shapes as data, each fault as a sentence in X's manner."""

import re
from collections.abc import Iterator
from typing import Any

ID = re.compile(r"[0-9]{1,19}")


class Needed(str):
    """The name of a field that must be there."""


def faults(value: Any, shape: Any, path: str = "$") -> Iterator[str]:
    """What is wrong with the value. A shape is a type, a pattern, a set of words, [shape, least, most], or
    an object {name: shape}; a name that is `Needed` must be there, and any other name is refused."""
    if isinstance(shape, dict):
        yield from _object(value, shape, path)
    elif isinstance(shape, list):
        yield from _array(value, shape, path)
    elif not _fits(value, shape):
        yield f"[{path}] does not match the schema: {_short(value)}"


def _object(value: Any, shape: dict[str, Any], path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"[{path}] must be an object"
        return
    for name, inner in value.items():
        if name in shape:
            yield from faults(inner, shape[name], f"{path}.{name}")
        else:
            yield (f"[{path}.{name}] is not defined in the schema and the schema does not allow additional properties")
    for name in shape:
        if isinstance(name, Needed) and name not in value:
            yield f"[{path}.{name}] is missing but it is required"


def _array(value: Any, shape: list[Any], path: str) -> Iterator[str]:
    inner, least, most = shape
    if not isinstance(value, list) or not least <= len(value) <= most:
        yield f"[{path}] must be an array of {least} to {most} items"
        return
    for position, one in enumerate(value):
        yield from faults(one, inner, f"{path}[{position}]")


def _fits(value: Any, shape: Any) -> bool:
    if isinstance(shape, re.Pattern):
        return isinstance(value, str) and bool(shape.fullmatch(value))
    if isinstance(shape, frozenset):
        return value in shape
    # In Python True is an int; in JSON it is not a number.
    return isinstance(value, shape) and (shape is bool or not isinstance(value, bool))


def _short(value: Any) -> str:
    return repr(value)[:80]
