"""The effect of one run on a check. Pure: the database and the simulation both use it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from checks.engine.outcomes import UNVERIFIED_KINDS, Outcome
from checks.scheduling import Interval, Priorities, choose_interval, next_run_at
from checks.settling import ReopenPolicy, RunResult, SettledVerdict, is_misconfigured, settle


@dataclass(frozen=True)
class CheckPolicy:
    """Timing of an installation: seconds between runs by interval, and the reopen policy."""

    seconds: Mapping[str, int]
    reopen_policy: ReopenPolicy


@dataclass(frozen=True)
class CheckState:
    """All fields of a check that a run may change.

    `digest` identifies the newest answer, unchanged since `unchanged_since`. Both are empty
    before the first run.
    """

    next_due_at: datetime
    settled: SettledVerdict = field(default_factory=SettledVerdict)
    settled_at: datetime | None = None
    # When a pass was first settled for the present expectation.
    first_verified_at: datetime | None = None
    is_misconfigured: bool = False
    checked_at: datetime | None = None
    digest: str = ""
    unchanged_since: datetime | None = None
    interval: Interval = Interval.UNSETTLED


def is_stale(state: CheckState, at: datetime) -> bool:
    """Whether the run started before the newest recorded run: delivered late, or twice."""
    return state.checked_at is not None and at <= state.checked_at


def is_claimable(next_due_at: datetime, claimed_until: datetime | None, *, now: datetime) -> bool:
    """Whether a worker may claim the check: it is due, and no claim of a living worker covers it.

    `queries.due_checks` is the same condition as a query.
    """
    return next_due_at <= now and (claimed_until is None or claimed_until <= now)


def digest_of(outcome: Outcome, expectation: Mapping[str, Any]) -> str:
    """Two runs with the same digest have the same question and the same answer."""
    findings = [{"code": f.code, "params": dict(f.params)} for f in outcome.findings]
    facts = [
        outcome.verdict.value,
        outcome.unanimous,
        findings,
        outcome.stable_evidence,
        dict(expectation),
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def apply_run(
    state: CheckState,
    outcome: Outcome,
    digest: str,
    *,
    at: datetime,
    now: datetime,
    priorities: Priorities,
    policy: CheckPolicy,
    jitter: float,
) -> CheckState:
    """Return the state after a run that started at `at` and is recorded at `now`.

    The next run is scheduled from `now`: otherwise a slow batch would make its checks due at once.
    """
    result = RunResult.of(outcome, at=at, checked_at=state.checked_at)
    settled = settle(state.settled, result, policy.reopen_policy)
    is_new = digest != state.digest or state.unchanged_since is None
    unchanged_since = at if is_new else state.unchanged_since or at
    interval = choose_interval(
        settled, outcome.verdict, now=at, unchanged_since=unchanged_since, priorities=priorities
    )
    updated = _with_settled(state, settled, outcome, at=at)
    return replace(
        updated,
        checked_at=at,
        digest=digest,
        unchanged_since=unchanged_since,
        interval=interval,
        next_due_at=next_run_at(now, interval, policy.seconds, jitter=jitter),
    )


def _with_settled(
    state: CheckState, settled: SettledVerdict, outcome: Outcome, *, at: datetime
) -> CheckState:
    settled_at = at if settled.verdict is not state.settled.verdict else state.settled_at
    changed = replace(state, settled=settled, settled_at=settled_at)
    if settled.verdict is not None and settled.verdict.is_passing:
        return replace(
            changed, first_verified_at=state.first_verified_at or at, is_misconfigured=False
        )
    if settled.verdict is outcome.verdict and outcome.unanimous:
        codes = {finding.code for finding in outcome.findings}
        was_verified = state.first_verified_at is not None
        return replace(
            changed,
            # A submitted text may be old or edited, so it is no reason for an alarm.
            is_misconfigured=outcome.kind not in UNVERIFIED_KINDS
            and is_misconfigured(settled.verdict, codes, was_verified=was_verified),
        )
    return changed
