"""What providers and well-known mail servers want in a domain's SPF record: a table, from their own pages (2026)."""

from __future__ import annotations

#: The end of a mail server's name → what includes its addresses.
INCLUDES = {
    "amazonaws.com": "include:amazonses.com",
    "brevo.com": "include:spf.brevo.com",
    "elasticemail.com": "include:_spf.elasticemail.com",
    "gmail.com": "include:_spf.google.com",
    "google.com": "include:_spf.google.com",
    "mailgun.org": "include:mailgun.org",
    "mailjet.com": "include:spf.mailjet.com",
    "mandrillapp.com": "include:spf.mandrillapp.com",
    "office365.com": "include:spf.protection.outlook.com",
    "outlook.com": "include:spf.protection.outlook.com",
    "postmarkapp.com": "include:spf.mtasv.net",
    "resend.com": "include:amazonses.com",
    "scaleway.com": "include:_spf.scw-tem.cloud",
    "sendgrid.net": "include:sendgrid.net",
    "sparkpostmail.com": "include:sparkpostmail.com",
    "zoho.com": "include:zoho.com",
}


def include_of(host: str) -> str:
    """The term for a mail server of this name; "" for one that is nobody's in the table."""
    name = host.lower().rstrip(".")
    return next((term for end, term in INCLUDES.items() if name == end or name.endswith(f".{end}")), "")
