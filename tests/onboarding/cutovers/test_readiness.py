"""Readiness rows, as arithmetic over facts: no database, no clock but the one handed in."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from checks.safe_times import SafeTime
from onboarding.cutovers.blockers import early_window_blockers
from onboarding.cutovers.conflicts import ConflictContext, find_conflicts
from onboarding.cutovers.readiness import ReadinessFacts, ReadinessRow, readiness_rows
from onboarding.models import Cutover, Plan
from onboarding.plans.business_time import Calendar
from onboarding.plans.proof import ProofSubject
from tenants.models import Domain, Tenant
from tests.onboarding.cutovers.readiness_facts import NOW, room_facts, subject_of, task_at

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
        # A policy that was published since, or may have been.
        (subject_of(CheckKind.OWNERSHIP, "not_applicable", newest="fail"), Verdict.UNKNOWN),
        (
            subject_of(CheckKind.OWNERSHIP, "not_applicable", age=timedelta(hours=26)),
            Verdict.UNKNOWN,
        ),
        (ProofSubject(CheckKind.OWNERSHIP, "one.test", None), Verdict.UNKNOWN),
    ],
)
def test_only_a_settled_yes_that_still_holds_is_green(
    subject: ProofSubject, verdict: Verdict
) -> None:
    facts = room_facts("outbound", subjects={CheckKind.OWNERSHIP: [subject]})

    assert _row(facts, "ownership").verdict is verdict


@pytest.mark.parametrize(
    ("direction", "kind", "key", "verdict"),
    [
        ("inbound", CheckKind.MTA_STS, "mta-sts", Verdict.UNKNOWN),
        ("outbound", CheckKind.SPF, "spf", Verdict.UNKNOWN),
        # What this window does not switch is looked at as often as ever.
        ("inbound", CheckKind.OWNERSHIP, "ownership", Verdict.PASS),
        ("outbound", CheckKind.OWNERSHIP, "ownership", Verdict.PASS),
    ],
)
def test_in_an_open_window_an_answer_of_before_is_none(
    direction: str, kind: CheckKind, key: str, verdict: Verdict
) -> None:
    seen = subject_of(kind, "pass", age=timedelta(minutes=11))
    facts = room_facts(direction, subjects={kind: [seen]}, is_open=True)

    assert _row(facts, key).verdict is verdict


def test_no_domain_at_all_is_never_ready() -> None:
    assert _row(room_facts("outbound"), "ownership").verdict is Verdict.UNKNOWN
    assert _row(room_facts("inbound"), "ttl").verdict is Verdict.UNKNOWN
    assert _row(room_facts("outbound"), "dmarc").verdict is Verdict.UNKNOWN


def test_the_worst_domain_decides_and_is_named() -> None:
    subjects = [
        subject_of(CheckKind.SPF, "pass", name="one.test"),
        subject_of(CheckKind.SPF, "fail", name="two.test"),
        subject_of(CheckKind.SPF, "fail", name="three.test"),
    ]

    row = _row(room_facts("outbound", subjects={CheckKind.SPF: subjects}), "spf")

    assert (row.verdict, row.check) == (Verdict.FAIL, subjects[1].check)
    assert row.detail == (
        "two.test and three.test: SPF does not let all of the region's networks send."
    )


@pytest.mark.parametrize(
    ("policy", "spf", "dkim", "verdict"),
    [
        (("dmarc.enforces",), "pass", "pass", Verdict.PASS),
        (("dmarc.enforces",), "pass", "fail", Verdict.FAIL),
        (("dmarc.enforces",), "fail", "pass", Verdict.FAIL),
        (("dmarc.enforces",), "pass", "", Verdict.FAIL),
        (("dmarc.policy-none",), "fail", "fail", Verdict.PASS),
        (("dmarc.none",), "", "", Verdict.PASS),
    ],
)
def test_an_enforcing_policy_wants_spf_and_dkim_first(
    policy: tuple[str, ...], spf: str, dkim: str, verdict: Verdict
) -> None:
    subjects = {
        CheckKind.DMARC: [subject_of(CheckKind.DMARC, "pass", findings=policy)],
        CheckKind.SPF: [subject_of(CheckKind.SPF, spf)],
        CheckKind.DKIM: [subject_of(CheckKind.DKIM, dkim)],
    }

    assert _row(room_facts("outbound", subjects=subjects), "dmarc").verdict is verdict


@pytest.mark.parametrize(("unanimous", "verdict"), [(True, Verdict.WARN), (False, Verdict.UNKNOWN)])
def test_a_broken_policy_is_none_unless_servers_differ(unanimous: bool, verdict: Verdict) -> None:
    seen = subject_of(
        CheckKind.DMARC, "fail", findings=("dmarc.several-records",), unanimous=unanimous
    )

    facts = room_facts("outbound", subjects={CheckKind.DMARC: [seen]})

    assert _row(facts, "dmarc").verdict is verdict


def test_a_sender_without_a_selector_is_a_caution() -> None:
    facts = room_facts(
        "outbound", subjects={CheckKind.DKIM: [ProofSubject(CheckKind.DKIM, "one.test", None)]}
    )

    assert _row(facts, "dkim").verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("subject", "words", "remedy"),
    [
        (
            ProofSubject(CheckKind.OWNERSHIP, "two.test", None),
            "two.test: no ownership code is on record.",
            "Enter in the profile the code that Mimecast issued for two.test.",
        ),
        (
            subject_of(CheckKind.OWNERSHIP, "pass", name="two.test", age=timedelta(hours=26)),
            "Nobody has looked at two.test lately, so what was seen does not count as of now.",
            "Check everything now. If nothing comes of that, Gangway’s workers are not running.",
        ),
        (
            subject_of(CheckKind.OWNERSHIP, "pass", name="two.test", newest="fail"),
            "It could not be told for two.test: nothing is settled, or the newest look did not"
            " agree.",
            "We go on looking. Check everything now if you cannot wait.",
        ),
    ],
)
def test_what_is_not_known_says_what_would_make_it_so(
    subject: ProofSubject, words: str, remedy: str
) -> None:
    subjects = [subject_of(CheckKind.OWNERSHIP, "pass"), subject]

    row = _row(room_facts("outbound", subjects={CheckKind.OWNERSHIP: subjects}), "ownership")

    assert (row.verdict, row.detail, row.remedy) == (Verdict.UNKNOWN, words, remedy)


_SAFE_AT = datetime(2026, 12, 2, 1, 35, tzinfo=UTC)
_SAFE_TIME = SafeTime(
    _SAFE_AT, server=NS3, ttl=21_600, seen_until=datetime(2026, 12, 1, 19, 35, tzinfo=UTC)
)


@pytest.mark.parametrize(
    ("begins", "verdict", "words"),
    [
        (timedelta(), Verdict.PASS, False),
        (timedelta(seconds=-1), Verdict.FAIL, True),
        (timedelta(hours=1), Verdict.PASS, False),
    ],
)
def test_a_window_is_held_against_the_clock_to_the_second(
    begins: timedelta, verdict: Verdict, words: bool
) -> None:
    facts = room_facts(
        "inbound", safe_times=[("one.test", _SAFE_TIME)], planned_at=_SAFE_AT + begins
    )

    row = _row(facts, "ttl")

    assert (row.verdict, bool(early_window_blockers(facts))) == (verdict, words)
    assert row.detail == (
        "Earliest safe cutover: Tue 1 Dec 20:35 EST, because ns3.test (192.0.2.3) gave out"
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
def test_a_clock_that_does_not_run_is_never_safe(safe_time: SafeTime, verdict: Verdict) -> None:
    facts = room_facts("inbound", safe_times=[("one.test", _SAFE_TIME), ("two.test", safe_time)])

    row = _row(facts, "ttl")

    assert (row.verdict, bool(early_window_blockers(facts))) == (verdict, True)
    assert row.detail.startswith("two.test: ")


def test_a_domain_that_no_clock_tells_of_is_a_caution() -> None:
    facts = room_facts(
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
    assert row.detail.endswith("Of two.test no lower TTL is asked: caches keep what they hold.")


def test_what_has_moved_already_keeps_no_switch_waiting() -> None:
    """A domain that was at Mimecast before, and after the evening every one."""
    moved = SafeTime(_SAFE_AT + timedelta(days=9), server=NS3, ttl=86_400, is_moved=True)

    some = room_facts(
        "inbound", safe_times=[("a.test", moved), ("b.test", _SAFE_TIME)], planned_at=_SAFE_AT
    )
    every = room_facts("inbound", safe_times=[("a.test", moved)], planned_at=_SAFE_AT)

    assert _row(some, "ttl").verdict is Verdict.PASS
    assert _row(every, "ttl").detail == (
        "Every domain has moved: there is no switch left to wait for."
    )
    assert (early_window_blockers(some), early_window_blockers(every)) == ([], [])


def test_what_was_assumed_is_said() -> None:
    safe_time = SafeTime(_SAFE_AT, server=NS3, ttl=86_400, seen_until=NOW, is_assumed=True)

    row = _row(room_facts("inbound", safe_times=[("one.test", safe_time)]), "ttl")

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
def test_bounces_come_back_once_the_routes_are_tested(status: str, verdict: Verdict) -> None:
    task = task_at("inbound-delivery-routes", status)

    row = _row(room_facts("outbound", tasks={task.key: task}), "routes")

    assert (row.title, row.verdict, row.remedy == "") == (
        "Bounces can come back",
        verdict,
        verdict not in (Verdict.FAIL, Verdict.UNKNOWN),
    )


@pytest.mark.parametrize(
    ("begins", "verdict"),
    [(timedelta(days=3), Verdict.PASS), (timedelta(days=3, seconds=-1), Verdict.FAIL)],
)
def test_inbound_waits_for_the_agreed_days(begins: timedelta, verdict: Verdict) -> None:
    task = task_at("outbound-cutover", "verified", verified_at=NOW)
    facts = room_facts("inbound", tasks={task.key: task}, planned_at=NOW + begins)

    assert _row(facts, "outbound").verdict is verdict


def test_fewer_days_than_agreed_are_a_caution_once_accepted_in_words() -> None:
    outbound = task_at("outbound-cutover", "verified", verified_at=NOW)
    wait = task_at(
        "outbound-days",
        "accepted_risk",
        wait_after="outbound-cutover",
        status_reason="Contract ends.",
    )
    tasks = {task.key: task for task in (outbound, wait)}

    row = _row(room_facts("inbound", tasks=tasks, planned_at=NOW + timedelta(days=1)), "outbound")

    assert (row.verdict, row.detail) == (
        Verdict.WARN,
        "Fewer days were accepted: “Contract ends.”",
    )


def test_days_that_were_set_aside_are_a_caution() -> None:
    outbound = task_at("outbound-cutover", "verified", verified_at=NOW)
    wait = task_at(
        "outbound-days",
        "not_applicable",
        wait_after="outbound-cutover",
        manual_status="not_needed",
        status_reason="Mail is moved at once.",
    )
    tasks = {task.key: task for task in (outbound, wait)}

    row = _row(room_facts("inbound", tasks=tasks, planned_at=NOW + timedelta(days=1)), "outbound")

    assert (row.verdict, row.detail) == (
        Verdict.WARN,
        "The days were set aside: “Mail is moved at once.”",
    )


def test_inbound_before_outbound_is_red() -> None:
    task = task_at("outbound-cutover", "todo")

    row = _row(room_facts("inbound", tasks={task.key: task}), "outbound")

    assert (row.verdict, row.remedy) == (
        Verdict.FAIL,
        "Do the outbound cutover first, and let it run for 3 days.",
    )


def _cutover(pk: int, plan: int, direction: str, at: datetime) -> Cutover:
    owner = Plan(pk=plan, tenant=Tenant(pk=plan, name=f"T{plan}"))
    return Cutover(pk=pk, plan=owner, direction=direction, planned_at=at)


def test_what_speaks_against_a_window_is_said_in_sentences() -> None:
    friday_night = datetime(2026, 12, 4, 23, 0, tzinfo=UTC)
    cutover = _cutover(1, 1, "inbound", friday_night)
    own = [cutover, _cutover(2, 1, "outbound", friday_night - timedelta(hours=23))]
    elsewhere = [
        _cutover(3, 2, "inbound", friday_night + timedelta(hours=3)),
        _cutover(4, 3, "inbound", friday_night + timedelta(hours=4)),
    ]
    calendar = Calendar(zoneinfo.ZoneInfo("UTC"))
    vars(own[1])["_prefetched_objects_cache"] = {"domains": [Domain(name="two.test")]}

    said = find_conflicts(
        cutover, ConflictContext(own, elsewhere, calendar, {date(2026, 12, 4): "St B"})
    )

    assert said == [
        "Friday 4 December is a holiday: St B.",
        "Saturday 5 December is not a working day: whoever is needed may not be there.",
        "The outbound cutover of two.test is less than a day away.",
        "Your consultant has another cutover in the same hours.",
    ]


def test_domains_that_nobody_asks_to_lower_their_ttl_are_a_caution_and_no_doubt_for_ever() -> None:
    facts = room_facts("inbound", subjects={CheckKind.MX: [subject_of(CheckKind.MX, "")]})

    row = _row(facts, "ttl")

    assert (row.verdict, row.is_blocking) == (Verdict.WARN, False)
    assert row.detail.startswith("Lowering the TTL is asked of none of these domains")
