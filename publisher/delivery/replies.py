"""What a server's answer says about whom: the recipient, us as a sender, or this connection. Tables alone."""

import re
from enum import StrEnum
from typing import Literal


class Phase(StrEnum):
    """Where in the conversation something happened. EHLO counts as GREETING, the TLS handshake as STARTTLS; where
    nothing is under way it is QUIT."""

    CONNECT = "connect"
    GREETING = "greeting"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    DOT = "dot"
    RSET = "rset"
    QUIT = "quit"


Scope = Literal["recipient", "sender", "connection"]

# The RFC 3463 code says more than the place where it is said; the longest entry that fits decides.
BY_ENHANCED: dict[str, Scope] = {
    "1": "recipient",
    "1.7": "sender",  # bad sender's mailbox address syntax
    "1.8": "sender",  # bad sender's system address
    "2": "recipient",  # mailbox disabled, full
    "3": "connection",  # the server is full, not accepting
    "3.4": "sender",  # message too big for the system
    "5.3": "connection",  # too many recipients in one session
    "6": "sender",  # content that cannot be carried
    "6.7": "recipient",  # a non-ASCII address where SMTPUTF8 is not possible (RFC 6531)
    "7": "sender",  # policy: spam, authentication, DMARC. Never a word about the person.
}

# Without one, the reply code where it happened. 4.4.x and 5.4.x are left to this too: at RCPT they speak of the
# recipient's domain ("5.4.1 recipient address rejected: access denied" is how one large provider says unknown user).
BY_CODE: dict[tuple[Phase, int], Scope] = {
    (Phase.DATA, 451): "connection",
    (Phase.DATA, 452): "connection",
    (Phase.DOT, 451): "connection",
    (Phase.DOT, 452): "connection",
    (Phase.RCPT, 503): "connection",
    (Phase.RCPT, 530): "sender",  # authentication required
    (Phase.RCPT, 535): "sender",
    (Phase.DOT, 552): "sender",  # too big, for everybody
    (Phase.DOT, 554): "sender",  # transaction failed: content or reputation
}

BY_PHASE: dict[Phase, Scope] = {
    Phase.CONNECT: "connection",
    Phase.GREETING: "connection",
    Phase.STARTTLS: "connection",
    Phase.AUTH: "sender",
    Phase.MAIL: "sender",
    Phase.RCPT: "recipient",
    Phase.DATA: "sender",
    Phase.BODY: "connection",
    Phase.DOT: "recipient",
    Phase.RSET: "connection",
    Phase.QUIT: "connection",
}


#: A relay that was not told of us says so of each recipient, some without a code or with that of an address.
NO_RELAYING = re.compile(
    r"\brelay(ing)? (access |is )?(denied|not permitted|not allowed|prohibited|rejected)", re.IGNORECASE
)

# No recipient was named yet: an address or a mailbox can only be ours.
UNNAMED = frozenset({Phase.CONNECT, Phase.GREETING, Phase.STARTTLS, Phase.AUTH, Phase.MAIL})


def scope_of(phase: Phase, code: int, enhanced: str | None, said: str = "") -> Scope:
    """Whom an answer of 4xx or 5xx is about; `said` are its words.

    "Not now" to MAIL, whatever it gives as its reason (our rate, our name, no room), says that this relay wants nothing
    from us for a while: it is left alone. Held against the row at hand, and then the next, it would go through a whole
    list at full speed.
    """
    if phase is Phase.RCPT and NO_RELAYING.search(said):
        return "sender"
    if code == 421 or (phase is Phase.MAIL and code < 500):
        return "connection"
    _, _, detail = (enhanced or "").partition(".")
    by_enhanced = BY_ENHANCED.get(detail) or BY_ENHANCED.get(detail.partition(".")[0])
    if by_enhanced == "recipient" and phase in UNNAMED:
        return BY_PHASE[phase]
    return by_enhanced or BY_CODE.get((phase, code)) or BY_PHASE[phase]
