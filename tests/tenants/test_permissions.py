"""The access rules agree with the tables of docs/reference/access.md."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from tenants.models import Membership, Tenant, User
from tenants.permissions import Permission, Role, may, role_in
from tenants.queries import tenants_for
from tests.access_tables import is_yes, table_under
from tests.factories import MakeTenant, SignIn

IN_TENANT = table_under("In a tenant")
IN_INSTALLATION = table_under("In the installation")


@pytest.mark.parametrize("row", IN_TENANT, ids=lambda row: row["permission"])
@pytest.mark.parametrize("role", list(Role))
def test_permissions_in_a_tenant(role: Role, row: dict[str, str]) -> None:
    permission = Permission(row["permission"])

    assert may(role, permission) == is_yes(row[role])
    assert may(role, permission, is_closed=True) == (
        is_yes(row[role]) and is_yes(row["while closed"])
    )


@pytest.mark.parametrize("row", IN_INSTALLATION, ids=lambda row: row["permission"])
@pytest.mark.parametrize("role", [None, *(role for role in Role if role.is_staff)])
def test_permissions_in_the_installation(role: Role | None, row: dict[str, str]) -> None:
    assert may(role, Permission(row["permission"])) == is_yes(row[role or "client"])


def test_every_permission_has_its_row() -> None:
    of_tenant = [permission.value for permission in Permission if not permission.is_of_installation]
    of_installation = [
        permission.value for permission in Permission if permission.is_of_installation
    ]

    assert [row["permission"] for row in IN_TENANT] == of_tenant
    assert [row["permission"] for row in IN_INSTALLATION] == of_installation


@pytest.mark.parametrize(
    "permission", [permission for permission in Permission if not permission.is_of_installation]
)
def test_no_role_has_no_permission(permission: Permission) -> None:
    assert not may(None, permission)


def test_role_differs_between_tenants(tenant: Tenant, owner: User, make_tenant: MakeTenant) -> None:
    other = make_tenant("Partner", domains=(("partner.test", "primary"),))
    third = make_tenant("Third", domains=(("third.test", "primary"),))
    Membership.objects.create(tenant=other, user=owner, role="viewer")

    assert [role_in(owner, place) for place in (tenant, other, third)] == [
        Role.OWNER,
        Role.VIEWER,
        None,
    ]


def test_client_sees_own_tenants_only(tenant: Tenant, outsider: User, owner: User) -> None:
    assert list(tenants_for(owner)) == [tenant]
    assert [place.name for place in tenants_for(outsider)] == ["Elsewhere"]


def test_manager_without_selection_sees_all(tenant: Tenant, outsider: User, manager: User) -> None:
    assert tenants_for(manager).count() == 2
    assert role_in(manager, tenant) is Role.MANAGER


def test_manager_sees_followed_consultants(
    tenant: Tenant, outsider: User, consultant: User, manager: User
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(consultant=consultant)
    tenant.refresh_from_db()
    foreign = Tenant.objects.get(name="Elsewhere")
    manager.followed_consultants.add(consultant)

    assert list(tenants_for(manager)) == [tenant]
    assert [role_in(manager, place) for place in (tenant, foreign)] == [Role.MANAGER, None]


def test_deactivated_person_loses_the_session(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    client = signed_in(owner)
    User.objects.filter(pk=owner.pk).update(is_active=False)

    response = client.get(reverse("onboarding:my-tasks", args=[tenant.public_id]))

    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")


def test_deactivated_person_has_no_role(tenant: Tenant, owner: User) -> None:
    owner.is_active = False

    assert role_in(owner, tenant) is None


def test_closed_tenant_is_read_only(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(closed_at=tenant.created_at)
    client: Client = signed_in(consultant)

    statuses = [
        client.get(reverse("onboarding:plan-show", args=[tenant.public_id])).status_code,
        client.post(reverse("onboarding:check-run-all", args=[tenant.public_id])).status_code,
        client.get(reverse("onboarding:profile-edit", args=[tenant.public_id])).status_code,
    ]

    assert statuses == [200, 403, 403]
