"""A change of the region: the tenant's own values need a new decision."""

from __future__ import annotations

import pytest
from django.urls import reverse

from onboarding.errors import ConflictingChange
from onboarding.lifecycle.archive.rules import fault_of
from onboarding.lifecycle.forms.profile import RegionValuesForm
from onboarding.lifecycle.tenants import ProfileEntry, save_profile, save_region_values
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.tenant_values import TenantValues
from tenants.models import Tenant, User
from tenants.regions import load_regions
from tests.factories import SignIn
from tests.markup import texts

RANGES = ["8.8.8.0/24"]


def confirmed_ranges(tenant: Tenant) -> tuple[str, ...]:
    fresh = Tenant.objects.get(pk=tenant.pk)
    return TenantValues(PlanContext.of(fresh), fresh.region_values).get("confirmed_ranges").items


@pytest.fixture
def moved(tenant: Tenant, consultant: User) -> Tenant:
    """A tenant whose region changed after its values were entered."""
    save_region_values(tenant, {"delivery_ip4": RANGES, "mx": ["a.mimecast.test"]}, by=consultant)
    assert confirmed_ranges(tenant) == tuple(RANGES)
    tenant.region = "eu"
    save_profile(tenant, ProfileEntry(), by=consultant)
    return Tenant.objects.get(pk=tenant.pk)


def test_region_change_sets_own_values_aside(moved: Tenant) -> None:
    assert moved.unconfirmed_region_values == {"delivery_ip4": RANGES, "mx": ["a.mimecast.test"]}
    assert moved.region_values == load_regions()["eu"]
    assert confirmed_ranges(moved) == ()


def test_unchanged_region_keeps_own_values(tenant: Tenant, consultant: User) -> None:
    save_region_values(tenant, {"delivery_ip4": RANGES}, by=consultant)

    tenant.name = "Northwind Traders"
    save_profile(tenant, ProfileEntry(), by=consultant)

    assert confirmed_ranges(tenant) == tuple(RANGES)


def test_second_change_keeps_values_of_first(moved: Tenant, consultant: User) -> None:
    save_region_values(
        moved, {"spf_ip4": RANGES, "unconfirmed": {"delivery_ip4": RANGES}}, by=consultant
    )

    moved.region = "au"
    save_profile(moved, ProfileEntry(), by=consultant)

    stored = Tenant.objects.get(pk=moved.pk)
    assert stored.region_overrides == {"unconfirmed": {"spf_ip4": RANGES, "delivery_ip4": RANGES}}


@pytest.mark.parametrize(
    ("typed", "own", "left"),
    [
        ({}, {}, {"delivery_ip4": RANGES, "mx": ["a.mimecast.test"]}),
        (
            {"decide_delivery_ip4": "confirm"},
            {"delivery_ip4": RANGES},
            {"mx": ["a.mimecast.test"]},
        ),
        ({"decide_delivery_ip4": "drop", "decide_mx": "drop"}, {}, {}),
        (
            {"delivery_ip4": "8.8.4.0/24", "decide_delivery_ip4": "confirm"},
            {"delivery_ip4": ["8.8.4.0/24"]},
            {"mx": ["a.mimecast.test"]},
        ),
    ],
)
def test_page_confirms_or_drops_each_value(
    moved: Tenant,
    consultant: User,
    signed_in: SignIn,
    typed: dict[str, str],
    own: dict[str, object],
    left: dict[str, object],
) -> None:
    Tenant.objects.filter(pk=moved.pk).update(consultant=consultant)
    client = signed_in(consultant)
    page = reverse("onboarding:profile-edit", args=[moved.public_id])
    html = client.get(page).content.decode()

    client.post(reverse("onboarding:region-values", args=[moved.public_id]), typed)

    stored = Tenant.objects.get(pk=moved.pk)
    assert stored.region_overrides == own | ({"unconfirmed": left} if left else {})
    sentence = "Values entered for another region are not in use:"
    assert sentence in texts(html, "strong")
    assert (sentence in texts(client.get(page).content.decode(), "strong")) is bool(left)


@pytest.mark.parametrize(("region", "is_refused"), [("us", True), ("eu", False), ("", False)])
def test_values_of_the_former_region_are_refused(
    moved: Tenant, region: str, is_refused: bool
) -> None:
    form = RegionValuesForm({"delivery_ip4": "8.8.8.0/24", "expected_region": region}, tenant=moved)

    assert bool(form.non_field_errors()) is is_refused


def test_concurrently_saved_values_are_unconfirmed(tenant: Tenant, consultant: User) -> None:
    stale = Tenant.objects.get(pk=tenant.pk)
    save_region_values(tenant, {"delivery_ip4": RANGES}, by=consultant)

    stale.region = "eu"
    save_profile(stale, ProfileEntry(), by=consultant)

    stored = Tenant.objects.get(pk=tenant.pk)
    assert stored.unconfirmed_region_values == {"delivery_ip4": RANGES}


def test_archive_with_invalid_unconfirmed_value_is_refused(moved: Tenant) -> None:
    row = {
        "region": "eu",
        "time_zone": "UTC",
        "name": "Northwind",
        "products": [],
        "region_overrides": moved.region_overrides,
    }

    assert fault_of("tenant", row) == ""
    row["region_overrides"] = {"unconfirmed": {"delivery_ip4": ["x"]}}
    assert fault_of("tenant", row) == "has invalid region values"


def test_values_of_a_region_that_changed_are_refused(tenant: Tenant, consultant: User) -> None:
    stale = Tenant.objects.get(pk=tenant.pk)
    Tenant.objects.filter(pk=tenant.pk).update(region="eu")

    with pytest.raises(ConflictingChange, match="Another user changed the region"):
        save_region_values(stale, {"delivery_ip4": RANGES}, by=consultant)

    assert Tenant.objects.get(pk=tenant.pk).region_overrides == {}
