"""Writes: which checks a tenant has, who looks when, and what a look came to."""

from __future__ import annotations

import functools
import hashlib
import json
import random
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from checks import queries
from checks.cadence import HURRIED_FOR, Pace, next_look, pace
from checks.engine.outcomes import Outcome
from checks.models import Check, Observation
from checks.settling import is_at_fault, settle
from checks.signals import run_recorded
from tenants.public_ids import new_public_id

BATCH = 200
# Longer than a batch may take (the task's time limit), so a claim outlives a slow worker. A message
# that waited as long is dropped unread, since its rows are due again by then.
CLAIM_FOR = timedelta(minutes=3)
_jitter = random.SystemRandom()


def claim_due_checks(*, now: datetime, most: int = 5000) -> dict[str, list[list[int]]]:
    """Claim what is due and return batches of check ids by vantage. Safe with many beats."""
    ids = list(queries.due_checks(now).order_by("next_due_at").values_list("pk", flat=True)[:most])
    return _claim(ids, now=now)


def request_look(checks: Iterable[Check], *, now: datetime) -> dict[str, list[list[int]]]:
    """Somebody waits for these checks: look at once, and often for the next ten minutes.

    Returns the claimed batches by vantage, for the caller to queue; a check that a worker holds
    at this moment is not claimed again, but looked at within seconds.
    """
    ids = [check.pk for check in checks]
    Check.objects.filter(pk__in=ids, is_active=True).update(
        next_due_at=now, hurried_until=now + HURRIED_FOR, pace=Pace.HURRIED
    )
    return _claim(ids, now=now)


def _claim(ids: list[int], *, now: datetime) -> dict[str, list[list[int]]]:
    claim_id = new_public_id()
    batches: dict[str, list[list[int]]] = {}
    for start in range(0, len(ids), BATCH):
        # The condition is repeated in the update: another beat may have been first.
        queries.due_checks(now).filter(pk__in=ids[start : start + BATCH]).update(
            claim_id=claim_id, claimed_until=now + CLAIM_FOR
        )
    claimed = Check.objects.filter(claim_id=claim_id).order_by("pk").values_list("vantage", "pk")
    for vantage, pk in claimed:
        of_vantage = batches.setdefault(vantage, [[]])
        if len(of_vantage[-1]) == BATCH:
            of_vantage.append([])
        of_vantage[-1].append(pk)
    return batches


def release(ids: Iterable[int], *, now: datetime) -> None:
    """Give back claims whose batch could not be queued; the next tick finds them."""
    Check.objects.filter(pk__in=list(ids)).update(claim_id="", claimed_until=None, next_due_at=now)


def record_run(check_id: int, outcome: Outcome, *, asked: Mapping[str, Any], at: datetime) -> bool:
    """Store what was seen and judged, work out the standing and set the next look.

    1. A look that answers an older question (`asked` is no longer the expectation), or that a later
       look has overtaken, is dropped.
    2. The same answer as the newest observation extends it; another starts the next one.
    3. The standing settles as checks.settling says, and the pace as checks.cadence says.
    4. On commit, `run_recorded` is sent: facts first, reactions after.

    Returns whether the look was recorded. Safe to run twice.
    """
    with transaction.atomic():
        # No join here: a row that was waited for is read anew, but what it is joined to is not.
        check = Check.objects.select_for_update().get(pk=check_id)
        if check.expectation != asked or (check.looked_at is not None and at <= check.looked_at):
            Check.objects.filter(pk=check_id).update(claim_id="", claimed_until=None)
            return False
        observation = _extend_or_open(check, outcome, at=at)
        _update_standing(check, outcome, observation, at=at)
        transaction.on_commit(
            functools.partial(run_recorded.send_robust, sender=Check, check_id=check_id)
        )
    return True


def _extend_or_open(check: Check, outcome: Outcome, *, at: datetime) -> Observation:
    findings = [{"code": f.code, "params": dict(f.params)} for f in outcome.findings]
    facts = [outcome.verdict.value, outcome.unanimous, findings, outcome.lasting_evidence]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    latest = check.latest
    if latest is not None and latest.digest == digest:
        latest.last_seen_at = at
        latest.looks += 1
        latest.save(update_fields=["last_seen_at", "looks"])
        return latest
    return Observation.objects.create(
        check_asked=check,
        verdict=outcome.verdict.value,
        unanimous=outcome.unanimous,
        findings=findings,
        evidence=dict(outcome.evidence),
        digest=digest,
        first_seen_at=at,
        last_seen_at=at,
    )


def _update_standing(
    check: Check, outcome: Outcome, observation: Observation, *, at: datetime
) -> None:
    standing = settle(check.standing, outcome.verdict, unanimous=outcome.unanimous)
    at_pace = pace(
        standing,
        outcome.verdict,
        now=at,
        unchanged_since=observation.first_seen_at,
        hurried_until=check.hurried_until,
    )
    settled = standing.verdict.value if standing.verdict is not None else ""
    if settled != check.settled_verdict:
        check.settled_at = at
    if standing.verdict is not None and standing.verdict.is_yes:
        check.yes_at = check.yes_at or at
        check.is_at_fault = False
    elif standing.verdict is outcome.verdict:
        codes = {finding.code for finding in outcome.findings}
        was_yes = check.yes_at is not None
        check.is_at_fault = is_at_fault(standing.verdict, codes, was_yes=was_yes)
    check.settled_verdict = settled
    check.failing_looks = standing.failing_looks
    check.latest = observation
    check.looked_at = at
    check.pace = at_pace.value
    # From now, not from `at`: a slow batch must not make its checks due at once.
    seconds = (
        settings.CHECKS_CADENCE_OF_SAMPLES if check.tenant.is_sample else settings.CHECKS_CADENCE
    )
    check.next_due_at = next_look(timezone.now(), at_pace, seconds, jitter=_jitter.uniform(-1, 1))
    check.claim_id = ""
    check.claimed_until = None
    check.save(
        update_fields=[
            "settled_verdict",
            "settled_at",
            "failing_looks",
            "yes_at",
            "is_at_fault",
            "latest",
            "looked_at",
            "pace",
            "next_due_at",
            "claim_id",
            "claimed_until",
        ]
    )
