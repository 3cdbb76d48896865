"""Tests of the cell types: accepted text, normalised values and error messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboarding.requirements import cell_types
from onboarding.requirements.cell_types import BadValue, Parse
from onboarding.requirements.columns import ValidationContext
from onboarding.requirements.definitions import DEFINITIONS
from onboarding.requirements.validation import read_entry

AROUND = ValidationContext(frozenset({"northwind.test"}))


@pytest.mark.parametrize(
    ("parse", "typed", "normalised"),
    [
        (cell_types.address, "Ann@Example.COM", "Ann@example.com"),
        (cell_types.address, "Ann Other <ann@example.com>", "ann@example.com"),
        (cell_types.address, "MAILTO:ann@example.com", "ann@example.com"),
        (cell_types.address, "smtp:ann@example.com", "ann@example.com"),
        (cell_types.address, "SMTP: ann@example.com", "ann@example.com"),
        (cell_types.address, "Ann <smtp:ann@example.com>", "ann@example.com"),
        (cell_types.address, '"Ann" [SMTP:ann@example.com]', "ann@example.com"),
        (cell_types.address, '"ann@example.com" [SMTP:ann@example.com]', "ann@example.com"),
        (cell_types.address, "'ann@example.com' <Ann@Example.com>", "Ann@example.com"),
        (cell_types.address_or_domain, "smtp:example.com", "example.com"),
        (cell_types.domain, "SMTP:@example.com", "example.com"),
        (cell_types.free_text, "SMTP:ann@example.com", "ann@example.com"),
        (cell_types.free_text, "smtp: relay of the scanner", "smtp: relay of the scanner"),
        (cell_types.address, "o'brien+tag@bücher.example", "o'brien+tag@xn--bcher-kva.example"),
        (cell_types.domain, "Example.COM.", "example.com"),
        (cell_types.domain, "@example.com", "example.com"),
        (cell_types.address_or_domain, "@example.com", "example.com"),
        (cell_types.address_or_domain, "ann@example.com", "ann@example.com"),
        (cell_types.host, "[2001:DB8::1]", "2001:db8::1"),
        (cell_types.host, "Mail.Example.com", "mail.example.com"),
        (cell_types.single_ip, "8.8.8.8/32", "8.8.8.8"),
        (cell_types.single_ip, "::ffff:808:808", "::ffff:8.8.8.8"),
        (cell_types.ip_or_network, "::ffff:808:808", "::ffff:8.8.8.8"),
        (cell_types.single_ip, "2001:4860:4860:0::8888", "2001:4860:4860::8888"),
        (cell_types.ip_or_network, "8.8.4.0/24", "8.8.4.0/24"),
        (cell_types.ip_or_network, "8.8.4.4", "8.8.4.4"),
        (cell_types.ip_or_network, "8.8.4.4/32", "8.8.4.4"),
        (cell_types.port, "025", "25"),
        (cell_types.port, "25.0", "25"),
        (cell_types.port, "2525,00", "2525"),
        (cell_types.count, "10,0", "10"),
        (cell_types.count, "1.250", "1250"),
        (cell_types.spf_domain, "_spf.Salesforce.com.", "_spf.salesforce.com"),
        (cell_types.spf_domain, "include:_a._spf.example.com", "_a._spf.example.com"),
        (cell_types.spf_domain, "?include: spf.bücher.example", "spf.xn--bcher-kva.example"),
        (cell_types.spf_domain, "redirect=example.com", "example.com"),
        (
            cell_types.spf_domain,
            "include:eu._netblocks.mimecast.com",
            "eu._netblocks.mimecast.com",
        ),
        (cell_types.spf_domain, "spf1._spf.example.com", "spf1._spf.example.com"),
        (cell_types.count, "1,250", "1250"),
        (cell_types.colour, "0F5F73", "#0f5f73"),
        (cell_types.url_prefix, "North-Wind", "north-wind"),
        (cell_types.free_text, "'=1+1", "=1+1"),
        (cell_types.free_text, "O'Brien's rule", "O'Brien's rule"),
    ],
)
def test_value_is_normalised(parse: Parse, typed: str, normalised: str) -> None:
    assert parse(typed) == normalised
    assert parse(normalised) == normalised


@pytest.mark.parametrize(
    ("parse", "typed", "reason"),
    [
        (cell_types.address, "ann", "“ann” is not an e-mail address"),
        (cell_types.address, "a@b@example.com", "more than one @"),
        (cell_types.address, "a@x.example; b@x.example", "more than one @"),
        (cell_types.address, "other@x.example <ann@example.com>", "more than one @"),
        (cell_types.address, "sip:ann@example.com", "an address of the type SIP"),
        (cell_types.address, "X500:/o=Org/cn=Recipients/cn=ann", "an address of the type X500"),
        (cell_types.address, "SPO:SPO_1a@SPO_2b", "an address of the type SPO"),
        (cell_types.address_or_domain, "x500:/o=Org/ou=a/cn=ann", "an address of the type X500"),
        (cell_types.address_or_domain, '"Ann" [EX:/o=Org/cn=ann]', "an address of the type EX"),
        (cell_types.address_or_domain, "Carl Contact", "is a name; enter the e-mail address"),
        (cell_types.address_or_domain, "/o=Org/ou=a/cn=Recipients/cn=ann", "a name in a directory"),
        (cell_types.address_or_domain, "CN=Ann,OU=Users,DC=example", "a name in a directory"),
        (cell_types.address_or_domain, "example.com/Users/Ann Other", "a name in a directory"),
        (cell_types.spf_domain, "a_b.example.com", "contains an underscore"),
        (cell_types.spf_domain, "_spf.com", "only one part"),
        (cell_types.spf_domain, "a!._spf.example.com", "contains “!”"),
        (cell_types.domain, "sip:example.com", "an address of the type SIP"),
        (cell_types.address, "*@example.com", "enter the domain example.com"),
        (cell_types.address, "a..b@example.com", "cannot be the part"),
        (cell_types.address, "a b@example.com", "cannot be the part"),
        (cell_types.address, "=cmd@example.com", "spreadsheets run as a formula"),
        (cell_types.address, f"{'a' * 65}@example.com", "cannot be the part"),
        (cell_types.address, "ann@localhost", "only one part"),
        (cell_types.domain, "*.example.com", "Did you mean example.com?"),
        (cell_types.domain, "https://example.com/x", "web address"),
        (cell_types.domain, "8.8.8.8", "IP address"),
        (cell_types.single_ip, "8.8.4.0/24", "is a network"),
        (cell_types.single_ip, "10.0.0.5", "not a public address"),
        (cell_types.host, "10.0.0.5", "is an address of a private network"),
        (cell_types.delivery_hosts, "mail.example.com, 10.0.0.5:25", "of a private network"),
        (cell_types.single_ip, "203.0.113.5", "not a public address"),
        (cell_types.single_ip, "224.0.0.1", "not a public address"),
        (cell_types.single_ip, "8.8.8.8-8.8.8.10", "is a range"),
        (cell_types.single_ip, "008.8.8.8", "not an IP address"),
        (cell_types.ip_or_network, "8.8.4.4/24", "Did you mean 8.8.4.0/24?"),
        (cell_types.ip_or_network, "0.0.0.0/0", "too much of the internet"),
        (cell_types.ip_or_network, "mail.example", "not an IP address"),
        (cell_types.port, "0", "not a port"),
        (cell_types.port, "65536", "not a port"),
        (cell_types.port, "٢٥", "not a port"),
        (cell_types.count, "many", "not a whole number"),
        (cell_types.colour, "teal", "not a colour"),
        (cell_types.url_prefix, "north wind", "cannot be a prefix"),
        (cell_types.refuse_unreadable, "#REF!", "error of the spreadsheet"),
        (cell_types.refuse_unreadable, "Jos\ufffd", "could not be read"),
        (cell_types.refuse_unreadable, "a\x00b", "cannot be stored"),
        (cell_types.refuse_unreadable, "\ud800", "cannot be stored"),
        (cell_types.refuse_unreadable, "x" * 2001, "at most 2000"),
    ],
)
def test_bad_value_is_refused(parse: Parse, typed: str, reason: str) -> None:
    with pytest.raises(BadValue) as refused:
        parse(typed)

    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("typed", "normalised"),
    [
        ("\ufeffann\u00a0other\u200b ", "ann other"),
        ("  two\r\nlines\t", "two lines"),
        ("Jose\u0301", "José"),
    ],
)
def test_invisible_characters_are_removed(typed: str, normalised: str) -> None:
    assert cell_types.clean(typed) == normalised


@pytest.mark.parametrize(
    ("kind", "column", "typed", "normalised"),
    [
        ("tls-partners", "direction", "Secure Delivery", "outgoing"),
        ("tls-partners", "direction", "", "both"),
        ("tls-partners", "mode", "STRICT", "enforced"),
        ("tls-partners", "mode", "opportunistic", "relaxed"),
        ("global-senders", "action", "Allowed", "permit"),
        ("global-senders", "action", "denied", "block"),
        ("spoofing-exceptions", "method", "spf bypass", "SPF"),
        ("forwarding", "what", "", "forward"),
    ],
)
def test_synonyms_of_choices_are_accepted(
    kind: str, column: str, typed: str, normalised: str
) -> None:
    parse = next(c for c in DEFINITIONS[kind].columns if c.name == column)

    assert (parse.parse(typed) if typed else parse.default) == normalised


def problems(kind: str, **typed: str) -> dict[str, str]:
    return read_entry(DEFINITIONS[kind], typed, AROUND).problems


def test_own_domain_cannot_be_permitted() -> None:
    for sender in ("northwind.test", "ceo@northwind.test"):
        assert list(problems("global-senders", sender=sender, action="permit")) == ["sender"]
        assert problems("global-senders", sender=sender, action="block") == {}
    assert problems("global-senders", sender="notnorthwind.test", action="permit") == {}


@pytest.mark.parametrize(
    ("method", "source", "is_good"),
    [
        ("address", "8.8.4.0/24", True),
        ("SPF", "spf.sender.example", True),
        ("address", "spf.sender.example", False),
        ("SPF", "8.8.4.0/24", False),
    ],
)
def test_spoofing_source_must_fit_its_method(method: str, source: str, is_good: bool) -> None:
    found = problems("spoofing-exceptions", service="News", method=method, source=source)

    assert (found == {}) is is_good
    assert is_good or list(found) == ["source"]


def test_missing_required_value_is_named() -> None:
    assert problems("tls-partners", mode="enforced") == {"domain": "Partner’s domain is missing."}


def test_equal_entries_have_equal_keys() -> None:
    kind = DEFINITIONS["managed-senders"]
    rows = [
        {"user": "Ann@Northwind.test", "sender": "News.Example", "action": "permit"},
        {"user": "ann@northwind.TEST.", "sender": "@news.example", "action": "allow"},
    ]

    keys = {read_entry(kind, row, AROUND).key for row in rows}

    assert keys == {"ann@northwind.test | news.example"}


def test_separator_in_cell_keeps_keys_distinct() -> None:
    kind = DEFINITIONS["forwarding"]
    a = read_entry(kind, {"target": "a.example", "source": "b | c"}, AROUND)
    b = read_entry(kind, {"target": "a.example", "source": "b"}, AROUND)

    assert a.key != b.key
    assert a.key.startswith("sha256:")


@given(
    st.sampled_from(sorted(DEFINITIONS)),
    st.dictionaries(st.text(max_size=10), st.text(max_size=60)),
)
def test_valid_row_has_no_problem_and_no_error(kind: str, typed: dict[str, str]) -> None:
    columns = DEFINITIONS[kind].columns
    row = dict(zip([c.name for c in columns], typed.values(), strict=False))

    entry = read_entry(DEFINITIONS[kind], row, AROUND)

    assert bool(entry.problems) != bool(entry.key)
    assert len(entry.key) <= 200


@given(st.text(max_size=80))
def test_normalising_is_idempotent(text: str) -> None:
    kind = DEFINITIONS["forwarding"]
    first = read_entry(kind, {"target": "a.example", "note": text, "source": text}, AROUND)

    if not first.problems:
        again = read_entry(kind, first.values, AROUND)
        assert (again.values, again.key) == (first.values, first.key)
