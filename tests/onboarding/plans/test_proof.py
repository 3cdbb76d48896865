"""Proof of a task: which checks count, and what a new evaluation changes."""

from __future__ import annotations

from typing import Any

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check, Observation
from onboarding.lifecycle.tasks import reconcile_tenant
from onboarding.models import DomainProgress, Plan, Task
from onboarding.plans.evaluation import reevaluate
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.proof import (
    ProofSubject,
    TaskEvidence,
    can_change,
    checks_by_subject,
    checks_of_kinds,
    evidence_for,
    needed_kinds,
)
from tenants.models import ActivityLine, Domain, Host, Platform, Tenant
from tests.factories import START, HostRow, MakeTenant, RunCheck, task_of

ONE, TWO, PARKED = (
    Domain(pk=pk, name=f"{name}.test", role=role)
    for pk, (name, role) in enumerate(
        (("one", "primary"), ("two", "secondary"), ("parked", "parked")), start=1
    )
)
MAIL, BACKUP, LDAP = (
    Host(pk=pk, name=f"{name}.test", port=port, purpose=purpose)
    for pk, (name, port, purpose) in enumerate(
        (("mail", 25, "delivery"), ("backup", 25, "delivery"), ("ldap", 636, "directory")), start=1
    )
)
ON_PREMISES = Tenant(platform="on_premises", directory_method="ldap")


def check_of(kind: CheckKind, **given: Any) -> Check:
    return Check(kind=kind.value, settled_verdict="pass", **given)


@pytest.mark.parametrize(
    ("platform", "directory_method", "kinds"),
    [
        ("on_premises", "ldap", ["mx", "smtp", "ldaps", "lockdown"]),
        ("hybrid", "entra_id", ["mx", "smtp", "lockdown"]),
        ("other", "mse_agent", ["mx", "smtp", "lockdown"]),
        ("microsoft_365", "ldap", ["mx", "ldaps", "lockdown"]),
        ("google_workspace", "google", ["mx", "lockdown"]),
    ],
)
def test_profile_decides_kinds(platform: str, directory_method: str, kinds: list[str]) -> None:
    tenant = Tenant(platform=platform, directory_method=directory_method)

    needed = needed_kinds(["mx", "smtp", "ldaps", "lockdown"], tenant)

    assert needed == [CheckKind(kind) for kind in kinds]


def test_each_domain_and_host_has_subject() -> None:
    task = Task(
        check_kinds=["mx", "ldaps", "smtp", "lockdown", "dkim"],
        domain_roles=["primary", "secondary"],
    )
    mx, spf = check_of(CheckKind.MX, domain_id=1), check_of(CheckKind.SPF, domain_id=2)
    smtp, ldaps = check_of(CheckKind.SMTP, host_id=1), check_of(CheckKind.LDAPS, host_id=3)
    inactive = check_of(CheckKind.MX, domain_id=2, is_active=False)

    def evidence(**given: Any) -> TaskEvidence:
        facts: dict[str, Any] = {
            "checks": checks_by_subject([inactive, mx, spf, smtp, ldaps]),
            "domains": [ONE, PARKED, TWO],
            "hosts": [LDAP, MAIL, BACKUP],
        }
        return evidence_for(task, ON_PREMISES, **(facts | given))

    assert evidence().subjects == (
        ProofSubject(CheckKind.MX, "one.test", mx),
        ProofSubject(CheckKind.MX, "two.test", None),
        ProofSubject(CheckKind.LDAPS, "ldap.test:636", ldaps),
        ProofSubject(CheckKind.SMTP, "mail.test:25", smtp),
        ProofSubject(CheckKind.SMTP, "backup.test:25", None),
        ProofSubject(CheckKind.LOCKDOWN, "mail.test:25", None),
        ProofSubject(CheckKind.LOCKDOWN, "backup.test:25", None),
        ProofSubject(CheckKind.DKIM, "one.test", None),
        ProofSubject(CheckKind.DKIM, "two.test", None),
    )
    assert evidence().missing == ()
    assert evidence(kinds=["spf"]) == TaskEvidence(
        (
            ProofSubject(CheckKind.SPF, "one.test", None),
            ProofSubject(CheckKind.SPF, "two.test", spf),
        )
    )
    assert evidence(kinds=[]) == TaskEvidence(())
    assert evidence(domains=[PARKED], hosts=[MAIL], kinds=["mx", "ldaps", "smtp", "spf"]) == (
        TaskEvidence(
            (ProofSubject(CheckKind.SMTP, "mail.test:25", smtp),),
            (CheckKind.MX, CheckKind.LDAPS, CheckKind.SPF),
        )
    )


@pytest.mark.parametrize(
    ("kind", "is_checked", "is_hard_gate", "expected"),
    [
        # Without a DKIM selector there is no check of a message: the task waits for the selector.
        (CheckKind.MESSAGE, False, True, False),
        (CheckKind.MESSAGE, False, False, True),
        (CheckKind.MESSAGE, True, True, False),
        (CheckKind.MESSAGE, True, False, True),
        (CheckKind.MX, False, False, False),
        (CheckKind.MX, True, False, False),
    ],
)
def test_confirmation_without_message(
    kind: CheckKind, is_checked: bool, is_hard_gate: bool, expected: bool
) -> None:
    task = Task(check_kinds=[kind], domain_roles=["primary"], is_hard_gate=is_hard_gate)
    checks = checks_by_subject([check_of(kind, domain_id=1)] if is_checked else [])

    evidence = evidence_for(task, ON_PREMISES, checks=checks, domains=[ONE], hosts=[])

    assert [subject.confirmation_suffices for subject in evidence.subjects] == [expected]


def test_checks_of_task(make_tenant: MakeTenant) -> None:
    domains = (
        ("exempt.test", "primary"),
        ("inactive.test", "secondary"),
        ("one.test", "secondary"),
        ("parked.test", "parked"),
    )
    hosts = (HostRow("delivery", "mail.test", 25), HostRow("directory", "ldap.test", 636))
    tenant = make_tenant(domains=domains, hosts=hosts, platform="hybrid", directory_method="ldap")
    make_tenant("Elsewhere", domains=domains, hosts=hosts, platform="hybrid")
    task, other = task_of(tenant, "mx-record-cutover"), task_of(tenant, "dkim-update")
    task.check_kinds, task.domain_roles = ["mx", "smtp"], ["primary", "secondary"]
    for of, name, exempted_at in (
        (task, "exempt.test", START),
        (task, "one.test", None),
        (other, "one.test", START),
    ):
        domain = tenant.domains.get(name=name)
        DomainProgress.objects.create(
            task=of,
            domain=domain,
            exempted_at=exempted_at,
            exempt_reason="Old." if exempted_at else "",
        )
    checks = Check.objects.filter(tenant=tenant)
    checks.filter(domain__name="inactive.test").update(is_active=False)

    found = checks_of_kinds(task, task.check_kinds, tenant)

    assert sorted(str(check) for check in found) == ["mx of one.test", "smtp of mail.test:25"]
    assert {check.tenant_id for check in found} == {tenant.pk}


def test_open_record_keeps_task_open(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    task = task_of(tenant, "mx-record-cutover")
    task.check_kinds = ["mx", "spf"]
    checks = Check.objects.filter(tenant=tenant)
    changed = checks.filter(kind="mx")

    def can(**settled: str) -> bool:
        """The verdicts of the first domain; the second domain has passed."""
        checks.update(settled_verdict="pass")
        for kind, verdict in settled.items():
            checks.filter(kind=kind, domain__name="one.test").update(settled_verdict=verdict)
        return can_change(task, tenant, changed)

    assert (can(), can(mx="warn"), can(mx="not_applicable")) == (True, True, True)
    assert (can(mx=""), can(mx="fail"), can(spf="")) == (False, False, False)
    # The task does not need this kind.
    assert can(dkim="")


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
        checks = checks_by_subject(Check.objects.filter(tenant=tenant))
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


@pytest.mark.parametrize("platform", Platform.values)
def test_confirmation_completes_task_without_source(make_tenant: MakeTenant, platform: str) -> None:
    tenant = make_tenant(platform=platform, journaling=True)
    lockdown, journaling = (
        task_of(tenant, key) for key in ("connection-lockdown", "configure-journaling")
    )

    # The export reads the connectors of Exchange Online only, and half of the routes of a hybrid.
    assert lockdown.confirmation_suffices
    assert journaling.confirmation_suffices
    evidence = PlanContext.of(tenant).evidence(lockdown)
    assert bool(evidence.alternatives) is (platform == Platform.MICROSOFT_365)


def test_reconciliation_repairs_task_without_source(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(platform="on_premises")
    rows = Task.objects.filter(plan=tenant.plan, key="connection-lockdown")
    rows.update(
        confirmation_suffices=False, client_confirmed_at=START, status="awaiting_verification"
    )

    reconcile_tenant(tenant.pk)

    assert task_of(tenant, "connection-lockdown").status == "done"


def test_confirmation_completes_task_without_check_of_profile(tenant: Tenant) -> None:
    task = Task(check_kinds=["ldaps"])

    evidence = evidence_for(task, tenant, checks={}, domains=[ONE], hosts=[LDAP])

    assert evidence.is_unverifiable
