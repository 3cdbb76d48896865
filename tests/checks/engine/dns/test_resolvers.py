"""Outdated resolvers are reported, and never change the verdict or its unanimity."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import dns.rcode
import pytest

from checks.engine.batch import CheckRequest, run_all
from checks.engine.dns.network import Network, Route
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.checks.engine.dns import loopback
from tests.checks.engine.dns.loopback import Behaviour, nameserver, network_of
from tests.checks.engine.outcomes import codes, params

WORLD = "test NS ns1.dns.test\nns1.dns.test A 127.0.0.1\nexample.test NS ns1.dns.test\n"
NEW = WORLD + "example.test 300 MX 10 new.example.test\n"
OLD = "example.test 7 MX 10 old.example.test\n"


def run_check(
    published: str, cached: str, behaviour: Behaviour | None = None, *, routed: bool = False
) -> tuple[list[Outcome], int]:
    """Run two checks of one name and count the queries to the resolver."""

    async def run() -> tuple[list[Outcome], int]:
        behaviours = {"example.test": behaviour} if behaviour else {}
        async with nameserver(published) as server, nameserver(cached, behaviours) as resolver:
            network = network_of(server, authoritative_port=server.port)
            network = replace(network, resolvers=(("127.0.0.1", resolver.port),))
            if routed:
                network = routed_over(network)
            outcomes = await run_all(
                [CheckRequest(CheckKind.MX_TTL, "example.test")] * 2,
                network=replace(network, timeouts_seconds=(0.3,)),
                budget_seconds=5,
                concurrency=2,
            )
            return outcomes, resolver.queries.total()

    return asyncio.run(run())


def routed_over(network: Network) -> Network:
    return replace(
        network, routes=(Route("test", network.nameservers, network.authoritative_port),)
    )


def test_outdated_resolver_is_reported() -> None:
    (outcome, other), asked = run_check(NEW, OLD)

    assert (outcome.verdict, outcome.unanimous) == (Verdict.PASS, True)
    assert codes(outcome) == ["dns.resolver-behind"]
    assert params(outcome, "dns.resolver-behind") == {"resolvers": ["127.0.0.1"]}
    assert outcome.evidence["resolvers"] == [
        {"address": "127.0.0.1", "status": "records", "values": ["10 old.example.test"], "ttl": 7}
    ]
    assert (other, asked) == (outcome, 1)


def test_ttl_is_not_stable_evidence() -> None:
    outcomes = [run_check(NEW, OLD.replace(" 7 ", f" {ttl} "))[0][0] for ttl in (7, 6)]

    lasting = [{k: v for k, v in o.stable_evidence.items() if k != "servers"} for o in outcomes]
    assert lasting[0] == lasting[1]
    assert outcomes[0].findings == outcomes[1].findings


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cached", "behaviour"),
    [(NEW, None), ("", loopback.drop), ("", loopback.fail_with(dns.rcode.SERVFAIL))],
)
def test_agreeing_resolver_has_no_finding(cached: str, behaviour: Behaviour | None) -> None:
    (outcome, _), _ = run_check(NEW, cached, behaviour)

    assert (outcome.verdict, codes(outcome)) == (Verdict.PASS, [])


def test_resolver_without_record_is_outdated() -> None:
    (outcome, _), _ = run_check(NEW, WORLD)

    assert (outcome.verdict, codes(outcome)) == (Verdict.PASS, ["dns.resolver-behind"])


def test_resolver_does_not_change_verdict() -> None:
    (outcome, _), _ = run_check(NEW.replace(" 300 MX", " 3600 MX"), OLD)

    assert (outcome.verdict, codes(outcome)) == (
        Verdict.FAIL,
        ["mx-ttl.too-high", "dns.resolver-behind"],
    )


def test_route_names_skip_resolvers() -> None:
    (outcome, _), asked = run_check(NEW, OLD, routed=True)

    assert (codes(outcome), asked, "resolvers" in outcome.evidence) == ([], 0, False)
