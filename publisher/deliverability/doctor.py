"""The deliverability doctor: what receivers find when they look at a publication's sender, its relay and its letter.

Nothing here decides whether anything is sent. Where nobody answers, the finding says so: that is never called wrong.
"""

from __future__ import annotations

import copy
import ipaddress
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.utils import timezone

from .. import reach
from ..delivery import keys, parcels
from ..delivery.addresses import AddressRefused, CannotBuild, ascii_host
from ..delivery.conversation import Conversation
from ..delivery.frame import Frame
from ..delivery.outcomes import Timeouts
from ..delivery.relays import Relay, is_loopback, parse_relays
from ..delivery.replies import Phase
from ..delivery.statements import Due
from ..lifecycle import Refusal
from ..models import Proof, Publication
from . import advice, dmarc, rules, spf
from .answers import Silent
from .dns import Questions
from .findings import Finding, Verdict, record
from .rules import Facts
from .senders import include_of

_BRIEF = Timeouts(connect=5, greeting=10, starttls=10, auth=10, quit=2)
_WEB = (3.0, 5.0)  # seconds to connect, and to answer
WELL, WRONG, UNASKED = Verdict.WELL, Verdict.WRONG, Verdict.UNASKED


def examine(publications: Sequence[Publication], *, addresses: Sequence[str] = (), servers: str = "") -> list[Finding]:
    """All findings. `addresses` are those that the world sees our mail come from, where they are not the relay's own.

    Raises ServersWrong, RelayWrong.
    """
    if settings.LOOPBACK_ONLY and not _stays_here(servers or settings.DNS_SERVERS):
        raise Refusal("This is the demo: it talks to this machine only, so nobody is asked about a domain.")
    look = _Look(Questions(servers or settings.DNS_SERVERS), _relays(), tuple(addresses))
    found = _answered("links", "HTTPS", _web)
    for relay in look.relays:
        found += _answered(relay.host, "TLS", partial(_relay, look, relay))
    for publication in publications:
        found += _answered(publication.slug, "Sender", partial(_of, look, publication))
    return found


class _Look:
    """One examination: the DNS that it asks, and the ways on which our mail leaves."""

    def __init__(self, questions: Questions, relays: Sequence[Relay], addresses: Sequence[str]) -> None:
        self.ask = questions.ask
        self.relays, self._given = relays, addresses

    def addresses(self, relay: Relay) -> list[str]:
        """The public addresses from which it sends, as far as known. Silent where nobody answers for its name."""
        if self._given:
            return list(self._given)
        try:
            return [a for a in (str(ipaddress.ip_address(relay.host)),) if _is_public(a)]
        except ValueError:
            found = [*self.ask(relay.host, "A"), *self.ask(relay.host, "AAAA")] if relay.host != "localhost" else []
            return [address for address in found if _is_public(address)]


def _of(look: _Look, publication: Publication) -> Iterator[Finding]:
    about, domain = publication.slug, publication.sender_email.rpartition("@")[2]
    try:
        domain = ascii_host(domain).lower()
    except AddressRefused as problem:
        yield Finding(
            about, "Sender", WRONG, str(problem), "Change it with `publisher publications set sender_email=…`."
        )
        return
    envelope = _envelope(domain)
    for name, check in (
        ("SPF", lambda: _spf(look, about, envelope)),
        ("DKIM", lambda: _dkim(look, about, domain)),
        ("DMARC", lambda: _dmarc(look, about, domain, envelope)),
        ("Bounces", lambda: _bounces(look, about, envelope)),
        ("Letter", lambda: _letter(about, publication)),
    ):
        yield from _answered(about, name, check)


def _envelope(domain: str) -> str:
    """The domain that letters return to."""
    given = settings.BOUNCE_ADDRESS.rpartition("@")[2]
    try:
        return ascii_host(given).lower() if given else domain
    except AddressRefused:
        return given.lower()  # `publisher check` says what is wrong with it


def _answered(about: str, name: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """What it finds. Where it breaks off it has not been looked at, which is never called in order."""
    try:
        return list(check())
    except Silent as silent:
        return [Finding(about, name, UNASKED, f"{silent}", "Look again later, or ask another server with --dns.")]
    except Exception as problem:
        says = f"could not be looked at: {type(problem).__name__}: {str(problem)[:200]}"
        return [
            Finding(about, name, UNASKED, says, "This is a fault in Publisher: please report it with this sentence.")
        ]


# ---- What the DNS says of the sender


def _spf(look: _Look, about: str, domain: str) -> Iterator[Finding]:
    if parcels.chosen():
        says = (
            "letters go through a provider, which sends them with a return address of its own; DKIM must vouch for you"
        )
        yield Finding(about, "SPF", WELL, says)
        return
    if not look.relays:
        yield Finding(about, "SPF", UNASKED, "no mail server is set, so nobody can be named that may send.")
    for relay in look.relays:
        yield _spf_of(look, about, domain, relay)


def _spf_of(look: _Look, about: str, domain: str, relay: Relay) -> Finding:
    name, include, addresses = f"SPF for {relay.host}", include_of(relay.host), look.addresses(relay)
    found = spf.records(domain, look.ask)
    terms = [include] if include else [advice.term(address) for address in addresses]
    line = record(domain, advice.spf(found[0] if found else "", terms or ["a"]))
    if len(found) > 1:
        return Finding(about, name, WRONG, f"{domain} has {len(found)} SPF records: then none counts.", _PUT, line)
    if not found:
        return Finding(about, name, WRONG, f"{domain} has no SPF record.", _PUT, line)
    if include:
        return _included(look, about, name, domain, include, line)
    if not addresses:
        return Finding(about, name, UNASKED, "which address the world sees is not known here.", _ADDRESS)
    for address in addresses:
        verdict = spf.check_host(address, f"bounces@{domain}", look.ask, relay.host)
        if verdict.result == "temperror":
            raise Silent(verdict.why)
        if verdict.result == "pass" and verdict.why.startswith("all of "):
            says = f"the record of {domain} lets everybody send (+all): receivers take that for none."
            return Finding(about, name, WRONG, says, "Let it end with ~all, and name who may send before that.")
        if verdict.result != "pass":
            says = f"{verdict.result} for {address}: {verdict.why}."
            return Finding(about, name, WRONG, says, _PUT if verdict.result != "permerror" else _MEND, line)
    return Finding(about, name, WELL, f"{', '.join(addresses)} may send for {domain}")


def _included(look: _Look, about: str, name: str, domain: str, include: str, line: str) -> Finding:
    """An address that nobody has: all of the record is walked. What is wrong with it shows, and whether the provider's
    own record is reached, also by way of another's, or by a redirect."""
    asked: set[str] = set()

    def ask(wanted: str, kind: str) -> list[str]:
        asked.add(wanted.lower().rstrip("."))
        return look.ask(wanted, kind)

    verdict = spf.check_host("192.0.2.1", f"bounces@{domain}", ask)
    if verdict.result == "permerror":
        return Finding(about, name, WRONG, f"the record cannot be used: {verdict.why}.", _MEND)
    if verdict.result == "temperror":
        raise Silent(verdict.why)
    if include.partition(":")[2].lower() not in asked:
        return Finding(about, name, WRONG, f"the record of {domain} does not have {include}.", _PUT, line)
    return Finding(about, name, WELL, f"the record of {domain} has {include}")


_PUT = "Put this into the DNS:"
_MEND = "Mend the record: SPF allows ten lookups in all; take out includes that nothing uses."
_ADDRESS = "Name it: `publisher check --deliverability --address 198.51.100.7`."


def _dkim(look: _Look, about: str, domain: str) -> Iterator[Finding]:
    used = [key for key in keys.stored() if key.in_use and key.domain == domain]
    if not used:
        says = f"no key of ours signs for {domain}, so the mail server must; which selector it uses is not known here."
        mend = f"Look for “dkim=pass” in the source of a letter, or make a key with `publisher dkim new {domain}`."
        yield Finding(about, "DKIM", UNASKED, says, mend)
    for key in used:
        name = f"DKIM {key.selector}"
        if key.problem:
            yield Finding(about, name, WRONG, key.problem, "Letters wait meanwhile: none goes out unsigned.")
            continue
        wrong = _published(look.ask(key.record[0], "TXT"), key)
        if wrong:
            yield Finding(about, name, WRONG, wrong, _PUT, key.zone_line)
        else:
            yield Finding(about, name, WELL, f"{key.record[0]} has our {key.kind} key")


def _published(texts: list[str], key: keys.Stored) -> str:
    """What is wrong with the record of a key; "" where a verifier finds ours."""
    name = key.record[0]
    if len(texts) != 1:
        return f"{name} has {len(texts)} records." if texts else f"{name} has no record: every letter looks forged."
    tags = {
        tag.strip(): "".join(value.split()) for tag, _, value in (part.partition("=") for part in texts[0].split(";"))
    }
    if tags.get("v", "DKIM1") != "DKIM1" or "p" not in tags:
        return f"{name} is no record of a key."
    if not tags["p"]:
        return f"{name} says that the key is withdrawn (an empty p=)."
    if tags.get("k", "rsa") != key.kind or tags["p"] != key.public:
        return f"{name} has another key than ours."
    if "sha256" not in tags.get("h", "sha256").lower().split(":"):
        return f"{name} allows h={tags['h']} alone: our signatures are made with sha256."
    if not {"*", "email"} & set(tags.get("s", "*").lower().split(":")):
        return f"{name} is not for mail (s={tags['s']})."
    return f"{name} says that it is only tried out (t=y)." if "y" in tags.get("t", "").split(":") else ""


def _dmarc(look: _Look, about: str, domain: str, envelope: str) -> Iterator[Finding]:
    found = dmarc.find(domain, look.ask)
    line = record(f"_dmarc.{domain}", advice.dmarc(domain))
    if found is None:
        says = f"{domain} has no DMARC record. Gmail, Yahoo and Outlook ask for one of whoever writes to many."
        yield Finding(about, "DMARC", WRONG, says, _PUT, line)
        return
    if found.problem:
        yield Finding(about, "DMARC", WRONG, f"{found.problem}.", _PUT, line)
        return
    tag, policy = found.policy_for(domain)
    watches = "; it only watches: once the reports look right, say p=quarantine, then p=reject"
    tried = "; it is only tried out (t=y, or pct= below 100): receivers do less than it says"
    behind = watches if policy == "none" else tried * found.tried_out
    yield Finding(about, "DMARC", WELL, f"_dmarc.{found.at} says {tag}={policy}{behind}")
    yield _alignment(look, about, domain, envelope, found)


def _alignment(look: _Look, about: str, domain: str, envelope: str, found: dmarc.Record) -> Finding:
    signed = any(key.in_use and key.domain == domain for key in keys.stored())
    returns = not parcels.chosen() and dmarc.aligned(envelope, domain, look.ask, strictly=found.tags.get("aspf") == "s")
    said = [
        f"DKIM signs for {domain}" if signed else "",
        f"letters return to {envelope}" if returns else "",
    ]
    if signed or returns:
        return Finding(about, "Alignment", WELL, " and ".join(filter(None, said)))
    says = f"letters from {domain} return to {envelope}, which is another party, and no key of ours signs for {domain}."
    mend = f"Make a key with `publisher dkim new {domain}`, or see to it that the mail server signs for {domain}."
    return Finding(about, "Alignment", UNASKED if parcels.chosen() else WRONG, says, mend)


def _bounces(look: _Look, about: str, domain: str) -> Iterator[Finding]:
    hosts = look.ask(domain, "MX")
    if hosts == [""]:
        says = f"{domain} says that it takes no mail (a null MX): what comes back is lost."
        yield Finding(about, "Bounces", WRONG, says, "Set PUBLISHER_BOUNCE_ADDRESS to an address that does.")
    elif hosts or look.ask(domain, "A") or look.ask(domain, "AAAA"):
        yield Finding(about, "Bounces", WELL, f"mail to {domain} goes to {', '.join(hosts) or domain}")
    else:
        line = record(domain, f"10 mail.{domain}.", "MX")
        yield Finding(
            about, "Bounces", WRONG, f"no server takes mail for {domain}: what comes back is lost.", _PUT, line
        )


# ---- The ways out


def _relays() -> tuple[Relay, ...]:
    return () if parcels.chosen() or "mail" in settings.SANDBOXED else parse_relays(settings.SMTP_URL)


def _relay(look: _Look, relay: Relay) -> Iterator[Finding]:
    about = relay.host
    if not is_loopback(relay.host):
        yield _tls(about, relay)
    if include_of(relay.host):
        yield Finding(about, "PTR", WELL, "its provider sees to it")
    else:
        yield from _answered(about, "PTR", lambda: _ptr(look, relay))


def _tls(about: str, relay: Relay) -> Finding:
    if relay.tls == "none":
        mend = "Take tls=none out of PUBLISHER_SMTP_URL."
        return Finding(about, "TLS", WRONG, "letters and the password go there unencrypted.", mend)
    try:
        reach.allowed(f"smtp://{relay}")
        with Conversation(
            relay, helo=urlsplit(settings.BASE_URL).hostname or "localhost", timeouts=_BRIEF
        ) as conversation:
            problem = conversation.sign_in()
    except Refusal as refusal:
        return Finding(about, "TLS", UNASKED, str(refusal))
    if problem is None or problem.phase is Phase.AUTH:
        return Finding(about, "TLS", WELL, "encrypted, with a certificate that is good")
    wrong = problem.phase is Phase.STARTTLS
    return Finding(
        about, "TLS", WRONG if wrong else UNASKED, problem.text, "Look at the mail server's certificate." * wrong
    )


def _ptr(look: _Look, relay: Relay) -> Iterator[Finding]:
    addresses = look.addresses(relay)
    if not addresses:
        yield Finding(relay.host, "PTR", UNASKED, "which address the world sees is not known here.", _ADDRESS)
    for address in addresses:
        pointer = ipaddress.ip_address(address).reverse_pointer
        names = look.ask(pointer, "PTR")
        good = [name for name in names if address in [*look.ask(name, "A"), *look.ask(name, "AAAA")]]
        line = record(pointer, f"{relay.host}.", "PTR")
        if good:
            yield Finding(relay.host, "PTR", WELL, f"{address} is {good[0]}, and {good[0]} is {address}")
        else:
            says = f"{names[0]} does not lead back to {address}." if names else f"{address} has no name."
            yield Finding(relay.host, "PTR", WRONG, says, "Ask whoever gave you the address to enter:", line)


# ---- The pages and the letter


def _web() -> Iterator[Finding]:
    base, name = settings.BASE_URL, "HTTPS"
    if not base.startswith("https://"):
        mend = "Set PUBLISHER_BASE_URL to the public https:// address: one-click must be https."
        yield Finding("links", name, WRONG, f"links lead to {base}.", mend)
        return
    try:
        answer = requests.get(reach.allowed(f"{base}/healthz"), timeout=_WEB, allow_redirects=False)
    except requests.exceptions.SSLError as problem:
        mend = "Renew the certificate, and let the server send the whole chain."
        yield Finding("links", name, WRONG, f"the certificate of {base} is not good: {_reason(problem)}", mend)
    except (requests.RequestException, Refusal) as problem:
        yield Finding("links", name, UNASKED, f"{base} did not answer from here: {type(problem).__name__}.")
    else:
        well = answer.status_code == 200
        yield Finding("links", name, WELL if well else WRONG, f"{base}/healthz answers {answer.status_code}")


def _letter(about: str, publication: Publication) -> Iterator[Finding]:
    """Every rule, on the bytes that a member would get of the newest proof."""
    proofs = Proof.objects.filter(digest__publication=publication).select_related("digest__publication")
    proof = proofs.exclude(html="").first()
    if proof is None or proof.digest is None:
        yield Finding(about, "Letter", UNASKED, "there is no proof yet, so no bytes to look at.")
        return
    now = timezone.now().replace(microsecond=0)
    digest = copy.copy(proof.digest)
    digest.started_at = now
    try:
        frame = Frame(digest, proof)
        raw = frame.message(Due(1, f"rosa.flores@{frame.domain}", 0, None, None, 1, "Rosa", "Flores", True))
        signed = bool(keys.signers_for(frame.domain))
    except (CannotBuild, Refusal) as problem:
        yield Finding(about, "Letter", WRONG, str(problem))
        return
    broken = rules.look(raw, Facts(settings.BASE_URL, publication.postal_address, now, signed))
    for each in broken:
        yield Finding(about, f"Letter: {each.rule.id}", WRONG, str(each))
    if not broken:
        yield Finding(about, "Letter", WELL, f"{digest.label} keeps all {len(rules.RULES)} rules, {len(raw):,} bytes")


def _is_public(address: str) -> bool:
    return ipaddress.ip_address(address).is_global or _is_for_documents(address)


def _is_for_documents(address: str) -> bool:
    """Addresses of RFC 5737 and RFC 3849 stand for public ones wherever nothing is real."""
    networks = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in networks)


def _stays_here(servers: str) -> bool:
    named = [one.strip().rpartition(":")[0] or one.strip() for one in servers.split(",") if one.strip()]
    return bool(named) and all(is_loopback(one.strip("[]")) for one in named)


def _reason(problem: Exception) -> str:
    return str(problem).rpartition("SSLError(")[2].rstrip(")'\" ")[:200]
