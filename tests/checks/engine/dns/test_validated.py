"""Names whose DNSSEC a validating resolver rejects, for the checks that ask the resolvers."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network

import pytest

from checks.engine.dns.lookup import Answer, Delegation, LookupFailure, Server
from checks.engine.dns.network import Network
from checks.engine.dns.validated import resolve_validated
from checks.engine.expected_values import DkimSelector
from checks.engine.hosts import partner_tls
from checks.engine.hosts.prober import NotProbed, Prober
from checks.engine.mail import dkim, dmarc, message
from checks.engine.mail.dmarc import find_policy
from checks.engine.mail.message import MessageInput
from checks.engine.outcomes import Verdict
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.mail.signed_messages import AT, SELECTOR, signed, zone
from tests.checks.engine.mail.test_message import NAME, US
from tests.checks.engine.outcomes import codes, params

EXPIRED, NO_KEY = LookupFailure("dnssec-expired"), LookupFailure("dnssec-no-matching-key")
SILENT = LookupFailure("timeout")
MAIL = "mail.example.test"
WORLD = zone() + f"\n{MAIL} A 127.0.0.1\nexample.test MX 10 {MAIL}\nexample.test NS ns1.test\n"
SIGNED = WORLD + "example.test DS 1 13 2 AB\n"


def lookup_of(world: str, *answers: str | LookupFailure) -> ZoneLookup:
    """The domain's servers give these answers; the resolvers do not validate."""
    names = [f"ns{number}.test" for number in range(1, len(answers) + 1)]
    servers = tuple(Server(name, f"192.0.2.{n}") for n, name in enumerate(names, 1))
    return ZoneLookup(
        world,
        servers=dict(zip(names, answers, strict=True)),
        delegation=Delegation("example.test", servers),
    )


@pytest.mark.parametrize(
    ("world", "answers", "expected"),
    [
        (WORLD, [EXPIRED], None),
        (SIGNED, [WORLD, WORLD], None),
        # A resolver may query any of the servers.
        (SIGNED, [WORLD, EXPIRED], EXPIRED),
        (SIGNED, [NO_KEY, NO_KEY], NO_KEY),
        (SIGNED, [SILENT, NO_KEY], NO_KEY),
        # A silent or refusing server says nothing about DNSSEC.
        (SIGNED, [SILENT, LookupFailure("refused")], None),
        (f"{SIGNED}{MAIL} TROUBLE dnssec-rejected\n", [WORLD], LookupFailure("dnssec-rejected")),
    ],
)
def test_answer_of_signed_zone_is_validated(
    world: str, answers: list[str | LookupFailure], expected: Answer | None
) -> None:
    lookup = lookup_of(world, *answers)

    found = asyncio.run(resolve_validated(lookup, MAIL, "A"))

    assert found == (expected or asyncio.run(ZoneLookup(WORLD).resolve(MAIL, "A")))


def test_target_of_an_alias_is_validated() -> None:
    class Zones(ZoneLookup):
        """The target is in a signed zone whose signatures have expired."""

        async def delegation(self, name: str) -> Delegation:
            zone_name = "signer.test" if name.endswith("signer.test") else "example.test"
            return Delegation(zone_name, (Server(zone_name, "192.0.2.1"),))

    world = f"{NAME} CNAME key.signer.test\nkey.signer.test TXT x\n"
    world += "signer.test NS signer.test\nsigner.test DS 1 13 2 AB\n"
    lookup = Zones(world, servers={"example.test": world, "signer.test": EXPIRED})

    assert asyncio.run(resolve_validated(lookup, NAME, "TXT")) == EXPIRED


class Borders(ZoneLookup):
    """The keys and policies of example.test are aliases of names in signer.test."""

    def __init__(self, of_signer: str | LookupFailure, *, is_signed: bool = True) -> None:
        targets = "".join(
            f"{alias} CNAME {alias}.signer.test\n{alias}.signer.test TXT x\n"
            for alias in (NAME, "_dmarc.example.test")
        )
        world = targets + "signer.test NS signer.test\nexample.test NS example.test\n"
        world += "signer.test DS 1 13 2 AB\n" if is_signed else ""
        answers = world if of_signer == "" else of_signer
        super().__init__(world, servers={"example.test": world, "signer.test": answers})

    async def delegation(self, name: str) -> Delegation:
        apex = "signer.test" if name.endswith("signer.test") else "example.test"
        return Delegation(apex, (Server(apex, "192.0.2.1"),))


@pytest.mark.parametrize(
    ("of_signer", "is_signed", "expected"),
    [
        ("", True, False),
        (EXPIRED, True, True),
        (NO_KEY, True, True),
        (EXPIRED, False, False),
        (SILENT, True, False),
    ],
)
def test_alias_into_a_rejected_zone_never_passes(
    of_signer: str | LookupFailure, is_signed: bool, expected: bool
) -> None:
    lookup = Borders(of_signer, is_signed=is_signed)

    key = asyncio.run(dkim.inspect("example.test", [DkimSelector(SELECTOR)], lookup))
    policy = asyncio.run(dmarc.inspect("example.test", lookup))

    for outcome in (key, policy):
        is_named = any(code.startswith("dns.dnssec-") for code in codes(outcome))
        assert (outcome.verdict is Verdict.UNKNOWN, is_named) == (expected, expected)


@pytest.mark.parametrize("fault", [EXPIRED, NO_KEY])
def test_message_with_rejected_key_is_unknown(fault: LookupFailure) -> None:
    lookup = lookup_of(SIGNED, fault)
    selectors = [DkimSelector(SELECTOR)]

    outcome = asyncio.run(
        message.inspect("example.test", selectors, US, MessageInput(signed(), AT), lookup)
    )

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["message.key-unanswered"])
    assert params(outcome, "message.key-unanswered")["reason"] == fault.reason
    verdicts = {fact["name"]: fact["verdict"] for fact in outcome.evidence["facts"]}
    assert verdicts["dmarc"] == "unknown"


@pytest.mark.parametrize(
    ("answers", "is_known"), [([WORLD], True), ([EXPIRED], False), ([WORLD, NO_KEY], False)]
)
def test_rejected_policy_is_not_known(answers: list[str | LookupFailure], is_known: bool) -> None:
    found = asyncio.run(find_policy("example.test", lookup_of(SIGNED, *answers)))

    assert (found.applied is not None) is is_known


def locate(lookup: ZoneLookup) -> list[str] | NotProbed:
    network = Network(allowed_networks=(ip_network("127.0.0.0/8"),))
    return asyncio.run(Prober(network, lookup).locate(MAIL, 25))


@pytest.mark.parametrize(
    ("world", "answers", "reason"),
    [
        (WORLD, [EXPIRED], ""),
        (SIGNED, [WORLD], ""),
        (SIGNED, [EXPIRED], "dnssec-expired"),
        (SIGNED, [WORLD, NO_KEY], "dnssec-no-matching-key"),
        (SIGNED.replace(f"{MAIL} A 127.0.0.1", ""), [EXPIRED], "dnssec-expired"),
    ],
)
def test_host_in_a_rejected_zone_is_unknown(
    world: str, answers: list[str | LookupFailure], reason: str
) -> None:
    found = locate(lookup_of(world, *answers))

    if not reason:
        assert found == ["127.0.0.1"]
    else:
        assert isinstance(found, NotProbed)
        assert (found.verdict, found.finding.code) == (Verdict.UNKNOWN, "host.could-not-resolve")
        assert found.finding.params["reason"] == reason


def test_rejected_denial_of_ipv6_hides_no_address() -> None:
    class WithoutProof(ZoneLookup):
        async def query(self, server: Server, name: str, rtype: str) -> Answer:
            if rtype == "AAAA":
                return LookupFailure("dnssec-denial-unproven")
            return await super().query(server, name, rtype)

    lookup = WithoutProof(
        SIGNED, delegation=Delegation("example.test", (Server("ns1.dns.test", ""),))
    )

    assert locate(lookup) == ["127.0.0.1"]


def test_partner_with_rejected_mx_is_unknown() -> None:
    network = Network(allowed_networks=(ip_network("127.0.0.0/8"),))
    prober = Prober(network, lookup_of(SIGNED, EXPIRED))

    hosts = asyncio.run(partner_tls.locate("example.test", prober))

    assert hosts.verdicts == (Verdict.UNKNOWN,)
    assert [(f.code, f.params["reason"]) for f in hosts.findings] == [
        ("partner.mx-unknown", "dnssec-expired")
    ]


def test_registry_is_not_validated() -> None:
    """A fault there concerns every domain, and each name of a walk would query it."""
    lookup = ZoneLookup(
        "test NS ns1.test\ntest DS 1 13 2 AB\n_dmarc.test TXT x\n",
        servers={"ns1.test": EXPIRED},
        delegation=Delegation("test", (Server("ns1.test", "192.0.2.1"),)),
    )

    found = asyncio.run(resolve_validated(lookup, "_dmarc.test", "TXT"))

    assert not isinstance(found, LookupFailure)
