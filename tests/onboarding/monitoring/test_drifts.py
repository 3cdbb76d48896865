"""Drifts after go-live: their opening, their closing, and answers that change nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict
from checks.expectations import sync_checks
from checks.models import Check
from checks.services import record_run
from onboarding.errors import OnboardingError
from onboarding.lifecycle.tasks import reconcile
from onboarding.models import Drift, Monitoring, TaskStatus
from onboarding.monitoring import drifts
from onboarding.monitoring.baseline import monitoring_status
from onboarding.monitoring.drift_rules import (
    DriftContext,
    DriftState,
    changed_fields,
    evaluate_drift,
)
from onboarding.monitoring.tasks import update_drifts
from onboarding.plans.current_state import drift_counts
from onboarding.plans.services import exempt_domain
from tenants.models import ActivityLine, Domain, Tenant, User
from tests.cutovers import cutover_of
from tests.factories import START, HostRow, MakeTenant, RunCheck, task_of

pytestmark = pytest.mark.usefixtures("fixed_monday")

DAY = 24 * 60
FAIL_MINUTES = (DAY, DAY + 5, DAY + 11)
RecordRuns = Callable[..., None]


@pytest.fixture
def live(tenant: Tenant, run_check: RunCheck) -> Tenant:
    """A tenant whose inbound cutover was verified at START."""
    for kind in (CheckKind.SPF, CheckKind.MTA_STS):
        run_check(tenant, kind, Verdict.PASS, minutes=-60)
    run_check(tenant, CheckKind.MX, Verdict.PASS)
    return tenant


@pytest.fixture
def fail(run_check: RunCheck) -> RecordRuns:
    """Runs that settle on FAIL, one day after go-live or `later` minutes after that."""

    def settle(tenant: Tenant, kind: CheckKind, code: str = "mx.leftover", later: int = 0) -> None:
        for minute in FAIL_MINUTES:
            run_check(tenant, kind, Verdict.FAIL, code=code, minutes=minute + later)

    return settle


def _open(tenant: Tenant) -> list[str]:
    return list(Drift.objects.filter(tenant=tenant, closed_at=None).values_list("kind", flat=True))


def _actions(tenant: Tenant, *of: str) -> list[str]:
    lines = ActivityLine.objects.filter(tenant=tenant, action__in=of).order_by("number")
    return list(lines.values_list("action", flat=True))


def test_monitoring_starts_at_verified_cutover(live: Tenant) -> None:
    monitoring = Monitoring.objects.get(tenant=live)

    assert (monitoring.started_at, monitoring.reason) == (START, "cutover")
    assert monitoring_status(live).started_at is not None
    assert not drift_counts([live])
    assert _actions(live, "monitoring-started") == ["monitoring-started"]


def test_no_drift_before_go_live(tenant: Tenant, run_check: RunCheck, fail: RecordRuns) -> None:
    run_check(tenant, CheckKind.SPF, Verdict.PASS)

    fail(tenant, CheckKind.SPF, "spf.none")

    assert (monitoring_status(tenant).started_at, _open(tenant)) == (None, [])


def test_open_window_is_not_go_live(tenant: Tenant, run_check: RunCheck) -> None:
    cutover_of(tenant, "inbound", START)

    drifts_at = START + timedelta(hours=1)
    run_check(tenant, CheckKind.MX, Verdict.PASS)
    Monitoring.objects.all().delete()
    drifts.update_for_tenant(tenant, now=drifts_at)
    assert not Monitoring.objects.exists()

    drifts.update_for_tenant(tenant, now=START + timedelta(hours=5))
    assert Monitoring.objects.get().started_at == START


def test_monitoring_starts_after_the_window_without_a_run(
    tenant: Tenant, run_check: RunCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run with an unchanged answer has no reaction, so the beat starts the monitoring."""
    cutover_of(tenant, "inbound", START)
    in_window, later = START + timedelta(hours=1), START + timedelta(minutes=245)
    monkeypatch.setattr(timezone, "now", lambda: in_window)
    run_check(tenant, CheckKind.MX, Verdict.PASS)
    update_drifts()
    assert not Monitoring.objects.exists()

    monkeypatch.setattr(timezone, "now", lambda: later)
    update_drifts()
    assert Monitoring.objects.get().started_at == START


def test_port_that_stays_open_after_a_window_is_drift_without_a_run(
    make_tenant: MakeTenant,
    run_check: RunCheck,
    fail: RecordRuns,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.CHECKS_CONTROL_TARGET = ("control.test", 25)
    tenant = make_tenant(platform="on_premises", hosts=(HostRow("delivery", "mail.one.test", 25),))
    run_check(tenant, CheckKind.MX, Verdict.PASS)
    run_check(tenant, CheckKind.LOCKDOWN, Verdict.PASS, minutes=5)
    window = START + timedelta(minutes=DAY - 30)
    cutover_of(tenant, "inbound", window, "one.test")
    monkeypatch.setattr(timezone, "now", lambda: window + timedelta(minutes=30))
    fail(tenant, CheckKind.LOCKDOWN, "lockdown.open")
    assert _open(tenant) == []

    monkeypatch.setattr(timezone, "now", lambda: window + timedelta(minutes=245))
    update_drifts()

    assert _open(tenant) == ["port_reopened"]


def test_settled_leftover_mx_is_one_drift(
    live: Tenant, fail: RecordRuns, run_check: RunCheck
) -> None:
    fail(live, CheckKind.MX)
    run_check(live, CheckKind.MX, Verdict.FAIL, code="mx.leftover", minutes=DAY + 60)

    drift = Drift.objects.get()
    check = Check.objects.get(tenant=live, kind=CheckKind.MX)
    assert (drift.kind, drift.subject, drift.observation) == (
        "leftover_mx",
        "northwind.test",
        check.latest,
    )
    assert [found["code"] for found in drift.findings] == ["mx.leftover"]
    assert task_of(live, "mx-record-cutover").status == TaskStatus.REGRESSED
    assert _actions(live, "drift-opened") == ["drift-opened"]


@pytest.mark.parametrize("minutes", [(DAY,), (DAY, DAY + 5), (DAY, DAY + 1, DAY + 2)])
def test_unsettled_fails_open_no_drift(
    live: Tenant, run_check: RunCheck, minutes: tuple[int, ...]
) -> None:
    for minute in minutes:
        run_check(live, CheckKind.MX, Verdict.FAIL, code="mx.leftover", minutes=minute)

    assert _open(live) == []


def test_unknown_changes_no_drift(live: Tenant, fail: RecordRuns, run_check: RunCheck) -> None:
    for minute in FAIL_MINUTES:
        run_check(live, CheckKind.SPF, Verdict.UNKNOWN, minutes=minute, unanimous=False)
    assert _open(live) == []

    fail(live, CheckKind.MX)
    for later in (30, 60, 90):
        run_check(live, CheckKind.MX, Verdict.UNKNOWN, minutes=DAY + later, unanimous=False)
    run_check(live, CheckKind.MX, Verdict.PASS, minutes=DAY + 100, unanimous=False)
    assert _open(live) == ["leftover_mx"]


def test_settled_pass_closes_drift(live: Tenant, fail: RecordRuns, run_check: RunCheck) -> None:
    fail(live, CheckKind.MX)
    run_check(live, CheckKind.MX, Verdict.PASS, minutes=DAY + 60)

    closed = Drift.objects.get()
    assert (closed.resolution, closed.resolving_observation) == (
        "resolved",
        Check.objects.get(tenant=live, kind=CheckKind.MX).latest,
    )

    fail(live, CheckKind.MX, later=120)
    assert Drift.objects.count() == 2
    assert _open(live) == ["leftover_mx"]


def test_fail_at_go_live_is_no_drift(tenant: Tenant, run_check: RunCheck, fail: RecordRuns) -> None:
    run_check(tenant, CheckKind.SPF, Verdict.PASS)
    fail(tenant, CheckKind.SPF, "spf.none")

    run_check(tenant, CheckKind.MX, Verdict.PASS, minutes=2 * DAY)
    run_check(tenant, CheckKind.SPF, Verdict.FAIL, code="spf.none", minutes=2 * DAY + 1)

    assert Monitoring.objects.exists()
    assert _open(tenant) == []


def test_never_verified_is_no_drift(live: Tenant, fail: RecordRuns) -> None:
    Check.objects.filter(tenant=live, kind=CheckKind.SPF).update(
        first_verified_at=None, settled_verdict=""
    )

    fail(live, CheckKind.SPF, "spf.none")

    assert _open(live) == []


@pytest.mark.parametrize(
    ("kind", "code", "drift"),
    [
        (CheckKind.SPF, "spf.no-network-passes", "include_gone"),
        (CheckKind.DKIM, "dkim.none", "key_gone"),
    ],
)
def test_drift_kind_by_check(
    live: Tenant, run_check: RunCheck, fail: RecordRuns, kind: CheckKind, code: str, drift: str
) -> None:
    live.domains.update(dkim_selectors="mimecast")
    sync_checks(live)
    run_check(live, kind, Verdict.PASS, minutes=-30)

    fail(live, kind, code)

    assert _open(live) == [drift]


def test_reopened_port_is_drift(
    make_tenant: MakeTenant, run_check: RunCheck, fail: RecordRuns, settings: Any
) -> None:
    settings.CHECKS_CONTROL_TARGET = ("control.test", 25)
    tenant = make_tenant(platform="on_premises", hosts=(HostRow("delivery", "mail.one.test", 25),))
    run_check(tenant, CheckKind.MX, Verdict.PASS)
    # A port that is opened for another domain's window must close after it.
    cutover_of(tenant, "inbound", START + timedelta(days=3), "one.test")
    fail(tenant, CheckKind.LOCKDOWN, "lockdown.open")
    assert _open(tenant) == []

    run_check(tenant, CheckKind.LOCKDOWN, Verdict.PASS, minutes=2 * DAY)
    fail(tenant, CheckKind.LOCKDOWN, "lockdown.open", later=2 * DAY)

    assert list(Drift.objects.values_list("kind", "subject")) == [
        ("port_reopened", "mail.one.test:25")
    ]


def test_enforcing_policy_without_mx_is_drift(
    live: Tenant, fail: RecordRuns, run_check: RunCheck
) -> None:
    fail(live, CheckKind.MTA_STS, "mta-sts.policy-syntax")
    assert _open(live) == []

    run_check(live, CheckKind.MTA_STS, Verdict.FAIL, code="mta-sts.not-permitted", minutes=2 * DAY)
    assert _open(live) == ["mta_sts_narrowed"]

    for later in (0, 5, 11):
        minute = 3 * DAY + later
        run_check(
            live, CheckKind.MTA_STS, Verdict.NOT_APPLICABLE, code="mta-sts.none", minutes=minute
        )
    assert _open(live) == []


def test_policy_of_unswitched_domain_is_no_drift(
    make_tenant: MakeTenant, run_check: RunCheck
) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    run_check(tenant, CheckKind.MX, Verdict.PASS, subject="one.test")
    Monitoring.objects.create(tenant=tenant, started_at=START, reason="closed")
    run_check(tenant, CheckKind.MTA_STS, Verdict.PASS, subject="two.test", minutes=1)

    for minute in FAIL_MINUTES:
        code = "mta-sts.not-permitted"
        run_check(
            tenant, CheckKind.MTA_STS, Verdict.FAIL, subject="two.test", code=code, minutes=minute
        )

    assert _open(tenant) == []

    # The switch makes the policy a drift, although its own check has no new answer.
    run_check(tenant, CheckKind.MX, Verdict.PASS, subject="two.test", minutes=2 * DAY)
    assert _open(tenant) == ["mta_sts_narrowed"]


@pytest.fixture
def ttl(django_capture_on_commit_callbacks: Any) -> RecordRuns:
    """Record a run of the MX TTL check with these TTLs at the domain's servers."""

    def record(tenant: Tenant, *ttls: int, minutes: int) -> None:
        check = Check.objects.get(tenant=tenant, kind=CheckKind.MX_TTL)
        rows = [
            {
                "name": f"ns{n}.test",
                "address": "192.0.2.1",
                "status": "records",
                "values": [],
                "ttl": ttl,
            }
            for n, ttl in enumerate(ttls)
        ]
        evidence = {"servers": rows, "threshold": 300, "highest_ttl": max(ttls)}
        found = (Finding("mx-ttl.moved", {"ttl": max(ttls)}),) if max(ttls) > 300 else ()
        outcome = Outcome(CheckKind.MX_TTL, "northwind.test", Verdict.PASS, found, evidence)
        with django_capture_on_commit_callbacks(execute=True):
            record_run(
                check.pk,
                outcome,
                expectation=check.expectation,
                at=START + timedelta(minutes=minutes),
            )

    return record


def _update_drift(tenant: Tenant, *, days: int) -> None:
    drifts.update_for_tenant(tenant, now=START + timedelta(days=days))


def test_lasting_low_ttl_is_drift(live: Tenant, ttl: RecordRuns) -> None:
    ttl(live, 300, 300, minutes=DAY)
    ttl(live, 300, 300, minutes=2 * DAY)
    _update_drift(live, days=13)
    assert _open(live) == []

    _update_drift(live, days=14)
    assert _open(live) == ["ttl_low"]

    ttl(live, 3600, 300, minutes=15 * DAY)
    assert _open(live) == ["ttl_low"]

    ttl(live, 3600, 7200, minutes=16 * DAY)
    assert _open(live) == []


def test_low_ttl_without_mx_is_no_drift(live: Tenant, ttl: RecordRuns, fail: RecordRuns) -> None:
    ttl(live, 60, minutes=DAY)
    ttl(live, 60, minutes=2 * DAY)
    fail(live, CheckKind.MX)

    _update_drift(live, days=20)

    assert _open(live) == ["leftover_mx"]


def test_region_change_is_drift_until_accepted(live: Tenant, consultant: User) -> None:
    before = live.region_values.spf_ip4
    Tenant.objects.filter(pk=live.pk).update(
        region_overrides={"spf_ip4": [*before[1:], "192.0.2.0/24"]}
    )
    live.refresh_from_db()

    drifts.update_for_tenant(live)
    drifts.update_for_tenant(live)

    drift = Drift.objects.get()
    assert (drift.kind, drift.findings) == (
        "region_changed",
        [{"field": "SPF ranges", "removed": [before[0]], "added": ["192.0.2.0/24"]}],
    )
    with pytest.raises(OnboardingError, match="Enter the change"):
        drifts.accept_region_change(drift, by=consultant, reason=" ")

    drifts.accept_region_change(drift, by=consultant, reason="Jo opened the new range.")
    drifts.update_for_tenant(live)

    drift = Drift.objects.get()
    assert (drift.resolution, drift.resolved_by) == ("applied", consultant)


def test_restored_region_values_close_drift(live: Tenant) -> None:
    Tenant.objects.filter(pk=live.pk).update(region_overrides={"spf_include": "eu.example.test"})
    drifts.update_for_tenant(Tenant.objects.get(pk=live.pk))
    assert _open(live) == ["region_changed"]

    Tenant.objects.filter(pk=live.pk).update(region_overrides={})
    drifts.update_for_tenant(Tenant.objects.get(pk=live.pk))

    assert Drift.objects.get().resolution == "resolved"
    assert changed_fields({"mx": []}, {"mx": ["a.test"]}) == []
    assert changed_fields({"mx": ["a.test"]}, {"mx": []}) == []


def test_removed_domain_closes_drift(live: Tenant, fail: RecordRuns) -> None:
    fail(live, CheckKind.SPF, "spf.none")
    live.domains.update(role="parked")
    sync_checks(live)

    drifts.update_for_tenant(live)

    assert Drift.objects.get().resolution == "unmonitored"


def test_completed_plan_stays_and_drifts(live: Tenant, fail: RecordRuns) -> None:
    Tenant.objects.filter(pk=live.pk).update(closed_at=START, completed_at=START)

    reconcile()
    fail(live, CheckKind.MX)

    assert task_of(live, "mx-record-cutover").status == TaskStatus.VERIFIED
    assert _open(live) == ["leftover_mx"]


def test_exempt_domain_does_not_drift(live: Tenant, fail: RecordRuns, consultant: User) -> None:
    domain = live.domains.get()
    Domain.objects.create(tenant=live, name="second.test", role=Domain.Role.SECONDARY)
    exempt_domain(task_of(live, "mx-record-cutover"), domain, by=consultant, reason="Parked.")

    fail(live, CheckKind.MX)

    assert _open(live) == []


def test_mute_applies_to_next_drift(
    live: Tenant, fail: RecordRuns, run_check: RunCheck, consultant: User
) -> None:
    fail(live, CheckKind.MX)
    until = START + timedelta(days=900)
    drifts.mute(Drift.objects.get(), by=consultant, until=until)
    run_check(live, CheckKind.MX, Verdict.PASS, minutes=DAY + 60)
    with pytest.raises(OnboardingError, match="closed already"):
        drifts.acknowledge(Drift.objects.get(), by=consultant, reason="Seen.")

    fail(live, CheckKind.MX, later=120)

    assert Drift.objects.get(closed_at=None).muted_until == until


def test_fail_with_newer_answer_is_no_drift(live: Tenant, fail: RecordRuns) -> None:
    fail(live, CheckKind.SPF, "spf.none")
    check = Check.objects.select_related("latest").get(tenant=live, kind=CheckKind.SPF)
    context = DriftContext(since=START, now=START, ttl_after=timedelta(0))
    assert evaluate_drift(check, context) is DriftState.DRIFTED

    assert check.latest is not None
    check.latest.verdict = Verdict.UNKNOWN.value
    assert evaluate_drift(check, context) is DriftState.UNKNOWN
