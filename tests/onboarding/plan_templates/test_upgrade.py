"""Tests of the upgrade of a plan to a newer version of its template."""

from __future__ import annotations

import pytest
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import DomainProgress, Phase, Plan, PlanTemplate, Task, TaskStatus
from onboarding.plan_templates import upgrade
from onboarding.plan_templates.content import Content
from onboarding.plan_templates.draft_content import remove_entry
from onboarding.plan_templates.plan_creation import apply_profile
from onboarding.plan_templates.registry import register_builtin_templates
from onboarding.plan_templates.upgrade import preview, upgrade_plan
from onboarding.plans import custom_tasks
from onboarding.plans.services import confirm_task, set_responsibility
from tenants.models import ActivityLine, Tenant, User
from tests.factories import MakeTenant, RunCheck, fill_fields, task_of
from tests.onboarding.plan_templates.drafts import draft_task, publish_changed

NEW = {
    "key": "fax-server",
    "title": "Fax server",
    "responsibility": "client",
    "stated": True,
    "do": "Point it at Mimecast.",
    "shown_by": "A fax arrives.",
}


@pytest.fixture
def at_first_version(make_tenant: MakeTenant) -> Tenant:
    """A plan from the time when only version 1 existed."""
    PlanTemplate.objects.filter(version__gt=1).delete()
    made = make_tenant("First")
    register_builtin_templates()
    return made


def _move(tenant: Tenant, target: PlanTemplate, by: User) -> None:
    plan = Plan.objects.select_related("template").get(tenant=tenant)
    upgrade_plan(plan, target, expected=plan.template.version, by=by)


def _is_sound(tenant: Tenant) -> bool:
    """Whether positions follow the phases and counters are right."""
    plan = Plan.objects.get(tenant=tenant)
    tasks = list(Task.objects.filter(plan=plan).select_related("phase").order_by("position"))
    in_phases = [task.phase.position for task in tasks]
    return (
        [task.position for task in tasks] == list(range(len(tasks)))
        and in_phases == sorted(in_phases)
        and plan.tasks_total == sum(task.is_counted for task in tasks)
        and plan.tasks_complete == sum(task.is_counted and task.is_complete for task in tasks)
    )


def test_upgrade_adds_the_wait(at_first_version: Tenant, consultant: User) -> None:
    tenant = at_first_version
    done_at = timezone.now()
    Task.objects.filter(plan=tenant.plan, key="outbound-cutover").update(
        check_kinds=[], client_confirmed_at=done_at, status="done", status_changed_at=done_at
    )

    second = PlanTemplate.objects.get(builtin_version=2)
    change = preview(tenant.plan, second)
    _move(tenant, second, consultant)

    assert [coming.task.key for coming in change.added] == ["outbound-days"]
    assert [each.task.key for each in change.changed] == ["mx-record-cutover", "case-closure"]
    assert (change.dropped, change.kept, change.lost) == ((), (), ())
    assert "outbound-days" in task_of(tenant, "mx-record-cutover").depends_on
    assert _is_sound(tenant)


def test_upgrade_to_version_4_gates_the_old_gateway(
    make_tenant: MakeTenant, consultant: User
) -> None:
    PlanTemplate.objects.filter(version__gt=3).delete()
    tenant = make_tenant("Third")
    register_builtin_templates()
    gateway = fill_fields(task_of(tenant, "decommission-gateway"))
    users = fill_fields(task_of(tenant, "azure-ad-sync"))
    confirm_task(users, by=consultant, side="client")
    before = (gateway.role, gateway.is_hard_gate)

    fourth = PlanTemplate.objects.get(builtin_version=4)
    change = preview(tenant.plan, fourth)
    _move(tenant, fourth, consultant)

    after = task_of(tenant, "decommission-gateway")
    assert before == ("", False)
    assert (after.role, after.is_hard_gate) == ("decommission", True)
    assert after.field_values == gateway.field_values
    assert [each.task.key for each in change.added] == ["former-dkim-signing"]
    assert (change.dropped, change.kept, change.lost) == ((), (), ())
    assert task_of(tenant, "azure-ad-sync").client_confirmed_by == consultant
    assert "enhanced-filtering" in task_of(tenant, "office-365-connection-filter").depends_on
    assert _is_sound(tenant)


def test_plan_keeps_its_version_until_upgrade(at_first_version: Tenant, consultant: User) -> None:
    apply_profile(at_first_version)

    assert Plan.objects.get(tenant=at_first_version).template.version == 1
    assert not Task.objects.filter(plan=at_first_version.plan, key="outbound-days").exists()


def test_completed_tasks_stay_complete(
    tenant: Tenant, consultant: User, owner: User, run_check: RunCheck
) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    task = fill_fields(task_of(tenant, "office-365-connection-filter"))
    confirm_task(task, by=owner, side="client")
    set_responsibility(task_of(tenant, "training"), "client", by=consultant)
    before = {t.key: t.status for t in Task.objects.filter(plan=tenant.plan)}

    def reword(content: Content) -> None:
        for key in ("domain-ownership", "office-365-connection-filter", "training"):
            draft_task(content, key).entry["title"] = f"New {key}"

    _move(tenant, publish_changed(reword), consultant)

    assert {t.key: t.status for t in Task.objects.filter(plan=tenant.plan)} == before
    proven = task_of(tenant, "domain-ownership")
    assert (proven.title, proven.status) == ("New domain-ownership", TaskStatus.VERIFIED)
    assert task_of(tenant, "office-365-connection-filter").client_confirmed_by == owner
    assert task_of(tenant, "training").responsibility == "client"
    assert _is_sound(tenant)


def test_dropped_task_with_work_becomes_custom(
    tenant: Tenant, consultant: User, owner: User
) -> None:
    confirm_task(task_of(tenant, "branding"), by=owner, side="client", signed=True)

    def drop(content: Content) -> None:
        for key in ("branding", "tls-requirements"):
            remove_entry(content, draft_task(content, key))

    target = publish_changed(drop)
    change = preview(tenant.plan, target)
    _move(tenant, target, consultant)
    apply_profile(tenant)

    assert [task.key for task in change.kept] == ["branding"]
    assert [task.key for task in change.dropped] == ["tls-requirements"]
    custom = task_of(tenant, "branding")
    assert (custom.is_custom, custom.status, custom.client_confirmed_by) == (
        True,
        TaskStatus.DONE,
        owner,
    )
    assert not Task.objects.filter(plan=tenant.plan, key="tls-requirements").exists()
    line = ActivityLine.objects.filter(tenant=tenant, action="plan-upgraded").get()
    assert line.params["kept"] == [custom.title]
    assert _is_sound(tenant)


def test_dropped_group_keeps_its_tasks(tenant: Tenant, consultant: User) -> None:
    def dissolve(content: Content) -> None:
        for found in [
            draft_task(content, key)
            for key in ("data-centers-urls", "gsuite-whitelist", "enhanced-filtering")
        ]:
            del found.entry["parent"]
        del draft_task(content, "office-365-connection-filter").entry["parent"]
        remove_entry(content, draft_task(content, "connectivity"))

    _move(tenant, publish_changed(dissolve), consultant)

    assert not Task.objects.filter(plan=tenant.plan, key="connectivity").exists()
    assert task_of(tenant, "office-365-connection-filter").parent is None
    assert _is_sound(tenant)


def test_upgrade_adds_tasks_and_phases(make_tenant: MakeTenant, consultant: User) -> None:
    tenant = make_tenant(platform="hybrid")
    own = custom_tasks.add_task(
        tenant.plan, custom_tasks.CustomTaskContent("closure", "Theirs alone"), by=consultant
    )

    def change(content: Content) -> None:
        content["phases"].insert(
            0, {"key": "first", "title": "First", "summary": "S.", "links": [], "tasks": [NEW]}
        )
        training = draft_task(content, "training").entry
        training |= {"applies_when": {"platform": ["other"]}, "otherwise": "It is {platform}."}

    target = publish_changed(change)
    previewed = preview(tenant.plan, target)
    _move(tenant, target, consultant)

    assert [(coming.task.key, coming.reason) for coming in previewed.added] == [("fax-server", "")]
    assert [(t.task.key, t.applies, t.reason) for t in previewed.applicability_changes] == [
        ("training", False, "It is Hybrid.")
    ]
    assert previewed.phases == ("The phase “First” is new.",)
    first = Phase.objects.filter(plan=tenant.plan).order_by("position")[0]
    assert (first.key, first.tasks_total) == ("first", 1)
    assert task_of(tenant, "training").status == TaskStatus.NOT_APPLICABLE
    assert Task.objects.get(pk=own.pk).is_custom
    assert _is_sound(tenant)


def test_dropped_phase_with_work_stays(tenant: Tenant, consultant: User, owner: User) -> None:
    confirm_task(fill_fields(task_of(tenant, "training")), by=owner, side="client")

    def drop(content: Content) -> None:
        remove_entry(content, draft_task(content, "training"))
        content["phases"] = [p for p in content["phases"] if p["key"] != "administration-console"]

    _move(tenant, publish_changed(drop), consultant)

    assert list(Phase.objects.filter(plan=tenant.plan).values_list("key", flat=True))[-1] == (
        "administration-console"
    )
    assert _is_sound(tenant)


def test_confirmation_is_copied_to_domains(tenant: Tenant, consultant: User, owner: User) -> None:
    confirm_task(task_of(tenant, "branding"), by=owner, side="client", signed=True)

    def per_domain(content: Content) -> None:
        draft_task(content, "branding").entry.update(per_domain=True, domain_roles=["primary"])

    _move(tenant, publish_changed(per_domain), consultant)
    apply_profile(tenant)

    assert DomainProgress.objects.get(task__key="branding").client_confirmed_by == owner
    assert task_of(tenant, "branding").status == TaskStatus.DONE
    assert task_of(tenant, "branding").undo is None


def test_second_upgrade_conflicts(tenant: Tenant, consultant: User) -> None:
    target = publish_changed(lambda content: None)
    plan = tenant.plan
    before = plan.template.version
    upgrade_plan(plan, target, expected=before, by=consultant)

    with pytest.raises(ConflictingChange, match=f"has been upgraded to version {target.version}"):
        upgrade_plan(plan, target, expected=before, by=consultant)


def test_downgrade_is_refused(tenant: Tenant, consultant: User) -> None:
    plan, first = tenant.plan, PlanTemplate.objects.get(version=1)
    with pytest.raises(OnboardingError, match="newer version"):
        upgrade_plan(plan, first, expected=plan.template.version, by=consultant)


def test_only_newer_versions_are_listed(tenant: Tenant) -> None:
    assert upgrade.newer_versions(tenant.plan) == []
    made = publish_changed(lambda content: None)

    assert upgrade.newer_versions(tenant.plan) == [made]
