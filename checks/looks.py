"""From a stored check to the engine's question, and one batch of them through one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from checks import messages, politeness, services
from checks.engine.batch import Look, locate_all, look_all
from checks.engine.expectations import Ownership, RegionFacts, Selector
from checks.engine.hosts import Refused, not_probed, without_consent
from checks.engine.network import Endpoint
from checks.engine.outcomes import Finding, Kind, Outcome, Verdict
from checks.models import Check, HostAnswer, ShownMessage
from checks.network_settings import network_from_settings
from checks.region_facts import region_facts
from tenants.models import Tenant
from tenants.regions import load_book


def look_for(
    check: Check,
    expectation: Mapping[str, Any] | None = None,
    *,
    message: ShownMessage | None = None,
) -> Look:
    """The engine's question for a check, with its present expectation or an earlier one."""
    expected = check.expectation if expectation is None else expectation
    ownership = None
    if check.kind == Kind.OWNERSHIP:
        ownership = Ownership(
            token=expected["token"],
            label=expected["label"],
            cname_target=load_book().everywhere.ownership_cname_target,
        )
    return Look(
        kind=Kind(check.kind),
        domain=check.domain.name if check.domain else "",
        host=check.host.name if check.host else "",
        port=check.host.port if check.host else 0,
        region=_region_expected(check.tenant, expected),
        ownership=ownership,
        selectors=tuple(map(Selector.read, _selectors(check, expected))),
        ttl_threshold=expected.get("ttl_threshold", settings.CHECKS_TTL_THRESHOLD_SECONDS),
        recipient=expected.get("recipient", ""),
        control=settings.CHECKS_CONTROL_TARGET,
        vantage_allowed=settings.CHECKS_VANTAGE_ALLOWED,
        message=messages.shown_to_engine(message, at=timezone.now()),
    )


def _selectors(check: Check, expected: Mapping[str, Any]) -> Sequence[str]:
    """Those on record now for a message: another key later does not undo what one has proved."""
    if check.kind == Kind.MESSAGE and check.domain is not None:
        return check.domain.dkim_selectors.split()
    selectors: Sequence[str] = expected.get("selectors", ())
    return selectors


def _region_expected(tenant: Tenant, expected: Mapping[str, Any]) -> RegionFacts:
    """The region's facts, with those that the check expects in their place."""
    facts = region_facts(tenant.region_values)
    return replace(
        facts,
        mx=tuple(expected.get("mx", facts.mx)),
        spf_include=expected.get("spf_include", facts.spf_include),
    )


def run_batch(check_ids: Sequence[int]) -> int:
    """Look at each check once, in one event loop, and record what was seen.

    Returns how many looks were recorded. Checks that were set aside meanwhile are left out, and
    hosts that may not be connected to now are not (checks.politeness).
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
    granted = _turns(checks, now=asked_at)
    recorded = sum(
        services.record_run(check.pk, outcome, asked=check.expectation, at=at)
        for check, outcome, at in granted.answered
    )
    outcomes = asyncio.run(
        look_all(
            [look_for(check, message=shown.get(check.pk)) for check in granted.to_ask],
            network=network_from_settings(),
            budget_seconds=settings.CHECKS_BUDGET_SECONDS,
            concurrency=settings.CHECKS_CONCURRENCY,
            pinned=granted.pinned,
        )
    )
    told_at = timezone.now()
    for check, outcome in zip(granted.to_ask, outcomes, strict=True):
        if check.pk in granted.to_share:
            politeness.share_answer(check, outcome, at=asked_at)
        recorded += _record(check, outcome, shown.get(check.pk), at=asked_at, told_at=told_at)
    return recorded


def _record(
    check: Check,
    outcome: Outcome,
    message: ShownMessage | None,
    *,
    at: datetime,
    told_at: datetime,
) -> bool:
    if message is None:
        return services.record_run(
            check.pk, outcome, asked=check.expectation, at=at, told_at=told_at
        )
    # Together, so that whoever hears of the look finds the message judged.
    with transaction.atomic():
        recorded = services.record_run(check.pk, outcome, asked=check.expectation, at=at)
        if recorded:
            messages.note_look(message, outcome, at=at)
    return recorded


@dataclass
class _Turns:
    """Which of a batch's checks are asked now, and which have their answer without asking."""

    to_ask: list[Check] = field(default_factory=list)
    answered: list[tuple[Check, Outcome, datetime]] = field(default_factory=list)
    pinned: dict[str, tuple[str, ...]] = field(default_factory=dict)
    to_share: set[int] = field(default_factory=set)


def _turns(checks: Sequence[Check], *, now: datetime) -> _Turns:
    """Hosts of the lab are ours, so sample tenants' looks wait for nobody."""
    hosts = [check for check in checks if check.host_id and not check.tenant.is_sample]
    turns = _Turns(to_ask=[check for check in checks if check not in hosts])
    unasked = politeness.without_consent(hosts)
    waiting = []
    for check in hosts:
        hurried = check.hurried_until is not None and now < check.hurried_until
        shared = None if hurried else politeness.shared_answer(check, now=now)
        if check.pk in unasked:
            turns.answered.append(
                (check, without_consent(Kind(check.kind), check.subject, _endpoint(check)[0]), now)
            )
        elif shared is not None:
            turns.answered.append(_as_answered(check, shared))
        else:
            waiting.append(check)
    _take_turns(turns, waiting, now=now)
    return turns


def _take_turns(turns: _Turns, waiting: Sequence[Check], *, now: datetime) -> None:
    if not waiting:
        return
    located = asyncio.run(
        locate_all(
            [_endpoint(check) for check in waiting],
            network=network_from_settings(),
            budget_seconds=settings.CHECKS_BUDGET_SECONDS,
        )
    )
    taken: dict[tuple[str, Endpoint, str, str], datetime | None] = {}
    for check in waiting:
        endpoint = _endpoint(check)
        found = located.get(endpoint)
        if not isinstance(found, list):
            turns.answered.append((check, _not_located(check, found), now))
            continue
        # Two tenants with the same question share one look of this batch.
        question = (check.kind, endpoint, check.vantage, politeness.recipient_of(check))
        if question not in taken:
            taken[question] = politeness.take_turn(found, endpoint[1], now=now)
        free_at = taken[question]
        if free_at is None:
            turns.to_ask.append(check)
            if not politeness.recipient_of(check):
                turns.to_share.add(check.pk)
            turns.pinned[endpoint[0]] = tuple(found)
        elif (shared := politeness.shared_answer(check, now=now)) is not None:
            turns.answered.append(_as_answered(check, shared))
        else:
            services.put_off(check, until=free_at)


def _endpoint(check: Check) -> Endpoint:
    assert check.host is not None
    return (check.host.name, check.host.port)


def _as_answered(check: Check, shared: HostAnswer) -> tuple[Check, Outcome, datetime]:
    return (check, politeness.outcome_of(shared, check), shared.answered_at)


def _not_located(check: Check, refused: Refused | None) -> Outcome:
    if refused is None:
        finding = Finding("look.over-budget", {"budget_seconds": settings.CHECKS_BUDGET_SECONDS})
        refused = Refused(Verdict.UNKNOWN, finding)
    return not_probed(Kind(check.kind), check.subject, refused)
