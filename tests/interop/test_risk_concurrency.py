"""Risks are stored once, and no page waits for a plan that another transaction changes."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from onboarding.models import Plan, PlanRisk
from onboarding.portfolio import risk_updates
from tenants.models import Tenant
from tests.cutovers import cutover_of
from tests.interop.concurrency import run_concurrently

pytestmark = [
    pytest.mark.interop,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
    ),
]


@pytest.fixture
def overdue(tenant: Tenant) -> Tenant:
    cutover_of(tenant, "outbound", timezone.now() - timedelta(days=1))
    return tenant


def test_page_does_not_wait_for_a_locked_plan(overdue: Tenant) -> None:
    locked, done = threading.Event(), threading.Event()

    def lock() -> None:
        with transaction.atomic():
            Plan.objects.select_for_update().get(tenant=overdue)
            locked.set()
            done.wait(20)
        connection.close()

    other = threading.Thread(target=lock)
    other.start()
    assert locked.wait(10)
    began = time.monotonic()
    risk_updates.refresh(Tenant.objects.all())
    took = time.monotonic() - began
    done.set()
    other.join()

    assert took < 5
    assert not PlanRisk.objects.exists()
    risk_updates.refresh(Tenant.objects.all())
    assert PlanRisk.objects.filter(code="overdue").count() == 1


def test_pages_at_once_store_one_result(overdue: Tenant) -> None:
    run_concurrently([lambda: risk_updates.refresh(Tenant.objects.all())] * 6)
    risk_updates.refresh(Tenant.objects.all())

    codes = list(PlanRisk.objects.values_list("code", flat=True))
    assert len(codes) == len(set(codes))
    assert "overdue" in codes
    assert not risk_updates.with_outdated_risks(Plan.objects.all(), now=timezone.now()).exists()
