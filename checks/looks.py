"""From a stored check to the engine's question, and one batch of them through one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from checks import messages, services
from checks.engine.batch import Look, look_all
from checks.engine.expectations import Ownership, Selector
from checks.engine.outcomes import Kind, Outcome
from checks.models import Check, ShownMessage
from checks.network_settings import network_from_settings
from checks.region_facts import region_facts
from tenants.regions import load_book


def look_for(check: Check, message: ShownMessage | None = None) -> Look:
    """The engine's question for a check, with the expectation it holds at this moment."""
    ownership = None
    if check.kind == Kind.OWNERSHIP:
        ownership = Ownership(
            token=check.expectation["token"],
            label=check.expectation["label"],
            cname_target=load_book().everywhere.ownership_cname_target,
        )
    return Look(
        kind=Kind(check.kind),
        domain=check.domain.name if check.domain else "",
        host=check.host.name if check.host else "",
        port=check.host.port if check.host else 0,
        region=region_facts(check.tenant.region_values),
        ownership=ownership,
        selectors=tuple(map(Selector.read, _selectors(check))),
        ttl_threshold=settings.CHECKS_TTL_THRESHOLD_SECONDS,
        control=settings.CHECKS_CONTROL_TARGET,
        vantage_allowed=settings.CHECKS_VANTAGE_ALLOWED,
        message=messages.shown_to_engine(message, at=timezone.now()),
    )


def _selectors(check: Check) -> Sequence[str]:
    """Those on record now for a message: another key later does not undo what one has proved."""
    if check.kind == Kind.MESSAGE and check.domain is not None:
        return check.domain.dkim_selectors.split()
    selectors: Sequence[str] = check.expectation.get("selectors", ())
    return selectors


def run_batch(check_ids: Sequence[int]) -> int:
    """Look at each check once, in one event loop, and record what was seen.

    Returns how many looks were recorded. Checks that were set aside meanwhile are left out.
    """
    checks = list(
        Check.objects.filter(pk__in=check_ids, is_active=True).select_related(
            "tenant", "domain", "host"
        )
    )
    shown = messages.waiting(checks)
    checks = messages.park_idle(checks, shown)
    if not checks:
        return 0
    # The moment of asking: an answer is never younger than its question.
    asked_at = timezone.now()
    outcomes = asyncio.run(
        look_all(
            [look_for(check, shown.get(check.pk)) for check in checks],
            network=network_from_settings(),
            budget_seconds=settings.CHECKS_BUDGET_SECONDS,
            concurrency=settings.CHECKS_CONCURRENCY,
        )
    )
    return sum(
        _record(check, outcome, shown.get(check.pk), at=asked_at)
        for check, outcome in zip(checks, outcomes, strict=True)
    )


def _record(check: Check, outcome: Outcome, message: ShownMessage | None, *, at: datetime) -> bool:
    if message is None:
        return services.record_run(check.pk, outcome, asked=check.expectation, at=at)
    # Together, so that whoever hears of the look finds the message judged.
    with transaction.atomic():
        recorded = services.record_run(check.pk, outcome, asked=check.expectation, at=at)
        if recorded:
            messages.note_look(message, outcome, at=at)
    return recorded
