"""MTA-STS against a real HTTPS server on loopback with a test authority."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.batch import CheckRequest, run_all
from checks.engine.dns.network import Network
from checks.engine.expected_values import RegionFacts
from checks.engine.hosts.https import MAX_BODY, Fetched, FetchFailure, NotFetched
from checks.engine.mail.mta_sts_policy import (
    InvalidMtaSts,
    MtaStsPolicy,
    parse,
    parse_id,
    select,
)
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.checks.engine.dns.loopback import nameserver, network_of
from tests.checks.engine.hosts.https_hosts import https_host, read_bytes
from tests.checks.engine.hosts.mail_hosts import (
    make_certificate,
    server_context,
    write_authority,
)
from tests.checks.engine.outcomes import codes, params

HOST = "mta-sts.example.test"
ONE, TWO = "eu-smtp-inbound-1.mimecast.com", "eu-smtp-inbound-2.mimecast.com"
REGION = RegionFacts(id="eu", name="Europe", mx=(ONE, TWO))
ZONE = f"""
test              NS  ns1.dns.test
example.test      NS  ns1.dns.test
ns1.dns.test      A   127.0.0.1
{HOST}            A   127.0.0.1
"""
RECORD = '_mta-sts.example.test TXT "v=STSv1; id=20261101;"\n'
BOTH = f"mx: {ONE}\r\nmx: {TWO}\r\n"


def policy(mode: str = "enforce", mx: str = BOTH, max_age: str = "604800") -> bytes:
    return f"version: STSv1\r\nmode: {mode}\r\n{mx}max_age: {max_age}\r\n".encode()


def response(
    body: bytes, status: str = "200 OK", *headers: str, media_type: str = "text/plain"
) -> bytes:
    kind = [f"Content-Type: {media_type}"] if media_type else []
    head = [f"HTTP/1.1 {status}", *kind, *headers]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


@asynccontextmanager
async def world(
    folder: Path, zone: str, reply: bytes, certified: dict[str, Any]
) -> AsyncIterator[Network]:
    certificate = make_certificate(**{"host": HOST} | certified)
    tls = server_context(folder, str(certified.get("host", HOST)), certificate)
    async with nameserver(zone) as dns, https_host(tls, reply) as port:
        yield replace(
            network_of(dns, authoritative_port=dns.port),
            ca_file=str(write_authority(folder)),
            https_port=port,
        )


def run_check(
    folder: Path,
    reply: bytes = b"",
    *,
    zone: str = RECORD,
    certified: dict[str, Any] | None = None,
    region: RegionFacts = REGION,
    base: str = ZONE,
    **network: Any,
) -> Outcome:
    async def run() -> Outcome:
        async with world(folder, base + zone, reply, certified or {}) as here:
            (outcome,) = await run_all(
                [CheckRequest(CheckKind.MTA_STS, "example.test", region=region)],
                network=replace(here, **network),
                budget_seconds=5,
                concurrency=1,
            )
            return outcome

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("body", "verdict", "expected"),
    [
        (policy(), Verdict.PASS, "mta-sts.permits"),
        (policy().replace(b"\r\n", b"\n"), Verdict.PASS, "mta-sts.permits"),
        (policy(mx="mx: *.Mimecast.com\n"), Verdict.PASS, "mta-sts.permits"),
        (policy("testing"), Verdict.PASS, "mta-sts.permits"),
        (policy("none", mx=""), Verdict.PASS, "mta-sts.mode-none"),
        (policy("enforce", f"mx: {ONE}\n"), Verdict.FAIL, "mta-sts.not-permitted"),
        (policy("enforce", "mx: *.com\n"), Verdict.FAIL, "mta-sts.not-permitted"),
        (policy("enforce", f"mx: {ONE}.example.net\n"), Verdict.FAIL, "mta-sts.not-permitted"),
        (policy("testing", "mx: old.test\n"), Verdict.WARN, "mta-sts.not-permitted-testing"),
        (policy("enforce", ""), Verdict.FAIL, "mta-sts.policy-syntax"),
        (policy("on"), Verdict.FAIL, "mta-sts.policy-syntax"),
        (policy(max_age="a week"), Verdict.FAIL, "mta-sts.policy-syntax"),
        (policy(max_age="31557601"), Verdict.FAIL, "mta-sts.policy-syntax"),
        (b"<html>", Verdict.FAIL, "mta-sts.policy-syntax"),
    ],
)
def test_mta_sts_policy_against_planned_hosts(
    tmp_path: Path, body: bytes, verdict: Verdict, expected: str
) -> None:
    outcome = run_check(tmp_path, response(body))

    assert (outcome.verdict, outcome.unanimous, codes(outcome)) == (verdict, True, [expected])


@pytest.mark.parametrize(
    "record",
    ["v=STSv1 id=20261101", "\N{LEFT DOUBLE QUOTATION MARK}v=STSv1; id=1", "V=STSv1; id=1;"],
)
def test_spoiled_record_does_not_apply(tmp_path: Path, record: str) -> None:
    outcome = run_check(tmp_path, zone=f'_mta-sts.example.test TXT "{record}"\n')

    assert outcome.verdict is Verdict.NOT_APPLICABLE
    assert codes(outcome) == ["mta-sts.none", "mta-sts.almost"]
    assert params(outcome, "mta-sts.almost")["record"] == record


def test_policy_host_without_address_fails(tmp_path: Path) -> None:
    outcome = run_check(tmp_path, base=ZONE.replace(f"{HOST}            A   127.0.0.1\n", ""))

    assert (outcome.verdict, codes(outcome)) == (Verdict.FAIL, ["mta-sts.policy-no-address"])
    assert params(outcome, "mta-sts.policy-no-address") == {"host": HOST}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        # Field case 07.
        (policy(mx=f"mx: {ONE}.\r\nmx: {TWO}.\r\n"), f"mx: {ONE}."),
        (b"version : STSv1\r\nmode: none\r\nmax_age: 60\r\n", "version : STSv1"),
        (policy(mx=f"mx : {ONE}\n"), f"mx : {ONE}"),
        (policy(mx=f" mx: {ONE}\n"), f"mx: {ONE}"),
        (policy(mx=f"\tmx: {ONE}\n"), f"\\tmx: {ONE}"),
        (policy(mx=f"mx: {ONE} {TWO}\n"), f"mx: {ONE} {TWO}"),
        (policy(mx="mx: mail.*.test\n"), "mx: mail.*.test"),
        (policy(mx="mx: mail_in.test\n"), "mx: mail_in.test"),
        (policy(mx="mx: mail..test\n"), "mx: mail..test"),
        (policy(mx="mx: -mail.test\n"), "mx: -mail.test"),
        (policy(mx="mx:\n"), "mx:"),
        (policy() + b"\r\n", "empty line"),
        (b"\xef\xbb\xbf" + policy(), "\\ufeffversion: STSv1"),
        (policy().replace(b"\r\n", b"\r"), "version: STSv1\\rmode: enforce\\rmx: "),
        (policy().replace(b"STSv1", b"STSv1;"), "version: STSv1;"),
        (policy().replace(b"version", b"Version"), "Version: STSv1"),
        (policy().replace(b"max_age", b"max-age"), "max-age: 604800"),
        (policy().replace(b"enforce", b"enforce\xe2\x80\x8b"), "mode: enforce\\u200b"),
        (policy() + b"# our policy\n", "# our policy"),
    ],
)
def test_policy_outside_grammar_is_invalid(body: bytes, problem: str) -> None:
    read = parse(body)

    assert isinstance(read, InvalidMtaSts)
    assert read.problem.startswith(problem)


@pytest.mark.parametrize(
    "body",
    [
        policy(),
        policy().rstrip(),
        policy().replace(b"\r\n", b" \t\r\n"),
        policy().replace(b": ", b":"),
        policy() + "vendor-note.1: Grüße aus Köln\n".encode(),
        policy() + b"mode: none\n",
    ],
)
def test_policy_within_grammar_is_read(body: bytes) -> None:
    assert parse(body) == MtaStsPolicy("enforce", 604800, (ONE, TWO))


# Field case 08.
@pytest.mark.parametrize(
    ("media_type", "shown"),
    [
        ("text/html; charset=utf-8", "text/html"),
        ("", "none"),
        ("application/octet-stream", "application/octet-stream"),
    ],
)
def test_other_media_type_warns(tmp_path: Path, media_type: str, shown: str) -> None:
    outcome = run_check(tmp_path, response(policy(), media_type=media_type))

    assert (outcome.verdict, codes(outcome)) == (
        Verdict.WARN,
        ["mta-sts.permits", "mta-sts.media-type"],
    )
    assert params(outcome, "mta-sts.media-type") == {"host": HOST, "media_type": shown}


def test_media_type_has_any_case_and_parameters(tmp_path: Path) -> None:
    outcome = run_check(tmp_path, response(policy(), media_type="Text/Plain; charset=UTF-8"))

    assert (outcome.verdict, codes(outcome)) == (Verdict.PASS, ["mta-sts.permits"])


def test_mta_sts_names_missing_hosts_and_max_age(tmp_path: Path) -> None:
    outcome = run_check(tmp_path, response(policy("enforce", f"mx: {ONE}\nmx: old.test\n")))

    assert params(outcome, "mta-sts.not-permitted") == {"hosts": [TWO], "max_age": 604800}
    assert outcome.evidence["policy"] == {
        "mode": "enforce",
        "max_age": 604800,
        "mx": [ONE, "old.test"],
    }
    assert outcome.evidence["policy_from"] == "127.0.0.1"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "verdict", "expected"),
    [
        (response(b"", "404 Not Found"), Verdict.FAIL, "mta-sts.policy-missing"),
        (b"220 mail ESMTP\r\n", Verdict.FAIL, "mta-sts.policy-missing"),
        (
            response(policy(), "302 Found", "Location: https://x.test/"),
            Verdict.FAIL,
            "mta-sts.policy-redirect",
        ),
        (response(b"x" * (MAX_BODY + 1)), Verdict.FAIL, "mta-sts.policy-too-large"),
        (response(b"", "503 Busy"), Verdict.UNKNOWN, "mta-sts.policy-unreached"),
        (b"", Verdict.UNKNOWN, "mta-sts.policy-unreached"),
    ],
)
def test_mta_sts_policy_not_fetched(
    tmp_path: Path, reply: bytes, verdict: Verdict, expected: str
) -> None:
    outcome = run_check(tmp_path, reply, connect_timeout_seconds=0.3)

    assert (outcome.verdict, codes(outcome)[0]) == (verdict, expected)


@pytest.mark.parametrize(
    "certified", [{"issuer": HOST}, {"host": "other.test"}, {"days": (-90, -1)}]
)
def test_mta_sts_bad_certificate_fails(tmp_path: Path, certified: dict[str, Any]) -> None:
    outcome = run_check(tmp_path, response(policy()), certified=certified)

    assert (outcome.verdict, codes(outcome)) == (Verdict.FAIL, ["mta-sts.policy-certificate"])


@pytest.mark.parametrize(
    ("zone", "verdict", "expected"),
    [
        ("", Verdict.NOT_APPLICABLE, "mta-sts.none"),
        ('_mta-sts.example.test TXT "hello"', Verdict.NOT_APPLICABLE, "mta-sts.none"),
        (RECORD + RECORD.replace("1101", "1102"), Verdict.FAIL, "mta-sts.several-records"),
        ('_mta-sts.example.test TXT "v=STSv1;"', Verdict.FAIL, "mta-sts.record-syntax"),
        ('_mta-sts.example.test TXT "v=STSv1; id=a-b"', Verdict.FAIL, "mta-sts.record-syntax"),
    ],
)
def test_mta_sts_record(tmp_path: Path, zone: str, verdict: Verdict, expected: str) -> None:
    outcome = run_check(tmp_path, response(policy()), zone=zone)

    assert (outcome.verdict, outcome.unanimous, codes(outcome)) == (verdict, True, [expected])


def test_mta_sts_private_address_is_refused(tmp_path: Path) -> None:
    zone = ZONE.replace(f"{HOST}            A   127.0.0.1", f"{HOST} A 10.0.0.1")

    outcome = run_check(tmp_path, response(policy()), zone=RECORD, base=zone, https_port=443)

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["mta-sts.policy-unreached"])
    assert params(outcome, "mta-sts.policy-unreached") == {"host": HOST, "reason": "not-allowed"}


def test_mta_sts_region_gap_is_unknown(tmp_path: Path) -> None:
    outcome = run_check(tmp_path, region=RegionFacts(id="ca", name="Canada"))

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["region.gap"])


@given(st.binary(max_size=600) | st.from_regex(rb"version: STSv1\n(mode|mx|max_age): ?[a-z0-9*.]*"))
def test_mta_sts_parse_never_raises(body: bytes) -> None:
    assert isinstance(parse(body), MtaStsPolicy | InvalidMtaSts)


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ("v=STSv1; id =1", "id =1"),
        ("v=STSv1; id= 1", "id= 1"),
        ("v=STSv1; id=1 ", "id=1\\x20"),
        ("v=STSv1; id=1\u00a0", "id=1\\xa0"),
        ("v=STSv1;\u00a0id=1", "\\xa0id=1"),
        ("v=STSv1; id=1; testing", "testing"),
        ("v=STSv1; 20260101", "20260101"),
        ("v=STSv1; ID=1", "id="),
        ("v=STSv1; id=1;; x=y", ";"),
        ("v=STSv1; ; id=1", ";"),
        ("v=STSv1; id=1; x=a=b", "x=a=b"),
        ("v=STSv1; id=1; x=a b", "x=a b"),
        ("v=STSv1; id=1; -x=a", "-x=a"),
        ("v=STSv1; id=1; x=", "x="),
        (f"v=STSv1; id={'1' * 33}", f"id={'1' * 33}"),
        ("v=STSv1; id=2026-01-01", "id=2026-01-01"),
        ("v=STSv1; id=é", "id=\\xe9"),
        ("v=STSv1; id=1; id=2", "id=1; id=2"),
        ("v=STSv1; x=y", "id="),
        ("v=STSv1", "id="),
        ("v=STSv1; id=", "id="),
        ("v=STSv1 id=1", "v=STSv1 id=1"),
    ],
)
def test_mta_sts_record_outside_grammar(record: str, problem: str) -> None:
    assert parse_id(record) == InvalidMtaSts(problem)


@pytest.mark.parametrize(
    ("record", "identity"),
    [
        ("v=STSv1; id=20260101T000000", "20260101T000000"),
        ("v=STSv1;id=1;", "1"),
        ("v=STSv1 \t;\tid=1 ; ", "1"),
        ("v=STSv1; x-y.z_0=!:<>~; id=a1", "a1"),
        (f"v=STSv1; id={'z' * 32}", "z" * 32),
    ],
)
def test_mta_sts_record_within_grammar(record: str, identity: str) -> None:
    assert (select([record]), parse_id(record)) == ([record], identity)


@pytest.mark.parametrize("record", ["v=STSv1; id =1", "v=STSv1; id=1; testing", "v=STSv1; x=y"])
def test_mta_sts_invalid_record_never_passes(tmp_path: Path, record: str) -> None:
    zone = f'_mta-sts.example.test TXT "{record}"'

    outcome = run_check(tmp_path, response(policy()), zone=zone)

    assert (outcome.verdict, codes(outcome)) == (Verdict.FAIL, ["mta-sts.record-syntax"])


@given(st.text() | st.from_regex(r"v=STSv1 ?;( ?id ?= ?[a-zA-Z0-9]*;?){0,3}"))
def test_mta_sts_record_never_raises(text: str) -> None:
    assert isinstance(parse_id(text), str | InvalidMtaSts)
    assert set(select([text])) <= {text}


@given(st.binary(max_size=300))
def test_read_response_never_raises(content: bytes) -> None:
    assert isinstance(read_bytes(content), Fetched | NotFetched)
    assert isinstance(read_bytes(b"HTTP/1.1 200 OK\r\n" + content), Fetched | NotFetched)


@pytest.mark.parametrize(
    ("headers", "content", "body"),
    [
        ("Content-Length: 5", b"hello and more", b"hello"),
        ("Server: x", b"hello", b"hello"),
        ("Transfer-Encoding: chunked", b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", b"hello"),
    ],
)
def test_read_response_body_framings(headers: str, content: bytes, body: bytes) -> None:
    read = read_bytes(f"HTTP/1.1 200 OK\r\n{headers}\r\n\r\n".encode() + content)

    assert isinstance(read, Fetched)
    assert read.body == body


INTERIM = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.0 200 OK\n\n",
        # Interim responses (RFC 9110 section 15.2).
        f"{INTERIM}HTTP/1.1 200 OK\r\n\r\n",
        f"HTTP/1.1 100 Continue\r\n\r\n{INTERIM}HTTP/1.1 200 OK\r\n\r\n",
        # A repeated length (section 8.6).
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
    ],
)
def test_read_response_heads(head: str) -> None:
    read = read_bytes(f"{head}hello".encode())

    assert isinstance(read, Fetched)
    assert read.body == b"hello"


@pytest.mark.parametrize(
    ("head", "failure", "detail"),
    [
        ("HTTP/1.1 302 Found\r\nLocation: /x", FetchFailure.REDIRECT, "/x"),
        # Not a redirect without a target.
        ("HTTP/1.1 304 Not Modified", FetchFailure.STATUS, "304"),
        ("HTTP/1.1 300 Multiple Choices", FetchFailure.STATUS, "300"),
        ("HTTP/1.1 206 Partial Content", FetchFailure.STATUS, "206"),
        ("HTTP/1.1 101 Switching Protocols", FetchFailure.STATUS, "101"),
        # Temporary.
        ("HTTP/1.1 408 Request Timeout", FetchFailure.UNAVAILABLE, "408"),
        ("HTTP/1.1 425 Too Early", FetchFailure.UNAVAILABLE, "425"),
        ("HTTP/1.1 429 Too Many Requests", FetchFailure.UNAVAILABLE, "429"),
        ("HTTP/1.1 503 Busy", FetchFailure.UNAVAILABLE, "503"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
            FetchFailure.UNREADABLE,
            "Transfer-Encoding: gzip, chunked",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: br",
            FetchFailure.UNREADABLE,
            "Content-Encoding: br",
        ),
        ("HTTP/1.1 2000 OK", FetchFailure.NOT_HTTP, "HTTP/1.1 2000 OK"),
        ("HTTP/2 200", FetchFailure.NOT_HTTP, "HTTP/2 200"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5, 6",
            FetchFailure.NOT_HTTP,
            "Content-Length: 5, 6",
        ),
        ("\r\n\r\n".join(["HTTP/1.1 103 Early Hints"] * 7), FetchFailure.STATUS, "103"),
    ],
)
def test_read_response_failures(head: str, failure: FetchFailure, detail: str) -> None:
    assert read_bytes(f"{head}\r\n\r\nhello".encode()) == NotFetched(failure, detail)
