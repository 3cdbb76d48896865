"""Pages ask the database a fixed number of questions, however much there is to show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from onboarding.services import HostEntry
from tenants.models import Tenant, User
from tests.cast import MakeTenant

SignIn = Callable[[User], Client]


def _tenant(make_tenant: MakeTenant, domains: int) -> Tenant:
    names = tuple((f"d{number}.test", "secondary") for number in range(domains))
    hosts = (HostEntry("delivery", "mail.d0.test", 25), HostEntry("directory", "dc.d0.test", 636))
    return make_tenant(
        f"With {domains}",
        domains=names,
        hosts=hosts,
        platform="on_premises",
        directory_method="ldap",
        products=["ttp_url", "ttp_attachment", "archive", "internal_email_protect"],
    )


@pytest.mark.parametrize("domains", [1, 50])
@pytest.mark.parametrize(("page", "queries"), [("plan-show", 14), ("steps", 15), ("domains", 10)])
def test_a_tenants_page_asks_as_much_for_one_domain_as_for_fifty(
    make_tenant: MakeTenant,
    consultant: User,
    signed_in: SignIn,
    django_assert_num_queries: Any,
    page: str,
    queries: int,
    domains: int,
) -> None:
    tenant = _tenant(make_tenant, domains)
    client = signed_in(consultant)
    address = reverse(f"onboarding:{page}", args=[tenant.public_id])
    client.get(address)

    with django_assert_num_queries(queries):
        response = client.get(address)

    assert response.status_code == 200


@pytest.mark.parametrize("tenants", [1, 3])
@pytest.mark.parametrize(("page", "queries"), [("tenant-list", 8), ("dashboard", 18)])
def test_a_list_asks_as_much_for_one_tenant_as_for_three(
    make_tenant: MakeTenant,
    consultant: User,
    signed_in: SignIn,
    django_assert_num_queries: Any,
    page: str,
    queries: int,
    tenants: int,
) -> None:
    for number in range(tenants):
        make_tenant(f"T{number}", domains=((f"t{number}.test", "primary"),), consultant=consultant)
    client = signed_in(consultant)
    client.get(reverse(f"onboarding:{page}"))

    with django_assert_num_queries(queries):
        response = client.get(reverse(f"onboarding:{page}"))

    assert response.status_code == 200
