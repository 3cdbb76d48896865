"""The tour: one for each role, offered until the person finishes or skips it."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse

from tenants import tours
from tenants.models import Membership, Tenant, User
from tenants.permissions import Role
from tests.factories import MakeTenant, SignIn
from tests.markup import texts

TEMPLATES = Path(settings.BASE_DIR) / "templates"
OFFER = "Start tour"


def _person(role: str, tenant: Tenant | None = None) -> User:
    if tenant is None:
        return User.objects.create_user("new@gangway.test", "pw", name="New", staff_role=role)
    person = User.objects.create_user("new@northwind.test", "pw", name="New")
    Membership.objects.create(tenant=tenant, user=person, role=role)
    return person


def test_every_role_has_a_tour() -> None:
    assert set(tours.tours()) == set(Role)


@pytest.mark.parametrize("role", Role)
def test_targets_are_in_the_templates(role: Role) -> None:
    markup = "".join(path.read_text("utf-8") for path in TEMPLATES.rglob("*.html"))
    steps = tours.tours()[role]

    assert steps[0].target == ""
    assert [s.target for s in steps if s.target and f'data-tour="{s.target}"' not in markup] == []
    assert len({step.target for step in steps}) == len(steps)


@pytest.mark.parametrize("role", ["administrator", "consultant", "manager"])
def test_staff_are_offered_their_tour(db: None, role: str, signed_in: SignIn) -> None:
    client = signed_in(_person(role))
    home = client.get(reverse("onboarding:home"), follow=True).content.decode()
    assert OFFER in home

    page = client.get(reverse("tenants:tour")).content.decode()

    steps = tours.tours()[Role(role)]
    assert texts(page, "h2")[: len(steps)] == [step.title for step in steps]


@pytest.mark.parametrize("role", ["owner", "member", "viewer"])
def test_clients_are_offered_their_tour(tenant: Tenant, role: str, signed_in: SignIn) -> None:
    client = signed_in(_person(role, tenant))
    home = client.get(reverse("onboarding:home"), follow=True).content.decode()
    assert OFFER in home

    client.post(reverse("tenants:tour-end"))

    assert User.objects.get(email="new@northwind.test").ended_tour == role
    assert OFFER not in client.get(reverse("onboarding:home"), follow=True).content.decode()


def test_first_role_of_several_tenants(make_tenant: MakeTenant) -> None:
    person = _person("viewer", make_tenant("One"))
    second = make_tenant("Two", domains=(("two.test", "primary"),))
    Membership.objects.create(tenant=second, user=person, role="member")

    assert tours.tour_role(person) is Role.MEMBER


def test_person_without_tenant_has_the_tour_of_viewers(db: None) -> None:
    assert tours.tour_role(_person("")) is Role.VIEWER


def test_another_staff_role_has_another_tour(db: None) -> None:
    person = _person("consultant")
    tours.end_tour(person)
    assert not tours.is_offered(person)

    person.staff_role = "manager"

    assert tours.is_offered(person)


def test_another_client_role_has_no_new_offer(tenant: Tenant) -> None:
    person = _person("viewer", tenant)
    tours.end_tour(person)

    Membership.objects.filter(user=person).update(role="owner")

    assert not tours.is_offered(person)


def test_end_concerns_one_person(consultant: User, signed_in: SignIn) -> None:
    other = _person("consultant")

    response = signed_in(consultant).post(reverse("tenants:tour-end"))

    other.refresh_from_db()
    assert (response["Location"], other.ended_tour) == (reverse("onboarding:home"), "")


def test_tour_restarts_from_the_account_menu(consultant: User, signed_in: SignIn) -> None:
    html = signed_in(consultant).get(reverse("onboarding:desk")).content.decode()

    assert OFFER not in html
    assert f'<a href="{reverse("tenants:tour")}" data-tour-start>Tour</a>' in html


def test_script_gets_the_dialog_alone(consultant: User, signed_in: SignIn) -> None:
    response = signed_in(consultant).get(reverse("tenants:tour"), headers={"HX-Request": "true"})

    html = response.content.decode().strip()
    assert html.startswith("<dialog")
    assert html.endswith("</dialog>")
    assert html.count("data-tour-step=") == len(tours.tours()[Role.CONSULTANT])
