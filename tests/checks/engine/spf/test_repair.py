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


MISSPELT = ("inlcude", "inclde", "incude", "incldue", "inculde", "includes")


@pytest.mark.parametrize(
    ("words", "terms", "corrected", "dropped"),
    [
        (
            "mx ipv4:192.0.2.1 ~al",
            "mx ip4:192.0.2.1 ~all",
            [("ipv4:192.0.2.1", "ip4:192.0.2.1"), ("~al", "~all")],
            [],
        ),
        # A valid word is not in the list of corrections.
        ("a mx foo:bar -all", "a mx -all", [], ["foo:bar"]),
        ("foo:bar 1.2.3.4/33 -all", "-all", [], ["foo:bar", "1.2.3.4/33"]),
        ("a:x.test,mx:y.test -all", "a:x.test mx:y.test -all", [], []),
        # Of several terms in one word, all or none.
        (
            "ip4:1.2.3.4,5.6.7.8 -all",
            "ip4:1.2.3.4 ip4:5.6.7.8 -all",
            [("ip4:1.2.3.4,5.6.7.8", "ip4:1.2.3.4 ip4:5.6.7.8")],
            [],
        ),
        (
            "ip4:1.2.3.4;;mx;-all",
            "ip4:1.2.3.4 mx -all",
            [("ip4:1.2.3.4;;mx;-all", "ip4:1.2.3.4 mx -all")],
            [],
        ),
        ("ip4:1.2.3.4;foo;mx -all", "-all", [], ["ip4:1.2.3.4;foo;mx"]),
        # A valid name can contain the sign. Two terms that it joins are two words.
        ("include:a;b.test foo", "include:a;b.test", [], ["foo"]),
        (
            "a:x.test;mx:y.test -all",
            "a:x.test mx:y.test -all",
            [("a:x.test;mx:y.test", "a:x.test mx:y.test")],
            [],
        ),
        ("X192.0.2.1 192.0.2.1X mx", "mx", [], ["X192.0.2.1", "192.0.2.1X"]),
        # A modifier occurs once. The senders of a second redirect are included.
        (
            "redirect=a.test redirect=x=y.test",
            "redirect=a.test include:x=y.test",
            [("redirect=x=y.test", "include:x=y.test")],
            [],
        ),
        ("exp=a.test exp=b.test -all", "exp=a.test -all", [], ["exp=b.test"]),
        (
            "redirect=a.test REDIRECT=B.test",
            "redirect=a.test include:b.test",
            [("REDIRECT=B.test", "include:b.test")],
            [],
        ),
        ("redirect=a.test exp=b.test foo", "redirect=a.test exp=b.test", [], ["foo"]),
    ],
)
def test_corrected_and_dropped_terms(
    words: str, terms: str, corrected: list[tuple[str, str]], dropped: list[str]
) -> None:
    assert repair(f"v=spf1 {words}") == RepairedRecord(
        f"v=spf1 {terms}", tuple(corrected), tuple(dropped)
    )


@pytest.mark.parametrize(
    ("word", "term"),
    [
        *((f"{each}:spf.test", "include:spf.test") for each in MISSPELT),
        ("exist:spf.test", "exists:spf.test"),
        ("-al", "-all"),
        ("?alll", "?all"),
        ("ALL~", "~ALL"),
        ("redirects:spf.test", "redirect=spf.test"),
        ("exp:why.test", "exp=why.test"),
        ("INLCUDE:Spf.test", "include:Spf.test"),
        ("?includes:spf.test", "?include:spf.test"),
        ("ip-4:192.0.2.1", "ip4:192.0.2.1"),
        ("ip-6:2001:db8::1", "ip6:2001:db8::1"),
        ("~ipv6:2001:db8::/32", "~ip6:2001:db8::/32"),
        ("-192.0.2.0/24", "-ip4:192.0.2.0/24"),
        ("+192.0.2.1", "+ip4:192.0.2.1"),
        ("~192.0.2.1", "~ip4:192.0.2.1"),
        ("2001:db8::1", "ip6:2001:db8::1"),
        ("2001:db8::/32", "ip6:2001:db8::/32"),
        # A mask becomes a prefix.
        ("ip4:192.0.2.7/255.255.255.0", "ip4:192.0.2.0/24"),
        ("mx:", "mx"),
        ("-mx:.", "-mx"),
        ('"mx"', "mx"),
        ("'mx'", "mx"),
        ("(mx)", "mx"),
        ("[mx]", "mx"),
        ("<mx>", "mx"),
        ("mx.", "mx"),
        ("mx,", "mx"),
    ],
)
def test_one_word_is_corrected(word: str, term: str) -> None:
    repaired = repair(f"v=spf1 a {word}")

    assert (repaired.text, repaired.dropped) == (f"v=spf1 a {term}", ())


@pytest.mark.parametrize(
    ("words", "terms"),
    [
        ("ipv4 192.0.2.1", "ip4:192.0.2.1"),
        ("-ip4: 192.0.2.1", "-ip4:192.0.2.1"),
        ("exists %{i}.x.test", "exists:%{i}.x.test"),
        ("a: www.test", "a:www.test"),
        ("mx: mail.test", "mx:mail.test"),
        ("PTR: mail.test", "PTR:mail.test"),
        ("~ all", "~all"),
        ("? include:x.test", "?include:x.test"),
        ("+ mx", "+mx"),
        # Words that are terms of their own stay apart.
        ("a: mx foo", "a mx"),
        ("include mx:x.test", "mx:x.test"),
        ("include include:x.test", "include:x.test"),
        ("ip4: foo 192.0.2.1", "ip4:192.0.2.1"),
    ],
)
def test_space_before_the_value(words: str, terms: str) -> None:
    assert repair(f"v=spf1 exp=x.test {words}").text == f"v=spf1 exp=x.test {terms}"


@pytest.mark.parametrize(
    ("word", "dropped"),
    [
        ("al", "al"),
        ("+alll", "+alll"),
        ("ALL+", "ALL+"),
        ("+ all", "+all"),
        ("“all", "all"),
        ("ip4:192.0.2.1;all", "ip4:192.0.2.1;all"),
        (";all", ";all"),
        ("1.2", "1.2"),
        ("é.test", "é.test"),
        ("a/129", "a/129"),
    ],
)
def test_guess_never_permits_everyone(word: str, dropped: str) -> None:
    assert repair(f"v=spf1 mx {word} foo:bar") == RepairedRecord(
        "v=spf1 mx", dropped=(dropped, "foo:bar")
    )


@pytest.mark.parametrize("word", ["all", "+all", "ALL"])
def test_word_that_permits_everyone_stays(word: str) -> None:
    assert repair(f"v=spf1 foo:bar {word}").text == f"v=spf1 {word}"


def test_long_record_is_read_in_part() -> None:
    words = [f"ip4:10.{n // 250}.{n % 250}.0/24" for n in range(400)]

    kept = repair(f"v=spf1 foo {' '.join(words)} -all").text.split()

    assert kept == ["v=spf1", *words[: len(kept) - 1]]
    assert len(kept) < 400


def test_other_text_loses_its_first_word() -> None:
    assert repair("greetings mx foo:bar") == RepairedRecord("v=spf1 mx", dropped=("foo:bar",))


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
