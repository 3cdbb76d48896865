"""A batch: order, shared answers, budgets, and isolation of faults."""

from __future__ import annotations

import asyncio
import datetime
from dataclasses import replace

import pytest

from checks.engine.batch import CheckRequest, inspect_recorded, run_all
from checks.engine.dns.network import Network
from checks.engine.expected_values import OwnershipCode, RegionFacts
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.checks.engine.dns import loopback
from tests.checks.engine.dns.loopback import Behaviour, nameserver, network_of
from tests.checks.engine.outcomes import codes, params

REGION = RegionFacts(
    id="eu",
    name="Europe",
    mx=("eu-smtp-inbound-1.mimecast.com", "eu-smtp-inbound-2.mimecast.com"),
    spf_include="eu._netblocks.mimecast.com",
)
SHARED = """
test                        NS  ns1.dns.test
ns1.dns.test                A   127.0.0.1
eu._netblocks.mimecast.com  TXT "v=spf1 ip4:195.130.217.0/24 ~all"
"""
ZONE = "\n".join(
    f"""
{name} NS ns1.dns.test
{name} TXT "token-of-{name}"
{name} TXT "v=spf1 include:eu._netblocks.mimecast.com -all"
{name} MX 10 eu-smtp-inbound-1.mimecast.com
{name} MX 10 eu-smtp-inbound-2.mimecast.com
"""
    for name in ("one.test", "two.test", "three.test")
)
DNS_KINDS = (CheckKind.OWNERSHIP, CheckKind.SPF, CheckKind.MX, CheckKind.MX_TTL)


def requests_for(*domains: str) -> list[CheckRequest]:
    return [
        CheckRequest(kind, domain, region=REGION, ownership=OwnershipCode(f"token-of-{domain}"))
        for domain in domains
        for kind in DNS_KINDS
    ]


async def run_checks(
    requests: list[CheckRequest],
    network: Network,
    *,
    budget_seconds: float = 5,
    concurrency: int = 10,
) -> list[Outcome]:
    return await run_all(
        requests, network=network, budget_seconds=budget_seconds, concurrency=concurrency
    )


@pytest.mark.parametrize("concurrency", [1, 10])
def test_batch_is_ordered_and_shares_queries(concurrency: int) -> None:
    async def run() -> tuple[list[Outcome], dict[tuple[str, str, str], int]]:
        async with nameserver(SHARED + ZONE) as server:
            network = network_of(server, authoritative_port=server.port)
            requests = requests_for("one.test", "two.test", "three.test")
            outcomes = await run_checks(requests, network, concurrency=concurrency)
            return outcomes, dict(server.queries)

    outcomes, queries = asyncio.run(run())

    assert [(o.kind, o.subject) for o in outcomes] == [
        (kind, name) for name in ("one.test", "two.test", "three.test") for kind in DNS_KINDS
    ]
    assert {o.verdict for o in outcomes} == {Verdict.PASS}
    assert queries["eu._netblocks.mimecast.com", "TXT", "udp"] == 1
    # NS: one query to the resolver and one to the zone's server, which is the same server here. MX:
    # in mixed and in lower case.
    names = ("one.test", "two.test", "three.test")
    twice = {(name, rtype, "udp") for name in names for rtype in ("NS", "MX")}
    assert {asked: n for asked, n in queries.items() if n > 1} == dict.fromkeys(twice, 2)


@pytest.mark.slow
def test_batch_isolates_exceeded_budget() -> None:
    async def run() -> list[Outcome]:
        behaviours: dict[str, Behaviour] = {"two.test": loopback.drop}
        async with nameserver(SHARED + ZONE, behaviours) as server:
            network = network_of(server, authoritative_port=server.port)
            network = replace(network, timeouts_seconds=(5.0,))
            requests = [
                CheckRequest(CheckKind.MX, name, region=REGION) for name in ("one.test", "two.test")
            ]
            return await run_checks(requests, network, budget_seconds=0.5)

    one, two = asyncio.run(run())

    assert one.verdict is Verdict.PASS
    assert (two.verdict, two.unanimous, codes(two)) == (
        Verdict.UNKNOWN,
        False,
        ["run.over-budget"],
    )
    assert params(two, "run.over-budget") == {"budget_seconds": 0.5}


@pytest.mark.slow
def test_batch_budget_starts_with_its_check() -> None:
    async def run() -> list[Outcome]:
        behaviours = {"one.test": loopback.drop_first(1), "two.test": loopback.drop_first(1)}
        async with nameserver(SHARED + ZONE, behaviours) as server:
            network = network_of(server, authoritative_port=server.port)
            network = replace(network, timeouts_seconds=(0.5, 2.0))
            requests = [
                CheckRequest(CheckKind.MX, name, region=REGION) for name in ("one.test", "two.test")
            ]
            # Each waits 0.5 s for its lost datagram. Together they exceed one budget.
            return await run_checks(requests, network, budget_seconds=0.95, concurrency=1)

    assert [outcome.verdict for outcome in asyncio.run(run())] == [Verdict.PASS, Verdict.PASS]


def test_batch_isolates_internal_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run() -> list[Outcome]:
        async with nameserver(SHARED + ZONE) as server:
            network = network_of(server, authoritative_port=server.port)
            impossible = CheckRequest(CheckKind.MX_TTL, "two.test", ttl_threshold="not a number")  # type: ignore[arg-type]
            return await run_checks(
                [impossible, CheckRequest(CheckKind.MX_TTL, "one.test")], network
            )

    broken, good = asyncio.run(run())

    assert (broken.verdict, codes(broken)) == (Verdict.UNKNOWN, ["run.internal-error"])
    assert good.verdict is Verdict.PASS
    assert [record.getMessage() for record in caplog.records] == [
        "Run of check mx_ttl at two.test failed"
    ]


def test_batch_reports_each_outcome() -> None:
    async def run() -> list[tuple[str, Verdict]]:
        heard: list[tuple[str, Verdict]] = []
        async with nameserver(SHARED + ZONE) as server:
            await run_all(
                [CheckRequest(CheckKind.MX_TTL, "one.test")],
                network=network_of(server, authoritative_port=server.port),
                budget_seconds=5,
                concurrency=1,
                on_outcome=lambda run_check, outcome: heard.append(
                    (run_check.subject, outcome.verdict)
                ),
            )
        return heard

    assert asyncio.run(run()) == [("one.test", Verdict.PASS)]


def test_rotated_answers_give_equal_outcomes() -> None:
    async def run(zone: str) -> list[Outcome]:
        async with nameserver(zone) as server:
            # The port differs between runs; the names and addresses of the servers do not.
            network = network_of(server, authoritative_port=server.port)
            return await run_checks(requests_for("one.test"), network)

    extra = """
    one.test NS ns2.dns.test
    ns2.dns.test A 127.0.0.1
    one.test TXT "v=spf1 a mx -all"
    one.test TXT "0ed1fe018a00000000000040008000000000000000"
    one.test TXT "0ed1fe018a11111111111140008000000000000000"
    one.test MX 5 old.test
    one.test MX 6 older.test
    """
    lines = (SHARED + ZONE + extra).replace("token-of-", "another-").strip().splitlines()

    one_way = asyncio.run(run("\n".join(lines)))
    other_way = asyncio.run(run("\n".join(reversed(lines))))

    assert {outcome.verdict for outcome in one_way} == {Verdict.FAIL, Verdict.PASS}
    assert one_way == other_way


def test_unregistered_domain_fails_dns_kinds() -> None:
    async def run() -> list[Outcome]:
        async with nameserver(SHARED) as server:
            network = network_of(server, authoritative_port=server.port)
            return await run_checks(requests_for("unregistered.test"), network)

    outcomes = asyncio.run(run())

    assert [(o.verdict, o.unanimous, codes(o)) for o in outcomes] == [
        (Verdict.FAIL, False, ["dns.no-such-domain"])
    ] * 4


def test_batch_raw_answers_allow_replay() -> None:
    """Checks of a batch share answers, and each records all of its own."""

    async def run() -> tuple[list[Outcome], list[Outcome]]:
        async with nameserver(SHARED + ZONE) as server:
            network = network_of(server, authoritative_port=server.port)
            requests = requests_for("one.test", "two.test", "three.test")
            outcomes = await run_checks(requests, network, concurrency=3)
        at = datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)
        pairs = zip(requests, outcomes, strict=True)
        return outcomes, [
            await inspect_recorded(run_check, o.raw or {}, at=at) for run_check, o in pairs
        ]

    outcomes, again = asyncio.run(run())

    assert again == outcomes
