"""The number of e-mails that one person can cause to the address of a stranger is bounded."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from tenants.invitations import MAX_EMAILS_A_DAY
from tenants.models import Invitation, Membership, Tenant, User
from tests.clock import Clock
from tests.factories import SignIn

STRANGER = "stranger@elsewhere.test"
Post = Callable[..., Any]


@pytest.fixture
def post(django_capture_on_commit_callbacks: Any) -> Post:
    """Send the request, and the e-mails that it queues."""

    def send(client: Client, name: str, *args: str, **typed: str) -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(reverse(name, args=args), typed, follow=True)

    return send


def shown(response: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


LIMIT = f"Gangway has sent {MAX_EMAILS_A_DAY} invitations to {STRANGER} in the last 24 hours."


def test_invitations_of_a_tenant_to_one_address(
    tenant: Tenant, owner: User, signed_in: SignIn, post: Post, frozen_time: Clock
) -> None:
    client = signed_in(owner)
    typed = {"email": STRANGER, "role": "member"}
    post(client, "onboarding:invite", tenant.public_id, **typed)
    for _ in range(MAX_EMAILS_A_DAY - 1):
        pending = Invitation.objects.get(revoked_at=None).public_id
        post(client, "onboarding:invitation-resend", tenant.public_id, pending)

    pending = Invitation.objects.get(revoked_at=None).public_id
    resent = post(client, "onboarding:invitation-resend", tenant.public_id, pending)
    post(client, "onboarding:invitation-revoke", tenant.public_id, pending)
    invited = post(client, "onboarding:invite", tenant.public_id, **typed)

    assert LIMIT in shown(resent)
    assert LIMIT in shown(invited)
    assert [sent.to for sent in mail.outbox] == [[STRANGER]] * MAX_EMAILS_A_DAY
    # Another address, and the next day.
    post(client, "onboarding:invite", tenant.public_id, email="b@elsewhere.test", role="member")
    frozen_time.move_to(frozen_time.now + timedelta(days=1, minutes=1))
    post(client, "onboarding:invite", tenant.public_id, **typed)
    assert len(mail.outbox) == MAX_EMAILS_A_DAY + 2


def test_invitations_of_a_consultant_in_all_tenants(
    make_tenant: Callable[..., Tenant], consultant: User, signed_in: SignIn, post: Post
) -> None:
    client = signed_in(consultant)
    tenants = [make_tenant(name=f"Tenant {number}") for number in range(MAX_EMAILS_A_DAY + 1)]

    for tenant in tenants:
        last = post(client, "onboarding:invite", tenant.public_id, email=STRANGER, role="member")

    assert LIMIT in shown(last)
    assert len(mail.outbox) == MAX_EMAILS_A_DAY


@pytest.mark.slow
def test_other_tenants_do_not_count(
    make_tenant: Callable[..., Tenant], db: None, signed_in: SignIn, post: Post
) -> None:
    """A refusal must not reveal the invitations of another tenant."""
    for number in range(MAX_EMAILS_A_DAY + 1):
        tenant = make_tenant(name=f"Tenant {number}")
        person = User.objects.create_user(f"owner{number}@northwind.test", "pw", name="Jo")
        Membership.objects.create(tenant=tenant, user=person, role="owner")
        post(
            signed_in(person), "onboarding:invite", tenant.public_id, email=STRANGER, role="member"
        )

    assert len(mail.outbox) == MAX_EMAILS_A_DAY + 1


@pytest.mark.slow
@pytest.mark.usefixtures("immediate_outbox")
@pytest.mark.parametrize("name", ["account_reset_password", "account_request_login_code"])
@pytest.mark.parametrize(("has_account", "most"), [(True, 20), (False, 3)])
def test_sign_in_pages(
    name: str, has_account: bool, most: int, owner: User, settings: Any, fixed_monday: Clock
) -> None:
    settings.EQUAL_TIME_SECONDS = 0
    # Only the daily limit remains: those of the library are in test_hardening.py.
    settings.ACCOUNT_RATE_LIMITS = False
    address = owner.email if has_account else STRANGER
    pages = set()
    for _ in range(22):
        response = Client().post(reverse(name), {"email": address}, follow=True)
        pages.add((response.status_code, response.redirect_chain[-1][0]))
        fixed_monday.move_to(fixed_monday.now + timedelta(minutes=1))

    assert [sent.to for sent in mail.outbox] == [[address]] * most
    assert len(pages) == 1
