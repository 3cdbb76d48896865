"""Record observations, schedule the next run, and set the priorities of checks."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import Q

from checks import claims, raw_answers, reactions
from checks.check_state import CheckPolicy, CheckState, apply_run, digest_of, is_stale
from checks.engine import rules
from checks.engine.outcomes import MESSAGE_KINDS, Outcome, Verdict
from checks.models import Check, Observation
from checks.scheduling import VIEWED_FOR, Interval, next_run_at
from checks.settling import ReopenPolicy
from tenants import database_time
from tenants.models import Tenant

_jitter = random.SystemRandom()


def prioritize_cutover(checks: Iterable[Check], *, until: datetime) -> int:
    """Run these checks every few seconds until `until`, whatever their settled verdict is.

    For a cutover window. Safe to repeat while the window is open. Return the number of checks
    without this priority before; these are due at once.
    """
    now = database_time.now()
    wanted = Check.objects.filter(pk__in=[check.pk for check in checks], is_active=True)
    with transaction.atomic():
        locked = Check.objects.filter(pk__in=claims.lock(wanted))
        opened = locked.filter(Q(cutover_until__isnull=True) | Q(cutover_until__lte=now))
        raised = opened.update(cutover_until=until, next_due_at=now)
        locked.update(cutover_until=until)
    return raised


def prioritize_viewed(tenant: Tenant, *, now: datetime) -> int:
    """A page with this tenant's tasks is open: run its unsettled checks every minute.

    Called with every poll of an open page; writes at most once a minute per web process. Return the
    number of checks that will run sooner.
    """
    if not cache.add(f"checks:viewed:{tenant.pk}", True, timeout=60):
        return 0
    wait = policy_for_tenant(tenant).seconds[Interval.UNSETTLED] * (1 + _jitter.uniform(-1, 1) / 10)
    unsettled = Check.objects.filter(tenant=tenant, is_active=True).exclude(
        settled_verdict__in=(Verdict.PASS, Verdict.WARN, Verdict.NOT_APPLICABLE)
    )
    soon = now + timedelta(seconds=wait)
    with transaction.atomic():
        locked = Check.objects.filter(pk__in=claims.lock(unsettled))
        locked.update(viewed_until=now + VIEWED_FOR)
        return locked.filter(next_due_at__gt=soon).update(
            next_due_at=soon, interval=Interval.UNSETTLED
        )


def defer(check: Check, *, until: datetime) -> None:
    """Release a check whose host was probed a moment ago; it runs at the next free slot."""
    later = until + timedelta(seconds=_jitter.uniform(0, 15))
    Check.objects.filter(pk=check.pk).update(
        claim_id="", claimed_until=None, next_due_at=later, interval=Interval.DEFERRED
    )


def record_run(
    check_id: int,
    outcome: Outcome,
    *,
    expectation: Mapping[str, Any],
    at: datetime,
    ended_at: datetime | None = None,
    is_in_batch: bool = False,
) -> bool:
    """Store an outcome, compute the settled verdict and schedule the next run.

    `at` is the start of the run and `ended_at` its end (the same by default). Until the end, a
    server may have given out another answer, so safe times count from there.

    1. A run is dropped if it answers an earlier question (`expectation` has changed), if a later
       run is recorded already, or if its check is gone.
    2. The same answer extends the newest observation; another answer starts the next one.
    3. The settled verdict, the interval and the next run follow (checks.check_state).
    4. On commit, `runs_recorded` is sent: facts first, reactions second. With `is_in_batch` the
       caller sends it once for all runs of a tenant.

    Return whether the run was recorded. Safe to run twice.
    """
    with transaction.atomic():
        # No join: after waiting for the lock, PostgreSQL reads the locked row again, but not the
        # joined rows.
        check = Check.objects.select_for_update(no_key=True).filter(pk=check_id).first()
        if check is None:
            return False
        if check.expectation != expectation or is_stale(check.state, at):
            drop_run(check, now=database_time.now())
            return False
        digest = digest_of(outcome, expectation)
        state = apply_run(
            check.state,
            outcome,
            digest,
            at=at,
            now=database_time.now(),
            priorities=check.priorities,
            policy=policy_for_check(check),
            jitter=_jitter.uniform(-1, 1),
        )
        observation = _extend_or_create(
            check, outcome, digest, expectation, at=at, ended_at=ended_at or at
        )
        _save_state(check, state, observation)
        if not is_in_batch:
            reactions.send_on_commit(check)
    return True


def drop_run(check: Check, *, now: datetime) -> None:
    """End the claim of a run that is not recorded, and schedule the next run if none is."""
    seconds = policy_for_check(check).seconds
    next_due_at = check.next_due_at
    if next_due_at <= now:
        next_due_at = next_run_at(now, Interval.SETTLING, seconds, jitter=_jitter.uniform(-1, 1))
    Check.objects.filter(pk=check.pk).update(
        claim_id="", claimed_until=None, next_due_at=next_due_at
    )


def policy_for_tenant(tenant: Tenant) -> CheckPolicy:
    """Return the policy of the settings; sample tenants have short durations for demonstrations."""
    if tenant.is_sample:
        seconds, reopen_after = (
            settings.CHECKS_INTERVAL_SECONDS_OF_SAMPLES,
            settings.CHECKS_REOPEN_AFTER_SECONDS_OF_SAMPLES,
        )
    else:
        seconds, reopen_after = (
            settings.CHECKS_INTERVAL_SECONDS,
            settings.CHECKS_REOPEN_AFTER_SECONDS,
        )
    return CheckPolicy(seconds, ReopenPolicy(span=timedelta(seconds=reopen_after)))


def policy_for_check(check: Check) -> CheckPolicy:
    policy = policy_for_tenant(check.tenant)
    if check.kind in MESSAGE_KINDS:
        # A message is a fixed input: a second run soon after the first is enough.
        return replace(policy, reopen_policy=ReopenPolicy(runs=2, span=timedelta(0)))
    return policy


def _extend_or_create(
    check: Check,
    outcome: Outcome,
    digest: str,
    expectation: Mapping[str, Any],
    *,
    at: datetime,
    ended_at: datetime,
) -> Observation:
    latest = check.latest
    if latest is not None and latest.digest == digest:
        latest.last_seen_at = at
        latest.runs += 1
        latest.save(update_fields=["last_seen_at", "runs"])
        return latest
    raw = raw_answers.store(check.tenant, outcome.raw) if outcome.raw else None
    return _create_observation(
        check, outcome, digest, expectation, at=at, first_run_ended_at=ended_at, raw=raw
    )


def _create_observation(
    check: Check,
    outcome: Outcome,
    digest: str,
    expectation: Mapping[str, Any],
    *,
    at: datetime,
    **more: Any,
) -> Observation:
    return Observation.objects.create(
        check_asked=check,
        expectation=dict(expectation),
        rules=rules.version(),
        verdict=outcome.verdict.value,
        unanimous=outcome.unanimous,
        findings=[{"code": f.code, "params": dict(f.params)} for f in outcome.findings],
        evidence=dict(outcome.evidence),
        digest=digest,
        first_seen_at=at,
        last_seen_at=at,
        **more,
    )


def record_rejudgement(observation: Observation, outcome: Outcome, *, now: datetime) -> bool:
    """Record the judgement of newer rules on a check's newest answer as an observation.

    The earlier observation remains unchanged. The new one refers to the same raw answers and
    settles like any run. A
    regular run follows at once. False if a run was recorded in the meantime: the present rules
    have judged it already.
    """
    with transaction.atomic():
        check = (
            Check.objects.select_for_update(no_key=True)
            .filter(pk=observation.check_asked_id)
            .first()
        )
        if check is None or check.latest_id != observation.pk:
            return False
        expectation = observation.expectation
        digest = digest_of(outcome, expectation)
        state = apply_run(
            check.state,
            outcome,
            digest,
            at=now,
            now=now,
            priorities=check.priorities,
            policy=policy_for_check(check),
            jitter=0,
        )
        judged = _create_observation(
            check,
            outcome,
            digest,
            expectation,
            at=now,
            raw_id=observation.raw_id,
            trigger=Observation.Trigger.RULES,
            runs=0,
        )
        _save_state(check, replace(state, checked_at=check.checked_at, next_due_at=now), judged)
        reactions.send_on_commit(check)
    return True


def signed_at_of(observation: Observation) -> datetime | None:
    """The signed time of a message that passed; None for any other observation."""
    if not Verdict(observation.verdict).is_passing:
        return None
    sent_at = observation.evidence.get("message", {}).get("sent_at", "")
    return datetime.fromisoformat(sent_at) if sent_at else None


def received_at_of(observation: Observation) -> datetime | None:
    """When the client's system received a message that passed; None for any other observation."""
    if not Verdict(observation.verdict).is_passing:
        return None
    received_at = observation.evidence.get("message", {}).get("received_at", "")
    return datetime.fromisoformat(received_at) if received_at else None


def _newest(*times: datetime | None) -> datetime | None:
    return max((time for time in times if time is not None), default=None)


def _signed_by_platform(observation: Observation) -> dict[str, str]:
    """The signed time of a message that passed, by the half of a hybrid system that sent it."""
    platform = observation.evidence.get("message", {}).get("sending_platform", "")
    signed_at = signed_at_of(observation) if platform else None
    return {platform: signed_at.isoformat()} if signed_at is not None else {}


def _save_state(check: Check, state: CheckState, observation: Observation) -> None:
    settled = state.settled
    is_changed = check.latest_id != observation.pk or check.settled.verdict is not settled.verdict
    changes = {
        "settled_verdict": settled.verdict.value if settled.verdict is not None else "",
        "settled_at": state.settled_at,
        "contradicting_runs": settled.contradicting_runs,
        "contradicted_since": settled.contradicted_since,
        "first_verified_at": state.first_verified_at,
        "is_misconfigured": state.is_misconfigured,
        "signed_at": signed_at_of(observation) or check.signed_at,
        "signed_by_platform": check.signed_by_platform | _signed_by_platform(observation),
        # A person may submit an older message later, for another route.
        "received_at": _newest(received_at_of(observation), check.received_at),
        "latest": observation,
        "checked_at": state.checked_at,
        # The earliest change without a reaction counts.
        "unevaluated_since": check.unevaluated_since or (state.checked_at if is_changed else None),
        "interval": state.interval.value,
        "next_due_at": state.next_due_at,
        "claim_id": "",
        "claimed_until": None,
    }
    for name, value in changes.items():
        setattr(check, name, value)
    check.save(update_fields=list(changes))
