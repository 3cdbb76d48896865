"""Moving a plan to a newer version of its template."""

from __future__ import annotations

import pytest
from django.utils import timezone

from checks.engine.outcomes import Kind, Verdict
from onboarding.blueprints import moving_plans
from onboarding.blueprints.content import Content
from onboarding.blueprints.draft_content import take_out
from onboarding.blueprints.moving_plans import move_plan, preview
from onboarding.blueprints.on_record import put_templates_on_record
from onboarding.errors import MovedMeanwhile, OnboardingError
from onboarding.models import DomainPart, Phase, Plan, PlanTemplate, Task, TaskState
from onboarding.plans import own_tasks
from onboarding.plans.task_acts import confirm_task, set_responsibility
from onboarding.services import follow_profile
from tenants.models import ActivityLine, Tenant, User
from tests.cast import Look, MakeTenant, task_of
from tests.onboarding.blueprints.drafts import publish_changed, step

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
    """A plan made when there was version 1 alone."""
    PlanTemplate.objects.filter(version=2).delete()
    made = make_tenant("First")
    put_templates_on_record()
    return made


def _move(tenant: Tenant, target: PlanTemplate, by: User) -> None:
    plan = Plan.objects.select_related("template").get(tenant=tenant)
    move_plan(plan, target, seen=plan.template.version, by=by)


def _is_sound(tenant: Tenant) -> bool:
    """Positions are the order of the pages, phase by phase, and counters are right."""
    plan = Plan.objects.get(tenant=tenant)
    tasks = list(Task.objects.filter(plan=plan).select_related("phase").order_by("position"))
    in_phases = [task.phase.position for task in tasks]
    return (
        [task.position for task in tasks] == list(range(len(tasks)))
        and in_phases == sorted(in_phases)
        and plan.tasks_total == sum(task.counts for task in tasks)
        and plan.tasks_complete == sum(task.counts and task.is_complete for task in tasks)
    )


def test_a_plan_of_the_first_version_gets_the_wait_and_begins_to_count(
    at_first_version: Tenant, consultant: User
) -> None:
    tenant = at_first_version
    done_at = timezone.now()
    Task.objects.filter(plan=tenant.plan, key="outbound-cutover").update(
        check_kinds=[], client_confirmed_at=done_at, state="done", state_since=done_at
    )

    change = preview(tenant.plan, PlanTemplate.objects.get(version=2))
    _move(tenant, PlanTemplate.objects.get(version=2), consultant)

    assert [coming.task.key for coming in change.added] == ["outbound-days"]
    assert [each.task.key for each in change.changed] == ["mx-record-cutover", "case-closure"]
    assert (change.dropped, change.kept, change.lost) == ((), (), ())
    assert "outbound-days" in task_of(tenant, "mx-record-cutover").depends_on
    assert _is_sound(tenant)


def test_a_plan_stays_at_its_version_until_it_is_moved(
    at_first_version: Tenant, consultant: User
) -> None:
    follow_profile(at_first_version)

    assert Plan.objects.get(tenant=at_first_version).template.version == 1
    assert not Task.objects.filter(plan=at_first_version.plan, key="outbound-days").exists()


def test_what_was_completed_is_kept(
    tenant: Tenant, consultant: User, owner: User, look: Look
) -> None:
    look(tenant, Kind.OWNERSHIP, Verdict.PASS)
    confirm_task(task_of(tenant, "office-365-connection-filter"), by=owner, side="client")
    set_responsibility(task_of(tenant, "training"), "client", by=consultant)
    before = {t.key: t.state for t in Task.objects.filter(plan=tenant.plan)}

    def reword(content: Content) -> None:
        for key in ("domain-ownership", "office-365-connection-filter", "training"):
            step(content, key).entry["title"] = f"New {key}"

    _move(tenant, publish_changed(reword), consultant)

    assert {t.key: t.state for t in Task.objects.filter(plan=tenant.plan)} == before
    proven = task_of(tenant, "domain-ownership")
    assert (proven.title, proven.state) == ("New domain-ownership", TaskState.PROVEN)
    assert task_of(tenant, "office-365-connection-filter").client_confirmed_by == owner
    assert task_of(tenant, "training").responsibility == "client"
    assert _is_sound(tenant)


def test_what_vanishes_is_kept_where_something_was_done_on_it(
    tenant: Tenant, consultant: User, owner: User
) -> None:
    confirm_task(task_of(tenant, "branding"), by=owner, side="client", signed=True)

    def drop(content: Content) -> None:
        for key in ("branding", "tls-requirements"):
            take_out(content, step(content, key))

    target = publish_changed(drop)
    change = preview(tenant.plan, target)
    _move(tenant, target, consultant)
    follow_profile(tenant)

    assert [task.key for task in change.kept] == ["branding"]
    assert [task.key for task in change.dropped] == ["tls-requirements"]
    kept = task_of(tenant, "branding")
    assert (kept.is_own, kept.state, kept.client_confirmed_by) == (True, TaskState.DONE, owner)
    assert not Task.objects.filter(plan=tenant.plan, key="tls-requirements").exists()
    line = ActivityLine.objects.filter(tenant=tenant, act="plan-moved").get()
    assert line.params["kept"] == [kept.title]
    assert _is_sound(tenant)


def test_a_group_that_vanishes_takes_none_of_its_steps_along(
    tenant: Tenant, consultant: User
) -> None:
    def dissolve(content: Content) -> None:
        for found in [step(content, key) for key in ("data-centers-urls", "gsuite-whitelist")]:
            del found.entry["parent"]
        del step(content, "office-365-connection-filter").entry["parent"]
        take_out(content, step(content, "connectivity"))

    _move(tenant, publish_changed(dissolve), consultant)

    assert not Task.objects.filter(plan=tenant.plan, key="connectivity").exists()
    assert task_of(tenant, "office-365-connection-filter").parent is None
    assert _is_sound(tenant)


def test_new_steps_phases_and_conditions_come_with_it(
    make_tenant: MakeTenant, consultant: User
) -> None:
    tenant = make_tenant(platform="hybrid")
    own = own_tasks.add_task(
        tenant.plan, own_tasks.Wording("closure", "Theirs alone"), by=consultant
    )

    def change(content: Content) -> None:
        content["phases"].insert(
            0, {"key": "first", "title": "First", "summary": "S.", "links": [], "tasks": [NEW]}
        )
        training = step(content, "training").entry
        training |= {"applies_when": {"platform": ["other"]}, "otherwise": "It is {platform}."}

    target = publish_changed(change)
    told = preview(tenant.plan, target)
    _move(tenant, target, consultant)

    assert [(coming.task.key, coming.because) for coming in told.added] == [("fax-server", "")]
    assert [(t.task.key, t.applies, t.because) for t in told.turning] == [
        ("training", False, "It is Hybrid.")
    ]
    assert told.phases == ("The phase “First” is new.",)
    first = Phase.objects.filter(plan=tenant.plan).order_by("position")[0]
    assert (first.key, first.tasks_total) == ("first", 1)
    assert task_of(tenant, "training").state == TaskState.NOT_APPLICABLE
    assert Task.objects.get(pk=own.pk).is_own
    assert _is_sound(tenant)


def test_a_phase_that_vanishes_stays_for_what_was_done_in_it(
    tenant: Tenant, consultant: User, owner: User
) -> None:
    confirm_task(task_of(tenant, "training"), by=owner, side="client")

    def drop(content: Content) -> None:
        take_out(content, step(content, "training"))
        content["phases"] = [p for p in content["phases"] if p["key"] != "administration-console"]

    _move(tenant, publish_changed(drop), consultant)

    assert list(Phase.objects.filter(plan=tenant.plan).values_list("key", flat=True))[-1] == (
        "administration-console"
    )
    assert _is_sound(tenant)


def test_what_was_said_once_is_said_of_each_domain_where_it_becomes_so(
    tenant: Tenant, consultant: User, owner: User
) -> None:
    confirm_task(task_of(tenant, "branding"), by=owner, side="client", signed=True)

    def per_domain(content: Content) -> None:
        step(content, "branding").entry.update(per_domain=True, domain_roles=["primary"])

    _move(tenant, publish_changed(per_domain), consultant)
    follow_profile(tenant)

    assert DomainPart.objects.get(task__key="branding").client_confirmed_by == owner
    assert task_of(tenant, "branding").state == TaskState.DONE
    assert task_of(tenant, "branding").undo is None


def test_of_two_who_move_it_the_second_is_told(tenant: Tenant, consultant: User) -> None:
    target = publish_changed(lambda content: None)
    plan = tenant.plan
    move_plan(plan, target, seen=2, by=consultant)

    with pytest.raises(MovedMeanwhile, match="moved this plan to version 3 meanwhile"):
        move_plan(plan, target, seen=2, by=consultant)


def test_a_plan_does_not_move_back(tenant: Tenant, consultant: User) -> None:
    with pytest.raises(OnboardingError, match="newer version"):
        move_plan(tenant.plan, PlanTemplate.objects.get(version=1), seen=2, by=consultant)


def test_only_newer_versions_are_offered(tenant: Tenant) -> None:
    assert moving_plans.newer_versions(tenant.plan) == []
    made = publish_changed(lambda content: None)

    assert moving_plans.newer_versions(tenant.plan) == [made]
