"""The discrepancies that checkdmarc 6.0.0 corrected, where they concern our checks.

Source: checkdmarc 6.0.0 of domainaware (31 August 2026), whose release notes name 81 discrepancies
between its code and the RFCs. Its list is not in the package, so the rows follow the differences
between the code of versions 5.17.5 and 6.0.0, with the RFC section of each. Those of BIMI, SOA,
TLS reporting and of its options concern no check of Gangway. A comment names each result that
differs from theirs, with its reason.
"""

from __future__ import annotations

import asyncio

import pytest

from checks.engine import mx
from checks.engine.expected_values import RegionFacts
from checks.engine.mail import dmarc, dmarc_records, mta_sts_policy
from checks.engine.mail.dmarc_records import DmarcPolicy, InvalidDmarcRecord
from checks.engine.mail.mta_sts_policy import InvalidMtaSts, MtaStsPolicy
from checks.engine.outcomes import Outcome, Verdict
from checks.engine.spf import check, terms
from checks.engine.spf.terms import SpfPolicy
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.outcomes import codes

PASS, WARN, FAIL = Verdict.PASS, Verdict.WARN, Verdict.FAIL

# RFC 7208: each record with its validity.
SPF_SYNTAX = {
    # Section 7.2: the letters c, r and t are for the text of an explanation alone.
    "v=spf1 exists:%{c}.example.com -all": False,
    "v=spf1 include:%{r}.example.com -all": False,
    # checkdmarc permits them in the value of exp. Section 7.2 permits them in the text behind it.
    "v=spf1 exp=%{t}.example.com -all": False,
    # RFC 5234 section 2.3: the transformer r has any case.
    "v=spf1 exists:%{iR}.example.com -all": True,
    "v=spf1 exists:%{IR2}.example.com -all": False,
    # Section 12: the characters of a macro string.
    "v=spf1 exists:%{l}!#$&'*.example.com -all": True,
    # Section 6: an unknown modifier is ignored, wherever and however often it occurs.
    "v=spf1 foo=bar mx foo=bar -all foo=bar": True,
    "v=spf1 moo.cow-far_out=man:dog/cat -all": True,
    # Section 12: no qualifier before a modifier.
    "v=spf1 -redirect=a.test": False,
    "v=spf1 +exp=a.test -all": False,
    # Section 6: redirect and exp occur once.
    "v=spf1 redirect=a.test redirect=b.test": False,
    "v=spf1 exp=a.test exp=b.test -all": False,
    # Section 6: modifiers may precede the mechanisms.
    "v=spf1 exp=a.test redirect=b.test mx": True,
    # Section 5.1: all has no value.
    "v=spf1 all:example.com": False,
    "v=spf1 all/24": False,
    # Section 12: dual-cidr-length of a and mx.
    "v=spf1 a/24 mx//64 a:a.test/24//64 -all": True,
    "v=spf1 a/33 -all": False,
    "v=spf1 mx//129 -all": False,
    "v=spf1 a/08 -all": False,
    "v=spf1 a//064 -all": False,
    "v=spf1 a/24/64 -all": False,
    # Section 12: no leading zero, no other mechanism with a prefix.
    "v=spf1 ip4:192.0.2.0/08 -all": False,
    "v=spf1 ip6:2001:db8::/032 -all": False,
    "v=spf1 exists:a.test/24 -all": False,
    "v=spf1 ptr/24 -all": False,
    # Section 5.6: the address has the version of the mechanism.
    "v=spf1 ip4:2001:db8::1 -all": False,
    "v=spf1 ip6:192.0.2.1 -all": False,
    # Section 4.6: terms are separate words, and an unknown mechanism is an error, also behind all.
    "v=spf1 ip4:203.0.113.7~all": False,
    "v=spf1 -all garbage": False,
    "v=spf1 -all include:a.test": True,
    # Section 4.6.1: names in any case.
    "v=spf1 EXP=a.test -ALL": True,
    # Section 4.6.2: the first all decides, and a second one is no error.
    "v=spf1 ~all -all": True,
    # Section 12: the name ends in a valid top label. checkdmarc warns; the suite of RFC 7208
    # expects an error.
    "v=spf1 include:localhost -all": False,
    "v=spf1 include:example.123 -all": False,
}


@pytest.mark.parametrize(("record", "is_valid"), SPF_SYNTAX.items())
def test_spf_syntax(record: str, is_valid: bool) -> None:
    assert terms.select([record]) == [record]
    assert isinstance(terms.parse(record), SpfPolicy) is is_valid


@pytest.mark.parametrize(
    "text", ["v=spf10 -all", " v=spf1 -all", "v=spf1\t-all", '"v=spf1 -all"', "v=spf1;-all"]
)
def test_spf_version_is_exact(text: str) -> None:
    """RFC 7208 section 4.5: others are discarded, and a valid record next to them counts."""
    assert terms.select([text, "v=spf1 mx -all"]) == ["v=spf1 mx -all"]


INCLUDE = "include:eu.test"
SPF_REGION = RegionFacts(id="eu", name="Europe", spf_include="eu.test")
SPF_ZONE = 'eu.test TXT "v=spf1 ip4:195.130.217.0/24 ~all"\n'
FIVE_TERMS = 'five.test TXT "v=spf1 a:h.test a:h.test a:h.test a:h.test -all"\nh.test A 192.0.2.1\n'
HOSTS = "".join(f"example.test MX 10 m{n}.test\nm{n}.test A 192.0.2.{n}\n" for n in range(1, 12))
WITHOUT_ADDRESS = "".join(f"example.test MX 10 m{n}.test\n" for n in range(4))


@pytest.mark.parametrize(
    ("record", "zone", "verdict", "expected"),
    [
        # Section 6.1: all anywhere in the record disables redirect, which then costs no lookup.
        (f"v=spf1 redirect=gone.test {INCLUDE} -all", "", PASS, []),
        (f"v=spf1 {INCLUDE} redirect=gone.test", "", WARN, ["spf.broken-branch"]),
        # Section 5.2: an include without a record is a permanent error.
        (f"v=spf1 include:gone.test {INCLUDE} -all", "", FAIL, ["spf.include-without-record"]),
        (
            f"v=spf1 include:text.test {INCLUDE} -all",
            "text.test TXT hello\n",
            FAIL,
            ["spf.include-without-record"],
        ),
        # Section 4.6.4: an include that occurs twice counts twice.
        (
            f"v=spf1 {INCLUDE} include:five.test include:five.test -all",
            FIVE_TERMS,
            FAIL,
            ["spf.too-many-lookups"],
        ),
        (
            f"v=spf1 {INCLUDE} include:five.test redirect=five.test",
            FIVE_TERMS,
            FAIL,
            ["spf.too-many-lookups"],
        ),
        # More than ten hosts of one mx term. Hosts without an address are no void lookups.
        (f"v=spf1 mx {INCLUDE} -all", HOSTS, FAIL, ["spf.permerror"]),
        (f"v=spf1 mx {INCLUDE} -all", WITHOUT_ADDRESS, PASS, []),
        # More than two void lookups.
        (
            f"v=spf1 a:x.test a:y.test a:z.test {INCLUDE} -all",
            "",
            FAIL,
            ["spf.too-many-void-lookups"],
        ),
        # Section 6.2: the explanation costs no lookup, and a missing one is no error.
        (f"v=spf1 {INCLUDE} exp=gone.test -all", "", PASS, []),
        # Sections 5.3 and 5.4: a prefix without a name belongs to the domain itself.
        (
            f"v=spf1 a/24 mx/24 {INCLUDE} -all",
            "example.test A 192.0.2.4\nexample.test MX 10 h.test\nh.test A 192.0.3.5\n",
            PASS,
            [],
        ),
        # Section 4.6.2: terms behind all are not evaluated and cost no lookups.
        (f"v=spf1 {INCLUDE} -all {' '.join(['a:h.test'] * 11)}", "", PASS, []),
        # Section 5.5.
        (f"v=spf1 {INCLUDE} ptr -all", "", PASS, ["spf.ptr"]),
    ],
)
def test_spf_evaluation(record: str, zone: str, verdict: Verdict, expected: list[str]) -> None:
    lookup = ZoneLookup(f'example.test TXT "{record}"\n{SPF_ZONE}{zone}')

    outcome = asyncio.run(check.inspect("example.test", SPF_REGION, lookup))

    assert (outcome.verdict, codes(outcome)) == (verdict, expected)


@pytest.mark.parametrize(
    ("record", "policy"),
    [
        # RFC 9989 section 4.8: the name v in any case, the value DMARC1 in this case.
        ("V = DMARC1 ; p=reject", "reject"),
        ("v=Dmarc1; p=reject", None),
        ("v=DMARC1", "none"),
        ("v=DMARC1 ;", "none"),
        ("v=DMARC1x; p=reject", None),
        # Tag names of any length, and values of all printing characters.
        ("v=DMARC1; vendorspecific=a#b?c; p=reject", "reject"),
        # Any order behind the version.
        ("v=DMARC1; rua=mailto:a@b.test; p=reject", "reject"),
        # A bad value is replaced by the default.
        ("v=DMARC1; p=reject; adkim=x; aspf=strict", "reject"),
        ("v=DMARC1; p=reject; fo=0:1; pct=none; rf=x; ri=-1", "reject"),
        ("v=DMARC1; p=REJECT; SP=None", "reject"),
    ],
)
def test_dmarc_record(record: str, policy: str | None) -> None:
    read = dmarc_records.parse(record)

    assert isinstance(read, InvalidDmarcRecord if policy is None else DmarcPolicy)
    assert getattr(read, "policy", None) == policy


@pytest.mark.parametrize(
    ("rua", "hosts", "bad"),
    [
        ("mailto:a@b.test!10m", ("b.test",), ()),
        ("MAILTO:A@B.test", ("b.test",), ()),
        # RFC 9989 section 4.7 permits every URI, but receivers must support mailto alone: the
        # finding names an address that no reporter uses.
        (
            "https://reports.test/,mailto:a@b.test",
            ("b.test",),
            ("https://reports.test/",),
        ),
        ("a@b.test", (), ("a@b.test",)),
        ("mailto:a b@c.test", (), ("mailto:a b@c.test",)),
    ],
)
def test_dmarc_destinations(rua: str, hosts: tuple[str, ...], bad: tuple[str, ...]) -> None:
    read = dmarc_records.parse(f"v=DMARC1; p=none; rua={rua}")

    assert isinstance(read, DmarcPolicy)
    assert (read.report_hosts, read.bad_destinations) == (hosts, bad)


def dmarc_of(domain: str, zone: str) -> Outcome:
    return asyncio.run(dmarc.inspect(domain, ZoneLookup(zone)))


def test_unrelated_text_keeps_consent() -> None:
    """RFC 9990 section 4: texts next to the consent are discarded."""
    consent = "example.test._report._dmarc.reports.org TXT"

    outcome = dmarc_of(
        "example.test",
        '_dmarc.example.test TXT "v=DMARC1; p=reject; rua=mailto:a@reports.org"\n'
        f'{consent} "hello"\n{consent} "v=DMARC1"\n',
    )

    assert (outcome.verdict, codes(outcome)) == (PASS, ["dmarc.enforces"])


RUA = "rua=mailto:a@example.com"
APEX = f'_dmarc.example.com TXT "v=DMARC1; p=reject; sp=quarantine; {RUA}"\n'


@pytest.mark.parametrize(
    ("zone", "policy", "found_at"),
    [
        # RFC 9989 section 4.10.2: the walk continues past a record, up to the fewest labels.
        (
            f'{APEX}_dmarc.b.example.com TXT "v=DMARC1; p=none; {RUA}"\n',
            "quarantine",
            "example.com",
        ),
        # psd=n ends it.
        (
            f'{APEX}_dmarc.b.example.com TXT "v=DMARC1; p=none; psd=n; {RUA}"\n',
            "none",
            "b.example.com",
        ),
        # psd=y: the record one label below it applies, or else its own.
        (
            f'_dmarc.com TXT "v=DMARC1; p=none; psd=y; {RUA}"\n{APEX}',
            "quarantine",
            "example.com",
        ),
        (f'_dmarc.com TXT "v=DMARC1; p=reject; psd=y; {RUA}"\n', "reject", "com"),
        # Section 4.10 step 6: several records of one name are discarded, and the walk continues.
        (
            f'{APEX}_dmarc.b.example.com TXT "v=DMARC1; p=none"\n'
            '_dmarc.b.example.com TXT "v=DMARC1; p=reject"\n',
            "quarantine",
            "example.com",
        ),
    ],
)
def test_dmarc_tree_walk(zone: str, policy: str, found_at: str) -> None:
    outcome = dmarc_of("a.b.example.com", zone)

    assert outcome.evidence["rfc9989"] == {"policy": policy, "domain": found_at}


STS_END = "max_age: 86400\nmx: mail.example.com\n"


@pytest.mark.parametrize(
    ("record", "is_valid"),
    [
        # RFC 8461 section 3.1: exact case, no spaces around the equals sign.
        ("V=STSv1; id=1", False),
        ("v= STSv1; id=1", False),
        ("v=STSv1; ID=1", False),
        # Extension fields are ignored; a field outside the grammar is none.
        ("v=STSv1; id=1; x_1.y-z=abc/;", True),
        ("v=STSv1; id=1; x=a b", False),
        ("v=STSv1; id=a-b", False),
        (f"v=STSv1; id={'1' * 33}", False),
        ("v=STSv1;", False),
    ],
)
def test_mta_sts_record(record: str, is_valid: bool) -> None:
    assert isinstance(mta_sts_policy.parse_id(record), InvalidMtaSts) is not is_valid


@pytest.mark.parametrize(
    ("policy", "is_valid"),
    [
        # RFC 8461 section 3.2: LF or CRLF for each line, and no other line end.
        (f"version: STSv1\r\nmode: enforce\n{STS_END}", True),
        (f"version: STSv1\r\r\nmode: enforce\n{STS_END}", False),
        (f"version: STSv1\u2028mode: enforce\n{STS_END}", False),
        # White space behind the colon alone.
        (f"version:STSv1 \nmode:\tenforce\n{STS_END}", True),
        (f"version : STSv1\nmode: enforce\n{STS_END}", False),
        # Extensions are ignored, also with colons; their grammar counts.
        (f"version: STSv1\nmode: enforce\nnote: a:b c\n{STS_END}", True),
        (f"version: STSv1\nmode: enforce\n_note: a\n{STS_END}", False),
        (f"version: STSv1\nmode: enforce\nnote: a\x01b\n{STS_END}", False),
        # The first of two entries counts.
        (f"version: STSv1\nmode: enforce\nmode: none\n{STS_END}", True),
        # Required keys, without a default.
        (f"mode: enforce\n{STS_END}", False),
        (f"version: STSv1\n{STS_END}", False),
        ("version: STSv1\nmode: enforce\nmx: mail.example.com\n", False),
        # Digits alone, at most a year.
        (f"version: STSv1\nmode: enforce\nmax_age: 1_0\n{STS_END}", False),
        ("version: STSv1\nmode: none\nmax_age: 31557600\n", True),
        ("version: STSv1\nmode: none\nmax_age: 31557601\n", False),
        # ["*."] Domain.
        ("version: STSv1\nmode: enforce\nmax_age: 1\nmx: a.*.test\n", False),
        (f"version: STSv1\nmode: enforce\nmax_age: 1\nmx: {'a' * 64}.test\n", False),
    ],
)
def test_mta_sts_policy(policy: str, is_valid: bool) -> None:
    expected = MtaStsPolicy if is_valid else InvalidMtaSts

    assert isinstance(mta_sts_policy.parse(policy.encode()), expected)


MX_REGION = RegionFacts(id="eu", name="Europe", mx=("in-1.test", "in-2.test"))


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        # RFC 7505 section 3: a null MX is alone.
        (("0 .",), ["mx.null"]),
        (("0 .", "10 in-1.test", "10 in-2.test"), ["mx.null-with-others"]),
        (("10 .", "0 .", "10 in-1.test", "10 in-2.test"), ["mx.duplicate", "mx.null-with-others"]),
        # RFC 5321 section 5.1: a name, never an address.
        (("10 192.0.2.1",), ["mx.old-only", "mx.address-as-host"]),
        # RFC 5321 section 5.1: the implicit MX without any MX record.
        ((), ["mx.none", "mx.implicit-address"]),
    ],
)
def test_mx_records(records: tuple[str, ...], expected: list[str]) -> None:
    zone = "".join(f"example.test MX {each}\n" for each in records)
    zone += "example.test A 192.0.2.9\nin-1.test A 192.0.2.1\nin-2.test A 192.0.2.2\n"

    outcome = asyncio.run(mx.inspect("example.test", MX_REGION, ZoneLookup(zone)))

    assert (outcome.verdict, codes(outcome)) == (FAIL, expected)


def test_mx_alias_is_named() -> None:
    """RFC 2181 section 10.3."""
    zone = (
        "example.test MX 10 mail.example.test\nmail.example.test CNAME h.test\nh.test A 192.0.2.1"
    )

    outcome = asyncio.run(mx.inspect("example.test", MX_REGION, ZoneLookup(zone)))

    assert (outcome.verdict, codes(outcome)) == (FAIL, ["mx.old-only", "mx.alias"])
