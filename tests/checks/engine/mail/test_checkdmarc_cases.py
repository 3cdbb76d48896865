"""The records and policies of checkdmarc's tests, with the results of our parsers.

Source: checkdmarc 6 of domainaware, its tests of DMARC and MTA-STS, licensed under the Apache
License 2.0. Its source distribution has no tests, so that the records are here. A comment names
each result that differs from theirs, with its reason.
"""

from __future__ import annotations

import pytest

from checks.engine.mail import dmarc_records, mta_sts_policy
from checks.engine.mail.dmarc_records import DmarcPolicy, InvalidDmarcRecord
from checks.engine.mail.mta_sts_policy import InvalidMtaSts, MtaStsPolicy

# Each record with p, sp and np, and the discarded parts.
VALID_DMARC = {
    "v=DMARC1;p=ReJect": ("reject reject reject", ()),
    "v = DMARC1;p=reject;": ("reject reject reject", ()),
    "v = DMARC1\t;\tp=reject\t;": ("reject reject reject", ()),
    "v = DMARC1\t;\tp\t\t\t=\t\t\treject\t;": ("reject reject reject", ()),
    "V=DMARC1;p=reject;": ("reject reject reject", ()),
    "v=DMARC1; p=reject; np=quarantine": ("reject reject quarantine", ()),
    "v=DMARC1; p=reject; psd=n": ("reject reject reject", ()),
    "v=DMARC1; p=reject; t=y": ("reject reject reject", ()),
    "v=DMARC1; p=reject; pct=100": ("reject reject reject", ()),
    "v=DMARC1; p=reject; rf=afrf": ("reject reject reject", ()),
    "v=DMARC1; p=reject; ri=3600": ("reject reject reject", ()),
    "v=DMARC1; rua=mailto:dmarc@example.com": ("none none none", ()),
    "v=DMARC1; p=reject; sp=quarantine": ("reject quarantine quarantine", ()),
    "v=DMARC1; p=reject": ("reject reject reject", ()),
    "v=DMARC1; p=none; sp=none; fo=1; pct=50; adkim=r; aspf=r; rf=afrf; ri=86400; "
    "rua=mailto:eits.dmarcrua@energy.gov; ruf=mailto:eits.dmarcruf@energy.gov": (
        "none none none",
        (),
    ),
    # RFC 9989 section 4.8: no tag is required.
    "v=DMARC1": ("none none none", ()),
    "v=DMARC1;": ("none none none", ()),
    "v=DMARC1; p=none; rua=mailto:a%2Cb@example.com": ("none none none", ()),
    "v=DMARC1; p=reject; foobar=baz": ("reject reject reject", ()),
    "v=DMARC1; p=reject; xyz=foo": ("reject reject reject", ()),
    "v=DMARC1; p=none; rua=https://dmarc.example.com/submit": ("none none none", ()),
    "v=DMARC1; p=REJECT; rua=mailto:DMARC-Reports@example.com": ("reject reject reject", ()),
    "v=DMARC1; p=reject; adkim=x; aspf=q": ("reject reject reject", ("adkim=x", "aspf=q")),
    "v=DMARC1; p=reject; adkim=s; aspf=s": ("reject reject reject", ()),
    "v=DMARC1; p=reject; sp=none": ("reject none none", ()),
    "v=DMARC1; sp=none; p=reject": ("reject none none", ()),
    "v=DMARC1; p=reject; rf=invalid": ("reject reject reject", ()),
    # The tags that checkdmarc rejects, or reads as RFC 9989 alone does. RFC 7489 section 6.3 and
    # RFC 9989 section 4.8 discard a bad value, and the policy remains.
    "v=DMARC1; p=reject; np=invalid": ("reject reject reject", ("np=invalid",)),
    "v=DMARC1; p=reject; psd=x": ("reject reject reject", ("psd=x",)),
    "v=DMARC1; p=reject; t=x": ("reject reject reject", ("t=x",)),
    "v=DMARC1; p=reject; sp=invalid": ("reject reject reject", ("sp=invalid",)),
    "v=DMARC1; p=reject; fo=invalid_value": ("reject reject reject", ("fo=invalid_value",)),
    "v=DMARC1; p=reject; fo=x": ("reject reject reject", ("fo=x",)),
    "v=DMARC1; p=reject; pct=150": ("reject reject reject", ("pct=150",)),
    "v=DMARC1; p=reject; pct=-1": ("reject reject reject", ("pct=-1",)),
    "v=DMARC1; p=reject; pct=abc": ("reject reject reject", ("pct=abc",)),
    "v=DMARC1; p=reject; ri=abc": ("reject reject reject", ("ri=abc",)),
    # RFC 7489 section 6.3 permits these values of fo; it concerns failure reports alone.
    "v=DMARC1; p=reject; fo=0:1": ("reject reject reject", ()),
    "v=DMARC1; p=reject; fo=d:d": ("reject reject reject", ()),
    # checkdmarc rejects a repeated tag. Receivers apply either value: the stricter counts.
    "v=DMARC1; p=reject; p=none": ("reject reject reject", ("p=none",)),
    # RFC 7489 section 6.6.3 step 6: with a report address, a bad p= means none.
    "v=DMARC1; p=foo; rua=mailto:dmarc@example.com": ("none none none", ("p=foo",)),
    # A bad report address stops no policy. It is a finding of its own.
    "v=DMARC1; p=none; rua=reports@dmarc.cyber.dhs.gov,mailto:dmarcreports@usdoj.gov": (
        "none none none",
        (),
    ),
    "v=DMARC1; p=none; rua=__mailto:reports@dmarc.cyber.dhs.gov,mailto:dmarcreports@usdoj.gov": (
        "none none none",
        (),
    ),
    "v=DMARC1; p": ("none none none", ("p",)),
}


@pytest.mark.parametrize(("record", "expected"), VALID_DMARC.items())
def test_dmarc_record(record: str, expected: tuple[str, tuple[str, ...]]) -> None:
    read = dmarc_records.parse(record)

    assert isinstance(read, DmarcPolicy)
    policies = f"{read.policy} {read.subdomain_policy} {read.nonexistent_policy}"
    assert (policies, read.ignored) == expected


@pytest.mark.parametrize(
    "record",
    [
        "v=dmarc1; p=reject",
        "v=DMARC10; p=reject",
        " v=DMARC1; p=reject",
        "v=spf1 include:example.com -all",
        "some random txt record",
    ],
)
def test_text_is_no_dmarc_record(record: str) -> None:
    assert dmarc_records.select([record]) == []
    assert isinstance(dmarc_records.parse(record), InvalidDmarcRecord)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("v=STSv1; id=20240101T010101", "20240101T010101"),
        ("v=STSv1; id=abc; extension=foo", "abc"),
        ("v=STSv1 ; id=abc123", "abc123"),
        ("v=STSv1;", InvalidMtaSts("id=")),
        ("v=STSv1; id=" + "a" * 33, InvalidMtaSts("id=" + "a" * 33)),
        ("v=STSv1; id =abc", InvalidMtaSts("id =abc")),
        ("v =STSv1; id=abc", InvalidMtaSts("v =STSv1")),
        ("v= STSv1; id=abc", InvalidMtaSts("v= STSv1")),
        ("V=STSv1; id=abc", InvalidMtaSts("V=STSv1")),
        # checkdmarc uses the first id. Section 3.1 does not state which one counts.
        ("v=STSv1; id=foo; id=bar", InvalidMtaSts("id=foo; id=bar")),
    ],
)
def test_mta_sts_record(record: str, expected: str | InvalidMtaSts) -> None:
    assert mta_sts_policy.parse_id(record) == expected


END = "max_age: 86400\r\nmx: mail.example.com\r\n"


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        (f"version: STSv1\r\nmode: enforce\r\n{END}", "enforce"),
        ("version: STSv1\nmode: testing\nmax_age: 3600\nmx: *.example.com\n", "testing"),
        ("version: STSv1\r\nmode: enforce\nmax_age: 86400\r\nmx: mail.example.com\n", "enforce"),
        (f"version: STSv1\r\nmode: enforce\r\nmode: testing\r\n{END}", "enforce"),
        (f"version: STSv1\r\nmode: enforce\r\n{END}foo_ext: bar\r\n", "enforce"),
    ],
)
def test_mta_sts_policy(text: str, mode: str) -> None:
    read = mta_sts_policy.parse(text.encode())

    assert isinstance(read, MtaStsPolicy)
    assert read.mode == mode


@pytest.mark.parametrize(
    "text",
    [
        "",
        "version: STSv1\r\nmode: none\r\n",
        "version: STSv1\r\nmode: enforce\r\nmax_age: -1\r\nmx: mail.example.com\r\n",
        "version: STSv1\r\nmode: enforce\r\nmx: not a hostname!\r\nmax_age: 86400\r\n",
        "version: STSv1\r\nmode: enforce\r\nmax_age: 86400.5\r\nmx: mail.example.com\r\n",
        "version: STSv1\r\nmode: enforce\r\nmax_age: 99999999\r\nmx: mail.example.com\r\n",
        "version: STSv1\r\nmode: enforce\r\nmax_age: abc\r\nmx: mail.example.com\r\n",
        f"version: STSv2\r\nmode: enforce\r\n{END}",
        f"version: STSv1\r\nmode: invalid\r\n{END}",
        "version: STSv1\r\nmode: enforce\r\nmax_age: 86400\r\n",
        "version: STSv1\r\nnot_a_pair\r\n",
        "version: STSv1\r\nmode: none\r\nmax_age: 1_000\r\n",
        "version: STSv1\r\nmode: none\r\nmax_age: +5\r\n",
        "version: STSv1\r\nmode: enforce\r\nmax_age: 86400\r\nmx: mail.*.example.com\r\n",
        "version: STSv1\r\nmode: enforce\r\nmax_age: 86400\r\nmx: *example.com\r\n",
        "version: STSv1\r\nmode: enforce\r\nmax_age: 86400\r\nmx: ..--\r\n",
        "version: STSv1\x0bmode: none\x0bmax_age: 86400",
    ],
)
def test_mta_sts_policy_is_invalid(text: str) -> None:
    assert isinstance(mta_sts_policy.parse(text.encode()), InvalidMtaSts)


@pytest.mark.parametrize(
    ("host", "pattern", "permitted"),
    [
        ("mail.example.com", "mail.example.com", True),
        ("mail.example.com", "*.example.com", True),
        ("smtp1.example.com", "*.example.com", True),
        ("mail.other.com", "*.example.com", False),
        ("foo.bar.example.com", "*.example.com", False),
        ("mail.example.com.evil.com", "*.example.com", False),
        ("bad-example.com", "example.com", False),
        ("example.com", "*.example.com", False),
    ],
)
def test_mta_sts_pattern(host: str, pattern: str, permitted: bool) -> None:
    assert MtaStsPolicy("enforce", 60, (pattern,)).permits(host) is permitted
