"""The whole TTL row: the sentences and the check of each reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from checks.safe_times import SafeTime
from onboarding.cutovers.readiness import ReadinessFacts, ReadinessRow
from onboarding.plans.proof import ProofSubject
from tests.onboarding.cutovers.readiness_facts import (
    NOW,
    facts_for,
    row_of,
    subject_of,
    unchecked,
)

WAIT = "Gangway checks automatically. For an earlier result, check everything now."
CHECK_NOW = "Check everything now. If nothing changes, Gangway’s workers are not running."
HOUR = timedelta(hours=1)


TTL_TITLE = "TTL lowered and the old TTL run out"
NOT_READY = SafeTime(None)


def known(hours: int, **given: Any) -> SafeTime:
    facts: dict[str, Any] = {"server": "ns1", "ttl": 7200, "seen_until": NOW} | given
    return SafeTime(NOW + hours * HOUR, **facts)


def ttl_facts(safe_times: dict[str, SafeTime], **given: Any) -> ReadinessFacts:
    subjects = [subject_of(CheckKind.MX_TTL, "pass", name=f"{name}.test") for name in "abc"]
    facts: dict[str, Any] = {"subjects": {CheckKind.MX_TTL: subjects}}
    times = [(f"{name}.test", safe_time) for name, safe_time in safe_times.items()]
    return facts_for("inbound", **(facts | given), safe_times=times)


def check_of(facts: ReadinessFacts, name: str) -> Any:
    subjects = facts.subjects_of(CheckKind.MX_TTL)
    return next((s.check for s in subjects if s.name == f"{name}.test"), None)


THRESHOLD = "Lower the TTL of the MX records there. The waiting time begins with the last server."
LOADING = "Wait if the server is loading the zone. Otherwise load the zone there."
ANSWER = "The safe time is known only after every server has answered."


@pytest.mark.parametrize(
    ("safe_times", "verdict", "decisive", "detail", "remedy"),
    [
        ({}, Verdict.UNKNOWN, "", "The TTL of these domains has not been checked yet.", WAIT),
        (
            {"a": known(9, is_moved=True)},
            Verdict.PASS,
            "",
            "Every domain has switched already.",
            "",
        ),
        (
            {"a": known(9), "b": SafeTime(None, ("ns1",))},
            Verdict.FAIL,
            "b",
            "b.test: ns1 still publishes a TTL above the threshold.",
            THRESHOLD,
        ),
        (
            {
                "b": SafeTime(None, ("ns3", "ns4"), ("ns4",)),
                "a": SafeTime(None, ("ns1", "ns2"), (), ("ns2",)),
            },
            Verdict.FAIL,
            "b",
            "b.test, a.test: ns1, ns3 still publish a TTL above the threshold.",
            THRESHOLD,
        ),
        (
            {"c": SafeTime(None, ("ns1", "ns2"), ("ns2",), ("ns1",))},
            Verdict.UNKNOWN,
            "c",
            "c.test: no safe time is known while ns1 has no MX records.",
            LOADING,
        ),
        (
            {
                "c": SafeTime(None, ("ns2",), (), ("ns2",)),
                "a": SafeTime(None, ("ns1",), (), ("ns1",)),
            },
            Verdict.UNKNOWN,
            "c",
            "c.test, a.test: no safe time is known while ns1, ns2 have no MX records.",
            LOADING,
        ),
        (
            {"c": SafeTime(None, ("ns1",), ("ns1",))},
            Verdict.UNKNOWN,
            "c",
            "c.test: no safe time is known while ns1 does not answer.",
            ANSWER,
        ),
        (
            {"c": SafeTime(None, ("ns2",), ("ns2",)), "b": SafeTime(None, ("ns1",), ("ns1",))},
            Verdict.UNKNOWN,
            "c",
            "c.test, b.test: no safe time is known while ns1, ns2 do not answer.",
            ANSWER,
        ),
        (
            {"b": NOT_READY, "c": known(9)},
            Verdict.UNKNOWN,
            "b",
            "b.test: no safe time is known yet.",
            WAIT,
        ),
    ],
)
def test_ttl_row_without_safe_time(
    safe_times: dict[str, SafeTime], verdict: Verdict, decisive: str, detail: str, remedy: str
) -> None:
    facts = ttl_facts(safe_times)

    assert row_of(facts, "ttl") == ReadinessRow(
        "ttl", TTL_TITLE, verdict, detail, remedy, check=check_of(facts, decisive)
    )


LATEST = "Earliest safe cutover: Tue 1 Dec 13:00 EST, because ns1 published 7200 s for a.test until"


@pytest.mark.parametrize(
    ("begins", "verdict", "remedy"),
    [
        (3 * HOUR, Verdict.PASS, ""),
        (2 * HOUR, Verdict.FAIL, "Schedule the window for that time or later."),
    ],
)
def test_latest_safe_time_decides_row(begins: timedelta, verdict: Verdict, remedy: str) -> None:
    moved = known(9, is_moved=True)
    safe_times = {"d": moved, "c": known(1), "a": known(3), "b": known(2)}
    facts = ttl_facts(safe_times, planned_at=NOW + begins)

    assert row_of(facts, "ttl") == ReadinessRow(
        "ttl",
        TTL_TITLE,
        verdict,
        f"{LATEST} Tue 1 Dec 10:00 EST.",
        remedy,
        check=check_of(facts, "a"),
    )


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"seen_until": None}, f"{LATEST} an unknown time."),
        (
            {"has_left": True},
            f"{LATEST} Tue 1 Dec 10:00 EST; the server left the delegation,"
            " which caches store for two days.",
        ),
        (
            {"is_assumed": True},
            "Earliest safe cutover: Tue 1 Dec 13:00 EST, because the TTL of a.test before the"
            " first check is not known, so a TTL of 7200 s is assumed.",
        ),
    ],
)
def test_safe_time_has_reason(given: dict[str, Any], reason: str) -> None:
    assert row_of(ttl_facts({"a": known(3, **given)}), "ttl").detail == reason


def test_stale_ttl_checks_row() -> None:
    subjects = [
        subject_of(CheckKind.MX_TTL, "pass", name="c.test", age=26 * HOUR),
        subject_of(CheckKind.MX_TTL, "pass", name="b.test", age=26 * HOUR),
        subject_of(CheckKind.MX_TTL, "pass", name="a.test"),
        unchecked(CheckKind.MX_TTL, name="d.test"),
        ProofSubject(CheckKind.MX_TTL, "e.test", None),
        # It has a safe time, so that its old check does not matter.
        subject_of(CheckKind.MX_TTL, "pass", name="f.test", age=26 * HOUR),
    ]
    safe_times = dict.fromkeys("abcde", NOT_READY) | {"f": known(1)}
    facts = ttl_facts(safe_times, subjects={CheckKind.MX_TTL: subjects})

    assert row_of(facts, "ttl") == ReadinessRow(
        "ttl",
        TTL_TITLE,
        Verdict.UNKNOWN,
        "The last check of b.test and c.test is too old to count.",
        CHECK_NOW,
        check=subjects[2].check,
    )


def test_exempt_domain_row() -> None:
    subjects = {
        CheckKind.MX: [subject_of(CheckKind.MX, "fail", name=f"{name}.test") for name in "ab"],
        CheckKind.MX_TTL: [subject_of(CheckKind.MX_TTL, "pass", name="a.test")],
    }
    facts = ttl_facts({"a": known(3)}, subjects=subjects, planned_at=NOW + 3 * HOUR)

    early = replace(facts, safe_times=[("a.test", known(99))])

    assert row_of(facts, "ttl") == ReadinessRow(
        "ttl",
        TTL_TITLE,
        Verdict.WARN,
        f"{LATEST} Tue 1 Dec 10:00 EST."
        " Without a lower TTL: b.test. Caches use the old answer until it expires.",
        "Its old hosts must accept mail until the last cache has expired.",
        check=check_of(facts, "a"),
    )
    assert row_of(early, "ttl").verdict is Verdict.FAIL


def test_exempt_domains_row() -> None:
    facts = facts_for("inbound", subjects={CheckKind.MX: [subject_of(CheckKind.MX, "")]})

    assert row_of(facts, "ttl") == ReadinessRow(
        "ttl",
        TTL_TITLE,
        Verdict.WARN,
        "None of these domains has to lower its TTL. Caches use the old answer until it expires.",
        "The old hosts must accept mail until the last cache has expired.",
    )
