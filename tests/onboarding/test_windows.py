"""A cutover's window, and who is watched in it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import Kind
from checks.models import Check
from onboarding.tasks import watch_cutovers
from tenants.models import Tenant, User
from tests.cast import SignIn
from tests.cutovers import cutover_of

pytestmark = pytest.mark.django_db


def _watched() -> set[str]:
    found = Check.objects.filter(closely_until__gt=timezone.now())
    return set(found.values_list("kind", flat=True))


@pytest.mark.parametrize(
    ("hours_ahead", "direction", "kinds"),
    [
        (0.4, "inbound", {Kind.MX, Kind.MX_TTL, Kind.MTA_STS}),
        (-3.9, "inbound", {Kind.MX, Kind.MX_TTL, Kind.MTA_STS}),
        (0, "outbound", {Kind.SPF, Kind.DMARC}),
        (0.6, "inbound", set()),
        (-4.1, "inbound", set()),
    ],
)
def test_an_open_window_is_watched_closely(
    tenant: Tenant, hours_ahead: float, direction: str, kinds: set[str]
) -> None:
    planned_at = timezone.now() + timedelta(hours=hours_ahead)
    cutover_of(tenant, direction, planned_at)

    watch_cutovers()

    assert _watched() == kinds


def test_a_closed_tenants_window_is_nobodys(tenant: Tenant) -> None:
    cutover_of(tenant, "inbound", timezone.now())
    Tenant.objects.update(archived_at=timezone.now())

    watch_cutovers()

    assert _watched() == set()


def test_an_open_page_says_that_somebody_waits(
    tenant: Tenant, owner: User, outsider: User, signed_in: SignIn
) -> None:
    address = reverse("onboarding:revision", args=[tenant.public_id])
    mine = Check.objects.filter(tenant=tenant)

    assert signed_in(outsider).get(address).status_code == 404
    assert not mine.exclude(attended_until=None).exists()

    assert signed_in(owner).get(address).status_code == 200
    assert not mine.filter(attended_until=None).exists()
    assert not Check.objects.exclude(tenant=tenant).exclude(attended_until=None).exists()
