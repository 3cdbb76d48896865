"""Zone text as DNS hosts export it: what is read, and the note about each deviation."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from checks.engine.dns.lookup import Record
from checks.engine.preflight import InvalidZoneText, parse_zone_text
from checks.engine.zone_text import ZoneText

DOMAIN = "northwind.test"
MX = "us-smtp-inbound-1.mimecast.com"
LONG_KEY = "v=DKIM1; k=rsa; p=MIIBIjANBgkq" + "A" * 370 + "IDAQAB"

# Text, the values of the records by name and type, and the lines by the code of their note.
Case = tuple[str, dict[tuple[str, str], list[str]], dict[str, tuple[int, ...]]]
CASES: dict[str, Case] = {
    "key-in-one-string": (
        f'mc._domainkey 3600 IN TXT "{LONG_KEY}"',
        {(f"mc._domainkey.{DOMAIN}", "TXT"): [LONG_KEY]},
        # Field case 13.
        {"split": (1,)},
    ),
    "key-in-two-strings": (
        f'mc._domainkey TXT ( "{LONG_KEY[:255]}"\n  "{LONG_KEY[255:]}" )',
        {(f"mc._domainkey.{DOMAIN}", "TXT"): [LONG_KEY]},
        {},
    ),
    # Field case 14.
    "flattened-apex": (
        f"@ 1 IN CNAME site.example.net.\n@ 300 IN MX 10 {MX}.",
        {(DOMAIN, "MX"): [f"10 {MX}"]},
        {"flattened": (1,)},
    ),
    "alias-type": (
        f"@ ALIAS site.example.net.\n@ MX 10 {MX}.",
        {(DOMAIN, "MX"): [f"10 {MX}"]},
        {"flattened": (1,)},
    ),
    "byte-order-mark": (f"\ufeff@ 300 IN MX 10 {MX}.", {(DOMAIN, "MX"): [f"10 {MX}"]}, {}),
    "no-break-spaces": (f"@\u00a0MX\u00a010 {MX}.", {(DOMAIN, "MX"): [f"10 {MX}"]}, {}),
    # Field case 15.
    "doubled-name": (
        f"{DOMAIN} 300 IN MX 10 {MX}.",
        {(f"{DOMAIN}.{DOMAIN}", "MX"): [f"10 {MX}"]},
        {"outside": (1,)},
    ),
    "other-origin": (
        f"$ORIGIN example.net.\n\n@ MX 10 {MX}.",
        {("example.net", "MX"): [f"10 {MX}"]},
        {"outside": (3,)},
    ),
    "target-without-final-dot": (
        f"@ MX 10 {MX}",
        {(DOMAIN, "MX"): [f"10 {MX}"]},
        {"no-final-dot": (1,)},
    ),
    "relative-target": ("@ MX 10 mail", {(DOMAIN, "MX"): [f"10 mail.{DOMAIN}"]}, {}),
    "null-mx": ("@ MX 0 .", {(DOMAIN, "MX"): ["0 ."]}, {}),
    "no-preference": (
        f"@ MX {MX}.",
        {(DOMAIN, "MX"): [f"10 {MX}"]},
        {"no-preference": (1,)},
    ),
    "text-without-quotation-marks": (
        "@ TXT v=spf1 include:us._netblocks.mimecast.com -all",
        {(DOMAIN, "TXT"): ["v=spf1 include:us._netblocks.mimecast.com -all"]},
        {"unquoted": (1,)},
    ),
    "semicolon-in-quotation-marks": (
        '@ TXT "v=DMARC1; p=none" ; a comment',
        {(DOMAIN, "TXT"): ["v=DMARC1; p=none"]},
        {},
    ),
    "escapes": (r'@ TXT "say \"yes\" \065"', {(DOMAIN, "TXT"): ['say "yes" A']}, {}),
    "other-types": (
        f"@ SOA ns1 admin 1 2 3 4 5\n@ A 192.0.2.1\n@ MX 10 {MX}.",
        {(DOMAIN, "MX"): [f"10 {MX}"]},
        {"ignored": (1, 2)},
    ),
    "invalid-address": (
        f"@ A 192.0.2.256\n@ MX 10 {MX}.",
        {(DOMAIN, "MX"): [f"10 {MX}"]},
        {"ignored": (1,)},
    ),
    "u-label": ("münchen MX 0 .", {(f"xn--mnchen-3ya.{DOMAIN}", "MX"): ["0 ."]}, {}),
    "class-before-ttl": (f"@ IN 300 MX 10 {MX}.", {(DOMAIN, "MX"): [f"10 {MX}"]}, {}),
    "windows-export": (
        f"@ [AGE:3691552] 900 MX 10 {MX}.\n@ [Aging:3622222] 900 MX 10 {MX}.",
        {(DOMAIN, "MX"): [f"10 {MX}"]},
        {},
    ),
    "same-owner": (
        f'@ MX 10 {MX}.\n  TXT "v=spf1 -all"',
        {(DOMAIN, "MX"): [f"10 {MX}"], (DOMAIN, "TXT"): ["v=spf1 -all"]},
        {},
    ),
    "parked-address": (
        f"@ 600 IN A Parked\n@ 600 IN A WebsiteBuilder Site\n@ MX 10 {MX}.",
        {(DOMAIN, "MX"): [f"10 {MX}"]},
        {"ignored": (1, 2)},
    ),
    "origin-without-final-dot": (
        f"$TTL 300\n$ORIGIN {DOMAIN}\n@ IN MX 10 {MX}.",
        {(DOMAIN, "MX"): [f"10 {MX}"]},
        {"no-final-dot": (2,)},
    ),
    "origin-of-the-root": (
        f"$ORIGIN .\n{DOMAIN} 300 IN MX 10 {MX}.\n$ORIGIN {DOMAIN}.\nwww CNAME @",
        {(DOMAIN, "MX"): [f"10 {MX}"], (f"www.{DOMAIN}", "CNAME"): [DOMAIN]},
        {},
    ),
    "directives-of-bind": (
        f"$GENERATE 1-100000000 h$ A 192.0.2.1\n$include key.db\n@ MX 10 {MX}.",
        {(DOMAIN, "MX"): [f"10 {MX}"]},
        {"not-read": (1, 2)},
    ),
    "indented-name-like-a-type": (
        f"  mx IN A 192.0.2.1\n  ns CNAME b\n  @ MX 10 {MX}.",
        {(DOMAIN, "MX"): [f"10 {MX}"], (f"ns.{DOMAIN}", "CNAME"): [f"b.{DOMAIN}"]},
        {"ignored": (1,)},
    ),
    "indented-continuation": (
        f"  @ MX 10 {MX}.\n    IN MX 20 b.test.\n  c CNAME d.test.",
        {(DOMAIN, "MX"): [f"10 {MX}", "20 b.test"], (f"c.{DOMAIN}", "CNAME"): ["d.test"]},
        {},
    ),
    "indented-numbers-in-parentheses": (
        f"  @ IN SOA ns. h. (\n  2024010101\n  3600 )\n  @ MX 10 {MX}.",
        {(DOMAIN, "MX"): [f"10 {MX}"]},
        {"ignored": (1,)},
    ),
    "all-lines-indented": (
        f'    @ MX 10 {MX}.\n\n    _dmarc TXT "v=DMARC1; p=none"\n',
        {
            (DOMAIN, "MX"): [f"10 {MX}"],
            (f"_dmarc.{DOMAIN}", "TXT"): ["v=DMARC1; p=none"],
        },
        {},
    ),
    "sign-of-the-origin": (
        f'_dmarc.@ TXT "v=DMARC1; p=none"\n_sip._tls.@ SRV 1 1 443 a.\n@ MX 10 {MX}.',
        {(f"_dmarc.{DOMAIN}", "TXT"): ["v=DMARC1; p=none"], (DOMAIN, "MX"): [f"10 {MX}"]},
        {"ignored": (2,)},
    ),
    "names-of-devices": (
        f"Printer\\032Hall._ipp._tcp SRV 0 0 631 p\nfront+desk A 192.0.2.1\n@ MX 10 {MX}.",
        {(DOMAIN, "MX"): [f"10 {MX}"]},
        {"ignored": (1, 2)},
    ),
    "invisible-characters": (
        f"\u200e@\u2007MX\u200910 {MX}.\u2060\u200e",
        {(DOMAIN, "MX"): [f"10 {MX}"]},
        {"invisible-removed": (1,)},
    ),
    "invisible-character-in-names": (
        "@ MX 10 us-smtp\u200b-inbound-1.mimecast.com.\nmc\u00ad._x CNAME a.\nw\u200b A 192.0.2.1",
        {(DOMAIN, "MX"): [f"10 {MX}"], (f"mc._x.{DOMAIN}", "CNAME"): ["a"]},
        {"invisible-removed": (1, 2), "ignored": (3,)},
    ),
    # IDNA ignores some combining characters, and maps the letters of a name in another script.
    "combining-character-in-names": (
        "us\ufe0f MX 10 mail\u034f.example.com.\n\u00fc MX 10 mail.example.com.",
        {
            (f"us.{DOMAIN}", "MX"): ["10 mail.example.com"],
            (f"xn--tda.{DOMAIN}", "MX"): ["10 mail.example.com"],
        },
        {"invisible-removed": (1,)},
    ),
    "comment-with-the-old-value": (
        "_dmarc TXT v=DMARC1; p=reject; rua=mailto:a@b.test ; p=none",
        {(f"_dmarc.{DOMAIN}", "TXT"): ["v=DMARC1; p=reject; rua=mailto:a@b.test"]},
        {"semicolon": (1,), "comment": (1,)},
    ),
    "tags-behind-quotation-marks": (
        '_dmarc TXT "v=DMARC1"; p=reject\n@ TXT "v=DMARC1; p=none" ; p=reject from May',
        {
            (f"_dmarc.{DOMAIN}", "TXT"): ["v=DMARC1"],
            (DOMAIN, "TXT"): ["v=DMARC1; p=none"],
        },
        {"comment": (1,)},
    ),
    "comment-behind-text": (
        "@ TXT v=spf1 -all ;ours; p=old",
        {(DOMAIN, "TXT"): ["v=spf1 -all"]},
        {"unquoted": (1,), "comment": (1,)},
    ),
    "comment-behind-one-word": (
        "@ TXT MS=ms1234 ; Microsoft 365",
        {(DOMAIN, "TXT"): ["MS=ms1234"]},
        {"comment": (1,)},
    ),
    "comments-in-parentheses": (
        "@ TXT ( v=spf1 ; first\n mx ; second\n -all )",
        {(DOMAIN, "TXT"): ["v=spf1 mx -all"]},
        {"unquoted": (1,), "comment": (1,)},
    ),
    "comment-behind-parentheses": (
        '@ TXT ( "v=spf1 " ; first\n "-all" ) ; second',
        {(DOMAIN, "TXT"): ["v=spf1 -all"]},
        {},
    ),
    "dmarc-without-quotation-marks": (
        "_dmarc TXT v=DMARC1; p=reject; rua=mailto:a@b.test;",
        {(f"_dmarc.{DOMAIN}", "TXT"): ["v=DMARC1; p=reject; rua=mailto:a@b.test"]},
        {"semicolon": (1,)},
    ),
    "dmarc-with-a-comment": (
        "_dmarc TXT v=DMARC1 ;  p=none ; our policy",
        {(f"_dmarc.{DOMAIN}", "TXT"): ["v=DMARC1; p=none"]},
        {"semicolon": (1,)},
    ),
    "dmarc-with-a-bad-tag": (
        "_dmarc TXT v=DMARC1; sp none; p=reject",
        {(f"_dmarc.{DOMAIN}", "TXT"): ["v=DMARC1; sp none; p=reject"]},
        {"semicolon": (1,)},
    ),
    "dkim-without-quotation-marks": (
        "mc._domainkey TXT k=rsa;p=MIIB+/==\nb._domainkey TXT v=DKIM1;k=rsa; p=MIIB",
        {
            (f"mc._domainkey.{DOMAIN}", "TXT"): ["k=rsa;p=MIIB+/=="],
            (f"b._domainkey.{DOMAIN}", "TXT"): ["v=DKIM1;k=rsa; p=MIIB"],
        },
        {"semicolon": (1, 2)},
    ),
    "escaped-semicolons": (
        r"_dmarc TXT v=DMARC1\; p=none",
        {(f"_dmarc.{DOMAIN}", "TXT"): ["v=DMARC1; p=none"]},
        {"unquoted": (1,)},
    ),
    "other-classes": (
        f'@ MX 10 {MX}.\n  CH TXT "v=spf1 -all"\n@ 300 HS MX 20 a.\nch 300 IN MX 30 b.',
        {(DOMAIN, "MX"): [f"10 {MX}"], (f"ch.{DOMAIN}", "MX"): ["30 b"]},
        {"ignored": (2, 3)},
    ),
    "twice": (f"@ MX 10 {MX}.\n@ MX 10 {MX}.", {(DOMAIN, "MX"): [f"10 {MX}"]}, {}),
}


@pytest.mark.parametrize("name", CASES)
def test_exports_are_read_with_notes(name: str) -> None:
    text, records, notes = CASES[name]
    read = parse_zone_text(text, DOMAIN)
    assert isinstance(read, ZoneText), read
    assert {key: [r.value for r in found] for key, found in read.records.items()} == records
    assert {note.code: note.lines for note in read.notes} == notes


SEMICOLON = "line 3: a semicolon begins a comment; put the text in quotation marks"


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("@ MX ten mail", "line 3: “ten” is no MX preference"),
        ("@ MX 70000 mail", "line 3: an MX preference is at most 65535"),
        ("@ MX 10,mail.example.com", "line 3: “10,mail.example.com.” is no name"),
        ("@ TXT ( v=DMARC1; p=none\n ; rua=mailto:a@b.test\n )", SEMICOLON),
        ("@ TXT “v=spf1 -all”", 'line 3: curly quotation marks; use "'),
        ('@ TXT "v=spf1', "line 3: a quotation mark without its end"),
        ("@ TXT (", "line 3: an opening parenthesis without a closing one"),
        ("@ TXT a )", "line 3: a closing parenthesis without an opening one"),
        ("@ TXT", "line 3: a TXT record without a value"),
        ("a..b MX 10 mail", "line 3: “a..b” is no name"),
        ("northwind", "line 3: no record type"),
        ("$TLL 300", "line 3: a directive other than $ORIGIN and $TTL"),
        (
            "us\u2011smtp MX 10 mail",
            "line 3: “us\u2011smtp” is no name, because it contains the character \u2011 (U+2011)",
        ),
        ("Hello, TXT a", "line 3: “Hello,” is no name"),
        ("not a zone", "line 3: this is no A record"),
        ("$TTL soon", "line 3: “soon” is no TTL"),
    ],
)
def test_problem_names_the_line_of_the_pasted_text(line: str, problem: str, ending: str) -> None:
    text = ending.join(["; first", "@ MX 10 mail", line, "@ MX 20 mail"])
    if "opening" in problem and "(" in line:
        text = ending.join(["; first", "@ MX 10 mail", line])
    assert parse_zone_text(text, DOMAIN) == InvalidZoneText(problem)


@pytest.mark.parametrize("line", ["  IN MX 10 a.", " 300 IN MX 10 a.", "\tMX 10 a.\n\tMX 20 b."])
def test_indented_record_without_a_name_is_refused(line: str) -> None:
    """Its first word must not become a name."""
    assert parse_zone_text(line, DOMAIN) == InvalidZoneText("line 1: no name")


@pytest.mark.parametrize(
    "first",
    ["$ORIGIN northwind.test.", "; a comment", "@ IN MX 10 a.", "@ MX 10 a.", "www A 192.0.2.1"],
)
@pytest.mark.parametrize("second", ["IN MX 20 b.", "300 IN MX 20 b.", "300 MX 20 b.", "MX 20 b."])
def test_line_that_lost_its_name_is_refused(first: str, second: str) -> None:
    """As a name, its first word would remove the record from the set of the domain."""
    text = f"  {first}\n  {second}"
    assert parse_zone_text(text, DOMAIN) == InvalidZoneText("line 2: no name")


def test_ttl_is_read_with_units() -> None:
    read = parse_zone_text("$TTL 1h\n@ MX 10 a\nb 5m MX 10 a\nc 1h30m MX 10 a", DOMAIN)
    assert isinstance(read, ZoneText)
    assert [found[0].ttl for found in read.records.values()] == [3600, 300, 5400]


_RECORD_WORDS = ["@", "MX", "TXT", "CNAME", "ALIAS", "IN", "300", "10", "a.", "x" * 300]
_SIGNS = ["(", ")", ";", '"', "\\", "\\999", "$ORIGIN", "$TTL"]
_SPACES = ["\n", "\r", "\t", "\0", "\ufeff", "\ud800"]
_FRAGMENTS = st.sampled_from([*_RECORD_WORDS, *_SIGNS, *_SPACES])


@given(st.lists(_FRAGMENTS, max_size=40).map(" ".join) | st.text(max_size=400))
def test_every_text_is_read_or_refused(text: str) -> None:
    read = parse_zone_text(text, DOMAIN)
    lines = text.count("\n") + text.count("\r") + 1
    if isinstance(read, InvalidZoneText):
        assert read.problem
    else:
        assert all(1 <= line <= lines for note in read.notes for line in note.lines)
        assert all(owner == owner.lower() for owner, _ in read.records)


# Text behind the type, its value as a DNS host publishes it, and the named characters.
INVISIBLE = [
    ("v=spf1\u00a0mx -all", "v=spf1\u00a0mx -all", "a no-break space (U+00A0)"),
    ("v=spf1 mx\u200b -all", "v=spf1 mx\u200b -all", "a zero-width space (U+200B)"),
    ("v=spf1 mx \u200b -all", "v=spf1 mx \u200b -all", "a zero-width space (U+200B)"),
    ("v=DMARC1\\;\u00adp=none", "v=DMARC1;\u00adp=none", "a soft hyphen (U+00AD)"),
    ("\ufeffv=spf1 -all", "\ufeffv=spf1 -all", "a byte order mark (U+FEFF)"),
    (" \u00a0v=spf1 -all", "\u00a0v=spf1 -all", "a no-break space (U+00A0)"),
    ("v=spf1 -all\u00a0", "v=spf1 -all\u00a0", "a no-break space (U+00A0)"),
    ("\u2028v=spf1 -all", "\u2028v=spf1 -all", "the character U+2028"),
    ("v=spf1 mx\u2029-all", "v=spf1 mx\u2029-all", "the character U+2029"),
    ("v=spf1 -all\u0085", "v=spf1 -all\u0085", "the character U+0085"),
    ("v=spf1 mx\x0b-all", "v=spf1 mx\x0b-all", "the character U+000B"),
    ("v=DMARC1; p=reject\u2028", "v=DMARC1; p=reject\u2028", "the character U+2028"),
    ("v=DMARC1; p=reject\u00a0", "v=DMARC1; p=reject\u00a0", "a no-break space (U+00A0)"),
    ('"v=spf1 mx\u2028-all"', "v=spf1 mx\u2028-all", "the character U+2028"),
    ("v=spf1 -all \u202c ", "v=spf1 -all \u202c", "the character U+202C"),
    ("v=DMARC1; p=\u200breject", "v=DMARC1; p=\u200breject", "a zero-width space (U+200B)"),
    ('"v=spf1 mx\u200d -all"', "v=spf1 mx\u200d -all", "the character U+200D"),
    ('"v=spf1 " \u200e"-all"', "v=spf1 \u200e-all", "the character U+200E"),
    ('"v=spf1 -all"\u2060', "v=spf1 -all\u2060", "the character U+2060"),
]


@pytest.mark.parametrize(("typed", "value", "named"), INVISIBLE)
def test_invisible_character_remains_in_the_text(typed: str, value: str, named: str) -> None:
    """Removed, it would let a text pass that receivers discard once it is published."""
    read = parse_zone_text(f"@ MX 10 {MX}.\n@ TXT {typed}", DOMAIN)

    assert isinstance(read, ZoneText)
    assert [record.value for record in read.records[DOMAIN, "TXT"]] == [value]
    found = {note.code: note for note in read.notes}
    assert (found["invisible"].lines, found["invisible"].names) == ((2,), (named,))
    assert found["invisible"].is_prominent


@pytest.mark.parametrize(
    "line",
    [
        '@\u00a0TXT\u00a0"v=spf1 -all"',
        '@\u2028TXT\u0085"v=spf1 -all"',
        '@\u2003300\u2003IN\u2003TXT\u2003"v=spf1 "\u2003"-all"\u00a0',
        "\ufeff@\u00a0IN\u00a0TXT\u00a0v=spf1 -all",
        '\u200f\u202b@ TXT "v=spf1 -all"',
    ],
)
def test_other_spaces_between_fields_separate(line: str) -> None:
    read = parse_zone_text(line, DOMAIN)

    assert isinstance(read, ZoneText)
    assert [record.value for record in read.records[DOMAIN, "TXT"]] == ["v=spf1 -all"]
    assert {note.code for note in read.notes} <= {"unquoted"}


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\n\r")))
@example("v=spf1\u00a0mx -all")
@example("\ufeffv=spf1 mx -all")
@example("v=DMARC1; p=\u200breject")
def test_quoted_text_is_read_unchanged(value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    read = parse_zone_text(f'@ TXT "{quoted}"', DOMAIN)
    assert isinstance(read, ZoneText)
    assert [record.value for record in read.records[DOMAIN, "TXT"]] == [value]


@pytest.mark.parametrize(
    ("escaped", "value"),
    [
        (r"v=spf1\194\160mx", "v=spf1\u00a0mx"),
        (r"\195\188", "ü"),
        (r"a\255b", "a\ufffdb"),
        (r"\;", ";"),
    ],
)
def test_escaped_bytes_are_read_as_servers_send_them(escaped: str, value: str) -> None:
    read = parse_zone_text(f'@ TXT "{escaped}"', DOMAIN)

    assert isinstance(read, ZoneText)
    assert [record.value for record in read.records[DOMAIN, "TXT"]] == [value]


@pytest.mark.parametrize(
    ("text", "ttl"),
    [
        ("@ 300 MX 10 a.test.\n@ 3600 MX 10 A.test.", 3600),
        ("@ 3600 MX 10 a.test.\ncontoso.com. 300 IN MX 10 a.test.", 3600),
        ("@ 300 MX 10 a.test.\n@ 300 MX 10 a.test.", 300),
    ],
)
def test_repeated_record_counts_once(text: str, ttl: int) -> None:
    read = parse_zone_text(text, "contoso.com")

    assert isinstance(read, ZoneText)
    assert read.records == {
        ("contoso.com", "MX"): (Record("contoso.com", "MX", ttl, "10 a.test"),),
    }


@pytest.mark.parametrize(
    "text",
    [
        '{"ResourceRecordSets": []}',
        '\ufeff[{"Name": "contoso.com."}]',
        '\r\n {"value": []}',
    ],
)
def test_json_is_named(text: str) -> None:
    read = parse_zone_text(text, "contoso.com")

    assert read == InvalidZoneText("this is JSON; export the zone as a zone file (BIND format)")
