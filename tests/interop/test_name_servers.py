"""The DNS checks against BIND, one view for each server, with Unbound as the resolver."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from checks.engine.batch import CheckRequest, run_all
from checks.engine.expected_values import OwnershipCode, RegionFacts
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.interop.name_servers import (
    ADDRESSES,
    NEVER_FETCHED,
    LiveNameServers,
    Zones,
    bind_and_unbound,
)

pytestmark = pytest.mark.interop

DOMAIN = "example.test"
TOKEN = "0ed1fe018a3f2b9c5e7a1d4e8f9b0c1d2e3f4a5b6c"
HOSTS = ("us-smtp-inbound-1.mimecast.test", "us-smtp-inbound-2.mimecast.test")
REGION = RegionFacts("us", "United States", HOSTS, "us._netblocks.mimecast.test")
MIMECAST = """us._netblocks 300 IN TXT "v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/25 ~all"
us-smtp-inbound-1 300 IN A 192.0.2.1
us-smtp-inbound-2 300 IN A 192.0.2.2
"""
MX = f"@ 300 IN MX 10 {HOSTS[0]}.\n@ 300 IN MX 10 {HOSTS[1]}.\n"
SPF = '@ 300 IN TXT "v=spf1 include:us._netblocks.mimecast.test -all"\n'
READY = f'{MX}{SPF}@ 300 IN TXT "{TOKEN}"\n'
OLD_MX = f'@ 21600 IN MX 10 mail\nmail 300 IN A 192.0.2.9\n{SPF}@ 300 IN TXT "{TOKEN}"\n'
COMMON_ZONES = {"mimecast.test": MIMECAST, DOMAIN: READY}
GLUE = "".join(f"ns{n}.lab 300 IN A {address}\n" for n, address in enumerate(ADDRESSES, 1))


def seen(
    folder: Path, zones: Zones, only: Mapping[int, Zones], *, through: Sequence[int] = ()
) -> dict[CheckKind, Outcome]:
    with bind_and_unbound(folder, zones, only, through=through) as servers:
        return asyncio.run(run_checks(servers))


async def run_checks(servers: LiveNameServers) -> dict[CheckKind, Outcome]:
    kinds = (CheckKind.OWNERSHIP, CheckKind.SPF, CheckKind.MX, CheckKind.MX_TTL)
    requests = [
        CheckRequest(kind, domain=DOMAIN, region=REGION, ownership=OwnershipCode(TOKEN))
        for kind in kinds
    ]
    outcomes = await run_all(requests, network=servers.network, budget_seconds=20, concurrency=4)
    return dict(zip(kinds, outcomes, strict=True))


def verdicts(outcomes: Mapping[CheckKind, Outcome]) -> dict[CheckKind, tuple[Verdict, bool]]:
    return {kind: (outcome.verdict, outcome.unanimous) for kind, outcome in outcomes.items()}


def codes(outcome: Outcome) -> list[str]:
    return [finding.code for finding in outcome.findings]


def test_ready_domain_passes(tmp_path: Path) -> None:
    outcomes = seen(tmp_path, COMMON_ZONES, {})

    assert verdicts(outcomes) == dict.fromkeys(outcomes, (Verdict.PASS, True))


def test_unready_domain_fails(tmp_path: Path) -> None:
    old = '@ 21600 IN MX 10 mail\nmail 300 IN A 192.0.2.9\n@ 300 IN TXT "v=spf1 mx -all"\n'

    outcomes = seen(tmp_path, {**COMMON_ZONES, DOMAIN: old}, {})

    assert verdicts(outcomes) == dict.fromkeys(outcomes, (Verdict.FAIL, True))


def test_one_outdated_server_is_not_unanimous(tmp_path: Path) -> None:
    outcomes = seen(tmp_path, COMMON_ZONES, {3: {DOMAIN: OLD_MX}})

    assert verdicts(outcomes) == {
        CheckKind.OWNERSHIP: (Verdict.PASS, True),
        CheckKind.SPF: (Verdict.PASS, True),
        CheckKind.MX: (Verdict.FAIL, False),
        CheckKind.MX_TTL: (Verdict.FAIL, False),
    }


@pytest.mark.parametrize(
    ("zones", "status"),
    [
        ({DOMAIN: ""}, "refused"),
        ({DOMAIN: NEVER_FETCHED}, "servfail"),
        # Lame: it knows only the parent zone and refers to others.
        ({DOMAIN: "", "test": f"{GLUE}example 300 IN NS ns1.lab\n"}, "lame"),
    ],
)
def test_one_silent_server_is_no_failure(tmp_path: Path, zones: Zones, status: str) -> None:
    outcomes = seen(tmp_path, COMMON_ZONES, {2: zones}, through=(1, 3))

    assert verdicts(outcomes) == dict.fromkeys(outcomes, (Verdict.UNKNOWN, False))
    rows = outcomes[CheckKind.MX].evidence["servers"]
    assert [row["status"] for row in rows] == ["records", status, "records"]


def test_missing_name_is_not_unanimous(tmp_path: Path) -> None:
    outcomes = seen(tmp_path, {"mimecast.test": MIMECAST, "test": GLUE}, {})

    assert verdicts(outcomes) == dict.fromkeys(outcomes, (Verdict.FAIL, False))


def test_long_answer_comes_over_tcp(tmp_path: Path) -> None:
    padding = "".join(f'@ 300 IN TXT "{n:03d}{"x" * 240}"\n' for n in range(20))

    outcomes = seen(tmp_path, {**COMMON_ZONES, DOMAIN: READY + padding}, {})

    assert verdicts(outcomes)[CheckKind.OWNERSHIP] == (Verdict.PASS, True)


def test_ownership_by_cname_passes(tmp_path: Path) -> None:
    label = "8e1f2d3c4b5a6"
    zone = f"{MX}{SPF}{label} 300 IN CNAME validate-domain.mimecast.com.\n"

    async def owned(servers: LiveNameServers) -> Outcome:
        (outcome,) = await run_all(
            [
                CheckRequest(
                    CheckKind.OWNERSHIP, domain=DOMAIN, ownership=OwnershipCode(TOKEN, label)
                )
            ],
            network=servers.network,
            budget_seconds=10,
            concurrency=1,
        )
        return outcome

    with bind_and_unbound(tmp_path, {**COMMON_ZONES, DOMAIN: zone}, {}) as servers:
        outcome = asyncio.run(owned(servers))

    assert (outcome.verdict, codes(outcome)) == (Verdict.PASS, [])


def test_code_at_undelegated_server_is_found(tmp_path: Path) -> None:
    """The registry delegates to two of the servers; the third still serves an edited zone."""
    delegated = "".join(f"example 300 IN NS ns{n}.lab\n" for n in (1, 2))
    zones = {**COMMON_ZONES, "test": f"{GLUE}{delegated}", DOMAIN: MX}

    with bind_and_unbound(tmp_path, zones, {3: {DOMAIN: READY}}, asked=(1, 2)) as servers:
        outcome = asyncio.run(run_checks(servers))[CheckKind.OWNERSHIP]

    assert codes(outcome) == ["ownership.not-found", "ownership.other-servers"]
    assert outcome.findings[1].params["servers"] == ["ns3.lab.test"]
