"""Conflicts of a window with holidays, other cutovers and people's calendars."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta

from onboarding.cutovers.conflicts import ConflictContext, find_conflicts
from onboarding.models import Cutover, Plan
from onboarding.plans.business_time import Calendar
from tenants.models import Domain, Tenant


def _cutover(pk: int, plan: int, direction: str, at: datetime) -> Cutover:
    owner = Plan(pk=plan, tenant=Tenant(pk=plan, name=f"T{plan}"))
    return Cutover(pk=pk, plan=owner, direction=direction, planned_at=at)


def test_window_conflicts_as_sentences() -> None:
    friday_night = datetime(2026, 12, 4, 23, 0, tzinfo=UTC)
    cutover = _cutover(1, 1, "inbound", friday_night)
    own = [cutover, _cutover(2, 1, "outbound", friday_night - timedelta(hours=23))]
    elsewhere = [
        _cutover(3, 2, "inbound", friday_night + timedelta(hours=3)),
        _cutover(4, 3, "inbound", friday_night + timedelta(hours=4)),
    ]
    calendar = Calendar(zoneinfo.ZoneInfo("UTC"))
    vars(own[1])["_prefetched_objects_cache"] = {"domains": [Domain(name="two.test")]}

    sentences = find_conflicts(
        cutover, ConflictContext(own, elsewhere, calendar, {date(2026, 12, 4): "St B"})
    )

    assert sentences == [
        "Friday 4 December is a holiday: St B.",
        "Saturday 5 December is not a working day. People may be absent.",
        "The outbound cutover of two.test is less than a day away.",
        "Your consultant has another cutover at the same time.",
    ]
