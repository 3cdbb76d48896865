"""The readiness row of the tasks that no other row is about, and the promise of the whole list."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from checks.safe_times import SafeTime
from onboarding.cutovers.readiness import (
    ReadinessFacts,
    ReadinessRow,
    open_tasks_of,
    readiness_rows,
)
from onboarding.models import Task, TaskRole, TaskStatus
from onboarding.plan_templates.template_version import load_template_file
from onboarding.plans.proof import ProofSubject
from tests.onboarding.cutovers.readiness_facts import NOW, facts_for, row_of, subject_of, task_at

# Their rows know the domains of the cutover.
VERIFIED_BY_CHECKS = {
    TaskRole.VERIFIES_OWNERSHIP,
    TaskRole.VERIFIES_SPF,
    TaskRole.VERIFIES_DKIM,
    TaskRole.VERIFIES_MX_TTL,
}
CUTOVER_KEYS = {"outbound": "outbound-cutover", "inbound": "mx-record-cutover"}


REMEDY = "Complete these tasks. Before that, the task of the cutover cannot be confirmed."


def facts_with(direction: str, *tasks: Task) -> ReadinessFacts:
    cutover = task_at(CUTOVER_KEYS[direction], "todo", depends_on=[task.key for task in tasks])
    return facts_for(direction, tasks={task.key: task for task in (*tasks, cutover)})


@pytest.mark.parametrize(
    ("statuses", "verdict", "detail"),
    [
        ((), Verdict.PASS, "The cutover waits for no other task."),
        (("done", "verified"), Verdict.PASS, "The cutover waits for no other task."),
        (("done", "todo"), Verdict.FAIL, "Still open: task-1."),
        (("todo", "regressed"), Verdict.FAIL, "Still open: task-0 and task-1."),
        (("awaiting_verification",), Verdict.UNKNOWN, "Still open: task-0."),
        (("awaiting_verification", "todo"), Verdict.FAIL, "Still open: task-0 and task-1."),
        (("not_applicable", "accepted_risk"), Verdict.PASS, "The cutover waits for no other task."),
    ],
)
@pytest.mark.parametrize("direction", CUTOVER_KEYS)
def test_other_tasks(
    direction: str, statuses: tuple[str, ...], verdict: Verdict, detail: str
) -> None:
    tasks = [task_at(f"task-{number}", status) for number, status in enumerate(statuses)]

    row = row_of(facts_with(direction, *tasks), "tasks")

    is_open = verdict is not Verdict.PASS
    assert row == ReadinessRow(
        "tasks",
        "Other tasks completed",
        verdict,
        detail,
        REMEDY if is_open else "",
        task=next(task for task in tasks if task.title in detail) if is_open else None,
    )


def test_open_sub_tasks_are_named_instead_of_their_group() -> None:
    group = task_at("group", "todo", is_group=True, pk=7)
    tasks = [
        task_at("first", "done", parent_id=7),
        task_at("second", "todo", parent_id=7),
        task_at("elsewhere", "todo", parent_id=8),
    ]
    facts = facts_with("outbound", group)
    tasks_by_key = {**facts.tasks, **{task.key: task for task in tasks}}

    row = row_of(facts_for("outbound", tasks=tasks_by_key), "tasks")

    assert row.detail == "Still open: second."


@pytest.mark.parametrize("role", [TaskRole.DIRECTORY, TaskRole.VERIFIES_SPF])
def test_task_of_another_row_is_not_repeated(role: TaskRole) -> None:
    """SPF can pass here, and be open for a domain of another cutover."""
    task = task_at("a", "todo", role=role.value)

    assert row_of(facts_with("outbound", task), "tasks").verdict is Verdict.PASS


def test_task_that_is_done_for_these_domains_is_not_named() -> None:
    facts = facts_with("inbound", task_at("a", "todo"), task_at("b", "todo"))

    row = row_of(replace(facts, done_here={"a"}), "tasks")

    assert row.detail == "Still open: b."


def test_open_task_of_a_cautioned_row_is_named() -> None:
    """Without any selector the DKIM row only warns, but the task of DKIM is open."""
    dkim = task_at("dkim", "todo", role=TaskRole.VERIFIES_DKIM.value)
    without_selector = ProofSubject(CheckKind.DKIM, "one.test", None)
    facts = replace(facts_with("outbound", dkim), subjects={CheckKind.DKIM: [without_selector]})

    assert row_of(facts, "dkim").verdict is Verdict.WARN
    assert row_of(facts, "tasks").detail == "Still open: dkim."


def test_task_of_another_cautioned_row_is_not_repeated() -> None:
    """No domain has to lower its TTL, so its row only warns. The DKIM row passes."""
    ttl = task_at("ttl", "todo", role=TaskRole.VERIFIES_MX_TTL.value)
    dkim = task_at("dkim", "todo", role=TaskRole.VERIFIES_DKIM.value)
    mx = {CheckKind.MX: [subject_of(CheckKind.MX, "fail")]}
    key = {CheckKind.DKIM: [subject_of(CheckKind.DKIM, "pass")]}
    inbound = replace(facts_with("inbound", ttl), subjects=mx)
    outbound = replace(facts_with("outbound", dkim), subjects=key)

    assert row_of(inbound, "ttl").verdict is Verdict.WARN
    assert row_of(inbound, "tasks").verdict is Verdict.PASS
    assert row_of(outbound, "tasks").verdict is Verdict.PASS


def test_outbound_days_have_their_own_row() -> None:
    days = task_at("days", "todo", wait_after="outbound-cutover")
    other = task_at("other", "todo", wait_after="elsewhere")
    facts = facts_with("inbound", days, other)
    without_outbound = row_of(facts, "tasks")
    tasks = {**facts.tasks, "outbound-cutover": task_at("outbound-cutover", "done")}

    assert without_outbound.detail == "Still open: days and other."
    assert row_of(replace(facts, tasks=tasks), "tasks").detail == "Still open: other."


@pytest.mark.parametrize("direction", CUTOVER_KEYS)
def test_a_row_blocks_while_the_cutover_waits(direction: str) -> None:
    """With passing checks, and random statuses for the tasks of the shipped template."""
    chosen = random.Random(direction)
    subjects = {kind: [subject_of(kind, "pass")] for kind in CheckKind}
    safe_times = [("one.test", SafeTime(NOW))]
    definitions = load_template_file().tasks
    seen = {True: 0, False: 0}
    for _ in range(40):
        tasks = {
            task.key: task_at(
                task.key,
                chosen.choice(TaskStatus.values) if chosen.random() < 0.05 else "done",
                depends_on=list(task.depends_on),
                wait_after=task.waits.after if task.waits else "",
            )
            for task in definitions
        }
        tasks[CUTOVER_KEYS[direction]].status = "todo"
        facts = facts_for(direction, tasks=tasks, subjects=subjects, safe_times=safe_times)
        blocked = [row.key for row in readiness_rows(facts) if row.is_blocking]

        assert blocked or {t.role for t in open_tasks_of(facts)} <= VERIFIED_BY_CHECKS
        seen[bool(blocked)] += 1
    assert min(seen.values()) > 0
