"""Pre-flight checks of proposed records."""

from __future__ import annotations

import asyncio

import pytest

from checks.engine import mx
from checks.engine.dns.lookup import Lookup, LookupFailure, Record, Records
from checks.engine.dns.network import Network
from checks.engine.expected_values import RegionFacts
from checks.engine.hosts.prober import Prober
from checks.engine.outcomes import Outcome, Verdict
from checks.engine.preflight import InvalidZoneText, ProposedLookup, parse_proposed_records
from checks.engine.recording import Recorder, recording_clients, replay_clients
from checks.engine.zone_text import MAX_CHARACTERS
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.factories import START

REGION = RegionFacts(id="us", mx=("in-1.test", "in-2.test"))


def _seen(world: str) -> Lookup:
    """The raw answers of a run for `one.test`, for a replay."""
    recorder, lookup = Recorder(), ZoneLookup(world)
    means = recording_clients(lookup, Prober(Network(), lookup), recorder)
    asyncio.run(mx.inspect("one.test", REGION, means.lookup))
    return replay_clients(recorder.raw(), at=START).lookup


def _judge(text: str) -> Outcome:
    proposal = parse_proposed_records(text, "one.test")
    assert not isinstance(proposal, InvalidZoneText)
    lookup = ProposedLookup(proposal, _seen("one.test 300 MX 10 mail.one.test"))
    return asyncio.run(mx.inspect("one.test", REGION, lookup))


def test_parse_zone_lines_into_record_sets() -> None:
    text = '@ 300 IN MX 10 In-1.test.\nx IN TXT "a" "b"\nwww IN A 192.0.2.1\n'

    assert parse_proposed_records(text, "one.test") == {
        ("one.test", "MX"): (Record("one.test", "MX", 300, "10 in-1.test"),),
        ("x.one.test", "TXT"): (Record("x.one.test", "TXT", 3600, "ab"),),
    }


@pytest.mark.parametrize(
    "text",
    [
        "$GENERATES 1-100000000 h$ A 192.0.2.1",
        "@ IN MX ten mail",
        "not a zone",
        "a" * (MAX_CHARACTERS + 1),
        "\n".join(f"h{n} IN TXT x" for n in range(301)),
        "@ IN TXT \x00\ud800",
    ],
)
def test_invalid_zone_text_is_refused(text: str) -> None:
    assert isinstance(parse_proposed_records(text, "one.test"), InvalidZoneText)


def test_proposed_records_replace_published() -> None:
    good = _judge("@ 300 MX 10 in-1.test.\n@ 300 MX 10 in-2.test.")
    half = _judge("@ 300 MX 10 in-1.test.\n@ 300 MX 50 mail.one.test.")
    other = _judge("@ 300 TXT unrelated")

    assert (good.verdict.is_passing, half.verdict, other.verdict) == (
        True,
        Verdict.FAIL,
        Verdict.FAIL,
    )


def test_unrecorded_question_is_unknown() -> None:
    lookup = ProposedLookup({}, _seen("one.test 300 MX 10 mail.one.test"))

    assert asyncio.run(lookup.resolve("never.test", "TXT")) == LookupFailure("not-queried")
    assert asyncio.run(lookup.delegation("never.test")) == LookupFailure("not-queried")


def test_proposed_alias_excludes_other_records() -> None:
    proposal = parse_proposed_records("x CNAME y.test.", "one.test")
    assert not isinstance(proposal, InvalidZoneText)
    lookup = ProposedLookup(proposal, _seen("one.test 300 MX 10 mail.one.test"))

    alias = asyncio.run(lookup.resolve("x.one.test", "CNAME"))

    assert alias == Records((Record("x.one.test", "CNAME", 3600, "y.test"),))
    assert asyncio.run(lookup.resolve("x.one.test", "TXT")) == LookupFailure("not-queried")
