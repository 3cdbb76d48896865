"""What completes, what reopens, and what changes nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from checks.engine.outcomes import Verdict
from checks.settling import Standing, is_at_fault, settle

NEVER = Standing()
YES = Standing(Verdict.PASS)
DOUBTED = Standing(Verdict.PASS, failing_looks=1)
NO = Standing(Verdict.FAIL, failing_looks=2)


@pytest.mark.parametrize(
    ("before", "verdict", "unanimous", "after"),
    [
        (NEVER, Verdict.PASS, True, YES),
        (NEVER, Verdict.WARN, True, Standing(Verdict.WARN)),
        (NEVER, Verdict.PASS, False, NEVER),
        (NEVER, Verdict.FAIL, True, Standing(None, failing_looks=1)),
        (NEVER, Verdict.UNKNOWN, True, NEVER),
        (Standing(None, failing_looks=1), Verdict.FAIL, True, NO),
        (YES, Verdict.FAIL, True, DOUBTED),
        (YES, Verdict.FAIL, False, YES),
        (YES, Verdict.UNKNOWN, True, YES),
        (YES, Verdict.UNKNOWN, False, YES),
        (YES, Verdict.NOT_APPLICABLE, True, Standing(Verdict.NOT_APPLICABLE)),
        (DOUBTED, Verdict.FAIL, True, NO),
        (DOUBTED, Verdict.PASS, True, YES),
        (DOUBTED, Verdict.UNKNOWN, False, DOUBTED),
        (DOUBTED, Verdict.FAIL, False, YES),
        (DOUBTED, Verdict.PASS, False, YES),
        (NO, Verdict.FAIL, True, Standing(Verdict.FAIL, failing_looks=3)),
        (NO, Verdict.PASS, True, YES),
        (NO, Verdict.UNKNOWN, False, NO),
    ],
)
def test_settle_believes_only_what_every_server_said(
    before: Standing, verdict: Verdict, unanimous: bool, after: Standing
) -> None:
    assert settle(before, verdict, unanimous=unanimous) == after


@pytest.mark.parametrize(("seconds", "after"), [(1, DOUBTED), (3, NO)])
def test_two_noes_within_one_reload_are_one(seconds: int, after: Standing) -> None:
    since = timedelta(seconds=seconds)

    assert settle(DOUBTED, Verdict.FAIL, unanimous=True, since_last=since) == after


@pytest.mark.parametrize(
    ("verdict", "codes", "was_yes", "expected"),
    [
        (Verdict.FAIL, {"mx.old-only"}, False, False),
        (Verdict.FAIL, {"mx.old-only"}, True, True),
        (Verdict.FAIL, {"mx.leftover"}, False, True),
        (Verdict.FAIL, {"spf.no-network-passes", "spf.ptr"}, False, False),
        (Verdict.FAIL, {"spf.no-network-passes", "spf.permerror"}, False, True),
        (Verdict.PASS, {"spf.passes-everyone"}, True, False),
    ],
)
def test_a_step_not_taken_yet_is_no_fault(
    verdict: Verdict, codes: set[str], was_yes: bool, expected: bool
) -> None:
    assert is_at_fault(verdict, codes, was_yes=was_yes) == expected
