"""Scenarios of Zonemaster that concern our checks, over real sockets.

Source: the specifications of the test zones Consistency05, Zone09 and Zone11
of the Zonemaster project. Each test has the name of its scenario there.
Left out: undelegated zones, and the root zone, top-level domains and .arpa, which are no tenant's
domains.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import dns.message
import dns.rcode
import dns.rrset
import pytest

from checks.engine.batch import CheckRequest, run_all
from checks.engine.dns.network import Network
from checks.engine.expected_values import RegionFacts
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.checks.engine.dns import loopback
from tests.checks.engine.dns.loopback import Behaviour, Nameserver, Wire, nameserver
from tests.checks.engine.outcomes import codes

DOMAIN = "example.test"
REGISTRY = "127.0.0.5"
NS1, NS2, NS3 = "127.0.0.11", "127.0.0.12", "127.0.0.13"
INBOUND = ("eu-smtp-inbound-1.test", "eu-smtp-inbound-2.test")
REGION = RegionFacts(id="eu", name="Europe", mx=INBOUND, spf_include="eu._netblocks.test")
SHARED = """
test               NS   ns.registry.test
ns.registry.test   A    127.0.0.5
eu._netblocks.test TXT  "v=spf1 ip4:198.51.100.0/24 ~all"
"""
MX = "".join(f"{DOMAIN} 300 MX 10 {host}\n" for host in INBOUND)
SPF = "v=spf1 include:eu._netblocks.test -all"


@dataclass(frozen=True)
class Scenario:
    """What the registry, the zone and its servers answer. The names of servers have no domain."""

    records: str = MX
    # The NS records and addresses in the zone; `glue` is what the registry adds to its referral.
    hosts: Sequence[str] = ("ns1.example.test", "ns2.example.test")
    addresses: Mapping[str, Sequence[str]] = field(
        default_factory=lambda: {"ns1.example.test": [NS1], "ns2.example.test": [NS2]}
    )
    glue: Mapping[str, Sequence[str]] | None = None
    delegated: Sequence[str] | None = None
    # A server with other records, or with another behaviour, by its address.
    other: Mapping[str, str] = field(default_factory=dict)
    faulty: Mapping[str, Behaviour] = field(default_factory=dict)

    def zone(self, records: str) -> str:
        lines = [f"{DOMAIN} NS {host}" for host in self.hosts]
        lines += [f"{host} A {each}" for host, found in self.addresses.items() for each in found]
        return "\n".join([*lines, records])

    def referral(self, server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
        response = dns.message.make_response(query)
        hosts = [f"{host}." for host in self.delegated or self.hosts]
        response.authority.append(dns.rrset.from_text(f"{DOMAIN}.", 60, "IN", "NS", *hosts))
        glue = self.addresses if self.glue is None else self.glue
        for host, found in glue.items():
            response.additional.append(dns.rrset.from_text(f"{host}.", 60, "IN", "A", *found))
        return response.to_wire()


async def _run(scenario: Scenario, kind: CheckKind) -> Outcome:
    async with AsyncExitStack() as stack:
        resolver = await stack.enter_async_context(
            nameserver(SHARED + scenario.zone(scenario.records))
        )
        registry = await stack.enter_async_context(
            nameserver(SHARED, {DOMAIN: scenario.referral}, address=REGISTRY, recursive=False)
        )
        for address in (NS1, NS2, NS3):
            faulty = scenario.faulty.get(address)
            names = {DOMAIN} | {host for host in scenario.hosts if host.endswith(DOMAIN)}
            await stack.enter_async_context(
                nameserver(
                    scenario.zone(scenario.other.get(address, scenario.records)),
                    dict.fromkeys(names, faulty) if faulty else {},
                    address=address,
                    port=registry.port,
                    recursive=False,
                )
            )
        network = Network(
            nameservers=((resolver.address, resolver.port),),
            authoritative_port=registry.port,
            allowed_networks=(loopback.LOOPBACK,),
            timeouts_seconds=(0.1, 0.2) if scenario.faulty else (2.0, 3.0),
            connect_timeout_seconds=0.5,
        )
        (outcome,) = await run_all(
            [CheckRequest(kind, DOMAIN, region=REGION)],
            network=network,
            budget_seconds=10,
            concurrency=1,
        )
        return outcome


def run_check(scenario: Scenario, kind: CheckKind = CheckKind.MX) -> Outcome:
    return asyncio.run(_run(scenario, kind))


SERVFAIL = loopback.fail_with(dns.rcode.SERVFAIL)
ELSEWHERE = {"ns1.sibling.test": [NS1], "ns2.sibling.test": [NS2]}
BELOW = {"ns1.sub.example.test": [NS1], "ns2.sub.example.test": [NS2]}
BOTH = {"ns1.example.test": [NS1], "ns2.example.test": [NS2]}
CONSISTENCY05 = {
    "ADDRESSES-MATCH-1": (Scenario(), Verdict.PASS, []),
    "ADDRESSES-MATCH-2": (
        Scenario(hosts=tuple(ELSEWHERE), addresses=ELSEWHERE, glue={}),
        Verdict.PASS,
        [],
    ),
    "ADDRESSES-MATCH-3": (
        Scenario(faulty={NS1: loopback.without_aa}),
        Verdict.UNKNOWN,
        ["dns.server-lame"],
    ),
    "ADDRESSES-MATCH-4": (
        Scenario(faulty={NS1: SERVFAIL}),
        Verdict.UNKNOWN,
        ["dns.server-fails"],
    ),
    "ADDRESSES-MATCH-5": (
        Scenario(faulty={NS1: loopback.drop}),
        Verdict.UNKNOWN,
        ["dns.server-silent"],
    ),
    "ADDRESSES-MATCH-6": (
        Scenario(hosts=tuple(ELSEWHERE), addresses=ELSEWHERE),
        Verdict.PASS,
        [],
    ),
    "ADDRESSES-MATCH-7": (Scenario(hosts=tuple(BELOW), addresses=BELOW), Verdict.PASS, []),
    "CHILD-ZONE-LAME-1": (
        Scenario(faulty={NS1: loopback.drop, NS2: loopback.drop}),
        Verdict.UNKNOWN,
        ["dns.server-silent"],
    ),
    "CHILD-ZONE-LAME-2": (
        Scenario(faulty={NS1: loopback.without_aa, NS2: SERVFAIL}),
        Verdict.UNKNOWN,
        ["dns.server-lame", "dns.server-fails"],
    ),
    "ID-ADDR-MISMATCH-1": (
        Scenario(glue={**BOTH, "ns2.example.test": [NS3]}),
        Verdict.WARN,
        ["dns.glue-differs"],
    ),
    "ID-ADDR-MISMATCH-2": (
        Scenario(addresses={"ns1.example.test": [NS1]}, glue=BOTH),
        Verdict.WARN,
        ["dns.glue-differs"],
    ),
    "ID-ADDR-MISMATCH-3": (
        Scenario(
            hosts=("ns1.example.test",),
            addresses={"ns1.example.test": [NS1]},
            delegated=tuple(BOTH),
            glue=BOTH,
            faulty={NS2: loopback.drop},
        ),
        Verdict.UNKNOWN,
        ["dns.server-silent", "dns.glue-differs"],
    ),
    "ID-ADDR-MISMATCH-4": (Scenario(addresses={}, glue=BOTH), Verdict.WARN, ["dns.glue-differs"]),
    "EXTRA-ADDRESS-CHILD": (
        Scenario(addresses={**BOTH, "ns2.example.test": [NS2, NS3]}, glue=BOTH),
        Verdict.PASS,
        [],
    ),
    "OOD-ADDR-MISMATCH": (
        Scenario(
            hosts=tuple(ELSEWHERE),
            addresses=ELSEWHERE,
            glue={**ELSEWHERE, "ns2.sibling.test": [NS3]},
        ),
        Verdict.WARN,
        ["dns.glue-differs"],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "verdict", "expected"), CONSISTENCY05.values(), ids=CONSISTENCY05
)
def test_consistency05(scenario: Scenario, verdict: Verdict, expected: list[str]) -> None:
    outcome = run_check(scenario)

    assert (outcome.verdict, codes(outcome)) == (verdict, expected)


ONE = f"{DOMAIN} 300 MX 10 {INBOUND[0]}\n"
OTHER_PREFERENCE = MX.replace("MX 10", "MX 20")
ZONE09 = {
    "INCONSISTENT-MX": (
        Scenario(other={NS2: ""}),
        Verdict.FAIL,
        ["dns.servers-disagree", "mx.none"],
    ),
    "INCONSISTENT-MX-DATA-1": (
        Scenario(other={NS2: ONE}),
        Verdict.FAIL,
        ["dns.servers-disagree", "mx.host-missing"],
    ),
    "INCONSISTENT-MX-DATA-2": (
        Scenario(ONE, other={NS2: ONE.replace("10", "20")}),
        Verdict.FAIL,
        ["mx.host-missing"],
    ),
    "INCONSISTENT-MX-DATA-3": (Scenario(other={NS2: OTHER_PREFERENCE}), Verdict.PASS, []),
    "MIXED-TTL-1": (Scenario(other={NS2: MX.replace("300", "600")}), Verdict.PASS, []),
    "MX-DATA": (Scenario(), Verdict.PASS, []),
    "NO-MX-SLD": (Scenario(""), Verdict.FAIL, ["mx.none"]),
    "NO-RESPONSE-MX-QUERY-1": (
        Scenario(faulty={NS1: loopback.drop}),
        Verdict.UNKNOWN,
        ["dns.server-silent"],
    ),
    "NO-RESPONSE-MX-QUERY-2": (
        Scenario(faulty={NS1: loopback.drop, NS2: loopback.drop}),
        Verdict.UNKNOWN,
        ["dns.server-silent"],
    ),
    "NON-AUTH-MX-RESPONSE": (
        Scenario(
            hosts=("ns1.example.test", "ns2.example.test", "ns4.example.test"),
            addresses={**BOTH, "ns4.example.test": [NS3]},
            faulty={NS3: loopback.without_aa},
        ),
        Verdict.UNKNOWN,
        ["dns.server-lame"],
    ),
    "NULL-MX-NON-ZERO-PREF": (Scenario(f"{DOMAIN} MX 10 ."), Verdict.FAIL, ["mx.null"]),
    "NULL-MX-SLD": (Scenario(f"{DOMAIN} MX 0 ."), Verdict.FAIL, ["mx.null"]),
    "NULL-MX-WITH-OTHER-MX": (
        Scenario(f"{MX}{DOMAIN} MX 0 ."),
        Verdict.FAIL,
        ["mx.null-with-others"],
    ),
    "UNEXPECTED-RCODE-MX": (
        Scenario("", faulty={NS1: loopback.fail_with(dns.rcode.NOTIMP)}),
        Verdict.FAIL,
        ["mx.none", "dns.server-fails"],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "verdict", "expected"), ZONE09.values(), ids=ZONE09)
def test_zone09(scenario: Scenario, verdict: Verdict, expected: list[str]) -> None:
    outcome = run_check(scenario)

    assert (outcome.verdict, codes(outcome)) == (verdict, expected)


def txt(*texts: str) -> str:
    return "".join(f'{DOMAIN} TXT "{text}"\n' for text in texts)


THREE = {**BOTH, "ns3.example.test": [NS3]}
ZONE11 = {
    "GOOD-SPF-1": (Scenario(txt("v=spf1")), Verdict.FAIL, ["spf.no-network-passes"]),
    "GOOD-SPF-2": (Scenario(txt(SPF)), Verdict.PASS, []),
    "SAME-SPF-DIFFERENT-TXT": (
        Scenario(txt(SPF, "one"), other={NS2: txt(SPF, "two")}),
        Verdict.PASS,
        [],
    ),
    "NO-TXT": (Scenario(""), Verdict.FAIL, ["spf.none"]),
    "NO-SPF-TXT": (Scenario(txt("some text")), Verdict.FAIL, ["spf.none"]),
    "INVALID-SYNTAX-1": (Scenario(txt("v=spf1 ip4:192.0.2.1/33")), Verdict.FAIL, ["spf.syntax"]),
    "INVALID-SYNTAX-3": (
        Scenario(txt("v=spf1 \\200\\001\\255x")),
        Verdict.FAIL,
        ["spf.syntax", "spf.stray-character"],
    ),
    "NON-AUTH-TXT": (
        Scenario(txt(SPF), faulty={NS1: loopback.without_aa, NS2: loopback.without_aa}),
        Verdict.UNKNOWN,
        ["dns.server-lame"],
    ),
    "SERVFAIL": (
        Scenario(txt(SPF), faulty={NS1: SERVFAIL, NS2: SERVFAIL}),
        Verdict.UNKNOWN,
        ["dns.server-fails"],
    ),
    "INCONSISTENT-SPF": (
        Scenario(txt(SPF), other={NS2: txt("v=spf1 -all")}),
        Verdict.FAIL,
        ["dns.servers-disagree", "spf.no-network-passes"],
    ),
    "SPF-MISSING-ON-ONE": (
        Scenario(txt(SPF), hosts=tuple(THREE), addresses=THREE, other={NS1: txt("other")}),
        Verdict.FAIL,
        ["dns.servers-disagree", "spf.none"],
    ),
    "ALL-DIFFERENT-SPF": (
        Scenario(
            txt(SPF),
            hosts=tuple(THREE),
            addresses=THREE,
            other={NS1: txt("v=spf1 -all"), NS2: txt("v=spf1 ip4:192.0.2.1 -all")},
        ),
        Verdict.FAIL,
        ["dns.servers-disagree", "spf.no-network-passes"],
    ),
    "MULTIPLE-SPF-RECORDS": (
        Scenario(txt(SPF, "v=spf1 -all")),
        Verdict.FAIL,
        ["spf.several-records"],
    ),
}


@pytest.mark.parametrize(("scenario", "verdict", "expected"), ZONE11.values(), ids=ZONE11)
def test_zone11(scenario: Scenario, verdict: Verdict, expected: list[str]) -> None:
    outcome = run_check(scenario, CheckKind.SPF)

    assert (outcome.verdict, codes(outcome)) == (verdict, expected)
