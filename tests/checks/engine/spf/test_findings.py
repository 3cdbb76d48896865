"""The findings of an SPF record with all their parameters, in their order."""

from __future__ import annotations

from typing import Any

import pytest

from tests.checks.engine.outcomes import code_params
from tests.checks.engine.spf.test_check import CHAIN, GLOBAL, INCLUDE, REGION, run_check

OURS = REGION.spf_include
NETWORKS = "ip4:195.130.217.0/24 ip4:91.220.42.0/24 ip6:2a00:9::/64"
GONE = {"problem": "no-record", "detail": "gone.test"}
NONE_PASSES = ("spf.no-network-passes", {"include": OURS, "total": 3})
SLOW = "slow.test TROUBLE timeout\n"
UNRESOLVED = ("spf.branch-unresolved", {"detail": "slow.test: timeout"})
LOOP = 'x.test TXT "v=spf1 include:y.test -all"\ny.test TXT "v=spf1 include:x.test -all"\n'
HOSTED = f'a1b2._spf._d.mim.ec TXT "v=spf1 {NETWORKS} -all"\n'
Found = list[tuple[str, dict[str, Any]]]


@pytest.mark.parametrize(
    ("record", "extra", "expected"),
    [
        ("not spf", "", [("spf.none", {"domain": "example.test"})]),
        (
            "v=spf1; -all",
            "",
            [("spf.almost", {"record": "v=spf1; -all", "problem": "a semicolon (;)"})],
        ),
        (
            f"v=spf1 {INCLUDE} -all",
            'example.test TXT "v=spf1 -all"\n',
            [("spf.several-records", {"count": 2})],
        ),
        ("v=spf1 ipv4:192.0.2.1 -all", "", [("spf.syntax", {"term": "ipv4:192.0.2.1"})]),
        ("v=spf1 IP4:EXAMPLE -all", "", [("spf.syntax", {"term": "IP4:EXAMPLE"})]),
        (
            "v=spf1 ip4:192.0.2.1; -all",
            "",
            [
                ("spf.syntax", {"term": "ip4:192.0.2.1;"}),
                ("spf.stray-character", {"problem": "a semicolon (;)"}),
            ],
        ),
        (
            f"v=spf1 include:gone.test {INCLUDE} -all",
            "",
            [("spf.include-without-record", {"name": "gone.test"})],
        ),
        (
            f"v=spf1 include:MAX.test {INCLUDE} -all",
            "",
            [("spf.include-without-record", {"name": "MAX.test"})],
        ),
        (
            f"v=spf1 include:a.test,b.test include:a.test;b.test {INCLUDE} -all",
            "",
            [
                ("spf.include-without-record", {"name": "a.test,b.test"}),
                ("spf.stray-character", {"problem": "a comma (,)"}),
            ],
        ),
        (
            f"v=spf1 include:a.test;b.test {INCLUDE} -all",
            "",
            [
                ("spf.include-without-record", {"name": "a.test;b.test"}),
                ("spf.stray-character", {"problem": "a semicolon (;)"}),
            ],
        ),
        (
            f"v=spf1 include:x.test {INCLUDE} -all",
            'x.test TXT "v=spf1 ip4:192.0.2.1; -all"\n',
            [("spf.permerror", {"problem": "syntax", "detail": "ip4:192.0.2.1;"})],
        ),
        # The tree, which cuts the loop, has exactly ten lookups.
        (
            "v=spf1 include:x.test a:h.test a:h.test a:h.test a:h.test a:h.test a:h.test a:h.test",
            f"{LOOP}h.test A 198.51.100.1\n",
            [("spf.permerror", {"problem": "too-many-lookups", "detail": "include:x.test"})],
        ),
        (
            f"v=spf1 a:x.test a:y.test a:z.test {INCLUDE} -all",
            "",
            [("spf.too-many-void-lookups", {"void_lookups": 3, "limit": 2})],
        ),
        (
            "v=spf1 include:x.test -all",
            LOOP,
            [("spf.permerror", {"problem": "too-many-lookups", "detail": "include:x.test"})],
        ),
        (
            f"v=spf1 -all {INCLUDE} {GLOBAL} include:other.test",
            "",
            [
                NONE_PASSES,
                ("spf.include-after-all", {"term": INCLUDE}),
                ("spf.include-after-all", {"term": GLOBAL}),
            ],
        ),
        (
            f"v=spf1 ?{INCLUDE} ?include:mail.test -all",
            'mail.test TXT "v=spf1 -all"\n',
            [NONE_PASSES, ("spf.include-qualifier", {"term": f"?{INCLUDE}"})],
        ),
        ("v=spf1 +all", "", [("spf.passes-only-by-all", {"include": OURS})]),
        (
            "v=spf1 redirect=a1b2._spf._d.mim.ec",
            'a1b2._spf._d.mim.ec TXT "v=spf1 ip4:195.130.217.0/24 -all"\n',
            [
                (
                    "spf.some-networks-fail",
                    {"failing": ["91.220.42.0/24", "2a00:9::/64"], "passing": 1, "total": 3},
                ),
                ("spf.hosted", {"target": "a1b2._spf._d.mim.ec"}),
            ],
        ),
        (
            "v=spf1 include:us._netblocks.mimecast.com include:mimecast.example.net"
            " include:x.test -all",
            'x.test TXT "v=spf1 redirect=za._netblocks.mimecast.com"\n'
            'mimecast.example.net TXT "v=spf1 -all"\n',
            [
                NONE_PASSES,
                (
                    "spf.wrong-region-include",
                    {"found": "us._netblocks.mimecast.com", "expected": OURS},
                ),
                ("spf.look-alike-include", {"found": "mimecast.example.net", "expected": OURS}),
                (
                    "spf.wrong-region-include",
                    {"found": "za._netblocks.mimecast.com", "expected": OURS},
                ),
            ],
        ),
        (
            f"v=spf1 include={OURS} -all",
            "",
            [
                NONE_PASSES,
                ("spf.equals-sign", {"term": f"include={OURS}", "meant": INCLUDE}),
            ],
        ),
    ],
)
def test_findings_of_failing_record(record: str, extra: str, expected: Found) -> None:
    outcome = run_check(record, extra)

    assert (outcome.verdict, code_params(outcome.findings)) == ("fail", expected)


@pytest.mark.parametrize(
    ("record", "extra", "verdict", "expected"),
    [
        (f"v=spf1 {NETWORKS} -all", "", "warn", [("spf.flattened", {"include": OURS})]),
        (
            "v=spf1 redirect=a1b2._spf._d.mim.ec",
            HOSTED,
            "pass",
            [("spf.hosted", {"target": "a1b2._spf._d.mim.ec"})],
        ),
        (
            f"v=spf1 {INCLUDE} +all",
            "",
            "warn",
            [("spf.passes-everyone", {"record": f"v=spf1 {INCLUDE} +all"})],
        ),
        (
            f"v=spf1 {INCLUDE} ip4:10.0.0.0/6 ip6:2001::/16 -all",
            "",
            "warn",
            [
                (
                    "spf.many-ipv4",
                    {
                        "count": 3 * 2**24,
                        "limit": 2**22,
                        "term": "ip4:10.0.0.0/6",
                        "term_count": 3 * 2**24,
                    },
                ),
                (
                    "spf.many-ipv6",
                    {
                        "count": 2**32,
                        "limit": 2**22,
                        "term": "ip6:2001::/16",
                        "term_count": 2**32,
                    },
                ),
            ],
        ),
        (
            f"v=spf1 exists:%{{l}}.list.test {INCLUDE} -all",
            "someone.list.test A 127.0.0.2\n",
            "warn",
            [("spf.sampled", {})],
        ),
        (f"v=spf1 {INCLUDE} include:a3.test -all", CHAIN, "pass", []),
        (
            f"v=spf1 {INCLUDE} include:a2.test -all",
            CHAIN,
            "warn",
            [("spf.lookups-near-limit", {"lookups": 9, "limit": 10})],
        ),
        (
            f"v=spf1 {INCLUDE} include:a1.test -all",
            CHAIN,
            "warn",
            [("spf.lookups-near-limit", {"lookups": 10, "limit": 10})],
        ),
        (
            f"v=spf1 {INCLUDE} include:gone.test include:slow.test -all",
            SLOW,
            "warn",
            [("spf.broken-branch", GONE), UNRESOLVED],
        ),
        # Two void lookups are allowed.
        (f"v=spf1 {INCLUDE} a:x.test a:y.test -all", "", "pass", []),
        (
            f"v=spf1 {INCLUDE} a:x.test a:y.test exists:z.test -all",
            "",
            "warn",
            [
                (
                    "spf.broken-branch",
                    {"problem": "too-many-void-lookups", "detail": "exists:z.test"},
                )
            ],
        ),
        (
            f"v=spf1 {INCLUDE} ptr:Org.AU. -all",
            "",
            "warn",
            [
                ("spf.ptr-of-suffix", {"term": "ptr:Org.AU.", "suffix": "org.au"}),
                ("spf.ptr", {"term": "ptr:Org.AU."}),
            ],
        ),
        # The domain is `a:co.uk`, which is no public suffix.
        (f"v=spf1 {INCLUDE} ptr:a:co.uk -all", "", "pass", [("spf.ptr", {"term": "ptr:a:co.uk"})]),
        (
            f"v=spf1 {INCLUDE} ptr ptr:x.test -all",
            "",
            "pass",
            [("spf.ptr", {"term": "ptr"}), ("spf.ptr", {"term": "ptr:x.test"})],
        ),
        *(
            (
                f"v=spf1 {INCLUDE} {term} -all",
                "",
                "warn",
                [("spf.equals-sign", {"term": term, "meant": meant})],
            )
            for term, meant in (
                ("include=spf.test", "include:spf.test"),
                ("IP4=192.0.2.1", "IP4:192.0.2.1"),
                ("a=mail.test", "a:mail.test"),
                ("exists=%{i}.list.test", "exists:%{i}.list.test"),
            )
        ),
        # Unknown modifiers without such a meaning.
        (f"v=spf1 {INCLUDE} note=x a= includes=x.test -all", "", "pass", []),
        # The region's include makes another region harmless.
        (f"v=spf1 {INCLUDE} include:us._netblocks.mimecast.com -all", "", "pass", []),
    ],
)
def test_findings_of_passing_record(record: str, extra: str, verdict: str, expected: Found) -> None:
    outcome = run_check(record, extra)

    assert (outcome.verdict, code_params(outcome.findings)) == (verdict, expected)


def test_first_unanswered_network_is_named() -> None:
    zone = "91.220.42.0.x.test TROUBLE servfail\n195.130.217.0.x.test TROUBLE timeout\n"

    outcome = run_check("v=spf1 exists:%{i}.x.test -all", zone)

    assert (outcome.verdict, code_params(outcome.findings)) == (
        "unknown",
        [("spf.temperror", {"detail": "91.220.42.0.x.test: servfail"})],
    )
