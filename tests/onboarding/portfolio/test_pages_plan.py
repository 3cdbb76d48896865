"""The plan page and My tasks, by role."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from onboarding.models import Cutover, Plan, Responsibility, Task
from onboarding.plans.rows import Shape
from onboarding.plans.services import confirm_task
from tenants.models import Tenant, User
from tests.clock import at, frozen
from tests.factories import RunCheck, task_of
from tests.markup import texts

SignIn = Callable[[User], Client]
FRAGMENTS = {
    "plan-show": "plan",
    "my-tasks": "steps",
    "domains": "domains",
    "activity": "activity",
}


def _page(client: Client, name: str, tenant: Tenant, query: str = "", **headers: str) -> str:
    address = reverse(f"onboarding:{name}", args=[tenant.public_id])
    response = client.get(address + query, headers=headers)
    assert response.status_code == 200
    return response.content.decode()


def _row(html: str, key: str) -> str:
    (row,) = texts(html, f"#{key}")
    return row


@pytest.mark.parametrize(("name", "fragment"), FRAGMENTS.items())
def test_page_equals_fragment(
    tenant: Tenant, owner: User, signed_in: SignIn, name: str, fragment: str
) -> None:
    client = signed_in(owner)

    page = _page(client, name, tenant)
    part = _page(client, name, tenant, **{"HX-Request": "true"})

    assert texts(part, f"#{fragment}") == texts(page, f"#{fragment}")
    assert ("<html" in page, "<html" in part) == (True, False)


@pytest.mark.parametrize("name", FRAGMENTS)
def test_page_contains_its_revision(
    tenant: Tenant, owner: User, signed_in: SignIn, name: str
) -> None:
    tenant.plan.touch()
    revision = Plan.objects.get(tenant=tenant).revision

    page = _page(signed_in(owner), name, tenant)

    address = reverse("onboarding:revision", args=[tenant.public_id])
    assert f'data-live-url="{address}"' in page
    assert f'data-live-revision="{revision}"' in page


@pytest.mark.usefixtures("fixed_monday")
def test_verified_task_shows_its_proof(
    tenant: Tenant, owner: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    run_check(tenant, CheckKind.SPF, Verdict.PASS)

    row = _row(_page(signed_in(owner), "plan-show", tenant, _phase(tenant)), "spf-update")

    assert row.startswith(
        "Verified SPF Record Update Verified for northwind.test by DNS Client Verified just"
    )


def _phase(tenant: Tenant, key: str = "spf-update") -> str:
    return f"?phase={task_of(tenant, key).phase.key}"


def test_regressed_task_shows_the_fault(
    tenant: Tenant, owner: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    run_check(tenant, CheckKind.SPF, Verdict.PASS)
    for minute in (1, 6, 11):
        run_check(tenant, CheckKind.SPF, Verdict.FAIL, minutes=minute, code="spf.sampled")

    html = _page(signed_in(owner), "plan-show", tenant, _phase(tenant))

    (sentence,) = texts(_part(html, "spf-update"), ".task-sentence")
    assert sentence.startswith("northwind.test: The record contains terms that depend on")
    assert texts(_part(html, "spf-update"), ".task-state") == ["Regressed just now"]


def _part(html: str, key: str) -> str:
    return html.split(f'id="{key}"', 1)[1].split("<details", 1)[0]


def test_confirmation_shows_its_author(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    confirm_task(task_of(tenant, "spf-update"), by=owner, side=Responsibility.CLIENT)

    html = _page(signed_in(owner), "plan-show", tenant, _phase(tenant))

    assert texts(_part(html, "spf-update"), ".task-state") == [
        "Marked as done by Owner. Verifying."
    ]


def test_partly_confirmed_task_shows_other_side(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn
) -> None:
    Task.objects.filter(plan=tenant.plan, key="mail-flow-infrastructure").update(depends_on=[])
    confirm_task(
        task_of(tenant, "mail-flow-infrastructure"), by=consultant, side=Responsibility.MIMECAST
    )

    html = _page(signed_in(owner), "plan-show", tenant, _phase(tenant, "mail-flow-infrastructure"))

    assert texts(_part(html, "mail-flow-infrastructure"), ".task-state") == [
        "Con confirmed · waiting on the client"
    ]


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (3, "Due Sat 5 Dec Assigned to Owner Person OP"),
        (-1, "Due Tue 1 Dec, late Assigned to Owner Person OP"),
    ],
)
def test_collapsed_task_shows_due_date_and_person(
    tenant: Tenant, owner: User, signed_in: SignIn, days: int, text: str
) -> None:
    with frozen(at("Wed 09:00")) as clock:
        day = clock.now.date() + timedelta(days=days)
        Task.objects.filter(key="spf-update").update(assignee=owner, due_on=day)

        html = _page(signed_in(owner), "plan-show", tenant, _phase(tenant))

    assert texts(_part(html, "spf-update"), ".task-when") == [text]


def test_my_tasks_are_sorted_by_due_date(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    Task.objects.filter(is_due_date_manual=False).update(due_on="2026-12-09")
    Task.objects.filter(key="mx-ttl-update").update(due_on="2026-12-04")

    html = _page(signed_in(owner), "my-tasks", tenant)

    first = html[html.index("<article") :].split("</article>")[0]
    assert 'id="mx-ttl-update"' in first
    assert "Due Fri 4 Dec" in texts(first, ".client-task-dates")[0]


def test_done_task_shows_no_due_date(
    tenant: Tenant, owner: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    run_check(tenant, CheckKind.SPF, Verdict.PASS)
    Task.objects.filter(key="spf-update").update(due_on="2026-12-01")

    html = _page(signed_in(owner), "plan-show", tenant, _phase(tenant))

    assert texts(_part(html, "spf-update"), ".task-when") == [""]


def test_viewer_sees_no_buttons(tenant: Tenant, viewer: User, signed_in: SignIn) -> None:
    html = _page(signed_in(viewer), "plan-show", tenant, _phase(tenant))

    (main,) = [part.split("</main>")[0] for part in html.split("<main")[1:]]
    assert texts(main, "form") == []


def test_only_consultant_sets_responsibility(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn
) -> None:
    offered = {
        user.email: "The article names no responsible side:"
        in _page(signed_in(user), "plan-show", tenant, "?phase=onboarding-review")
        for user in (owner, consultant)
    }

    assert offered == {owner.email: False, consultant.email: True}


def test_my_tasks_shows_three_tasks_first(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(consultant=consultant)
    Task.objects.filter(plan=tenant.plan).update(depends_on=[])

    html = _page(signed_in(owner), "my-tasks", tenant)

    assert len(texts(html, "article")) == 3
    assert texts(html, "address") == [
        "CS Con Sultant Your implementation consultant consultant@gangway.test"
    ]


def test_cutovers_use_tenant_time_zone(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(time_zone="America/New_York")
    moment = timezone.now() + timedelta(days=400)
    Cutover.objects.create(
        plan=tenant.plan, direction="inbound", planned_at=moment.replace(month=1, day=9, hour=1)
    )

    html = _page(signed_in(consultant), "plan-show", tenant)

    (cutovers,) = texts(html, "dl")[:1]
    assert cutovers.startswith("Inbound cutover")
    assert ", 20:" in cutovers


@pytest.mark.parametrize(
    ("role", "links"),
    [
        (
            "owner",
            [
                "My tasks",
                "Plan",
                "Requirements",
                "Domains",
                "Schedule",
                "Monitoring",
                "More",
                "Activity",
                "People",
            ],
        ),
        ("consultant", ["Desk", "Tenants", "Cutovers", "Dashboard", "Templates"]),
    ],
)
def test_top_bar_differs_by_side(
    request: pytest.FixtureRequest, tenant: Tenant, signed_in: SignIn, role: str, links: list[str]
) -> None:
    user = request.getfixturevalue(role)

    html = _page(signed_in(user), "plan-show", tenant)

    assert texts(html, "nav")[0] == " ".join(links)


@pytest.mark.parametrize("shape", Shape)
def test_verdicts_have_distinct_shapes(shape: Shape) -> None:
    drawn = {
        other: render_to_string("components/verdict.html", {"shape": other.value})
        for other in Shape
    }

    alike = [
        other
        for other in Shape
        if _drawing(drawn[other]) == _drawing(drawn[shape])
        or texts(drawn[other], "title") == texts(drawn[shape], "title")
    ]
    assert alike == [shape]


def _drawing(svg: str) -> str:
    return svg.split("</title>")[1]
