"""Claiming what is due, and giving it back when a worker dies."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from checks import services
from checks.engine.outcomes import Kind, Outcome, Verdict
from checks.models import Check, Observation
from tenants.models import Tenant
from tests.cast import MakeTenant

pytestmark = pytest.mark.django_db


def _claimed(batches: dict[str, list[list[int]]]) -> list[int]:
    return [pk for of_vantage in batches.values() for batch in of_vantage for pk in batch]


def test_every_due_check_is_claimed_once(tenant: Tenant) -> None:
    now = timezone.now() + timedelta(seconds=1)

    first = _claimed(services.claim_due_checks(now=now))
    second = _claimed(services.claim_due_checks(now=now))

    assert first == list(Check.objects.order_by("pk").values_list("pk", flat=True))
    assert second == []


def test_a_claim_of_a_worker_that_died_runs_out(tenant: Tenant) -> None:
    now = timezone.now() + timedelta(seconds=1)
    first = _claimed(services.claim_due_checks(now=now))

    again = _claimed(services.claim_due_checks(now=now + services.CLAIM_FOR))

    assert again == first


def test_batches_are_split_by_vantage_and_size(
    make_tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "BATCH", 2)
    tenant = make_tenant()
    Check.objects.filter(tenant=tenant, kind=Kind.MX).update(vantage="dc-us-1")

    batches = services.claim_due_checks(now=timezone.now() + timedelta(seconds=1))

    assert {vantage: [len(b) for b in found] for vantage, found in batches.items()} == {
        "default": [2, 2, 1],
        "dc-us-1": [1],
    }


def test_a_recorded_look_releases_its_claim_and_sets_the_next(tenant: Tenant) -> None:
    now = timezone.now() + timedelta(seconds=1)
    services.claim_due_checks(now=now)
    check = Check.objects.get(kind=Kind.MX)

    services.record_run(
        check.pk, Outcome(Kind.MX, "", Verdict.FAIL), asked=check.expectation, at=now
    )

    check.refresh_from_db()
    wait = check.next_due_at - timezone.now()
    assert (check.claim_id, check.claimed_until) == ("", None)
    assert timedelta(seconds=10) < wait < timedelta(seconds=20)


def test_an_answer_to_an_older_question_is_dropped(tenant: Tenant) -> None:
    check = Check.objects.get(kind=Kind.OWNERSHIP)

    recorded = services.record_run(
        check.pk,
        Outcome(Kind.OWNERSHIP, "", Verdict.PASS),
        asked={"token": "another", "label": ""},
        at=timezone.now(),
    )

    assert not recorded
    assert not Observation.objects.exists()


def test_a_request_does_not_claim_what_a_worker_holds(tenant: Tenant) -> None:
    now = timezone.now() + timedelta(seconds=1)
    services.claim_due_checks(now=now)

    batches = services.request_look(Check.objects.all(), now=now)

    assert batches == {}
    assert not Check.objects.filter(hurried_until=None).exists()
