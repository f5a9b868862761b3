from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.text import Text

from .. import checks
from ..deliverability import doctor
from ..deliverability.dns import ServersWrong
from ..deliverability.findings import Finding, Verdict
from ..lifecycle import Refusal
from ..models import Publication
from .answers import Json, as_json, say, table

Deliverability = Annotated[bool, typer.Option("--deliverability", help="Look as receivers do: DNS, relay, letter.")]
Address = Annotated[
    list[str] | None, typer.Option("--address", help="With --deliverability: where the world sees our mail come from.")
]
Dns = Annotated[str, typer.Option("--dns", help="With --deliverability: DNS servers to ask, as 192.0.2.53:53.")]

_COLOURS = {Verdict.WELL: "green", Verdict.WRONG: "red", Verdict.UNASKED: "yellow"}


def check(deliverability: Deliverability = False, address: Address = None, dns: Dns = "", json: Json = False) -> None:
    """Is everything that sending needs in order? Says what to do where it is not; status 1 then."""
    if deliverability:
        _deliverability(address or [], dns, json)
    found = list(checks.run())
    if json:
        as_json([{"check": c.name, "ok": c.ok, "says": c.says, "mend": "" if c.ok else c.mend} for c in found])
    else:
        table("Checks", ["", "what", "says"], ((_mark(c.ok), c.name, c.says) for c in found))
        for each in found:
            if not each.ok:
                say(f"{each.name}: {each.mend}")
    raise typer.Exit(0 if all(c.ok for c in found) else 1)


def _deliverability(addresses: Sequence[str], dns: str, json: bool) -> None:
    """What was found of each sender; status 1 where something is wrong, not where nobody answered."""
    try:
        found = doctor.examine(list(Publication.objects.all()), addresses=addresses, servers=dns)
    except ServersWrong as problem:
        raise Refusal(str(problem)) from problem
    if json:
        as_json([_shown(each) for each in found])
    else:
        rows = ((Text(each.verdict, _COLOURS[each.verdict]), each.about, each.name, each.says) for each in found)
        table("Deliverability", ["", "of", "what", "says"], rows)
        for each in found:
            _say_what_to_do(each)
    raise typer.Exit(1 if any(each.verdict is Verdict.WRONG for each in found) else 0)


def _shown(found: Finding) -> dict[str, str]:
    names = ("about", "name", "says", "mend", "copy")
    return {"verdict": str(found.verdict), **{name: getattr(found, name) for name in names}}


def _say_what_to_do(found: Finding) -> None:
    if found.mend:
        say(f"{found.about}, {found.name}: {found.mend}")
    if found.copy:
        say(f"    {found.copy}")


def _mark(ok: bool) -> Text:
    return Text("in order", "green") if ok else Text("missing", "red")
