"""The content of the feeds, read strictly by two parsers."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind
from onboarding.calendar_feeds import feeds
from onboarding.calendar_feeds.entries import CANCELLED_FOR
from onboarding.cutovers import freezes, planning
from onboarding.cutovers.go_no_go import name_approvers
from onboarding.models import CalendarEntry, CalendarFeed, Cutover, Freeze, Task
from onboarding.plans import dates
from onboarding.plans.assignment import assign_task
from tenants.models import Tenant, User
from tests.clock import Clock
from tests.cutovers import cutover_of
from tests.factories import START, MakeTenant, task_of
from tests.onboarding.calendar_feeds.strict_ical import read_strictly
from tests.onboarding.plans.test_safe_times import MX
from tests.onboarding.plans.test_safe_times import _observe as observe

pytestmark = pytest.mark.django_db
SCOPES = CalendarFeed.Scope


def address_of(by: User, scope: CalendarFeed.Scope = SCOPES.TEAM, tenant: Any = None) -> str:
    _, token = feeds.create_feed(scope, tenant=tenant, site="https://gangway.test", by=by)
    return reverse("onboarding:calendar-feed", args=[token])


def events_at(client: Client, address: str) -> dict[str, dict[str, Any]]:
    response = client.get(address)
    assert (response.status_code, response["Content-Type"]) == (
        200,
        "text/calendar; charset=utf-8",
    )
    return read_strictly(response.content)


def kinds(events: dict[str, Any]) -> list[str]:
    return sorted(uid.split("-")[0] for uid in events)


def plan_window(tenant: Tenant, by: User) -> Cutover:
    start = timezone.now().replace(second=0, microsecond=0) + timedelta(days=30)
    return planning.plan_cutover(
        tenant.plan, "inbound", start, list(tenant.domains.all()), by=by, reason="Agreed."
    )


def add_freeze(tenant: Tenant | None, by: User, reason: str = "Year end") -> Freeze:
    days = {"first_day": date(2026, 12, 24), "last_day": date(2027, 1, 2)}
    freeze = Freeze(tenant=tenant, reason=reason, **days)
    freezes.add_freeze(freeze, by=by)
    return freeze


def test_feed_of_a_tenant(tenant: Tenant, consultant: User, viewer: User, client: Client) -> None:
    cutover = plan_window(tenant, consultant)
    freeze = add_freeze(tenant, consultant)
    add_freeze(None, consultant)
    # The due dates of the template depend on the day of the test.
    Task.objects.update(due_on=None)
    dates.set_due_date(task_of(tenant, "account-creation"), date(2026, 12, 7), by=consultant)

    events = events_at(client, address_of(viewer, SCOPES.TENANT, tenant))

    window = events[f"cutover-{cutover.public_id}@gangway"]
    days = events[f"freeze-{freeze.public_id}@gangway"]
    assert (window["SUMMARY"], window["STATUS"]) == (
        "Inbound cutover: Northwind (planned)",
        "TENTATIVE",
    )
    assert (window["DTSTART"], window["DTEND"]) == (cutover.planned_at, cutover.ends_at)
    assert window["URL"] == (
        f"https://gangway.test/t/{tenant.public_id}/cutovers/{cutover.public_id}/"
    )
    assert (days["DTSTART"], days["DTEND"]) == (date(2026, 12, 24), date(2027, 1, 3))
    assert kinds(events).count("freeze") == 2
    due = {e["SUMMARY"]: e["DTSTART"] for e in events.values() if e["SUMMARY"].startswith("Due: ")}
    assert due == {
        f"Due: {task_of(tenant, 'account-creation')} (Northwind)": date(2026, 12, 7),
    }


def test_safe_times(tenant: Tenant, viewer: User, client: Client) -> None:
    address = address_of(viewer, SCOPES.TENANT, tenant)
    before = kinds(events_at(client, address))
    observe(tenant, CheckKind.MX_TTL, 0, 3600, "10 mail.test", domain="northwind.test")
    observe(tenant, CheckKind.MX_TTL, 5, 300, "10 mail.test", domain="northwind.test")
    observe(tenant, CheckKind.MX, 10, 3600, "10 mail.test", domain="northwind.test")
    observe(tenant, CheckKind.MX, 20, 300, *MX, domain="northwind.test")
    tenant.plan.touch()

    events = events_at(client, address)

    safe = {event["SUMMARY"]: event["DTSTART"] for event in events.values()}
    assert "safe" not in before
    assert safe["Cutover safe from here: Northwind"] == START + timedelta(minutes=65)
    assert safe["Lockdown safe from here: Northwind"] > START + timedelta(minutes=20)


def test_state_changes_raise_the_sequence(
    tenant: Tenant, consultant: User, viewer: User, client: Client
) -> None:
    cutover = plan_window(tenant, consultant)
    uid, address = (
        f"cutover-{cutover.public_id}@gangway",
        address_of(viewer, SCOPES.TENANT, tenant),
    )
    states = [events_at(client, address)[uid]]
    planning.change_cutover(
        cutover,
        cutover.planned_at + timedelta(days=1),
        list(tenant.domains.all()),
        expected_round=cutover.round,
        by=consultant,
        reason="Moved.",
    )
    states.append(events_at(client, address)[uid])
    states.append(events_at(client, address)[uid])
    planning.cancel_cutover(Cutover.objects.get(), by=consultant)
    states.append(events_at(client, address)[uid])

    assert [(each["SEQUENCE"], each["STATUS"]) for each in states] == [
        (0, "TENTATIVE"),
        (1, "TENTATIVE"),
        (1, "TENTATIVE"),
        (2, "CANCELLED"),
    ]
    assert states[1]["DTSTART"] - states[0]["DTSTART"] == timedelta(days=1)


def test_cancelled_entry_ends_after_a_month(
    tenant: Tenant, consultant: User, client: Client, frozen_time: Clock
) -> None:
    freeze, address = add_freeze(tenant, consultant), address_of(consultant)
    events_at(client, address)
    freezes.remove_freeze(freeze, by=consultant)
    cancelled = events_at(client, address)
    frozen_time.move_to(frozen_time.now + CANCELLED_FOR + timedelta(days=1))

    later = events_at(client, address)

    uid = f"freeze-{freeze.public_id}@gangway"
    assert (cancelled[uid]["STATUS"], uid in later) == ("CANCELLED", False)
    assert not CalendarEntry.objects.filter(uid=uid).exists()


TEXTS = [
    "خط الإنتاج، تجميد",
    "年末の凍結；変更なし" * 5,
    "Ünïcödé — “quoted”, with; semicolons: and \\ backslash",
    "🚧" * 20,
    "BEGIN:VEVENT",
    "one\r\nEND:VEVENT\r\nBEGIN:VEVENT",
    "tab\there \x07bell",
    'x"y',
]


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_is_escaped(text: str, tenant: Tenant, consultant: User, client: Client) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(name=text)
    add_freeze(tenant, consultant, reason=text[:80])

    events = events_at(client, address_of(consultant))

    (freeze,) = [event for uid, event in events.items() if uid.startswith("freeze")]
    shown = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", " ", f"Freeze: {text[:80]} ({text})")
    assert freeze["SUMMARY"] == shown


def test_own_feed(
    tenant: Tenant, make_tenant: MakeTenant, consultant: User, manager: User, client: Client
) -> None:
    other = make_tenant("Other", (("other.test", "primary"),))
    foreign = make_tenant("Foreign", (("foreign.test", "primary"),))
    Tenant.objects.filter(pk=tenant.pk).update(consultant=consultant)
    soon = timezone.now() + timedelta(days=9)
    windows = [cutover_of(each, "inbound", soon) for each in (tenant, other, foreign)]
    name_approvers(windows[1], mimecast=consultant, client=None, by=consultant)
    mine, theirs = task_of(other, "account-creation"), task_of(tenant, "account-creation")
    for task in (mine, theirs):
        dates.set_due_date(task, date(2026, 12, 7), by=consultant)
    assign_task(mine, consultant.public_id, by=consultant)

    events = events_at(client, address_of(consultant, SCOPES.OWN))

    assert set(events) == {
        f"cutover-{windows[0].public_id}@gangway",
        f"cutover-{windows[1].public_id}@gangway",
        f"due-{mine.public_id}@gangway",
    }


def test_team_feed_follows_the_manager(
    tenant: Tenant, make_tenant: MakeTenant, consultant: User, manager: User, client: Client
) -> None:
    other = make_tenant("Other", (("other.test", "primary"),))
    Tenant.objects.filter(pk=tenant.pk).update(consultant=consultant)
    for each in (tenant, other):
        cutover_of(each, "inbound", timezone.now() + timedelta(days=9))
    address = address_of(manager)
    before = kinds(events_at(client, address)).count("cutover")
    manager.followed_consultants.add(consultant)

    after = kinds(events_at(client, address)).count("cutover")

    assert (before, after) == (2, 1)


def test_unchanged_feed_is_cheap(
    tenant: Tenant, make_tenant: MakeTenant, consultant: User, client: Client
) -> None:
    """The same number of queries for one tenant and for three, and 304 without a body."""
    plan_window(tenant, consultant)
    address = address_of(consultant)
    first = client.get(address)
    with CaptureQueriesContext(connection) as of_one:
        same = client.get(address, headers={"if-none-match": first["ETag"]})
    for name in ("Two", "Three"):
        make_tenant(name, ((f"{name.lower()}.test", "primary"),))
    second = client.get(address)
    with CaptureQueriesContext(connection) as of_three:
        dated = client.get(address, headers={"if-modified-since": second["Last-Modified"]})

    assert [(each.status_code, each.content) for each in (same, dated)] == [(304, b"")] * 2
    assert len(of_one) == len(of_three) <= 6


def test_etag_changes_with_the_content(tenant: Tenant, consultant: User, client: Client) -> None:
    address = address_of(consultant)
    before = client.get(address)["ETag"]
    tenant.plan.touch()
    touched = client.get(address)["ETag"]

    add_freeze(tenant, consultant)

    assert (before == touched, client.get(address)["ETag"] == before) == (True, False)


def test_rate_limit(
    tenant: Tenant, consultant: User, client: Client, frozen_time: Clock, monkeypatch: Any
) -> None:
    monkeypatch.setattr("onboarding.calendar_feeds.views.RATE", "2/h")
    address, other = address_of(consultant), address_of(consultant)

    statuses = [client.get(each).status_code for each in (address, address, address, other)]

    assert statuses == [200, 200, 429, 200]
