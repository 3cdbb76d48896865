"""The division of the client's page: to do now, verifying, and upcoming."""

from __future__ import annotations

from datetime import timedelta

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check, Observation
from onboarding.models import Task
from onboarding.plans import services
from onboarding.plans.client_tasks import ClientTasks, client_tasks
from onboarding.plans.domain_progress import progress_by_task
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.queries import tasks_of
from onboarding.plans.rows import Viewer, rows_of
from tenants.models import Tenant, User
from tests.factories import START, MakeTenant, RunCheck, SignIn, task_of

SPF = "spf-update"


def page_of(tenant: Tenant, owner: User) -> ClientTasks:
    viewer = Viewer(services.actor_for(owner, tenant), progress=progress_by_task(tenant))
    rows = rows_of(list(tasks_of(tenant.plan)), PlanContext.of(tenant), viewer)
    return client_tasks(rows, most=50)


def place_of(tenant: Tenant, owner: User) -> str:
    page = page_of(tenant, owner)
    upcoming = tuple(each.row for each in page.upcoming)
    places = {"now": page.now, "verifying": page.verifying, "upcoming": upcoming}
    return "".join(name for name, rows in places.items() if SPF in [row.task.key for row in rows])


@pytest.fixture
def confirmed(tenant: Tenant, owner: User, run_check: RunCheck) -> Tenant:
    """The SPF check failed, and then the client confirmed the task."""
    Task.objects.filter(plan=tenant.plan, key="account-creation").update(status="done")
    run_check(tenant, CheckKind.SPF, Verdict.FAIL)
    services.confirm_task(task_of(tenant, SPF), by=owner, side="client")
    Task.objects.filter(plan=tenant.plan, key=SPF).update(
        client_confirmed_at=START + timedelta(minutes=1)
    )
    Task.objects.filter(plan=tenant.plan, key="account-creation").update(status="done")
    return tenant


def run_again(tenant: Tenant, verdict: Verdict) -> None:
    Observation.objects.filter(check_asked__tenant=tenant, check_asked__kind="spf").update(
        verdict=verdict, last_seen_at=START + timedelta(minutes=5)
    )


def test_confirmed_task_is_verifying_until_the_next_run(confirmed: Tenant, owner: User) -> None:
    assert place_of(confirmed, owner) == "verifying"


def test_contradicted_confirmation_is_first(confirmed: Tenant, owner: User) -> None:
    run_again(confirmed, Verdict.FAIL)

    assert place_of(confirmed, owner) == "now"
    assert page_of(confirmed, owner).now[0].task.key == SPF


def test_unknown_result_contradicts_nothing(confirmed: Tenant, owner: User) -> None:
    run_again(confirmed, Verdict.UNKNOWN)

    assert place_of(confirmed, owner) == "verifying"


@pytest.mark.usefixtures("fixed_monday")
def test_contradicted_card_shows_the_result(
    confirmed: Tenant, owner: User, signed_in: SignIn
) -> None:
    run_again(confirmed, Verdict.FAIL)

    html = (
        signed_in(owner)
        .get(f"/t/{confirmed.public_id}/?phase=outbound-cutover-phase")
        .content.decode()
    )

    assert "The check does not confirm it." in " ".join(html.split())


@pytest.mark.parametrize(
    ("verdicts", "shown"),
    [
        (("not_applicable", "fail", "pass"), ["b.test"]),
        (("unknown", "not_applicable", "fail"), ["c.test", "a.test"]),
        (("not_applicable", "not_applicable", "not_applicable"), ["a.test", "b.test", "c.test"]),
    ],
)
def test_open_subjects_begin_with_the_fault(
    make_tenant: MakeTenant, owner: User, verdicts: tuple[str, ...], shown: list[str]
) -> None:
    tenant = make_tenant(
        "Three", domains=tuple((f"{letter}.test", "secondary") for letter in "abc")
    )
    for domain, verdict in zip(tenant.domains.order_by("name"), verdicts, strict=True):
        Check.objects.filter(domain=domain, kind="spf").update(settled_verdict=verdict)

    viewer = Viewer(services.actor_for(owner, tenant), progress=progress_by_task(tenant))
    rows = rows_of(list(tasks_of(tenant.plan)), PlanContext.of(tenant), viewer)

    (row,) = (each for each in rows if each.task.key == SPF)
    assert [subject.name for subject in row.open_subjects] == shown
