"""Received messages: the last hop before the client's system, and texts that hide or forge it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.engine.expected_values import MailPlatform, ReceivingSystem, RegionFacts
from checks.engine.mail import delivery_message
from checks.engine.mail.delivery_message import ReceivedInput
from checks.engine.outcomes import Outcome, Verdict
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.outcomes import codes, params

AT = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
DATE = "Tue, 1 Dec 2026 08:59:30 +0000"
EU = RegionFacts(
    id="eu",
    mx=("eu-smtp-inbound-1.mimecast.com", "eu-smtp-inbound-2.mimecast.com"),
    spf_include="eu._netblocks.mimecast.com",
    delivery_networks=("195.130.217.221/32",),
    delivery_confidence="medium",
    delivery_as_of="2025-10",
    other_networks=(("207.211.31.0/25", "us"),),
)
WEAK = replace(
    EU, delivery_networks=("91.220.43.0/24",), delivery_confidence="low", delivery_as_of="2024"
)
ZONE = """
eu._netblocks.mimecast.com TXT "v=spf1 ip4:195.130.217.0/24 ip4:91.220.42.0/24 ~all"
mail.client.test A 203.0.113.25
ex2.client.test A 203.0.113.26
outside.test TXT "v=spf1 ip4:198.51.100.7 -all"
open.test TXT "v=spf1 +all"
eu-smtp-delivery-9.mimecast.com A 185.58.90.9
us-smtp-delivery-9.mimecast.com A 185.58.90.9
"""
Lines = Callable[..., list[str]]
MIMECAST = "eu-smtp-delivery-1.mimecast.com"
INSIDE = "195.130.217.221"
BELOW = (
    f"Received: from mail.outside.test (mail.outside.test [198.51.100.7]) by relay.mimecast.com"
    f" with ESMTP id uk-mta-1; {DATE}"
)
MICROSOFT = ReceivingSystem(
    MailPlatform.MICROSOFT_365, ("client-test.mail.protection.outlook.com",)
)
GOOGLE = ReceivingSystem(MailPlatform.GOOGLE_WORKSPACE, ("smtp.google.com",))
OWN = ReceivingSystem(MailPlatform.ON_PREMISES, ("mail.client.test",))
HYBRID = ReceivingSystem(
    MailPlatform.HYBRID, ("mail.client.test", "client-test.mail.protection.outlook.com")
)


def microsoft_lines(address: str = INSIDE, helo: str = MIMECAST) -> list[str]:
    inside = "AM0PR01MB1234.eurprd01.prod.outlook.com"
    front = "DB1PEPF00039234.mail.protection.outlook.com"
    return [
        f"Received: from {inside} (2603:10a6:10:3b::6) by DB9PR01MB5678.eurprd01.prod.outlook.com"
        f" (2603:10a6:10:300::12) with HTTPS; {DATE}",
        f"Received: from DB1PEPF00039234.eurprd03.prod.outlook.com (2603:10a6:10:3b:cafe::1b)"
        f" by DU2PR04CA0001.outlook.office365.com (2603:10a6:10:3b::6) with Microsoft SMTP Server"
        f" (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id 15.20.1; {DATE}",
        f"Received: from {helo} ({address}) by {front} (10.167.8.107) with Microsoft SMTP Server"
        f" (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id 15.20.1 via Frontend Transport;"
        f" {DATE}",
    ]


def google_lines(address: str = INSIDE, helo: str = MIMECAST) -> list[str]:
    return [
        f"Received: by 2002:a05:6f02:1234:b0:4c8:7b2c:e1f5 with SMTP id abc; {DATE}",
        f"Received: from {helo} ({helo}. [{address}]) by mx.google.com with ESMTPS id a1"
        f" for <ann@client.test> (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384); {DATE}",
    ]


def own_lines(
    address: str = INSIDE, helo: str = MIMECAST, by: str = "mail.client.test"
) -> list[str]:
    return [
        f"Received: from edge.client.local (10.0.0.4) by ex1.client.local (10.0.0.5) with Microsoft"
        f" SMTP Server id 15.2; {DATE}",
        f"Received: from {helo} ({helo} [{address}]) by {by} (Postfix) with ESMTPS id 1; {DATE}",
    ]


def text(
    lines: list[str],
    *,
    to: str = "Ann <ann@client.test>",
    sender: str = "bob@outside.test",
) -> bytes:
    head = [f"Return-Path: <{sender}>", *lines, BELOW, f"From: Bob <{sender}>", f"To: {to}"]
    return "\r\n".join([*head, f"Date: {DATE}", "Subject: Test", "", "Hello", ""]).encode()


def run_check(
    content: bytes,
    system: ReceivingSystem = OWN,
    *,
    region: RegionFacts = EU,
    switched_at: datetime | None = None,
    zone: str = ZONE,
) -> Outcome:
    shown = ReceivedInput(content, AT, switched_at)
    lookup = ZoneLookup(zone)
    return asyncio.run(delivery_message.inspect("client.test", region, system, shown, lookup))


SYSTEMS = [MICROSOFT, GOOGLE, OWN, HYBRID]
# Parts of Received lines in any order.
PIECES = [
    *("from", "by", "for", "with", "(", ")", "[", "]", ";", ",", "<>", "id 1"),
    *(MIMECAST, INSIDE, f"[{INSIDE}]", f"({INSIDE})", "10.0.0.1", "[10.0.0.1]"),
    *("mail.client.test", "mx.google.com", "DB1.mail.protection.outlook.com"),
    *("x.prod.outlook.com", "2002:a05::1", "2603:10a6::1", "relay.mimecast.com"),
]

PLATFORMS = [
    pytest.param(microsoft_lines, MICROSOFT, id="microsoft"),
    pytest.param(google_lines, GOOGLE, id="google"),
    pytest.param(own_lines, OWN, id="own"),
]


@pytest.mark.parametrize(("lines", "system"), PLATFORMS)
def test_delivery_from_region_passes(lines: Lines, system: ReceivingSystem) -> None:
    outcome = run_check(text(lines()), system)

    assert (outcome.verdict, outcome.unanimous) == (Verdict.PASS, True)
    assert params(outcome, "delivery-message.through-region") == {
        "address": INSIDE,
        "host": MIMECAST,
        "route": system.delivery_hosts[0],
        "received_at": "2026-12-01T08:59:30+00:00",
    }


@pytest.mark.parametrize(("lines", "system"), PLATFORMS)
def test_direct_delivery_fails(lines: Lines, system: ReceivingSystem) -> None:
    outcome = run_check(text(lines("198.51.100.7", "mail.outside.test")), system)

    assert (outcome.verdict, codes(outcome)) == (Verdict.FAIL, ["delivery-message.direct"])


@pytest.mark.parametrize(("lines", "system"), PLATFORMS)
def test_forged_lines_prove_nothing(lines: Lines, system: ReceivingSystem) -> None:
    """The sender writes a complete chain through Mimecast below its direct delivery."""
    forged = [*lines("198.51.100.9", "mail.outside.test"), *lines()]

    outcome = run_check(text(forged), system)

    assert (outcome.verdict, codes(outcome)) == (
        Verdict.UNKNOWN,
        ["delivery-message.outside-ranges"],
    )


@pytest.mark.parametrize(
    "helo",
    [
        "AM0PR01MB1234.eurprd01.prod.outlook.com",
        "x.mail.protection.outlook.com",
        MIMECAST,
        "mx.google.com",
        "mail.client.test",
        "(by mail.client.test)",
        f"[{INSIDE}]",
        INSIDE,
    ],
)
@pytest.mark.parametrize(("lines", "system"), PLATFORMS)
def test_forged_greeting_hides_no_entry(lines: Lines, system: ReceivingSystem, helo: str) -> None:
    forged = [*lines("198.51.100.9", helo), *lines()]

    outcome = run_check(text(forged), system)

    assert (outcome.verdict, codes(outcome)) == (
        Verdict.UNKNOWN,
        ["delivery-message.outside-ranges"],
    )


def test_address_outside_ranges_is_unknown() -> None:
    outcome = run_check(text(own_lines("192.0.2.77", "gateway.old.test")))

    assert (outcome.verdict, params(outcome, "delivery-message.outside-ranges")) == (
        Verdict.UNKNOWN,
        {"address": "192.0.2.77", "host": "gateway.old.test"},
    )


def test_region_without_ranges_is_unknown() -> None:
    region = RegionFacts(id="je")

    outcome = run_check(text(own_lines()), region=region)

    assert params(outcome, "delivery-message.no-ranges") == {
        "address": INSIDE,
        "host": MIMECAST,
        "region": "je",
    }


def test_weak_range_is_a_caution() -> None:
    outcome = run_check(text(own_lines("91.220.43.5")), region=WEAK)

    assert (outcome.verdict, params(outcome, "delivery-message.weak-range")) == (
        Verdict.WARN,
        {"address": "91.220.43.5", "confidence": "low", "as_of": "2024"},
    )


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("91.220.43.5", [("low", "2021")]),
        ("91.220.44.5", []),
        # The narrower range is about this address.
        ("91.220.45.5", [("low", "2019")]),
        ("91.220.45.6", [("low", "2021")]),
    ],
)
def test_each_range_has_its_own_confidence(address: str, found: list[tuple[str, str]]) -> None:
    region = replace(
        EU,
        delivery_networks=("91.220.43.0/24", "91.220.44.0/24", "91.220.45.0/24", "91.220.45.5/32"),
        delivery_exceptions=(
            ("91.220.43.0/24", "low", "2021"),
            ("91.220.45.0/24", "low", "2021"),
            ("91.220.45.5/32", "low", "2019"),
        ),
    )

    outcome = run_check(text(own_lines(address)), region=region)

    weak = [dict(f.params) for f in outcome.findings if f.code == "delivery-message.weak-range"]
    assert [(each["confidence"], each["as_of"]) for each in weak] == found
    assert outcome.verdict is (Verdict.WARN if found else Verdict.PASS)


def test_weak_range_is_named_before_the_name() -> None:
    region = replace(WEAK, delivery_networks=("185.58.90.0/24",))

    outcome = run_check(
        text(own_lines("185.58.90.9", "eu-smtp-delivery-9.mimecast.com")), region=region
    )

    assert codes(outcome)[1:] == ["delivery-message.weak-range"]


def test_name_confirmed_by_dns_is_a_caution() -> None:
    outcome = run_check(text(own_lines("185.58.90.9", "eu-smtp-delivery-9.mimecast.com")))

    assert (outcome.verdict, codes(outcome)) == (
        Verdict.WARN,
        ["delivery-message.through-region", "delivery-message.named-only"],
    )


@pytest.mark.parametrize(
    ("address", "helo"),
    [
        pytest.param("185.58.90.10", "eu-smtp-delivery-9.mimecast.com", id="other address"),
        pytest.param("185.58.90.9", "us-smtp-delivery-9.mimecast.com", id="other region"),
        pytest.param("185.58.90.9", "eu-smtp-delivery-9.mimecast.com.evil.test", id="look-alike"),
        pytest.param("185.58.90.9", "eu-smtp-delivery-8.mimecast.com", id="no such name"),
    ],
)
def test_claimed_name_proves_nothing(address: str, helo: str) -> None:
    outcome = run_check(text(own_lines(address, helo)))

    assert codes(outcome) == ["delivery-message.outside-ranges"]


def test_other_region_fails() -> None:
    outcome = run_check(text(own_lines("207.211.31.120", "us-smtp-delivery-1.mimecast.com")))

    assert (outcome.verdict, params(outcome, "delivery-message.other-region")) == (
        Verdict.FAIL,
        {
            "address": "207.211.31.120",
            "host": "us-smtp-delivery-1.mimecast.com",
            "region": "us",
            "expected": "eu",
        },
    )


def test_spf_that_permits_all_shows_no_sender() -> None:
    outcome = run_check(text(own_lines("192.0.2.77"), sender="bob@open.test"))

    assert codes(outcome) == ["delivery-message.outside-ranges"]


def test_message_before_the_switch_has_a_caution() -> None:
    outcome = run_check(text(own_lines()), switched_at=AT)

    assert (outcome.verdict, params(outcome, "delivery-message.before-switch")) == (
        Verdict.PASS,
        {
            "received_at": "2026-12-01T08:59:30+00:00",
            "switched_at": "2026-12-01T09:00:00+00:00",
        },
    )


def test_message_after_the_switch_has_no_caution() -> None:
    outcome = run_check(text(own_lines()), switched_at=AT - timedelta(minutes=5))

    assert codes(outcome) == ["delivery-message.through-region"]


def test_unknown_server_name_leaves_the_route_unclear() -> None:
    system = replace(OWN, delivery_hosts=("mail.client.test", "ex2.client.test"))

    outcome = run_check(text(own_lines(by="edge7.client.local")), system)

    assert (outcome.verdict, params(outcome, "delivery-message.route-unclear")) == (
        Verdict.WARN,
        {"host": "edge7.client.local"},
    )


@pytest.mark.parametrize(
    ("lines", "route"),
    [
        pytest.param(own_lines(), "mail.client.test", id="own"),
        pytest.param(microsoft_lines(), "client-test.mail.protection.outlook.com", id="hosted"),
    ],
)
def test_hybrid_names_the_tested_route(lines: list[str], route: str) -> None:
    outcome = run_check(text(lines), HYBRID)

    assert params(outcome, "delivery-message.through-region")["route"] == route


def test_hybrid_through_own_server_passes() -> None:
    """Mimecast delivers to the client's server, which passes the message on to Microsoft 365."""
    lines = [*microsoft_lines("203.0.113.25", "mail.client.test"), *own_lines()]

    outcome = run_check(text(lines), HYBRID)

    assert params(outcome, "delivery-message.through-region")["route"] == "mail.client.test"


def test_translated_address_is_unknown() -> None:
    """A firewall shows the server its own address, so the next line down is Mimecast's."""
    outcome = run_check(text(own_lines("10.0.0.1")))

    assert codes(outcome) == ["delivery-message.hidden-address"]


@pytest.mark.parametrize(("lines", "system"), PLATFORMS[:2])
def test_platform_entry_without_public_address_is_unknown(
    lines: Lines, system: ReceivingSystem
) -> None:
    assert codes(run_check(text(lines("10.0.0.1")), system)) == ["delivery-message.hidden-address"]


def test_content_filter_is_inside_the_system() -> None:
    filtered = f"Received: by ex1.client.local (Postfix, from userid 1000) id 2; {DATE}"

    assert run_check(text([filtered, *own_lines()])).verdict is Verdict.PASS


def test_clause_in_a_comment_is_no_clause() -> None:
    """The sender chooses its HELO name, which some servers write inside the comment."""
    line = (
        f"Received: from gateway.old.test (gateway.old.test [192.0.2.77] by {MIMECAST})"
        f" by mail.client.test with ESMTPS; {DATE}"
    )

    assert codes(run_check(text([line]))) == ["delivery-message.outside-ranges"]


def test_entry_without_address_is_unknown() -> None:
    lines = [f"Received: from {MIMECAST} by mail.client.test with ESMTPS; {DATE}"]

    assert codes(run_check(text(lines))) == ["delivery-message.hidden-address"]


@pytest.mark.parametrize(
    ("lines", "system"),
    [
        pytest.param(google_lines, MICROSOFT, id="google for microsoft"),
        pytest.param(microsoft_lines, OWN, id="microsoft for own"),
        pytest.param(own_lines, GOOGLE, id="own for google"),
    ],
)
def test_message_of_another_platform_is_unknown(lines: Lines, system: ReceivingSystem) -> None:
    outcome = run_check(text(lines()), system)

    assert codes(outcome) == ["delivery-message.other-system"]


def test_message_from_the_archive_is_unknown() -> None:
    assert codes(run_check(text([]))) == ["delivery-message.other-system"]


def test_chain_that_leaves_the_platform_is_unknown() -> None:
    lines = [*microsoft_lines()[:1], *own_lines()]

    assert codes(run_check(text(lines), MICROSOFT)) == ["delivery-message.no-entry"]


def test_message_without_lines_is_unknown() -> None:
    content = b"From: bob@outside.test\r\nTo: ann@client.test\r\n\r\nHello\r\n"

    assert codes(run_check(content)) == ["delivery-message.no-lines"]


def test_message_for_another_domain_is_unknown() -> None:
    outcome = run_check(text(own_lines(), to="ann@news.client.test, eve@other.test"))

    assert params(outcome, "delivery-message.other-domain") == {
        "names": ["news.client.test", "other.test"],
        "expected": "client.test",
    }


def test_message_without_recipient_is_unknown() -> None:
    outcome = run_check(text(own_lines(), to="undisclosed-recipients:;"))

    assert codes(outcome) == ["delivery-message.no-recipient"]


def test_recipient_of_the_entry_counts() -> None:
    outcome = run_check(text(google_lines(), to="list@other.test"), GOOGLE)

    assert outcome.verdict is Verdict.PASS


def test_recipient_of_a_forged_line_does_not_count() -> None:
    forged = f"Received: from a.test ([192.0.2.1]) by b.test for <ann@client.test>; {DATE}"

    outcome = run_check(text([*own_lines(), forged], to="list@other.test"))

    assert codes(outcome) == ["delivery-message.other-domain"]


def test_entry_without_time_is_unknown() -> None:
    lines = [line.rpartition(";")[0] for line in own_lines()]

    assert codes(run_check(text(lines))) == ["delivery-message.undated"]


def test_time_in_the_future_is_unknown() -> None:
    lines = [line.replace("1 Dec 2026", "2 Dec 2026") for line in own_lines()]

    assert codes(run_check(text(lines))) == ["delivery-message.future"]


@pytest.mark.parametrize("content", [b"", b"\x00" * 50, b"PK\x03\x04", b"no header here"])
def test_unreadable_text_is_unknown(content: bytes) -> None:
    outcome = run_check(content)

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["message.unreadable"])


def test_nothing_submitted_is_unknown() -> None:
    lookup = ZoneLookup(ZONE)
    outcome = asyncio.run(delivery_message.inspect("client.test", EU, OWN, None, lookup))

    assert codes(outcome) == ["delivery-message.none"]


def test_evidence_marks_the_lines_as_unverified() -> None:
    evidence = run_check(text(own_lines())).evidence

    assert evidence["is_authenticated"] is False
    assert [hop["is_entry"] for hop in evidence["hops"]] == [False, True, False]
    assert evidence["message"]["received_at"] == "2026-12-01T08:59:30+00:00"


def test_evidence_contains_no_subject_or_body() -> None:
    evidence = str(run_check(text(own_lines())).evidence)

    assert ("Subject" in evidence, "Hello" in evidence) == (False, False)


@pytest.mark.parametrize("by", ["MAIL.client.test", "mail.client.test.", "mail.client.test;"])
def test_server_name_is_read_in_any_spelling(by: str) -> None:
    outcome = run_check(text(own_lines(by=by)), replace(OWN, delivery_hosts=HYBRID.delivery_hosts))

    assert params(outcome, "delivery-message.through-region")["route"] == "mail.client.test"


def test_mapped_address_is_read_as_ipv4() -> None:
    outcome = run_check(text(microsoft_lines(f"::ffff:{INSIDE}")), MICROSOFT)

    assert params(outcome, "delivery-message.through-region")["address"] == INSIDE
    assert [hop["is_entry"] for hop in outcome.evidence["hops"]] == [False, False, True, False]


@pytest.mark.slow
@given(st.lists(st.sampled_from(PIECES), max_size=12), st.sampled_from(SYSTEMS))
@settings(max_examples=300, deadline=None)
def test_no_text_raises_or_passes_without_an_entry(
    pieces: list[str], system: ReceivingSystem
) -> None:
    """Arbitrary chains: a pass always names an address of the region at the entry."""
    outcome = run_check(text([f"Received: {' '.join(pieces)}; {DATE}", BELOW]), system)

    assert outcome.verdict in (Verdict.UNKNOWN, Verdict.PASS, Verdict.WARN)
    if outcome.verdict.is_passing:
        assert params(outcome, "delivery-message.through-region")["address"] == INSIDE
