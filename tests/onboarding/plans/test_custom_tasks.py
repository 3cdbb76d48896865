"""Steps that one tenant's plan has beside the template's."""

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


def test_a_step_of_its_own_ends_its_phase_and_counts(
    make_tenant: MakeTenant, consultant: User
) -> None:
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


def test_it_is_worked_like_every_other(tenant: Tenant, consultant: User, owner: User) -> None:
    made = _add(tenant, consultant)

    confirm_task(made, by=owner, side="client")
    apply_profile(tenant)

    done = Task.objects.get(pk=made.pk)
    assert (done.status, done.due_on, done.title) == (TaskStatus.DONE, FAX.due_on, FAX.title)


def test_it_is_done_domain_by_domain_where_it_says_so(
    make_tenant: MakeTenant, consultant: User
) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    made = _add(tenant, consultant, is_per_domain=True, responsibility="mimecast")

    confirm_task(made, by=consultant, side="mimecast", domain=tenant.domains.get(name="one.test"))
    half = Task.objects.get(pk=made.pk).status
    confirm_task(made, by=consultant, side="mimecast", domain=tenant.domains.get(name="two.test"))

    assert (half, Task.objects.get(pk=made.pk).status) == (TaskStatus.TODO, TaskStatus.DONE)


def test_of_two_who_change_it_the_second_is_told(tenant: Tenant, consultant: User) -> None:
    made = _add(tenant, consultant)
    seen = content_of(made).fingerprint
    custom_tasks.change_task(made, CustomTaskContent(OUTBOUND, "First"), seen=seen, by=consultant)

    with pytest.raises(ConflictingChange, match="Somebody else changed this step"):
        custom_tasks.change_task(
            made, CustomTaskContent(OUTBOUND, "Second"), seen=seen, by=consultant
        )

    assert Task.objects.get(pk=made.pk).title == "First"


def test_it_moves_to_another_phase_with_all_that_was_said(
    tenant: Tenant, consultant: User, owner: User
) -> None:
    made = _add(tenant, consultant)
    confirm_task(made, by=owner, side="client")
    content = CustomTaskContent(**{**FAX.__dict__, "phase": "closure"})

    custom_tasks.change_task(made, content, seen=FAX.fingerprint, by=consultant)

    moved = Task.objects.get(pk=made.pk)
    assert (moved.phase.key, moved.status) == ("closure", TaskStatus.DONE)
    assert moved.position == max(Task.objects.values_list("position", flat=True))


def test_domain_by_domain_is_settled_once_something_was_done(
    tenant: Tenant, consultant: User, owner: User
) -> None:
    made = _add(tenant, consultant)
    confirm_task(made, by=owner, side="client")
    content = CustomTaskContent(**{**FAX.__dict__, "is_per_domain": True})

    with pytest.raises(OnboardingError, match="it stays as it is in this"):
        custom_tasks.change_task(made, content, seen=FAX.fingerprint, by=consultant)


def test_it_is_removed_while_nothing_was_done(tenant: Tenant, consultant: User) -> None:
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
def test_nothing_that_was_done_is_removed(
    tenant: Tenant, consultant: User, owner: User, trace: str
) -> None:
    made = _add(tenant, consultant)
    if trace == "word":
        confirm_task(made, by=owner, side="client")
    else:
        add_comment(made, NewComment("Which fax?"), by=owner, side="client")

    with pytest.raises(OnboardingError, match="Set it aside in words"):
        custom_tasks.remove_task(made, by=consultant)

    assert Task.objects.filter(pk=made.pk).exists()


def test_the_templates_steps_are_not_changed_here(tenant: Tenant, consultant: User) -> None:
    task = task_of(tenant, "training")

    with pytest.raises(OnboardingError, match="comes from the plan template"):
        custom_tasks.remove_task(task, by=consultant)
    with pytest.raises(OnboardingError, match="comes from the plan template"):
        custom_tasks.change_task(task, FAX, seen=content_of(task).fingerprint, by=consultant)


# --- Pages


def _typed(**changes: str) -> dict[str, str]:
    typed = {"title": "Fax", "phase": OUTBOUND, "responsibility": "client", "due_on": "2031-04-01"}
    return typed | changes


def test_a_consultant_adds_it_from_the_plans_page(
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


def test_a_client_reads_it_and_is_offered_no_change(
    tenant: Tenant, consultant: User, owner: User, signed_in: SignIn
) -> None:
    made = _add(tenant, consultant)

    page = signed_in(owner).get(_address("plan-show", tenant) + f"?phase={OUTBOUND}")

    html = page.content.decode()
    assert FAX.title in html
    assert _address("custom-task-edit", tenant, made.public_id) not in html
    assert _address("custom-task-add", tenant) not in html


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("title", "", "Give the step a name that both sides understand."),
        ("due_on", "soon", "Enter a day, such as 2026-12-31."),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_what_was_typed_is_kept(
    tenant: Tenant, consultant: User, signed_in: SignIn, field: str, typed: str, said: str
) -> None:
    answer = signed_in(consultant).post(
        _address("custom-task-add", tenant), _typed(**{"instructions": "Ask Dana.", field: typed})
    )

    assert (answer.status_code, answer.context["form"].errors) == (422, {field: [said]})
    assert "Ask Dana." in answer.content.decode()
    assert not Task.objects.filter(is_custom=True).exists()


def test_the_second_of_two_keeps_what_they_typed_and_may_then_save(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    made = _add(tenant, consultant)
    client: Client = signed_in(consultant)
    context = _address("custom-task-edit", tenant, made.public_id)
    seen = client.get(context).context["form"].initial["seen"]
    client.post(context, _typed(title="First", seen=seen))

    late = client.post(context, _typed(title="Second", seen=seen))
    shown = late.context["form"]
    again = client.post(context, _typed(title="Second", seen=shown["seen"].value()))

    assert (late.status_code, shown["title"].value()) == (422, "Second")
    assert "Somebody else changed this step" in str(shown.non_field_errors())
    assert shown.errors["title"] == ["It says now: “First”."]
    assert again.status_code == 302
    assert Task.objects.get(pk=made.pk).title == "Second"


def test_wording_a_kept_step_of_the_template_anew_leaves_its_proof(
    tenant: Tenant, consultant: User, run_check: RunCheck
) -> None:
    """It came from the template once, and is proven for the roles that it names."""
    run_check(tenant, CheckKind.SPF, Verdict.PASS)
    Task.objects.filter(plan=tenant.plan, key="spf-update").update(
        is_custom=True, is_per_domain=False, due_from="start", due_working_days=3
    )
    kept = Task.objects.select_related("phase", "plan__tenant").get(
        plan=tenant.plan, key="spf-update"
    )
    before, content = kept.domain_roles, content_of(kept)
    due_on = kept.plan.created_at.date()

    anew = CustomTaskContent(**{**content.__dict__, "title": "Put Mimecast into SPF"})
    custom_tasks.change_task(kept, anew, seen=content.fingerprint, by=consultant)
    apply_profile(tenant)

    after = task_of(tenant, "spf-update")
    assert (after.title, after.status) == ("Put Mimecast into SPF", TaskStatus.VERIFIED)
    assert after.domain_roles == before
    assert after.due_on is not None
    assert after.due_on > due_on
