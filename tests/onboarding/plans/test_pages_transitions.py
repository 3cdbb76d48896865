"""Transitions over the web: permitted users, refused users and outsiders."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from checks import run_requests
from checks.models import Check
from onboarding.models import Cutover, ManualStatus, Task, TaskStatus
from tenants.models import ActivityLine, Tenant, User
from tests.cutovers import cutover_of
from tests.factories import HostRow, MakeTenant, task_of

SignIn = Callable[[User], Client]


def _address(name: str, tenant: Tenant, key: str = "") -> str:
    args = [tenant.public_id, task_of(tenant, key).public_id] if key else [tenant.public_id]
    return reverse(f"onboarding:{name}", args=args)


def test_client_confirms_own_task(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    response = signed_in(owner).post(_address("task-confirm", tenant, "end-user-asset-library"))

    assert response.status_code == 302
    task = task_of(tenant, "end-user-asset-library")
    assert (task.status, task.client_confirmed_by) == (TaskStatus.DONE, owner)


def test_confirm_runs_check(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    signed_in(owner).post(_address("task-confirm", tenant, "domain-ownership"))

    check = Check.objects.get(tenant=tenant, kind="ownership")
    assert check.requested_until is not None
    assert check.claimed_until is not None


@pytest.mark.usefixtures("frozen_time")
@pytest.mark.parametrize("confirmations", [1, 3])
def test_confirmation_counts_in_the_limit_on_runs(
    confirmations: int,
    tenant: Tenant,
    owner: User,
    signed_in: SignIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_requests, "RUN_RATE", "2/m")
    client = signed_in(owner)
    for _ in range(confirmations):
        Check.objects.update(requested_until=None, claimed_until=None)
        client.post(_address("task-confirm", tenant, "domain-ownership"))
        task = task_of(tenant, "domain-ownership")
        assert task.status == TaskStatus.AWAITING_VERIFICATION
        client.post(_address("task-withdraw", tenant, "domain-ownership"))

    is_run = Check.objects.get(tenant=tenant, kind="ownership").requested_until is not None
    assert is_run is (confirmations <= 2)
    assert client.post(_address("check-run-all", tenant)).status_code == (
        302 if confirmations < 2 else 429
    )


@pytest.mark.parametrize("name", ["task-confirm", "task-check-run"])
def test_related_check_runs(
    make_tenant: MakeTenant,
    consultant: User,
    signed_in: SignIn,
    django_capture_on_commit_callbacks: Any,
    name: str,
) -> None:
    tenant = make_tenant(
        platform="on_premises", hosts=(HostRow("delivery", "mail.northwind.test", 25),)
    )
    key = "inbound-delivery-routes"
    Task.objects.filter(plan__tenant=tenant, key=key).update(depends_on=[], fields=[])
    assert task_of(tenant, key).check_kinds == []

    with django_capture_on_commit_callbacks(execute=True):
        signed_in(consultant).post(_address(name, tenant, key))

    assert Check.objects.get(tenant=tenant, kind="smtp").requested_until is not None


def test_refused_confirm_runs_no_check(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    Task.objects.filter(plan__tenant=tenant, key="domain-ownership").update(
        manual_status=ManualStatus.NOT_NEEDED, status=TaskStatus.NOT_APPLICABLE
    )

    signed_in(owner).post(_address("task-confirm", tenant, "domain-ownership"))

    assert task_of(tenant, "domain-ownership").client_confirmed_at is None
    assert not Check.objects.filter(tenant=tenant).exclude(requested_until=None).exists()


@pytest.mark.parametrize("key", ["account-creation", "out-of-the-box-settings"])
def test_client_confirm_of_mimecast_task_is_403(
    tenant: Tenant, owner: User, signed_in: SignIn, key: str
) -> None:
    response = signed_in(owner).post(_address("task-confirm", tenant, key))

    assert response.status_code == 403
    assert task_of(tenant, key).status == TaskStatus.TODO


def test_consultant_confirm_of_client_task_is_403(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    response = signed_in(consultant).post(_address("task-confirm", tenant, "spf-update"))

    assert response.status_code == 403
    assert task_of(tenant, "spf-update").status == TaskStatus.TODO


def test_viewer_can_only_read(tenant: Tenant, viewer: User, signed_in: SignIn) -> None:
    client = signed_in(viewer)

    statuses = [
        client.post(_address("task-confirm", tenant, "end-user-asset-library")).status_code,
        client.post(_address("task-check-run", tenant, "domain-ownership")).status_code,
        client.post(_address("check-run-all", tenant)).status_code,
        client.get(_address("revision", tenant)).status_code,
    ]

    assert statuses == [403, 403, 403, 200]


TASK_POSTS = ["task-confirm", "task-withdraw", "task-check-run", "task-responsibility"]
PAGES = ["plan-show", "my-tasks", "domains", "activity", "revision", "profile-edit", "lab"]
POSTS = ["check-run-all", "cutovers", "region-values", "lab-change"]


@pytest.mark.parametrize("name", TASK_POSTS)
def test_outsider_task_post_is_404(
    tenant: Tenant, outsider: User, signed_in: SignIn, name: str
) -> None:
    assert signed_in(outsider).post(_address(name, tenant, "training")).status_code == 404


@pytest.mark.parametrize("name", PAGES)
def test_outsider_page_is_404(tenant: Tenant, outsider: User, signed_in: SignIn, name: str) -> None:
    assert signed_in(outsider).get(_address(name, tenant)).status_code == 404


@pytest.mark.parametrize("name", POSTS)
def test_outsider_tenant_post_is_404(
    tenant: Tenant, outsider: User, signed_in: SignIn, name: str
) -> None:
    assert signed_in(outsider).post(_address(name, tenant)).status_code == 404


def test_task_of_other_tenant_is_404(tenant: Tenant, outsider: User, signed_in: SignIn) -> None:
    own = Tenant.objects.get(name="Elsewhere")
    foreign = task_of(tenant, "end-user-asset-library")

    response = signed_in(outsider).post(
        reverse("onboarding:task-confirm", args=[own.public_id, foreign.public_id])
    )

    assert response.status_code == 404
    assert task_of(tenant, "end-user-asset-library").status == TaskStatus.TODO


@pytest.mark.parametrize("name", ["dashboard", "dashboard-csv", "tenant-create"])
def test_staff_page_is_404_for_client(owner: User, signed_in: SignIn, name: str) -> None:
    assert signed_in(owner).get(reverse(f"onboarding:{name}")).status_code == 404


def test_manager_cannot_manage_plan(tenant: Tenant, manager: User, signed_in: SignIn) -> None:
    client = signed_in(manager)

    assert client.get(reverse("onboarding:tenant-create")).status_code == 403
    assert client.post(_address("cutovers", tenant)).status_code == 403


@pytest.mark.parametrize("name", PAGES)
def test_anonymous_is_sent_to_sign_in(tenant: Tenant, client: Client, name: str) -> None:
    response = client.get(_address(name, tenant))

    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")


def test_cutover_time_is_in_tenant_zone(
    make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    tenant = make_tenant(time_zone="America/New_York")

    response = signed_in(consultant).post(
        _address("cutovers", tenant),
        {
            "direction": "inbound",
            "planned_at": "2026-12-03T19:00",
            "domains": tenant.domains.get().public_id,
            "reason": "Outbound mail has switched already.",
        },
    )

    assert response.status_code == 302, response.content.decode()
    planned = Cutover.objects.get(plan__tenant=tenant).planned_at
    assert planned.isoformat() == "2026-12-04T00:00:00+00:00"


def test_invalid_cutover_time_is_refused(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    planned = datetime(2026, 12, 3, 19, tzinfo=UTC)
    cutover = cutover_of(tenant, "inbound", planned)
    page = reverse("onboarding:cutover-edit", args=[tenant.public_id, cutover.public_id])

    answer = signed_in(consultant).post(page, {"planned_at": "soon", "round": "1"})

    assert answer.status_code == 422
    assert 'value="soon"' in answer.content.decode()
    assert Cutover.objects.get(plan__tenant=tenant).planned_at == planned


def test_sign_up_is_closed(client: Client, db: Any) -> None:
    response = client.post(
        "/accounts/signup/",
        {"email": "new@gangway.test", "password1": "long-enough-pw", "password2": "long-enough-pw"},
    )

    assert response.status_code == 200
    assert not User.objects.filter(email="new@gangway.test").exists()


def test_check_now_writes_activity(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    signed_in(owner).post(_address("check-run-all", tenant))

    line = ActivityLine.objects.get(tenant=tenant, action="check-requested")
    assert (line.actor, line.params) == (owner, {"subject": "everything"})
