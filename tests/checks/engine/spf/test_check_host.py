"""The whole result of `check_host`: the term that decided, its path, the lookups and problems."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from checks.engine.spf.check_host import (
    CheckHostResult,
    IncludeResults,
    SpfResult,
    check_host,
    is_fqdn,
)
from checks.engine.spf.terms import parse_term
from tests.checks.engine.dns.zone_lookup import ZoneLookup

ME = "one.test"
PASS, FAIL, NEUTRAL = SpfResult.PASS, SpfResult.FAIL, SpfResult.NEUTRAL
PERMERROR, TEMPERROR = SpfResult.PERMERROR, SpfResult.TEMPERROR
# A label of 64 characters: no valid name.
LONG = f"{'a' * 64}.test"
HOSTS = f"""
{LONG} TXT "v=spf1 all"
host.test A 192.0.2.1
host.test AAAA 2001:db8::1
mail.test MX 10 gone.test
mail.test MX 20 host.test
slow.test TROUBLE timeout
slowmx.test MX 10 slow.test
in.test TXT "v=spf1 ip4:192.0.2.0/24 -all exp=why-in.test"
out.test TXT "v=spf1 ip4:198.51.100.0/24 -all exp=why-in.test"
void.test TXT "v=spf1 a:gone.test ~all"
ptr.test TXT "v=spf1 ptr ~all"
outer.test TXT "v=spf1 include:ptr.test ~all"
why.test TXT "%{{i}} may not send for %{{d}} of %{{s}}"
why-in.test TXT "in"
"""


def run(record: str, ip: str = "192.0.2.1", zone: str = "", **given: Any) -> CheckHostResult:
    lookup = ZoneLookup(f'one.test TXT "v=spf1 {record}"\n{HOSTS}{zone}')
    sender, helo = given.pop("sender", "jo@one.test"), given.pop("helo", "helo.test")
    domain = given.pop("domain", ME)
    return asyncio.run(check_host(ip, domain, sender, helo, lookup=lookup, **given))


def result(
    spf: SpfResult, matched: str = "", path: tuple[str, ...] = (ME,), **other: Any
) -> CheckHostResult:
    term = parse_term(matched) if matched else None
    return CheckHostResult(result=spf, matched=term, path=path, **other)


def error(spf: SpfResult, problem: str, detail: str, **other: Any) -> CheckHostResult:
    return CheckHostResult(result=spf, problem=problem, detail=detail, **other)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("-all", result(FAIL, "-all")),
        ("mx:gone.test ?all", result(NEUTRAL, "?all", lookups=1, void_lookups=1)),
        ("", result(NEUTRAL)),
        ("ip4:192.0.2.1", result(PASS, "ip4:192.0.2.1")),
        ("ip6:::/0 ~ip4:192.0.2.0/24", result(SpfResult.SOFTFAIL, "~ip4:192.0.2.0/24")),
        ("a:host.test", result(PASS, "a:host.test", lookups=1)),
        ("a -all", result(FAIL, "-all", lookups=1, void_lookups=1)),
        ("mx:mail.test", result(PASS, "mx:mail.test", lookups=1)),
        ("exists:host.test", result(PASS, "exists:host.test", lookups=1)),
        ("exists:gone.test -all", result(FAIL, "-all", lookups=1, void_lookups=1)),
        ("exists:%{i}.test", result(NEUTRAL, lookups=1, void_lookups=1, is_dynamic=True)),
        ("ptr -all", result(FAIL, "-all", lookups=1, is_dynamic=True)),
        (
            "a:gone.test include:in.test -all",
            result(PASS, "ip4:192.0.2.0/24", (ME, "in.test"), lookups=2, void_lookups=1),
        ),
        ("include:out.test -all", result(FAIL, "-all", lookups=1)),
        ("include:void.test -all", result(FAIL, "-all", lookups=2, void_lookups=1)),
        ("include:ptr.test -all", result(FAIL, "-all", lookups=2, is_dynamic=True)),
        ("include:outer.test -all", result(FAIL, "-all", lookups=3, is_dynamic=True)),
        (f"include:{LONG}", error(PERMERROR, "no-record", LONG, lookups=1)),
        ("-include:in.test", result(FAIL, "ip4:192.0.2.0/24", (ME, "in.test"), lookups=1)),
        (
            "redirect=out.test",
            result(FAIL, "-all", (ME, "out.test"), lookups=1, explanation="in"),
        ),
        # The explanation is of the including record, not of the included one.
        (
            "-include:in.test exp=why.test",
            result(
                FAIL,
                "ip4:192.0.2.0/24",
                (ME, "in.test"),
                lookups=1,
                explanation="192.0.2.1 may not send for one.test of jo@one.test",
            ),
        ),
        ("all exp=why.test", result(PASS, "all")),
        ("include:gone.test all", error(PERMERROR, "no-record", "gone.test", lookups=1)),
        ("redirect=gone.test", error(PERMERROR, "no-record", "gone.test", lookups=1)),
        ("include:slow.test", error(TEMPERROR, "lookup-failed", "slow.test: timeout", lookups=1)),
        ("a:slow.test", error(TEMPERROR, "lookup-failed", "slow.test: timeout", lookups=1)),
        ("mx:slow.test", error(TEMPERROR, "lookup-failed", "slow.test: timeout", lookups=1)),
        ("mx:slowmx.test", error(TEMPERROR, "lookup-failed", "slow.test: timeout", lookups=1)),
        ("exists:slow.test", error(TEMPERROR, "lookup-failed", "slow.test: timeout", lookups=1)),
        ("mx foo", error(PERMERROR, "syntax", "foo")),
        (
            "a:x.test a:y.test a:z.test all",
            error(PERMERROR, "too-many-void-lookups", "z.test", lookups=3, void_lookups=3),
        ),
        (
            " ".join(["a:host.test//0"] * 10 + ["a:other.test"]),
            result(PASS, "a:host.test//0", lookups=1),
        ),
        (
            " ".join(["include:out.test"] * 10) + " all",
            result(PASS, "all", lookups=10),
        ),
        (
            " ".join(["include:out.test"] * 10) + " a:host.test",
            error(PERMERROR, "too-many-lookups", "a:host.test", lookups=11),
        ),
        (
            " ".join(["include:out.test"] * 10) + " redirect=in.test",
            error(PERMERROR, "too-many-lookups", "redirect=in.test", lookups=11),
        ),
        (
            " ".join(["include:out.test"] * 10) + " ptr",
            error(PERMERROR, "too-many-lookups", "ptr", lookups=11, is_dynamic=True),
        ),
    ],
)
def test_result_of_record(record: str, expected: CheckHostResult) -> None:
    alone = run(record)
    # Twice with shared results: the second evaluation uses those of the first.
    shared: IncludeResults = {}
    first, second = (run(record, include_results=shared) for _ in range(2))

    assert alone == expected
    assert (first, second) == (expected, expected)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (
            "a:gone.test include:out.test -all",
            "include:out.test -all",
            result(FAIL, "-all", lookups=1),
        ),
        (
            "include:void.test -all",
            "a:x.test a:y.test include:void.test all",
            error(PERMERROR, "too-many-void-lookups", "gone.test", lookups=4, void_lookups=3),
        ),
    ],
)
def test_shared_include_in_other_record(first: str, second: str, expected: CheckHostResult) -> None:
    shared: IncludeResults = {}
    run(first, include_results=shared)

    assert run(second, include_results=shared) == expected


def test_include_depends_on_sender() -> None:
    zone = 'own.test TXT "v=spf1 a:%{o} -all"\n'
    shared: IncludeResults = {}

    found = [
        run("include:own.test -all", zone=zone, sender=f"jo@{name}", include_results=shared).result
        for name in ("host.test", "two.test")
    ]

    assert found == [PASS, FAIL]


def test_empty_name_is_not_queried() -> None:
    lookup = ZoneLookup('one.test TXT "v=spf1 exists:%{h} -all"\n')

    found = asyncio.run(check_host("192.0.2.1", ME, "jo@one.test", "", lookup=lookup))

    assert (found.result, found.void_lookups) == (FAIL, 1)
    assert list(lookup.asked) == [(ME, "TXT")]


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ('one.test TXT "v=spf1 mx"\n', error(PERMERROR, "several-records", ME)),
        ("one.test TROUBLE servfail\n", error(TEMPERROR, "lookup-failed", "one.test: servfail")),
    ],
)
def test_result_without_one_record(zone: str, expected: CheckHostResult) -> None:
    assert run("-all", zone=zone) == expected


def test_domain_without_record_has_no_result() -> None:
    assert run("-all", domain="host.test") == error(SpfResult.NONE, "no-record", "host.test")
    assert run("-all", domain="test") == CheckHostResult(SpfResult.NONE)
    assert run("-all", domain="one.test.") == result(FAIL, "-all")


@pytest.mark.parametrize(
    ("ip", "record", "expected"),
    [
        ("::ffff:192.0.2.1", "ip4:192.0.2.1 -all", PASS),
        ("2001:db8::1", "ip4:0.0.0.0/0 -all", FAIL),
        ("2001:db8::1", "a:host.test -all", PASS),
        ("2001:db8::2", "a:host.test//64 -all", PASS),
        ("192.0.2.2", "a:host.test -all", FAIL),
        ("192.0.2.2", "a:host.test/30 -all", PASS),
        ("2001:db8::1", "mx:mail.test -all", PASS),
        # `exists` queries A, also for an IPv6 sender.
        ("2001:db8::1", "exists:four.test -all", PASS),
        ("192.0.2.1", "exists:six.test -all", FAIL),
    ],
)
def test_address_family(ip: str, record: str, expected: SpfResult) -> None:
    zone = "four.test A 192.0.2.9\nsix.test AAAA 2001:db8::9\n"

    assert run(record, ip, zone).result is expected


@pytest.mark.parametrize(
    ("sender", "text"),
    [
        ("jo@sender.test", "jo jo@sender.test sender.test helo.test"),
        ("sender.test", "postmaster postmaster@sender.test sender.test helo.test"),
        ("@sender.test", "postmaster postmaster@sender.test sender.test helo.test"),
    ],
)
def test_sender_without_local_part(sender: str, text: str) -> None:
    zone = 'say.test TXT "%{l} %{s} %{o} %{h}"\n'

    assert run("-all exp=say.test", zone=zone, sender=sender).explanation == text


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ('say.test TXT "No."\n', "No."),
        ('say.test TXT "No."\nsay.test TXT "Never."\n', ""),
        ("", ""),
        ('say.test TXT "100%"\n', ""),
        ('say.test TXT "Nein, für %{d}."\n', ""),
        ("say.test TROUBLE timeout\n", ""),
    ],
)
def test_explanation_needs_one_valid_text(zone: str, text: str) -> None:
    assert run("-all exp=say.test", zone=zone).explanation == text


def test_explanation_needs_valid_name() -> None:
    assert run(f"-all exp={LONG}").explanation == ""


REVERSE = "1.2.0.192.in-addr.arpa"
NAMED = f"""
{REVERSE} PTR other.example
{REVERSE} PTR forged.one.test
{REVERSE} PTR x.mail.one.test.
{REVERSE} PTR Mail.One.test
x.mail.one.test A 192.0.2.1
other.example A 192.0.2.1
forged.one.test A 192.0.2.99
mail.one.test A 192.0.2.7
mail.one.test A 192.0.2.1
"""


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("ptr -all", PASS),
        ("ptr:one.test -all", PASS),
        ("ptr:mail.one.test -all", PASS),
        ("ptr:x.mail.one.test -all", PASS),
        ("ptr:EXAMPLE.test -all", FAIL),
        ("ptr:other.example -all", PASS),
        # Its address is another one.
        ("ptr:forged.one.test -all", FAIL),
        ("ptr:ne.test -all", FAIL),
        ("ptr:%{d} -all", PASS),
    ],
)
def test_ptr_names_are_validated(record: str, expected: SpfResult) -> None:
    assert run(record, zone=NAMED).result is expected


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("mail.one.test", "Mail.One.test"),
        ("one.test", "x.mail.one.test."),
        ("elsewhere.test", "other.example"),
    ],
)
def test_validated_name_is_nearest(domain: str, name: str) -> None:
    zone = f'{NAMED}say.test TXT "%{{p}}"\n'
    zone += "".join(
        f'{each} TXT "v=spf1 -all exp=say.test"\n' for each in ("mail.one.test", "elsewhere.test")
    )

    assert run("-all exp=say.test", zone=zone, domain=domain).explanation == name


def test_address_without_name_is_unknown() -> None:
    assert run("-all exp=say.test", zone='say.test TXT "%{p}"\n').explanation == "unknown"


@pytest.mark.parametrize(("count", "expected"), [(10, PASS), (11, FAIL)])
def test_ten_ptr_names_are_read(count: int, expected: SpfResult) -> None:
    names = [f"n{number}.elsewhere.test" for number in range(count - 1)]
    zone = "".join(f"{REVERSE} PTR {name}\n" for name in [*names, "mail.one.test"])

    found = run("ptr -all", zone=f"{zone}mail.one.test A 192.0.2.1\n")

    assert found.result is expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (10, result(PASS, "mx:many.test", lookups=1)),
        (11, error(PERMERROR, "too-many-hosts", "many.test", lookups=1)),
    ],
)
def test_ten_exchanges_are_read(count: int, expected: CheckHostResult) -> None:
    names = [f"n{number}.test" for number in range(count - 1)]
    zone = "".join(f"many.test MX 10 {name}\n" for name in [*names, "host.test"])

    assert run("mx:many.test -all", zone=zone) == expected


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("one.test", True),
        ("test", False),
        ("one..test", False),
        (f"{'a' * 63}.test", True),
        (f"{'a' * 64}.test", False),
        (".".join(["a" * 49] * 5) + ".bcd", True),
        (".".join(["a" * 49] * 5) + ".bcde", False),
        ("[192.0.2.1]", False),
        ("", False),
    ],
)
def test_name_of_a_domain(domain: str, expected: bool) -> None:
    assert is_fqdn(domain) is expected
