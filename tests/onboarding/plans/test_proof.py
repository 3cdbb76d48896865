"""Proof of a task: which checks count, and what a new evaluation changes."""

from __future__ import annotations

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check, Observation
from onboarding.models import Plan
from onboarding.plans.evaluation import reevaluate
from onboarding.plans.proof import ProofSubject, evidence_for
from tenants.models import ActivityLine, Tenant
from tests.factories import MakeTenant, RunCheck, task_of


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("smtp.unreachable-from-here", True),
        ("smtp.greeting-refused", True),
        ("smtp.ehlo-refused", True),
        ("ldaps.unreachable-from-here", True),
        ("smtp.unreachable", False),
        ("ldaps.unreachable", False),
        ("ldaps.tls-failed", False),
    ],
)
def test_unverifiable_from_outside(code: str, expected: bool) -> None:
    kind = CheckKind(code.partition(".")[0])
    check = Check(kind=kind, latest=Observation(findings=[{"code": code, "params": {}}]))

    assert ProofSubject(kind, "host.example.test", check).is_unverifiable is expected


def test_inactive_check_is_no_proof(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.MX, Verdict.PASS)
    task = task_of(tenant, "mx-record-cutover")
    domains, hosts = list(tenant.domains.all()), list(tenant.hosts.all())

    def is_verified() -> bool:
        checks = list(Check.objects.filter(tenant=tenant))
        return evidence_for(task, tenant, checks=checks, domains=domains, hosts=hosts).is_verified

    assert is_verified()
    Check.objects.filter(tenant=tenant, kind=CheckKind.MX).update(is_active=False)
    assert not is_verified()


def test_reevaluate_open_task_writes_no_activity(tenant: Tenant) -> None:
    before = ActivityLine.objects.count()

    reevaluate(Plan.objects.get(tenant=tenant))

    assert task_of(tenant, "mx-record-cutover").verified_at is None
    assert ActivityLine.objects.count() == before


def test_reevaluate_regressed_task_writes_one_line(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.MX, Verdict.PASS)
    Check.objects.filter(tenant=tenant, kind=CheckKind.MX).update(settled_verdict="fail")
    before = ActivityLine.objects.count()

    reevaluate(Plan.objects.get(tenant=tenant))

    lines = ActivityLine.objects.order_by("number")[before:]
    assert [line.action for line in lines] == ["task-regressed"]


def test_reevaluate_regressed_and_unsettled_domain_writes_one_line(
    make_tenant: MakeTenant, run_check: RunCheck
) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    for subject in ("one.test", "two.test"):
        run_check(tenant, CheckKind.MX, Verdict.PASS, subject=subject)
    checks = Check.objects.filter(tenant=tenant, kind=CheckKind.MX)
    checks.filter(domain__name="one.test").update(settled_verdict="fail")
    checks.filter(domain__name="two.test").update(settled_verdict="")
    before = ActivityLine.objects.count()

    reevaluate(Plan.objects.get(tenant=tenant))

    lines = ActivityLine.objects.order_by("number")[before:]
    assert [line.action for line in lines] == ["task-regressed"]
