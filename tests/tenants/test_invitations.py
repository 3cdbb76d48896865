"""Invitations: a link works once, for one address, for a week. Every failure has its page."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tenants.models import ActivityLine, Invitation, Membership, Tenant, User
from tests.factories import SignIn

PASSWORD = "a-long-and-odd-password"
Invite = Callable[..., str]


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    cache.clear()


@pytest.fixture
def invite(tenant: Tenant, owner: User, django_capture_on_commit_callbacks: Any) -> Invite:
    """Invite as the owner on the page. Returns the path of the link in the newest e-mail."""

    def by_email(email: str = "new@northwind.test", role: str = "member") -> str:
        inviter = Client()
        inviter.force_login(owner, backend="allauth.account.auth_backends.AuthenticationBackend")
        with django_capture_on_commit_callbacks(execute=True):
            inviter.post(
                reverse("onboarding:invite", args=[tenant.public_id]),
                {"email": email, "role": role},
            )
        return link_in(mail.outbox[-1].body)

    return by_email


def link_in(body: object) -> str:
    found = re.search(r"http://testserver(/invitations/\S+/)", str(body))
    assert found is not None
    return found.group(1)


def test_invitation_email_has_text_and_html(tenant: Tenant, invite: Invite) -> None:
    link = invite("New@Northwind.test")

    sent = mail.outbox[0]
    assert isinstance(sent, mail.EmailMultiAlternatives)
    assert (sent.to, sent.subject) == (
        ["new@northwind.test"],
        "Northwind on Gangway: you are invited",
    )
    assert link in str(sent.alternatives[0][0])


def test_token_is_stored_nowhere(tenant: Tenant, invite: Invite) -> None:
    token = invite().split("/")[2]

    stored = [str(value) for row in Invitation.objects.values() for value in row.values()]
    logged = [str(line) for line in ActivityLine.objects.values_list("params", flat=True)]
    assert [text for text in stored + logged if token in text] == []


def test_new_person_accepts_with_an_account(tenant: Tenant, invite: Invite, client: Client) -> None:
    link = invite(role="viewer")

    response = client.post(link, {"name": "New Person", "password": PASSWORD})

    user = User.objects.get(email="new@northwind.test")
    assert response["Location"] == reverse("onboarding:my-tasks", args=[tenant.public_id])
    assert client.get(response["Location"]).status_code == 200
    assert (user.name, user.check_password(PASSWORD), user.staff_role) == ("New Person", True, "")
    assert Membership.objects.get(tenant=tenant, user=user).role == "viewer"


@pytest.mark.parametrize("password", ["short", "new@northwind.test", ""])
def test_weak_password_leaves_the_link_valid(invite: Invite, client: Client, password: str) -> None:
    link = invite()

    refused = client.post(link, {"name": "New Person", "password": password})

    assert (refused.status_code, User.objects.filter(name="New Person").exists()) == (422, False)
    assert client.get(link).status_code == 200


def test_signed_in_person_accepts_directly(
    tenant: Tenant, invite: Invite, outsider: User, signed_in: SignIn
) -> None:
    link = invite(outsider.email)

    signed_in(outsider).post(link)

    assert Membership.objects.get(tenant=tenant, user=outsider).role == "member"


def test_existing_account_must_sign_in_first(
    tenant: Tenant, invite: Invite, outsider: User, client: Client
) -> None:
    link = invite(outsider.email)

    response = client.post(link, {"name": "Thief", "password": PASSWORD})

    outsider.refresh_from_db()
    assert (outsider.name, outsider.check_password("pw")) == ("Out Sider", True)
    assert not Membership.objects.filter(tenant=tenant, user=outsider).exists()
    assert "Sign in with it to accept" in response.content.decode()


def test_other_address_is_refused(
    tenant: Tenant, invite: Invite, outsider: User, signed_in: SignIn
) -> None:
    link = invite()

    response = signed_in(outsider).post(link)

    assert response.status_code == 403
    assert (
        "can only accept an invitation with the address that it was sent to"
        in response.content.decode()
    )
    assert not Membership.objects.filter(tenant=tenant, user=outsider).exists()


# --- Links that do not work


def _used(link: str, client: Client) -> str:
    Client().post(link, {"name": "First", "password": PASSWORD})
    return link


def _expired(link: str, client: Client) -> str:
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    return link


def _revoked(link: str, client: Client) -> str:
    Invitation.objects.update(revoked_at=timezone.now())
    return link


def _altered(link: str, client: Client) -> str:
    return link[:-6] + ("A" if link[-6] != "A" else "B") + link[-5:]


def _foreign(link: str, client: Client) -> str:
    return "/invitations/" + "x" * 43 + "." + "y" * 43 + "/"


@pytest.mark.parametrize(
    ("spoil", "status", "sentence"),
    [
        (_used, 410, "It was already used"),
        (_expired, 410, "It has expired"),
        (_revoked, 410, "It was revoked"),
        (_altered, 404, "incomplete or changed"),
        (_foreign, 404, "incomplete or changed"),
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_invalid_link_shows_reason_and_is_logged(
    invite: Invite,
    client: Client,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[str, Client], str],
    status: int,
    sentence: str,
    method: str,
) -> None:
    link = spoil(invite(), client)
    people = User.objects.count()

    with caplog.at_level(logging.WARNING, "tenants.tokens"):
        data = {"name": "Late", "password": PASSWORD}
        response = getattr(client, method)(link, data if method == "post" else None)

    page = response.content.decode()
    assert response.status_code == status
    assert "This link does not work" in page
    assert sentence in page
    assert User.objects.count() == people
    lines = [line for line in caplog.messages if line.startswith("refused invitation link")]
    assert len(lines) == 1
    assert link.split("/")[2] not in lines[0]


def test_resending_revokes_the_old_link(
    tenant: Tenant,
    invite: Invite,
    owner: User,
    signed_in: SignIn,
    django_capture_on_commit_callbacks: Any,
) -> None:
    old = invite()
    invitation = Invitation.objects.get()
    address = reverse("onboarding:invitation-resend", args=[tenant.public_id, invitation.public_id])

    with django_capture_on_commit_callbacks(execute=True):
        signed_in(owner).post(address)

    new = link_in(mail.outbox[-1].body)
    assert [Client().get(link).status_code for link in (old, new)] == [404, 200]


def test_revoked_link_is_gone(
    tenant: Tenant, invite: Invite, owner: User, signed_in: SignIn
) -> None:
    link = invite()
    invitation = Invitation.objects.get()

    signed_in(owner).post(
        reverse("onboarding:invitation-revoke", args=[tenant.public_id, invitation.public_id])
    )

    assert Client().get(link).status_code == 410


def test_members_and_pending_are_not_invited(
    tenant: Tenant, invite: Invite, owner: User, viewer: User, signed_in: SignIn
) -> None:
    invite()
    address = reverse("onboarding:invite", args=[tenant.public_id])
    client = signed_in(owner)

    statuses = [
        client.post(address, {"email": email, "role": "member"}).status_code
        for email in (viewer.email, "NEW@northwind.test", "not an address")
    ]

    assert (statuses, Invitation.objects.count()) == ([422, 422, 422], 1)


@pytest.mark.usefixtures("frozen_time")
def test_guessing_links_is_limited(client: Client, db: None) -> None:
    statuses = [client.get("/invitations/guess/").status_code for _ in range(61)]

    assert (statuses[0], statuses[-1]) == (404, 429)


def test_invitation_is_in_the_activity_log(tenant: Tenant, invite: Invite, client: Client) -> None:
    client.post(invite(), {"name": "New Person", "password": PASSWORD})

    actions = ActivityLine.objects.filter(tenant=tenant).order_by("number")
    assert [line.action for line in actions][-2:] == ["person-invited", "invitation-accepted"]


def test_added_staff_set_their_password_by_email(
    db: None, client: Client, mailoutbox: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    administrator = User.objects.create_user(
        "admin@gangway.test", "pw", name="Ad Min", staff_role="administrator"
    )
    client.force_login(administrator, backend="allauth.account.auth_backends.AuthenticationBackend")

    with django_capture_on_commit_callbacks(execute=True):
        client.post(
            reverse("onboarding:staff-add"),
            {"name": "New Colleague", "email": "New@gangway.test", "role": "consultant"},
        )

    person = User.objects.get(email="new@gangway.test")
    [message] = [mail for mail in mailoutbox if mail.to == ["new@gangway.test"]]
    link = next(part for part in message.body.split() if "/password/reset/key/" in part)
    assert (person.staff_role, person.has_usable_password()) == ("consultant", False)

    client.logout()
    page = client.get(link, follow=True)
    password = "a-long-word-no-one-guesses-7"
    client.post(page.redirect_chain[-1][0], {"password1": password, "password2": password})
    person.refresh_from_db()
    assert person.check_password(password)


def test_adding_existing_staff_is_refused(db: None, client: Client) -> None:
    administrator = User.objects.create_user(
        "admin@gangway.test", "pw", name="Ad Min", staff_role="administrator"
    )
    client.force_login(administrator, backend="allauth.account.auth_backends.AuthenticationBackend")

    response = client.post(
        reverse("onboarding:staff-add"),
        {"name": "Twice", "email": "ADMIN@gangway.test", "role": "manager"},
    )

    assert response.status_code == 422
    assert "A person with this e-mail address already exists." in response.content.decode()
    assert User.objects.count() == 1


def test_audit_log_shows_sign_ins(db: None, client: Client) -> None:
    administrator = User.objects.create_user(
        "admin@gangway.test", "pw", name="Ad Min", staff_role="administrator"
    )
    client.post("/accounts/login/", {"login": "admin@gangway.test", "password": "wrong"})
    client.post("/accounts/login/", {"login": "admin@gangway.test", "password": "pw"})
    assert administrator.staff_role == "administrator"

    page = " ".join(client.get(reverse("onboarding:audit-log")).content.decode().split())

    assert "Ad Min signed in." in page
    assert "failed." in page
