"""The rows of the readiness list that tasks decide. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from checks.engine.outcomes import Verdict, worst
from onboarding.cutovers.outbound_days import OutboundDays, replaced_switch, waived_days
from onboarding.cutovers.readiness.facts import (
    ReadinessFacts,
    ReadinessRow,
)
from onboarding.models import Cutover, Task, TaskRole, TaskStatus
from onboarding.models.cutovers import join_names
from onboarding.plans.dependencies import open_dependencies_of
from onboarding.plans.planned_cutovers import ROLE_OF_DIRECTION

# The policies of each direction are configured from the requirements sheets of these tasks.
_OUTBOUND_SHEETS = (
    TaskRole.GATHERS_FORWARDING,
    TaskRole.GATHERS_TLS_PARTNERS,
    TaskRole.GATHERS_BRANDING,
)
_INBOUND_SHEETS = (
    TaskRole.GATHERS_SPOOFING_EXCEPTIONS,
    TaskRole.GATHERS_GLOBAL_SENDERS,
    TaskRole.GATHERS_MANAGED_SENDERS,
)
# The tasks that a row of this key is about.
_ROLES_OF_ROW: Mapping[str, Sequence[TaskRole]] = MappingProxyType(
    {
        "ownership": (TaskRole.VERIFIES_OWNERSHIP,),
        "directory": (TaskRole.DIRECTORY,),
        "routes": (TaskRole.GATHERS_DELIVERY_ROUTES,),
        "signed": (*_OUTBOUND_SHEETS, *_INBOUND_SHEETS),
        "spf": (TaskRole.VERIFIES_SPF,),
        "dkim": (TaskRole.VERIFIES_DKIM,),
        "delivery-test": (TaskRole.DELIVERY_TEST,),
        "ttl": (TaskRole.VERIFIES_MX_TTL,),
        "outbound": (TaskRole.SWITCHES_OUTBOUND,),
    }
)
_VERDICT_BY_STATUS = {
    TaskStatus.VERIFIED: Verdict.PASS,
    TaskStatus.DONE: Verdict.PASS,
    TaskStatus.ACCEPTED_RISK: Verdict.WARN,
    TaskStatus.DECLINED: Verdict.WARN,
    TaskStatus.AWAITING_VERIFICATION: Verdict.UNKNOWN,
    TaskStatus.NOT_APPLICABLE: Verdict.NOT_APPLICABLE,
}


def _not_required_row(key: str, title: str) -> ReadinessRow:
    detail = "No task that applies to this plan requires it."
    return ReadinessRow(key, title, Verdict.NOT_APPLICABLE, detail)


def _tasks_row(key: str, title: str, tasks: Iterable[Task], remedy: str) -> ReadinessRow:
    """A row with the worst verdict of the tasks, and the first task that has it."""
    verdicts = [(task, _verdict_of(task)) for task in tasks if not task.is_group]
    counted = [(task, each) for task, each in verdicts if each is not Verdict.NOT_APPLICABLE]
    if not counted:
        return _not_required_row(key, title)
    verdict = worst([each for _, each in counted])
    task = next(task for task, each in counted if each is verdict)
    detail = f"{task.title}: {task.get_status_display().lower()}."
    return ReadinessRow(
        key, title, verdict, detail, "" if verdict.is_passing else remedy, task=task
    )


def _verdict_of(task: Task) -> Verdict:
    if not task.applies or (
        task.is_optional and not task.blocks_dependents and not task.is_complete
    ):
        return Verdict.NOT_APPLICABLE
    return _VERDICT_BY_STATUS.get(TaskStatus(task.status), Verdict.FAIL)


def directory_row(facts: ReadinessFacts) -> ReadinessRow:
    remedy = (
        "Finish the first synchronisation, and compare the number of users with your directory."
    )
    tasks = facts.tasks_with_role(TaskRole.DIRECTORY)
    return _tasks_row("directory", "Directory synchronised", tasks, remedy)


def routes_row(facts: ReadinessFacts) -> ReadinessRow:
    is_outbound = facts.cutover.direction == Cutover.Direction.OUTBOUND
    title = "Bounce return path works" if is_outbound else "Delivery routes answer"
    remedy = "Test every delivery route from the console, and repair each that does not answer."
    tasks = facts.tasks_with_role(TaskRole.GATHERS_DELIVERY_ROUTES)
    return _tasks_row("routes", title, tasks, remedy)


def sign_offs_row(facts: ReadinessFacts) -> ReadinessRow:
    """The policies of the cutover are only as good as the requirements sheets behind them."""
    is_outbound = facts.cutover.direction == Cutover.Direction.OUTBOUND
    roles = _OUTBOUND_SHEETS if is_outbound else _INBOUND_SHEETS
    remedy = "Each side must sign off its requirements sheets, also the empty ones."
    return _tasks_row("signed", "Requirements signed off", facts.tasks_with_role(*roles), remedy)


def delivery_test_row(facts: ReadinessFacts) -> ReadinessRow:
    remedy = "Send test mail through Mimecast to each route, and read the headers on arrival."
    tasks = facts.tasks_with_role(TaskRole.DELIVERY_TEST)
    return _tasks_row("delivery-test", "Inbound delivery tested", tasks, remedy)


def open_tasks_of(facts: ReadinessFacts) -> list[Task]:
    """The open tasks that the cutover depends on."""
    task = facts.task(ROLE_OF_DIRECTION[Cutover.Direction(facts.cutover.direction)])
    return open_dependencies_of(task, facts.tasks) if task is not None else []


def other_tasks_row(facts: ReadinessFacts, rows: Sequence[ReadinessRow]) -> ReadinessRow:
    """The open tasks that the cutover depends on and that no other row is about.

    The other rows know the domains of this cutover: an SPF record that is missing at a domain of
    another one leaves the task open, and does not block this one.
    """
    title = "Other tasks completed"
    # Without any selector the DKIM row only warns, but its task is open.
    keys = [r.key for r in rows if r.key != "dkim" or r.verdict is not Verdict.WARN]
    roles = {role for key in keys for role in _ROLES_OF_ROW.get(key, ())}
    # The agreed outbound days are a task of their own.
    after = facts.task(TaskRole.SWITCHES_OUTBOUND)
    tasks = [
        task
        for each in open_tasks_of(facts)
        for task in _open_leaves(each, facts)
        if task.role not in roles
        and task.key not in facts.done_here
        and (after is None or task.wait_after != after.key)
    ]
    if not tasks:
        detail = "The cutover waits for no other task."
        return ReadinessRow("tasks", title, Verdict.PASS, detail)
    verdict = worst([_VERDICT_BY_STATUS.get(TaskStatus(t.status), Verdict.FAIL) for t in tasks])
    detail = f"Still open: {join_names([task.title for task in tasks])}."
    remedy = "Complete these tasks. Before that, the task of the cutover cannot be confirmed."
    return ReadinessRow("tasks", title, verdict, detail, remedy, task=tasks[0])


def _open_leaves(task: Task, facts: ReadinessFacts) -> list[Task]:
    """The open sub-tasks of a group; the task itself if it has none."""
    found = [t for t in facts.tasks.values() if task.is_group and t.parent_id == task.pk]
    return [each for each in found if each.blocks_dependents] or [task]


def outbound_days(facts: ReadinessFacts) -> OutboundDays:
    """The outbound days of the facts' cutover, for the readiness list and the planning form."""
    task = facts.task(TaskRole.SWITCHES_OUTBOUND)
    days = facts.cutover.outbound_days
    if task is None or _verdict_of(task) is Verdict.NOT_APPLICABLE:
        return OutboundDays(days, task, is_required=False)
    wait = next((t for t in facts.tasks.values() if t.wait_after == task.key), None)
    waived = waived_days(wait) if wait is not None else ""
    if facts.outbound_since is None and not _verdict_of(task).is_passing:
        return OutboundDays(days, task, waived=waived)
    counted = wait.wait_started_at if wait is not None else None
    since = facts.outbound_since or counted or task.verified_at or task.status_changed_at
    decision = "" if facts.outbound_since is not None else replaced_switch(task)
    return OutboundDays(
        days, wait if waived else task, waived=waived, since=since, decision=decision
    )


def outbound_first_row(facts: ReadinessFacts) -> ReadinessRow:
    """Mimecast learns trusted senders from outbound mail, so outbound switches first."""
    title = "Outbound has run long enough"
    agreed = outbound_days(facts)
    if agreed.task is None:
        return _not_required_row("outbound", title)
    if agreed.since is None or agreed.ends_at is None:
        remedy = f"Do the outbound cutover first, and let it run for {agreed.days} days."
        return _tasks_row("outbound", title, [agreed.task], remedy)
    if agreed.waived:
        return ReadinessRow("outbound", title, Verdict.WARN, agreed.waived, task=agreed.task)
    switched = (
        agreed.decision
        or f"Outbound mail leaves through Mimecast since {facts.format_time(agreed.since)}."
    )
    detail = f"{switched} Agreed: {agreed.days} days."
    if facts.cutover.planned_at >= agreed.ends_at:
        verdict = Verdict.WARN if agreed.decision else Verdict.PASS
        return ReadinessRow("outbound", title, verdict, detail, task=agreed.task)
    remedy = (
        f"Schedule the window for {facts.format_time(agreed.ends_at)} or later, or agree on fewer"
        " days."
    )
    return ReadinessRow("outbound", title, Verdict.FAIL, detail, remedy, task=agreed.task)
