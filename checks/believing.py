"""What one look changes about a check. Pure: the database and the simulation both stand on it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from checks.cadence import Pace, Wishes, next_look, pace
from checks.engine.outcomes import Outcome
from checks.settling import Patience, Seen, Standing, is_at_fault, settle


@dataclass(frozen=True)
class Manner:
    """How patient an installation is: seconds between looks by pace, and what it takes to take a
    yes back."""

    seconds: Mapping[str, int]
    patience: Patience


@dataclass(frozen=True)
class Belief:
    """All of a check that a look may change. `digest` is of the newest answer, which has stood
    since `unchanged_since`; both are empty before the first look."""

    next_due_at: datetime
    standing: Standing = field(default_factory=Standing)
    settled_at: datetime | None = None
    # Since when a yes has ever been settled for this expectation.
    yes_at: datetime | None = None
    is_at_fault: bool = False
    looked_at: datetime | None = None
    digest: str = ""
    unchanged_since: datetime | None = None
    pace: Pace = Pace.WATCHED


def is_overtaken(belief: Belief, at: datetime) -> bool:
    """A look that began before the newest recorded one tells nothing new: late, or twice."""
    return belief.looked_at is not None and at <= belief.looked_at


def is_free(next_due_at: datetime, claimed_until: datetime | None, *, now: datetime) -> bool:
    """May a worker take the check? Due, and held by no worker that is still alive.
    `queries.due_checks` asks the same of the database."""
    return next_due_at <= now and (claimed_until is None or claimed_until <= now)


def digest_of(outcome: Outcome, asked: Mapping[str, Any]) -> str:
    """Two looks with the same digest saw the same, and asked the same."""
    findings = [{"code": f.code, "params": dict(f.params)} for f in outcome.findings]
    facts = [
        outcome.verdict.value,
        outcome.unanimous,
        findings,
        outcome.lasting_evidence,
        dict(asked),
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def after_look(
    belief: Belief,
    outcome: Outcome,
    digest: str,
    *,
    at: datetime,
    now: datetime,
    wishes: Wishes,
    manner: Manner,
    jitter: float,
) -> Belief:
    """The belief after a look that was asked at `at` and is recorded at `now`.

    The next look counts from `now`: a slow batch must not make its checks due at once.
    """
    seen = Seen.of(outcome, at=at, looked_at=belief.looked_at)
    standing = settle(belief.standing, seen, manner.patience)
    is_new = digest != belief.digest or belief.unchanged_since is None
    unchanged_since = at if is_new else belief.unchanged_since or at
    at_pace = pace(
        standing, outcome.verdict, now=at, unchanged_since=unchanged_since, wishes=wishes
    )
    settled = _settled(belief, standing, outcome, at=at)
    return replace(
        settled,
        looked_at=at,
        digest=digest,
        unchanged_since=unchanged_since,
        pace=at_pace,
        next_due_at=next_look(now, at_pace, manner.seconds, jitter=jitter),
    )


def _settled(belief: Belief, standing: Standing, outcome: Outcome, *, at: datetime) -> Belief:
    settled_at = at if standing.verdict is not belief.standing.verdict else belief.settled_at
    moved = replace(belief, standing=standing, settled_at=settled_at)
    if standing.verdict is not None and standing.verdict.is_yes:
        return replace(moved, yes_at=belief.yes_at or at, is_at_fault=False)
    if standing.verdict is outcome.verdict and outcome.unanimous:
        codes = {finding.code for finding in outcome.findings}
        was_yes = belief.yes_at is not None
        return replace(moved, is_at_fault=is_at_fault(standing.verdict, codes, was_yes=was_yes))
    return moved
