"""Stored rows and figures of the dashboard equal computed ones after every kind of change."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from onboarding.collaboration.comments import NewComment, add_comment
from onboarding.cutovers.freezes import add_freeze, add_mimecast_holiday
from onboarding.cutovers.planning import plan_cutover
from onboarding.lifecycle.offboarding import close_tenant
from onboarding.lifecycle.tenants import ProfileEntry, save_profile
from onboarding.models import Drift, Freeze, Holiday, Plan, Task
from onboarding.monitoring.drifts import close_drift, open_drift
from onboarding.plans.rollup import recompute_rollup
from onboarding.portfolio import dashboard_rows
from onboarding.portfolio.tenant_list import rows as tenant_rows
from tenants.models import Domain, Host, Tenant, User
from tests.clock import Clock, frozen
from tests.factories import START, MakeTenant, RunCheck, client_person, task_of

SignIn = Callable[[User], Client]
# The clock of the test begins after the first runs.
BEGIN = START + timedelta(hours=1)
Change = Callable[[Tenant, User, Any], object]


def _fail_check(tenant: Tenant, by: User, run: RunCheck) -> None:
    for minutes in (70, 80, 90):
        run(tenant, CheckKind.SPF, Verdict.FAIL, minutes=minutes)


def _complete_task(tenant: Tenant, by: User, run: RunCheck) -> None:
    now = timezone.now()
    rows = Task.objects.filter(pk=task_of(tenant, "account-creation").pk)
    rows.update(mimecast_confirmed_at=now, client_confirmed_at=now)
    recompute_rollup(tenant.plan)


def _rename(tenant: Tenant, by: User, run: RunCheck) -> None:
    tenant.name = "Renamed"
    save_profile(tenant, ProfileEntry(list[Domain](), list[Host]()), by=by)


def _plan_inbound(tenant: Tenant, by: User, run: RunCheck) -> None:
    planned_at = BEGIN + timedelta(days=7)
    plan_cutover(tenant.plan, "inbound", planned_at, list(tenant.domains.all()), by=by, reason="r")


def _rename_consultant(tenant: Tenant, by: User, run: RunCheck) -> None:
    by.name = "Other Name"
    by.save(update_fields=["name"])


def _close_drift(tenant: Tenant, by: User, run: RunCheck) -> None:
    now = timezone.now()
    close_drift(Drift.objects.get(tenant=tenant), Drift.Resolution.RESOLVED, now=now)


CHANGES: dict[str, Change] = {
    "closed drift": _close_drift,
    "check": _fail_check,
    "task": _complete_task,
    "cutover": _plan_inbound,
    "closed": lambda tenant, by, run: close_tenant(tenant, by=by, reason="left"),
    "profile": _rename,
    "consultant": _rename_consultant,
    "holiday": lambda tenant, by, run: add_mimecast_holiday(
        Holiday(day=date(2026, 12, 2), name="Holiday"), by=by
    ),
    "freeze": lambda tenant, by, run: add_freeze(
        Freeze(first_day=date(2026, 12, 2), last_day=date(2026, 12, 9), reason="r"), by=by
    ),
    "question": lambda tenant, by, run: add_comment(
        task_of(tenant, "account-creation"),
        NewComment("When?", asked_side="client"),
        by=by,
        side="mimecast",
    ),
}


def _shown(client: Client) -> tuple[str, str, str]:
    """The dashboard, its CSV file and the list of tenants."""
    html = client.get(reverse("onboarding:dashboard")).content.decode()
    rows = client.get(reverse("onboarding:dashboard-csv")).getvalue().decode()
    tenants = client.get(reverse("onboarding:tenant-list")).content.decode()
    # Each response masks the token of its forms differently.
    tenants = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", tenants)
    return html[html.index('id="dashboard"') :], rows, tenants[tenants.index('id="tenants"') :]


@pytest.fixture
def clock() -> Any:
    with frozen(BEGIN) as clock:
        yield clock


@pytest.fixture
def viewed(
    clock: Clock, make_tenant: MakeTenant, consultant: User, run_check: RunCheck, signed_in: SignIn
) -> tuple[Tenant, Client]:
    """A tenant with a verified check. The dashboard has stored its row."""
    tenant = make_tenant(consultant=consultant)
    run_check(tenant, CheckKind.SPF, Verdict.PASS)
    open_drift(tenant, Drift.Kind.REGION_CHANGED, "us", now=BEGIN)
    client = signed_in(consultant)
    _shown(client)
    return tenant, client


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_stored_rows_follow_each_change(
    viewed: tuple[Tenant, Client],
    consultant: User,
    run_check: RunCheck,
    django_capture_on_commit_callbacks: Any,
    change: str,
) -> None:
    tenant, client = viewed
    before = _shown(client)
    with django_capture_on_commit_callbacks(execute=True):
        CHANGES[change](Tenant.objects.get(pk=tenant.pk), consultant, run_check)

    stored = _shown(client)

    cache.clear()
    assert stored == _shown(client)
    assert stored != before or change in ("holiday", "freeze", "question")


@pytest.mark.slow
@pytest.mark.parametrize("hours", [1, 26, 168, 193, 300])
def test_stored_rows_follow_the_time(
    viewed: tuple[Tenant, Client],
    consultant: User,
    clock: Clock,
    run_check: RunCheck,
    hours: int,
) -> None:
    tenant, client = viewed
    _plan_inbound(tenant, consultant, run_check)
    _shown(client)
    clock.move_to(BEGIN + timedelta(hours=hours))
    # The session has ended by then.
    client.force_login(consultant)

    stored = _shown(client)[1:]

    cache.clear()
    assert stored == _shown(client)[1:]


def test_unchanged_row_is_computed_once(
    viewed: tuple[Tenant, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, client = viewed
    expected = _shown(client)
    monkeypatch.setattr(dashboard_rows, "_lines", None)
    monkeypatch.setattr(tenant_rows, "tenant_states", None)

    assert _shown(client) == expected


def test_client_row_has_no_proposals(viewed: tuple[Tenant, Client], signed_in: SignIn) -> None:
    tenant, client = viewed
    Host.objects.create(
        tenant=tenant, name="mx.test", purpose="delivery", port=25, proposed_at=BEGIN
    )
    Plan.objects.filter(tenant=tenant).update(revision=F("revision") + 1)
    staff = _shown(client)[2]

    own = signed_in(client_person(tenant, "member")).get(
        reverse("onboarding:tenant-list") + "?show=all"
    )

    assert "to decide" in staff
    assert "to decide" not in own.content.decode()
