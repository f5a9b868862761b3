"""SPF is judged as its standard judges it: by the standard's own test suite, and the examples in its appendix."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from publisher.deliverability.answers import Ask, Silent
from publisher.deliverability.spf import check_host

SUITE = Path(__file__).with_name("rfc7208-tests.yml")


def scenarios() -> Iterator[Any]:
    for scenario in YAML(typ="safe").load_all(SUITE):
        zone = {name.lower(): records for name, records in scenario["zonedata"].items()}
        for name, test in scenario["tests"].items():
            yield pytest.param(zone, test, id=f"{name}")


@pytest.mark.parametrize(("zone", "test"), list(scenarios()))
def test_the_standards_own_suite(zone: dict[str, Any], test: dict[str, Any]) -> None:
    allowed = test["result"] if isinstance(test["result"], list) else [test["result"]]

    verdict = check_host(str(test["host"]), str(test["mailfrom"]), in_zone(zone), helo=str(test["helo"]))

    assert verdict.result in allowed, (verdict, test.get("comment"))


def in_zone(zone: dict[str, Any]) -> Ask:
    """The suite's records: of SPF, which nobody asks for any more, TXT is made; TIMEOUT is no answer."""

    def ask(name: str, kind: str) -> list[str]:
        records = zone.get(name.lower(), [])
        named = [one for one in records if isinstance(one, dict)]
        spf = [one["SPF"] for one in named if "SPF" in one and not any("TXT" in other for other in named)]
        found = [value for one in named for given, value in one.items() if given == kind]
        if "TIMEOUT" in found or ("TIMEOUT" in records and not set(found) - {"NONE"}):
            raise Silent(name)
        cname = next((one["CNAME"] for one in named if "CNAME" in one), None)
        if cname and not found:
            return ask(cname, kind)
        return [text(value, kind) for value in [*(v for v in found if v != "NONE"), *(spf if kind == "TXT" else [])]]

    return ask


def text(value: Any, kind: str) -> str:
    if kind == "MX":
        return str(value[1])
    return "".join(value) if isinstance(value, list) else str(value)
