"""Every right that a person can delegate, and every way to lose it: the link then ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from onboarding.collaboration.share_links import create_share_link
from onboarding.lifecycle import erasure, offboarding
from onboarding.models import Task
from tenants import invitations, people
from tenants.models import Invitation, Membership, Tenant, User
from tests.factories import SignIn

Delegate = Callable[[Tenant, User], str]
Lose = Callable[[Tenant, User, User], object]


def _invitation(tenant: Tenant, by: User) -> str:
    made = invitations.invite(tenant, "new@outside.test", "viewer", by=by)
    return reverse("tenants:invitation", args=[invitations.new_link_token(made)])


def _task_link(tenant: Tenant, by: User) -> str:
    task = Task.objects.filter(plan__tenant=tenant, is_group=False, applies=True)[0]
    _, token = create_share_link(tenant.plan, task, recipient="outside", days=1, by=by)
    return reverse("onboarding:share-link", args=[token])


def _domain_link(tenant: Tenant, by: User) -> str:
    domain = tenant.domains.get()
    _, token = create_share_link(tenant.plan, domain, recipient="outside", days=1, by=by)
    return reverse("onboarding:share-link", args=[token])


def _membership(tenant: Tenant, user: User) -> Membership:
    return Membership.objects.select_related("tenant", "user").get(tenant=tenant, user=user)


RIGHTS: dict[str, Delegate] = {
    "invitation": _invitation,
    "share link of a task": _task_link,
    "share link of a domain": _domain_link,
}
BY_CLIENT: dict[str, Lose] = {
    "demotion": lambda tenant, user, by: people.change_role(
        _membership(tenant, user), "viewer", by=by
    ),
    "removal": lambda tenant, user, by: offboarding.remove_membership(
        _membership(tenant, user), by=by
    ),
    "lost membership": lambda tenant, user, by: _membership(tenant, user).delete(),
    "deactivation": lambda tenant, user, by: offboarding.deactivate_user(user, by=by),
    "erasure": lambda tenant, user, by: erasure.erase_tenant(tenant, typed=tenant.name, by=by),
    "closing": lambda tenant, user, by: offboarding.close_tenant(tenant, by=by, reason="Ended."),
}
BY_STAFF: dict[str, Lose] = {
    "demotion": lambda tenant, user, by: people.change_staff(user, "manager", [], by=by),
    "other consultants": lambda tenant, user, by: people.change_staff(user, "manager", [by], by=by),
    "lost staff role": lambda tenant, user, by: User.objects.filter(pk=user.pk).update(
        staff_role=""
    ),
    **{name: BY_CLIENT[name] for name in ("deactivation", "closing")},
}


@pytest.mark.parametrize("right", RIGHTS)
@pytest.mark.parametrize("loss", BY_CLIENT)
def test_link_of_client_ends(
    tenant: Tenant, owner: User, administrator: User, client: Client, right: str, loss: str
) -> None:
    address = RIGHTS[right](tenant, owner)
    before = client.get(address).status_code

    BY_CLIENT[loss](tenant, owner, administrator)

    assert (before, client.get(address).status_code) == (200, 404 if loss == "erasure" else 410)


@pytest.mark.parametrize("right", RIGHTS)
@pytest.mark.parametrize("loss", BY_STAFF)
def test_link_of_staff_ends(
    tenant: Tenant, consultant: User, administrator: User, client: Client, right: str, loss: str
) -> None:
    address = RIGHTS[right](tenant, consultant)
    before = client.get(address).status_code

    BY_STAFF[loss](tenant, consultant, administrator)

    assert (before, client.get(address).status_code) == (200, 410)


def test_member_cannot_accept_for_demoted_owner(
    tenant: Tenant, owner: User, administrator: User
) -> None:
    """The page was open before the demotion."""
    made = invitations.invite(tenant, "new@outside.test", "owner", by=owner)
    people.change_role(_membership(tenant, owner), "viewer", by=administrator)
    person = User.objects.create_user("new@outside.test", "pw", name="New")

    with pytest.raises(invitations.InvitationError):
        invitations.accept(Invitation.objects.get(pk=made.pk), by=person)

    assert not Membership.objects.filter(user=person).exists()


def test_people_page_states_that_links_have_ended(
    tenant: Tenant, owner: User, consultant: User, administrator: User, signed_in: SignIn
) -> None:
    for right in RIGHTS.values():
        right(tenant, owner)
    address = reverse("onboarding:people", args=[tenant.public_id])
    before = signed_in(consultant).get(address).content.decode()

    BY_CLIENT["demotion"](tenant, owner, administrator)
    after = signed_in(consultant).get(address).content.decode()

    assert (before.count("may no longer"), after.count("may no longer")) == (0, 3)
    assert after.count("Revoke the link for") == 0
