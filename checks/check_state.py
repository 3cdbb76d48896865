"""What one look changes about a check. Pure: the database and the simulation both stand on it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from checks.engine.outcomes import Outcome
from checks.scheduling import Interval, Priorities, choose_interval, next_run_at
from checks.settling import ReopenPolicy, RunResult, SettledVerdict, is_misconfigured, settle


@dataclass(frozen=True)
class CheckPolicy:
    """How patient an installation is: seconds between looks by interval, and what it takes to take a
    yes back."""

    seconds: Mapping[str, int]
    reopen_policy: ReopenPolicy


@dataclass(frozen=True)
class CheckState:
    """All of a check that a look may change. `digest` is of the newest answer, which has stood
    since `unchanged_since`; both are empty before the first look."""

    next_due_at: datetime
    settled: SettledVerdict = field(default_factory=SettledVerdict)
    settled_at: datetime | None = None
    # Since when a yes has ever been settled for this expectation.
    first_verified_at: datetime | None = None
    is_misconfigured: bool = False
    checked_at: datetime | None = None
    digest: str = ""
    unchanged_since: datetime | None = None
    interval: Interval = Interval.UNSETTLED


def is_stale(state: CheckState, at: datetime) -> bool:
    """A look that began before the newest recorded one tells nothing new: late, or twice."""
    return state.checked_at is not None and at <= state.checked_at


def is_claimable(next_due_at: datetime, claimed_until: datetime | None, *, now: datetime) -> bool:
    """May a worker take the check? Due, and held by no worker that is still alive.
    `queries.due_checks` asks the same of the database."""
    return next_due_at <= now and (claimed_until is None or claimed_until <= now)


def digest_of(outcome: Outcome, expectation: Mapping[str, Any]) -> str:
    """Two looks with the same digest saw the same, and asked the same."""
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
    """The state after a look that was asked at `at` and is recorded at `now`.

    The next look counts from `now`: a slow batch must not make its checks due at once.
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
            is_misconfigured=is_misconfigured(settled.verdict, codes, was_verified=was_verified),
        )
    return changed
