"""The source tenants: at different places of their implementations, with a year of observations."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from checks import raw_answers
from checks.check_state import digest_of
from checks.engine import rules_version
from checks.engine.batch import inspect
from checks.engine.dns.network import Network
from checks.engine.hosts.prober import DEFAULT_PORTS, Prober
from checks.engine.outcomes import MESSAGE_KINDS, Outcome
from checks.engine.recording import Recorder, recording_clients
from checks.models import Check, Observation
from checks.runs import build_request
from checks.services import Run, record_runs
from onboarding.lifecycle.tenants import ProfileEntry, create_tenant
from onboarding.management.load.zones import zone_of
from onboarding.models import Comment, Contact, Cutover, CutoverDomain, Drift, Monitoring, Task
from onboarding.plans.evaluation import reevaluate
from onboarding.plans.rollup import recompute_rollup
from tenants.models import Domain, Host, Tenant, User

MONTH = timedelta(days=30)
# Runs that withdraw a settled verdict: enough of them over enough time (checks.settling).
_RUNS, _BETWEEN_RUNS = 4, timedelta(minutes=10)


@dataclass(frozen=True)
class SourceTenant:
    """A place in an implementation. `cutover_days` is counted from now, negative for the past."""

    # The share of the tasks without a check that both sides have confirmed.
    done: float
    is_moved: bool = False
    cutover_days: int | None = None
    has_regressed: bool = False
    has_drifted: bool = False
    is_closed: bool = False


SOURCES = (
    SourceTenant(0.0),
    SourceTenant(0.3),
    SourceTenant(0.5, cutover_days=20),
    SourceTenant(0.6, is_moved=True),
    SourceTenant(0.7, is_moved=True, cutover_days=6),
    SourceTenant(0.8, cutover_days=-2),
    SourceTenant(0.9, is_moved=True, cutover_days=-20, has_regressed=True),
    SourceTenant(1.0, is_moved=True, cutover_days=-60, has_drifted=True),
    SourceTenant(1.0, is_moved=True, cutover_days=-90, is_closed=True),
    SourceTenant(0.2, cutover_days=12),
)


@transaction.atomic
def create_source(number: int, *, domains: int, months: int, by: User) -> Tenant:
    """Create one source tenant with its plan, checks and `months` observations of each check."""
    source = SOURCES[number % len(SOURCES)]
    now = timezone.now()
    rows = [
        Domain(
            name=f"d{n}.tenant-{number}.example",
            role="secondary" if n else "primary",
            ownership_token=f"{number:08}{n:032}",
        )
        for n in range(domains)
    ]
    profile = {"region": "us", "platform": "microsoft_365", "directory_method": "entra_id"}
    tenant = Tenant(name=f"Tenant {number}", consultant=by, **profile)
    create_tenant(tenant, ProfileEntry(rows, list[Host]()), by=by)
    _record_history(tenant, source, months=months, now=now)
    _confirm_tasks(tenant, source, by=by, now=now)
    _add_people_and_comments(tenant, number, by=by)
    if source.cutover_days is not None:
        _plan_cutovers(tenant, now + timedelta(days=source.cutover_days))
    _regress_or_drift(tenant, source, now=now)
    reevaluate(tenant.plan)
    if source.is_closed:
        tenant.completed_at = tenant.closed_at = now
        tenant.save(update_fields=["completed_at", "closed_at"])
    Check.objects.filter(tenant=tenant).update(unevaluated_since=None)
    return tenant


def _checks_of(tenant: Tenant) -> list[Check]:
    """The checks that DNS answers."""
    others = [*MESSAGE_KINDS, *DEFAULT_PORTS]
    rows = Check.objects.filter(tenant=tenant, is_active=True, domain__isnull=False)
    return list(rows.exclude(kind__in=others).select_related("tenant", "domain"))


def _outcome(check: Check, *, is_moved: bool) -> Outcome:
    assert check.domain is not None
    lookup = zone_of(check.domain, check.tenant.region_values, is_moved=is_moved)
    recorder = Recorder()
    clients = recording_clients(lookup, Prober(Network(), lookup), recorder)

    async def run() -> Outcome:
        return await inspect(clients, build_request(check))

    return replace(asyncio.run(run()), raw=recorder.raw())


def _record_history(tenant: Tenant, source: SourceTenant, *, months: int, now: datetime) -> None:
    """One change a month: the answers alternate, and the newest is that of the source."""
    history: list[Observation] = []
    for check in _checks_of(tenant):
        outcomes = [_outcome(check, is_moved=moved) for moved in (source.is_moved, True, False)]
        newest, others = outcomes[0], outcomes[1:]
        history += [
            _observation(check, others[month % 2], now - MONTH * month)
            for month in range(months - 1, 0, -1)
        ]
        _record_runs(check, newest, now=now)
    Observation.objects.bulk_create(history, batch_size=200)


def _observation(check: Check, outcome: Outcome, at: datetime) -> Observation:
    return Observation(
        check_asked=check,
        verdict=outcome.verdict.value,
        unanimous=outcome.unanimous,
        findings=[{"code": f.code, "params": dict(f.params)} for f in outcome.findings],
        evidence=dict(outcome.evidence),
        digest=digest_of(outcome, check.expectation),
        expectation=check.expectation,
        rules=rules_version.version(),
        raw_id=_stored(check, outcome),
        first_seen_at=at,
        first_run_ended_at=at,
        last_seen_at=at + MONTH,
        runs=720,
    )


def _stored(check: Check, outcome: Outcome) -> int | None:
    if not outcome.raw:
        return None
    return raw_answers.store({check.pk: (check.tenant_id, outcome.raw)})[check.pk]


def _record_runs(check: Check, outcome: Outcome, *, now: datetime) -> None:
    for run in range(_RUNS, 0, -1):
        at = now - _BETWEEN_RUNS * run
        # Without a reaction: the plan is evaluated once, at the end.
        record_runs([Run(check.pk, outcome, check.expectation, at, at)])


def _confirm_tasks(tenant: Tenant, source: SourceTenant, *, by: User, now: datetime) -> None:
    """Both sides confirm the first tasks of the plan that no check can verify."""
    plan = tenant.plan
    tasks = [
        task
        for task in Task.objects.filter(plan=plan, is_group=False, wait_after="")
        if not task.check_kinds and not task.is_per_domain
    ]
    done = [task.pk for task in tasks[: round(source.done * len(tasks))]]
    Task.objects.filter(pk__in=done).update(
        mimecast_confirmed_at=now - MONTH,
        mimecast_confirmed_by=by,
        client_confirmed_at=now - MONTH,
        client_confirmed_by=by,
    )
    recompute_rollup(plan)


def _add_people_and_comments(tenant: Tenant, number: int, *, by: User) -> None:
    Contact.objects.create(
        tenant=tenant, role="dns", name="DNS owner", email=f"dns@d0.tenant-{number}.example"
    )
    for task in Task.objects.filter(plan=tenant.plan, is_group=False)[:2]:
        body = "The firewall change is requested for the next maintenance window."
        Comment.objects.create(plan=tenant.plan, task=task, author=by, body=body)


def _plan_cutovers(tenant: Tenant, planned_at: datetime) -> None:
    for direction, days in (("outbound", 4), ("inbound", 0)):
        made = Cutover.objects.create(
            plan=tenant.plan, direction=direction, planned_at=planned_at - timedelta(days=days)
        )
        CutoverDomain.objects.bulk_create(
            CutoverDomain(cutover=made, domain=domain, direction=direction)
            for domain in tenant.domains.all()
        )


def _regress_or_drift(tenant: Tenant, source: SourceTenant, *, now: datetime) -> None:
    """A record of the first domain is withdrawn after its task was verified."""
    if not source.has_regressed and not source.has_drifted:
        return
    reevaluate(tenant.plan)
    check = next(check for check in _checks_of(tenant) if check.kind == "spf")
    outcome = _outcome(check, is_moved=False)
    _record_runs(check, outcome, now=now + _BETWEEN_RUNS * _RUNS)
    if source.has_drifted:
        check.refresh_from_db()
        Monitoring.objects.create(tenant=tenant, started_at=now - MONTH, reason="cutover")
        Drift.objects.create(
            tenant=tenant,
            kind=Drift.Kind.INCLUDE_GONE,
            check_asked=check,
            subject=check.subject,
            observation=check.latest,
        )
