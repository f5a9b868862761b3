"""How a connection begins: greeting, EHLO, STARTTLS and AUTH, as steps that any kind of socket can take."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Generator, Iterator
from typing import NamedTuple

from .outcomes import Ended, Result, made, out_of_turn, refused
from .reading import Reply
from .relays import Relay, is_loopback
from .replies import Phase

#: What the server offers: the keyword, and what stands behind it.
Offers = dict[str, str]


class Step(NamedTuple):
    """Say this line (none: only listen) and come back with the reply; or encrypt, and come back without one."""

    phase: Phase
    line: bytes = b""
    encrypt: bool = False


Opening = Generator[Step, Reply | None, Offers]


def opening(relay: Relay, helo: str, peer: Callable[[], str]) -> Opening:
    """Everything before the first message; returns what the server offers. Raises Ended where it will not do.

    `peer` gives the address at the other end: a password crosses no network in clear text.
    """
    if relay.tls == "implicit":
        yield Step(Phase.STARTTLS, encrypt=True)
    yield from _said(Step(Phase.GREETING), {220}, relay)
    offers = yield from _introduced(relay, helo)
    if relay.tls == "starttls":
        if "STARTTLS" not in offers:
            raise Ended(made(Result.DEFERRED, Phase.STARTTLS, f"{relay} offers no STARTTLS; nothing is sent without."))
        yield from _said(Step(Phase.STARTTLS, b"STARTTLS"), {220}, relay)
        yield Step(Phase.STARTTLS, encrypt=True)
        offers = yield from _introduced(relay, helo)  # What was offered in clear text may be anybody's.
    if relay.user:
        yield from _signed_in(relay, offers, peer)
    return offers


def mail_options(offers: Offers, relay: Relay, *, size: int, utf8: Phase | None, eight_bit: bool) -> Iterator[str]:
    """What MAIL says beside the sender. What this relay cannot carry raises Ended, in words.

    `utf8` names the address that is not ASCII by its phase (a header counts as the recipient's); `eight_bit` is for a
    message of which anything is not.
    """
    if "SIZE" in offers:
        limit = offers["SIZE"]
        if limit.isascii() and limit.isdigit() and 0 < int(limit) < size:
            raise Ended(made(Result.FAILED, Phase.MAIL, f"The message has {size} bytes; {relay} takes {limit}."))
        yield f"SIZE={size}"
    if utf8 and "SMTPUTF8" not in offers:
        # Asked before 8BITMIME, which comes with it: what this relay lacks is a matter of one address, not of us.
        raise Ended(made(Result.FAILED, utf8, f"{relay} offers no SMTPUTF8, which this address needs."))
    if eight_bit:
        if "8BITMIME" not in offers:
            raise Ended(made(Result.FAILED, Phase.MAIL, f"{relay} offers no 8BITMIME, which this message needs."))
        yield "BODY=8BITMIME"
    if utf8:
        yield "SMTPUTF8"


def checked(reply: Reply, phase: Phase, wanted: Collection[int], relay: Relay) -> Reply:
    """The reply if it is one of the wanted; any other raises Ended, as what it is."""
    if reply.code in wanted:
        return reply
    raise Ended(out_of_turn(relay, phase, reply) if reply.code < 400 else refused(reply, phase))


def _introduced(relay: Relay, helo: str) -> Generator[Step, Reply | None, Offers]:
    reply = yield from _said(Step(Phase.GREETING, f"EHLO {helo}".encode()), {250}, relay)
    offers = (line.partition(" ") for line in reply.lines[1:])
    return {name.upper(): rest.upper() for name, _, rest in offers}


def _signed_in(relay: Relay, offers: Offers, peer: Callable[[], str]) -> Generator[Step, Reply | None, None]:
    if relay.tls == "none" and not is_loopback(peer()):
        raise Ended(made(Result.FAILED, Phase.AUTH, f"The password for {relay} would cross the network in clear text."))
    offered = offers.get("AUTH", "").split()
    if "PLAIN" in offered:
        plain = _base64(f"{chr(0)}{relay.user}{chr(0)}{relay.password}")
        yield from _said(Step(Phase.AUTH, b"AUTH PLAIN " + plain), {235}, relay)
    elif "LOGIN" in offered:
        yield from _said(Step(Phase.AUTH, b"AUTH LOGIN"), {334}, relay)
        yield from _said(Step(Phase.AUTH, _base64(relay.user)), {334}, relay)
        yield from _said(Step(Phase.AUTH, _base64(relay.password)), {235}, relay)
    else:
        raise Ended(made(Result.FAILED, Phase.AUTH, f"{relay} offers no login by PLAIN or LOGIN."))


def _said(step: Step, wanted: Collection[int], relay: Relay) -> Generator[Step, Reply | None, Reply]:
    reply = yield step
    assert reply is not None
    return checked(reply, step.phase, wanted, relay)


def _base64(text: str) -> bytes:
    return base64.b64encode(text.encode())
