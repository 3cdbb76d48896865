"""Pruning removes old observations of completed implementations, and changes nothing else.

Generated histories compare everything that rests on observations before and after pruning: the
evidence of tasks, readiness, safe times, original TTLs, timelines, pages, packs and rejudging.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from checks import queries
from checks.engine.outcomes import CheckKind
from checks.history import history_entries
from checks.models import Check, Observation, RawAnswers, SubmittedMessage
from checks.queries import MOST_SHOWN, observations_by_kind, recent_observations
from checks.rejudging import rejudge
from onboarding.cutovers import planning_facts, snapshots
from onboarding.cutovers.readiness import readiness_rows
from onboarding.cutovers.timeline import build_timeline
from onboarding.lifecycle import pruning
from onboarding.lifecycle.closing_pack.contents import (
    closing_pack_content,
    closing_pack_observations,
)
from onboarding.lifecycle.tasks import reconcile_tenant
from onboarding.management.load.sources import SOURCES, create_source
from onboarding.models import Cutover, Drift
from onboarding.plan_templates.registry import register_builtin_templates
from onboarding.plans.mx_ttls import original_ttl
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.queries import tasks_of
from onboarding.plans.safe_times import safe_time_of, safe_times_of
from tenants.models import Tenant, User

pytestmark = pytest.mark.django_db

HISTORIES, NIGHTLY_HISTORIES = 2, 200
COMPLETED_DAYS = 1500
RUNS_PER_CHECK = 60
NUMBER = next(n for n, source in enumerate(SOURCES) if source.is_closed)


def _completed(by: User) -> Tenant:
    """A tenant that was completed years ago, with real observations from before."""
    register_builtin_templates()
    tenant = create_source(NUMBER, domains=1, months=4, by=by)
    shift = timedelta(days=COMPLETED_DAYS)
    of_tenant = Observation.objects.filter(check_asked__tenant=tenant)
    of_tenant.update(
        first_seen_at=F("first_seen_at") - shift, last_seen_at=F("last_seen_at") - shift
    )
    Cutover.objects.filter(plan__tenant=tenant).update(planned_at=F("planned_at") - shift)
    for cutover in Cutover.objects.filter(plan__tenant=tenant):
        snapshots.save_at_opening(cutover)
    at = timezone.now() - shift
    Tenant.objects.filter(pk=tenant.pk).update(closed_at=at, completed_at=at)
    tenant.refresh_from_db()
    return tenant


class Monitored:
    """Generated observations after the sign-off: copies of the real ones at random times."""

    def __init__(self, tenant: Tenant, seed: int) -> None:
        self.tenant, self.random = tenant, random.Random(seed)
        self.now = timezone.now()
        for check in Check.objects.filter(tenant=tenant, latest__isnull=False):
            self._monitor(check)

    def _monitor(self, check: Check) -> None:
        sources = list(check.observations.select_related("raw"))
        days = sorted(self.random.sample(range(COMPLETED_DAYS * 24), RUNS_PER_CHECK), reverse=True)
        times = [self.now - timedelta(hours=hours) for hours in days]
        for number, at in enumerate(times):
            until = times[number + 1] if number + 1 < len(times) else self.now
            made = self._copy(self.random.choice(sources), at, until)
            if self.random.random() < 0.1:
                self._refer_to(check, made)
        check.latest = check.observations.order_by("-first_seen_at", "-pk")[0]
        check.save(update_fields=["latest"])

    def _copy(self, source: Observation, at: datetime, until: datetime) -> Observation:
        values = {f.attname: getattr(source, f.attname) for f in Observation._meta.concrete_fields}
        del values["id"], values["public_id"]
        if self.random.random() < 0.5 and source.raw is not None:
            body, digest = source.raw.body, f"{self.random.getrandbits(200):064x}"
            values["raw_id"] = RawAnswers.objects.create(
                tenant=self.tenant, digest=digest, body=body
            ).pk
        times = {"first_seen_at": at, "first_run_ended_at": at, "last_seen_at": until}
        return Observation.objects.create(**values | times | {"runs": self.random.randrange(3)})

    def _refer_to(self, check: Check, made: Observation) -> None:
        match self.random.randrange(3):
            case 0:
                drift = {"check_asked": check, "subject": made.public_id, "observation": made}
                Drift.objects.create(tenant=self.tenant, kind=Drift.Kind.KEY_GONE, **drift)
            case 1:
                drift = {"subject": made.public_id, "resolving_observation": made}
                Drift.objects.create(tenant=self.tenant, kind=Drift.Kind.KEY_GONE, **drift)
            case _:
                SubmittedMessage.objects.create(
                    check_asked=check, size=1, sha256="0" * 64, observation=made
                )


def _of_cutovers(tenant: Tenant, now: datetime) -> Iterable[Any]:
    for cutover in Cutover.objects.filter(plan__tenant=tenant).select_related("plan__tenant"):
        facts, _ = planning_facts.load_planning_facts(cutover, list(cutover.domains.all()), now=now)
        yield readiness_rows(facts)
        timeline = build_timeline(cutover, list(tasks_of(tenant.plan)), is_staff=True)
        yield [(e.at, e.observation, e.shape) for e in timeline]
        at = now if cutover.planned_at > now else cutover.planned_at
        checks = list(queries.checks_of(tenant).filter(kind__in=(CheckKind.MX, CheckKind.SPF)))
        yield [(check.pk, found) for check, found in snapshots._answered_before(checks, at)]


def everything_of(tenant: Tenant, now: datetime) -> list[Any]:
    """The results of all readers of observations."""
    checks = list(queries.checks_of(tenant))
    switches = list(observations_by_kind(checks, [CheckKind.MX, CheckKind.MX_TTL]))
    plan_context = PlanContext.of(tenant)
    pack = closing_pack_content(tenant)
    del pack["made_at"]
    return [
        [plan_context.evidence(task, task.check_kinds) for task in tasks_of(tenant.plan)],
        list(_of_cutovers(tenant, now)),
        safe_times_of(tenant, checks, now=now),
        [
            safe_time_of(check, observations_by_kind([check], [check.kind]), tenant.region_values)
            for check in checks
        ],
        [original_ttl(check, [check.pk], switches, before=now) for check in checks],
        [history_entries(check, recent_observations(check)) for check in checks],
        [
            (each.observation, each.result, each.outcome)
            for each in rejudge(queries.newest_observations(tenant=tenant.public_id))
        ],
        queries.tested_routes(tenant),
        pack,
        list(closing_pack_observations(tenant)),
        [(d.observation, d.resolving_observation) for d in Drift.objects.order_by("pk")],
        [message.observation for message in SubmittedMessage.objects.order_by("pk")],
    ]


def _assert_same_after_pruning(tenant: Tenant, seed: int) -> None:
    generated = Monitored(tenant, seed)
    before, count = everything_of(tenant, generated.now), Observation.objects.count()

    pruned = pruning.prune_history(tenant, now=generated.now)

    assert pruned > 20
    assert Observation.objects.count() == count - pruned
    assert everything_of(tenant, generated.now) == before
    assert not RawAnswers.objects.exclude(pk__in=Observation.objects.values("raw")).exists()
    assert pruning.prune_history(tenant, now=generated.now) == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(HISTORIES))
def test_pruning_changes_no_result(consultant: User, seed: int) -> None:
    _assert_same_after_pruning(_completed(consultant), seed)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(HISTORIES, HISTORIES + NIGHTLY_HISTORIES))
def test_pruning_many_histories_changes_no_result(consultant: User, seed: int) -> None:
    _assert_same_after_pruning(_completed(consultant), seed)


@pytest.fixture
def completed(consultant: User) -> Tenant:
    tenant = _completed(consultant)
    Monitored(tenant, 1)
    return tenant


@pytest.mark.slow
def test_pruning_is_limited_to_old_monitoring(completed: Tenant) -> None:
    now = timezone.now()
    oldest = now - timedelta(days=settings.MONITORING_HISTORY_DAYS)

    found = list(pruning.prunable(completed, now=now).select_related("check_asked"))

    assert completed.completed_at is not None
    assert min(each.first_seen_at for each in found) > completed.completed_at
    assert max(each.last_seen_at for each in found) < oldest
    assert not {each.check_asked.kind for each in found} & set(pruning.RETAINED_KINDS)
    for check in {each.check_asked for each in found}:
        assert check.observations.filter(first_seen_at__gt=oldest).count() < RUNS_PER_CHECK
        newer = check.observations.exclude(pk__in=[each.pk for each in found])
        assert newer.count() >= MOST_SHOWN


def _reopen(tenant: Tenant) -> None:
    tenant.completed_at = tenant.closed_at = None


def _close_uncompleted(tenant: Tenant) -> None:
    tenant.completed_at = None


@pytest.mark.slow
@pytest.mark.parametrize("change", [_reopen, _close_uncompleted])
def test_history_without_sign_off_remains(
    completed: Tenant, change: Callable[[Tenant], None]
) -> None:
    change(completed)

    assert pruning.prune_history(completed, now=timezone.now()) == 0


@pytest.mark.slow
def test_pruning_works_in_batches(completed: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "BATCH_SIZE", 7)
    monkeypatch.setattr(pruning, "MOST_BATCHES", 2)
    now = timezone.now()
    count = pruning.prunable(completed, now=now).count()

    assert [pruning.prune_history(completed, now=now) for _ in range(2)] == [14, 14]
    assert pruning.prunable(completed, now=now).count() == count - 28


@pytest.mark.slow
def test_daily_reconciliation_prunes(completed: Tenant) -> None:
    assert pruning.prunable(completed, now=timezone.now()).exists()

    reconcile_tenant(completed.pk)

    assert not pruning.prunable(completed, now=timezone.now()).exists()


@pytest.mark.slow
def test_pruning_leaves_other_tenants(completed: Tenant, consultant: User) -> None:
    other = create_source(NUMBER + len(SOURCES), domains=1, months=2, by=consultant)
    count = Observation.objects.filter(check_asked__tenant=other).count()
    raw = RawAnswers.objects.filter(tenant=other).count()

    pruning.prune_history(completed, now=timezone.now())

    assert Observation.objects.filter(check_asked__tenant=other).count() == count > 0
    assert RawAnswers.objects.filter(tenant=other).count() == raw > 0
