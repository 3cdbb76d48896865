"""Custom tasks: tasks of one plan that its template does not have."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from checks.engine.outcomes import CheckKind, Verdict
from onboarding.collaboration.comments import NewComment, add_comment
from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import Plan, Task, TaskStatus
from onboarding.plan_templates.plan_creation import apply_profile
from onboarding.plans import custom_tasks
from onboarding.plans.custom_tasks import CustomTaskContent, content_of
from onboarding.plans.services import confirm_task
from tenants.models import ActivityLine, Tenant, User
from tests.factories import MakeTenant, RunCheck, SignIn, task_of
from tests.markup import texts

OUTBOUND = "outbound-cutover-phase"
FAX = CustomTaskContent(
    phase=OUTBOUND,
    title="Point the fax server at Mimecast",
    instructions="Ask Dana for the window.",
    responsibility="client",
    due_on=date(2031, 4, 1),
)


def _add(tenant: Tenant, by: User, **changes: Any) -> Task:
    content = CustomTaskContent(**{**FAX.__dict__, **changes})
    return custom_tasks.add_task(tenant.plan, content, by=by)


def _address(name: str, tenant: Tenant, *args: str) -> str:
    return reverse(f"onboarding:{name}", args=[tenant.public_id, *args])


def test_add_task_at_end_of_phase(make_tenant: MakeTenant, consultant: User) -> None:
    tenant, other = make_tenant("One"), make_tenant("Other")
    before = Plan.objects.get(tenant=tenant)

    made = _add(tenant, consultant)

    after = Plan.objects.get(tenant=tenant)
    in_order = list(Task.objects.filter(plan=after).values_list("key", "phase__key"))
    last_of_phase = [key for key, phase in in_order if phase == OUTBOUND][-1]
    assert last_of_phase == made.key
    assert [phase for _, phase in in_order] == sorted(
        (phase for _, phase in in_order),
        key=list(after.phases.values_list("key", flat=True)).index,
    )
    assert (after.tasks_total, after.revision) == (before.tasks_total + 1, before.revision + 1)
    assert not Task.objects.filter(plan=other.plan, is_custom=True).exists()


def test_custom_task_is_confirmed(tenant: Tenant, consultant: User, owner: User) -> None:
    made = _add(tenant, consultant)

    confirm_task(made, by=owner, side="client")
    apply_profile(tenant)

    done = Task.objects.get(pk=made.pk)
    assert (done.status, done.due_on, done.title) == (TaskStatus.DONE, FAX.due_on, FAX.title)


def test_per_domain_custom_task(make_tenant: MakeTenant, consultant: User) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    made = _add(tenant, consultant, is_per_domain=True, responsibility="mimecast")

    confirm_task(made, by=consultant, side="mimecast", domain=tenant.domains.get(name="one.test"))
    half = Task.objects.get(pk=made.pk).status
    confirm_task(made, by=consultant, side="mimecast", domain=tenant.domains.get(name="two.test"))

    assert (half, Task.objects.get(pk=made.pk).status) == (TaskStatus.TODO, TaskStatus.DONE)


def test_second_change_is_refused(tenant: Tenant, consultant: User) -> None:
    made = _add(tenant, consultant)
    expected = content_of(made).fingerprint
    custom_tasks.change_task(
        made, CustomTaskContent(OUTBOUND, "First"), expected=expected, by=consultant
    )

    with pytest.raises(ConflictingChange, match="Another user changed this task"):
        custom_tasks.change_task(
            made, CustomTaskContent(OUTBOUND, "Second"), expected=expected, by=consultant
        )

    assert Task.objects.get(pk=made.pk).title == "First"


def test_change_phase_keeps_confirmations(tenant: Tenant, consultant: User, owner: User) -> None:
    made = _add(tenant, consultant)
    confirm_task(made, by=owner, side="client")
    content = CustomTaskContent(**{**FAX.__dict__, "phase": "closure"})

    custom_tasks.change_task(made, content, expected=FAX.fingerprint, by=consultant)

    moved = Task.objects.get(pk=made.pk)
    assert (moved.phase.key, moved.status) == ("closure", TaskStatus.DONE)
    assert moved.position == max(Task.objects.values_list("position", flat=True))


def test_per_domain_is_fixed_after_confirm(tenant: Tenant, consultant: User, owner: User) -> None:
    made = _add(tenant, consultant)
    confirm_task(made, by=owner, side="client")
    content = CustomTaskContent(**{**FAX.__dict__, "is_per_domain": True})

    with pytest.raises(OnboardingError, match="no longer change whether"):
        custom_tasks.change_task(made, content, expected=FAX.fingerprint, by=consultant)


def test_remove_untouched_task(tenant: Tenant, consultant: User) -> None:
    made = _add(tenant, consultant)
    before = Plan.objects.get(tenant=tenant).tasks_total

    custom_tasks.remove_task(made, by=consultant)

    assert Plan.objects.get(tenant=tenant).tasks_total == before - 1
    assert list(
        ActivityLine.objects.filter(action__startswith="custom-task-").values_list("action")
    ) == [
        ("custom-task-removed",),
        ("custom-task-added",),
    ]
    with pytest.raises(ConflictingChange):
        custom_tasks.remove_task(made, by=consultant)


@pytest.mark.parametrize("trace", ["word", "comment"])
def test_remove_confirmed_task_is_refused(
    tenant: Tenant, consultant: User, owner: User, trace: str
) -> None:
    made = _add(tenant, consultant)
    if trace == "word":
        confirm_task(made, by=owner, side="client")
    else:
        add_comment(made, NewComment("Which fax?"), by=owner, side="client")

    with pytest.raises(OnboardingError, match="Mark it as not applicable instead"):
        custom_tasks.remove_task(made, by=consultant)

    assert Task.objects.filter(pk=made.pk).exists()


def test_template_task_is_not_changed(tenant: Tenant, consultant: User) -> None:
    task = task_of(tenant, "training")

    with pytest.raises(OnboardingError, match="comes from the plan template"):
        custom_tasks.remove_task(task, by=consultant)
    with pytest.raises(OnboardingError, match="comes from the plan template"):
        custom_tasks.change_task(task, FAX, expected=content_of(task).fingerprint, by=consultant)


# --- Pages


def _typed(**changes: str) -> dict[str, str]:
    typed = {"title": "Fax", "phase": OUTBOUND, "responsibility": "client", "due_on": "2031-04-01"}
    return typed | changes


def test_consultant_adds_task_on_plan_page(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    client = signed_in(consultant)
    link = _address("custom-task-add", tenant) + f"?phase={OUTBOUND}"
    plan = client.get(_address("plan-show", tenant) + f"?phase={OUTBOUND}")

    answer = client.post(link, _typed())

    made = Task.objects.get(plan=tenant.plan, is_custom=True)
    assert link in plan.content.decode()
    assert answer["Location"].endswith(f"?phase={OUTBOUND}#{made.key}")
    (shown,) = texts(client.get(answer["Location"]).content.decode(), f"#{made.key}")
    assert "Fax" in shown
    assert "Custom task of this tenant" in shown


def test_client_sees_no_edit_link(
    tenant: Tenant, consultant: User, owner: User, signed_in: SignIn
) -> None:
    made = _add(tenant, consultant)

    page = signed_in(owner).get(_address("plan-show", tenant) + f"?phase={OUTBOUND}")

    html = page.content.decode()
    assert FAX.title in html
    assert _address("custom-task-edit", tenant, made.public_id) not in html
    assert _address("custom-task-add", tenant) not in html


@pytest.mark.parametrize(
    ("field", "typed", "error"),
    [
        ("title", "", "Enter a title that both sides understand."),
        ("due_on", "soon", "Enter a day, such as 2026-12-31."),
    ],
)
def test_invalid_form_keeps_typed_values(
    tenant: Tenant, consultant: User, signed_in: SignIn, field: str, typed: str, error: str
) -> None:
    answer = signed_in(consultant).post(
        _address("custom-task-add", tenant), _typed(**{"instructions": "Ask Dana.", field: typed})
    )

    assert (answer.status_code, answer.context["form"].errors) == (422, {field: [error]})
    assert "Ask Dana." in answer.content.decode()
    assert not Task.objects.filter(is_custom=True).exists()


def test_conflict_form_can_be_saved_again(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    made = _add(tenant, consultant)
    client: Client = signed_in(consultant)
    context = _address("custom-task-edit", tenant, made.public_id)
    expected = client.get(context).context["form"].initial["expected"]
    client.post(context, _typed(title="First", expected=expected))

    late = client.post(context, _typed(title="Second", expected=expected))
    shown = late.context["form"]
    again = client.post(context, _typed(title="Second", expected=shown["expected"].value()))

    assert (late.status_code, shown["title"].value()) == (422, "Second")
    assert "Another user changed this task" in str(shown.non_field_errors())
    assert shown.errors["title"] == ["Current value: “First”."]
    assert again.status_code == 302
    assert Task.objects.get(pk=made.pk).title == "Second"


def test_change_of_former_template_task(
    tenant: Tenant, consultant: User, run_check: RunCheck
) -> None:
    """It came from the template and is verified for the domain roles of the template."""
    run_check(tenant, CheckKind.SPF, Verdict.PASS)
    Task.objects.filter(plan=tenant.plan, key="spf-update").update(
        is_custom=True, is_per_domain=False, due_from="start", due_working_days=3
    )
    kept = Task.objects.select_related("phase", "plan__tenant").get(
        plan=tenant.plan, key="spf-update"
    )
    before, content = kept.domain_roles, content_of(kept)
    due_on = kept.plan.created_at.date()

    changed = CustomTaskContent(**{**content.__dict__, "title": "Put Mimecast into SPF"})
    custom_tasks.change_task(kept, changed, expected=content.fingerprint, by=consultant)
    apply_profile(tenant)

    after = task_of(tenant, "spf-update")
    assert (after.title, after.status) == ("Put Mimecast into SPF", TaskStatus.VERIFIED)
    assert after.domain_roles == before
    assert after.due_on is not None
    assert after.due_on > due_on
