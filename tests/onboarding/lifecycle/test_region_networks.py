"""The networks of a region that a person enters."""

from __future__ import annotations

import pytest

from onboarding.lifecycle.archive.rules import fault_of
from onboarding.lifecycle.forms.profile import RegionValuesForm
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.tenant_values import MOST_PARTS, TenantValues
from tenants.models import Tenant
from tenants.regions import load_regions


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("0.0.0.0/0", "is too large"),
        ("8.0.0.0/8", "is too large"),
        ("8.8.0.0/15", "is too large"),
        ("10.1.0.0/16", "is private or reserved"),
        ("192.168.1.0/24", "is private or reserved"),
        ("127.0.0.1/32", "is private or reserved"),
        ("169.254.169.254/32", "is private or reserved"),
        ("100.64.0.0/24", "is private or reserved"),
        ("224.0.0.0/24", "is private or reserved"),
        ("240.0.0.0/24", "is private or reserved"),
        # Contains 192.0.2.0/24, which is reserved for documentation.
        ("192.0.0.0/16", "is private or reserved"),
        ("8.8.0.0/16", ""),
        ("8.8.8.8/32", ""),
    ],
)
@pytest.mark.parametrize("name", ["delivery_ip4", "spf_ip4"])
def test_implausible_network_is_refused(name: str, network: str, reason: str) -> None:
    form = RegionValuesForm({name: f"8.8.8.0/24\n{network}"}, tenant=Tenant(region="us"))

    errors = [str(error) for found in form.errors.values() for error in found]

    assert list(form.errors) == ([name] if reason else [])
    assert len(errors) == bool(reason)
    assert all(reason in error for error in errors)


@pytest.mark.parametrize(("number", "is_refused"), [(200, False), (201, True)])
def test_number_of_values_is_bounded(number: int, is_refused: bool) -> None:
    networks = "\n".join(f"8.8.{each}.0/24" for each in range(number))
    hosts = "\n".join(f"mx{each}.mimecast.test" for each in range(number))

    form = RegionValuesForm({"delivery_ip4": networks, "mx": hosts}, tenant=Tenant(region="us"))

    assert sorted(form.errors) == (["delivery_ip4", "mx"] if is_refused else [])


@pytest.mark.parametrize("region", load_regions())
def test_every_region_has_plausible_networks(region: str) -> None:
    values = load_regions()[region]
    typed = {name: "\n".join(getattr(values, name)) for name in ("delivery_ip4", "spf_ip4")}

    assert RegionValuesForm(typed, tenant=Tenant(region=region)).errors == {}


def test_stored_network_that_is_too_large_has_no_effect() -> None:
    tenant = Tenant(region="us", region_overrides={"delivery_ip4": ["0.0.0.0/0"]})

    assert tenant.region_values == load_regions()["us"]


def test_archive_with_implausible_network_is_refused() -> None:
    row = {"region": "us", "time_zone": "UTC", "name": "Northwind", "products": []}

    faults = [
        fault_of("tenant", {**row, "region_overrides": own})
        for own in ({"delivery_ip4": ["10.0.0.0/24"]}, {"delivery_ip4": ["8.8.8.0/24"]})
    ]

    assert faults == ["has invalid region values", ""]


def test_number_of_split_networks_is_bounded(tenant: Tenant) -> None:
    def split(networks: list[str]) -> tuple[int, str]:
        tenant.region_overrides = {"delivery_ip4": networks}
        values = TenantValues(PlanContext.of(tenant), tenant.region_values)
        value = values.get("confirmed_ranges_split")
        return len(value.items), "" if value.is_known else value.missing[:26]

    whole = [f"8.{number}.0.0/16" for number in range(5)]
    assert split(whole[:4]) == (MOST_PARTS, "")
    assert split(whole) == (0, "The ranges have more than ")
