"""The timeline of a cutover: order, scope and visibility of its entries."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict
from checks.models import Check
from checks.services import record_run
from onboarding.collaboration.comments import NewComment, add_comment
from onboarding.cutovers import go_no_go
from onboarding.cutovers.dry_run import DryRunResult, save_dry_run
from onboarding.cutovers.on_call import add_on_call, on_call_candidates
from onboarding.cutovers.planning import change_cutover
from onboarding.cutovers.snapshots import save_at_opening
from onboarding.cutovers.timeline import TimelineEntry, build_timeline
from onboarding.models import Cutover, Task
from tenants.models import Tenant, User
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, SignIn, task_of
from tests.markup import texts

GATE = "mx-record-cutover"


@pytest.fixture
def planned_at() -> datetime:
    return timezone.now() + timedelta(minutes=20)


@pytest.fixture
def cutover(tenant: Tenant, planned_at: datetime) -> Cutover:
    return cutover_of(tenant, "inbound", planned_at)


def _entries(cutover: Cutover, *, is_staff: bool = True) -> list[str]:
    return [_text(e) for e in build_timeline(cutover, _tasks(cutover), is_staff=is_staff)]


def _tasks(cutover: Cutover) -> list[Task]:
    return [task_of(cutover.plan.tenant, GATE)]


def _text(entry: TimelineEntry) -> str:
    if entry.line is not None:
        return entry.line.action
    if entry.comment is not None:
        return entry.comment.body
    assert entry.observation is not None
    return f"{entry.observation.check_asked.subject} {entry.observation.verdict}"


def _record(tenant: Tenant, domain: str, verdict: Verdict, at: datetime) -> None:
    check = Check.objects.get(tenant=tenant, kind=CheckKind.MX, domain__name=domain)
    outcome = Outcome(CheckKind.MX, domain, verdict, (Finding("mx.moved"),))
    record_run(check.pk, outcome, expectation=check.expectation, at=at)


def test_timeline_order(tenant: Tenant, cutover: Cutover, consultant: User, owner: User) -> None:
    now = timezone.now()
    _record(tenant, "northwind.test", Verdict.FAIL, now - timedelta(minutes=8))
    _record(tenant, "northwind.test", Verdict.PASS, now - timedelta(minutes=7))
    go_no_go.name_approvers(cutover, mimecast=consultant, client=owner, by=consultant)
    add_comment(task_of(tenant, GATE), NewComment("Going ahead."), by=owner, side="client")

    assert _entries(cutover) == [
        "northwind.test fail",
        "northwind.test pass",
        "approvers-set",
        "Going ahead.",
    ]


def test_timeline_has_own_entries_only(
    make_tenant: MakeTenant, consultant: User, planned_at: datetime
) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    own = cutover_of(tenant, "inbound", planned_at, "one.test")
    other = cutover_of(tenant, "inbound", planned_at, "two.test")
    later = planned_at + timedelta(days=1)
    change_cutover(
        other,
        later,
        list(other.domains.all()),
        expected_round=other.round,
        by=consultant,
        reason="Agreed.",
    )
    for domain in ("one.test", "two.test"):
        _record(tenant, domain, Verdict.PASS, timezone.now())
    other.refresh_from_db()

    assert _entries(own) == ["one.test pass"]
    assert _entries(other) == ["cutover-changed"]  # Its window is tomorrow.


def test_timeline_skips_old_answers(tenant: Tenant, cutover: Cutover) -> None:
    _record(tenant, "northwind.test", Verdict.FAIL, timezone.now() - timedelta(days=3))

    assert _entries(cutover) == []


def test_timeline_has_earlier_window(tenant: Tenant, cutover: Cutover, consultant: User) -> None:
    save_at_opening(cutover)
    _record(tenant, "northwind.test", Verdict.PASS, cutover.planned_at)
    later = cutover.planned_at + timedelta(days=9)
    domains = list(cutover.domains.all())
    change_cutover(cutover, later, domains, expected_round=1, by=consultant, reason="Agreed.")
    cutover.refresh_from_db()

    assert "northwind.test pass" in _entries(cutover)


def test_timeline_keeps_former_domain(
    make_tenant: MakeTenant, consultant: User, planned_at: datetime
) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    cutover = cutover_of(tenant, "inbound", planned_at - timedelta(hours=5))
    save_at_opening(cutover)
    _record(tenant, "two.test", Verdict.FAIL, planned_at - timedelta(hours=4))
    left = [domain for domain in cutover.domains.all() if domain.name == "one.test"]

    change_cutover(cutover, cutover.planned_at, left, expected_round=1, by=consultant)

    assert "two.test fail" in _entries(cutover)


def test_timeline_has_dry_runs_and_on_call(
    tenant: Tenant, cutover: Cutover, consultant: User
) -> None:
    now = timezone.now()
    save_dry_run(
        cutover, DryRunResult("", [], [], []), started_at=now, now=now, comment="", by=consultant
    )
    person = next(c for c in on_call_candidates(tenant) if c.side == "mimecast")
    add_on_call(cutover, person, phone="+1 555 0100", by=consultant)

    assert _entries(cutover) == ["dry-run-recorded", "on-call-added"]


def test_client_sees_no_internal_note(
    tenant: Tenant, cutover: Cutover, consultant: User, owner: User, signed_in: SignIn
) -> None:
    note = NewComment("They forgot the registrar.", is_internal=True)
    add_comment(task_of(tenant, GATE), note, by=consultant, side="mimecast")
    address = reverse("onboarding:cutover-timeline", args=[tenant.public_id, cutover.public_id])

    page = signed_in(owner).get(address).content.decode()

    assert _entries(cutover, is_staff=False) == []
    assert "They forgot the registrar." in _entries(cutover)
    assert texts(page, ".empty")[0].startswith("No events yet")


def test_timeline_uses_tenant_time_zone(
    make_tenant: MakeTenant, consultant: User, signed_in: SignIn, planned_at: datetime
) -> None:
    tenant = make_tenant(time_zone="America/New_York")
    cutover = cutover_of(tenant, "inbound", planned_at)
    _record(tenant, "northwind.test", Verdict.FAIL, planned_at)
    address = reverse("onboarding:cutover-timeline", args=[tenant.public_id, cutover.public_id])

    page = signed_in(consultant).get(address).content.decode()

    (time, *_) = texts(page, "time")[-1:]
    assert time.endswith(("EST", "EDT"))
    assert "Not the new answer" in page
