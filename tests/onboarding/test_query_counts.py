"""Pages need a constant number of queries, independent of the number of rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from onboarding.collaboration.share_links import create_share_link
from onboarding.lifecycle.proposals import add_host
from onboarding.models import Comment, Cutover, Task
from tenants.invitations import invite
from tenants.models import Membership, Tenant, User
from tests.cutovers import cutover_of
from tests.factories import START, HostRow, MakeTenant, RunCheck

SignIn = Callable[[User], Client]


def _tenant(make_tenant: MakeTenant, domains: int) -> Tenant:
    names = tuple((f"d{number}.test", "secondary") for number in range(domains))
    hosts = (HostRow("delivery", "mail.d0.test", 25), HostRow("directory", "dc.d0.test", 636))
    return make_tenant(
        f"With {domains}",
        domains=names,
        hosts=hosts,
        platform="on_premises",
        directory_method="ldap",
        products=["ttp_url", "ttp_attachment", "archive", "internal_email_protect"],
    )


@pytest.mark.parametrize("domains", [1, 50])
@pytest.mark.parametrize(
    ("page", "queries"), [("plan-show", 23), ("my-tasks", 21), ("domains", 11)]
)
def test_tenant_page_query_count_is_constant(
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


@pytest.mark.parametrize("domains", [1, 50])
def test_cutover_room_query_count_is_constant(
    make_tenant: MakeTenant,
    consultant: User,
    signed_in: SignIn,
    django_assert_num_queries: Any,
    domains: int,
) -> None:
    tenant = _tenant(make_tenant, domains)
    made = cutover_of(tenant, "inbound", timezone.now() + timedelta(days=2))
    client = signed_in(consultant)
    address = reverse("onboarding:cutover-room", args=[tenant.public_id, made.public_id])
    client.get(address)

    with django_assert_num_queries(40):
        response = client.get(address)

    assert response.status_code == 200


@pytest.mark.parametrize("tenants", [1, 3])
@pytest.mark.parametrize(("page", "queries"), [("tenant-list", 16), ("dashboard", 13)])
def test_list_query_count_is_constant(
    make_tenant: MakeTenant,
    consultant: User,
    signed_in: SignIn,
    django_assert_num_queries: Any,
    page: str,
    queries: int,
    tenants: int,
) -> None:
    for number in range(tenants):
        made = make_tenant(
            f"T{number}", domains=((f"t{number}.test", "primary"),), consultant=consultant
        )
        add_host(made, name=f"mx.t{number}.test", port=25, by=consultant, decides=False)
    client = signed_in(consultant)
    client.get(reverse(f"onboarding:{page}"))

    with django_assert_num_queries(queries):
        response = client.get(reverse(f"onboarding:{page}"))

    assert response.status_code == 200


@pytest.mark.parametrize("tenants", [1, 3])
@pytest.mark.parametrize(("page", "queries"), [("tenant-list", 38), ("dashboard", 59)])
def test_new_rows_have_a_constant_query_count(
    make_tenant: MakeTenant,
    manager: User,
    signed_in: SignIn,
    django_assert_num_queries: Any,
    page: str,
    queries: int,
    tenants: int,
) -> None:
    for number in range(tenants):
        make_tenant(f"T{number}", domains=((f"t{number}.test", "primary"),))
    client = signed_in(manager)
    client.get(reverse(f"onboarding:{page}"))
    cache.clear()

    with django_assert_num_queries(queries):
        response = client.get(reverse(f"onboarding:{page}"))

    assert response.status_code == 200


@pytest.mark.parametrize("people", [1, 3])
@pytest.mark.parametrize(("page", "queries"), [("people", 10), ("staff", 9)])
def test_people_query_count_is_constant(
    tenant: Tenant,
    administrator: User,
    signed_in: SignIn,
    django_assert_num_queries: Any,
    page: str,
    queries: int,
    people: int,
) -> None:
    for number in range(people):
        user = User.objects.create_user(f"p{number}@northwind.test", "pw", name=f"P {number}")
        Membership.objects.create(tenant=tenant, user=user, role="member")
        invite(tenant, f"i{number}@northwind.test", "viewer", by=user)
        create_share_link(
            tenant.plan, tenant.domains.get(), recipient=f"r{number}", days=1, by=user
        )
    client = signed_in(administrator)
    address = reverse(f"onboarding:{page}", args=[tenant.public_id] if page == "people" else [])
    client.get(address)

    with django_assert_num_queries(queries):
        html = client.get(address).content.decode()

    assert html.count("@northwind.test") >= people


@pytest.mark.parametrize("links", [1, 3])
def test_shared_page_query_count_is_constant(
    tenant: Tenant, owner: User, client: Client, django_assert_num_queries: Any, links: int
) -> None:
    for _ in range(links):
        _, token = create_share_link(
            tenant.plan, tenant.domains.get(), recipient="r", days=1, by=owner
        )
    address = reverse("onboarding:share-link", args=[token])
    client.get(address)

    with django_assert_num_queries(17):
        response = client.get(address)

    assert response.status_code == 200


@pytest.mark.parametrize("tenants", [1, 4])
@pytest.mark.parametrize(("is_cached", "queries"), [(False, 37), (True, 12)])
def test_desk_query_count_is_constant(
    make_tenant: MakeTenant,
    consultant: User,
    signed_in: SignIn,
    run_check: RunCheck,
    django_assert_num_queries: Any,
    is_cached: bool,
    queries: int,
    tenants: int,
) -> None:
    for number in range(tenants):
        _add_to_desk(make_tenant, consultant, run_check, number)
    client = signed_in(consultant)
    client.get(reverse("onboarding:desk"))
    if not is_cached:
        cache.clear()

    with django_assert_num_queries(queries):
        response = client.get(reverse("onboarding:desk"))

    kinds = {entry.kind for entry in response.context["needs"].paginator.object_list}
    assert kinds == {"cutover", "vote", "question", "contradicted", "lost", "task"}
    assert response.context["strip"].number == tenants


def _add_to_desk(
    make_tenant: MakeTenant, consultant: User, run_check: RunCheck, number: int
) -> None:
    """A tenant with an entry of each kind."""
    tenant = make_tenant(
        f"T{number}", domains=((f"t{number}.test", "primary"),), consultant=consultant
    )
    cutover = cutover_of(tenant, "inbound", timezone.now() + timedelta(days=1))
    Cutover.objects.filter(pk=cutover.pk).update(mimecast_approver=consultant)
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL)
    tasks = Task.objects.filter(plan__tenant=tenant)
    task = tasks.get(key="domain-ownership")
    Comment.objects.create(plan=tenant.plan, task=task, body="Which?", asked_side="mimecast")
    tasks.filter(key="domain-ownership").update(
        status="awaiting_verification", client_confirmed_at=START - timedelta(hours=1)
    )
    tasks.filter(key="spf-update").update(status="regressed", regressed_at=timezone.now())
    tenant.plan.touch()
