"""From a stored check to the engine's question, and one batch of them through one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.utils import timezone

from checks import services
from checks.engine.batch import Look, look_all
from checks.engine.expectations import Ownership, RegionFacts, Selector
from checks.engine.outcomes import Kind
from checks.models import Check
from checks.network_settings import network_from_settings
from checks.region_facts import region_facts
from tenants.models import Tenant
from tenants.regions import load_book


def look_for(check: Check, expectation: Mapping[str, Any] | None = None) -> Look:
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
        selectors=tuple(map(Selector.read, expected.get("selectors", ()))),
        ttl_threshold=expected.get("ttl_threshold", settings.CHECKS_TTL_THRESHOLD_SECONDS),
        control=settings.CHECKS_CONTROL_TARGET,
        vantage_allowed=settings.CHECKS_VANTAGE_ALLOWED,
    )


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

    Returns how many looks were recorded. Checks that were set aside meanwhile are left out.
    """
    checks = list(
        Check.objects.filter(pk__in=check_ids, is_active=True).select_related(
            "tenant", "domain", "host"
        )
    )
    if not checks:
        return 0
    # The moment of asking: an answer is never younger than its question.
    asked_at = timezone.now()
    outcomes = asyncio.run(
        look_all(
            [look_for(check) for check in checks],
            network=network_from_settings(),
            budget_seconds=settings.CHECKS_BUDGET_SECONDS,
            concurrency=settings.CHECKS_CONCURRENCY,
        )
    )
    return sum(
        services.record_run(check.pk, outcome, asked=check.expectation, at=asked_at)
        for check, outcome in zip(checks, outcomes, strict=True)
    )
