"""People on call: who can be, what a room shows, and when nobody is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from onboarding.cutovers.on_call import on_call_candidates, on_call_of
from onboarding.models import Contact, Cutover, OnCall, Plan
from tenants.models import ActivityLine, Membership, Tenant, User
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, SignIn
from tests.markup import texts
from tests.onboarding.cutovers.test_cutover_room import address

MOMENT = datetime(2027, 3, 4, 19, 0, tzinfo=UTC)
NOBODY = [
    "Nobody of Mimecast is on call for this window.",
    "Nobody of the client is on call for this window.",
]


@pytest.fixture
def cutover(tenant: Tenant) -> Cutover:
    return cutover_of(tenant, "outbound", MOMENT)


@pytest.fixture
def contact(tenant: Tenant) -> Contact:
    return Contact.objects.create(
        tenant=tenant,
        role="dns",
        name="D. N. Essen",
        phone="+44 20 7946 0001",
        availability="By text",
    )


def _put(client: Client, cutover: Cutover, person: str, phone: str = "") -> tuple[int, str]:
    form = {"person": person, "phone": phone}
    answer = client.post(address(cutover, "on-call-add"), form)
    return answer.status_code, answer.content.decode()


def test_people_of_both_sides_are_shown_with_their_numbers_in_the_big_room_too(
    cutover: Cutover, contact: Contact, consultant: User, owner: User, signed_in: SignIn
) -> None:
    client = signed_in(consultant)
    before = client.get(address(cutover)).content.decode()
    revision = Plan.objects.get(pk=cutover.plan_id).revision

    _put(client, cutover, f"user-{consultant.public_id}", "+1 555 0100")
    _put(client, cutover, f"contact-{contact.public_id}")

    assert [text for text in texts(before, "p") if text.startswith("Nobody of")] == NOBODY
    assert Plan.objects.get(pk=cutover.plan_id).revision == revision + 2
    for page in (address(cutover), f"{address(cutover)}?fullscreen=1"):
        shown = " ".join(texts(signed_in(owner).get(page).content.decode(), "#on-call"))
        assert "Con Sultant +1 555 0100" in shown
        assert "D. N. Essen +44 20 7946 0001 By text" in shown
        assert "Nobody of" not in shown
        assert "Remove" not in shown
    actions = ActivityLine.objects.filter(action="on-call-added").order_by("pk")
    assert [line.params["name"] for line in actions] == ["Con Sultant", "D. N. Essen"]


@pytest.mark.parametrize(
    ("person", "phone", "sentence"),
    [
        ("", "1", "Choose somebody."),
        ("user-nobody", "1", "Choose one of the people offered."),
        ("consultant", "", "Type the number they answer at in the window."),
        ("consultant", "ask at the desk", "Type the number they answer at in the window."),
        ("outsider", "1", "Choose one of the people offered."),
        ("manager", "1", "Choose one of the people offered."),
        ("foreign contact", "1", "Choose one of the people offered."),
    ],
)
def test_whoever_cannot_be_on_call_gets_a_sentence_and_what_was_typed_is_kept(
    request: pytest.FixtureRequest,
    cutover: Cutover,
    consultant: User,
    outsider: User,
    manager: User,
    signed_in: SignIn,
    person: str,
    phone: str,
    sentence: str,
) -> None:
    people = {f"{user.email.split('@')[0]}": f"user-{user.public_id}" for user in
              (consultant, outsider, manager)}  # fmt: skip
    elsewhere = Contact.objects.create(
        tenant=Tenant.objects.get(name="Elsewhere"), role="dns", name="E", phone="1"
    )
    people["foreign contact"] = f"contact-{elsewhere.public_id}"

    status, html = _put(signed_in(consultant), cutover, people.get(person, person), phone)

    assert status == 422
    assert texts(html, ".errorlist") == [sentence]
    assert not phone or f'value="{phone}"' in html
    # Where it keeps itself true from: not from the address that takes the form alone.
    assert f'hx-get="{address(cutover)}"' in html
    assert not OnCall.objects.exists()


def test_naming_somebody_again_changes_their_number(
    cutover: Cutover, consultant: User, signed_in: SignIn
) -> None:
    client = signed_in(consultant)

    for phone in ("1", "2"):
        _put(client, cutover, f"user-{consultant.public_id}", phone)

    assert OnCall.objects.get().phone == "2"


def test_somebody_is_taken_off_call_at_ones_own_tenant_only(
    cutover: Cutover,
    tenant: Tenant,
    make_tenant: MakeTenant,
    consultant: User,
    signed_in: SignIn,
) -> None:
    other = cutover_of(make_tenant("O", domains=(("o.test", "primary"),)), "inbound", MOMENT)
    kept = OnCall.objects.create(cutover=other, user=consultant, phone="1")
    client = signed_in(consultant)

    for owner_of, room in ((tenant, cutover), (tenant, other), (other.plan.tenant, cutover)):
        page = reverse(
            "onboarding:on-call-remove", args=[owner_of.public_id, room.public_id, kept.public_id]
        )
        assert client.post(page).status_code == 404

    client.post(
        reverse(
            "onboarding:on-call-remove",
            args=[other.plan.tenant.public_id, other.public_id, kept.public_id],
        )
    )
    assert not OnCall.objects.exists()


def test_who_left_the_tenant_is_on_call_no_more(
    cutover: Cutover, tenant: Tenant, member: User, consultant: User
) -> None:
    for user in (member, consultant):
        OnCall.objects.create(cutover=cutover, user=user, phone="1")
    Membership.objects.create(tenant=cutover.plan.tenant, user=consultant, role="viewer")
    assert [str(each) for each in on_call_of([cutover], tenant)] == ["Member Person", "Con Sultant"]

    Membership.objects.filter(user=member).delete()
    User.objects.filter(pk=consultant.pk).update(is_active=False)

    assert list(on_call_of([cutover], tenant)) == []


def test_candidates_are_those_who_steer_the_members_and_the_contacts(
    tenant: Tenant,
    contact: Contact,
    consultant: User,
    administrator: User,
    manager: User,
    owner: User,
    outsider: User,
) -> None:
    assert [(found.name, found.side) for found in on_call_candidates(tenant)] == [
        ("Ad Ministrator", "mimecast"),
        ("Con Sultant", "mimecast"),
        ("Owner Person", "client"),
        ("D. N. Essen (DNS owner)", "client"),
    ]


@pytest.mark.parametrize(("hours", "clashes"), [(3, True), (4, False), (-4, False), (-3, True)])
def test_somebody_on_call_elsewhere_in_the_same_hours_is_a_clash_that_names_no_tenant(
    cutover: Cutover,
    make_tenant: MakeTenant,
    consultant: User,
    owner: User,
    signed_in: SignIn,
    hours: int,
    clashes: bool,
) -> None:
    other = make_tenant("Secret Client", domains=(("o.test", "primary"),))
    there = cutover_of(other, "inbound", MOMENT + timedelta(hours=hours))
    for room in (cutover, there):
        OnCall.objects.create(cutover=room, user=consultant, phone="1")

    html = signed_in(owner).get(address(cutover)).content.decode()

    said = "Con Sultant is on call for another cutover in the same hours."
    assert (said in html) == clashes
    assert "Secret Client" not in html
