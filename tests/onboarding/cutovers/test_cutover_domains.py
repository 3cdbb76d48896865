"""Readiness, snapshots and pages of a cutover cover its own domains only."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from checks.expectations import sync_checks
from checks.models import Check
from onboarding.cutovers.planning import plan_cutover
from onboarding.cutovers.queries import switched
from onboarding.cutovers.readiness import ReadinessRow, readiness_rows
from onboarding.cutovers.room import load_facts
from onboarding.cutovers.snapshots import save_at_opening
from onboarding.cutovers.tasks import open_cutover_windows
from onboarding.models import Cutover, DomainProgress, Plan, Task
from onboarding.plans.current_state import TenantState
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.planned_cutovers import next_cutover
from onboarding.plans.queries import tasks_of
from onboarding.plans.services import confirm_task
from onboarding.plans.submitted_messages import submit_test_message
from onboarding.portfolio.queries import unfinished_tasks
from onboarding.portfolio.tenant_status import tenant_status
from tenants.models import Tenant, User
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, RunCheck, SignIn, task_of
from tests.markup import texts
from tests.onboarding.cutovers.test_planning import MOMENT, WEEK, domain_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fixed_monday")]


@pytest.fixture
def tenant(make_tenant: MakeTenant) -> Tenant:
    return make_tenant(
        domains=(("main.test", "primary"), ("side.test", "secondary"), ("try.test", "test"))
    )


def _rows(cutover: Cutover, tenant: Tenant) -> dict[str, ReadinessRow]:
    region, tasks = tenant.region_values, list(tasks_of(tenant.plan))
    facts = load_facts(cutover, tasks, PlanContext.of(tenant), [], region, now=timezone.now())
    return {row.key: row for row in readiness_rows(facts)}


def test_readiness_covers_own_domains(tenant: Tenant, run_check: RunCheck) -> None:
    soon = timezone.now()
    first = cutover_of(tenant, "inbound", soon, "side.test", "try.test")
    second = cutover_of(tenant, "inbound", soon + WEEK, "main.test")
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, subject="main.test")
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, subject="main.test", minutes=1)

    open_cutover_windows()

    prioritized = Check.objects.filter(cutover_until__gt=soon, kind=CheckKind.MX)
    assert sorted(str(check.domain) for check in prioritized) == ["side.test", "try.test"]
    rows = [_rows(cutover, tenant)["ownership"] for cutover in (first, second)]
    assert rows[0].verdict is Verdict.UNKNOWN
    assert "side.test and try.test" in rows[0].detail
    assert (rows[1].verdict, rows[1].detail) == (
        Verdict.FAIL,
        "main.test: ownership is not verified.",
    )


def test_snapshot_covers_own_domains(tenant: Tenant) -> None:
    made = save_at_opening(cutover_of(tenant, "inbound", timezone.now(), "try.test"))

    assert made is not None
    assert [entry["domain"] for entry in made.content] == ["try.test"]


def test_room_pages_name_own_domains_only(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    first = cutover_of(tenant, "inbound", MOMENT, "side.test")
    cutover_of(tenant, "inbound", MOMENT + WEEK, "main.test")
    client = signed_in(consultant)

    for name in ("cutover-room", "change-sheet", "preflight"):
        address = reverse(f"onboarding:{name}", args=[tenant.public_id, first.public_id])
        html = client.get(address).content.decode()
        shown = html.split('class="tabs"', 1)[1]
        assert "side.test" in shown
        assert "main.test" not in shown


def test_inbound_waits_for_own_outbound(tenant: Tenant, consultant: User, owner: User) -> None:
    cutover = cutover_of(tenant, "inbound", timezone.now() + timedelta(days=4), "try.test")
    task = task_of(tenant, "outbound-cutover")
    type(task).objects.filter(pk=task.pk).update(depends_on=[])
    task.refresh_from_db()
    before = _rows(cutover, tenant)["outbound"].verdict

    confirm_task(task, by=owner, side="client", domain=domain_of(tenant, "try.test"))

    assert task_of(tenant, "outbound-cutover").is_complete is False
    assert (before, _rows(cutover, tenant)["outbound"].verdict) == (Verdict.FAIL, Verdict.PASS)


@pytest.mark.parametrize(
    ("key", "day"),
    [
        ("spf-update", date(2027, 3, 1)),
        ("outbound-cutover", date(2027, 3, 11)),
    ],
)
def test_due_dates_of_two_cutovers(tenant: Tenant, consultant: User, key: str, day: date) -> None:
    for moment, name in ((MOMENT + WEEK, "main.test"), (MOMENT, "side.test")):
        plan_cutover(tenant.plan, "outbound", moment, [domain_of(tenant, name)], by=consultant)

    assert task_of(tenant, key).due_on == day


def test_status_shows_first_unswitched_cutover(tenant: Tenant, run_check: RunCheck) -> None:
    now = timezone.now()
    first = cutover_of(tenant, "inbound", now - WEEK, "side.test")
    second = cutover_of(tenant, "inbound", now + WEEK, "main.test")
    cutovers = [first, second]

    def seen() -> Cutover | None:
        plan = Plan.objects.get(tenant=tenant)
        switched_ids = set(switched(Cutover.objects.all()).values_list("pk", flat=True))
        tasks = list(unfinished_tasks([tenant]))
        return tenant_status(
            plan, cutovers, tasks, TenantState(), [], switched=switched_ids, now=now
        ).cutover

    assert seen() == first
    run_check(tenant, CheckKind.MX, Verdict.PASS, subject="side.test")
    assert seen() == second


def test_next_cutover_by_window() -> None:
    first, second = Cutover(planned_at=MOMENT), Cutover(planned_at=MOMENT + WEEK)

    assert next_cutover([first, second], now=MOMENT + timedelta(hours=3)) is first
    assert next_cutover([first, second], now=MOMENT + timedelta(hours=5)) is second
    assert next_cutover([first, second], now=MOMENT + 3 * WEEK) is second
    assert next_cutover([], now=MOMENT) is None


def test_message_counts_from_confirmation_of_its_domain(
    tenant: Tenant, consultant: User, owner: User
) -> None:
    tenant.domains.update(dkim_selectors="mimecast")
    sync_checks(tenant)
    Task.objects.filter(plan=tenant.plan, key="outbound-cutover").update(depends_on=[])
    for name in ("main.test", "side.test"):
        domain = tenant.domains.get(name=name)
        confirm_task(task_of(tenant, "outbound-cutover"), by=owner, side="client", domain=domain)
        time = DomainProgress.objects.filter(domain=domain)
        time.update(client_confirmed_at=MOMENT + (WEEK if name == "main.test" else -WEEK))
    check = Check.objects.get(tenant=tenant, kind=CheckKind.MESSAGE, domain__name="main.test")

    shown = submit_test_message(tenant.plan, check, b"From: a@main.test\n\n", by=consultant)

    assert shown.not_before == MOMENT + WEEK


def _sentences(client: Any, tenant: Tenant) -> list[str]:
    page = reverse("onboarding:cutovers", args=[tenant.public_id])
    strong = texts(client.get(page).content.decode(), ".text-strong")
    return [sentence for sentence in strong if "domain" in sentence]


def test_primary_first_is_warned(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    client = signed_in(consultant)
    primary = cutover_of(tenant, "inbound", MOMENT, "main.test")
    cutover_of(tenant, "inbound", MOMENT + WEEK, "side.test")
    sentence = (
        "The primary domain main.test switches before side.test and try.test. Try the switch with a"
        " test or secondary domain first."
    )

    assert _sentences(client, tenant) == [sentence]
    room = reverse("onboarding:cutover-room", args=[tenant.public_id, primary.public_id])
    assert sentence in texts(client.get(room).content.decode(), "p")

    Cutover.objects.filter(pk=primary.pk).update(planned_at=MOMENT + 2 * WEEK)
    cutover_of(tenant, "inbound", MOMENT, "try.test")
    assert _sentences(client, tenant) == []


@pytest.mark.slow
@pytest.mark.parametrize("domains", [2, 40])
def test_cutover_list_query_count(
    make_tenant: MakeTenant,
    consultant: User,
    signed_in: SignIn,
    django_assert_num_queries: Any,
    domains: int,
) -> None:
    names = tuple((f"d{number}.test", "secondary") for number in range(domains))
    large = make_tenant("Large", domains=names)
    cutover_of(large, "inbound", MOMENT, *[name for name, _ in names[::2]])
    client = signed_in(consultant)
    page = reverse("onboarding:cutovers", args=[large.public_id])
    client.get(page)

    with django_assert_num_queries(27):
        assert client.get(page).status_code == 200
