"""A letter to many: how a reader leaves, which list it is, and the signatures that cover both."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable

from .letter import Opened, split
from .rule import Rules

rule = Rules()

_LIST_ID = re.compile(r"(?:[^<>]*\s)?<([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+)>")
_LIST_URIS = ("list-unsubscribe", "list-archive", "list-help", "list-post", "list-owner", "list-subscribe")
_URI_LIST = re.compile(r"\s*<[a-z][a-z0-9+.-]*:[^<>\s]+>\s*(?:\([^()]*\)\s*)?(?:,\s*<[a-z][a-z0-9+.-]*:[^<>\s]+>\s*)*")
_ADDRESS = re.compile(r"[^\s@<>,]+@[^\s@<>,]+\.[^\s@<>,]+")
#: "Should be included" (RFC 6376 §5.4.1), and what RFC 8058 and Google ask for besides.
_TO_COVER = ("from", "to", "subject", "date", "message-id", "mime-version", "content-type", "reply-to", "list-id",
             "feedback-id")  # fmt: skip
_LEAVING = ("list-unsubscribe", "list-unsubscribe-post")
_ENDS = "x="[0]  # the tag of RFC 6376, and no network
_SAFE = ("rsa-sha256", "ed25519-sha256")


@rule("leave-header", "List-Unsubscribe holds one https address", "RFC 8058 §3.1; RFC 2369 §3.2; Google; Yahoo")
def leave_header(letter: Opened) -> str:
    uris = re.findall(r"<([^<>]*)>", letter.one("list-unsubscribe"))
    web = [uri for uri in uris if uri.lower().startswith(("http:", "https:"))]
    return "" if len(web) == 1 and web[0].lower().startswith("https:") else f"{letter.one('list-unsubscribe')[:80]!r}"


@rule("one-click", "List-Unsubscribe-Post says List-Unsubscribe=One-Click", "RFC 8058 §3.1, §5; Google; Yahoo")
def one_click(letter: Opened) -> str:
    said = letter.one("list-unsubscribe-post")
    return "" if said == "List-Unsubscribe=One-Click" else f"{said[:60]!r}"


@rule("one-click-signed", "A signature covers both headers of one-click", "RFC 8058 §4")
def one_click_signed(letter: Opened) -> str:
    return _uncovered(letter, _LEAVING)


@rule("leave-opaque", "The address to leave is hard to guess, and names no reader", "RFC 8058 §3.1")
def leave_opaque(letter: Opened) -> str:
    if not letter.leave_url:
        return ""  # leave-header says so
    longest = max(re.findall(r"[A-Za-z0-9_~-]+", letter.leave_url.partition("://")[2]), key=len, default="")
    named = "@" in letter.leave_url or "%40" in letter.leave_url
    return "" if len(longest) >= 22 and not named else "short, or with an address in it"


@rule("leave-seen", "HTML and text both show the way out, the one that the header names", "Google; UK PECR reg. 22(3)")
def leave_seen(letter: Opened) -> str:
    missing = [
        name
        for name, links in (("HTML", letter.html_links), ("text", letter.text_links))
        if not letter.leave_url or letter.leave_url not in links
    ]
    return f"not in the {' nor the '.join(missing)}" if missing and (letter.part("html") or missing != ["HTML"]) else ""


@rule("list-id", "List-Id is <label.domain> in ASCII, of at most 255 characters", "RFC 2919 §2, §3")
def list_id(letter: Opened) -> str:
    said = letter.one("list-id")
    found = _LIST_ID.fullmatch(said)
    return "" if found and len(found[1]) <= 255 else f"{said[:80]!r}"


@rule("list-addresses", "Headers of the list hold addresses in angle brackets, parted by commas", "RFC 2369 §2")
def list_addresses(letter: Opened) -> str:
    wrong = [name for name in _LIST_URIS for value in letter.all(name) if not _URI_LIST.fullmatch(value)]
    return f"{wrong[0]}: {letter.one(wrong[0])[:60]!r}" if wrong else ""


@rule(
    "feedback-id",
    "Feedback-ID has at most four fields, its last of 5 to 15 characters, and names nobody",
    "Google, Feedback Loop (answer 6254652)",
)
def feedback_id(letter: Opened) -> str:
    said = letter.one("feedback-id")
    fields = said.split(":")
    good = len(fields) <= 4 and re.fullmatch(r"[A-Za-z0-9_.-]{5,15}", fields[-1]) and not _ADDRESS.search(said)
    return "" if not said or good else f"{said[:80]!r}"


@rule("no-auto-answer", "It says neither that it answers by itself, nor asks for a receipt", "RFC 3834 §5; RFC 8098 §2")
def no_auto_answer(letter: Opened) -> str:
    if letter.one("auto-submitted").lower().startswith("auto-replied"):
        return "Auto-Submitted: auto-replied"
    asked = [name for name in ("disposition-notification-to", "return-receipt-to") if letter.one(name)]
    return f"{asked[0]} is there" if asked else ""


@rule("precedence", "Precedence, where it is there, is bulk or list, never junk", "RFC 2076 §3.9; RFC 3834 §2")
def precedence(letter: Opened) -> str:
    said = letter.one("precedence").lower()
    return f"{said!r}" if said and said not in {"bulk", "list"} else ""


@rule("signed", "It is signed where this sender has a key", "RFC 6376; Google, sender guidelines; Yahoo; Microsoft")
def signed(letter: Opened) -> str:
    return "no DKIM-Signature" if letter.facts.signed and not letter.signatures else ""


@rule("signature-whole", "Each signature has all of its tags, in version 1", "RFC 6376 §3.5")
def signature_whole(letter: Opened) -> str:
    needed = ("v", "a", "b", "bh", "d", "h", "s")
    wrong = [tags for tags in letter.signatures if tags.get("v") != "1" or not all(tags.get(name) for name in needed)]
    return f"lacks {', '.join(name for name in needed if not wrong[0].get(name)) or 'version 1'}" if wrong else ""


@rule("signature-safe", "Signed with SHA-256, never with SHA-1", "RFC 8301 §3.1; RFC 8463 §2")
def signature_safe(letter: Opened) -> str:
    weak = [tags.get("a", "") for tags in letter.signatures if tags.get("a") not in _SAFE]
    return f"{weak[0]!r}" if weak else ""


@rule("signature-aligned", "A signature's domain is the sender's, or one above or below it", "RFC 9989 (DMARC) §4.4")
def signature_aligned(letter: Opened) -> str:
    domains = [tags.get("d", "").lower() for tags in letter.signatures]
    near = any(_related(domain, letter.domain) for domain in domains)
    return "" if near or not domains else f"{', '.join(domains)} for a letter from {letter.domain}"


@rule(
    "signature-covers",
    "A signature covers From, To, Subject, Date and the other headers that are read",
    "RFC 6376 §5.4.1",
)
def signature_covers(letter: Opened) -> str:
    return _uncovered(letter, [name for name in _TO_COVER if letter.one(name)])


@rule(
    "signature-seals-from",
    "From and Subject are signed once more than they are there, so that none can be added",
    "RFC 6376 §8.15",
)
def signature_seals_from(letter: Opened) -> str:
    for tags in letter.signatures:
        names = tags.get("h", "").lower().split(":")
        loose = [name for name in ("from", "subject") if names.count(name) <= len(letter.all(name))]
        if loose:
            return f"may be added: {', '.join(loose)}"
    return ""


@rule("signature-of-all", "No signature covers only the beginning of the body (l=)", "RFC 6376 §8.2")
def signature_of_all(letter: Opened) -> str:
    return "l= is there" if any("l" in tags for tags in letter.signatures) else ""


@rule("signature-times", "No signature is from the future, or over", "RFC 6376 §3.5 (t=, x=)")
def signature_times(letter: Opened) -> str:
    now = letter.facts.now.timestamp()
    wrong = [t for t in letter.signatures if float(t.get("t", 0)) > now + 86_400 or float(t.get(_ENDS, now)) < now]
    return "made in the future, or expired" if wrong else ""


@rule("signature-body", "The body hashes to what each signature says", "RFC 6376 §3.7")
def signature_body(letter: Opened) -> str:
    wrong = [tags for tags in letter.signatures if tags.get("bh") != _hashed(letter.body, tags)]
    return "the body is another" if wrong else ""


@rule(
    "signature-length",
    "Each signature is as long as one of its kind: RSA of 2,048 bits or more",
    "RFC 8301 §3.2; Google",
)
def signature_length(letter: Opened) -> str:
    for tags in letter.signatures:
        least = 64 if tags.get("a", "").startswith("ed25519") else 256
        if len(b64decode(tags.get("b", "") + "==")) < least:
            return f"{tags.get('a')} with fewer than {least} bytes"
    return ""


@rule(
    "same-party",
    "What the letter itself offers (to leave, the archive) is at one https host",
    "Google; Spamhaus, marketing FAQ",
)
def same_party(letter: Opened) -> str:
    base = split(letter.facts.base_url)
    ours = [uri for name in _LIST_URIS for uri in re.findall(r"<(https?:[^<>]*)>", letter.one(name))]
    away = [uri for uri in ours if (parts := split(uri)) is None or not base or parts.netloc != base.netloc]
    return f"{away[0][:80]} is not at {letter.facts.base_url}" if away else ""


def _uncovered(letter: Opened, names: Iterable[str]) -> str:
    """Which of these no signature covers. Who does not sign here is not asked."""
    wanted = set(names)
    if not letter.signatures:
        return ""
    best = min((wanted - set(tags.get("h", "").lower().split(":")) for tags in letter.signatures), key=len)
    return f"not covered: {', '.join(sorted(best))}" if best else ""


def _related(domain: str, other: str) -> bool:
    return domain == other or domain.endswith(f".{other}") or other.endswith(f".{domain}")


def _hashed(body: bytes, tags: dict[str, str]) -> str:
    if tags.get("c", "simple/simple").partition("/")[2] == "relaxed":
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
        body = b"\r\n".join(lines)
        ended = body.rstrip(b"\r\n")
        body = ended + b"\r\n" if ended else b""
    else:
        body = body.rstrip(b"\r\n") + b"\r\n"
    return b64encode(hashlib.sha256(body).digest()).decode()
