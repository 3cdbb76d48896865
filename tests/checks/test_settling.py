"""Which runs settle, which reopen, and which change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from checks.engine.codes import CODES
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict
from checks.settling import (
    INFORMATIONAL_CODES,
    NOT_DONE_CODES,
    ReopenPolicy,
    RunResult,
    SettledVerdict,
    is_misconfigured,
    settle,
)

PASS, WARN, FAIL = Verdict.PASS, Verdict.WARN, Verdict.FAIL
UNKNOWN, NA = Verdict.UNKNOWN, Verdict.NOT_APPLICABLE
START = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
TEN = timedelta(minutes=10)
REOPEN_POLICY = ReopenPolicy(runs=3, span=TEN)

NEVER = SettledVerdict()
HALF_NO = SettledVerdict(None, 1, START - TEN)
YES = SettledVerdict(PASS)
ONCE = SettledVerdict(PASS, 1, START)
TWICE = SettledVerdict(PASS, 2, START - TEN)
NO = SettledVerdict(FAIL)
NOT_ASKED = SettledVerdict(NA)


@pytest.mark.parametrize(
    ("before", "verdict", "after"),
    [
        (NEVER, PASS, YES),
        (NEVER, WARN, SettledVerdict(WARN)),
        (NEVER, NA, NOT_ASKED),
        (NEVER, FAIL, SettledVerdict(None, 1, START)),
        (HALF_NO, FAIL, NO),
        (HALF_NO, PASS, YES),
        (YES, PASS, YES),
        (YES, WARN, SettledVerdict(WARN)),
        (SettledVerdict(WARN), PASS, YES),
        (YES, FAIL, ONCE),
        (YES, NA, ONCE),
        (TWICE, FAIL, NO),
        (TWICE, NA, NOT_ASKED),
        (TWICE, PASS, YES),
        (NOT_ASKED, FAIL, SettledVerdict(NA, 1, START)),
        (NOT_ASKED, NA, NOT_ASKED),
        (NOT_ASKED, PASS, YES),
        (NO, FAIL, NO),
        (NO, NA, NOT_ASKED),
        (NO, PASS, YES),
    ],
)
def test_unanimous_answer_settles(
    before: SettledVerdict, verdict: Verdict, after: SettledVerdict
) -> None:
    assert settle(before, RunResult(verdict, START), REOPEN_POLICY) == after


@pytest.mark.parametrize("before", [NEVER, HALF_NO, YES, ONCE, TWICE, NO, NOT_ASKED])
@pytest.mark.parametrize(
    "result",
    [
        RunResult(UNKNOWN, START),
        RunResult(UNKNOWN, START, unanimous=False),
        # One server did not answer and the others agree.
        RunResult(FAIL, START, unanimous=False),
        RunResult(PASS, START, unanimous=False),
    ],
)
def test_silent_server_changes_nothing(before: SettledVerdict, result: RunResult) -> None:
    assert settle(before, result, REOPEN_POLICY) == before


@pytest.mark.parametrize(
    ("before", "after"), [(NEVER, NEVER), (HALF_NO, NEVER), (YES, YES), (TWICE, YES), (NO, NO)]
)
def test_disagreement_restarts_the_count(before: SettledVerdict, after: SettledVerdict) -> None:
    result = RunResult(FAIL, START, unanimous=False, has_partial_pass=True)

    assert settle(before, result, REOPEN_POLICY) == after


@pytest.mark.parametrize(
    ("minutes", "reopens"),
    [
        ([0], False),
        ([0, 0.05], False),
        ([0, 12], False),
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], False),
        ([0, 5, 9.99], False),
        ([0, 5, 10], True),
        ([0, 60, 120], True),
        # Runs that are closer than a zone reload count once.
        ([0, 12, 12.01], False),
    ],
)
def test_reopening_needs_runs_over_ten_minutes(minutes: Sequence[float], reopens: bool) -> None:
    settled = YES
    for before, minute in zip([-60, *minutes], minutes, strict=False):
        since = timedelta(minutes=minute - before)
        result = RunResult(FAIL, START + timedelta(minutes=minute), since_previous=since)
        settled = settle(settled, result, REOPEN_POLICY)

    assert (settled.verdict is FAIL) == reopens


def test_two_fails_within_one_reload() -> None:
    reload, later = timedelta(seconds=2.9), timedelta(seconds=3)

    assert settle(HALF_NO, RunResult(FAIL, START, since_previous=reload), REOPEN_POLICY) == HALF_NO
    assert settle(HALF_NO, RunResult(FAIL, START, since_previous=later), REOPEN_POLICY) == NO


@pytest.mark.parametrize(
    ("settled", "is_contradicted", "allows_completion"),
    [
        (NEVER, False, False),
        (HALF_NO, True, False),
        (YES, False, True),
        (ONCE, True, True),
        (NOT_ASKED, False, True),
        (NO, False, False),
        (SettledVerdict(FAIL, 1, START), False, False),
    ],
)
def test_settled_verdict_and_its_runs(
    settled: SettledVerdict, is_contradicted: bool, allows_completion: bool
) -> None:
    assert settled.is_contradicted is is_contradicted
    assert settled.allows_completion is allows_completion


@pytest.mark.parametrize(
    ("verdict", "statuses", "expected"),
    [
        (UNKNOWN, ["timeout", "records"], True),
        (UNKNOWN, ["timeout", "servfail"], False),
        (UNKNOWN, [], False),
        # No server passed: the FAIL is only not unanimous.
        (FAIL, ["timeout", "no-record"], False),
    ],
)
def test_partial_pass_restarts_the_count(
    verdict: Verdict, statuses: Sequence[str], expected: bool
) -> None:
    evidence = {"servers": [{"status": status} for status in statuses]}
    outcome = Outcome(CheckKind.MX, "northwind.test", verdict, (), evidence, unanimous=False)

    result = RunResult.of(outcome, at=START, checked_at=None)

    assert settle(TWICE, result, REOPEN_POLICY) == (YES if expected else TWICE)


def test_partial_pass_from_outcome() -> None:
    found = (Finding("dns.servers-disagree", {"agreeing": ["a"], "lagging": ["b"]}),)
    outcome = Outcome(CheckKind.MX, "northwind.test", FAIL, found, unanimous=False)

    result = RunResult.of(outcome, at=START, checked_at=START - TEN)

    assert result == RunResult(
        FAIL, START, unanimous=False, has_partial_pass=True, since_previous=TEN
    )


@pytest.mark.parametrize(
    ("verdict", "codes", "was_verified", "expected"),
    [
        (Verdict.FAIL, {"mx.old-only"}, False, False),
        (Verdict.FAIL, {"mx.old-only"}, True, True),
        (Verdict.FAIL, {"mx.leftover"}, False, True),
        (
            Verdict.FAIL,
            {"inbound-connector.none", "inbound-connector.no-certificate"},
            False,
            False,
        ),
        (Verdict.FAIL, {"spf.no-network-passes", "spf.ptr"}, False, False),
        (Verdict.FAIL, {"spf.no-network-passes", "spf.permerror"}, False, True),
        (Verdict.PASS, {"spf.passes-everyone"}, True, False),
    ],
)
def test_task_not_done_is_not_misconfigured(
    verdict: Verdict, codes: set[str], was_verified: bool, expected: bool
) -> None:
    assert is_misconfigured(verdict, codes, was_verified=was_verified) == expected


def test_special_codes_are_known() -> None:
    assert (NOT_DONE_CODES | INFORMATIONAL_CODES) - set(CODES) == set()
    assert not (NOT_DONE_CODES & INFORMATIONAL_CODES)


@pytest.mark.parametrize("code", sorted(INFORMATIONAL_CODES))
def test_informational_code_is_no_misconfiguration(code: str) -> None:
    not_done = min(NOT_DONE_CODES)

    assert not is_misconfigured(FAIL, [not_done, code], was_verified=False)
