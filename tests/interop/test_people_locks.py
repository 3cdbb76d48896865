"""Changes of people on PostgreSQL: no deadlock, and locks in the order of docs/architecture.md."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.db import connection, transaction

from onboarding.collaboration.share_links import create_share_link
from onboarding.cutovers import freezes
from onboarding.lifecycle import erasure, offboarding
from onboarding.models import CalendarFeed, Freeze, Holiday, ShareLink
from onboarding.provisioning import services as provisioning
from tenants import invitations, people
from tenants.activity import lock_chain, lock_installation_chain
from tenants.models import Membership, ProvisionedGroup, Tenant, User
from tenants.services import lock_people
from tests.factories import MakeTenant
from tests.interop.concurrency import run_concurrently
from tests.lock_order import LockOrder

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
    ),
]


def _person(number: int, role: str = "consultant") -> User:
    return User.objects.create_user(
        f"p{number}@gangway.test", "pw", name=f"P{number}", staff_role=role
    )


def _with_rights(person: User, tenants: list[Tenant]) -> None:
    """An invitation in the first tenant, a share link in the second, and a feed in both."""
    invitations.invite(tenants[0], f"of-{person.pk}@outside.test", "member", by=person)
    domain = tenants[1].domains.get()
    create_share_link(tenants[1].plan, domain, recipient="DNS team", days=1, by=person)
    for tenant in tenants:
        CalendarFeed.objects.create(
            owner=person, scope="tenant", tenant=tenant, token_hash=f"{person.pk}-{tenant.pk}"
        )


@pytest.fixture
def tenants(make_tenant: MakeTenant) -> list[Tenant]:
    made = [make_tenant(name, ((f"{name}.test", "primary"),)) for name in ("north", "south")]
    return sorted(made, key=lambda tenant: tenant.public_id)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("remove", [offboarding.deactivate_user, None])
def test_eight_people_leave_at_once(tenants: list[Tenant], remove: Any) -> None:
    """Their rights are in both tenants, in opposite orders."""
    _person(0, "administrator")
    leaving = [_person(number) for number in range(1, 9)]
    for number, person in enumerate(leaving):
        _with_rights(person, tenants if number % 2 else tenants[::-1])

    def leave(person: User) -> None:
        if remove is None:
            provisioning.remove_person(person.public_id)
        else:
            remove(person, by=None)

    run_concurrently([lambda person=person: leave(person) for person in leaving])  # type: ignore[misc]

    assert not User.objects.filter(staff_role="consultant", is_active=True).exists()
    assert not ShareLink.objects.filter(revoked_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_administrators_lose_their_role_at_once(db: None) -> None:
    """By the groups of the directory, and by another administrator."""
    eight = [_person(number, "administrator") for number in range(8)]

    def demote(number: int) -> None:
        try:
            if number % 2:
                people.set_staff_role(eight[number], "consultant")
            else:
                people.change_staff(eight[number], "consultant", [], by=eight[number - 1])
        except people.PeopleError:
            return

    run_concurrently([lambda number=number: demote(number) for number in range(8)])  # type: ignore[misc]

    assert User.objects.filter(staff_role="administrator").count() == 1


def _erase(tenants: list[Tenant], person: User) -> None:
    former = User.objects.create_user("f@north.test", "pw", name="F")
    Membership.objects.create(tenant=tenants[0], user=former, role="member")
    erasure.erase_tenant(tenants[0], typed=tenants[0].name, by=person)


def _remove_group(tenants: list[Tenant], person: User) -> None:
    group = ProvisionedGroup.objects.create(name="team")
    group.members.set([_person(21), _person(22)])
    provisioning.remove_group(group.public_id)


def _remove_member(tenants: list[Tenant], person: User) -> None:
    member = User.objects.create_user("m@north.test", "pw", name="M")
    membership = Membership.objects.create(tenant=tenants[0], user=member, role="member")
    offboarding.remove_membership(membership, by=person)


ACTIONS: dict[str, Callable[[list[Tenant], User], object]] = {
    "deactivate": lambda tenants, person: offboarding.deactivate_user(person, by=None),
    "remove by SCIM": lambda tenants, person: provisioning.remove_person(person.public_id),
    "remove a group": _remove_group,
    "set a role": lambda tenants, person: people.set_staff_role(person, "manager"),
    "lose a role": lambda tenants, person: people.set_staff_role(person, ""),
    "change staff": lambda tenants, person: people.change_staff(
        person, "manager", [], by=_person(9)
    ),
    "rename": lambda tenants, person: people.rename(person, email="n@gangway.test", name="N"),
    "remove a member": _remove_member,
    "invite": lambda tenants, person: invitations.invite(
        tenants[0], "x@outside.test", "member", by=person
    ),
    "erase": _erase,
    "add a freeze of all tenants": lambda tenants, person: freezes.add_freeze(
        Freeze(first_day=date(2027, 1, 4), last_day=date(2027, 1, 5), reason="Year end"), by=person
    ),
    "add a holiday of all tenants": lambda tenants, person: freezes.add_mimecast_holiday(
        Holiday(day=date(2027, 1, 4), name="Rest"), by=person
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", ACTIONS)
def test_locks_have_the_documented_order(tenants: list[Tenant], name: str, settings: Any) -> None:
    settings.OIDC_GROUP_ROLES = {"team": "consultant"}
    _person(0, "administrator")
    person = _person(1, "administrator")
    _with_rights(person, tenants[::-1])
    order = LockOrder()

    with connection.execute_wrapper(order):
        ACTIONS[name](tenants, person)

    assert order.violations == []


@pytest.mark.django_db
def test_order_of_chains_and_people_is_noted(tenants: list[Tenant]) -> None:
    """The wrapper finds each kind of wrong order."""
    person = _person(1, "administrator")
    order = LockOrder()
    with connection.execute_wrapper(order):
        with transaction.atomic():
            lock_installation_chain()
            lock_chain(tenants[0])
        with transaction.atomic():
            lock_chain(tenants[1])
            lock_chain(tenants[0])
        with transaction.atomic():
            lock_people([person.pk])
            people.lock_administrators()
        with transaction.atomic():
            lock_installation_chain()
            User.objects.filter(pk=person.pk).update(name="N")

    assert order.violations == [
        "tenants_activitychain after chain of the installation",
        f"chain {tenants[0].public_id} after {tenants[1].public_id}",
        "all administrators after tenants_user",
        "tenants_user after chain of the installation",
    ]
