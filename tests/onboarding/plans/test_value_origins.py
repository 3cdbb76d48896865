"""Every value of the instructions states its person, its dates, its confidence and its source."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from onboarding.lifecycle.proposals import add_host, confirm_host
from onboarding.lifecycle.tenants import ProfileEntry, save_profile, save_region_values
from onboarding.models import RequirementsSheet, SheetRow, TaskRole
from onboarding.plans.field_services import fingerprint, load_field_rows, save_fields
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.services import actor_for
from onboarding.plans.tenant_values import PLACEHOLDERS, TenantValue, TenantValues
from onboarding.plans.value_origins import ValueOrigin, entered_by, value_origins_of
from tenants.models import Domain, Host, Tenant, User
from tenants.proposals import ProposalKind, proposal_as_data
from tests.clock import Clock, at
from tests.factories import HostRow, MakeTenant, task_of

CONFIDENCES = {"high", "medium", "low", "entered", "set"}


def value_of(tenant: Tenant, name: str) -> TenantValue:
    fresh = Tenant.objects.get(pk=tenant.pk)
    return TenantValues(PlanContext.of(fresh), fresh.region_values).get(name)


@pytest.fixture
def complete(make_tenant: MakeTenant, consultant: User, fixed_monday: Clock) -> Tenant:
    """A tenant that knows every value."""
    made = make_tenant(
        domains=(("one.test", "primary"), ("one.onmicrosoft.com", "routing")),
        hosts=(HostRow("delivery", "mail.one.test", 25), HostRow("directory", "dc.one.test", 636)),
    )
    made.account_code, made.consultant = "CUSA10A100", consultant
    made.save()
    Domain.objects.filter(tenant=made, name="one.test").update(
        ownership_token="0ed1fe018a", dkim_selectors="mimecast20261101"
    )
    sheet = RequirementsSheet.objects.get(
        task__plan__tenant=made, task__role=TaskRole.GATHERS_OUTBOUND_ADDRESSES
    )
    SheetRow.objects.create(
        sheet=sheet, position=1, key="a", values={"address": "8.8.8.8"}, changed_by=consultant
    )
    save_region_values(made, {"delivery_ip4": ["8.8.8.0/24"]}, by=consultant)
    return made


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_every_value_has_its_provenance(complete: Tenant, name: str) -> None:
    value = value_of(complete, name)

    assert value.is_known
    assert value.confidence in CONFIDENCES
    assert re.search(r"\b20\d\d\b", value.provenance), value.provenance
    assert re.match(r"entered by |set by |(high|medium|low) confidence, 20", value.provenance)


def test_region_value_names_its_source(complete: Tenant) -> None:
    assert value_of(complete, "inbound_hosts").provenance == (
        "high confidence, 2026-11-23, Public DNS scan reports and zone files that show MX records"
    )


def test_entered_range_names_the_person(complete: Tenant) -> None:
    assert value_of(complete, "confirmed_ranges_split").provenance == (
        "entered by Con Sultant, 30 Nov 2026"
    )


def test_changed_profile_names_the_person(
    complete: Tenant, consultant: User, fixed_monday: Clock
) -> None:
    fixed_monday.move_to(at("Wed 09:00"))
    complete.region = "eu"
    save_profile(complete, ProfileEntry(), by=consultant)

    assert value_of(complete, "region").provenance == "entered by Con Sultant, 2 Dec 2026"


def test_account_code_of_a_task_names_the_person(
    tenant: Tenant, consultant: User, fixed_monday: Clock
) -> None:
    task = task_of(tenant, "account-creation")
    rows = load_field_rows(task, tenant)
    save_fields(
        task,
        {"account-code": "CUSA7A7"},
        by=consultant,
        actor=actor_for(consultant, tenant),
        expected=fingerprint(rows),
    )

    assert value_of(tenant, "account_code").provenance == "entered by Con Sultant, 30 Nov 2026"


def test_host_names_the_proposer_until_confirmed(
    tenant: Tenant, owner: User, consultant: User, fixed_monday: Clock
) -> None:
    host = add_host(tenant, name="mail.one.test", port=25, by=owner, decides=False)
    before = value_of(tenant, "delivery_hosts")
    fixed_monday.move_to(at("Tue 09:00"))
    confirm_host(Host.objects.get(pk=host.pk), by=consultant, with_consent=False)
    after = value_of(tenant, "delivery_hosts")

    assert before.provenance == f"entered by {owner.name}, 30 Nov 2026"
    assert before.proposed == (f"mail.one.test:25: proposed by {owner.name}, not confirmed yet",)
    assert (after.provenance, after.proposed) == ("entered by Con Sultant, 1 Dec 2026", ())


def test_proposed_selector_names_the_proposer(tenant: Tenant, fixed_monday: Clock) -> None:
    data = proposal_as_data({"dkim_selectors": "mc1"}, by="Jo Lee", at=at("Mon 08:00"))
    tenant.domains.update(proposals={ProposalKind.DKIM.value: data})

    assert value_of(tenant, "dkim_selectors").provenance == "entered by Jo Lee, 30 Nov 2026"


def test_journal_address_names_person_and_rule(complete: Tenant) -> None:
    provenance = value_of(complete, "journal_address").provenance

    assert re.fullmatch(
        r"entered by Gangway, \d+ \w+ 2026; high confidence, 2026-11-28, Mimecast: Configuring"
        r" Microsoft 365 Journaling",
        provenance,
    )


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ([], ""),
        ([ValueOrigin("Jo", at("Mon 23:30"))], "entered by Jo, 1 Dec 2026"),
        (
            [ValueOrigin("Jo", at("Mon 08:00")), ValueOrigin("Al", at("Mon 09:00"))],
            "entered by Jo and Al, 30 Nov 2026",
        ),
        (
            [
                ValueOrigin(n, at("Mon 08:00") + timedelta(days=d))
                for n, d in (("A", 0), ("B", 1), ("C", 2))
            ],
            "entered by A, B and C, last on 2 Dec 2026",
        ),
    ],
)
def test_sentence_names_people_and_last_day(entries: list[ValueOrigin], sentence: str) -> None:
    assert entered_by(entries, "Europe/Paris") == sentence


def test_entries_need_one_query(complete: Tenant, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        value_origins_of(complete)
