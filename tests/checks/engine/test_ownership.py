"""Ownership: the code at the apex, or the CNAME, and the common mistakes."""

from __future__ import annotations

import asyncio

import pytest

from checks.engine import ownership
from checks.engine.dns.lookup import (
    Answer,
    Delegation,
    LookupFailure,
    NoName,
    Record,
    Records,
    Referral,
    Server,
)
from checks.engine.expected_values import OwnershipCode
from checks.engine.outcomes import Outcome, Verdict
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.outcomes import codes, params

TOKEN = "0ed1fe018a3f2b9c5e7a1d4e8f9b0c1d2e3f4a5b6c"
OTHER = "0ed1fe018a00000000000040008000000000000000"
LABEL = "b0c1d2e3f4a5b"
RECORD = f'example.test TXT "{TOKEN}"'
ALIAS = f"{LABEL}.example.test CNAME validate-domain.mimecast.com"


def run_check(zone: str, token: str = TOKEN, label: str = "") -> Outcome:
    return asyncio.run(
        ownership.inspect("example.test", OwnershipCode(token, label), ZoneLookup(zone))
    )


@pytest.mark.parametrize(
    ("zone", "label"),
    [
        (RECORD, ""),
        (f'example.test TXT "v=spf1 -all"\n{RECORD}', ""),
        (f'example.test TXT "{TOKEN[:20]}" "{TOKEN[20:]}"', ""),
        (f"example.test TXT other\n{ALIAS}", LABEL),
    ],
)
def test_ownership_by_either_record_passes(zone: str, label: str) -> None:
    outcome = run_check(zone, label=label)

    assert (outcome.verdict, codes(outcome)) == (Verdict.PASS, [])


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("example.test A 192.0.2.9", ["ownership.not-found"]),
        (f'example.test TXT "{OTHER}"', ["ownership.other-code"]),
        (f"example.test TXT '\"{TOKEN}\"'", ["ownership.code-altered"]),
        (f'example.test TXT " {TOKEN} "', ["ownership.code-altered"]),
        (f'example.test TXT "{TOKEN[:20]} {TOKEN[20:]}"', ["ownership.code-altered"]),
        (f'example.test TXT "mimecast={TOKEN}"', ["ownership.code-altered"]),
        (f'example.test TXT "{TOKEN[:20]}\u200b{TOKEN[20:]}"', ["ownership.code-altered"]),
        (f'example.test TXT "\ufeff{TOKEN}"', ["ownership.code-altered"]),
        (f'example.test TXT "“{TOKEN}”"', ["ownership.code-altered"]),
        (f'example.test TXT "{TOKEN},"', ["ownership.code-altered"]),
        (f'example.test TXT "{TOKEN[:9]}\u00a0{TOKEN[9:]}"', ["ownership.code-altered"]),
        (f'example.test TXT "{TOKEN.upper()}"', ["ownership.code-altered"]),
        (
            f"example.test TXT other\nexample.test.example.test TXT {TOKEN}",
            ["ownership.not-found", "ownership.zone-doubled"],
        ),
        (
            f"example.test TXT other\nwww.example.test TXT {TOKEN}",
            ["ownership.not-found", "ownership.other-name"],
        ),
        (f"elsewhere.test TXT {TOKEN}", ["dns.no-such-domain"]),
    ],
)
def test_ownership_fails(zone: str, expected: list[str]) -> None:
    outcome = run_check(zone)

    assert (outcome.verdict, codes(outcome)) == (Verdict.FAIL, expected)


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (f"{LABEL}.example.test CNAME validate.mimecast.com", "ownership.wrong-target"),
        (
            f"{LABEL}.example.test.example.test CNAME validate-domain.mimecast.com",
            "ownership.zone-doubled",
        ),
        (f"{LABEL}.example.test TXT {TOKEN}", "ownership.other-name"),
    ],
)
def test_ownership_alias_mistakes_fail(zone: str, expected: str) -> None:
    outcome = run_check(f"example.test TXT other\n{zone}", label=LABEL)

    assert outcome.verdict is Verdict.FAIL
    assert codes(outcome)[-1] == expected


def test_ownership_names_other_code() -> None:
    outcome = run_check(f'example.test TXT "{OTHER}"')

    assert params(outcome, "ownership.other-code") == {"found": OTHER, "expected": TOKEN}


def test_ownership_on_one_server_disagrees() -> None:
    servers: dict[str, str | LookupFailure] = {
        "ns1.test": RECORD,
        "ns2.test": "example.test TXT x",
    }
    lookup = ZoneLookup("", servers=servers)

    outcome = asyncio.run(ownership.inspect("example.test", OwnershipCode(TOKEN), lookup))

    assert (outcome.verdict, outcome.unanimous) == (Verdict.FAIL, False)
    assert codes(outcome) == ["dns.servers-disagree", "ownership.not-found"]


@pytest.mark.parametrize(
    ("zone", "verdict"),
    [
        (f"example.test TXT other\n{LABEL}.example.test TROUBLE timeout", Verdict.UNKNOWN),
        (f"{RECORD}\n{LABEL}.example.test TROUBLE timeout", Verdict.PASS),
        (f"example.test TROUBLE timeout\n{ALIAS}", Verdict.PASS),
    ],
)
def test_ownership_fail_needs_both_answers(zone: str, verdict: Verdict) -> None:
    assert run_check(zone, label=LABEL).verdict is verdict


def test_ownership_without_code_is_unknown() -> None:
    outcome = run_check(RECORD, token="")

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["ownership.no-code"])


class Delegated(ZoneLookup):
    """Zones whose registry delegates to `parent`, and whose NS records are `zone`."""

    def __init__(
        self, servers: dict[str, str | LookupFailure], *, parent: list[str], zone: list[str]
    ) -> None:
        asked = {name: servers[name] for name in parent}
        addresses = "\n".join(f"{name} A 192.0.2.{n}" for n, name in enumerate(servers, 1))
        named = "\n".join(f"example.test NS {name}" for name in zone)
        super().__init__(f"{addresses}\n{named}", servers=asked)
        self._everywhere = ZoneLookup("", servers=servers)
        self._parent, self._named = parent, zone

    async def query(self, server: Server, name: str, rtype: str) -> Answer:
        if rtype == "NS" and server.name == "registry.test":
            return Referral("lame", "referral", tuple(self._parent))
        if rtype == "NS":
            return Records(tuple(Record(name, "NS", 300, each) for each in self._named))
        return await self._everywhere.query(server, name, rtype)

    async def delegation(self, name: str) -> Delegation | NoName | LookupFailure:
        if name == "test":
            return Delegation("test", (Server("registry.test", "192.0.2.99"),))
        return await super().delegation(name)


def test_ownership_at_undelegated_servers() -> None:
    lookup = Delegated(
        {"ns1.new.test": "example.test TXT x", "ns1.old.test": RECORD},
        parent=["ns1.new.test"],
        zone=["ns1.new.test", "ns1.old.test"],
    )

    outcome = asyncio.run(ownership.inspect("example.test", OwnershipCode(TOKEN), lookup))

    assert (outcome.verdict, codes(outcome)) == (
        Verdict.FAIL,
        ["ownership.not-found", "ownership.other-servers", "dns.delegation-differs"],
    )
    assert params(outcome, "ownership.other-servers") == {
        "servers": ["ns1.old.test"],
        "delegated": ["ns1.new.test"],
    }
    assert params(outcome, "dns.delegation-differs") == {
        "parent": ["ns1.new.test"],
        "zone": ["ns1.new.test", "ns1.old.test"],
    }


def test_ownership_equal_delegations_no_finding() -> None:
    lookup = Delegated({"ns1.test": RECORD}, parent=["ns1.test"], zone=["ns1.test"])

    outcome = asyncio.run(ownership.inspect("example.test", OwnershipCode(TOKEN), lookup))

    assert (outcome.verdict, codes(outcome)) == (Verdict.PASS, [])


def test_altered_code_shows_invisible_characters() -> None:
    outcome = run_check(f'example.test TXT "\u200b{TOKEN}"')

    assert params(outcome, "ownership.code-altered") == {"found": f"[U+200B]{TOKEN}"}
