"""Parsing of hostile texts has a bounded run time, because a parser cannot be interrupted.

Each text is as long as a DNS record set can be, and consists of parts for which careless patterns
and loops have quadratic run time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

import pytest

from checks.engine.expected_values import RegionFacts
from checks.engine.mail import dkim_keys, dmarc_records, message_parser, mta_sts_policy
from checks.engine.outcomes import Verdict
from checks.engine.spf import check, proposal, terms
from checks.engine.zone_lines import ZoneTextError
from checks.engine.zone_text import read_zone_text
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.outcomes import codes

LONGEST = 65_000
# Generous: quadratic run time is a minute and more.
SECONDS = 2.0
CHUNKS = ["a", "1", ".", "%{d", "%{i}.", "a-", "1.", "ip4:1 ", "a:a ", " ", ";", "a=b;", ",", "\\"]
READERS: list[tuple[str, Callable[[str], object]]] = [
    ("v=spf1 include:a.", terms.parse),
    ("v=spf1 exists:", terms.parse),
    ("v=spf1 ip6:", terms.parse),
    ("v=spf1 ", lambda text: proposal.proposed_record(text, "eu.example.test")),
    ("v=spf1 redirect=", lambda text: proposal.merged_record([text, text])),
    ("v=DKIM1; p=", dkim_keys.parse),
    ("v=DMARC1; p=none; rua=mailto:", dmarc_records.parse),
    ("v=STSv1; id=", mta_sts_policy.parse_id),
    ("version: STSv1\n", lambda text: mta_sts_policy.parse(text.encode())),
]


@pytest.mark.parametrize(("start", "read"), READERS, ids=[start for start, _ in READERS])
def test_long_text_parses_in_bounded_time(start: str, read: Callable[[str], object]) -> None:
    for chunk in CHUNKS:
        for end in ("", "!"):
            text = start + chunk * (LONGEST // len(chunk)) + end
            began = time.process_time()
            read(text)
            assert time.process_time() - began < SECONDS, (start, chunk, end)


REGION = RegionFacts(id="eu", name="Europe", spf_include="eu.mimecast.test")
WANTED = 'eu.mimecast.test TXT "v=spf1 ip4:10.0.0.0/8 ~all"\n'
FINELY_CUT = " ".join(f"ip4:10.{n % 256}.{n // 256}.7" for n in range(3500))
NINE = "".join(f'x{n}.test TXT "v=spf1 {FINELY_CUT} -all"\n' for n in range(9))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("record", "extra"),
    [
        (f"{FINELY_CUT} -all", ""),
        (f"{FINELY_CUT} include:eu.mimecast.test -all", ""),
        (" ".join(f"include:x{n}.test" for n in range(9)), NINE),
    ],
)
def test_endless_spf_record_is_unknown(record: str, extra: str) -> None:
    lookup = ZoneLookup(f'example.test TXT "v=spf1 {record}"\n{WANTED}{extra}')
    began = time.process_time()

    outcome = asyncio.run(check.inspect("example.test", REGION, lookup))

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["spf.too-long"])
    assert time.process_time() - began < SECONDS
    assert len(str(outcome.evidence)) < 300_000


@pytest.mark.parametrize("digits", [60, 5_000])
def test_long_ttl_in_zone_text_is_read_in_time(digits: int) -> None:
    began = time.process_time()

    with contextlib.suppress(ZoneTextError):
        read_zone_text(f"@ {'0' * digits}! MX 10 mx.example.test", "example.test")

    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize(
    "words", ["Auto ", "1 Hour ", "IN ", "is an alias for ", "a.co.uk ", "( ) ", "MX preference = "]
)
def test_words_of_zone_text_are_read_in_time(words: str) -> None:
    began = time.process_time()

    for text in (f"@ {words * 2000}", f"@ {words}MX 10 a.\n" * 300):
        with contextlib.suppress(ZoneTextError):
            read_zone_text(text, "example.test", max_characters=100_000)

    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize(
    "repeated",
    [
        *(b"name=", b"name .eml", b"content-type:\n", b"\nFrom a Sat Nov 28 10:00\n", b"\x0b"),
        *(b"\r", b"\xe2\x80\x8b", b"\n\n", b"From "),
    ],
)
def test_long_message_is_read_in_time(repeated: bytes) -> None:
    for start in (b"", b"From: a@b.test\n\n", b"From a@b.test Sat Nov 28 10:00:00 2026\nA: b\n"):
        content = start + repeated * (500_000 // len(repeated))
        began = time.process_time()

        read = message_parser.parse(content)
        if isinstance(read, message_parser.MailMessage):
            assert read.has_attached_message in (True, False)
            assert read.has_next_message in (True, False)

        assert time.process_time() - began < SECONDS
