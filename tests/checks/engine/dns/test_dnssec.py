"""DNSSEC: which fault voids a zone or an answer, and how a resolver that validates shows it."""

from __future__ import annotations

import asyncio
import time
from functools import cache

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.dns import dnssec
from checks.engine.dns.dnssec import ZoneKeys
from checks.engine.dns.lookup import (
    Answer,
    Delegation,
    LookupFailure,
    NoRecord,
    Record,
    Records,
    Server,
)
from checks.engine.dns.query_pool import QueryPool
from checks.engine.dns.validations import Validations
from tests.checks.engine.dns import loopback
from tests.checks.engine.dns.loopback import Nameserver, Wire, nameserver, network_of
from tests.checks.engine.dns.network_lookups import ZONE, network_lookup

APEX = dns.name.from_text("example.test")
DAY = 86400
VALID, PAST, FUTURE = (-DAY, DAY), (-3 * DAY, -DAY), (DAY, 3 * DAY)


@cache
def private_key(owner: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def dnskey(owner: str) -> DNSKEY:
    return dns.dnssec.make_dnskey(private_key(owner).public_key(), "ECDSAP256SHA256", flags=257)


def ds_of(owner: str, *, digest: str = "SHA256") -> str:
    policy = dns.dnssec.allow_all_policy
    return dns.dnssec.make_ds(APEX, dnskey(owner), digest, policy=policy).to_text()


def signature(
    rrset: dns.rrset.RRset, *, owner: str = "a", signer: dns.name.Name = APEX, at: tuple[int, int]
) -> dns.rrset.RRset:
    now = time.time()
    signed = dns.dnssec.sign(
        rrset,
        private_key(owner),
        signer,
        dnskey(owner),
        inception=now + at[0],
        expiration=now + at[1],
    )
    return dns.rrset.from_rdata(rrset.name, rrset.ttl, signed)


def keys_reply(
    *owners: str, signed_by: str = "a", at: tuple[int, int] = VALID
) -> dns.message.Message:
    reply = dns.message.make_response(dns.message.make_query(APEX, "DNSKEY"))
    if owners:
        rrset = dns.rrset.from_rdata_list(APEX, 60, [dnskey(owner) for owner in owners])
        reply.answer = [rrset, signature(rrset, owner=signed_by, at=at)]
    return dns.message.from_wire(reply.to_wire())


@pytest.mark.parametrize(
    ("anchors", "reply", "fault"),
    [
        ([ds_of("a")], keys_reply("a"), ""),
        ([ds_of("old"), ds_of("a")], keys_reply("a", "b"), ""),
        ([ds_of("a", digest="SHA384")], keys_reply("a"), ""),
        ([ds_of("a", digest="SHA1")], keys_reply("a"), ""),
        ([ds_of("a", digest="SHA1"), ds_of("a")], keys_reply("a"), ""),
        # RFC 4509 section 3: resolvers ignore the SHA-1 digest, and the other one is wrong.
        ([ds_of("a", digest="SHA1"), ds_of("old")], keys_reply("a"), dnssec.NO_MATCHING_KEY),
        (
            [ds_of("a", digest="SHA1"), ds_of("old", digest="SHA384")],
            keys_reply("a"),
            dnssec.NO_MATCHING_KEY,
        ),
        # A digest of an unsupported type does not replace the others.
        ([f"1 13 200 {'ab' * 32}", ds_of("a", digest="SHA1")], keys_reply("a"), ""),
        ([ds_of("old")], keys_reply("a"), dnssec.NO_MATCHING_KEY),
        ([ds_of("a")], keys_reply(), dnssec.NO_MATCHING_KEY),
        ([ds_of("a")], keys_reply("a", at=PAST), dnssec.EXPIRED),
        ([ds_of("a")], keys_reply("a", at=FUTURE), dnssec.NOT_YET_VALID),
        # A key without a DS record cannot vouch for the key set.
        ([ds_of("a")], keys_reply("a", "b", signed_by="b"), dnssec.SIGNATURE_INVALID),
    ],
)
def test_keys_of_zone(anchors: list[str], reply: dns.message.Message, fault: str) -> None:
    keys = dnssec.read_keys("example.test", anchors, reply)

    assert keys is not None
    assert keys.fault == fault


@pytest.mark.parametrize(
    "anchor",
    [
        # Digest types and algorithms that no resolver supports (RFC 4035 section 5.2).
        f"1 13 200 {'ab' * 32}",
        f"1 200 2 {'ab' * 32}",
        # RSAMD5, DSA, DSA-NSEC3-SHA1 and GOST, which no resolver validates (RFC 8624 section 3.1).
        f"1 1 2 {'ab' * 32}",
        f"1 3 2 {'ab' * 32}",
        f"1 6 1 {'ab' * 20}",
        f"1 12 2 {'ab' * 32}",
    ],
)
def test_unsupported_anchor_is_unsigned(anchor: str) -> None:
    assert dnssec.read_keys("example.test", [anchor], keys_reply("a")) is None


@pytest.mark.parametrize(("flags", "protocol"), [(1, 3), (0, 3), (257, 2)])
def test_key_of_another_purpose_matches_no_ds(flags: int, protocol: int) -> None:
    """RFC 4034 section 2.1: without the zone flag or protocol 3, no key verifies a zone."""
    key = dnskey("a").replace(flags=flags, protocol=protocol)
    rrset = dns.rrset.from_rdata(APEX, 60, key)
    reply = dns.message.make_response(dns.message.make_query(APEX, "DNSKEY"))
    reply.answer = [rrset]
    anchor = dns.dnssec.make_ds(APEX, key, "SHA256").to_text()

    keys = dnssec.read_keys("example.test", [anchor], reply)

    assert keys is not None
    assert keys.fault == dnssec.NO_MATCHING_KEY


KEYS = ZoneKeys(APEX, dns.rrset.from_rdata_list(APEX, 60, [dnskey("a")]))
MX = dns.rrset.from_text("example.test.", 60, "IN", "MX", "10 mx.example.test.")
OTHER_MX = dns.rrset.from_text("example.test.", 60, "IN", "MX", "10 other.example.test.")
SOA = dns.rrset.from_text("example.test.", 60, "IN", "SOA", "ns.test. root.test. 1 2 3 4 5")
BELOW = dns.rrset.from_text("sub.example.test.", 60, "IN", "TXT", '"text"')
OUTSIDE = dns.rrset.from_text("www.other.test.", 60, "IN", "A", "192.0.2.1")


def signed_nsec(text: str, *, at: tuple[int, int] = VALID) -> list[dns.rrset.RRset]:
    owner, _, fields = text.partition(" ")
    rrset = dns.rrset.from_text(owner, 60, "IN", "NSEC", fields)
    return [rrset, signature(rrset, at=at)]


NO_MX = signed_nsec("example.test. a.example.test. NS SOA RRSIG NSEC")
HAS_MX = signed_nsec("example.test. a.example.test. NS SOA MX RRSIG NSEC")
OLD_NSEC = signed_nsec("example.test. a.example.test. NS SOA RRSIG NSEC", at=PAST)
BETWEEN = signed_nsec("a.example.test. z.example.test. A RRSIG NSEC")
NSEC = NO_MX[0]
WILDCARD = dns.rrset.from_text("*.example.test.", 60, "IN", "MX", "10 mx.example.test.")
EXPANDED = dns.rrset.from_text("mail.example.test.", 60, "IN", "MX", "10 mx.example.test.")
FROM_WILDCARD = [
    EXPANDED,
    dns.rrset.from_rdata_list(EXPANDED.name, 60, list(signature(WILDCARD, at=VALID))),
]


NSEC_BELOW = dns.rrset.from_text("sub.example.test.", 60, "IN", "NSEC", "a.sub.example.test. A")
NSEC_BELOW_SIGNATURE = signature(
    NSEC_BELOW, owner="b", signer=dns.name.from_text("sub.example.test"), at=VALID
)


def reply_with(
    answer: list[dns.rrset.RRset], authority: list[dns.rrset.RRset] | None = None
) -> dns.message.Message:
    reply = dns.message.make_response(dns.message.make_query(APEX, "MX"))
    reply.answer, reply.authority = answer, authority or []
    return reply


SUB = dns.name.from_text("sub.example.test")


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (reply_with([MX, signature(MX, at=VALID)]), ""),
        (reply_with([MX, signature(MX, at=PAST)]), dnssec.EXPIRED),
        (reply_with([MX, signature(MX, at=FUTURE)]), dnssec.NOT_YET_VALID),
        (reply_with([MX, signature(MX, owner="b", at=VALID)]), dnssec.SIGNATURE_INVALID),
        (reply_with([OTHER_MX, signature(MX, at=VALID)]), dnssec.SIGNATURE_INVALID),
        (reply_with([MX]), dnssec.SIGNATURE_MISSING),
        # One valid signature is enough, as during a change of keys.
        (reply_with([MX, signature(MX, at=PAST), signature(MX, at=VALID)]), ""),
        (reply_with([BELOW, signature(BELOW, owner="b", signer=SUB, at=PAST)]), ""),
        (reply_with([OUTSIDE]), ""),
        (reply_with([], [SOA, signature(SOA, at=VALID), *NO_MX]), ""),
        (reply_with([], [SOA, signature(SOA, at=VALID)]), dnssec.DENIAL_UNPROVEN),
        (reply_with([], [SOA, signature(SOA, at=VALID), *HAS_MX]), dnssec.DENIAL_UNPROVEN),
        (reply_with([], [SOA, signature(SOA, at=VALID), NSEC]), dnssec.SIGNATURE_MISSING),
        (reply_with([], [SOA, signature(SOA, at=VALID), *OLD_NSEC]), dnssec.EXPIRED),
        (reply_with(FROM_WILDCARD, [*BETWEEN]), ""),
        (reply_with(FROM_WILDCARD), dnssec.DENIAL_UNPROVEN),
        # Empty, without the SOA record, a referral or the answer of a zone below.
        (reply_with([]), dnssec.DENIAL_UNPROVEN),
        (reply_with([], [dns.rrset.from_text(SUB, 60, "IN", "NS", "ns.test.")]), ""),
        # The record of a zone below proves nothing, and a foreign zone cannot sign the record.
        (
            reply_with([], [SOA, signature(SOA, at=VALID), NSEC_BELOW, NSEC_BELOW_SIGNATURE]),
            dnssec.DENIAL_UNPROVEN,
        ),
        (
            reply_with([MX, signature(MX, owner="b", signer=SUB, at=VALID)]),
            dnssec.SIGNATURE_MISSING,
        ),
        (reply_with([], [SOA, signature(SOA, at=PAST)]), dnssec.EXPIRED),
        (reply_with([], [SOA]), dnssec.SIGNATURE_MISSING),
    ],
)
def test_fault_in_answer(reply: dns.message.Message, fault: str) -> None:
    asked = reply.answer[0] if reply.answer else MX
    rtype = dns.rdatatype.to_text(asked.rdtype)

    assert dnssec.fault_in(reply, asked.name.to_text(), rtype, KEYS) == fault


def test_alias_of_dname_needs_no_signature() -> None:
    """A DNAME record of the zone creates the alias, and servers do not sign it (RFC 6672)."""
    dname = dns.rrset.from_text("old.example.test.", 60, "IN", "DNAME", "new.test.")
    alias = dns.rrset.from_text("mx.old.example.test.", 60, "IN", "CNAME", "mx.new.test.")

    def fault_of(*records: dns.rrset.RRset) -> str:
        return dnssec.fault_in(reply_with([*records]), "mx.old.example.test", "A", KEYS)

    assert fault_of(dname, signature(dname, at=VALID), alias) == ""
    assert fault_of(dname, alias) == dnssec.SIGNATURE_MISSING
    assert fault_of(alias) == dnssec.SIGNATURE_MISSING


@given(start=st.integers(-9, 9), length=st.integers(1, 9))
def test_signature_is_valid_in_its_interval(start: int, length: int) -> None:
    at = (start * DAY + 60, (start + length) * DAY + 60)

    reply = reply_with([MX, signature(MX, at=at)])
    fault = dnssec.fault_in(reply, "example.test", "MX", KEYS)

    assert (fault == "") is (at[0] <= 0 <= at[1])


def rejects(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    """A validating resolver: SERVFAIL, unless the query has the CD bit."""
    if query.flags & dns.flags.CD:
        return loopback.answer(server, query, over_tcp)
    return loopback.fail_with(dns.rcode.SERVFAIL)(server, query, over_tcp)


def test_resolve_names_rejection() -> None:
    async def run() -> list[Answer]:
        failing = loopback.fail_with(dns.rcode.SERVFAIL)
        behaviours = {"example.test": rejects, "dns.test": failing}
        async with (
            nameserver(ZONE, behaviours) as server,
            network_lookup(network_of(server)) as lookup,
        ):
            return await lookup.resolve_all(["example.test", "dns.test", "host.example.test"], "A")

    rejected, failed, found = asyncio.run(run())

    assert rejected == LookupFailure(dnssec.REJECTED)
    assert failed == LookupFailure("servfail", "SERVFAIL")
    assert isinstance(found, Records)


def test_rejected_zone_is_still_queried() -> None:
    async def run() -> tuple[object, Answer]:
        async with (
            nameserver(ZONE, {"example.test": rejects}) as resolver,
            nameserver(ZONE, recursive=False) as server,
            network_lookup(network_of(resolver, authoritative_port=server.port)) as lookup,
        ):
            found = await lookup.delegation("example.test")
            there = Server("ns1.dns.test", "127.0.0.1", server.port)
            return found, await lookup.query(there, "example.test", "MX")

    found, answer = asyncio.run(run())

    assert isinstance(found, Delegation)
    assert {server.name for server in found.servers} == {"ns1.dns.test", "ns2.dns.test"}
    # Gangway finds no fault in the zone, but the resolver does: the answer does not count.
    assert answer == LookupFailure(dnssec.REJECTED)


def signed_zone(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    """A resolver with a DS record, and a server that answers no query with the DO bit."""
    if query.ednsflags & dns.flags.DO:
        return None
    response = server.response_to(query)
    if query.question[0].rdtype == dns.rdatatype.DS:
        response.answer = [dns.rrset.from_text("example.test.", 60, "IN", "DS", ds_of("a"))]
    return response.to_wire()


@pytest.mark.slow
def test_signed_zone_without_signed_reply_is_unknown() -> None:
    async def run() -> Answer:
        async with (
            nameserver(ZONE, {"example.test": signed_zone}) as server,
            network_lookup(network_of(server, authoritative_port=server.port)) as lookup,
        ):
            await lookup.delegation("example.test")
            there = Server("ns1.dns.test", "127.0.0.1", server.port)
            return await lookup.query(there, "example.test", "MX")

    assert asyncio.run(run()) == LookupFailure("timeout")


def no_ds(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
    """A resolver that does not answer about the DS record, and a server that knows no DO bit."""
    is_about_ds = query.question[0].rdtype == dns.rdatatype.DS
    return None if is_about_ds else server.response_to(query).to_wire()


def test_unknown_ds_record_makes_answers_unknown() -> None:
    async def run() -> Answer:
        async with (
            nameserver(ZONE, {"example.test": no_ds}) as server,
            network_lookup(network_of(server, authoritative_port=server.port)) as lookup,
        ):
            await lookup.delegation("example.test")
            there = Server("ns1.dns.test", "127.0.0.1", server.port)
            return await lookup.query(there, "example.test", "MX")

    assert asyncio.run(run()) == LookupFailure("timeout")


def test_unsigned_zone_needs_one_query_more() -> None:
    async def run() -> dict[tuple[str, str, str], int]:
        async with (
            nameserver(ZONE) as resolver,
            network_lookup(network_of(resolver, authoritative_port=resolver.port)) as lookup,
        ):
            found = await lookup.delegation("example.test")
            assert isinstance(found, Delegation)
            for rtype in ("MX", "TXT", "MX"):
                await lookup.query_all(found.servers[:1], "example.test", rtype)
            return dict(resolver.queries)

    queries = asyncio.run(run())

    assert {key: n for key, n in queries.items() if key[1] in ("DS", "DNSKEY")} == {
        ("example.test", "DS", "udp"): 1
    }


def key_set(zone: dns.name.Name, owner: str, at: tuple[int, int]) -> list[dns.rrset.RRset]:
    rrset = dns.rrset.from_rdata(zone, 60, dnskey(owner))
    return [rrset, signature(rrset, owner=owner, signer=zone, at=at)]


def anchor(zone: dns.name.Name, owner: str) -> dns.rrset.RRset:
    return dns.rrset.from_rdata(zone, 60, dns.dnssec.make_ds(zone, dnskey(owner), "SHA256"))


def chain_of(above: str) -> dict[tuple[str, str], list[dns.rrset.RRset]]:
    """The answers about a zone with valid signatures, below one with the fault `above`."""
    at = {"expired": PAST, "future": FUTURE}.get(above, VALID)
    is_signed = above not in ("no signature", "unsigned", "no signature, other key")
    delegation = anchor(SUB, "sub" if is_signed or above == "no signature" else "other")
    signed = signature(delegation, owner="a", signer=APEX, at=at)
    mx = dns.rrset.from_text(SUB, 60, "IN", "MX", "10 mx.example.test.")
    below = PAST if above == "no ds" else VALID
    trust = {"no ds": [], "unsigned": [], "other key": [anchor(APEX, "old")]}.get(
        above, [anchor(APEX, "a")]
    )
    return {
        ("sub.example.test", "DS"): [delegation] + [signed] * is_signed,
        ("sub.example.test", "DNSKEY"): key_set(SUB, "sub", below),
        ("sub.example.test", "MX"): [mx, signature(mx, owner="sub", signer=SUB, at=below)],
        ("example.test", "DS"): trust,
        ("example.test", "DNSKEY"): key_set(APEX, "a", VALID),
    }


@pytest.mark.parametrize(
    ("above", "fault"),
    [
        ("", ""),
        ("expired", dnssec.EXPIRED),
        ("future", dnssec.NOT_YET_VALID),
        ("other key", dnssec.NO_MATCHING_KEY),
        # Without a DS record of the zone above, no resolver validates the expired one below.
        ("no ds", ""),
        # A resolver that returns no signatures proves no fault.
        ("no signature", ""),
        # RFC 4035 section 4.3: below an unsigned zone, a DS record without a signature counts for
        # nothing.
        ("unsigned", ""),
        ("no signature, other key", dnssec.NO_MATCHING_KEY),
    ],
)
def test_fault_above_voids_the_zone_below(above: str, fault: str) -> None:
    """RFC 4035 section 5: a chain of valid signatures leads from the trust anchor to the answer."""
    answers = chain_of(above)

    def serve(server: Nameserver, query: dns.message.Message, over_tcp: bool) -> Wire:
        asked = query.question[0]
        name = asked.name.to_text(omit_final_dot=True).lower()
        found = answers.get((name, dns.rdatatype.to_text(asked.rdtype)))
        if found is None:
            return loopback.answer(server, query, over_tcp)
        response = server.response_to(query)
        is_signed = bool(query.ednsflags & dns.flags.DO)
        response.answer = [
            each for each in found if is_signed or each.rdtype != dns.rdatatype.RRSIG
        ]
        return response.to_wire()

    async def run() -> Answer:
        zone = f"{ZONE}sub.example.test NS ns1.dns.test\nsub.example.test MX 10 mx.example.test\n"
        behaviours: dict[str, loopback.Behaviour] = {
            "example.test": serve,
            "sub.example.test": serve,
        }
        async with (
            nameserver(zone, behaviours) as server,
            network_lookup(network_of(server, authoritative_port=server.port)) as lookup,
        ):
            await lookup.delegation("sub.example.test")
            there = Server("ns1.dns.test", "127.0.0.1", server.port)
            return await lookup.query(there, "sub.example.test", "MX")

    answer = asyncio.run(run())

    if fault:
        assert answer == LookupFailure(fault)
    else:
        assert isinstance(answer, Records)


@pytest.mark.parametrize(
    ("names", "is_unsigned"),
    [
        # The zones with their DS record, or without one.
        ({"example.test": "DS", "mid.example.test": None}, True),
        ({"example.test": None, "mid.example.test": "DS"}, True),
        ({"example.test": "DS", "mid.example.test": "DS"}, False),
        # Without a cut at the name, its missing DS record states nothing.
        ({"example.test": "DS"}, False),
        ({}, False),
    ],
)
def test_zone_below_an_unsigned_zone(names: dict[str, str | None], is_unsigned: bool) -> None:
    async def resolve(name: str, rtype: str) -> Answer:
        if rtype == "NS" and name not in names:
            return NoRecord()
        if rtype == "DS" and not names.get(name):
            return NoRecord()
        return Records((Record(name, rtype, 60, "ns1.dns.test"),))

    pool = QueryPool((1.0,), max_in_flight=1)
    validations = Validations(resolve, lambda name: (), pool, (1.0,))

    assert asyncio.run(validations._is_below_unsigned("sub.mid.example.test")) is is_unsigned
