"""Freezes: typed in beside the holidays, and what they ask of a window."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from onboarding.cutovers.blockers import freeze_blockers
from onboarding.cutovers.conflicts import ConflictContext, find_conflicts
from onboarding.models import Cutover, Freeze, Plan
from onboarding.plans.business_time import Calendar
from tenants.models import ActivityLine, Tenant, User
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, SignIn
from tests.markup import texts
from tests.onboarding.cutovers.test_cutover_room import address

# A Tuesday evening in London.
EVENING = datetime(2026, 12, 29, 20, 0, tzinfo=UTC)
YEAR_END = {"first_day": "2026-12-28", "last_day": "2027-01-08", "reason": "Year-end close"}
SAID = (
    "The window touches a freeze of the tenant, Monday 28 December to Friday 8 January:"
    " Year-end close."
)


def _add(client: Client, tenant: Tenant, **typed: str) -> tuple[int, str]:
    page = reverse("onboarding:freeze-add", args=[tenant.public_id])
    answer = client.post(page, YEAR_END | typed)
    return answer.status_code, answer.content.decode()


def test_a_freeze_is_added_and_removed_beside_the_holidays(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    client = signed_in(consultant)
    before = Plan.objects.get(tenant=tenant).revision

    _add(client, tenant)
    kept = Freeze.objects.get(tenant=tenant)
    shown = client.get(reverse("onboarding:schedule", args=[tenant.public_id])).content.decode()
    client.post(reverse("onboarding:freeze-remove", args=[tenant.public_id, kept.public_id]))

    assert (kept.first_day, kept.last_day) == (date(2026, 12, 28), date(2027, 1, 8))
    assert "Mon 28 Dec 2026 to Fri 8 Jan 2027" in " ".join(texts(shown, "#freezes"))
    assert not Freeze.objects.exists()
    told = "Year-end close, 2026-12-28 to 2027-01-08"
    lines = ActivityLine.objects.filter(tenant=tenant, action__startswith="freeze").order_by("pk")
    assert [(line.action, line.params["freeze"]) for line in lines] == [
        ("freeze-added", told),
        ("freeze-removed", told),
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
def test_a_freeze_that_is_none_gets_a_sentence_and_keeps_what_was_typed(
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


def test_staff_set_a_freeze_for_everybody_and_no_tenant_removes_it(
    tenant: Tenant, consultant: User, manager: User, signed_in: SignIn
) -> None:
    client = signed_in(consultant)
    client.post(reverse("onboarding:freezes"), YEAR_END)
    kept = Freeze.objects.get(tenant=None)

    page = reverse("onboarding:freeze-remove", args=[tenant.public_id, kept.public_id])
    assert client.post(page).status_code == 404
    assert (
        ", all tenants"
        in client.get(reverse("onboarding:schedule", args=[tenant.public_id])).content.decode()
    )
    assert ActivityLine.objects.get(action="freeze-added").tenant is None
    assert signed_in(manager).get(reverse("onboarding:freezes")).status_code == 403


def test_another_tenants_freeze_is_nobodys_business(
    tenant: Tenant, make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    other = make_tenant("Other", domains=(("other.test", "primary"),))
    Freeze.objects.create(tenant=other, **YEAR_END)
    cutover = cutover_of(tenant, "outbound", EVENING)

    html = signed_in(consultant).get(address(cutover)).content.decode()

    assert "Year-end close" not in html


def _confirm(client: Client, cutover: Cutover, words: str = "") -> None:
    form = {
        "planned_at": cutover.planned_at.isoformat(),
        "round": str(cutover.round),
        "length_minutes": "90",
        "outbound_days": "2",
        "accepted_risk": words,
    }
    client.post(address(cutover, "cutover-window"), form)
    cutover.refresh_from_db()


def test_a_window_in_a_freeze_is_confirmed_only_in_words(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    Freeze.objects.create(tenant=tenant, **YEAR_END)
    cutover = cutover_of(tenant, "outbound", EVENING)
    client = signed_in(consultant)

    _confirm(client, cutover)
    assert cutover.confirmed_at is None
    assert SAID in " ".join(client.get(address(cutover)).content.decode().split())

    _confirm(client, cutover, "The close is done early.")
    assert (cutover.confirmed_by, cutover.accepted_risk) == (
        consultant,
        "The close is done early.",
    )


def test_a_longer_window_that_would_touch_a_freeze_is_confirmed_only_in_words(
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

    refused = client.post(address(cutover, "cutover-window"), form, follow=True)
    html = refused.content.decode()

    cutover.refresh_from_db()
    assert (cutover.confirmed_at, cutover.length_minutes) == (None, 240)
    assert SAID in " ".join(html.split())
    assert 'value="600"' in html
    assert "Reason for accepting the risk" in texts(html, "label")

    client.post(address(cutover, "cutover-window"), form | {"accepted_risk": "It is agreed."})
    cutover.refresh_from_db()
    assert (cutover.confirmed_by, cutover.length_minutes) == (consultant, 600)


def test_a_freeze_that_comes_after_the_confirmation_is_told(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    Freeze.objects.create(first_day=EVENING, last_day=EVENING, reason="Known before")
    cutover = cutover_of(tenant, "outbound", EVENING)
    client = signed_in(consultant)
    _confirm(client, cutover, "Agreed.")
    said = "New blockers since the confirmation"
    assert said not in client.get(address(cutover)).content.decode()

    Freeze.objects.create(tenant=tenant, **YEAR_END)

    html = " ".join(client.get(address(cutover)).content.decode().split())
    assert f"{said}: {SAID}" in html
    assert f"{said}: The window touches a freeze for everybody" not in html


@pytest.mark.parametrize(
    ("starts", "zone", "touched"),
    [
        (datetime(2026, 12, 27, 20, tzinfo=UTC), "UTC", False),  # it ends at midnight
        (datetime(2026, 12, 27, 20, 1, tzinfo=UTC), "UTC", True),
        (datetime(2026, 12, 27, 19, tzinfo=UTC), "Europe/Berlin", False),
        (datetime(2026, 12, 27, 19, 30, tzinfo=UTC), "Europe/Berlin", True),
        (datetime(2027, 1, 9, 4, 59, tzinfo=UTC), "America/New_York", True),
        (datetime(2027, 1, 9, 5, tzinfo=UTC), "America/New_York", False),
    ],
)
def test_days_are_those_of_the_tenants_time_zone(
    starts: datetime, zone: str, touched: bool
) -> None:
    freeze = Freeze(
        first_day=date(2026, 12, 28), last_day=date(2027, 1, 8), reason="x", public_id="f"
    )
    calendar = Calendar(zoneinfo.ZoneInfo(zone))
    cutover = Cutover(direction="outbound", planned_at=starts)

    found = freeze_blockers(cutover, ConflictContext([], [], calendar, freezes=[freeze]))

    assert [objection.key for objection in found] == ["freeze:f"] * touched


def test_a_window_that_ends_at_midnight_does_not_touch_the_holiday_after_it() -> None:
    eve = Cutover(pk=1, direction="inbound", planned_at=datetime(2026, 12, 24, 20, tzinfo=UTC))
    conflict_context = ConflictContext(
        [eve], [], Calendar(zoneinfo.ZoneInfo("UTC")), {date(2026, 12, 25): "Christmas"}
    )

    assert find_conflicts(eve, conflict_context) == []
    eve.length_minutes += 1
    assert find_conflicts(eve, conflict_context) == ["Friday 25 December is a holiday: Christmas."]


def test_the_page_of_cutovers_says_what_speaks_against_each_window(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    Freeze.objects.create(tenant=tenant, **YEAR_END)
    cutover_of(tenant, "outbound", EVENING)
    cutover_of(tenant, "inbound", EVENING + timedelta(days=30))

    page = reverse("onboarding:cutovers", args=[tenant.public_id])
    html = signed_in(consultant).get(page).content.decode()

    assert html.count("The window touches") == 1
    assert SAID in " ".join(html.split())
