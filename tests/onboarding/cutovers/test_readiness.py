"""Readiness rows as pure functions of facts: no database, and a given clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from checks.safe_times import SafeTime
from onboarding.cutovers.blockers import early_window_blockers
from onboarding.cutovers.readiness import (
    ReadinessFacts,
    ReadinessRow,
    current_verdict,
    readiness_rows,
)
from onboarding.plans.proof import ProofSubject
from tests.onboarding.cutovers.readiness_facts import NOW, facts_for, subject_of, task_at

NS3 = "ns3.test (192.0.2.3)"


def _row(facts: ReadinessFacts, key: str) -> ReadinessRow:
    return next(row for row in readiness_rows(facts) if row.key == key)


@pytest.mark.parametrize(
    ("subject", "verdict"),
    [
        (subject_of(CheckKind.OWNERSHIP, "pass"), Verdict.PASS),
        (subject_of(CheckKind.OWNERSHIP, "warn"), Verdict.WARN),
        (subject_of(CheckKind.OWNERSHIP, "fail"), Verdict.FAIL),
        (subject_of(CheckKind.OWNERSHIP, "not_applicable"), Verdict.NOT_APPLICABLE),
        (subject_of(CheckKind.OWNERSHIP, "", newest="fail"), Verdict.UNKNOWN),
        (subject_of(CheckKind.OWNERSHIP, "pass", newest="fail"), Verdict.UNKNOWN),
        (subject_of(CheckKind.OWNERSHIP, "pass", newest="unknown"), Verdict.UNKNOWN),
        (subject_of(CheckKind.OWNERSHIP, "pass", age=timedelta(hours=26)), Verdict.UNKNOWN),
        (subject_of(CheckKind.OWNERSHIP, "fail", newest="unknown"), Verdict.FAIL),
        # A policy has been published since, or may have been.
        (subject_of(CheckKind.OWNERSHIP, "not_applicable", newest="fail"), Verdict.UNKNOWN),
        (
            subject_of(CheckKind.OWNERSHIP, "not_applicable", age=timedelta(hours=26)),
            Verdict.UNKNOWN,
        ),
        (ProofSubject(CheckKind.OWNERSHIP, "one.test", None), Verdict.UNKNOWN),
    ],
)
def test_row_needs_settled_recent_pass(subject: ProofSubject, verdict: Verdict) -> None:
    facts = facts_for("outbound", subjects={CheckKind.OWNERSHIP: [subject]})

    assert _row(facts, "ownership").verdict is verdict


@pytest.mark.parametrize(
    ("settled", "newest", "verdict"),
    [
        ("pass", "warn", Verdict.PASS),
        ("warn", "pass", Verdict.WARN),
        ("pass", "not_applicable", Verdict.UNKNOWN),
        ("not_applicable", "not_applicable", Verdict.NOT_APPLICABLE),
        ("not_applicable", "pass", Verdict.UNKNOWN),
        ("not_applicable", "warn", Verdict.UNKNOWN),
        ("not_applicable", "fail", Verdict.UNKNOWN),
        ("not_applicable", "unknown", Verdict.UNKNOWN),
    ],
)
def test_current_verdict_needs_agreement(settled: str, newest: str, verdict: Verdict) -> None:
    subject = subject_of(CheckKind.MTA_STS, settled, newest=newest)

    assert current_verdict(subject, facts_for("inbound")) is verdict


def test_stale_not_applicable_is_unknown() -> None:
    subject = subject_of(CheckKind.MTA_STS, "not_applicable", age=timedelta(hours=26))

    assert current_verdict(subject, facts_for("inbound")) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("direction", "kind", "key", "verdict"),
    [
        ("inbound", CheckKind.MTA_STS, "mta-sts", Verdict.UNKNOWN),
        ("outbound", CheckKind.SPF, "spf", Verdict.UNKNOWN),
        # Checks that this window does not switch run at their usual interval.
        ("inbound", CheckKind.OWNERSHIP, "ownership", Verdict.PASS),
        ("outbound", CheckKind.OWNERSHIP, "ownership", Verdict.PASS),
    ],
)
def test_open_window_needs_recent_run(
    direction: str, kind: CheckKind, key: str, verdict: Verdict
) -> None:
    subject = subject_of(kind, "pass", age=timedelta(minutes=11))
    facts = facts_for(direction, subjects={kind: [subject]}, is_open=True)

    assert _row(facts, key).verdict is verdict


def test_row_without_domain_is_unknown() -> None:
    assert _row(facts_for("outbound"), "ownership").verdict is Verdict.UNKNOWN
    assert _row(facts_for("inbound"), "ttl").verdict is Verdict.UNKNOWN
    assert _row(facts_for("outbound"), "dmarc").verdict is Verdict.UNKNOWN


def test_worst_domain_decides_row() -> None:
    subjects = [
        subject_of(CheckKind.SPF, "pass", name="one.test"),
        subject_of(CheckKind.SPF, "fail", name="two.test"),
        subject_of(CheckKind.SPF, "fail", name="three.test"),
    ]

    row = _row(facts_for("outbound", subjects={CheckKind.SPF: subjects}), "spf")

    assert (row.verdict, row.check) == (Verdict.FAIL, subjects[1].check)
    assert row.detail == (
        "two.test and three.test: SPF does not allow all of the region's networks."
    )


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        (("dmarc.syntax", "dmarc.organisation-lookup-failed"), Verdict.UNKNOWN),
        (("dmarc.several-records", "dmarc.organisation-lookup-failed"), Verdict.UNKNOWN),
        (("dmarc.almost", "dmarc.could-not-look-above"), Verdict.UNKNOWN),
        (("dmarc.almost", "dmarc.other-name"), Verdict.WARN),
        (("dmarc.syntax", "dmarc.inherited", "dmarc.policy-none"), Verdict.WARN),
        (("dmarc.syntax", "dmarc.inherited", "dmarc.enforces"), Verdict.FAIL),
    ],
)
def test_invalid_dmarc_needs_parent(findings: tuple[str, ...], verdict: Verdict) -> None:
    """The domain may inherit an enforcing policy from a name that did not answer."""
    subject = subject_of(CheckKind.DMARC, "fail", findings=findings)

    row = _row(facts_for("outbound", subjects={CheckKind.DMARC: [subject]}), "dmarc")

    assert (row.verdict, row.is_blocking) == (verdict, verdict is not Verdict.WARN)


@pytest.mark.parametrize(
    ("policy", "spf", "dkim", "verdict"),
    [
        (("dmarc.enforces",), "pass", "pass", Verdict.PASS),
        (("dmarc.enforces",), "pass", "fail", Verdict.FAIL),
        (("dmarc.enforces",), "fail", "pass", Verdict.FAIL),
        (("dmarc.enforces",), "pass", "", Verdict.FAIL),
        (("dmarc.enforces", "dmarc.partial"), "pass", "fail", Verdict.FAIL),
        (("dmarc.enforces", "dmarc.testing"), "fail", "pass", Verdict.FAIL),
        (("dmarc.enforces", "dmarc.partial", "dmarc.testing"), "pass", "pass", Verdict.PASS),
        (("dmarc.policy-none",), "fail", "fail", Verdict.PASS),
        (("dmarc.none",), "", "", Verdict.PASS),
    ],
)
def test_enforcing_dmarc_needs_spf_and_dkim(
    policy: tuple[str, ...], spf: str, dkim: str, verdict: Verdict
) -> None:
    subjects = {
        CheckKind.DMARC: [subject_of(CheckKind.DMARC, "pass", findings=policy)],
        CheckKind.SPF: [subject_of(CheckKind.SPF, spf)],
        CheckKind.DKIM: [subject_of(CheckKind.DKIM, dkim)],
    }

    assert _row(facts_for("outbound", subjects=subjects), "dmarc").verdict is verdict


@pytest.mark.parametrize(("unanimous", "verdict"), [(True, Verdict.WARN), (False, Verdict.UNKNOWN)])
def test_invalid_dmarc_record_is_no_policy(unanimous: bool, verdict: Verdict) -> None:
    subject = subject_of(
        CheckKind.DMARC, "fail", findings=("dmarc.several-records",), unanimous=unanimous
    )

    facts = facts_for("outbound", subjects={CheckKind.DMARC: [subject]})

    assert _row(facts, "dmarc").verdict is verdict


def test_missing_selector_is_caution() -> None:
    facts = facts_for(
        "outbound", subjects={CheckKind.DKIM: [ProofSubject(CheckKind.DKIM, "one.test", None)]}
    )

    assert _row(facts, "dkim").verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("settled", "verdict", "named"),
    [
        ("fail", Verdict.FAIL, "two.test: the key is not published correctly."),
        ("pass", Verdict.UNKNOWN, "one.test: the profile has no selector"),
    ],
)
def test_missing_selector_hides_no_other_key(settled: str, verdict: Verdict, named: str) -> None:
    subjects = [
        ProofSubject(CheckKind.DKIM, "one.test", None),
        subject_of(CheckKind.DKIM, settled, name="two.test"),
    ]

    row = _row(facts_for("outbound", subjects={CheckKind.DKIM: subjects}), "dkim")

    assert (row.verdict, row.is_blocking) == (verdict, True)
    assert row.detail.startswith(named)


@pytest.mark.parametrize(
    ("subject", "detail", "remedy"),
    [
        (
            ProofSubject(CheckKind.OWNERSHIP, "two.test", None),
            "two.test: the profile has no ownership code.",
            "Enter the code that Mimecast issued for two.test in the profile.",
        ),
        (
            subject_of(CheckKind.OWNERSHIP, "pass", name="two.test", age=timedelta(hours=26)),
            "The last check of two.test is too old to count.",
            "Check everything now. If nothing changes, Gangway’s workers are not running.",
        ),
        (
            subject_of(CheckKind.OWNERSHIP, "pass", name="two.test", newest="fail"),
            "Not known for two.test: the check has not settled, or its last run disagreed.",
            "Gangway checks automatically. For an earlier result, check everything now.",
        ),
    ],
)
def test_unknown_row_has_remedy(subject: ProofSubject, detail: str, remedy: str) -> None:
    subjects = [subject_of(CheckKind.OWNERSHIP, "pass"), subject]

    row = _row(facts_for("outbound", subjects={CheckKind.OWNERSHIP: subjects}), "ownership")

    assert (row.verdict, row.detail, row.remedy) == (Verdict.UNKNOWN, detail, remedy)


_SAFE_AT = datetime(2026, 12, 2, 1, 35, tzinfo=UTC)
_SAFE_TIME = SafeTime(
    _SAFE_AT, server=NS3, ttl=21_600, seen_until=datetime(2026, 12, 1, 19, 35, tzinfo=UTC)
)


@pytest.mark.parametrize(
    ("begins", "verdict", "is_blocked"),
    [
        (timedelta(), Verdict.PASS, False),
        (timedelta(seconds=-1), Verdict.FAIL, True),
        (timedelta(hours=1), Verdict.PASS, False),
    ],
)
def test_window_around_safe_time(begins: timedelta, verdict: Verdict, is_blocked: bool) -> None:
    facts = facts_for(
        "inbound", safe_times=[("one.test", _SAFE_TIME)], planned_at=_SAFE_AT + begins
    )

    row = _row(facts, "ttl")

    assert (row.verdict, bool(early_window_blockers(facts))) == (verdict, is_blocked)
    assert row.detail == (
        "Earliest safe cutover: Tue 1 Dec 20:35 EST, because ns3.test (192.0.2.3) published"
        " 21600 s for one.test until Tue 1 Dec 14:35 EST."
    )


@pytest.mark.parametrize(
    ("safe_time", "verdict"),
    [
        (SafeTime(None, pending_servers=(NS3,), silent_servers=(NS3,)), Verdict.UNKNOWN),
        (SafeTime(None, pending_servers=(NS3,)), Verdict.FAIL),
        (SafeTime(None), Verdict.UNKNOWN),
    ],
)
def test_unknown_safe_time_is_not_safe(safe_time: SafeTime, verdict: Verdict) -> None:
    facts = facts_for("inbound", safe_times=[("one.test", _SAFE_TIME), ("two.test", safe_time)])

    row = _row(facts, "ttl")

    assert (row.verdict, bool(early_window_blockers(facts))) == (verdict, True)
    assert row.detail.startswith("two.test: ")


def test_domain_exempt_from_ttl_is_caution() -> None:
    facts = facts_for(
        "inbound",
        safe_times=[("one.test", _SAFE_TIME)],
        planned_at=_SAFE_AT,
        subjects={
            CheckKind.MX: [
                subject_of(CheckKind.MX, "fail"),
                subject_of(CheckKind.MX, "fail", name="two.test"),
            ],
            CheckKind.MX_TTL: [subject_of(CheckKind.MX_TTL, "pass")],
        },
    )

    row = _row(facts, "ttl")

    assert row.verdict is Verdict.WARN
    assert row.detail.endswith(
        "Without a lower TTL: two.test. Caches use the old answer until it expires."
    )


def test_switched_domain_delays_no_other() -> None:
    """A domain that used Mimecast before, and every domain after the switch."""
    moved = SafeTime(_SAFE_AT + timedelta(days=9), server=NS3, ttl=86_400, is_moved=True)

    some = facts_for(
        "inbound", safe_times=[("a.test", moved), ("b.test", _SAFE_TIME)], planned_at=_SAFE_AT
    )
    every = facts_for("inbound", safe_times=[("a.test", moved)], planned_at=_SAFE_AT)

    assert _row(some, "ttl").verdict is Verdict.PASS
    assert _row(every, "ttl").detail == "Every domain has switched already."
    assert (early_window_blockers(some), early_window_blockers(every)) == ([], [])


def test_assumed_ttl_is_shown() -> None:
    safe_time = SafeTime(_SAFE_AT, server=NS3, ttl=86_400, seen_until=NOW, is_assumed=True)

    row = _row(facts_for("inbound", safe_times=[("one.test", safe_time)]), "ttl")

    assert "is not known, so a TTL of 86400 s is assumed" in row.detail


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("done", Verdict.PASS),
        ("verified", Verdict.PASS),
        ("accepted_risk", Verdict.WARN),
        ("awaiting_verification", Verdict.UNKNOWN),
        ("todo", Verdict.FAIL),
        ("partly_confirmed", Verdict.FAIL),
        ("regressed", Verdict.FAIL),
        ("not_applicable", Verdict.NOT_APPLICABLE),
    ],
)
def test_routes_row_by_task_status(status: str, verdict: Verdict) -> None:
    task = task_at("inbound-delivery-routes", status)

    row = _row(facts_for("outbound", tasks={task.key: task}), "routes")

    assert (row.title, row.verdict, row.remedy == "") == (
        "Bounce return path works",
        verdict,
        verdict not in (Verdict.FAIL, Verdict.UNKNOWN),
    )


@pytest.mark.parametrize(
    ("statuses", "verdict", "decisive"),
    [
        (("done", "todo"), Verdict.FAIL, 1),
        (("todo", "done"), Verdict.FAIL, 0),
        (("done", "awaiting_verification"), Verdict.UNKNOWN, 1),
        (("accepted_risk", "done"), Verdict.WARN, 0),
        (("not_applicable", "todo"), Verdict.FAIL, 1),
        (("not_applicable", "done"), Verdict.PASS, 1),
    ],
)
def test_worst_task_decides_row(statuses: tuple[str, str], verdict: Verdict, decisive: int) -> None:
    keys = ("forwarding-addresses", "tls-requirements")
    tasks = [task_at(key, status) for key, status in zip(keys, statuses, strict=True)]

    row = _row(facts_for("outbound", tasks={task.key: task for task in tasks}), "signed")

    assert (row.verdict, row.task) == (verdict, tasks[decisive])
    assert row.detail.startswith(f"{keys[decisive]}: ")


@pytest.mark.parametrize(
    ("begins", "verdict"),
    [(timedelta(days=3), Verdict.PASS), (timedelta(days=3, seconds=-1), Verdict.FAIL)],
)
def test_inbound_waits_for_outbound_days(begins: timedelta, verdict: Verdict) -> None:
    task = task_at("outbound-cutover", "verified", verified_at=NOW)
    facts = facts_for("inbound", tasks={task.key: task}, planned_at=NOW + begins)

    assert _row(facts, "outbound").verdict is verdict


def test_accepted_fewer_days_are_caution() -> None:
    outbound = task_at("outbound-cutover", "verified", verified_at=NOW)
    wait = task_at(
        "outbound-days",
        "accepted_risk",
        wait_after="outbound-cutover",
        status_reason="Contract ends.",
    )
    tasks = {task.key: task for task in (outbound, wait)}

    row = _row(facts_for("inbound", tasks=tasks, planned_at=NOW + timedelta(days=1)), "outbound")

    assert (row.verdict, row.detail) == (
        Verdict.WARN,
        "Fewer days were accepted: “Contract ends.”",
    )


def test_days_not_needed_are_caution() -> None:
    outbound = task_at("outbound-cutover", "verified", verified_at=NOW)
    wait = task_at(
        "outbound-days",
        "not_applicable",
        wait_after="outbound-cutover",
        manual_status="not_needed",
        status_reason="Mail is moved at once.",
    )
    tasks = {task.key: task for task in (outbound, wait)}

    row = _row(facts_for("inbound", tasks=tasks, planned_at=NOW + timedelta(days=1)), "outbound")

    assert (row.verdict, row.detail) == (
        Verdict.WARN,
        "The outbound days do not apply: “Mail is moved at once.”",
    )


def test_inbound_before_outbound_fails() -> None:
    task = task_at("outbound-cutover", "todo")

    row = _row(facts_for("inbound", tasks={task.key: task}), "outbound")

    assert (row.verdict, row.remedy) == (
        Verdict.FAIL,
        "Do the outbound cutover first, and let it run for 3 days.",
    )


def test_exempt_domains_only_are_caution() -> None:
    facts = facts_for("inbound", subjects={CheckKind.MX: [subject_of(CheckKind.MX, "")]})

    row = _row(facts, "ttl")

    assert (row.verdict, row.is_blocking) == (Verdict.WARN, False)
    assert row.detail.startswith("None of these domains has to lower its TTL.")
