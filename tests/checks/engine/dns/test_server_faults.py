"""Faults of a name server, over real sockets: each has one finding, and never leads to FAIL.

The zone has two servers, and the second is faulty. The first one's answer passes, so any verdict
except UNKNOWN could come only from the fault.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from checks.engine import mx_ttl
from checks.engine.dns.network_lookup import NetworkLookup
from checks.engine.outcomes import Outcome, Verdict
from tests.checks.engine.dns import loopback
from tests.checks.engine.dns.loopback import (
    Behaviour,
    Nameserver,
    Wire,
    nameserver,
    network_of,
)
from tests.checks.engine.outcomes import codes, params

DOMAIN = "example.test"
WORLD = """
example.test  NS  ns1.dns.test
example.test  NS  ns2.dns.test
ns1.dns.test  A   127.0.0.1
ns2.dns.test  A   127.0.0.2
"""
ZONE = WORLD + "example.test 300 MX 10 mx.example.test\n"


def truncate_always(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    """A truncated reply over UDP, and no valid reply over TCP."""
    if over_tcp:
        return None
    return loopback.truncate(server, query, over_tcp)


def truncate_even_over_tcp(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    return loopback.truncate(server, query, False)


def oversize(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    response = server.response_to(query)
    for number in range(20):
        text = f'"{number:03d}{"x" * 250}"'
        response.additional.append(dns.rrset.from_text("pad.test.", 60, "IN", "TXT", text))
    return response.to_wire(max_size=65_535)


def loop(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    for owner, target in (("example.test.", "round.test."), ("round.test.", "example.test.")):
        response.answer.append(dns.rrset.from_text(owner, 60, "IN", "CNAME", target))
    return response.to_wire()


def spoof_from_elsewhere(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    """A valid answer from another port of the same address, then silence."""
    with socket.socket(type=socket.SOCK_DGRAM) as elsewhere:
        elsewhere.bind((server.address, 0))
        elsewhere.sendto(loopback.answer(server, query, False) or b"", server.last_source)
    return None


def change_letters(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    """The same question in another class."""
    response = server.response_to(query)
    response.question = [dns.rrset.from_text(DOMAIN + ".", 0, "CH", "MX")]
    return response.to_wire()


def lie_about_counts(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    wire = bytearray(server.response_to(query).to_wire())
    wire[6:8] = b"\xff\xff"
    return bytes(wire)


def turn_pointers(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    """Replace the answer's owner by a pointer to itself."""
    wire = bytearray(server.response_to(query).to_wire())
    at = wire.index(b"\xc0\x0c")
    wire[at : at + 2] = (0xC000 | at).to_bytes(2)
    return bytes(wire)


def run_check(behaviour: Behaviour) -> Outcome:
    async def run() -> Outcome:
        async with (
            nameserver(ZONE) as good,
            nameserver(
                ZONE, {DOMAIN: behaviour}, address="127.0.0.2", port=good.port, recursive=False
            ),
        ):
            network = network_of(good, authoritative_port=good.port)
            lookup = NetworkLookup(replace(network, timeouts_seconds=(0.1, 0.1)))
            try:
                return await mx_ttl.inspect(DOMAIN, 300, lookup)
            finally:
                await lookup.close()

    return asyncio.run(run())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (loopback.drop, "dns.server-silent"),
        (loopback.without_aa, "dns.server-lame"),
        (loopback.refer, "dns.server-lame"),
        (loopback.fail_with(dns.rcode.REFUSED), "dns.server-refuses"),
        (loopback.fail_with(dns.rcode.NOTAUTH), "dns.server-refuses"),
        (loopback.fail_with(dns.rcode.SERVFAIL), "dns.server-fails"),
        (loopback.fail_with(dns.rcode.NOTIMP), "dns.server-fails"),
        (loopback.malformed, "dns.server-malformed"),
        (lie_about_counts, "dns.server-malformed"),
        (turn_pointers, "dns.server-malformed"),
        (oversize, "dns.server-oversized"),
        (truncate_always, "dns.server-truncates"),
        (truncate_even_over_tcp, "dns.server-malformed"),
        (loop, "dns.alias-loop"),
        (loopback.wrong_id, "dns.server-silent"),
        (loopback.wrong_question, "dns.server-silent"),
        (change_letters, "dns.server-silent"),
        (spoof_from_elsewhere, "dns.server-silent"),
    ],
)
def test_faulty_server_is_named_and_unknown(behaviour: Behaviour, code: str) -> None:
    outcome = run_check(behaviour)

    assert (outcome.verdict, outcome.unanimous, codes(outcome)) == (
        Verdict.UNKNOWN,
        False,
        [code],
    )
    assert params(outcome, code)["servers"] == ["ns2.dns.test (127.0.0.2)"]


def test_truncated_reply_over_tcp_counts() -> None:
    outcome = run_check(loopback.truncate)

    assert (outcome.verdict, outcome.unanimous, codes(outcome)) == (Verdict.PASS, True, [])


def test_denying_server_disagrees() -> None:
    outcome = run_check(loopback.fail_with(dns.rcode.NXDOMAIN))

    # Without the AA bit the server is lame; with it, the server is outdated.
    assert codes(outcome) == ["dns.server-lame"]

    def deny(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()

    outcome = run_check(deny)

    assert (outcome.verdict, outcome.unanimous) == (Verdict.FAIL, False)
    assert params(outcome, "dns.servers-disagree") == {
        "agreeing": ["ns1.dns.test (127.0.0.1)"],
        "lagging": ["ns2.dns.test (127.0.0.2)"],
    }


def test_forged_reply_is_ignored() -> None:
    forged: list[Any] = []

    def forge_first(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
        spoof_from_elsewhere(server, query, over_tcp)
        for make in (loopback.wrong_id, loopback.wrong_question, change_letters):
            server.send(make(server, query, over_tcp) or b"", server.last_source)
            forged.append(make)
        return loopback.answer(server, query, over_tcp)

    outcome = run_check(forge_first)

    # Three for each question: the MX records are requested in mixed and in lower case.
    assert (outcome.verdict, len(forged)) == (Verdict.PASS, 6)
