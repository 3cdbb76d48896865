"""The facts behind the permission of a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from tenants.models import Membership, Tenant, User
from tenants.streams import StreamResponse, Subscription, WaitResponse, current_facts
from tests.factories import SignIn
from tests.live import BACKEND


def _subscribe(client: Client, tenant: Tenant) -> Subscription:
    response: Any = client.get(reverse("onboarding:revision-stream", args=[tenant.public_id]))
    assert isinstance(response, StreamResponse)
    return response.subscription


@pytest.mark.parametrize("role", ["administrator", "consultant", "manager", "owner", "viewer"])
def test_unchanged_facts_are_equal(
    role: str, request: pytest.FixtureRequest, signed_in: SignIn, tenant: Tenant
) -> None:
    subscription = _subscribe(signed_in(request.getfixturevalue(role)), tenant)

    assert current_facts([subscription]) == [subscription.facts]


def _set_version(user: User, tenant: Tenant) -> None:
    User.objects.filter(pk=user.pk).update(session_version=9)


def _deactivate(user: User, tenant: Tenant) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def _change_password(user: User, tenant: Tenant) -> None:
    User.objects.filter(pk=user.pk).update(password="other")


def _change_role(user: User, tenant: Tenant) -> None:
    Membership.objects.filter(user=user).update(role="member")


def _leave(user: User, tenant: Tenant) -> None:
    Membership.objects.filter(user=user).delete()


def _close(user: User, tenant: Tenant) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(closed_at=tenant.created_at)


@pytest.mark.parametrize(
    "change", [_set_version, _deactivate, _change_password, _change_role, _leave, _close]
)
def test_each_change_differs(
    signed_in: SignIn, tenant: Tenant, viewer: User, change: Callable[[User, Tenant], None]
) -> None:
    subscription = _subscribe(signed_in(viewer), tenant)

    change(viewer, tenant)

    (facts,) = current_facts([subscription])
    assert facts is not None
    assert facts != subscription.facts


def test_followed_consultant_differs(
    signed_in: SignIn, tenant: Tenant, manager: User, consultant: User
) -> None:
    subscription = _subscribe(signed_in(manager), tenant)

    manager.followed_consultants.add(consultant)

    assert current_facts([subscription]) != [subscription.facts]


def test_ended_session_has_no_facts(signed_in: SignIn, tenant: Tenant, viewer: User) -> None:
    subscription = _subscribe(signed_in(viewer), tenant)

    Session.objects.all().delete()

    assert current_facts([subscription]) == [None]


@pytest.mark.parametrize("people", [1, 3])
def test_query_count_of_facts_is_constant(
    tenant: Tenant, django_assert_num_queries: Any, people: int
) -> None:
    subscriptions = []
    for number in range(people):
        user = User.objects.create_user(f"p{number}@northwind.test", "pw", name=f"P {number}")
        Membership.objects.create(tenant=tenant, user=user, role="viewer")
        client = Client()
        client.force_login(user, backend=BACKEND)
        subscriptions.append(_subscribe(client, tenant))

    with django_assert_num_queries(4):
        facts = current_facts(subscriptions)

    assert facts == [subscription.facts for subscription in subscriptions]


def test_web_worker_never_waits(signed_in: SignIn, tenant: Tenant, viewer: User) -> None:
    address = reverse("onboarding:revision-stream", args=[tenant.public_id])
    client = signed_in(viewer)
    revision = str(tenant.plan.revision)

    stream = client.get(address)
    waiting: Any = client.get(f"{address}?wait=20&revision={revision}")
    changed = client.get(f"{address}?wait=20&revision=x")

    assert (stream.status_code, stream.content) == (204, b"")
    assert isinstance(waiting, WaitResponse)
    assert (waiting.status_code, waiting.content, waiting.seconds) == (200, revision.encode(), 20)
    assert (changed.status_code, changed.content.decode()) == (200, revision)
