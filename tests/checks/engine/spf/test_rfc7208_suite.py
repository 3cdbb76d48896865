"""The published RFC 7208 test suite, every scenario; `python -m tests.suites` fetches it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
import yaml

from checks.engine.dns.lookup import (
    Answer,
    Delegation,
    LookupFailure,
    NoName,
    NoRecord,
    Record,
    Records,
    Server,
)
from checks.engine.spf.check import check_host
from tests.suites import fetch

Entries = list[Any]
# The C loader of PyYAML needs a tenth of the time.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class SuiteLookup:
    """Zone data of the suite. A name without TXT records uses its SPF records.

    `TIMEOUT` in a name's list times out every query that no entry before it answers.
    """

    def __init__(self, zonedata: Mapping[str, Entries]) -> None:
        self._zone = {name.lower().removesuffix("."): entries for name, entries in zonedata.items()}

    async def resolve(self, name: str, rtype: str) -> Answer:
        return self._find(name.lower().removesuffix("."), rtype, ())

    async def resolve_all(self, names: Sequence[str], rtype: str) -> list[Answer]:
        raise NotImplementedError

    async def query(self, server: Server, name: str, rtype: str) -> Answer:
        raise NotImplementedError

    async def query_all(self, servers: Sequence[Server], name: str, rtype: str) -> list[Answer]:
        raise NotImplementedError

    async def delegation(self, name: str) -> Delegation | LookupFailure:
        raise NotImplementedError

    def _find(self, name: str, rtype: str, chain: tuple[Record, ...]) -> Answer:
        entries = self._zone.get(name)
        if entries is None:
            return NoName()
        values = self._values(entries, rtype)
        if values:
            return Records(tuple(Record(name, rtype, 300, value) for value in values), chain)
        if "TIMEOUT" in entries:
            return LookupFailure("timeout")
        for entry in entries:
            if "CNAME" in entry and len(chain) < 8:
                target = entry["CNAME"].lower().removesuffix(".")
                return self._find(target, rtype, (*chain, Record(name, "CNAME", 300, target)))
        return LookupFailure("cname-loop") if len(chain) >= 8 else NoRecord()

    def _values(self, entries: Entries, rtype: str) -> list[str]:
        found = [entry for entry in entries if isinstance(entry, dict)]
        source = rtype
        if rtype == "TXT" and not any("TXT" in entry for entry in found):
            source = "SPF"
        values = [entry[source] for entry in found if source in entry]
        return [text_of(value, rtype) for value in values if value != "NONE"]


def text_of(value: Any, rtype: str) -> str:
    if rtype == "TXT":
        return value if isinstance(value, str) else "".join(value)
    if rtype == "MX":
        return f"{value[0]} {value[1]}"
    return str(value)


def scenarios() -> Iterator[Any]:
    with fetch().open(encoding="utf-8") as file:
        for suite in yaml.load_all(file, Loader=LOADER):
            for name, test in suite["tests"].items():
                test_id = f"{suite['description']}: {name}".replace(" ", "-")
                yield pytest.param(suite["zonedata"], test, id=test_id)


@pytest.mark.parametrize(("zonedata", "test"), list(scenarios()))
def test_spf_suite(zonedata: Mapping[str, Entries], test: Mapping[str, Any]) -> None:
    mail_from = test["mailfrom"] or f"postmaster@{test['helo']}"
    domain = mail_from.rpartition("@")[2]
    lookup = SuiteLookup(zonedata)

    found = asyncio.run(check_host(test["host"], domain, mail_from, test["helo"], lookup=lookup))

    accepted = test["result"] if isinstance(test["result"], list) else [test["result"]]
    assert found.result in accepted, found
    if "explanation" in test:
        assert (found.explanation or "DEFAULT") == test["explanation"]
