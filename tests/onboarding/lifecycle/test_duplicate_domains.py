"""The same domain in two tenants: only staff who can see both get a warning."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tenants.models import Membership, Tenant, User
from tests.factories import MakeTenant, SignIn
from tests.markup import texts

PAGES = ("domains", "profile-edit")


@pytest.fixture
def other(make_tenant: MakeTenant, tenant: Tenant) -> Tenant:
    return make_tenant("Contoso", domains=(("northwind.test", "secondary"),))


def _page(tenant: Tenant, name: str) -> str:
    return reverse(f"onboarding:{name}", args=[tenant.public_id])


@pytest.mark.parametrize("name", PAGES)
def test_staff_see_duplicate_domain(
    tenant: Tenant, other: Tenant, consultant: User, signed_in: SignIn, name: str
) -> None:
    html = signed_in(consultant).get(_page(tenant, name)).content.decode()

    (note,) = [each for each in texts(html, ".note") if "another tenant" in each]
    assert "northwind.test is in Contoso." in note
    assert _page(other, "domains") in html


def test_client_sees_no_duplicate_domain(
    tenant: Tenant, other: Tenant, owner: User, signed_in: SignIn
) -> None:
    client = signed_in(owner)
    alone = client.get(_page(tenant, "domains")).content.decode()
    # Even for a member of both: other members of the tenant see the same page.
    Membership.objects.create(tenant=other, user=owner, role="owner")
    of_both = client.get(_page(tenant, "domains")).content.decode()

    for html in (alone, of_both):
        assert "another tenant" not in html
        assert other.public_id not in html


def test_manager_sees_followed_tenants_only(
    tenant: Tenant, other: Tenant, manager: User, consultant: User, signed_in: SignIn
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(consultant=consultant)
    page = _page(tenant, "domains")
    before = signed_in(manager).get(page).content.decode()

    manager.followed_consultants.add(consultant)

    assert "northwind.test is in Contoso." in " ".join(texts(before, "li"))
    assert "Contoso" not in signed_in(manager).get(page).content.decode()


def test_removed_domain_is_no_duplicate(
    tenant: Tenant, other: Tenant, consultant: User, signed_in: SignIn
) -> None:
    other.domains.update(removed_at="2026-11-01T00:00Z")

    assert "Contoso" not in signed_in(consultant).get(_page(tenant, "domains")).content.decode()
