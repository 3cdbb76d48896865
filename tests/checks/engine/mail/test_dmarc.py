"""DMARC: the effective policy, its domain, and the consent of report hosts."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.dns.lookup import LookupFailure
from checks.engine.dns.public_suffix import organisational_domain
from checks.engine.mail import dmarc
from checks.engine.mail.dmarc_records import (
    DmarcPolicy,
    InvalidDmarcRecord,
    parse,
    select,
    select_malformed,
)
from checks.engine.outcomes import Outcome, Verdict
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.outcomes import codes, params

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
        (f"v=DMARC1; p=reject; pct=most; {RUA}", ["dmarc.enforces"]),
        (f"v=DMARC1; p=none; sp=reject; {RUA}", ["dmarc.policy-none", "dmarc.subdomain-policy"]),
        (
            f"v=DMARC1; p=reject; adkim=s; aspf=r; {RUA}",
            ["dmarc.enforces", "dmarc.strict-alignment"],
        ),
        ("v=DMARC1; p=reject", ["dmarc.enforces", "dmarc.no-reports"]),
        # RFC 7489 section 6.6.3 step 6: with reports, an invalid policy counts as none.
        (f"v=DMARC1; {RUA}", ["dmarc.policy-none"]),
        (f"v=DMARC1; p=rejekt; {RUA}", ["dmarc.policy-none"]),
    ],
)
def test_dmarc_valid_record_passes(value: str, expected: list[str]) -> None:
    outcome = run_check(record(value))

    assert (outcome.verdict, outcome.unanimous, codes(outcome)) == (Verdict.PASS, True, expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], "dmarc.several-records"),
        (["v=DMARC1"], "dmarc.syntax"),
        (["v=DMARC1; p=rejekt"], "dmarc.syntax"),
        (["v=DMARC1; p=none; sp=all"], "dmarc.syntax"),
        (["v=DMARC1; p=none; p=reject"], "dmarc.syntax"),
        (["v=DMARC1; p none"], "dmarc.syntax"),
        (["v=dmarc1; p=none"], "dmarc.syntax"),
        (["v=DMARC1 p=none"], "dmarc.syntax"),
        (["p=none; v=DMARC1"], "dmarc.syntax"),
        (["“v=DMARC1; p=none”"], "dmarc.syntax"),
    ],
)
def test_dmarc_ignored_record_fails(values: list[str], expected: str) -> None:
    outcome = run_check("".join(map(record, values)))

    assert (outcome.verdict, codes(outcome)) == (Verdict.FAIL, [expected])


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
        ["dmarc.inherited", "dmarc.enforces"],
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
    assert set(select([text])) | set(select_malformed([text])) <= {text}


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
