"""Messages of every size: bounded time, no exception, and strict addresses."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.engine.mail.message_parser import (
    MAX_BYTES,
    MAX_FIELDS,
    UnreadableMessage,
    parse,
    parse_date,
    parse_hops,
    parse_mailbox,
)
from checks.engine.outcomes import Verdict
from tests.checks.engine.mail.signed_messages import (
    RECEIVED,
    SELECTOR,
    joined,
    signed,
    written,
)
from tests.checks.engine.mail.test_message import run_check
from tests.checks.engine.outcomes import params

LARGE = {
    "50 MB": b"From: ann@example.test\r\n\r\n" + b"a" * 50_000_000,
    "10,000 Received lines": b"Received: from a by b\r\n" * 10_000 + signed(),
    "one endless line": b"Received: " + b"(" * 300_000 + b"\r\n" + signed(),
    "white space": signed() + b" " * 1_900_000,
    "runs of white space": signed() + (b"\t" * 1_000 + b"x") * 1_800,
    "quotes": b'From: "' + b'\\"' * 15_000 + b"\r\n\r\n",
    "a long list of signed names": signed(covers=":".join(["from", *map(str, range(900))])),
    "spaces in a signature": b"DKIM-Signature: v=1;" + b" " * 7_000 + b"b=\r\n" + signed(),
}


@pytest.mark.parametrize("content", LARGE.values(), ids=LARGE)
def test_costly_messages_are_fast(content: bytes) -> None:
    began = time.perf_counter()

    outcome = run_check(content)

    assert time.perf_counter() - began < 2
    assert outcome.verdict in (Verdict.UNKNOWN, Verdict.PASS)


def test_each_limit_has_its_problem() -> None:
    def problem(content: bytes) -> object:
        return params(run_check(content), "message.unreadable")["problem"]

    assert problem(b"a" * (MAX_BYTES + 1)) == "too-large"
    assert problem(b"A: b\r\n" * (MAX_FIELDS + 1)) == "too-many-headers"
    assert problem(signed() + b" " * 100_000) == "white-space"
    assert problem(b" \r\n") == "empty"
    assert problem(b"Fr om: ann@example.test\r\n") == "header-line"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (RECEIVED, "207.211.31.10"),
        ("from [10.0.0.1] (mail.a.test [8.8.8.8]) by b.test; date", "8.8.8.8"),
        ("from A.test (2603:10a6::1) by B.test (2603:10a6::2) with SMTP", "2603:10a6::1"),
        ("from a.test ([IPv6:2001:4860::1]) by b.test", "2001:4860::1"),
        ("from unknown (HELO a) (8.8.4.4) by b.test with SMTP", "8.8.4.4"),
        ("by 10.1.2.3 with SMTP id x", "None"),
        ("(qmail 1 invoked by uid 1)", "None"),
    ],
)
def test_parse_hops_of_real_programs(text: str, address: str) -> None:
    read = parse(f"Received: {text}\r\n\r\n".encode())

    assert not isinstance(read, UnreadableMessage)
    assert str(parse_hops(read)[0].address) == address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Ann <ann@Example.TEST.>", "ann@example.test"),
        ("ann@example.test (Ann)", "ann@example.test"),
        ("=?utf-8?q?Ann?= <ann@bücher.test>", "ann@xn--bcher-kva.test"),
        ("joe@x.test <joe@x.test>", "joe@x.test"),
        ("group: ann@example.test;", ""),
        ("ann@[8.8.8.8]", ""),
        ("ann@-", ""),
        ("", ""),
    ],
)
def test_parse_mailbox_is_strict(text: str, address: str) -> None:
    assert parse_mailbox(text) == address


@given(st.binary(max_size=3_000))
def test_parse_message_never_raises(content: bytes) -> None:
    parse(content)
    run_check(b"From: ann@example.test\r\n" + content)


@settings(max_examples=20)
@given(st.text(max_size=300), st.text(max_size=300), st.binary(max_size=300))
def test_hostile_fields_never_raise(signature: str, received: str, body: bytes) -> None:
    fields = [("DKIM-Signature", signature), ("Received", received), ("Return-Path", received)]
    content = joined([*fields, ("From", "a@example.test")], "").strip() + b"\r\n\r\n" + body

    outcome = run_check(content)

    assert not outcome.verdict.is_passing


@given(st.text())
def test_small_parsers_never_raise(text: str) -> None:
    parse_mailbox(text)
    parse_date(text)


TAGS = st.dictionaries(
    st.sampled_from(["v", "a", "c", "d", "s", "t", "x", "l", "q", "i", "b", "bh", "h"]),
    st.text("019azAZ=+/:.;@ -relaxd/simp", max_size=30),
)


@settings(max_examples=60)
@given(TAGS)
def test_broken_signatures_prove_nothing(tags: dict[str, str]) -> None:
    base = {"v": "1", "a": "rsa-sha256", "d": "example.test", "s": SELECTOR, "h": "from"}
    text = "; ".join(f"{name}={value}" for name, value in (base | tags).items())

    outcome = run_check(joined([("DKIM-Signature", text), *written()]))

    assert not outcome.verdict.is_passing
