"""Factories of readiness facts: no database, and a given clock."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from typing import Any

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from onboarding.cutovers.readiness import ReadinessFacts, ReadinessRow, readiness_rows
from onboarding.models import Cutover, Task
from onboarding.plan_templates.template_version import load_template_file
from onboarding.plans.proof import ProofSubject
from tenants.models import Domain

# The roles of the shipped template, by key.
ROLES = {task.key: task.role for task in load_template_file().tasks}
NOW = datetime(2026, 12, 1, 15, 0, tzinfo=UTC)
NEW_YORK = zoneinfo.ZoneInfo("America/New_York")


def subject_of(
    kind: CheckKind,
    settled: str,
    *,
    name: str = "one.test",
    newest: str = "",
    findings: tuple[str, ...] = (),
    age: timedelta = timedelta(minutes=1),
    unanimous: bool = True,
) -> ProofSubject:
    latest = Observation(
        verdict=newest or settled or "unknown",
        findings=[{"code": code, "params": {}} for code in findings],
        unanimous=unanimous,
    )
    check = Check(
        kind=kind.value,
        # With confirmed values: a verdict on a proposed one does not count.
        domain=Domain(name=name, ownership_token="code", dkim_selectors="mimecast"),
        settled_verdict=settled,
        checked_at=NOW - age,
        latest=latest,
    )
    return ProofSubject(kind, name, check)


def unchecked(kind: CheckKind, *, name: str = "one.test") -> ProofSubject:
    """A subject whose check has not run yet."""
    subject = subject_of(kind, "", name=name)
    assert subject.check is not None
    subject.check.checked_at = subject.check.latest = None
    return subject


def task_at(key: str, status: str, **facts: Any) -> Task:
    return Task(key=key, title=key, status=status, **({"role": ROLES.get(key, "")} | facts))


def facts_for(direction: str, **given: Any) -> ReadinessFacts:
    planned_at = given.pop("planned_at", NOW + timedelta(days=2))
    cutover = Cutover(direction=direction, planned_at=planned_at, outbound_days=3)
    defaults: dict[str, Any] = {"tasks": {}, "subjects": {}, "safe_times": []}
    return ReadinessFacts(cutover, zone=NEW_YORK, now=NOW, **(defaults | given))


def row_of(facts: ReadinessFacts, key: str) -> ReadinessRow:
    return next(row for row in readiness_rows(facts) if row.key == key)
