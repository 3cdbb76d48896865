"""A cutover's own record: in order, its own alone, and without what a reader may not see."""

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
from onboarding.cutovers.snapshots import take_at_opening
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


def _told(cutover: Cutover, *, is_staff: bool = True) -> list[str]:
    return [_word(e) for e in build_timeline(cutover, _tasks(cutover), is_staff=is_staff)]


def _tasks(cutover: Cutover) -> list[Task]:
    return [task_of(cutover.plan.tenant, GATE)]


def _word(entry: TimelineEntry) -> str:
    if entry.line is not None:
        return entry.line.action
    if entry.comment is not None:
        return entry.comment.body
    assert entry.observation is not None
    return f"{entry.observation.check_asked.subject} {entry.observation.verdict}"


def _see(tenant: Tenant, domain: str, verdict: Verdict, at: datetime) -> None:
    check = Check.objects.get(tenant=tenant, kind=CheckKind.MX, domain__name=domain)
    outcome = Outcome(CheckKind.MX, domain, verdict, (Finding("mx.moved"),))
    record_run(check.pk, outcome, expectation=check.expectation, at=at)


def test_what_was_decided_said_and_seen_stands_in_its_order(
    tenant: Tenant, cutover: Cutover, consultant: User, owner: User
) -> None:
    now = timezone.now()
    _see(tenant, "northwind.test", Verdict.FAIL, now - timedelta(minutes=8))
    _see(tenant, "northwind.test", Verdict.PASS, now - timedelta(minutes=7))
    go_no_go.name_approvers(cutover, mimecast=consultant, client=owner, by=consultant)
    add_comment(task_of(tenant, GATE), NewComment("Going ahead."), by=owner, side="client")

    assert _told(cutover) == [
        "northwind.test fail",
        "northwind.test pass",
        "approvers-set",
        "Going ahead.",
    ]


def test_it_is_its_own_domains_and_its_own_decisions_alone(
    make_tenant: MakeTenant, consultant: User, planned_at: datetime
) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    own = cutover_of(tenant, "inbound", planned_at, "one.test")
    other = cutover_of(tenant, "inbound", planned_at, "two.test")
    later = planned_at + timedelta(days=1)
    change_cutover(
        other, later, list(other.domains.all()), expected_round=other.round, by=consultant
    )
    for domain in ("one.test", "two.test"):
        _see(tenant, domain, Verdict.PASS, timezone.now())
    other.refresh_from_db()

    assert _told(own) == ["one.test pass"]
    assert _told(other) == ["cutover-changed"]  # its window is tomorrow


def test_answers_of_long_before_the_window_are_not_of_the_cutover(
    tenant: Tenant, cutover: Cutover
) -> None:
    _see(tenant, "northwind.test", Verdict.FAIL, timezone.now() - timedelta(days=3))

    assert _told(cutover) == []


def test_an_evening_that_was_tried_before_is_of_the_record_too(
    tenant: Tenant, cutover: Cutover, consultant: User
) -> None:
    take_at_opening(cutover)
    _see(tenant, "northwind.test", Verdict.PASS, cutover.planned_at)
    later = cutover.planned_at + timedelta(days=9)
    change_cutover(cutover, later, list(cutover.domains.all()), expected_round=1, by=consultant)
    cutover.refresh_from_db()

    assert "northwind.test pass" in _told(cutover)


def test_a_domain_that_was_given_to_another_cutover_stays_on_the_evenings_record(
    make_tenant: MakeTenant, consultant: User, planned_at: datetime
) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    cutover = cutover_of(tenant, "inbound", planned_at - timedelta(hours=5))
    take_at_opening(cutover)
    _see(tenant, "two.test", Verdict.FAIL, planned_at - timedelta(hours=4))
    left = [domain for domain in cutover.domains.all() if domain.name == "one.test"]

    change_cutover(cutover, cutover.planned_at, left, expected_round=1, by=consultant)

    assert "two.test fail" in _told(cutover)


def test_rehearsals_and_people_on_call_are_of_the_record(
    tenant: Tenant, cutover: Cutover, consultant: User
) -> None:
    now = timezone.now()
    save_dry_run(
        cutover, DryRunResult("", [], [], []), started_at=now, now=now, comment="", by=consultant
    )
    person = next(c for c in on_call_candidates(tenant) if c.side == "mimecast")
    add_on_call(cutover, person, phone="+1 555 0100", by=consultant)

    assert _told(cutover) == ["dry-run-recorded", "on-call-added"]


def test_a_client_reads_no_internal_note_in_it(
    tenant: Tenant, cutover: Cutover, consultant: User, owner: User, signed_in: SignIn
) -> None:
    note = NewComment("They forgot the registrar.", is_internal=True)
    add_comment(task_of(tenant, GATE), note, by=consultant, side="mimecast")
    address = reverse("onboarding:cutover-timeline", args=[tenant.public_id, cutover.public_id])

    page = signed_in(owner).get(address).content.decode()

    assert _told(cutover, is_staff=False) == []
    assert "They forgot the registrar." in _told(cutover)
    assert texts(page, ".empty")[0].startswith("No events yet")


def test_the_page_says_each_thing_to_the_second_in_the_tenants_time(
    make_tenant: MakeTenant, consultant: User, signed_in: SignIn, planned_at: datetime
) -> None:
    tenant = make_tenant(time_zone="America/New_York")
    cutover = cutover_of(tenant, "inbound", planned_at)
    _see(tenant, "northwind.test", Verdict.FAIL, planned_at)
    address = reverse("onboarding:cutover-timeline", args=[tenant.public_id, cutover.public_id])

    page = signed_in(consultant).get(address).content.decode()

    (moment, *_) = texts(page, "time")[-1:]
    assert moment.endswith(("EST", "EDT"))
    assert "Not the new answer" in page
