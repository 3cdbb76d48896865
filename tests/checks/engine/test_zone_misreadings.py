"""Zone text that was misread silently: aliases, TTL in words, unknown types, relative names."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.dns.lookup import LookupFailure, Records
from checks.engine.preflight import InvalidZoneText, ProposedLookup, parse_zone_text
from checks.engine.zone_domains import mail_domains
from checks.engine.zone_text import ZoneText
from tests.checks.engine.dns.zone_lookup import ZoneLookup

DOMAIN = "contoso.com"
Values = dict[tuple[str, str], list[str]]


def _read(text: str, domain: str = DOMAIN) -> ZoneText:
    read = parse_zone_text(text, domain)
    assert not isinstance(read, InvalidZoneText), read
    return read


def _values(read: ZoneText) -> Values:
    return {key: [record.value for record in found] for key, found in read.records.items()}


def _lines(read: ZoneText) -> dict[str, tuple[int, ...]]:
    return {note.code: note.lines for note in read.notes}


# --- Aliases next to other records


@pytest.mark.parametrize(
    ("text", "name", "lines"),
    [
        ('_dmarc CNAME x.test.\n_dmarc TXT "v=DMARC1; p=reject"', "_dmarc", (1, 2)),
        ("mail MX 10 a.test.\nmail CNAME x.test.", "mail", (1, 2)),
        ("a TXT b\n\na.contoso.com. CNAME x.test.", "a", (1, 3)),
        ("a CNAME x.test.\na CNAME y.test.", "a", (1, 2)),
        ("a CNAME x.test.\na A 192.0.2.1", "a", (1,)),
        ("a CNAME x.test.\n  CAA 0 issue x", "a", (1,)),
    ],
)
def test_alias_with_other_records_is_a_prominent_fault(
    text: str, name: str, lines: tuple[int, ...]
) -> None:
    notes = {note.code: note for note in _read(text).notes if note.is_prominent}

    assert list(notes) == ["alias-conflict"]
    assert notes["alias-conflict"].lines == lines
    assert notes["alias-conflict"].names == (f"{name}.{DOMAIN}",)


@pytest.mark.parametrize(
    ("text", "domain", "code"),
    [
        ("@ CNAME x.test.\n@ MX 10 a.test.", DOMAIN, "flattened"),
        ("@ CNAME x.test.\n@ MX 10 a.test.", "mail.contoso.com", "alias-conflict"),
        ("@ SOA a b 1 2 3 4 5\n@ CNAME x.\n@ MX 10 a.", "mail.contoso.com", "flattened"),
        ("contoso.com CNAME x.test.\ncontoso.com MX 10 a.test.", DOMAIN, "flattened"),
        ("other.net. CNAME x.test.\nother.net. MX 10 a.test.", DOMAIN, "flattened"),
        ("a CNAME x.test.\na CNAME x.test.", DOMAIN, ""),
        ("a CNAME x.test.\nb MX 10 a.test.", DOMAIN, ""),
        ("a CNAME x.test.\na RRSIG CNAME 8 3 1 1 1 1 a. b\na NSEC b CNAME", DOMAIN, ""),
        ("a CNAME x.test.\na CH TXT b", DOMAIN, ""),
        ("a CNAME x.test.\na ALIAS y.test.", DOMAIN, "flattened"),
    ],
)
def test_alias_of_a_zone_is_no_fault(text: str, domain: str, code: str) -> None:
    found = {note.code for note in _read(text, domain).notes} & {"flattened", "alias-conflict"}

    assert found == ({code} if code else set())


@pytest.mark.parametrize(
    ("text", "rtype", "is_answered"),
    [
        ("a CNAME x.test.\na TXT b", "TXT", False),
        ("a CNAME x.test.\na TXT b", "CNAME", False),
        ("a CNAME x.test.\na CNAME y.test.", "CNAME", False),
        ("a CNAME x.test.", "CNAME", True),
        ("a TXT b", "TXT", True),
        ("@ CNAME x.test.\n@ TXT b\na TXT b", "TXT", True),
    ],
)
def test_no_answer_comes_from_records_that_no_zone_can_have(
    text: str, rtype: str, is_answered: bool
) -> None:
    lookup = ProposedLookup(_read(text).records, ZoneLookup(""))

    answer = asyncio.run(lookup.resolve(f"a.{DOMAIN}", rtype))

    assert isinstance(answer, Records) is is_answered
    assert is_answered or answer == LookupFailure("not-queried")
    assert lookup.used


# --- TTL in words, and the output of tools


@pytest.mark.parametrize(
    ("head", "ttl"),
    [
        ("@ Auto IN", 3600),
        ("@ IN automatic", 3600),
        ("@ Default", 3600),
        ("@ (Auto)", 3600),
        ("@ 1 Hour", 3600),
        ("@ IN 4 hrs", 14_400),
        ("@ 30 min IN", 1800),
        ("@ 5 Minutes", 300),
        ("@ 1/2 Hour", 1800),
        ("@ 2 days", 172_800),
        ("@ 1 Week", 604_800),
        ("@ 90 sec.", 90),
        ("@ 1 h", 3600),
        ("@ 9999999999 weeks", 2**31 - 1),
        ("@ 1h30m", 5400),
        ("@ [AGE:1] 1 hour", 3600),
    ],
)
def test_ttl_in_words_is_read(head: str, ttl: int) -> None:
    read = _read(f"{head} MX 10 a.test.")

    assert _values(read) == {(DOMAIN, "MX"): ["10 a.test"]}
    assert read.records[DOMAIN, "MX"][0].ttl == ttl
    assert read.notes == ()


@pytest.mark.parametrize("name", ["auto", "default", "1", "hour", "day"])
def test_word_of_a_ttl_may_be_a_name(name: str) -> None:
    assert list(_values(_read(f"{name} MX 10 a.test."))) == [(f"{name}.{DOMAIN}", "MX")]


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("contoso.com mail is handled by 10 a.test.", (DOMAIN, "MX"), "10 a.test"),
        ("contoso.com\tmail exchanger = 10 a.test.", (DOMAIN, "MX"), "10 a.test"),
        (
            "contoso.com\tMX preference = 10, mail exchanger = a.test.",
            (DOMAIN, "MX"),
            "10 a.test",
        ),
        ('contoso.com descriptive text "v=spf1 " "-all"', (DOMAIN, "TXT"), "v=spf1 -all"),
        ('contoso.com\ttext = "v=spf1 -all"', (DOMAIN, "TXT"), "v=spf1 -all"),
        ("a.contoso.com is an alias for b.test.", (f"a.{DOMAIN}", "CNAME"), "b.test"),
        ("a.contoso.com\tcanonical name = b.test.", (f"a.{DOMAIN}", "CNAME"), "b.test"),
        ("other.net mail is handled by 10 a.test.", ("other.net", "MX"), "10 a.test"),
    ],
)
def test_output_of_tools_is_read(line: str, key: tuple[str, str], value: str) -> None:
    read = _read(line)

    assert _values(read) == {key: [value]}
    assert set(_lines(read)) == ({"outside"} if key[0] == "other.net" else set())


# --- Unknown types


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("@ 300 IN MXX 10 a.test.", "MXX"),
        ("@ 300 TEXT b", "TEXT"),
        ("@ 300 CNMAE a.test.", "CNMAE"),
        ("@ 300 TTL IN MX 10 a.test.", "TTL"),
        ("@ Soon MX 10 a.test.", "SOON"),
        ("MX mail 10 a.test.", "MAIL"),
        ("TXT www b", "WWW"),
        ('@ 300 RECORD "v=spf1 -all"', "RECORD"),
        ("@ 300 DMARC v=DMARC1", "DMARC"),
        ("@ MAIL-SERVER 10 a.test.", "MAIL-SERVER"),
        ("contoso.com has no MX record", "HAS"),
        # RFC 3597 section 5: an MX, TXT or CNAME record without its name.
        ("@ TYPE15 \\# 4 000a0000", "TYPE15"),
        ("@ 300 IN TYPE016 \\# 2 0161", "TYPE016"),
        ("a TYPE5 \\# 1 00", "TYPE5"),
    ],
)
def test_line_of_an_unknown_type_is_noted_prominently(line: str, named: str) -> None:
    read = _read(f"@ TXT b\n{line}")

    notes = [(note.code, note.lines, note.names) for note in read.notes if note.is_prominent]
    assert notes == [("unknown-type", (2,), (named,))]


@pytest.mark.parametrize(
    "line",
    [
        "www URL301 http://www.test/",
        "www URL 301 www.contoso.com",
        "@ SPF x",
        "@ TLSA 3 1 1 abcd",
        "@ KX 10 a.test.",
        "@ TYPE65534 b",
        "@ TYPE155 b",
        "@ HTTPS 1 . alpn=h2",
        "@ MB a.test.",
        "www WEBFORWARD www.contoso.com",
    ],
)
def test_types_of_zones_and_dns_hosts_are_ignored_quietly(line: str) -> None:
    assert _lines(_read(line)) == {"ignored": (1,)}


_WORDS = ["Auto", "1", "Hour", "MX", "MXX", "TXT", "IN", "300", "10", "is", "mail", "=", "text"]
_NAMES = ["a.test.", "a.co.uk", "@", "handled", "by", "exchanger", "CNAME", "SOA", '"v=spf1"']


@given(st.lists(st.sampled_from([*_WORDS, *_NAMES, "\n"]), max_size=30).map(" ".join))
def test_no_line_is_lost_silently(text: str) -> None:
    """Each line of a read text is a record, or has a note with its number."""
    read = parse_zone_text(text, DOMAIN)
    if isinstance(read, InvalidZoneText):
        assert read.problem
        return
    noted = {line for note in read.notes for line in note.lines}
    for number, line in enumerate(text.split("\n"), start=1):
        words = set(line.upper().split())
        assert number in noted or not words or words & {"MX", "TXT", "CNAME", "HANDLED", "="}


# --- Names without their final dot


@pytest.mark.parametrize(
    ("owner", "domain"),
    [
        ("contoso.co.uk", DOMAIN),
        ("contoso.com", "mail.contoso.com"),
        ("_dmarc.contoso.com", "mail.contoso.com"),
        ("fabrikam.com", DOMAIN),
        ("www.fabrikam.com", DOMAIN),
        ("s1._domainkey.fabrikam.net", DOMAIN),
        ("contoso.de", DOMAIN),
        ("contoso.shop", DOMAIN),
        ("fabrikam.nl", DOMAIN),
        ("*.contoso.com.au", DOMAIN),
        ("other.test", "northwind.test"),
    ],
)
def test_complete_name_without_final_dot_is_noted(owner: str, domain: str) -> None:
    read = _read(f"{owner} 300 IN MX 10 a.test.", domain)

    notes = [(note.code, note.names) for note in read.notes if note.is_prominent]
    assert notes == [("relative-name", (f"{owner}.{domain}",))]
    assert mail_domains(read, domain) == []


@pytest.mark.parametrize(
    "line",
    [
        "_dmarc.news TXT b",
        "s1._domainkey.shop TXT b",
        "www.de CNAME a.test.",
        "mail.fr MX 10 a.test.",
        "autodiscover.app CNAME a.test.",
        "promo.news TXT b",
        "com MX 10 a.test.",
        "_sip._tls.mail TXT b",
        "us MX 10 a.test.",
        "fabrikam.com. CNAME a.test.",
        "$ORIGIN .\ncontoso.com MX 10 a.test.",
    ],
)
def test_name_of_a_sub_domain_is_not_noted(line: str) -> None:
    assert "relative-name" not in _lines(_read(line))
