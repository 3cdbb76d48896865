"""Writes: which checks a tenant has, who runs when, and what a look came to."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from checks import queries, raw_answers
from checks.check_state import CheckPolicy, CheckState, apply_run, digest_of, is_stale
from checks.engine import rules
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from checks.models import Check, Observation
from checks.scheduling import REQUESTED_FOR, VIEWED_FOR, Interval
from checks.settling import ReopenPolicy
from checks.signals import run_recorded
from tenants.models import Tenant
from tenants.public_ids import new_public_id

BATCH_SIZE = 200
# Longer than a batch may take (the task's time limit), so a claim outlives a slow worker. A message
# that waited as long is dropped unread, since its rows are due again by then.
CLAIM_DURATION = timedelta(minutes=3)
_jitter = random.SystemRandom()


def claim_due_checks(*, now: datetime, most: int = 5000) -> dict[str, list[list[int]]]:
    """Claim what is due and return batches of check ids by vantage. Safe with many beats."""
    ids = list(queries.due_checks(now).order_by("next_due_at").values_list("pk", flat=True)[:most])
    return _claim(ids, now=now)


def request_run(checks: Iterable[Check], *, now: datetime) -> dict[str, list[list[int]]]:
    """Somebody waits for these checks: look at once, and often for the next ten minutes.

    Returns the claimed batches by vantage, for the caller to queue; a check that a worker holds
    at this moment is not claimed again, but looked at within seconds.
    """
    wanted = Check.objects.filter(pk__in=[check.pk for check in checks], is_active=True)
    with transaction.atomic():
        ids = _locked(wanted)
        Check.objects.filter(pk__in=ids).update(
            next_due_at=now, requested_until=now + REQUESTED_FOR, interval=Interval.REQUESTED
        )
    return _claim(ids, now=now)


def _locked(checks: QuerySet[Check]) -> list[int]:
    """Lock the rows, always in one order: two people who want the same never wait in a circle."""
    return list(checks.select_for_update().order_by("pk").values_list("pk", flat=True))


def _claim(ids: list[int], *, now: datetime) -> dict[str, list[list[int]]]:
    claim_id = new_public_id()
    batches: dict[str, list[list[int]]] = {}
    for start in range(0, len(ids), BATCH_SIZE):
        with transaction.atomic():
            # What somebody else holds at this moment is being claimed or recorded: not waited for,
            # so that beats never wait for each other.
            free = queries.due_checks(now).filter(pk__in=ids[start : start + BATCH_SIZE])
            mine = list(
                free.select_for_update(skip_locked=True).order_by("pk").values_list("pk", flat=True)
            )
            Check.objects.filter(pk__in=mine).update(
                claim_id=claim_id, claimed_until=now + CLAIM_DURATION
            )
    claimed = Check.objects.filter(claim_id=claim_id).order_by("pk").values_list("vantage", "pk")
    for vantage, pk in claimed:
        of_vantage = batches.setdefault(vantage, [[]])
        if len(of_vantage[-1]) == BATCH_SIZE:
            of_vantage.append([])
        of_vantage[-1].append(pk)
    return batches


def release(ids: Iterable[int], *, now: datetime) -> None:
    """Give back claims whose batch could not be queued; the next tick finds them."""
    Check.objects.filter(pk__in=list(ids)).update(claim_id="", claimed_until=None, next_due_at=now)


def prioritize_cutover(checks: Iterable[Check], *, until: datetime) -> int:
    """Look at these checks every few seconds until a moment, whatever their settled verdict is.

    For a cutover's window. Safe to repeat for as long as the window is open; returns how many had
    not been watched closely yet, which are due at once.
    """
    now = timezone.now()
    wanted = Check.objects.filter(pk__in=[check.pk for check in checks], is_active=True)
    with transaction.atomic():
        locked = Check.objects.filter(pk__in=_locked(wanted))
        opened = locked.filter(Q(cutover_until__isnull=True) | Q(cutover_until__lte=now))
        raised = opened.update(cutover_until=until, next_due_at=now)
        locked.update(cutover_until=until)
    return raised


def prioritize_viewed(tenant: Tenant, *, now: datetime) -> int:
    """Somebody has this tenant's steps open: what is not settled is looked at each minute.

    Called with every poll of an open page; writes once a minute for each web process at most.
    Returns how many checks will be looked at sooner.
    """
    if not cache.add(f"checks:viewed:{tenant.pk}", True, timeout=60):
        return 0
    wait = policy_for_tenant(tenant).seconds[Interval.VIEWED] * (1 + _jitter.uniform(-1, 1) / 10)
    unsettled = Check.objects.filter(tenant=tenant, is_active=True).exclude(
        settled_verdict__in=(Verdict.PASS, Verdict.WARN, Verdict.NOT_APPLICABLE)
    )
    soon = now + timedelta(seconds=wait)
    with transaction.atomic():
        locked = Check.objects.filter(pk__in=_locked(unsettled))
        locked.update(viewed_until=now + VIEWED_FOR)
        return locked.filter(next_due_at__gt=soon).update(
            next_due_at=soon, interval=Interval.VIEWED
        )


def defer(check: Check, *, until: datetime) -> None:
    """Give back a check whose host's address was looked at a moment ago, to look in its turn."""
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
) -> bool:
    """Store what was seen and judged, compute the settled verdict and set the next look.

    `at` is when the look began, `ended_at` when it had ended (at once, by default): until then a
    server may have given out another answer, and the clocks count from there.

    1. A look that answers an older question (`expectation` has changed since), that a later
       look has overtaken, or whose check is gone, is dropped.
    2. The same answer as the newest observation extends it; another starts the next one.
    3. What is believed, the interval and the next look follow (checks.check_state).
    4. On commit, `run_recorded` is sent: facts first, reactions after.

    Returns whether the look was recorded. Safe to run twice.
    """
    with transaction.atomic():
        # No join here: a row that was waited for is read anew, but what it is joined to is not.
        check = Check.objects.select_for_update().filter(pk=check_id).first()
        if check is None:
            return False
        if check.expectation != expectation or is_stale(check.state, at):
            Check.objects.filter(pk=check_id).update(claim_id="", claimed_until=None)
            return False
        digest = digest_of(outcome, expectation)
        state = apply_run(
            check.state,
            outcome,
            digest,
            at=at,
            now=timezone.now(),
            priorities=check.priorities,
            policy=policy_for_check(check),
            jitter=_jitter.uniform(-1, 1),
        )
        observation = _extend_or_create(
            check, outcome, digest, expectation, at=at, ended_at=ended_at or at
        )
        _save_state(check, state, observation)
        _send_run_recorded(check_id)
    return True


def _send_run_recorded(check_id: int) -> None:
    """On commit, and nowhere else: facts first, reactions after."""
    transaction.on_commit(
        functools.partial(run_recorded.send_robust, sender=Check, check_id=check_id)
    )


def policy_for_tenant(tenant: Tenant) -> CheckPolicy:
    """The settings' durations; the lab's are short, because people stand and watch."""
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
    if check.kind == CheckKind.MESSAGE:
        # A message shows one moment: what it says does not change while somebody waits.
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
    """Let newer rules' judgement of a check's newest observation count as a look of this moment.

    What was seen then stays as it was judged then: the judgement is an observation of its own, over
    the same raw answers, and settles as any look does. A real look follows at once. False where
    a look was recorded meanwhile, which today's rules have judged already.
    """
    with transaction.atomic():
        check = Check.objects.select_for_update().filter(pk=observation.check_asked_id).first()
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
        _send_run_recorded(check.pk)
    return True


def _save_state(check: Check, state: CheckState, observation: Observation) -> None:
    settled = state.settled
    changes = {
        "settled_verdict": settled.verdict.value if settled.verdict is not None else "",
        "settled_at": state.settled_at,
        "contradicting_runs": settled.contradicting_runs,
        "contradicted_since": settled.contradicted_since,
        "first_verified_at": state.first_verified_at,
        "is_misconfigured": state.is_misconfigured,
        "latest": observation,
        "checked_at": state.checked_at,
        "interval": state.interval.value,
        "next_due_at": state.next_due_at,
        "claim_id": "",
        "claimed_until": None,
    }
    for name, value in changes.items():
        setattr(check, name, value)
    check.save(update_fields=list(changes))
