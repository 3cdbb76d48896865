"""Contacts: their roles, their addresses, conflicts and missing roles."""

from __future__ import annotations

from django.urls import reverse

from onboarding.collaboration.contacts import contacts_of, fingerprint, missing_roles
from onboarding.models import Contact
from tenants.models import ActivityLine, Tenant, User
from tests.factories import SignIn

DNS = {"role": "dns", "name": "Di Gennes", "email": "di@host.test", "phone": "", "availability": ""}


def add(tenant: Tenant, person: User, signed_in: SignIn, **fields: str) -> tuple[int, str]:
    url = reverse("onboarding:contact-add", args=[tenant.public_id])
    response = signed_in(person).post(url, DNS | fields)
    return response.status_code, response.content.decode()


def test_values_of_removed_contact_remain(
    tenant: Tenant, owner: User, member: User, signed_in: SignIn
) -> None:
    add(tenant, owner, signed_in)
    contact = contacts_of(tenant).get()
    url = reverse("onboarding:contact-change", args=[tenant.public_id, contact.public_id])
    expected_version = {"expected_version": fingerprint(contact)}
    contact.delete()

    answer = signed_in(member).post(url, DNS | {"phone": "+44 20 2222"} | expected_version)
    html = answer.content.decode()
    again = add(tenant, member, signed_in, phone="+44 20 2222")

    assert answer.status_code == 422
    assert "Another person removed this contact in the meantime" in html
    assert 'value="+44 20 2222"' in html
    assert f'action="{reverse("onboarding:contact-add", args=[tenant.public_id])}"' in html
    assert (again[0], contacts_of(tenant).get().phone) == (302, "+44 20 2222")


def test_missing_roles_follow_contacts(tenant: Tenant, member: User, signed_in: SignIn) -> None:
    assert add(tenant, member, signed_in)[0] == 302

    assert [(c.name, c.role) for c in contacts_of(tenant)] == [("Di Gennes", "dns")]
    assert missing_roles(contacts_of(tenant)) == [
        "Technical contact",
        "Firewall owner",
        "Directory administrator",
        "Signatory (a director)",
        "Emergency contact",
    ]
    page = signed_in(member).get(reverse("onboarding:people", args=[tenant.public_id]))
    text = " ".join(page.content.decode().split())
    assert "No contact yet for: Technical contact, Firewall owner" in text
    assert ActivityLine.objects.filter(tenant=tenant, action="contact-added").count() == 1


def test_contact_without_address_is_rejected(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    status, text = add(tenant, owner, signed_in, email="")

    assert status == 422
    assert "Enter an e-mail address or a telephone number." in text
    assert "Di Gennes" in text
    assert not Contact.objects.exists()


def test_second_contact_with_same_role_is_rejected(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    add(tenant, owner, signed_in)

    status, text = add(tenant, owner, signed_in)

    assert (status, Contact.objects.count()) == (422, 1)
    assert "has that role already" in text


def test_contact_changes_and_removal(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    add(tenant, owner, signed_in)
    contact = contacts_of(tenant).get()
    ids = [tenant.public_id, contact.public_id]

    signed_in(owner).post(
        reverse("onboarding:contact-change", args=ids), DNS | {"phone": "+44 20 0000"}
    )
    assert contacts_of(tenant).get().phone == "+44 20 0000"

    signed_in(owner).post(reverse("onboarding:contact-remove", args=ids))
    assert not contacts_of(tenant).exists()


def test_conflicting_contact_change_shows_the_first(
    tenant: Tenant, owner: User, member: User, signed_in: SignIn
) -> None:
    add(tenant, owner, signed_in)
    contact = contacts_of(tenant).get()
    url = reverse("onboarding:contact-change", args=[tenant.public_id, contact.public_id])
    expected_version = {"expected_version": fingerprint(contact)}
    signed_in(owner).post(url, DNS | {"phone": "+44 20 1111"} | expected_version)

    answer = signed_in(member).post(url, DNS | {"phone": "+44 20 2222"} | expected_version)
    html = answer.content.decode()

    assert answer.status_code == 422
    assert "Owner Person changed this contact in the meantime to: Di Gennes, dns owner" in html
    assert "+44 20 1111" in html
    assert 'value="+44 20 2222"' in html
    assert contacts_of(tenant).get().phone == "+44 20 1111"

    expected_version = {"expected_version": answer.context["expected_version"]}
    signed_in(member).post(url, DNS | {"phone": "+44 20 2222"} | expected_version)
    assert contacts_of(tenant).get().phone == "+44 20 2222"
