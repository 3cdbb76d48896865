"""Servers whose answer depends on the letter case of the name, over real sockets (RFC 4343)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import dns.flags
import dns.message
import dns.name
import dns.rcode
import pytest

from checks.engine.batch import CheckRequest, run_all
from checks.engine.expected_values import RegionFacts
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.checks.engine.dns.loopback import Behaviour, Nameserver, Wire, nameserver, network_of
from tests.checks.engine.dns.zone_lookup import read_zone
from tests.checks.engine.outcomes import codes, params

DOMAIN = "example.test"
HOSTS = ("one.mimecast.test", "two.mimecast.test")
REGION = RegionFacts("us", "United States", HOSTS, "us.mimecast.test")
WORLD = f"""
test NS ns1.dns.test
{DOMAIN} NS ns1.dns.test
ns1.dns.test A 127.0.0.1
one.mimecast.test A 192.0.2.1
two.mimecast.test A 192.0.2.2
us.mimecast.test TXT "v=spf1 ip4:192.0.2.0/24 ~all"
_dmarc.{DOMAIN} TXT "v=DMARC1; p=reject; rua=mailto:d@{DOMAIN}"
"""
SPF = f'{DOMAIN} TXT "v=spf1 include:us.mimecast.test -all"\n'
MIMECAST = "".join(f"{DOMAIN} MX 10 {host}\n" for host in HOSTS)
OLD = f"{DOMAIN} MX 10 old.{DOMAIN}\n"
LEFT = MIMECAST + OLD
SENSITIVE, CHANGES = "dns.case-sensitive-server", "dns.case-changes-answer"


def answer_by_case(choose: Callable[[bool], str | None]) -> Behaviour:
    """Answer from the zone that `choose` returns for a name in lower case, or not.

    None refuses the query.
    """

    def behaviour(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
        name = query.question[0].name.to_text()
        records = choose(name == name.lower())
        if records is None:
            refusal = dns.message.make_response(query)
            refusal.set_rcode(dns.rcode.REFUSED)
            return refusal.to_wire()
        usual, server.zone = server.zone, read_zone(WORLD + records)
        try:
            return server.response_to(query).to_wire()
        finally:
            server.zone = usual

    return behaviour


def run_checks(choose: Callable[[bool], str | None], *kinds: CheckKind) -> dict[CheckKind, Outcome]:
    async def run() -> list[Outcome]:
        # The resolver sends lower case, and has no answer that depends on it.
        behaviour = answer_by_case(choose)
        async with (
            nameserver(WORLD + (choose(True) or "")) as resolver,
            nameserver(
                WORLD, {DOMAIN: behaviour}, address="127.0.0.1", port=0, recursive=False
            ) as server,
        ):
            requests = [CheckRequest(kind, domain=DOMAIN, region=REGION) for kind in kinds]
            network = network_of(resolver, authoritative_port=server.port)
            return await run_all(requests, network=network, budget_seconds=9, concurrency=4)

    return dict(zip(kinds, asyncio.run(run()), strict=True))


@pytest.mark.parametrize(
    ("mixed", "lower", "verdict", "expected"),
    [
        (MIMECAST, MIMECAST, Verdict.PASS, []),
        (MIMECAST, OLD, Verdict.FAIL, ["mx.old-only", CHANGES]),
        (OLD, MIMECAST, Verdict.FAIL, ["mx.old-only", CHANGES]),
        (MIMECAST, LEFT, Verdict.FAIL, ["mx.leftover", CHANGES]),
        (LEFT, MIMECAST, Verdict.FAIL, ["mx.leftover", CHANGES]),
        (MIMECAST, "", Verdict.FAIL, ["mx.none", CHANGES]),
        (MIMECAST, MIMECAST.replace(" 10 ", " 20 "), Verdict.WARN, [CHANGES]),
        ("", MIMECAST, Verdict.WARN, [SENSITIVE]),
        ("", "", Verdict.FAIL, ["mx.none"]),
    ],
)
def test_mx_of_both_cases_counts(
    mixed: str, lower: str, verdict: Verdict, expected: list[str]
) -> None:
    outcomes = run_checks(lambda is_lower: SPF + (lower if is_lower else mixed), CheckKind.MX)
    outcome = outcomes[CheckKind.MX]

    assert (outcome.verdict, codes(outcome)) == (verdict, expected)
    if CHANGES in expected:
        assert params(outcome, CHANGES) == {"servers": ["ns1.dns.test (127.0.0.1)"]}
        assert outcome.unanimous is False


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        (MIMECAST, {CheckKind.MX}),
        (SPF, {CheckKind.SPF}),
        (MIMECAST + SPF, {CheckKind.MX, CheckKind.SPF}),
    ],
)
def test_each_record_type_is_repeated(missing: str, expected: set[CheckKind]) -> None:
    """A server that answers one type in mixed case may have no records of another type."""
    whole = MIMECAST + SPF

    outcomes = run_checks(
        lambda is_lower: whole if is_lower else whole.replace(missing, ""),
        *(CheckKind.MX, CheckKind.SPF, CheckKind.DMARC),
    )

    assert {kind for kind, each in outcomes.items() if SENSITIVE in codes(each)} == expected
    assert {outcomes[kind].verdict for kind in expected} == {Verdict.WARN}
    assert outcomes[CheckKind.DMARC].verdict is Verdict.PASS


@pytest.mark.parametrize("turn", [MIMECAST + OLD, OLD, ""])
def test_rotating_answer_is_no_dependence_on_case(turn: str) -> None:
    """The server changes its answer with time, not with case: no caution."""
    turns = itertools.cycle([MIMECAST, turn, turn])

    outcome = run_checks(lambda is_lower: SPF + next(turns), CheckKind.MX)[CheckKind.MX]

    assert CHANGES not in codes(outcome)


def test_failed_repetition_confirms_nothing() -> None:
    """The server has changed its zone between the first two answers, and then limits its rate."""
    # The zone of the resolver is the first one.
    left = iter(range(2))

    def choose(is_lower: bool) -> str | None:
        if is_lower and next(left, None) is None:
            return None
        return SPF + (MIMECAST if is_lower else OLD)

    outcome = run_checks(choose, CheckKind.MX)[CheckKind.MX]

    assert CHANGES not in codes(outcome)


def test_one_question_more_for_each_domain() -> None:
    async def run() -> list[int]:
        async with nameserver(WORLD + SPF + MIMECAST) as server:
            kinds = (CheckKind.MX, CheckKind.MX_TTL, CheckKind.SPF, CheckKind.DMARC)
            requests = [CheckRequest(kind, domain=DOMAIN, region=REGION) for kind in kinds]
            network = network_of(server, authoritative_port=server.port)
            await run_all(requests, network=network, budget_seconds=9, concurrency=4)
            return [server.queries[DOMAIN, rtype, "udp"] for rtype in ("MX", "TXT")]

    # In mixed case and in lower case.
    assert asyncio.run(run()) == [2, 1]
