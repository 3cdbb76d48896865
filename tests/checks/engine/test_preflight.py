"""Pre-flight checks of proposed records."""

from __future__ import annotations

import asyncio

import pytest

from checks.engine import mx
from checks.engine.dns.lookup import Lookup, LookupFailure, Record, Records
from checks.engine.dns.network import Network
from checks.engine.expected_values import RegionFacts
from checks.engine.hosts.prober import Prober
from checks.engine.mail import dmarc
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


WITH_ALIAS = '_dmarc.one.test CNAME _dmarc.host.test\n_dmarc.host.test TXT "v=DMARC1; p=none"'
WITH_RECORD = '_dmarc.one.test TXT "v=DMARC1; p=none"'
REJECTS = '_dmarc TXT "v=DMARC1; p=reject; rua=mailto:a@one.test"'


async def _run_dmarc(lookup: Lookup) -> Outcome:
    return await dmarc.inspect("one.test", lookup)


def _judge_dmarc(world: str, text: str) -> Outcome:
    recorder, lookup = Recorder(), ZoneLookup(world)
    means = recording_clients(lookup, Prober(Network(), lookup), recorder)
    asyncio.run(_run_dmarc(means.lookup))
    proposal = parse_proposed_records(text, "one.test")
    assert not isinstance(proposal, InvalidZoneText)
    proposed = ProposedLookup(proposal, replay_clients(recorder.raw(), at=START).lookup)
    return proposed.judged(asyncio.run(_run_dmarc(proposed)))


@pytest.mark.parametrize(
    ("world", "text", "verdict", "expected"),
    [
        (WITH_ALIAS, REJECTS, Verdict.WARN, ["dmarc.enforces", "preflight.published-alias"]),
        (WITH_RECORD, REJECTS, Verdict.PASS, ["dmarc.enforces"]),
        ("one.test TXT other", REJECTS, Verdict.PASS, ["dmarc.enforces"]),
        # The alias is one of another name, which the proposal replaces with its own record.
        (
            "_dmarc.one.test CNAME a.test\na.test CNAME b.test\nb.test TXT x",
            REJECTS,
            Verdict.WARN,
            ["dmarc.enforces", "preflight.published-alias"],
        ),
        (
            WITH_RECORD,
            "_dmarc CNAME _dmarc.host.test.",
            Verdict.UNKNOWN,
            ["dns.server-silent", "preflight.published-records"],
        ),
        # Another alias replaces the published one.
        (WITH_ALIAS, "_dmarc CNAME x.test.", Verdict.UNKNOWN, ["dns.server-silent"]),
        ("one.test TXT other", "_dmarc CNAME x.test.", Verdict.UNKNOWN, ["dns.server-silent"]),
        # The proposal itself conflicts, and its note states that.
        (WITH_RECORD, f"{REJECTS}\n_dmarc CNAME x.test.", Verdict.UNKNOWN, ["dns.server-silent"]),
    ],
)
def test_published_alias_excludes_proposed_records(
    world: str, text: str, verdict: Verdict, expected: list[str]
) -> None:
    outcome = _judge_dmarc(world, text)

    assert outcome.verdict is verdict
    assert [finding.code for finding in outcome.findings] == expected


def test_published_alias_is_named() -> None:
    found = _judge_dmarc(WITH_ALIAS, REJECTS).findings[-1]

    assert found.params == {"name": "_dmarc.one.test", "target": "_dmarc.host.test"}


TOKEN = "one.test TXT MS=ms123"
SPF = 'one.test TXT "v=spf1 mx -all"'


@pytest.mark.parametrize(
    ("world", "text", "omitted"),
    [
        (f"{TOKEN}\n{SPF}", '@ TXT "v=spf1 -all"', ["MS=ms123"]),
        (f"{TOKEN}\n{SPF}\none.test TXT 0ed1fe", '@ TXT "v=spf1 -all"', ["0ed1fe", "MS=ms123"]),
        # The proposal contains them, or replaces them by one with the same purpose.
        (f"{TOKEN}\n{SPF}", '@ TXT "v=spf1 -all"\n@ TXT MS=ms123', []),
        (f"{TOKEN}\n{SPF}", '@ TXT "V=SPF1 -all"\n@ TXT ms=ms999', []),
        (SPF, '@ TXT "v=spf1 -all"', []),
        # The published SPF record.
        (f"{TOKEN}\n{SPF}", "@ TXT MS=ms123", ["v=spf1 mx -all"]),
    ],
)
def test_omitted_texts_are_named(world: str, text: str, omitted: list[str]) -> None:
    proposal = parse_proposed_records(text, "one.test")
    assert not isinstance(proposal, InvalidZoneText)
    lookup = ProposedLookup(proposal, ZoneLookup(world))

    asyncio.run(lookup.resolve("one.test", "TXT"))

    found = [finding.params for finding in lookup.conflicts.values()]
    assert found == ([{"name": "one.test", "values": omitted}] if omitted else [])
    assert {finding.code for finding in lookup.conflicts.values()} <= {"preflight.removes-records"}
