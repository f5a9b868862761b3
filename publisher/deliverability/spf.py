"""Whether a domain's SPF record lets a host send for it: check_host() of RFC 7208, all but its explanations. Pure.

The DNS comes in as a function, and `Silent` from it is a temporary error. The standard's own test suite (2014-04) is
held against this. No library took its place: pyspf (2020) has no wheel and warns at its import, checkdmarc brings 18
others and judges no host.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import time
from typing import Literal
from urllib.parse import quote

from .answers import Ask, Silent

Result = Literal["none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MOST_LOOKUPS, MOST_VOID, MOST_NAMES = 10, 2, 10  # RFC 7208 §4.6.4
_QUALIFIERS: dict[str, Result] = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_TERM = re.compile(r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?::([^/].*?))?((?:/[0-9]+)?(?://[0-9]+)?)", re.I)
_MODIFIER = re.compile(r"([a-z][a-z0-9._-]*)=(.*)", re.I)
_MACRO = re.compile(r"%(?:\{([slodiphcrtv])([0-9]{0,3})(r?)([.+,/_=-]*)\}|([%_-])|)", re.I)
_TOP = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9-]*[a-z0-9])?|.*%\{.*\}", re.I)
_LITERAL = {"%": "%", "_": " ", "-": "%20"}


class _Wrong(Exception):
    """permerror: the record cannot be read, or asks too much."""


@dataclass(frozen=True)
class Verdict:
    result: Result
    why: str = ""


@dataclass
class _Asked:
    """One evaluation: who sends, and how much has been asked for it."""

    address: Address
    sender: str
    helo: str
    ask: Ask
    lookups: int = 0
    void: int = 0
    ptr: list[str] | None = field(default=None)

    def spend(self) -> None:
        self.lookups += 1
        if self.lookups > MOST_LOOKUPS:
            raise _Wrong(f"more than {MOST_LOOKUPS} lookups")

    def find(self, name: str, kind: str) -> list[str]:
        found = self.ask(name, kind)
        if not found:
            self.void += 1
            if self.void > MOST_VOID:
                raise _Wrong(f"more than {MOST_VOID} names that do not exist")
        return found


def check_host(address: str, sender: str, ask: Ask, helo: str = "") -> Verdict:
    """What the record of the sender's domain (or of helo, where the sender is empty) says of this host."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    local, _, domain = (sender if "@" in sender else f"postmaster@{sender or helo}").rpartition("@")
    asked = _Asked(ip, f"{local or 'postmaster'}@{domain}", helo, ask)
    try:
        return _check(asked, domain)
    except _Wrong as problem:
        return Verdict("permerror", str(problem))
    except Silent as problem:
        return Verdict("temperror", str(problem))


def records(domain: str, ask: Ask) -> list[str]:
    """The SPF records of a domain: there should be one."""
    return [text for text in ask(domain, "TXT") if re.fullmatch(r"v=spf1(?: .*)?", text, re.I | re.S)]


def _check(asked: _Asked, domain: str) -> Verdict:
    if not _is_name(domain):
        return Verdict("none", f"{domain} is no name")
    found = records(domain, asked.ask)
    if not found:
        return Verdict("none", f"{domain} has no SPF record")
    if len(found) > 1:
        raise _Wrong(f"{domain} has {len(found)} SPF records")
    return _evaluate(asked, domain, found[0])


def _evaluate(asked: _Asked, domain: str, record: str) -> Verdict:
    if not record.isascii():
        raise _Wrong(f"the record of {domain} is not ASCII")
    terms, modifiers = _parse(record)
    for qualifier, name, value, lengths in terms:
        if _matches(asked, domain, name, value, lengths):
            return Verdict(_QUALIFIERS[qualifier or "+"], f"{name}{f':{value}' if value else ''} of {domain}")
    if "redirect" not in modifiers:
        return Verdict("neutral", f"nothing in the record of {domain} speaks of it")
    asked.spend()
    verdict = _check(asked, _target(asked, domain, modifiers["redirect"]))
    if verdict.result == "none":
        raise _Wrong(f"{domain} redirects to a domain without a record")
    return verdict


def _parse(record: str) -> tuple[list[tuple[str, str, str | None, str]], dict[str, str]]:
    """All terms are read before any is asked: a mistake behind a match is a mistake."""
    terms: list[tuple[str, str, str | None, str]] = []
    modifiers: dict[str, str] = {}
    for word in record.split(" ")[1:]:
        if not word:
            continue
        if found := _TERM.fullmatch(word):
            qualifier, name, value, lengths = found[1], found[2].lower(), found[3], found[4]
            _check_term(word, name, value, lengths)
            terms.append((qualifier, name, value, lengths))
        elif modifier := _MODIFIER.fullmatch(word):
            _note(modifiers, modifier[1].lower(), modifier[2])
        else:
            raise _Wrong(f"“{word}” is no term")
    return terms, modifiers


def _note(modifiers: dict[str, str], name: str, value: str) -> None:
    if name in {"redirect", "exp"}:
        if name in modifiers:
            raise _Wrong(f"{name}= stands twice")
        _check_spec(value)
        modifiers[name] = value
    elif any(not found[0].strip("%") and not found[5] for found in _MACRO.finditer(value)):
        raise _Wrong(f"“{name}={value}” has half a macro")


def _check_term(word: str, name: str, value: str | None, lengths: str) -> None:
    if name in {"ip4", "ip6"}:
        _network(name, value, lengths)
    elif name in {"all", "include", "exists", "ptr"} and lengths:
        raise _Wrong(f"“{word}” takes no length")
    if (name in {"include", "exists"} and not value) or (name == "all" and (value or ":" in word)):
        raise _Wrong(f"“{word}” is not whole, or too much")
    if ":" in word and value is None:
        raise _Wrong(f"“{word}” names nothing")
    if name in {"include", "exists", "a", "mx", "ptr"} and value:
        _check_spec(value)
    if name in {"a", "mx"}:
        _lengths(lengths)


def _check_spec(spec: str) -> None:
    """domain-spec: visible characters, whole macros, and an end that is a top label or a macro."""
    for found in re.finditer(r"%", _MACRO.sub(lambda m: "" if m[0] != "%" else "%", spec)):
        raise _Wrong(f"“{spec}” has half a macro at {found.start()}")
    if not spec or not all("!" <= character <= "~" for character in spec):
        raise _Wrong(f"“{spec}” is no domain")
    if re.search(r"%(\{[^}]*\}|%|_|-)$", spec):
        if not spec.endswith("}"):
            raise _Wrong(f"“{spec}” does not end with a name")
    elif "." not in spec.rstrip(".") or not _TOP.fullmatch(spec.rstrip(".").rpartition(".")[2]):
        raise _Wrong(f"“{spec}” does not end with a name")
    if any(found[2] and int(found[2]) == 0 for found in _MACRO.finditer(spec)):
        raise _Wrong(f"“{spec}” asks for no label")
    if any((found[1] or "").lower() in {"c", "r", "t"} for found in _MACRO.finditer(spec)):
        raise _Wrong(f"“{spec}” has a macro that belongs into explanations")


def _matches(asked: _Asked, domain: str, name: str, value: str | None, lengths: str) -> bool:
    if name == "all":
        return True
    if name in {"ip4", "ip6"}:
        return asked.address in _network(name, value, lengths)
    asked.spend()
    target = _target(asked, domain, value) if value else domain
    if name == "include":
        return _included(asked, target)
    if not _is_name(target):
        return False
    return {"a": _a, "mx": _mx, "exists": _exists, "ptr": _ptr}[name](asked, target, lengths)


def _included(asked: _Asked, target: str) -> bool:
    verdict = _check(asked, target)
    if verdict.result == "none":
        raise _Wrong(f"{target}, which is included, has no SPF record")
    return verdict.result == "pass"


def _a(asked: _Asked, target: str, lengths: str) -> bool:
    return _near(asked, asked.find(target, _kind(asked)), lengths)


def _mx(asked: _Asked, target: str, lengths: str) -> bool:
    hosts = asked.find(target, "MX")
    if len(hosts) > MOST_NAMES:
        raise _Wrong(f"{target} has more than {MOST_NAMES} mail servers")
    return any(_near(asked, asked.find(host, _kind(asked)), lengths) for host in hosts if host)


def _exists(asked: _Asked, target: str, lengths: str) -> bool:
    return bool(asked.find(target, "A"))  # A also for IPv6 (§5.7)


def _ptr(asked: _Asked, target: str, lengths: str) -> bool:
    end = target.lower().rstrip(".")
    return any(name == end or name.endswith(f".{end}") for name in _names(asked))


def _names(asked: _Asked) -> list[str]:
    """The names of the host that lead back to it. No answer is as good as no name (§5.5)."""
    if asked.ptr is None:
        try:
            said = asked.find(asked.address.reverse_pointer, "PTR")[:MOST_NAMES]
        except Silent:
            said = []
        asked.ptr = [name.lower().rstrip(".") for name in said if _leads_back(asked, name)]
    return asked.ptr


def _leads_back(asked: _Asked, name: str) -> bool:
    try:
        return any(ipaddress.ip_address(found) == asked.address for found in asked.ask(name, _kind(asked)))
    except Silent:
        return False


def _near(asked: _Asked, found: list[str], lengths: str) -> bool:
    length = _lengths(lengths)[asked.address.version == 6]
    return any(asked.address in ipaddress.ip_network(f"{address}/{length}", strict=False) for address in found)


def _lengths(written: str) -> tuple[int, int]:
    """For IPv4 and for IPv6: "/24//64"."""
    found = re.fullmatch(r"(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?", written)
    four, six = (int(found[1] or 32), int(found[2] or 128)) if found else (99, 0)
    if found and found[1] == "0":
        four = 0
    if found and found[2] == "0":
        six = 0
    if four > 32 or six > 128:
        raise _Wrong(f"“{written}” is no length")
    return four, six


def _network(name: str, value: str | None, lengths: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        if re.search(r"/0[0-9]|//", lengths):
            raise ValueError(lengths)
        if name == "ip4":
            return ipaddress.IPv4Network(f"{value}{lengths}", strict=False)
        return ipaddress.IPv6Network(f"{value}{lengths}", strict=False)
    except ValueError:
        raise _Wrong(f"“{name}:{value}{lengths}” is no network") from None


def _kind(asked: _Asked) -> str:
    return "A" if asked.address.version == 4 else "AAAA"


def _target(asked: _Asked, domain: str, spec: str) -> str:
    """The domain that a spec names, its macros filled; of a name that is too long its end (§7.3)."""
    name = _MACRO.sub(lambda found: _filled(asked, domain, found), spec).rstrip(".")
    while len(name) > 253:
        name = name.partition(".")[2]
    return name


def _filled(asked: _Asked, domain: str, found: re.Match[str]) -> str:
    if found[5]:
        return _LITERAL[found[5]]
    letter, keep, turned, marks = found[1], found[2], found[3], found[4]
    parts = re.split(f"[{re.escape(marks or '.')}]", _macro(asked, domain, letter.lower()))
    parts = (parts[::-1] if turned else parts)[-int(keep) if keep else 0 :]
    text = ".".join(parts)
    return quote(text, safe="-._~") if letter.isupper() else text


def _macro(asked: _Asked, domain: str, letter: str) -> str:
    local, _, origin = asked.sender.rpartition("@")
    values: dict[str, Callable[[], str]] = {
        "s": lambda: asked.sender,
        "l": lambda: local,
        "o": lambda: origin,
        "d": lambda: domain,
        "h": lambda: asked.helo,
        "i": lambda: ".".join(_nibbles(asked.address)),
        "v": lambda: "in-addr" if asked.address.version == 4 else "ip6",
        "p": lambda: next(iter(sorted(_names(asked), key=lambda name: name != domain)), "unknown"),
        "c": lambda: str(asked.address),
        "r": lambda: "unknown",
        "t": lambda: str(int(time())),
    }
    return values[letter]()


def _nibbles(address: Address) -> Iterator[str]:
    return iter(str(address).split(".") if address.version == 4 else address.exploded.replace(":", ""))


def _is_name(domain: str) -> bool:
    """A name with more than one label, each of 1 to 63 characters (§4.3)."""
    labels = domain.rstrip(".").split(".")
    return len(labels) > 1 and all(0 < len(label) < 64 for label in labels) and len(domain) <= 254
