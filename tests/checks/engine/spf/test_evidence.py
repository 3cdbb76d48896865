"""The whole outcome of the SPF check: evidence, proposals, and what leads to UNKNOWN."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from checks.engine.dns.lookup import LookupFailure, NoName, Record, Records, Server
from checks.engine.expected_values import RegionFacts
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict
from checks.engine.spf import check, expansion
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.outcomes import codes
from tests.checks.engine.spf.test_check import INCLUDE, MIMECAST, REGION, USB, USB_ZONE, run_check


def part(outcome: Outcome, *keys: str) -> dict[str, Any]:
    return {key: outcome.evidence[key] for key in keys}


def segment(first: str, last: str, result: str = "pass") -> dict[str, str]:
    return {"first": first, "last": last, "result": result}


def test_evidence_of_one_record() -> None:
    record = f"v=spf1 ip4:195.130.217.0/25 {INCLUDE} mx -all"

    outcome = run_check(record, 'example.test TXT "other"\n')

    assert (outcome.kind, outcome.subject) == (CheckKind.SPF, "example.test")
    assert {k: v for k, v in outcome.evidence.items() if k not in ("tree", "servers", "zone")} == {
        "include": "eu._netblocks.mimecast.com",
        "record": record,
        "records": [record],
        "almost": [],
        "lookups": 2,
        "lookup_limit": 10,
        "void_lookups": 1,
        "networks": [
            {
                "network": "91.220.42.0/24",
                "passes": True,
                "results": [segment("91.220.42.0", "91.220.42.255")],
            },
            {
                "network": "195.130.217.0/24",
                "passes": True,
                "results": [
                    segment("195.130.217.0", "195.130.217.127"),
                    segment("195.130.217.128", "195.130.217.255"),
                ],
            },
            {
                "network": "2a00:9::/64",
                "passes": True,
                "results": [segment("2a00:9::", "2a00:9::ffff:ffff:ffff:ffff")],
            },
        ],
        "networks_passing": 3,
        "networks_wanted": 3,
        "proposed_record": record,
        "proposed_lookups": 2,
    }
    tree = outcome.evidence["tree"]
    assert (tree["term"], tree["covers"], len(tree["children"])) == ("example.test", 3, 4)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (
            ["v=spf1; -all"],
            {
                "record": "",
                "records": [],
                "almost": [{"record": "v=spf1; -all", "meant": "v=spf1 -all"}],
                "networks": [],
                "proposed_record": f"v=spf1 {INCLUDE} -all",
                "proposed_lookups": 1,
            },
        ),
        (
            ["v=spf1 mx ~all", "v=spf1 a -all"],
            {
                "record": "",
                "records": ["v=spf1 a -all", "v=spf1 mx ~all"],
                "almost": [],
                "networks": [],
                "proposed_record": f"v=spf1 a mx {INCLUDE} -all",
                "proposed_lookups": 3,
            },
        ),
        (
            ["because"],
            {
                "record": "",
                "records": [],
                "almost": [],
                "networks": [],
                "proposed_record": f"v=spf1 {INCLUDE} ~all",
                "proposed_lookups": 1,
            },
        ),
    ],
)
def test_evidence_without_one_record(texts: list[str], expected: dict[str, Any]) -> None:
    extra = "".join(f'example.test TXT "{text}"\n' for text in texts[1:])

    outcome = run_check(texts[0], extra)

    assert part(outcome, *expected) == expected
    assert outcome.evidence["tree"]["term"] == "example.test"


def test_global_include_of_region_is_replaced() -> None:
    region = replace(REGION, global_spf_include="All.test")

    outcome = run_check("v=spf1 include:all.test -all", 'all.test TXT "v=spf1 -all"\n', region)

    assert outcome.evidence["proposed_record"] == f"v=spf1 {INCLUDE} -all"


@pytest.mark.parametrize(
    ("region", "extra", "finding"),
    [
        (
            RegionFacts(id="je", name="Offshore"),
            "",
            Finding("region.gap", {"region": "Offshore", "field": "spf_include"}),
        ),
        (
            RegionFacts(id="je"),
            "",
            Finding("region.gap", {"region": "je", "field": "spf_include"}),
        ),
        (
            USB,
            'usb._netblocks.mimecast.com TXT "v=spf1 include:x.test include:y.test -all"\n',
            Finding(
                "spf.region-unresolved",
                {
                    "include": "usb._netblocks.mimecast.com",
                    "reason": "no-record: x.test; no-record: y.test",
                },
            ),
        ),
        (
            USB,
            'usb._netblocks.mimecast.com TXT "v=spf1 -all"\n',
            Finding(
                "spf.region-unresolved",
                {"include": "usb._netblocks.mimecast.com", "reason": "no networks"},
            ),
        ),
    ],
)
def test_outcome_without_region(region: RegionFacts, extra: str, finding: Finding) -> None:
    outcome = run_check(f"v=spf1 {INCLUDE} -all", extra, region)

    assert outcome == Outcome(
        CheckKind.SPF, "example.test", Verdict.UNKNOWN, (finding,), unanimous=False
    )


def inspect(lookup: ZoneLookup, domain: str = "example.test") -> Outcome:
    return asyncio.run(check.inspect(domain, REGION, lookup))


def test_missing_domain_fails() -> None:
    outcome = inspect(ZoneLookup(MIMECAST, servers={"ns1.test": "other.test A 192.0.2.1"}))

    assert (outcome.verdict, codes(outcome)) == (Verdict.FAIL, ["dns.no-such-domain"])
    assert outcome.evidence["networks_wanted"] == 3


def test_unanswered_delegation_is_unknown() -> None:
    outcome = inspect(ZoneLookup(MIMECAST, delegation=LookupFailure("timeout")))

    assert (outcome.kind, outcome.subject) == (CheckKind.SPF, "example.test")
    assert (outcome.verdict, outcome.evidence.get("proposed_record")) == (Verdict.UNKNOWN, None)


def test_worst_record_is_explained() -> None:
    good, bad = f"v=spf1 {INCLUDE} -all", "v=spf1 -all"
    zones = {
        f"ns{n}.test": f'example.test TXT "{each}"' for n, each in enumerate((good, bad, good))
    }

    outcome = inspect(ZoneLookup(MIMECAST, servers=zones))

    assert (outcome.verdict, outcome.evidence["record"]) == (Verdict.FAIL, bad)


def test_each_server_without_record_is_judged() -> None:
    texts = ("because", "v=spf1; -all")
    zones = {f"ns{n}.test": f'example.test TXT "{text}"' for n, text in enumerate(texts)}

    outcome = inspect(ZoneLookup(MIMECAST, servers=zones))

    assert {"spf.none", "spf.almost"} <= set(codes(outcome))


def test_missing_name_and_missing_record_are_judged() -> None:
    zones = {"ns1.test": "other.test A 192.0.2.1", "ns2.test": "example.test A 192.0.2.1"}

    outcome = inspect(ZoneLookup(MIMECAST, servers=zones))

    assert {"spf.none", "dns.no-such-domain"} <= set(codes(outcome))


def test_equal_records_are_judged_once() -> None:
    asked = []
    for count in (1, 2):
        zones = {f"ns{n}.test": f'example.test TXT "v=spf1 mx {INCLUDE}"' for n in range(count)}
        lookup = ZoneLookup(MIMECAST, servers=zones)
        inspect(lookup)
        asked.append(lookup.asked)

    assert asked[0] == asked[1]


def test_silent_servers_have_no_record() -> None:
    failed = LookupFailure("timeout")

    outcome = inspect(ZoneLookup(MIMECAST, servers={"ns1.test": failed, "ns2.test": failed}))

    assert (outcome.verdict, "record" in outcome.evidence) == (Verdict.UNKNOWN, False)


def test_one_silent_server_is_not_unanimous() -> None:
    servers: dict[str, str | LookupFailure] = {
        "ns1.test": LookupFailure("timeout"),
        "ns2.test": f'example.test TXT "v=spf1 {INCLUDE} -all"',
    }

    outcome = inspect(ZoneLookup(MIMECAST, servers=servers))

    assert (outcome.verdict is Verdict.FAIL, outcome.unanimous) == (False, False)
    assert outcome.evidence["networks_passing"] == 3


@pytest.mark.parametrize(
    ("own", "term", "is_too_long"),
    [
        (40, "exists:%{i}.x.test", False),
        (41, "exists:%{i}.x.test", True),
        (41, "ptr", True),
        (41, "a", False),
    ],
)
def test_dynamic_segments_are_limited(own: int, term: str, is_too_long: bool) -> None:
    """Each address of the record's list divides the only network of the region once more."""
    terms = " ".join(f"ip4:170.10.150.{2 * n}" for n in range(own // 2))
    odd = " ip4:170.10.150.255" if own % 2 else ""
    record = f"v=spf1 include:usb._netblocks.mimecast.com {terms}{odd} {term} -all"

    outcome = run_check(record, USB_ZONE, USB)

    assert (outcome.verdict is Verdict.UNKNOWN) is is_too_long
    assert ("spf.too-long" in codes(outcome)) is is_too_long


@pytest.mark.parametrize(("limit", "is_too_long"), [(4, False), (3, True)])
def test_comparisons_are_limited(
    monkeypatch: pytest.MonkeyPatch, limit: int, is_too_long: bool
) -> None:
    """One listed network divides that of the region into two segments."""
    monkeypatch.setattr(check, "_MAX_COMPARISONS", limit)

    outcome = run_check("v=spf1 ip4:170.10.150.0/25 -all", USB_ZONE, USB)

    assert ("spf.too-long" in codes(outcome)) is is_too_long
    assert outcome.evidence["proposed_lookups"] == 1


@pytest.mark.parametrize(("limit", "is_too_long"), [(4, False), (3, True)])
def test_terms_are_limited(monkeypatch: pytest.MonkeyPatch, limit: int, is_too_long: bool) -> None:
    """The record and its include have two terms each."""
    monkeypatch.setattr(expansion, "MAX_TERMS", limit)

    outcome = run_check("v=spf1 include:usb._netblocks.mimecast.com -all", USB_ZONE, USB)

    assert codes(outcome) == (["spf.too-long"] if is_too_long else [])


def test_helo_name_is_the_domain() -> None:
    outcome = run_check("v=spf1 exists:%{h}.x.test -all", "example.test.x.test A 127.0.0.2\n")

    assert outcome.evidence["networks_passing"] == 3


def test_dynamic_term_is_tried_at_three_addresses() -> None:
    """`exists` lists the ends of the only network, not its middle."""
    listed = "".join(f"170.10.150.{n}.x.test A 127.0.0.2\n" for n in (0, 255))
    record = "v=spf1 exists:%{i}.x.test -all"

    some = run_check(record, USB_ZONE + listed, USB)
    every = run_check(record, USB_ZONE + listed + "170.10.150.127.x.test A 127.0.0.2\n", USB)

    assert [row["passes"] for row in some.evidence["networks"]] == [False]
    assert [row["passes"] for row in every.evidence["networks"]] == [True]


def test_pinned_answer_is_of_one_name() -> None:
    own = Records((Record("one.test", "TXT", 60, "pinned"),))
    lookup = ZoneLookup('one.test TXT "zone"\none.test MX 5 x.test\ntwo.test TXT "two"\n')
    pinned = check.PinnedLookup(lookup, "one.test", own)
    server = Server("ns1.dns.test", "192.0.2.1")

    async def run() -> list[object]:
        answers = [
            await pinned.resolve("One.test.", "TXT"),
            await pinned.resolve("one.test", "MX"),
            await pinned.resolve("two.test", "TXT"),
            *await pinned.resolve_all(["one.test", "two.test"], "TXT"),
            await pinned.query(server, "one.test", "TXT"),
            *await pinned.query_all([server], "two.test", "TXT"),
        ]
        return [each.values for each in answers if isinstance(each, Records)]

    assert asyncio.run(run()) == [
        ("pinned",),
        ("5 x.test",),
        ("two",),
        ("pinned",),
        ("two",),
        ("zone",),
        ("two",),
    ]
    assert asyncio.run(pinned.delegation("one.test")) == asyncio.run(lookup.delegation("one.test"))
    assert asyncio.run(pinned.resolve("gone.test", "TXT")) == NoName()
