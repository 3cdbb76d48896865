"""The page of the workers states which of them live, and the due checks of each vantage."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from checks import workers
from checks.engine.outcomes import CheckKind
from checks.models import Check, Worker
from tenants import event_counts, outbox
from tenants.models import OutboxMessage, Tenant, User
from tests.factories import SignIn

pytestmark = pytest.mark.django_db
ADDRESS = "onboarding:worker-list"


@pytest.fixture
def administrator(db: None) -> User:
    return User.objects.create_user(
        "admin@gangway.test", "pw", name="Ada Admin", staff_role="administrator"
    )


def _worker(name: str, *, skew: float = 0, seconds_ago: float = 1) -> None:
    now = timezone.now()
    Worker.objects.create(
        name=name,
        queues=["checks.default"],
        processes=4,
        version="0.2.0",
        clock_skew=skew,
        started_at=now - timedelta(hours=1),
        seen_at=now - timedelta(seconds=seconds_ago),
    )


def test_page_shows_outbox_and_events(administrator: User, signed_in: SignIn) -> None:
    outbox.add("email", recipient="ann@outside.test")
    OutboxMessage.objects.update(
        attempts=3, last_error="TimeoutError", created_at=timezone.now() - timedelta(minutes=5)
    )
    for _ in range(2):
        event_counts.count(event_counts.Event.RATE_LIMIT_IN_PROCESS)
    event_counts.store()

    html = " ".join(signed_in(administrator).get(reverse(ADDRESS)).content.decode().split())

    assert '<td data-column="Oldest"> 5 minutes ago' in html
    assert ">TimeoutError<" in html
    row = html.partition("Rate limits counted in one process")[2]
    assert row.startswith('</th> <td data-column="Number">2</td>')


def test_page_states_skew_and_missing_reports(
    administrator: User, tenant: Tenant, signed_in: SignIn
) -> None:
    _worker("checks@one", skew=7200)
    _worker("checks@two", skew=-3.5)
    _worker("checks@dead", seconds_ago=60)
    Check.objects.filter(kind=CheckKind.MX).update(
        vantage="dc-us-1", next_due_at=timezone.now() - timedelta(minutes=9)
    )

    html = " ".join(signed_in(administrator).get(reverse(ADDRESS)).content.decode().split())

    assert "7200 s ahead" in html
    assert "3.5 s behind" in html
    assert html.count("No report") == 1
    # No living worker has the queue of the second vantage.
    assert html.count("No worker<") == 1
    assert "9 minutes ago" in html


def test_page_names_missing_workers(administrator: User, signed_in: SignIn) -> None:
    html = " ".join(signed_in(administrator).get(reverse(ADDRESS)).content.decode().split())

    assert "No worker has reported." in html
    assert "No tenant has a check yet." in html


def test_loads_count_unclaimed_due_checks(tenant: Tenant) -> None:
    now = timezone.now()
    _worker("checks@one")
    Check.objects.update(next_due_at=now + timedelta(hours=1))
    due, claimed = Check.objects.order_by("pk")[:2]
    Check.objects.filter(pk=due.pk).update(next_due_at=now - timedelta(minutes=3))
    Check.objects.filter(pk=claimed.pk).update(
        next_due_at=now - timedelta(minutes=9), claimed_until=now + timedelta(seconds=9)
    )

    assert workers.loads(now=now) == [
        workers.VantageLoad("default", 4, 1, now - timedelta(minutes=3))
    ]
