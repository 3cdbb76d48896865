"""Invalid terms of an SPF record: corrected, or dropped by name. The result is always valid."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.spf.proposal import merged_record, proposed_record
from checks.engine.spf.repair import RepairedRecord, repair
from checks.engine.spf.terms import SpfPolicy, parse

EU = "eu._netblocks.mimecast.com"


@pytest.mark.parametrize(
    ("word", "terms"),
    [
        ("ipv4:192.0.2.1", "ip4:192.0.2.1"),
        ("ip:192.0.2.0/24", "ip4:192.0.2.0/24"),
        ("192.0.2.1", "ip4:192.0.2.1"),
        ("?192.0.2.1", "?ip4:192.0.2.1"),
        ("ip4:192.0.2.0/255.255.255.0", "ip4:192.0.2.0/24"),
        ("ip4:2001:db8::1", "ip6:2001:db8::1"),
        ("ip6:192.0.2.1", "ip4:192.0.2.1"),
        ("ip4: 192.0.2.1", "ip4:192.0.2.1"),
        ("ip4 192.0.2.1", "ip4:192.0.2.1"),
        ("include: spf.test", "include:spf.test"),
        ("include spf.test", "include:spf.test"),
        ("inlcude:spf.test", "include:spf.test"),
        *(
            (f"{word}:spf.test", "include:spf.test")
            for word in (
                *("inclde", "incude", "incldue", "inculde", "includes", "inlude", "includ"),
                *("Inclued", "nclude", "inlcudes"),
            )
        ),
        ("exist:spf.test", "exists:spf.test"),
        ("exits:spf.test", "exists:spf.test"),
        ("redirects:spf.test", "redirect=spf.test"),
        ("redirct:spf.test", "redirect=spf.test"),
        ("<include:spf.test>", "include:spf.test"),
        ("ip4:192.0.2.1;ip4:192.0.2.2", "ip4:192.0.2.1 ip4:192.0.2.2"),
        ("redirect:spf.test", "redirect=spf.test"),
        ("include=spf.test", "include:spf.test"),
        ("ip4=192.0.2.1", "ip4:192.0.2.1"),
        ("include=a.test,include=b.test", "include:a.test include:b.test"),
        ("redirect=a.test redirect=b.test", "redirect=a.test include:b.test"),
        ("a:", "a"),
        ("~al", "~all"),
        ("all-", "-all"),
        ("- all", "-all"),
        ("−all", "-all"),
        ("~all;", "~all"),
    ],
)
def test_almost_valid_term_is_corrected(word: str, terms: str) -> None:
    repaired = repair(f"v=spf1 mx {word}")

    assert (repaired.text, repaired.dropped) == (f"v=spf1 mx {terms}", ())


@pytest.mark.parametrize(
    "word",
    [
        "ip4:192.0.2.300",
        "ip4:192.0.2.1/33",
        "spf.test",
        "mx/33",
        "include:",
        "include:x",
        "ip4:192.0.2.1-192.0.2.9",
        "al",
        "exists:%{z}.test",
        "foo:bar.test",
        "-",
    ],
)
def test_term_without_certain_meaning_is_named(word: str) -> None:
    repaired = repair(f"v=spf1 include:spf.test {word} -all")

    assert (repaired.text, len(repaired.dropped)) == ("v=spf1 include:spf.test -all", 1)


@pytest.mark.parametrize(
    "record",
    ["", "v=spf1 -all", "V=SPF1  mx   -all", "v=spf1 all x=y", "v=spf1 includes=x.test ~all"],
)
def test_valid_record_is_unchanged(record: str) -> None:
    assert repair(record) == RepairedRecord(record)


def test_second_explanation_is_named() -> None:
    repaired = repair("v=spf1 exp=a.test exp=b.test -all")

    assert (repaired.text, repaired.dropped) == ("v=spf1 exp=a.test -all", ("exp=b.test",))


def test_invalid_terms_of_several_records_are_corrected() -> None:
    merged = merged_record(["v=spf1 ipv4:192.0.2.1 ~all;", "v=spf1 spf.test mx -all"])

    assert merged == "v=spf1 ip4:192.0.2.1 mx ~all"


WORDS = ["a", "mx", "ip4:", "192.0.2.1", "include:", "x.test", "-", "all", "-all,", "%", "v=spf1",
         "redirect=x.test", "redirect:y.test", "exp=z.test", "“mx”", "ip6:::1", "ip4:1.2.3.4/8;a",
         "=", ";"]  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=8))
def test_proposal_is_always_valid(parts: list[str]) -> None:
    proposal = proposed_record(" ".join(["v=spf1", *parts]), EU)

    policy = parse(proposal)
    assert isinstance(policy, SpfPolicy)
    assert EU in [term.target for term in policy.evaluated]


@given(st.text(max_size=80))
def test_proposal_for_any_text_is_valid(text: str) -> None:
    assert isinstance(parse(proposed_record("v=spf1 " + text, EU)), SpfPolicy)
    assert isinstance(parse(merged_record(["v=spf1 " + text, "v=spf1 mx"])), SpfPolicy)
