"""The recording of one run at a time, row by row: the rules of `record_runs`, without speed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from checks import raw_answers
from checks.check_state import CheckState, apply_run, digest_of, is_stale
from checks.engine import rules_version
from checks.engine.outcomes import Outcome
from checks.models import Check, Observation
from checks.scheduling import Interval, next_run_at
from checks.services import policy_for_check, received_at_of, signed_at_of


def record_one(
    check_id: int,
    outcome: Outcome,
    *,
    expectation: Mapping[str, Any],
    at: datetime,
    ended_at: datetime,
    now: datetime,
) -> bool:
    """Record a run at the time `now`, without jitter. Return whether it was recorded."""
    check = Check.objects.select_related("tenant", "latest").get(pk=check_id)
    policy = policy_for_check(check)
    if check.expectation != expectation or is_stale(check.state, at):
        check.claim_id, check.claimed_until = "", None
        if check.next_due_at <= now:
            check.next_due_at = next_run_at(now, Interval.SETTLING, policy.seconds, jitter=0)
        check.save()
        return False
    digest = digest_of(outcome, expectation)
    state = apply_run(
        *(check.state, outcome, digest),
        at=at,
        now=now,
        priorities=check.priorities,
        policy=policy,
        jitter=0,
    )
    before = (check.latest_id, check.settled.verdict)
    _save(check, state, _extended(check, outcome, digest, at=at, ended_at=ended_at))
    if before != (check.latest_id, check.settled.verdict):
        check.unevaluated_since = check.unevaluated_since or at
        check.save()
    return True


def _extended(
    check: Check, outcome: Outcome, digest: str, *, at: datetime, ended_at: datetime
) -> Observation:
    latest = check.latest
    if latest is None or latest.digest != digest:
        return _open(check, outcome, digest, at=at, ended_at=ended_at)
    latest.last_seen_at = at
    latest.runs += 1
    latest.save()
    return latest


def _save(check: Check, state: CheckState, latest: Observation) -> None:
    settled = state.settled
    check.settled_verdict = settled.verdict.value if settled.verdict is not None else ""
    check.settled_at = state.settled_at
    check.contradicting_runs = settled.contradicting_runs
    check.contradicted_since = settled.contradicted_since
    check.first_verified_at = state.first_verified_at
    check.is_misconfigured = state.is_misconfigured
    signed_at = signed_at_of(latest)
    platform = latest.evidence.get("message", {}).get("sending_platform", "")
    if signed_at is not None:
        check.signed_at = signed_at
        if platform:
            check.signed_by_platform[platform] = signed_at.isoformat()
    received_at = received_at_of(latest)
    if received_at is not None and (check.received_at is None or received_at > check.received_at):
        check.received_at = received_at
    check.latest = latest
    check.checked_at, check.interval = state.checked_at, state.interval.value
    check.next_due_at = state.next_due_at
    check.claim_id, check.claimed_until = "", None
    check.save()


def _open(
    check: Check, outcome: Outcome, digest: str, *, at: datetime, ended_at: datetime
) -> Observation:
    raw_id = None
    if outcome.raw:
        raw_id = raw_answers.store({check.pk: (check.tenant_id, outcome.raw)})[check.pk]
    return Observation.objects.create(
        check_asked=check,
        expectation=check.expectation,
        rules=rules_version.version(),
        verdict=outcome.verdict.value,
        unanimous=outcome.unanimous,
        findings=[{"code": f.code, "params": dict(f.params)} for f in outcome.findings],
        evidence=dict(outcome.evidence),
        digest=digest,
        first_seen_at=at,
        first_run_ended_at=ended_at,
        last_seen_at=at,
        raw_id=raw_id,
    )
