"""DMARC: the effective policy, its domain, and the consent of report hosts."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.dns.lookup import LookupFailure
from checks.engine.dns.public_suffix import organisational_domain
from checks.engine.mail import dmarc, dmarc_records
from checks.engine.mail.dmarc_records import (
    DmarcPolicy,
    InvalidDmarcRecord,
    parse,
    select,
)
from checks.engine.outcomes import Outcome, Verdict
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.outcomes import code_params, codes, params

RUA = "rua=mailto:dmarc@example.test"


def run_check(
    zone: str, domain: str = "example.test", servers: dict[str, str | LookupFailure] | None = None
) -> Outcome:
    return asyncio.run(dmarc.inspect(domain, ZoneLookup(zone, servers=servers)))


def record(value: str, domain: str = "example.test") -> str:
    return f'_dmarc.{domain} TXT "{value}"\n'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"v=DMARC1; p=none; {RUA}", ["dmarc.policy-none"]),
        (f"v=DMARC1;p=NONE;{RUA};", ["dmarc.policy-none"]),
        (f"v=DMARC1; p=quarantine; {RUA}", ["dmarc.enforces"]),
        (f"v=DMARC1; p=reject; {RUA}!10m", ["dmarc.enforces"]),
        (f"v=DMARC1; {RUA}; p=reject; unheard=of", ["dmarc.enforces"]),
        (f"v=DMARC1; p=reject; pct=20; {RUA}", ["dmarc.enforces", "dmarc.partial"]),
        (f"v=DMARC1; p=none; sp=reject; {RUA}", ["dmarc.policy-none", "dmarc.subdomain-policy"]),
        (
            f"v=DMARC1; p=reject; adkim=s; aspf=r; {RUA}",
            ["dmarc.enforces", "dmarc.strict-alignment"],
        ),
        ("v=DMARC1; p=reject", ["dmarc.enforces", "dmarc.no-reports"]),
        (f"V=DMARC1; P=Reject; {RUA}", ["dmarc.enforces"]),
        (f"v=DMARC1; p=reject; t=y; {RUA}", ["dmarc.enforces", "dmarc.testing"]),
        (f"v=DMARC1; p=none; np=reject; {RUA}", ["dmarc.policy-none", "dmarc.nonexistent-policy"]),
    ],
)
def test_dmarc_valid_record_passes(value: str, expected: list[str]) -> None:
    outcome = run_check(record(value))

    assert (outcome.verdict, outcome.unanimous, codes(outcome)) == (Verdict.PASS, True, expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], "dmarc.several-records"),
        (["v=DMARC1; p=rejekt"], "dmarc.syntax"),
        (["v=DMARC1; p=reject rua=mailto:a@b.test"], "dmarc.syntax"),
        (["v=dmarc1; p=none"], "dmarc.almost"),
        (["v=DMARC1 p=none"], "dmarc.almost"),
        (["p=none; v=DMARC1"], "dmarc.almost"),
        (["“v=DMARC1; p=none”"], "dmarc.almost"),
    ],
)
def test_dmarc_ignored_record_fails(values: list[str], expected: str) -> None:
    outcome = run_check("".join(map(record, values)))

    assert (outcome.verdict, codes(outcome)) == (Verdict.FAIL, [expected])


@pytest.mark.parametrize(
    ("value", "policy", "ignored"),
    [
        # Field case 05.
        ("p=reject; pct=100; rua=mailto:d@example.test; fo", "enforces", ["fo"]),
        (
            "p=reject; rua=mailto:a@example.test; mailto:b@example.test",
            "enforces",
            ["mailto:b@example.test"],
        ),
        (f"p=reject; pct=most; {RUA}", "enforces", ["pct=most"]),
        (f"p=quarantine; adkim=strict; aspf=x; {RUA}", "enforces", ["adkim=strict", "aspf=x"]),
        (f"p=reject; {RUA}; {RUA}", "enforces", [RUA]),
        (f"p=reject; {RUA}; =x; b@d=1; v=DMARC1", "enforces", ["=x", "b@d=1", "v=DMARC1"]),
        (f"p=reject; sp=all; np=some; {RUA}", "enforces", ["sp=all", "np=some"]),
        (f"p=reject; fo=2; t=yes; psd=maybe; {RUA}", "enforces", ["fo=2", "t=yes", "psd=maybe"]),
        # Of two policies, a receiver may apply either.
        (f"p=none; p=reject; {RUA}", "enforces", ["p=reject"]),
        (f"p=rejekt; {RUA}", "policy-none", ["p=rejekt"]),
        (f"p none; {RUA}", "policy-none", ["p none"]),
    ],
)
def test_bad_tag_is_named_and_policy_applies(value: str, policy: str, ignored: list[str]) -> None:
    outcome = run_check(record(f"v=DMARC1; {value}"))

    assert outcome.verdict is Verdict.WARN
    assert codes(outcome)[0] == f"dmarc.{policy}"
    assert params(outcome, "dmarc.ignored-tags")["tags"] == ignored


@pytest.mark.parametrize(
    ("value", "tag", "character"),
    [
        ("\u00a0p=reject", "[U+00A0]p=reject", "a no-break space (U+00A0)"),
        ("p=rej\u0435ct", "p=rej\u0435ct", "the character \u0435 (U+0435)"),
        ("p=none; fo=\u200b9", "fo=[U+200B]9", "a zero-width space (U+200B)"),
        ("p=none; fo=9", "fo=9", ""),
    ],
)
def test_character_of_a_bad_tag_is_named(value: str, tag: str, character: str) -> None:
    found = params(run_check(record(f"v=DMARC1;{value}; {RUA}")), "dmarc.ignored-tags")

    assert (found["tags"], found["character"]) == ([tag], character)


@pytest.mark.parametrize("value", ["v=DMARC1", "v=DMARC1;", f"v=DMARC1; {RUA}"])
def test_missing_policy_counts_as_none(value: str) -> None:
    # RFC 9989 section 4.7. By RFC 7489 a record without reports is ignored, which delivers, too.
    outcome = run_check(record(value))

    assert outcome.verdict is Verdict.WARN
    assert codes(outcome)[0] == "dmarc.policy-none"
    assert "dmarc.policy-missing" in codes(outcome)


# Field case 06.
ABOVE = {
    "psd=n below": (
        "a.b.m13.test",
        {"m13.test": "p=none", "b.m13.test": "p=reject; psd=n"},
        ("none", "m13.test"),
        ("reject", "b.m13.test"),
    ),
    "no psd": (
        "a.b.m13.test",
        {"m13.test": "p=none", "b.m13.test": "p=reject"},
        ("none", "m13.test"),
        ("none", "m13.test"),
    ),
    "sp of the organisation": (
        "a.m13.test",
        {"m13.test": "p=none; sp=quarantine"},
        ("quarantine", "m13.test"),
        ("quarantine", "m13.test"),
    ),
    "suffix with psd=y": ("m13.test", {"test": "p=reject; psd=y"}, ("", ""), ("reject", "test")),
    "organisation below psd=y": (
        "a.m13.test",
        {"m13.test": "p=none", "test": "p=reject; psd=y"},
        ("none", "m13.test"),
        ("none", "m13.test"),
    ),
    "own record": (
        "m13.test",
        {"m13.test": "p=quarantine", "test": "p=reject; psd=y"},
        ("quarantine", "m13.test"),
        ("quarantine", "m13.test"),
    ),
    "own psd=n": (
        "b.m13.test",
        {"b.m13.test": "p=none; psd=n", "m13.test": "p=reject"},
        ("none", "b.m13.test"),
        ("none", "b.m13.test"),
    ),
    "ten labels": (
        "a.b.c.d.e.f.g.h.m13.test",
        {"m13.test": "p=reject", "b.c.d.e.f.g.h.m13.test": "p=none; psd=n"},
        ("reject", "m13.test"),
        ("reject", "m13.test"),
    ),
    "nothing": ("a.m13.test", {}, ("", ""), ("", "")),
}


@pytest.mark.parametrize("case", ABOVE)
def test_policy_by_both_rfcs(case: str) -> None:
    domain, published, old, new = ABOVE[case]
    zone = "".join(record(f"v=DMARC1; {value}; {RUA}", at) for at, value in published.items())

    outcome = run_check(zone + f"{domain} MX 10 mail.test\n", domain)

    found = {
        rfc: (each["policy"], each["domain"])
        for rfc in ("rfc7489", "rfc9989")
        for each in [outcome.evidence[rfc]]
    }
    assert found == {"rfc7489": old, "rfc9989": new}
    is_enforced = bool({old[0], new[0]} & {"quarantine", "reject"})
    assert ("dmarc.enforces" in codes(outcome)) is is_enforced
    assert ("dmarc.receivers-differ" in codes(outcome)) is (
        (old[0] or "none") != (new[0] or "none")
    )


@pytest.mark.parametrize(
    ("own", "fault"),
    [
        (["v=DMARC1; p=none", "v=DMARC1; p=none; sp=none"], "dmarc.several-records"),
        (["“v=DMARC1; p=none”"], "dmarc.almost"),
        (["v=DMARC1; p=rejekt"], "dmarc.syntax"),
    ],
)
def test_discarded_record_reveals_policy_above(own: list[str], fault: str) -> None:
    zone = "".join(record(value, "a.m13.test") for value in own)

    outcome = run_check(zone + record(f"v=DMARC1; p=reject; {RUA}", "m13.test"), "a.m13.test")

    assert (outcome.verdict, codes(outcome)[0]) == (Verdict.FAIL, fault)
    assert params(outcome, "dmarc.enforces") == {"domain": "m13.test", "policy": "reject"}


@pytest.mark.parametrize(
    ("tags", "policy", "expected"),
    [
        ("p=reject; pct=0", "reject", [("dmarc.partial", "quarantine")]),
        ("p=quarantine; pct=0", "quarantine", [("dmarc.partial", "none")]),
        ("p=reject; pct=99", "reject", [("dmarc.partial", "quarantine")]),
        ("p=reject; t=y", "reject", [("dmarc.testing", "quarantine")]),
        ("p=quarantine; T=Y", "quarantine", [("dmarc.testing", "none")]),
        (
            "p=reject; pct=0; t=y",
            "reject",
            [("dmarc.partial", "quarantine"), ("dmarc.testing", "quarantine")],
        ),
        ("p=reject; pct=100; t=n", "reject", []),
    ],
)
def test_lowered_policy_names_both_readings(
    tags: str, policy: str, expected: list[tuple[str, str]]
) -> None:
    """The policy without the lowering gates the cutover, because some receivers apply it."""
    outcome = run_check(record(f"v=DMARC1; {tags}; {RUA}"))

    found = dict(code_params(outcome.findings))
    assert found.pop("dmarc.enforces") == {"domain": "example.test", "policy": policy}
    assert [(code, each["milder"]) for code, each in found.items()] == expected
    assert {each["policy"] for each in found.values()} <= {policy}


@pytest.mark.parametrize("tags", ["p=none; pct=0", "p=none; t=y", "p=none; pct=0; t=y"])
def test_policy_none_has_no_step_below(tags: str) -> None:
    assert codes(run_check(record(f"v=DMARC1; {tags}; {RUA}"))) == ["dmarc.policy-none"]


@pytest.mark.parametrize("tags", ["pct=0", "t=y", "pct=0; t=y"])
def test_lowered_inherited_policy_still_gates(tags: str) -> None:
    zone = f'_dmarc.example.test TXT "v=DMARC1; p=none; sp=reject; {tags}; {RUA}"'
    world = f"{zone}\nsub.example.test MX 10 mail.test"

    outcome = asyncio.run(dmarc.inspect("sub.example.test", ZoneLookup(world)))

    assert params(outcome, "dmarc.enforces") == {"domain": "example.test", "policy": "reject"}


def test_dmarc_missing_record_warns() -> None:
    outcome = run_check("example.test MX 10 mail.test\n" + record("hello"))

    assert (outcome.verdict, outcome.unanimous, codes(outcome)) == (
        Verdict.WARN,
        True,
        ["dmarc.none"],
    )


def test_dmarc_subdomain_inherits_policy() -> None:
    above = record(f"v=DMARC1; p=none; sp=reject; {RUA}", "example.co.uk")

    outcome = run_check(
        above + "_dmarc.co.uk TXT 'v=DMARC1; p=none'\n"
        "example.co.uk._report._dmarc.example.test TXT v=DMARC1",
        "news.example.co.uk",
    )

    assert (outcome.verdict, codes(outcome)) == (
        Verdict.PASS,
        ["dmarc.inherited", "dmarc.enforces", "dmarc.receivers-differ"],
    )
    assert params(outcome, "dmarc.inherited") == {
        "organisation": "example.co.uk",
        "policy": "reject",
    }


def test_dmarc_failed_organisation_lookup() -> None:
    outcome = run_check("_dmarc.example.test TROUBLE servfail", "news.example.test")

    assert (outcome.verdict, outcome.unanimous, codes(outcome)) == (
        Verdict.UNKNOWN,
        False,
        ["dmarc.organisation-lookup-failed"],
    )


@pytest.mark.parametrize(
    ("zone", "verdict", "expected"),
    [
        ("", Verdict.WARN, ["dmarc.policy-none", "dmarc.reports-not-accepted"]),
        (
            "example.test._report._dmarc.reports.example TXT v=DMARC1",
            Verdict.PASS,
            ["dmarc.policy-none"],
        ),
        (
            "example.test._report._dmarc.reports.example TROUBLE timeout",
            Verdict.PASS,
            ["dmarc.policy-none"],
        ),
    ],
)
def test_dmarc_reports_need_host_consent(zone: str, verdict: Verdict, expected: list[str]) -> None:
    value = "v=DMARC1; p=none; rua=mailto:a@reports.example,mailto:b@mail.example.test"

    outcome = run_check(record(value) + zone)

    assert (outcome.verdict, codes(outcome)) == (verdict, expected)


def test_dmarc_names_bad_destinations() -> None:
    outcome = run_check(record(f"v=DMARC1; p=none; {RUA},dmarc@example.test"))

    assert outcome.verdict is Verdict.WARN
    assert params(outcome, "dmarc.bad-destination") == {"destinations": ["dmarc@example.test"]}


def test_dmarc_on_some_servers_is_not_unanimous() -> None:
    good, broken = record(f"v=DMARC1; p=none; {RUA}"), record("v=DMARC1; p=rejekt")

    outcome = run_check(good, servers={"ns1.dns.test": good, "ns2.dns.test": broken})

    assert (outcome.verdict, outcome.unanimous) == (Verdict.FAIL, False)
    assert codes(outcome) == ["dns.servers-disagree", "dmarc.syntax"]


@given(
    st.text() | st.from_regex(r"v=DMARC1; ?((p|sp|pct|adkim|rua|ruf|fo)=[a-z0-9:@.,!%]*; ?){0,6}")
)
def test_dmarc_parse_never_raises(text: str) -> None:
    assert isinstance(parse(text), DmarcPolicy | InvalidDmarcRecord)
    assert set(select([text])) <= {text}


@pytest.mark.parametrize(
    ("name", "organisation"),
    [
        ("example.test", "example.test"),
        ("a.b.example.com", "example.com"),
        ("a.example.co.uk", "example.co.uk"),
        ("example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
    ],
)
def test_organisational_domain(name: str, organisation: str) -> None:
    assert organisational_domain(name) == organisation


@pytest.mark.parametrize(
    ("zone", "found"),
    [
        ('example.test TXT "v=DMARC1; p=reject"\n', "example.test"),
        (
            '_dmarc.example.test.example.test TXT "v=DMARC1; p=none"\n',
            "_dmarc.example.test.example.test",
        ),
        # With the quotation marks of a word processor.
        ('example.test TXT "\u201cv=DMARC1; p=reject\u201d"\n', "example.test"),
        (
            '_dmarc.example.test.example.test TXT "v=DMARC1, p=none"\n',
            "_dmarc.example.test.example.test",
        ),
    ],
)
def test_record_at_other_name_is_named(zone: str, found: str) -> None:
    outcome = run_check("example.test MX 10 mail.test\n" + zone)

    assert (outcome.verdict, codes(outcome)) == (Verdict.WARN, ["dmarc.none", "dmarc.other-name"])
    assert params(outcome, "dmarc.other-name") == {"found": found, "name": "_dmarc.example.test"}


WHITE = ["\N{NO-BREAK SPACE}", "\N{EM SPACE}", "\N{ZERO WIDTH SPACE}"]


@pytest.mark.parametrize("white", WHITE)
@pytest.mark.parametrize(
    ("tags", "policies"),
    [
        # Receivers that read ASCII alone discard sp=, which then defaults to p=.
        ("p=reject; sp={}none", "reject reject reject"),
        ("p=none; sp={}reject", "none reject reject"),
        ("p=none; np=reject{}", "none none reject"),
        # Some receivers apply this policy.
        ("p=reject{}", "reject reject reject"),
        ("p={}reject; sp=none", "reject none none"),
        ("p=none; p={}reject", "reject reject reject"),
        ("p={}none; sp=quarantine", "none quarantine quarantine"),
        # The character is in front of the name, as in copied text, or behind it.
        ("{}p=reject", "reject reject reject"),
        ("P{}=reject", "reject reject reject"),
        ("p=none; {}sp=quarantine", "none quarantine quarantine"),
    ],
)
def test_stricter_reading_of_white_space_counts(white: str, tags: str, policies: str) -> None:
    read = dmarc_records.parse("v=DMARC1; " + tags.format(white))

    assert isinstance(read, dmarc_records.DmarcPolicy)
    found = (read.policy, read.subdomain_policy, read.nonexistent_policy)
    assert (" ".join(found), len(read.ignored)) == (policies, 1)


@pytest.mark.parametrize(
    ("zone", "domain", "expected"),
    [
        (record(f"v=DMARC1; p=none; psd=y; {RUA}"), "example.test", ["dmarc.public-suffix"]),
        (record(f"v=DMARC1; p=none; psd=n; {RUA}"), "example.test", []),
        # The record of a registry may have the tag.
        (record("v=DMARC1; p=none; psd=y", "co.uk"), "shop.co.uk", []),
        # Inherited by a subdomain from the domain with the tag.
        (
            record(f"v=DMARC1; p=none; psd=y; {RUA}", "example.com"),
            "mail.example.com",
            ["dmarc.public-suffix"],
        ),
    ],
)
def test_tag_of_registries_is_named(zone: str, domain: str, expected: list[str]) -> None:
    outcome = run_check(zone, domain)

    assert [code for code in codes(outcome) if code == "dmarc.public-suffix"] == expected
    assert outcome.verdict is (Verdict.WARN if expected else outcome.verdict)


@pytest.mark.parametrize(
    ("above", "fault"),
    [
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], "dmarc.several-records"),
        (["v=DMARC1; p=rejekt"], "dmarc.syntax"),
        (["v=DMARC1 p=none"], "dmarc.almost"),
    ],
)
def test_faulty_record_of_organisation_is_named(above: list[str], fault: str) -> None:
    zone = "".join(record(value, "example.com") for value in above)

    outcome = run_check(zone, "mail.example.com")

    assert (outcome.verdict, codes(outcome)) == (Verdict.WARN, ["dmarc.none", fault])
