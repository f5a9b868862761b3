"""What servers' own words say of a refusal: the address, its mailbox, or us. Tables alone.

Words count for more than codes: "554 delivery error" is a missing account at one provider and a blocked sender at the
next. And what speaks of us counts for more than what speaks of the address: whoever is suppressed by mistake is lost,
whoever is mailed once too often is not. Addresses and links are taken out first: spam@example.org is no word on spam.

Sources: RFC 3463 and the register of its codes; the providers' own pages of their answers; servers' sources.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Kind(StrEnum):
    """What a mail that came back means for the address that it is about."""

    HARD = "hard"  # there is no such address, or no such domain
    SOFT = "soft"  # not now: a full mailbox, a server that was not reached
    POLICY = "policy"  # about us, never about the address: content, reputation, authentication, encryption, size
    DELAYED = "delayed"  # a server is still trying
    DELIVERED = "delivered"  # it has arrived, or was passed on
    COMPLAINT = "complaint"  # the person called it spam, or asked their provider to end it
    AUTO_REPLY = "auto reply"  # "I am away until Monday"
    CHALLENGE = "challenge"  # "prove that you are no machine"
    OTHER = "other"  # nothing that came back: a person's answer, an advertisement, a report of another kind


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


#: What a refusal says of us. The first of these tables that has a word in it decides.
OF_US = _any(
    # what it takes the letter for
    r"\bspam\b", r"\bspm\b", r"\bjunk\b", r"unsolicited", r"bulk (?:e-?)?mail", r"\bvirus\b", r"malware", r"phish",
    r"suspicious", r"content (?:rejected|denied|filter)", r"(?:message|e?-?mail) (?:content|scored)",
    r"attachment type",
    r"mail re[fj](?:us|ect)[eé]d?\b", r"security (?:issue|polic)",
    # who it takes us for
    r"reputation", r"(?:black|block|deny|white|allow) ?-?list", r"(?:dns)?[dr]?bls?\b", r"spamhaus", r"spamcop",
    r"user complaints", r"(?<![a-z])blocked(?! (?:due to|for|because of) inactivity)", r"\bbanned\b", r"\babuse\b",
    r"(?:local|internal) access list", r"dynamic ip", r"\bip[- ]?add?resse?\b", r"\bips?\b",
    r"resolve your", r"relay host", r"access[ -]?denied ?exception", r"(?:blocked|safe|known) senders?\b",
    r"\byour (?:[\w'-]+ ){0,3}(?:account|domain|ip|server|host(?:name)?|network|mta|isp|dns)\b",
    r"smtp server of your", r"listed (?:at|by)\b", r"client host.{0,80}rejected", r"\bip ?=", r"\bip freq",
    r"reverse dns", r"\bptr\b", r"\brdns\b", r"\b[he][eh]lo\b", r"(?:traffic|mail) not accepted from",
    r"polic(?:y|ies)\b", r"administrative prohibition", r"backscatter", r"rcpthosts", r"open proxy", r"mass mail",
    r"mail server \S* ?(?:is |was )?(?:refused|rejected|not)", r"confirm this mail server", r"go away\b",
    r"not verified", r"\brefused - see", r"access from mail server", r"plus tard",
    r"(?:mail|message) from .{1,60}(?:refused|rejected)",
    r"(?:reject|refus)(?:ed|es|ing)? (?:this |your )?(?:mail|message)",
    r"refuses? to receive|user reject\b|is protected by", r"spam-?sentry",
    # who we say that we are
    r"\bdmarc\b", r"\bdkim\b", r"\bspf\b", r"authentica|authentifi", r"authori[sz]ed",
    r"not allowed to send|you are not allowed",
    r"purported", r"badsender|senderfilter|valid-address-filter", r"(?:return|reply)[- ](?:address|path)",
    r"dead domain",
    r"registered gateway|subscribed to ses|outgoing mail|different address or alias|returned mail not",
    r"not permitted",
    r"relay(?:ing)? (?:access )?(?:is )?(?:denied|not|prohibited)|(?:unable|configured|allowed) to relay|relaying"
    r"|(?:as a|mail|open) relay",
    r"(?:sender|from|return[- ]path)(?:'s)?(?: e-?mail| envelope)?:? (?:address|domain|verif)",
    r"(?:bad|invalid|outbound|spoofed|null|empty) sender", r"sender'?s? ?\S{0,12} (?:not|is|unknown|rejected|verif)",
    r"senders? (?:address |mailbox |quota|domain|ip)", r"\bspoof", r"members?[- ]only|non-?members?|closed mailing",
    r"\bsend(?:er|ing)\W.{0,40}(?:quota|limit|suspended|disabled|verified|exceeded)",
    r"(?:daily|sending|sent|hourly|monthly).{0,20}(?:quota|limit)", r"recipient preferences|user rules",
    r"(?:delivery|message|mail) (?:was )?(?:not authori[sz]ed|refused)", r"pop before smtp|check for new mail",
    r"return path\b", r"domain does not exist:",
    r"domain of sender", r"only accepts? (?:mail|messages|e-?mail) from",
    r"not accept(?:ing|ed)? (?:mail|messages) from",
    # how we speak
    r"\bstarttls\b", r"\btls", r"\bdane\b|mta-sts", r"invalid domain name",
    r"(?:invalid|lone|bad) (?:header|cr\b)", r"\bssl\b", r"certificate", r"encryption",
    r"bare ?(?:lf|line|newline|cr)",
    r"syntax error", r"protocol violation", r"(?:duplicate|multiple) .{0,20}header|multiple addresses",
    r"lines? (?:is )?too long", r"(?:headers?|message) (?:is |are )?(?:missing|malformed)", r"not rfc",
    r"bad sequence",
    # how much of it
    r"rate ?-?limit",
    r"too many (?:concurrent )?(?:smtp )?(?:messages|connections|recipients|e-?mails|errors|sends"
    r"|sessions)(?! on the server)", r"throttl", r"unusual rate",
    r"unexpected volume", r"rate exceeded", r"some messages from", r"(?:max|maximum) (?:e-?)?mails per",
    r"again slower",
    r"trop de connexions", r"low priority",
    r"(?:unacceptable|filtered|banned) content|message filtered|pattern detection",
    r"mail with (?:attachments|embedded)",
    r"sending limit", r"message (?:size|length|too (?:large|big))", r"size limit",
    r"(?:exceeds?|larger than) .{0,20}size",
    # in other languages
    r"richtlinie", r"pol[íi]tica", r"politique", r"bloque(?:ad|é)", r"geblokkeerd", r"blockiert",
    r"\bremitente", r"\bexp[ée]diteur", r"[ée]metteur", r"\babsender", r"\bremetente", r"\bmittente", r"\bafzender",
    r"\bavs[äa]ndar", r"nadawc", r"отправител", r"送信(?:元|者)|差出人", r"发件人|發件人|寄件",
    r"(?:adresse|direcci[óo]n|endere[çc]o|indirizzo|adres) ip\b", r"\bihr(?:e|er)?\W(?:ip|mail-?server|server|domain)",
    r"zertifikat|certificado|certificat\b", r"lista negra|liste noire|заблокирован",
)  # fmt: skip

#: A mailbox that is full: another day may be better.
FULL = _any(
    r"(?:over|exceed\w*|out of|overdrawn|beyond)[\w ',.]{0,30}(?:quota|storage)",
    r"quota[\w ]{0,20} (?:exceeded|reached|full)",
    r"quotaexceeded", r"box (?:is )?(?:currently )?(?:full|over)", r"full mailbox", r"account is full",
    r"disk (?:space|quota|full)",
    r"(?:not enough|insufficient|no) (?:system |disk |storage )?(?:storage|space)", r"at a rate that", r"too quickly",
    r"(?:buz[óo]n|casilla)[\w ]{0,30}(?:llen[oa]|excedid)", r"bo[iî]te[\w ]{0,40}pleine", r"postfach[\w ]{0,20}voll",
    r"caixa[\w ]{0,20}cheia", r"casella[\w ]{0,20}piena", r"\bcuota\b",
)  # fmt: skip

_WHO = r"(?:user|recipient|mailbox|address|account|alias|addressee|local[- ]?part|person|member|customer|destination)"
_NOT_THERE = (
    r"(?:unknown|not (?:be )?found|(?:do(?:es)?|did)(?: not|n't) exist|non-?existent|not (?:listed|here|known|valid)"
    r"|not (?:local|active)|no longer|unavailable|inactive|disabled|deactivated|suspended|closed|terminated"
    r"|discontinued|deleted|removed|expired|invalid|has left)"
)
_NOBODY = (
    r"(?:unknown|invalid|no such|bad|non-?existent|unrouteable|inactive|illegal|disabled|deactivated|undeliverable"
    r"|unregistered|unrecogni[sz]ed)"
)

#: Words between the two that are still one sentence: not the label of the next thing said, nor its code.
_FEW = r"(?:(?!\b(?:reason|said|errors?|messages?|deliver\w*|because|[245]\d\d)\b)[\w ,':.()\[\]-])"

#: There is nobody there.
GONE = _any(
    rf"{_WHO}{_FEW}{{0,60}}?{_NOT_THERE}", rf"{_NOBODY}{_FEW}{{0,30}}?(?:{_WHO}|domain|host)",
    r"not found recipient",
    r"not an? (?:known|valid|active|registered) (?:user|mailbox|recipient|(?:e-?mail )?address)",
    r"no ?one at this address", r"badrcptto", r"archived recipient", r"recipient suspend", r"mailbox not present",
    r"can't accept user", r"no existe (?:dich[ao]|es[ea]|tal|el|la) (?:persona|usuario|cuenta|direcci)",
    r"no (?:valid )?(?:mail ?box|user|account|recipient|person|address)\b",
    r"does(?:n't| not) have an? [\w.]* ?account",
    r"(?:can(?:no|')t|could(?: not|n't)|was(?: not|n't)) be(?:en)? found",
    r"recipient (?:address )?rejected: access denied",
    r"not our customer", r"(?:recip|user|extrecip)\w*not ?found", r"resolver\.adr", r"wrong_?user",
    r"host or domain name not found",
    r"(?:domain|host)(?: name)?[\w ,':.-]{0,50}(?:not found|not exist|unknown|no(?:t)? mx)",
    r"find any host", r"nxdomain", r"non-existent host", r"null ?mx", r"not accept (?:e-?)?mail",
    r"no longer (?:in use|valid|available|accepts?|on server|works)",
    r"(?:empf[äa]nger|adresse|konto|postfach)[\w ]{0,40}(?:unbekannt|nicht|deaktiviert|ung[üu]ltig)",
    r"(?:usuario|destinatari[oa]|cuenta|buz[óo]n|direcci[óo]n)[\w ]{0,40}"
    r"(?:desconocid|no existe|inexistente|inv[áa]lid)",
    r"(?:utilisateur|destinataire|adresse|compte|bo[iî]te)[\w ']{0,40}"
    r"(?:inconnu|existe pas|inexistant|introuvable|invalide)",
    r"(?:usu[áa]rio|destinat[áa]rio|conta|endere[çc]o)[\w ]{0,40}"
    r"(?:desconhecid|n[ãa]o (?:existe|encontrad)|inv[áa]lid|inexistente)",
    r"(?:utente|destinatario|indirizzo|casella)[\w ]{0,40}(?:sconosciut|inesistente|non (?:esiste|trovat|valid))",
    r"(?:gebruiker|ontvanger|adres)[\w ]{0,40}(?:onbekend|bestaat niet|niet gevonden)",
)  # fmt: skip

#: By the RFC 3463 code, where no word helped; the longest entry that fits decides. X.7 and what is not here: see `of`.
BY_ENHANCED: dict[str, Kind] = {
    "5.1.0": Kind.HARD,
    "5.1.1": Kind.HARD,
    "5.1.2": Kind.HARD,
    "5.1.3": Kind.HARD,
    "5.1.6": Kind.HARD,  # moved
    "5.1.7": Kind.POLICY,  # the sender's address
    "5.1.8": Kind.POLICY,
    "5.1.9": Kind.POLICY,
    "5.1.10": Kind.HARD,  # a null MX
    "5.2.1": Kind.HARD,  # disabled
    "5.2.3": Kind.POLICY,  # too long for it
    "5.3.4": Kind.POLICY,  # too big for the system
    "5.5": Kind.POLICY,  # protocol
    "5.6": Kind.POLICY,  # content that cannot be carried
    "5.7": Kind.POLICY,
    "4.7": Kind.POLICY,
}

#: Codes that speak of us. Some servers give them to everything: only words that cannot be mistaken say more.
_OF_US = ("5.7.", "4.7.", "5.6.", "5.1.7", "5.1.8", "5.1.9")
_SURELY_GONE = re.compile(
    r"\bno such (?:user|recipient|mailbox|account|address)|\b(?:user|recipient|mailbox) (?:is )?(?:unknown|not found)"
    r"|\bunknown (?:user|recipient|mailbox)|\binvalid (?:recipient|mailbox|user)"
    r"|\b(?:user|recipient|mailbox|(?:e-?mail )?account) (?:does not|doesn't) exist",
    re.IGNORECASE,
)
#: A server that could not look it up just now, whatever it called that.
_FOR_NOW = re.compile(r"temporar|try (?:again )?later|, try again|\(try again|lookup fail", re.IGNORECASE)

_ADDRESS = re.compile(r"[^\s<>\"'(@]{1,100}@[\w.\-\[\]]+|https?://\S+|www\.\S+")
_LINE_ENDS = re.compile(r"\s+")


def of(text: str, enhanced: str, code: int | None) -> Kind:
    """What a refusal means, by its words and by its codes: HARD, SOFT or POLICY."""
    said = _LINE_ENDS.sub(" ", _ADDRESS.sub(" ", text))
    for words, kind in ((OF_US, Kind.POLICY), (FULL, Kind.SOFT), (GONE, Kind.HARD)):
        if words.search(said):
            return _doubted(said, enhanced, code) if kind is Kind.HARD else kind
    while enhanced:
        if kind_ := BY_ENHANCED.get(enhanced):
            return kind_
        enhanced = enhanced.rpartition(".")[0]
    # A refusal for good without a reason: the third of its kind says more than the first.
    return Kind.SOFT


def _doubted(said: str, enhanced: str, code: int | None) -> Kind:
    """ "450 4.1.1 unknown": a server that could not look the address up, and gave up. "5.7.1 unknown": us."""
    for_now = enhanced.startswith("4") or (not enhanced and code is not None and 400 <= code < 500)
    if enhanced.startswith(_OF_US) and not _SURELY_GONE.search(said):
        return Kind.POLICY
    return Kind.SOFT if for_now or _FOR_NOW.search(said) else Kind.HARD
