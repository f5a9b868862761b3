"""The doctor asks a real DNS server, and says what to put there. Who does not answer is not called wrong."""

from __future__ import annotations

from typing import Any

import pytest

from publisher.deliverability import doctor
from publisher.deliverability.dns import Questions, ServersWrong
from publisher.deliverability.findings import Finding
from publisher.delivery import keys
from publisher.delivery.keys import Kind
from publisher.lifecycle import Refusal

from .nameserver import Zone

pytestmark = pytest.mark.django_db
DOMAIN = "reading-rooms.example"
NO_DMARC = f"{DOMAIN} has no DMARC record. Gmail, Yahoo and Outlook ask for one of whoever writes to many."


@pytest.fixture(autouse=True)
def a_relay(settings: Any, zone: Zone, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """mail.reading-rooms.example relays, and signs: its own encryption is looked at elsewhere, as it is not there."""
    settings.SMTP_URL, settings.SANDBOXED = f"smtp://mail.{DOMAIN}:587", ()
    settings.BASE_URL = "https://localhost:1"
    settings.DKIM_FOLDER = str(tmp_path)
    settings.LOOPBACK_ONLY = True


def found(publication: Any, name: str = "", **more: Any) -> Any:
    """All findings, or the one of this name."""
    said = doctor.examine([publication], **more)
    return next(one for one in said if one.name == name) if name else said


def verdict(one: Finding) -> tuple[str, str]:
    return str(one.verdict), one.says


def test_a_sender_that_has_all_is_in_order(publication: Any, zone: Zone) -> None:
    key = keys.make(DOMAIN, "rsa-1", Kind.RSA)
    keys.use(DOMAIN, "rsa-1")
    zone.put(key.zone_line)

    said = {one.name: verdict(one) for one in found(publication) if one.about == "update"}

    assert said == {
        f"SPF for mail.{DOMAIN}": ("in order", f"198.51.100.7 may send for {DOMAIN}"),
        "DKIM rsa-1": ("in order", f"rsa-1._domainkey.{DOMAIN} has our rsa key"),
        "DMARC": ("in order", f"_dmarc.{DOMAIN} says p=quarantine"),
        "Alignment": ("in order", f"DKIM signs for {DOMAIN} and letters return to {DOMAIN}"),
        "Bounces": ("in order", f"mail to {DOMAIN} goes to mail.{DOMAIN}"),
        "Letter": ("could not be asked", "there is no proof yet, so no bytes to look at."),
    }
    assert verdict(found(publication, "PTR")) == (
        "in order", f"198.51.100.7 is mail.{DOMAIN}, and mail.{DOMAIN} is 198.51.100.7",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "v=spf1 ip4:198.51.100.7 ~all"),
        ("v=spf1 include:_spf.other.example -all", "v=spf1 include:_spf.other.example ip4:198.51.100.7 -all"),
        ("v=spf1 mx redirect=other.example", "v=spf1 mx ip4:198.51.100.7 redirect=other.example"),
        ("v=spf1", "v=spf1 ip4:198.51.100.7 ~all"),
    ],
)
def test_the_missing_term_is_written_into_the_record_that_is_there(
    publication: Any, zone: Zone, before: str, after: str
) -> None:
    zone.drop(DOMAIN, "TXT")
    zone.drop(DOMAIN, "MX")
    zone.put('_spf.other.example. IN TXT "v=spf1 -all"', 'other.example. IN TXT "v=spf1 -all"')
    if before:
        zone.put(f'{DOMAIN}. IN TXT "{before}"')

    one = found(publication, f"SPF for mail.{DOMAIN}")

    assert (one.verdict, one.copy) == ("wrong", f'{DOMAIN}. IN TXT "{after}"')


def test_a_record_that_asks_too_much_is_wrong(publication: Any, zone: Zone) -> None:
    includes = " ".join(f"include:s{n}.example" for n in range(11))
    zone.replace(f'{DOMAIN}. IN TXT "v=spf1 {includes} ip4:198.51.100.7 -all"')
    zone.put(*(f's{n}.example. IN TXT "v=spf1 -all"' for n in range(11)))

    assert verdict(found(publication, f"SPF for mail.{DOMAIN}")) == (
        "wrong", "permerror for 198.51.100.7: more than 10 lookups.",
    )  # fmt: skip


def test_a_provider_is_known_by_the_name_of_its_server(publication: Any, zone: Zone, settings: Any) -> None:
    settings.SMTP_URL = "smtp://apikey:secret@smtp.sendgrid.net:587"

    one = found(publication, "SPF for smtp.sendgrid.net")

    assert one.copy == f'{DOMAIN}. IN TXT "v=spf1 ip4:198.51.100.7 include:sendgrid.net ~all"'


@pytest.mark.parametrize(
    ("published", "says"),
    [
        (None, "has no record: every letter looks forged."),
        ("v=DKIM1; k=rsa; p=", "says that the key is withdrawn (an empty p=)."),
        ("v=DKIM1; k=rsa; p=MIIB", "has another key than ours."),
        ("v=spf1 -all", "is no record of a key."),
        ("v=DKIM1; k=ed25519; h=sha1; p=OURS", "allows h=sha1 alone: our signatures are made with sha256."),
        ("v=DKIM1; k=ed25519; s=tlsrpt; p=OURS", "is not for mail (s=tlsrpt)."),
    ],
)
def test_a_key_that_is_not_published_is_wrong(publication: Any, zone: Zone, published: str | None, says: str) -> None:
    key = keys.make(DOMAIN, "ed-1", Kind.ED25519)
    keys.use(DOMAIN, "ed-1")
    if published:
        zone.put(f'{key.record[0]}. IN TXT "{published.replace("OURS", key.public)}"')

    one = found(publication, "DKIM ed-1")

    assert verdict(one) == ("wrong", f"ed-1._domainkey.{DOMAIN} {says}")
    assert one.copy == key.zone_line


def test_a_long_answer_comes_over_tcp(publication: Any, zone: Zone) -> None:
    """It does not fit into 512 bytes: over UDP it is cut off, and is asked for again."""
    zone.put(*(f'_dmarc.{DOMAIN}. IN TXT "{"x" * 250}{n}"' for n in range(8)))

    assert found(publication, "DMARC").says == f"_dmarc.{DOMAIN} says p=quarantine"
    assert zone.asked.count((f"_dmarc.{DOMAIN}", "TXT")) == 2


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("v=DMARC1; p=reject", ("in order", f"_dmarc.{DOMAIN} says p=reject")),
        ("v=DMARC1; p=reject; t=y", ("in order", f"_dmarc.{DOMAIN} says p=reject; it is only tried out "
            "(t=y, or pct= below 100): receivers do less than it says")),
        ("v=DMARC1; p=sometimes", ("wrong", "p=sometimes is no policy: none, quarantine or reject.")),
        ("v=DMARC1", ("wrong", "it has neither a policy (p=) nor an address for reports (rua=).")),
        ("v=DMARC2; p=reject", ("wrong", NO_DMARC)),
    ],
)  # fmt: skip
def test_dmarc_is_read_as_receivers_read_it(publication: Any, zone: Zone, record: str, expected: Any) -> None:
    zone.replace(f'_dmarc.{DOMAIN}. IN TXT "{record}"')

    assert verdict(found(publication, "DMARC")) == expected


def test_dmarc_of_the_organisation_speaks_for_its_subdomains(publication: Any, zone: Zone) -> None:
    publication.sender_email = f"update@news.{DOMAIN}"
    zone.put(f'news.{DOMAIN}. IN TXT "v=spf1 a:mail.{DOMAIN} -all"', f"news.{DOMAIN}. IN MX 10 mail.{DOMAIN}.")

    assert found(publication, "DMARC").says == f"_dmarc.{DOMAIN} says p=quarantine"
    assert found(publication, f"SPF for mail.{DOMAIN}").says == f"198.51.100.7 may send for news.{DOMAIN}"


def test_what_the_organisation_says_of_its_subdomains_counts_for_them(publication: Any, zone: Zone) -> None:
    publication.sender_email = f"update@news.{DOMAIN}"
    zone.replace(f'_dmarc.{DOMAIN}. IN TXT "v=DMARC1; p=reject; sp=none"')

    assert found(publication, "DMARC").says.startswith(f"_dmarc.{DOMAIN} says sp=none; it only watches")


def test_a_record_that_lets_everybody_send_is_wrong(publication: Any, zone: Zone) -> None:
    zone.replace(f'{DOMAIN}. IN TXT "v=spf1 +all"')

    assert found(publication, f"SPF for mail.{DOMAIN}").says.startswith(f"the record of {DOMAIN} lets everybody send")


@pytest.mark.parametrize("record", ["include:_spf.other.example -all", "redirect=_spf.other.example"])
def test_a_provider_may_be_included_by_way_of_another(publication: Any, zone: Zone, settings: Any, record: str) -> None:
    settings.SMTP_URL = "smtp://apikey:secret@smtp.sendgrid.net:587"
    zone.replace(f'{DOMAIN}. IN TXT "v=spf1 {record}"')
    zone.put('_spf.other.example. IN TXT "v=spf1 include:sendgrid.net -all"', 'sendgrid.net. IN TXT "v=spf1 -all"')

    assert found(publication, "SPF for smtp.sendgrid.net").verdict == "in order"


def test_what_breaks_off_is_never_called_in_order(publication: Any, zone: Zone, monkeypatch: Any) -> None:
    monkeypatch.setattr(doctor.dmarc, "find", lambda domain, ask: 1 / 0)

    assert verdict(found(publication, "DMARC"))[0] == "could not be asked"
    assert found(publication, f"SPF for mail.{DOMAIN}").verdict == "in order"


def test_letters_that_return_to_another_party_are_not_aligned(publication: Any, zone: Zone, settings: Any) -> None:
    settings.BOUNCE_ADDRESS = "bounces@elsewhere.example"

    one = found(publication, "Alignment")

    assert one.says.startswith(f"letters from {DOMAIN} return to elsewhere.example, which is another party")
    settings.BOUNCE_ADDRESS = f"b@bounces.{DOMAIN}"
    assert verdict(found(publication, "Alignment")) == ("in order", f"letters return to bounces.{DOMAIN}")


def test_a_domain_that_takes_no_mail_loses_what_comes_back(publication: Any, zone: Zone) -> None:
    zone.replace(f"{DOMAIN}. IN MX 0 .")

    assert found(publication, "Bounces").says.startswith(f"{DOMAIN} says that it takes no mail (a null MX)")


def test_a_host_whose_name_leads_elsewhere_is_wrong(publication: Any, zone: Zone) -> None:
    zone.replace("7.100.51.198.in-addr.arpa. IN PTR pool-7.provider.example.")

    one = found(publication, "PTR")

    assert verdict(one) == ("wrong", "pool-7.provider.example does not lead back to 198.51.100.7.")
    assert one.copy == f"7.100.51.198.in-addr.arpa. IN PTR mail.{DOMAIN}."


def test_what_nobody_answers_is_never_called_wrong(publication: Any, zone: Zone) -> None:
    zone.broken = {DOMAIN, f"_dmarc.{DOMAIN}", f"mail.{DOMAIN}", "rsa-1._domainkey.reading-rooms.example"}
    keys.make(DOMAIN, "rsa-1", Kind.RSA)
    keys.use(DOMAIN, "rsa-1")

    said = found(publication)

    assert {one.name: str(one.verdict) for one in said} == dict.fromkeys(
        ["HTTPS", "TLS", "PTR", "SPF", "DKIM", "DMARC", "Bounces", "Letter"], "could not be asked"
    )


def test_an_address_that_only_the_operator_knows_can_be_named(publication: Any, zone: Zone, settings: Any) -> None:
    settings.SMTP_URL = "smtp://10.0.0.5:25"
    name = "SPF for 10.0.0.5"

    assert found(publication, name).verdict == "could not be asked"
    assert found(publication, name, addresses=["198.51.100.7"]).verdict == "in order"
    assert found(publication, name, addresses=["203.0.113.9"]).verdict == "wrong"


def test_every_rule_is_asked_of_the_newest_proofs_bytes(
    publication: Any, zone: Zone, proof: Any, settings: Any
) -> None:
    settings.BASE_URL = "https://localhost:1"

    one = found(publication, "Letter")

    assert one.verdict == "in order", one.says
    publication.postal_address = "Elsewhere"
    assert found(publication, "Letter: postal-address").verdict == "wrong"


def test_the_demo_asks_nobody_outside(publication: Any, settings: Any) -> None:
    settings.DNS_SERVERS = ""

    with pytest.raises(Refusal, match="This is the demo"):
        doctor.examine([publication])


def test_a_server_that_is_no_address_is_named() -> None:
    with pytest.raises(ServersWrong, match=r"“dns.example” is no address"):
        Questions("dns.example")


def test_each_question_is_asked_once_even_where_nobody_answers(publication: Any, zone: Zone) -> None:
    zone.put(f"{DOMAIN}. IN A 198.51.100.8")

    found(publication)

    assert {question: zone.asked.count(question) for question in zone.asked} == dict.fromkeys(zone.asked, 1)
