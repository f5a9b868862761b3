"""Who follows links without being a person: scanners of mail, previews, crawlers. A table, and a guess. Pure."""

from __future__ import annotations

import ipaddress
import re

#: What they say of themselves. Mail programs and browsers say nothing of the kind; but there is a phone called Cubot.
_AGENT = re.compile(
    r"(?<!cu)bot\b|(?<!cu)bot/|crawl|spider|slurp|preview|scan|monitor|curl|wget|python|java/|go-http|okhttp|libwww|httpclient|"
    r"headless|phantom|axios|node-fetch|ruby|perl|facebookexternalhit|whatsapp|telegram|slack|discord|skypeuri|embedly|"
    r"barracuda|mimecast|proofpoint|forcepoint|fireeye|trendmicro|symantec|sophos|safelinks|urldefense|googleimageproxy|"
    r"yahoomailproxy|bingpreview|google-safety|msoffice|ms-office|office protocol|microsoft office",
    re.IGNORECASE,
)

#: Networks from which mail is scanned, by what their owners publish (2026). People do not browse from there.
_NETWORKS = [
    ipaddress.ip_network(block)
    for block in (
        # Microsoft 365, Exchange Online Protection
        "40.92.0.0/15", "40.107.0.0/16", "52.100.0.0/14", "104.47.0.0/17", "2a01:111:f400::/48", "2a01:111:f403::/48",
        # Google's crawlers and image proxies
        "66.249.64.0/19", "66.102.0.0/20", "74.125.208.0/20", "2001:4860:4801::/48",
        # Proofpoint
        "67.231.144.0/20", "148.163.128.0/19", "205.220.160.0/19",
        # Mimecast
        "91.220.42.0/24", "146.101.78.0/24", "195.130.217.0/24", "205.139.110.0/24", "207.211.30.0/24",
        # Barracuda
        "64.235.144.0/20", "209.222.80.0/21",
        # Cisco, Broadcom, Trend Micro
        "68.232.128.0/19", "67.219.240.0/20", "85.158.136.0/21", "216.82.240.0/20", "150.70.0.0/16",
    )
]  # fmt: skip


def is_machine(method: str, agent: str, address: str) -> bool:
    """Whether nobody stands behind a request: it says so, says nothing, only looks (HEAD), or comes from a scanner."""
    return method != "GET" or not agent.strip() or bool(_AGENT.search(agent)) or _scans(address)


def _scans(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip in network for network in _NETWORKS if network.version == ip.version)
