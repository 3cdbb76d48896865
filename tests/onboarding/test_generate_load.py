"""The load of measurements: copied tenants are complete, consistent and have valid logs."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import models
from django.test import Client
from django.urls import reverse

from checks.models import Check, Observation
from onboarding.management.load.copies import COPIED
from onboarding.management.load.sources import SOURCES
from onboarding.models import Plan
from onboarding.plans.rollup import recompute_rollup
from tenants.log_verification import verify_logs
from tenants.models import Domain, Tenant, User

# Each source once, each source a second time, and a part of a third time.
TENANTS = 2 * len(SOURCES) + 3


@pytest.fixture
def generated(db: None) -> None:
    call_command("generate_load", tenants=TENANTS, domains=1, months=2, stdout=StringIO())


def _rows(tenant: Tenant) -> dict[str, int]:
    return {
        model.__name__: model._base_manager.filter(**{path: tenant.pk}).count()
        for model, path in COPIED.items()
    }


def _relations(model: type[models.Model]) -> list[Any]:
    return [f for f in model._meta.concrete_fields if f.related_model in COPIED]


@pytest.mark.slow
def test_load_has_consistent_copies(generated: None, client: Client) -> None:
    tenants = list(Tenant.objects.order_by("pk"))
    sources, copies = tenants[: len(SOURCES)], tenants[len(SOURCES) :]

    assert len(tenants) == TENANTS
    assert [_rows(each) for each in copies] == [
        _rows(sources[number % len(SOURCES)]) for number in range(len(copies))
    ]
    # Every reference of a copied row leads to a row of the same tenant.
    for model, path in COPIED.items():
        for field in _relations(model):
            target = COPIED[field.related_model]
            other = f"{field.name}__{target}" if target != "pk" else field.name
            rows = model._base_manager.exclude(**{field.name: None})
            assert not rows.exclude(**{other: models.F(path)}).exists(), (model, field.name)
    assert [log.fault for log in verify_logs()] == [""] * TENANTS
    assert Domain.objects.values("name").distinct().count() == TENANTS
    seen = Check.objects.filter(latest__isnull=False)
    assert Observation.objects.filter(check_asked__in=seen).count() >= 2 * seen.count()
    # The newest rows do not collide with the ids of the copies.
    assert Tenant.objects.create(name="Next", region="us").pk > tenants[-1].pk

    client.force_login(User.objects.get(email="consultant@load.example"))
    for tenant in (sources[4], copies[4]):
        address = reverse("onboarding:plan-show", args=[tenant.public_id])
        assert client.get(address).status_code == 200


@pytest.mark.slow
def test_counters_of_copies_equal_their_tasks(generated: None) -> None:
    names = ("tasks_total", "tasks_complete", "tasks_regressed")
    stored = list(Plan.objects.order_by("pk").values_list(*names))

    for plan in Plan.objects.select_related("tenant"):
        recompute_rollup(plan)

    assert list(Plan.objects.order_by("pk").values_list(*names)) == stored
    assert sum(regressed for *_, regressed in stored) > 0


def test_load_refuses_a_database_with_tenants(tenant: Tenant) -> None:
    with pytest.raises(CommandError, match="This database has tenants"):
        call_command("generate_load", tenants=2)

    assert Tenant.objects.get() == tenant
