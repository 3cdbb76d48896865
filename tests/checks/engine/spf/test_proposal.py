"""The proposed record preserves the existing terms and adds the region once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.engine.spf.check import proposed_record
from checks.engine.spf.proposal import merged_record
from checks.engine.spf.terms import SpfPolicy, parse

EU = "eu._netblocks.mimecast.com"
WORDS = st.sampled_from(
    [
        "a",
        "mx",
        "?ptr",
        "ip4:192.0.2.0/24",
        "ip6:2001:db8::/32",
        "include:spf.example.net",
        f"include:{EU}",
        f"~include:{EU}",
        "include:_netblocks.mimecast.com",
        "exists:%{i}.example.net",
        "-all",
        "~all",
    ]
)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("v=spf1 -all", f"v=spf1 include:{EU} -all"),
        ("v=spf1 mx ~all", f"v=spf1 mx include:{EU} ~all"),
        ("v=spf1 mx", f"v=spf1 mx include:{EU}"),
        ("v=spf1 mx redirect=x.test", f"v=spf1 mx include:{EU} redirect=x.test"),
        ("v=spf1 mx -all exp=why.test", f"v=spf1 mx include:{EU} -all exp=why.test"),
        (f"v=spf1 include:{EU} mx -all", f"v=spf1 include:{EU} mx -all"),
        (f"v=spf1 -all include:{EU}", f"v=spf1 include:{EU} -all"),
        (f"v=spf1 ?include:{EU} -all", f"v=spf1 include:{EU} -all"),
        (
            "v=spf1 include:_netblocks.mimecast.com mx -all",
            f"v=spf1 include:{EU} mx -all",
        ),
        (
            f"v=spf1 include:_netblocks.mimecast.com include:{EU} -all",
            f"v=spf1 include:{EU} -all",
        ),
        (
            "v=spf1 include:_NETBLOCKS.mimecast.com. mx -all",
            f"v=spf1 include:{EU} mx -all",
        ),
        # Only an include of the global record is replaced.
        (
            "v=spf1 a:_netblocks.mimecast.com -all",
            f"v=spf1 a:_netblocks.mimecast.com include:{EU} -all",
        ),
        ("", f"v=spf1 include:{EU} ~all"),
    ],
)
def test_proposed_record(record: str, expected: str) -> None:
    assert proposed_record(record, EU) == expected


@given(st.lists(WORDS, max_size=8))
def test_proposed_record_has_include_once(record_terms: list[str]) -> None:
    proposal = proposed_record(" ".join(["v=spf1", *record_terms]), EU)

    policy = parse(proposal)
    assert isinstance(policy, SpfPolicy)
    assert [t.target for t in policy.evaluated].count(EU) == 1
    assert "_netblocks.mimecast.com" not in [t.target for t in policy.mechanisms]


@given(st.lists(WORDS, min_size=1, max_size=8))
def test_proposed_record_is_idempotent(record_terms: list[str]) -> None:
    proposal = proposed_record(" ".join(["v=spf1", *record_terms]), EU)

    others = [term for term in record_terms if "mimecast.com" not in term]
    assert [term for term in proposal.split()[1:] if "mimecast.com" not in term] == others or (
        not others
    )
    assert proposed_record(proposal, EU) == proposal


@settings(max_examples=50)
@given(st.text(max_size=80))
def test_parse_of_any_text_never_raises(text: str) -> None:
    parse("v=spf1 " + text)
    assert proposed_record("v=spf1 " + text, EU).startswith("v=spf1 ")


@pytest.mark.parametrize(
    ("records", "merged"),
    [
        ([], ""),
        (["v=spf1 mx -all"], "v=spf1 mx -all"),
        (
            ["v=spf1 mx ip4:192.0.2.1 -all", "v=spf1 ip4:192.0.2.1 include:x.test ~all"],
            "v=spf1 mx ip4:192.0.2.1 include:x.test -all",
        ),
        (
            ["v=spf1 redirect=_spf.x.test", "v=spf1 ip4:192.0.2.1 ~all exp=why.test"],
            "v=spf1 include:_spf.x.test ip4:192.0.2.1 ~all exp=why.test",
        ),
        (
            ["v=spf1 a -all exp=one.test", "v=spf1 mx -all exp=two.test"],
            "v=spf1 a mx -all exp=one.test",
        ),
        (
            ["v=spf1 redirect=%{d=}.x.test", "v=spf1 mx"],
            "v=spf1 include:%{d=}.x.test mx ~all",
        ),
        (
            ["v=spf1 redirect=a.test", "v=spf1 redirect=b.test"],
            "v=spf1 include:a.test include:b.test ~all",
        ),
    ],
)
def test_merged_record(records: list[str], merged: str) -> None:
    assert merged_record(records) == merged
