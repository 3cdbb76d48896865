"""The closing task is the last one on every list, without reminders before; bought products."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from onboarding.errors import OnboardingError
from onboarding.lifecycle.closing import sign_off_implementation
from onboarding.models import Plan, Reminder, Task, WorkingTime
from onboarding.plan_templates.content import Content
from onboarding.plan_templates.plan_creation import apply_profile
from onboarding.plans import reminders, services
from onboarding.plans.client_tasks import ClientTasks, client_tasks
from onboarding.plans.domain_progress import progress_by_task
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.queries import tasks_of
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.rows import Viewer, rows_of
from tenants.models import Tenant, User
from tests.closings import accept_all_risks, closing_task_of, decide_all, obligations_now
from tests.factories import MakeTenant, SignIn, task_of
from tests.markup import texts
from tests.onboarding.plan_templates.drafts import draft_task, publish_changed

TUESDAY = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)
ADD_ON = "web-security"


def tasks_of_client(tenant: Tenant, owner: User) -> ClientTasks:
    viewer = Viewer(services.actor_for(owner, tenant), progress=progress_by_task(tenant))
    rows = rows_of(list(tasks_of(tenant.plan)), PlanContext.of(tenant), viewer)
    return client_tasks(rows, most=100)


@pytest.mark.slow
def test_closing_task_is_never_to_do_before_the_last_decision(tenant: Tenant, owner: User) -> None:
    """Each task in turn is the only one without a decision."""
    closing = closing_task_of(tenant)
    for task in Task.objects.filter(plan=tenant.plan, applies=True, is_group=False, wait_after=""):
        if task == closing:
            continue
        decide_all(tenant, task.key)
        Task.objects.filter(pk=task.pk).update(manual_status="")
        recompute_rollup(tenant.plan)
        mine = tasks_of_client(tenant, owner)
        assert closing.pk not in [row.task.pk for row in mine.now], task.title
        assert [row.task.pk for row in mine.upcoming][-1] == closing.pk, task.title
        assert closing_task_of(tenant).waiting_on == "", task.title


def test_closing_task_is_to_do_after_the_last_decision(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    decide_all(tenant)
    mine = tasks_of_client(tenant, owner)
    # Only a consultant can accept the risks.
    assert (mine.now, [row.task.role for row in mine.on_mimecast]) == ((), ["closure"])

    accept_all_risks(tenant, consultant)
    assert [row.task.role for row in tasks_of_client(tenant, owner).now] == ["closure"]
    assert closing_task_of(tenant).waiting_on == "both"


def test_closing_task_follows_later_custom_tasks(tenant: Tenant, owner: User) -> None:
    closing = closing_task_of(tenant)
    Task.objects.create(
        plan=tenant.plan,
        phase=closing.phase,
        key="theirs",
        title="Theirs",
        position=closing.position + 1,
        responsibility="client",
        is_custom=True,
        depends_on=["training"],
    )
    decide_all(tenant, "theirs", "training")

    assert closing_task_of(tenant).waiting_on == ""
    assert [task.key for task in obligations_now(tenant).undecided] == ["training", "theirs"]
    upcoming = [row.task for row in tasks_of_client(tenant, owner).upcoming]
    assert [task.key for task in upcoming] == ["theirs", closing.key]


def test_client_home_links_the_closing_page(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn
) -> None:
    home = reverse("onboarding:my-tasks", args=[tenant.public_id])
    decide_all(tenant, ADD_ON)
    assert "Review and sign off" not in signed_in(owner).get(home).content.decode()

    decide_all(tenant)
    html = signed_in(owner).get(home).content.decode()
    assert "Decisions and residual risks" in html
    assert "Residual risks: Old MX records in caches: northwind.test" in html
    assert "No tasks for you today." in texts(html, "h1")[0]
    assert reverse("onboarding:task-confirm", args=_ids(tenant)) not in html

    accept_all_risks(tenant, consultant)
    html = signed_in(owner).get(home).content.decode()
    assert f'href="{reverse("onboarding:closing", args=[tenant.public_id])}"' in html
    assert "Review and sign off" in html


def _ids(tenant: Tenant) -> list[str]:
    return [tenant.public_id, closing_task_of(tenant).public_id]


# --- Reminders


def wait_since_monday(tenant: Tenant, owner: User) -> Plan:
    """Automatic reminders after one working day, and tasks that wait since Monday."""
    WorkingTime.objects.create(tenant=tenant, remind_after_working_days=1)
    Task.objects.filter(plan=tenant.plan).exclude(waiting_on="").update(
        waiting_since=TUESDAY - timedelta(days=4)
    )
    return Plan.objects.select_related("tenant__consultant").get(tenant=tenant)


def reminded(plan: Plan) -> list[str]:
    made = reminders.send_due_reminders(plan, now=TUESDAY)
    return [task.role for reminder in made for task in reminder.tasks.all()]


def test_closing_task_is_not_reminded_before_the_last_decision(tenant: Tenant, owner: User) -> None:
    decide_all(tenant, "training")

    assert "closure" not in reminded(wait_since_monday(tenant, owner))
    assert Reminder.objects.exists()


def test_closing_task_is_not_reminded_with_open_risks(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    decide_all(tenant)
    plan = wait_since_monday(tenant, owner)
    assert reminded(plan) == []
    with pytest.raises(OnboardingError, match=r"Residual risks: .* No reminder was sent\."):
        reminders.create_reminders(plan, [closing_task_of(tenant)], by=consultant, at=TUESDAY)

    accept_all_risks(tenant, consultant)
    assert reminded(plan) == ["closure"]


def test_closing_task_drops_out_of_a_bulk_reminder(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    decide_all(tenant)
    Task.objects.filter(plan=tenant.plan, key="training").update(waiting_on="client")
    plan = wait_since_monday(tenant, owner)
    tasks = [task_of(tenant, "training"), closing_task_of(tenant)]
    assert [task.waiting_on for task in tasks] == ["client", "both"]

    (made,) = reminders.create_reminders(plan, tasks, by=consultant, at=TUESDAY)

    assert [task.key for task in made.tasks.all()] == ["training"]


# --- Products


def require_for_product(content: Content) -> None:
    draft_task(content, ADD_ON).entry["required_when"] = {"products": ["web_security"]}


@pytest.fixture
def buyer(make_tenant: MakeTenant) -> Tenant:
    """A tenant that bought one product, with a template that requires the task of the product."""
    make_tenant("Template")
    publish_changed(require_for_product)
    return make_tenant("Buyer", products=["web_security"])


def decline(tenant: Tenant, key: str, by: User) -> None:
    actor = services.actor_for(by, tenant)
    services.make_transition(task_of(tenant, key), "decline", by=by, actor=actor, reason="No.")


def test_bought_product_makes_its_task_required(buyer: Tenant, consultant: User) -> None:
    with pytest.raises(OnboardingError, match="Only an optional task can be declined"):
        decline(buyer, ADD_ON, consultant)
    decide_all(buyer, ADD_ON)

    assert [each.key for each in obligations_now(buyer).undecided] == [ADD_ON]
    with pytest.raises(OnboardingError, match="Still open: “Web Security”"):
        sign_off_implementation(
            closing_task_of(buyer), by=consultant, side="mimecast", reason="All done."
        )


def test_later_purchase_reopens_a_declined_task(buyer: Tenant, make_tenant: MakeTenant) -> None:
    later = make_tenant("Later", products=[])
    decide_all(later)
    assert obligations_now(later).undecided == []

    later.products = ["web_security"]
    later.save()
    apply_profile(later)

    assert [each.key for each in obligations_now(later).undecided] == [ADD_ON]


def test_task_of_another_product_can_be_declined(buyer: Tenant, consultant: User) -> None:
    decide_all(buyer, "cybergraph")
    assert [each.key for each in obligations_now(buyer).undecided] == ["cybergraph"]

    decline(buyer, "cybergraph", consultant)

    assert obligations_now(buyer).undecided == []
