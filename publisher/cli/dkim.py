from __future__ import annotations

from typing import Annotated

import typer
from django.utils import timezone

from ..delivery import keys
from .answers import Json, as_json, remark, say, table

app = typer.Typer(help="Keys that sign letters (DKIM), and the DNS records they need.", no_args_is_help=True)


@app.command()
def new(
    domain: str,
    selector: Annotated[str, typer.Option(help="Its name in the DNS. Default: its kind and the month.")] = "",
    kind: Annotated[keys.Kind, typer.Option(help="All receivers check rsa; few check ed25519 yet.")] = keys.Kind.RSA,
) -> None:
    """Make a key for the domain that letters come from. It signs nothing before `use`."""
    key = keys.make(domain, selector or f"{kind}-{timezone.now():%Y%m}", kind)
    name, value = key.record
    say(f"The key {key.selector} of {key.domain} is made, and not used yet. Publish this TXT record in the DNS:\n")
    say(f"  name   {name}\n  value  {value}\n")
    say(f"As a line of a zone file, in strings of at most 255 characters:\n\n{key.zone_line}\n")
    say(f"When others see it (`dig +short TXT {name}`): `publisher dkim use {key.domain} {key.selector}`.")


@app.command()
def use(domain: str, selector: str) -> None:
    """Sign with this key from now on. Its record has to stand in the DNS already."""
    replaced = keys.use(domain, selector)
    say(f"Letters from {domain} are signed with {selector}.")
    for name in replaced:
        say(f"It takes the place of {name}: leave that one's record for two weeks, then `publisher dkim retire`.")


@app.command()
def retire(domain: str, selector: str) -> None:
    """Never sign with this key again."""
    keys.retire(domain, selector)
    say(f"{selector} signs nothing any more. Take its record out of the DNS when its last letters have arrived.")
    if not keys.signers_for(domain):
        remark(f"Letters from {domain} are not signed by Publisher now.", "yellow")


@app.command("list")
def list_(json: Json = False) -> None:
    """All keys, and which of them sign."""
    found = list(keys.stored())
    if json:
        as_json([_told(key) for key in found])
        return
    rows = ([k.domain, k.selector, k.kind, "yes" if k.in_use else "no", k.problem] for k in found)
    table("Keys", ["domain", "selector", "kind", "in use", ""], rows)


def _told(key: keys.Stored) -> dict[str, object]:
    name, value = key.record if not key.problem else ("", "")
    return {
        "domain": key.domain,
        "selector": key.selector,
        "kind": key.kind,
        "in_use": key.in_use,
        "problem": key.problem,
        "dns_name": name,
        "dns_value": value,
    }
