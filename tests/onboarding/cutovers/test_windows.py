"""The window of a cutover, and the checks that run at short intervals in it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind
from checks.models import Check
from onboarding.cutovers.planning import change_cutover
from onboarding.cutovers.tasks import open_cutover_windows
from onboarding.errors import OnboardingError
from onboarding.models import Cutover, CutoverSnapshot
from onboarding.plans.planned_cutovers import is_open
from tenants.models import Domain, Tenant, User
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, SignIn

pytestmark = pytest.mark.django_db


def _prioritized_kinds() -> set[str]:
    rows = Check.objects.filter(cutover_until__gt=timezone.now())
    return set(rows.values_list("kind", flat=True))


@pytest.mark.parametrize(
    ("hours_ahead", "direction", "kinds"),
    [
        (0.4, "inbound", {CheckKind.MX, CheckKind.MX_TTL, CheckKind.MTA_STS}),
        (-3.9, "inbound", {CheckKind.MX, CheckKind.MX_TTL, CheckKind.MTA_STS}),
        (0, "outbound", {CheckKind.SPF, CheckKind.DMARC}),
        (0.6, "inbound", set()),
        (-4.1, "inbound", set()),
    ],
)
def test_open_window_shortens_intervals(
    tenant: Tenant, hours_ahead: float, direction: str, kinds: set[str]
) -> None:
    planned_at = timezone.now() + timedelta(hours=hours_ahead)
    cutover_of(tenant, direction, planned_at)

    open_cutover_windows()

    assert _prioritized_kinds() == kinds


def test_long_window_is_open_until_its_end(tenant: Tenant) -> None:
    now = timezone.now()
    cutover = cutover_of(tenant, "inbound", now - timedelta(hours=9))
    Cutover.objects.update(length_minutes=600)
    cutover.refresh_from_db()

    open_cutover_windows()

    prioritized = Check.objects.filter(cutover_until=cutover.ends_at)
    assert set(prioritized.values_list("kind", flat=True)) == {
        CheckKind.MX,
        CheckKind.MX_TTL,
        CheckKind.MTA_STS,
    }
    assert is_open(cutover, now)
    with pytest.raises(OnboardingError, match="its domains cannot change"):
        change_cutover(
            cutover, cutover.planned_at, _late_domain(tenant), expected_round=1, by=_consultant()
        )


def _late_domain(tenant: Tenant) -> list[Domain]:
    return [Domain.objects.create(tenant=tenant, name="late.test", role="secondary")]


def _consultant() -> User:
    return User.objects.create_user("late@gangway.test", "pw", name="Late", staff_role="consultant")


def test_window_of_closed_tenant_is_skipped(tenant: Tenant) -> None:
    cutover_of(tenant, "inbound", timezone.now())
    Tenant.objects.update(closed_at=timezone.now())

    open_cutover_windows()

    assert _prioritized_kinds() == set()


def test_open_page_prioritizes_checks(
    tenant: Tenant, owner: User, outsider: User, signed_in: SignIn
) -> None:
    address = reverse("onboarding:revision", args=[tenant.public_id])
    mine = Check.objects.filter(tenant=tenant)

    assert signed_in(outsider).get(address).status_code == 404
    assert not mine.exclude(viewed_until=None).exists()

    assert signed_in(owner).get(address).status_code == 200
    assert not mine.filter(viewed_until=None).exists()
    assert not Check.objects.exclude(tenant=tenant).exclude(viewed_until=None).exists()


@pytest.mark.usefixtures("without_eager_errors")
def test_failing_cutover_delays_no_other(tenant: Tenant, make_tenant: MakeTenant) -> None:
    other = make_tenant("Tailspin", (("tailspin.test", "primary"),))
    failing = cutover_of(other, "inbound", timezone.now() - timedelta(minutes=1))
    cutover = cutover_of(tenant, "inbound", timezone.now())
    # No region has this name, so that no snapshot of its records can be taken.
    Tenant.objects.filter(pk=other.pk).update(region="nowhere")

    open_cutover_windows()

    taken = CutoverSnapshot.objects.values_list("cutover", flat=True)
    assert (list(taken), failing.snapshots.count()) == ([cutover.pk], 0)
    checked = Check.objects.exclude(cutover_until=None).values_list("tenant", flat=True)
    assert set(checked) == {tenant.pk, other.pk}
