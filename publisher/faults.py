"""Named moments of a sending and of posting at which a worker can be made to die, to show what that costs.

PUBLISHER_FAULT="handed:3" kills this process (SIGKILL, as the kernel or an operator would) when it passes the point
`handed` for the third time; "handed:3@FILE" only the first process that can create FILE, so that its successors live.
FILE then tells when that was.
Not set, which is how it is in earnest, a point costs one look at a variable.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

#: In the order in which a batch passes them.
SENDING = (
    "claimed",  # the rows are this worker's, and nothing else has happened
    "armed",  # a group's arming is committed
    "connected",  # the relay has greeted us
    "announced",  # MAIL, RCPT and DATA have left
    "invited",  # the relay waits for the message
    "intended",  # the journal says that this message is about to be handed over
    "half",  # half of the message has left
    "handed",  # all of it has left, with its dot
    "replied",  # the answer was read, and stands nowhere yet
    "noted",  # the answer is noted, and will be in the journal before anything is waited for
    "committing",  # the outcomes are written, and not committed
    "committed",  # the outcomes are committed
    "releasing",  # all is done but giving back what was not sent
    "ended",  # the hold has ended, and its journal still lies there
)
#: In the order in which a post passes them; a post with a picture asks and is answered more than once.
POSTING = (
    "meaning",  # the intent to post is written, and not committed
    "meant",  # the intent is committed, and nothing has left
    "asking",  # a request is about to leave
    "answering",  # the network has begun to answer, and nothing of it was read
    "answered",  # the whole answer was read, and nobody knows yet what it means
    "told",  # the outcome is known, and stands nowhere yet
    "writing",  # the outcome is written, and not committed
    "written",  # the outcome is committed
    "looking",  # an unknown post is about to be looked for
    "seen",  # the look is over, and what it found stands nowhere yet
)


@dataclass
class _Plan:
    point: str
    left: int
    once: str


def _planned(value: str) -> _Plan | None:
    if not value:
        return None
    point, _, rest = value.partition(":")
    times, _, once = rest.partition("@")
    if point not in SENDING + POSTING:
        raise ValueError(f"PUBLISHER_FAULT: {point!r} is none of {', '.join(SENDING + POSTING)}.")
    return _Plan(point, int(times or 1), once)


_plan = _planned(os.environ.get("PUBLISHER_FAULT", ""))


def point(name: str) -> None:
    """Die here, if that is what was planned."""
    if _plan is not None and _plan.point == name:
        _plan.left -= 1
        if _plan.left == 0 and _first(_plan.once):
            os.kill(os.getpid(), signal.SIGKILL)


def planned(name: str) -> bool:
    return _plan is not None and _plan.point == name


def _first(path: str) -> bool:
    if not path:
        return True
    try:
        with open(path, "xb") as file:
            # Its own time is the kernel's last tick: some milliseconds too early, in which whole messages leave.
            file.write(b"%.6f\n" % time.time())
    except FileExistsError:
        return False
    return True
