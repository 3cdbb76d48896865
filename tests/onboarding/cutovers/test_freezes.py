"""Freezes: their forms, and the windows that touch them."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from onboarding.cutovers.blockers import freeze_blockers
from onboarding.cutovers.conflicts import ConflictContext, find_conflicts
from onboarding.models import Cutover, Freeze, Holiday, Plan
from onboarding.plans.business_time import Calendar
from tenants.models import ActivityLine, Tenant, User
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, SignIn
from tests.markup import texts
from tests.onboarding.cutovers.test_cutover_room import address

# A Tuesday at 20:00 in London.
TUESDAY = datetime(2026, 12, 29, 20, 0, tzinfo=UTC)
YEAR_END = {"first_day": "2026-12-28", "last_day": "2027-01-08", "reason": "Year-end close"}
SENTENCE = (
    "The window touches a freeze of the tenant, Monday 28 December to Friday 8 January:"
    " Year-end close."
)


def _add(client: Client, tenant: Tenant, **typed: str) -> tuple[int, str]:
    page = reverse("onboarding:freeze-add", args=[tenant.public_id])
    answer = client.post(page, YEAR_END | typed)
    return answer.status_code, answer.content.decode()


def test_freeze_is_added_and_removed(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    client = signed_in(consultant)
    before = Plan.objects.get(tenant=tenant).revision

    _add(client, tenant)
    freeze = Freeze.objects.get(tenant=tenant)
    shown = client.get(reverse("onboarding:schedule", args=[tenant.public_id])).content.decode()
    client.post(reverse("onboarding:freeze-remove", args=[tenant.public_id, freeze.public_id]))

    assert (freeze.first_day, freeze.last_day) == (date(2026, 12, 28), date(2027, 1, 8))
    assert "Mon 28 Dec 2026 to Fri 8 Jan 2027" in " ".join(texts(shown, "#freezes"))
    assert not Freeze.objects.exists()
    text = "Year-end close, 2026-12-28 to 2027-01-08"
    lines = ActivityLine.objects.filter(tenant=tenant, action__startswith="freeze").order_by("pk")
    assert [(line.action, line.params["freeze"]) for line in lines] == [
        ("freeze-added", text),
        ("freeze-removed", text),
    ]
    assert Plan.objects.get(tenant=tenant).revision == before + 2


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"first_day": "soon"}, "Enter a day, such as 2026-12-31."),
        ({"last_day": "2026-12-27"}, "Choose a last day on or after the first day."),
        ({"last_day": "2028-12-27"}, "A freeze can last 366 days at most."),
        ({"reason": ""}, "Enter the reason for the freeze, such as the year-end close."),
    ],
)
def test_invalid_freeze_is_refused_and_retained(
    tenant: Tenant,
    consultant: User,
    signed_in: SignIn,
    typed: dict[str, str],
    sentence: str,
) -> None:
    status, html = _add(signed_in(consultant), tenant, **typed)

    assert status == 422
    assert texts(html, ".errorlist") == [sentence]
    assert all(f'value="{value}"' in html for value in (YEAR_END | typed).values() if value)
    assert not Freeze.objects.exists()


def test_global_freeze_is_staff_only(
    tenant: Tenant, consultant: User, manager: User, signed_in: SignIn
) -> None:
    client = signed_in(consultant)
    client.post(reverse("onboarding:freezes"), YEAR_END)
    freeze = Freeze.objects.get(tenant=None)

    page = reverse("onboarding:freeze-remove", args=[tenant.public_id, freeze.public_id])
    assert client.post(page).status_code == 404
    assert (
        ", all tenants"
        in client.get(reverse("onboarding:schedule", args=[tenant.public_id])).content.decode()
    )
    assert ActivityLine.objects.get(action="freeze-added").tenant is None
    assert signed_in(manager).get(reverse("onboarding:freezes")).status_code == 403


def test_holiday_of_mimecast_is_added_and_removed(
    tenant: Tenant, consultant: User, manager: User, signed_in: SignIn
) -> None:
    client, page = signed_in(consultant), reverse("onboarding:freezes")
    added = reverse("onboarding:mimecast-holiday-add")
    before = Plan.objects.get(tenant=tenant).revision

    client.post(added, {"day": "2026-12-25", "name": "Christmas Day"})
    again = client.post(added, {"day": "2026-12-25", "name": "Twice"})
    unnamed = client.post(added, {"day": "2026-12-28", "name": ""})

    holiday = Holiday.objects.get()
    assert (holiday.tenant, str(holiday.day)) == (None, "2026-12-25")
    assert "Fri 25 Dec 2026" in client.get(page).content.decode()
    assert (again.status_code, unnamed.status_code) == (422, 422)
    assert list(again.context["holiday_form"].errors) == ["day"]
    assert 'value="Twice"' in again.content.decode()
    assert list(unnamed.context["holiday_form"].errors) == ["name"]
    assert Plan.objects.get(tenant=tenant).revision > before
    remove = reverse("onboarding:mimecast-holiday-remove", args=[holiday.public_id])
    assert signed_in(manager).post(remove).status_code == 403
    signed_in(consultant).post(remove)
    assert not Holiday.objects.exists()
    lines = ActivityLine.objects.filter(action__startswith="holiday").order_by("pk")
    assert [(line.action, line.tenant) for line in lines] == [
        ("holiday-added", None),
        ("holiday-removed", None),
    ]


def test_holiday_of_a_tenant_is_not_mimecasts(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    holiday = Holiday.objects.create(tenant=tenant, day=date(2026, 12, 25), name="Theirs")
    remove = reverse("onboarding:mimecast-holiday-remove", args=[holiday.public_id])

    assert "Theirs" not in signed_in(consultant).get(reverse("onboarding:freezes")).content.decode()
    assert signed_in(consultant).post(remove).status_code == 404


def test_foreign_freeze_is_not_shown(
    tenant: Tenant, make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    other = make_tenant("Other", domains=(("other.test", "primary"),))
    Freeze.objects.create(tenant=other, **YEAR_END)
    cutover = cutover_of(tenant, "outbound", TUESDAY)

    html = signed_in(consultant).get(address(cutover)).content.decode()

    assert "Year-end close" not in html


def _confirm(client: Client, cutover: Cutover, risk: str = "") -> None:
    form = {
        "planned_at": cutover.planned_at.isoformat(),
        "round": str(cutover.round),
        "length_minutes": "90",
        "outbound_days": "2",
        "accepted_risk": risk,
    }
    client.post(address(cutover, "cutover-window"), form)
    cutover.refresh_from_db()


def test_window_in_freeze_needs_accepted_risk(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    Freeze.objects.create(tenant=tenant, **YEAR_END)
    cutover = cutover_of(tenant, "outbound", TUESDAY)
    client = signed_in(consultant)

    _confirm(client, cutover)
    assert cutover.confirmed_at is None
    assert SENTENCE in " ".join(client.get(address(cutover)).content.decode().split())

    _confirm(client, cutover, "The close is done early.")
    assert (cutover.confirmed_by, cutover.accepted_risk) == (
        consultant,
        "The close is done early.",
    )


def test_longer_window_into_freeze_needs_risk(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    Freeze.objects.create(tenant=tenant, **YEAR_END)
    cutover = cutover_of(tenant, "outbound", datetime(2026, 12, 27, 20, 0, tzinfo=UTC))
    client = signed_in(consultant)
    form = {
        "planned_at": cutover.planned_at.isoformat(),
        "round": "1",
        "length_minutes": "600",
        "outbound_days": "2",
    }

    refused = client.post(address(cutover, "cutover-window"), form)
    html = refused.content.decode()

    cutover.refresh_from_db()
    assert (cutover.confirmed_at, cutover.length_minutes) == (None, 240)
    assert SENTENCE in " ".join(html.split())
    assert 'value="600"' in html
    assert "Reason for accepting the risk" in texts(html, "label")

    client.post(address(cutover, "cutover-window"), form | {"accepted_risk": "It is agreed."})
    cutover.refresh_from_db()
    assert (cutover.confirmed_by, cutover.length_minutes) == (consultant, 600)


def test_freeze_after_confirmation_is_shown(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    Freeze.objects.create(first_day=TUESDAY, last_day=TUESDAY, reason="Known before")
    cutover = cutover_of(tenant, "outbound", TUESDAY)
    client = signed_in(consultant)
    _confirm(client, cutover, "Agreed.")
    note = "New blockers since the confirmation"
    assert note not in client.get(address(cutover)).content.decode()

    Freeze.objects.create(tenant=tenant, **YEAR_END)

    html = " ".join(client.get(address(cutover)).content.decode().split())
    assert f"{note}: {SENTENCE}" in html
    assert f"{note}: The window touches a freeze for all tenants" not in html


@pytest.mark.parametrize(
    ("starts", "zone", "touched"),
    [
        (datetime(2026, 12, 27, 20, tzinfo=UTC), "UTC", False),  # It ends at midnight.
        (datetime(2026, 12, 27, 20, 1, tzinfo=UTC), "UTC", True),
        (datetime(2026, 12, 27, 19, tzinfo=UTC), "Europe/Berlin", False),
        (datetime(2026, 12, 27, 19, 30, tzinfo=UTC), "Europe/Berlin", True),
        (datetime(2027, 1, 9, 4, 59, tzinfo=UTC), "America/New_York", True),
        (datetime(2027, 1, 9, 5, tzinfo=UTC), "America/New_York", False),
    ],
)
def test_freeze_days_use_tenant_time_zone(starts: datetime, zone: str, touched: bool) -> None:
    freeze = Freeze(
        first_day=date(2026, 12, 28), last_day=date(2027, 1, 8), reason="x", public_id="f"
    )
    calendar = Calendar(zoneinfo.ZoneInfo(zone))
    cutover = Cutover(direction="outbound", planned_at=starts)

    found = freeze_blockers(cutover, ConflictContext([], [], calendar, freezes=[freeze]))

    assert [blocker.key for blocker in found] == ["freeze:f"] * touched


def test_window_until_midnight_misses_holiday() -> None:
    eve = Cutover(pk=1, direction="inbound", planned_at=datetime(2026, 12, 24, 20, tzinfo=UTC))
    conflict_context = ConflictContext(
        [eve], [], Calendar(zoneinfo.ZoneInfo("UTC")), {date(2026, 12, 25): "Christmas"}
    )

    assert find_conflicts(eve, conflict_context) == []
    eve.length_minutes += 1
    assert find_conflicts(eve, conflict_context) == ["Friday 25 December is a holiday: Christmas."]


def test_cutover_list_shows_freeze_conflict(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    Freeze.objects.create(tenant=tenant, **YEAR_END)
    cutover_of(tenant, "outbound", TUESDAY)
    cutover_of(tenant, "inbound", TUESDAY + timedelta(days=30))

    page = reverse("onboarding:cutovers", args=[tenant.public_id])
    html = signed_in(consultant).get(page).content.decode()

    assert html.count("The window touches") == 1
    assert SENTENCE in " ".join(html.split())
