"""E-mail addresses as SMTP and headers need them: the domain in A-labels, the local part untouched."""

import re
from functools import lru_cache

import idna

# Beyond ASCII everything that is no space, no control character and no half of a surrogate pair (RFC 6531).
_ATOM = r"(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]|[^\x00-\xa0\s\ud800-\udfff])+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*" r'|"(?:[\x20!#-\[\]-~]|\\[\x20-\x7e])*"')
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
                     r"(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*")  # fmt: skip


class CannotBuild(ValueError):
    """There can be no message of this letter for this member; the text says why."""


class AddressRefused(CannotBuild):
    """This is no address that mail can be sent to; the message says why."""


def ascii_domain(address: str) -> str:
    """The address with its domain as A-labels: ana@bücher.example → ana@xn--bcher-kva.example.

    Raises AddressRefused for everything that is not local@domain, whatever it may smuggle.
    """
    local, at, domain = address.rpartition("@")
    if not at or not _LOCAL.fullmatch(local):
        raise AddressRefused(f"{address!r} is not an e-mail address: the part before the @ cannot be used.")
    if len(local.encode()) > 64:
        raise AddressRefused(f"{address!r} is not an e-mail address: more than 64 bytes before the @.")
    try:
        return f"{local}@{ascii_host(domain)}"
    except AddressRefused as refused:
        raise AddressRefused(f"{address!r} is not an e-mail address: {refused}") from None


@lru_cache(maxsize=4096)  # a million members have a few thousand domains
def ascii_host(name: str) -> str:
    """The name as A-labels, by IDNA 2008 with the mapping of UTS 46.

    Python's own codec is IDNA 2003 and turns ß into ss: another domain, perhaps another person.
    """
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode()
        except (idna.IDNAError, UnicodeError) as error:
            raise AddressRefused(f"{name!r} cannot be a domain: {error}.") from None
    if not _DOMAIN.fullmatch(name) or any(len(label) > 63 for label in name.split(".")):
        raise AddressRefused(f"{name!r} is not a domain.")
    return name
