"""The planning form and the forecast never contradict each other about the inbound cutover.

Both follow from the same rows. The form shows a time, the forecast a day.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from onboarding.cutovers.planning_facts import WindowFacts, load_planning_facts, window_facts
from onboarding.cutovers.readiness import ReadinessFacts
from onboarding.cutovers.room import load_conflict_context
from onboarding.models import Cutover, DomainProgress, Freeze, Plan, Task
from onboarding.plans.forecast import Forecast, ForecastStep, forecast_of
from onboarding.plans.forecast_inputs import forecast_inputs
from onboarding.plans.forecast_sources import TenantRows, load_rows
from onboarding.plans.forecast_waits import day_after
from onboarding.plans.rollup import recompute_rollup
from tenants.models import Tenant
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, task_of

pytestmark = pytest.mark.usefixtures("fixed_monday")

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NAMES = ("one.test", "two.test")
SWITCH = "mx-record-cutover"
OWN = ["10 mail.one.test"]
MIMECAST = ["10 us-smtp-inbound-1.mimecast.com", "10 us-smtp-inbound-2.mimecast.com"]
NOT_PERMITTED = [{"code": "mta-sts.not-permitted", "params": {"hosts": ["x"], "max_age": 604_800}}]
PERMITS = [{"code": "mta-sts.permits", "params": {"mode": "enforce", "max_age": 604_800}}]


def _observe(
    check: Check, seen_at: datetime, *, findings: Any = (), verdict: str = "pass", **row: Any
) -> None:
    answer = {"status": "records", "values": OWN, "ttl": 300} | row
    latest = Observation.objects.create(
        check_asked=check,
        verdict=verdict,
        findings=list(findings),
        evidence={"servers": [{"name": "ns1.test", "address": "192.0.2.1"} | answer]},
        digest=f"{check.pk} {seen_at.isoformat()}",
        first_seen_at=seen_at,
        last_seen_at=seen_at,
    )
    Check.objects.filter(pk=check.pk).update(
        latest=latest, checked_at=seen_at, settled_verdict=verdict
    )


def _publish_ttl(check: Check, chance: random.Random, now: datetime) -> None:
    high: dict[str, Any] = {"ttl": chance.choice([300, 3600, 86_400, 172_800])}
    before = now - chance.choice([1, 5, 5, 20, 30]) * HOUR
    for number in range(chance.randint(0, 2)):
        _observe(check, before - (number + 1) * HOUR, **high)
    last = chance.choice([*["lowered"] * 4, "moved", "same", "lost", "none"])
    if last == "lowered":
        _observe(check, before, ttl=300)
    elif last == "same":
        _observe(check, before, verdict="fail", **high)
    elif last == "lost":
        _observe(check, before, verdict="unknown", status="timeout", values=[], ttl=None)
    elif last == "moved":
        _observe(check, before, values=MIMECAST)


def _publish_policy(check: Check, chance: random.Random, now: datetime) -> None:
    first, then = now - chance.choice([2, 5, 12]) * DAY, now - chance.choice([1, 30]) * HOUR
    kind = chance.choice(["none", "changed", "forbids", "permits"])
    if kind in ("changed", "forbids"):
        _observe(check, first, findings=NOT_PERMITTED, verdict="fail")
    if kind in ("changed", "permits"):
        _observe(check, then, findings=PERMITS)


def _generate(tenant: Tenant, chance: random.Random) -> None:
    """Random checks, tasks, cutovers and freezes of a plan."""
    now, plan = timezone.now(), tenant.plan
    for check in Check.objects.filter(tenant=tenant, kind=CheckKind.MX_TTL):
        _publish_ttl(check, chance, now)
    for check in Check.objects.filter(tenant=tenant, kind=CheckKind.MTA_STS):
        _publish_policy(check, chance, now)
    if chance.random() < 0.8:
        at = now + chance.choice([-4, -1, 1, 9, 30]) * DAY
        cutover_of(tenant, "outbound", at, *chance.choice([NAMES, NAMES[:1]]))
    if chance.random() < 0.7:
        _complete_all_but(plan, chance)
    if chance.random() < 0.3:
        first = now.date() + chance.choice([0, 2, 10]) * DAY
        Freeze.objects.create(tenant=tenant, first_day=first, last_day=first + 4 * DAY, reason="x")
    if chance.random() < 0.3:
        exempt = task_of(tenant, chance.choice(["mx-ttl-update", SWITCH]))
        domain = tenant.domains.get(name="two.test")
        DomainProgress.objects.create(
            task=exempt, domain=domain, exempted_at=now, exempt_reason="Sold."
        )
    recompute_rollup(plan)


def _complete_all_but(plan: Plan, chance: random.Random) -> None:
    """Complete the tasks, so that the waits alone delay the cutover, but not all of these."""
    now = timezone.now()
    kept = {SWITCH, "outbound-days"}
    kept |= {key for key in ("outbound-cutover", "mx-ttl-update") if chance.random() < 0.5}
    done = {"verified_at": now, "mimecast_confirmed_at": now, "client_confirmed_at": now}
    Task.objects.filter(plan=plan, is_group=False).exclude(key__in=kept).update(**done)


@dataclass(frozen=True)
class Shown:
    """The statements of the form and of the forecast about the inbound cutover."""

    form: WindowFacts
    facts: ReadinessFacts
    forecast: Forecast
    rows: TenantRows

    @property
    def step(self) -> ForecastStep:
        return self.forecast.spans[SWITCH].step

    @property
    def safe_times(self) -> dict[str, datetime | None]:
        """The safe time of each domain that has not switched, on the form."""
        times = self.facts.safe_times
        return {name: safe.safe_at for name, safe in times if not safe.is_moved}

    @property
    def policy_ends(self) -> list[datetime]:
        """The ends of former policies on the form that are ahead."""
        ends = [policy.safe_at for _, policy in self.facts.policy_times]
        return [end for end in ends if end is not None and end > self.rows.now]

    def day_of(self, at: datetime) -> date:
        return day_after(at, self.rows).day


def _shown(tenant: Tenant) -> Shown:
    tenant = Tenant.objects.select_related("plan").get(pk=tenant.pk)
    now, domains = timezone.now(), list(tenant.domains.all())
    wanted = Cutover(plan=tenant.plan, direction="inbound", planned_at=now + DAY)
    facts, others = load_planning_facts(wanted, domains, now=now)
    form = window_facts(facts, others, load_conflict_context(tenant.plan, others))
    (rows,) = load_rows([tenant], now=now)
    return Shown(form, facts, forecast_of(forecast_inputs(rows)), rows)


def _contradictions(shown: Shown) -> Iterator[str]:
    expected = shown.forecast.spans[SWITCH].end
    known = [at for at in shown.safe_times.values() if at is not None]
    if shown.form.earliest is not None and expected < shown.day_of(shown.form.earliest):
        yield f"expected on {expected}, before the earliest time {shown.form.earliest}"
    for at in (*known, *shown.policy_ends):
        if expected < shown.day_of(at):
            yield f"expected on {expected}, before {at}"
    waits = {step.step.key for step in shown.forecast.spans.values()}
    for name, safe_at in shown.safe_times.items():
        is_named = any(name in sentence for sentence in shown.step.assumes)
        if safe_at is None and f"ttl:{name}" not in waits and not is_named:
            yield f"the form knows no safe time of {name}, the forecast names no assumption"
    if len(known) < len(shown.safe_times):
        return
    days = [shown.day_of(at) for at in (*known, *shown.policy_ends)]
    bounds = [bound.day for bound in shown.step.bounds]
    if bounds != sorted(days)[-1:]:
        yield f"the forecast waits for {bounds}, the form for {days}"


@pytest.mark.slow
def test_form_and_forecast_agree(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(domains=((NAMES[0], "primary"), (NAMES[1], "secondary")))
    found, earliest, bounds = {}, 0, 0
    for seed in range(150):
        with transaction.atomic():
            _generate(tenant, random.Random(seed))
            shown = _shown(tenant)
            transaction.set_rollback(True)
        if sentences := list(_contradictions(shown)):
            found[seed] = sentences
        earliest += shown.form.earliest is not None
        bounds += bool(shown.step.bounds)

    assert found == {}
    # The plans include many with a known time.
    assert (earliest > 10, bounds > 50) == (True, True)
