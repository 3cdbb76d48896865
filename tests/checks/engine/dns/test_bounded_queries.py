"""Zones that multiply queries: each check sends a bounded number of them and ends in time.

The zones are answered by a real name server on loopback. The queries are counted where they leave,
because a zone may name servers at any address.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
import pytest

from checks.engine.batch import CheckRequest, run_all
from checks.engine.dns import transport
from checks.engine.dns.network import Endpoint
from checks.engine.dns.network_lookup import MAX_SERVERS
from checks.engine.dns.udp_sockets import UdpSockets
from checks.engine.dns.wire import DnsQuestion
from checks.engine.expected_values import DkimSelector, OwnershipCode, RegionFacts
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.checks.engine.dns.loopback import Behaviour, Nameserver, Wire, nameserver, network_of

DOMAIN = "example.test"
REGION = RegionFacts(
    id="eu", name="Europe", spf_include="eu.mimecast.test", mx=("eu-1.mimecast.test",)
)
BUDGET_SECONDS = 6.0
# An ordinary check sends ten to forty.
MOST_QUERIES = 400
MOST_EVIDENCE = 300_000
Records = list[tuple[str, str, str]]
Zone = Callable[[str, str], Records]

KINDS = (
    CheckKind.OWNERSHIP,
    CheckKind.SPF,
    CheckKind.DKIM,
    CheckKind.DMARC,
    CheckKind.MTA_STS,
    CheckKind.MX,
    CheckKind.MX_TTL,
)


def region(name: str, rtype: str) -> Records:
    """The records of the region, which no zone below replaces."""
    if rtype == "TXT" and name == REGION.spf_include:
        return [(name, rtype, '"v=spf1 ip4:11.0.0.0/24 ip4:11.1.0.0/16 -all"')]
    return []


def ordinary(name: str, rtype: str) -> Records:
    """The delegation of the domain to one server, where the zone below has no answer."""
    if rtype == "NS" and name in (DOMAIN, "test"):
        return [(name, "NS", "ns1.dns.test.")]
    if rtype == "A" and name == "ns1.dns.test":
        return [(name, "A", "127.0.0.1")]
    return []


def txt_everywhere(text: Callable[[str], str]) -> Zone:
    return lambda name, rtype: [(name, rtype, quoted(text(name)))] if rtype == "TXT" else []


def quoted(text: str) -> str:
    return " ".join(f'"{text[start : start + 250]}"' for start in range(0, len(text), 250))


def endless_alias(name: str, rtype: str) -> Records:
    """Every name is an alias of another one."""
    if "dns.test" in name or rtype == "NS":
        return []
    return [(name, "CNAME", f"x{name[:50].replace('.', '-')}.test.")]


def long_chain(name: str, rtype: str) -> Records:
    """300 aliases in one answer, and records at their end."""
    if rtype not in ("TXT", "MX") or "dns.test" in name:
        return []
    names = [name, *(f"c{number}.test" for number in range(300))]
    chain = [(a, "CNAME", f"{b}.") for a, b in itertools.pairwise(names)]
    value = '"v=spf1 -all"' if rtype == "TXT" else "10 mx.example.test."
    return [*chain, (names[-1], rtype, value)]


def dname_loop(name: str, rtype: str) -> Records:
    """A DNAME (RFC 6672) that leads below itself, with its CNAME."""
    if "dns.test" in name or rtype == "NS":
        return []
    return [(DOMAIN, "DNAME", f"a.{DOMAIN}."), (name, "CNAME", f"a.{name[-200:].lstrip('.')}.")]


def many_servers(name: str, rtype: str) -> Records:
    """A delegation to 1,500 servers below the zone of a victim (NXNS, CVE-2020-12662)."""
    if rtype == "NS" and name == DOMAIN:
        return [(name, "NS", f"n{number}.victim.test.") for number in range(1500)]
    if rtype in ("A", "AAAA") and name.endswith("victim.test"):
        number = int(name[1:].partition(".")[0])
        return [(name, "A", f"127.9.{number // 250}.{number % 250 + 1}")] if rtype == "A" else []
    return []


def many_addresses(name: str, rtype: str) -> Records:
    """One server with 2,000 addresses."""
    if rtype == "A" and name == "ns1.dns.test":
        return [(name, "A", f"127.9.{n // 250}.{n % 250 + 1}") for n in range(2000)]
    return []


def server_loop(name: str, rtype: str) -> Records:
    """Zones whose servers are in each other's zone, without glue."""
    if rtype == "NS" and name == DOMAIN:
        return [(name, "NS", "ns.other.test.")]
    return [(name, "NS", f"ns.{DOMAIN}.")] if rtype == "NS" and name == "other.test" else []


def nested_zones(name: str, rtype: str) -> Records:
    """Every label is a zone with thirty servers of its own."""
    if rtype == "NS" and name.endswith(DOMAIN):
        return [(name, "NS", f"n{number}.{len(name)}.victim.test.") for number in range(30)]
    return []


def many_records(name: str, rtype: str) -> Records:
    """As many records as an answer has room for."""
    match rtype:
        case "MX":
            return [(name, "MX", f"{n} m{n}.test.") for n in range(1500)]
        case "TXT":
            return [(name, "TXT", f'"v=spf1 include:i{n}.test -all"') for n in range(1500)]
    return []


def spf_chain(name: str) -> str:
    """Each record includes another one."""
    number = int(name[1:].partition(".")[0]) + 1 if name.startswith("i") else 0
    return f"v=spf1 include:i{number}.test -all"


def spf_tree(name: str) -> str:
    """Each record includes ten others, of which each includes ten others."""
    return f"v=spf1 {' '.join(f'include:i{n}.{name[-40:]}' for n in range(10))} -all"


def spf_wide(name: str) -> str:
    return f"v=spf1 {' '.join(f'include:i{n}.test' for n in range(300))} -all"


def spf_hosts(name: str, rtype: str) -> Records:
    """Ten mx terms with two hundred hosts each."""
    match rtype:
        case "TXT":
            terms = " ".join(f"mx:m{n}.test" for n in range(10))
            return [(name, "TXT", f'"v=spf1 {terms} ptr exists:%{{i}}.e.test -all"')]
        case "MX":
            return [(name, "MX", f"1 h{n}.{name}.") for n in range(200)]
    return []


def spf_macros(name: str, rtype: str) -> Records:
    """A macro in nine terms, and ranges that split the region into hundreds of segments."""
    if rtype == "TXT" and "mimecast" not in name:
        terms = " ".join(f"exists:%{{i}}.e{n}.test" for n in range(9))
        ranges = " ".join(f"ip4:11.1.{n}.7" for n in range(250))
        return [(name, "TXT", quoted(f"v=spf1 {terms} {ranges} -all"))]
    return []


def dmarc_reports(name: str) -> str:
    """A thousand destinations in the domains of others."""
    if not name.startswith("_dmarc."):
        return "v=none"
    return f"v=DMARC1; p=reject; rua={','.join(f'mailto:a@r{n}.victim.test' for n in range(1000))}"


ZONES: dict[str, Zone] = {
    "endless aliases": endless_alias,
    "aliases in one answer": long_chain,
    "DNAME loop": dname_loop,
    "many servers": many_servers,
    "many addresses": many_addresses,
    "servers in a loop": server_loop,
    "nested zones": nested_zones,
    "many records": many_records,
    "SPF chain": txt_everywhere(spf_chain),
    "SPF tree": txt_everywhere(spf_tree),
    "SPF wide": txt_everywhere(spf_wide),
    "SPF hosts": spf_hosts,
    "SPF macros": spf_macros,
    "DMARC reports": txt_everywhere(dmarc_reports),
}

# Zones without one usable answer.
UNUSABLE = (
    "endless aliases",
    "aliases in one answer",
    "DNAME loop",
    "many servers",
    "many addresses",
    "servers in a loop",
    "nested zones",
)


class _Everywhere(dict[str, Behaviour]):
    """One behaviour for every name."""

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__({"": behaviour})

    def get(self, name: str, default: Any = None) -> Any:
        return self[""]


def serving(zone: Zone) -> Behaviour:
    def behaviour(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
        response = dns.message.make_response(query, recursion_available=True)
        response.flags |= dns.flags.AA
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        rtype = dns.rdatatype.to_text(query.question[0].rdtype)
        sets: dict[tuple[str, str], list[str]] = {}
        for owner, kind, value in region(name, rtype) or zone(name, rtype) or ordinary(name, rtype):
            sets.setdefault((owner, kind), []).append(value)
        for (owner, kind), values in sets.items():
            response.answer.append(dns.rrset.from_text(f"{owner}.", 60, "IN", kind, *values))
        if over_tcp:
            return response.to_wire(max_size=65_535)
        wire = response.to_wire(max_size=65_535)
        if len(wire) <= 1232:
            return wire
        response.answer.clear()
        response.flags |= dns.flags.TC
        return response.to_wire()

    return behaviour


def request_for(kind: CheckKind, domain: str) -> CheckRequest:
    return CheckRequest(
        kind,
        domain=domain,
        region=REGION,
        ownership=OwnershipCode(token="0ed1fe018a" + "0" * 22),
        selectors=(DkimSelector(name="s1"), DkimSelector(name="s2")),
    )


def run_check(
    kind: CheckKind, zone: Zone, domain: str = DOMAIN, *, timeout_seconds: float = 0.5
) -> Outcome:
    async def run() -> Outcome:
        async with nameserver("", _Everywhere(serving(zone))) as server:
            network = replace(
                network_of(server, authoritative_port=server.port),
                timeouts_seconds=(timeout_seconds,),
                connect_timeout_seconds=min(timeout_seconds, 0.2),
            )
            (outcome,) = await run_all(
                [request_for(kind, domain)],
                network=network,
                budget_seconds=BUDGET_SECONDS,
                concurrency=100,
            )
            # The loop closes the sockets of TCP connections in its next iterations.
            await asyncio.sleep(0.05)
            return outcome

    return asyncio.run(run())


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count each datagram and each TCP connection of the engine."""
    counts: Counter[str] = Counter()
    send, connect = UdpSockets.send, transport._send_over_tcp

    def counted(self: UdpSockets, question: DnsQuestion, endpoint: Endpoint, **options: Any) -> Any:
        counts["udp"] += 1
        return send(self, question, endpoint, **options)

    async def counted_over_tcp(query: bytes, endpoint: Endpoint) -> bytes:
        counts["tcp"] += 1
        return await connect(query, endpoint)

    monkeypatch.setattr(UdpSockets, "send", counted)
    monkeypatch.setattr(transport, "_send_over_tcp", counted_over_tcp)
    return counts


# The check that each zone is made for; `make nightly` runs all checks over all zones.
TARGETS = [
    (name, CheckKind.SPF if name.startswith("SPF") else kind)
    for name in ZONES
    for kind in (CheckKind.DMARC if name.startswith("DMARC") else CheckKind.MX,)
]
OTHERS = [(name, kind) for name in ZONES for kind in KINDS if (name, kind) not in TARGETS]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"),
    [*TARGETS, *(pytest.param(*each, marks=pytest.mark.nightly) for each in OTHERS)],
)
def test_queries_are_bounded(sent: Counter[str], name: str, kind: CheckKind) -> None:
    began = time.monotonic()

    outcome = run_check(kind, ZONES[name])

    assert "run.internal-error" not in [finding.code for finding in outcome.findings]
    assert sum(sent.values()) <= MOST_QUERIES
    assert time.monotonic() - began < BUDGET_SECONDS + 1
    assert len(str(outcome.evidence)) < MOST_EVIDENCE
    if name in UNUSABLE:
        assert outcome.verdict is Verdict.UNKNOWN


def test_nested_zones_of_a_long_name(sent: Counter[str]) -> None:
    domain = f"{'a.' * 110}{DOMAIN}"

    outcome = run_check(CheckKind.MX, nested_zones, domain)

    assert outcome.verdict is Verdict.UNKNOWN
    assert sum(sent.values()) <= MOST_QUERIES


@pytest.mark.slow
@pytest.mark.parametrize("zone", [many_servers, many_addresses])
def test_servers_above_the_limit_are_counted(zone: Zone) -> None:
    # All servers answer, on a busy machine late.
    outcome = run_check(CheckKind.MX, zone, timeout_seconds=5)

    (found,) = [each for each in outcome.findings if each.code == "dns.too-many-servers"]
    assert found.params["zone"] == DOMAIN
    assert found.params["count"] > 1400
    assert len(outcome.evidence["servers"]) <= MAX_SERVERS
