"""Statements that must be true on every page of a tenant, at every step of an implementation.

The pages are read as each side. Each function returns the contradictions that it finds.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from onboarding.models import Task, TaskRole, TaskStatus
from onboarding.plans.client_tasks import client_tasks
from onboarding.plans.current_state import STALE_AFTER
from onboarding.plans.forecast_inputs import forecasts_of
from onboarding.plans.rows import TaskRow
from tests.markup import texts
from tests.scenarios.walk import Walk
from tests.statements import Page, statements

# A button or link that confirms the task of the row, or leads to its confirmation.
CONFIRMS = re.compile(
    r"/confirm/\"|Save and mark|>\s*(?:Open and sign off|Review and sign off|Mark as done)\s*<"
)
# The beginning of a sentence that asks for work.
WORK = re.compile(r"\b(Submit|Enter|Replace|Publish|Correct|Raise|Confirm that)\b")
# Statements about work that is still ahead.
OPEN_WORK = re.compile(
    r"Waiting on (?:the client|Mimecast)|Verifying|Send reminder|safe from|Next check|No check yet"
)
DONE_COUNT = re.compile(r"(\d+) of (\d+) tasks done")
# Pages of both sides besides the plan, by URL name.
PAGES = ("my-tasks", "closing", "domains", "monitoring", "requirements")
STAFF_PAGES = ("dashboard", "tenant-list")


class Shown(NamedTuple):
    """One page as one side reads it."""

    side: str
    name: str
    html: str
    page: Page


def faults_of(walk: Walk) -> list[str]:
    """Every contradiction on the pages of the tenant, now."""
    shown = list(read_pages(walk))
    found = [*agreement_faults(walk, shown), *actor_faults(walk), *time_faults(walk)]
    for side, person in walk.people.items():
        plan = {each.name: each.html for each in shown if each.side == side}
        for row in walk.pages.rows(person):
            if row.task.is_open_leaf and row.task.applies:
                found += row_faults(side, row, plan[f"plan {row.task.phase.key}"])
    return found


def read_pages(walk: Walk) -> Iterator[Shown]:
    phases = dict.fromkeys(
        Task.objects.filter(plan=walk.tenant.plan)
        .order_by("position")
        .values_list("phase__key", flat=True)
    )
    for side, person in walk.people.items():
        places = {name: walk.address(name) for name in PAGES}
        places |= {f"plan {key}": f"{walk.address('plan-show')}?phase={key}" for key in phases}
        if side == "mimecast":
            places |= {name: walk.installation_page(name) for name in STAFF_PAGES}
        for name, address in places.items():
            html = walk.pages.html(person, address)
            yield Shown(side, name, html, statements(html))


# --- One task


def row_faults(side: str, row: TaskRow, html: str) -> list[str]:
    """An open task has a state, a side, and work or a time. Absent buttons have a reason."""
    task = row.task
    markup = _row_markup(html, task.key)
    (text,) = texts(html, f"#{task.key}")
    missing = []
    if not re.search(r"<title>\s*\S", markup):
        missing.append("no state")
    if not task.is_timed and 'data-side="' not in markup:
        missing.append("no side")
    if task.is_timed and not re.search("completes automatically", text):
        missing.append("no time")
    if not task.is_timed and "What to do" not in text:
        missing.append("no work")
    if _lacks_reason(row, markup, text):
        missing.append(f"no button and no reason: {row.confirm_refusal!r}")
    if task.check_kinds and row.checked_subjects and not row.needs_message:
        missing += [] if re.search("next check|running", text) else ["no next check"]
    return [f"{side}, plan: {task.key} ({task.status}): {fault}" for fault in missing]


def _lacks_reason(row: TaskRow, markup: str, text: str) -> bool:
    """Whether the reader's side still has to confirm the task and cannot see how or why not."""
    confirmed = {
        "mimecast": row.task.mimecast_confirmed_at,
        "client": row.task.client_confirmed_at,
    }
    if not row.is_mine or row.task.is_timed or confirmed[row.side] or row.has_signed:
        return False
    reason = " ".join(row.confirm_refusal.split())
    is_explained = bool(row.open_dependencies) or (bool(reason) and reason in text)
    return not CONFIRMS.search(markup) and not is_explained


def _row_markup(html: str, key: str) -> str:
    """The markup of the task, up to the next task."""
    return re.split(r'<details\s+class="task"', html.split(f'id="{key}"', 1)[1], maxsplit=1)[0]


# --- The next actor, and the next time


def actor_faults(walk: Walk) -> list[str]:
    """The client's home lists each task under the actor that the stored `waiting_on` names.

    A line below “Verifying” has a time or a scheduled run, and asks for no work.
    """
    client = walk.scenario.owner
    html = walk.pages.html(client, walk.address("my-tasks"))
    rows = walk.pages.rows(client)
    shown = client_tasks(rows, most=len(rows))
    now = {row.task.key for row in shown.now}
    asked = {r.task.key for r in rows if r.task.waiting_on in ("client", "both")}
    left = {r.task.key for r in rows if r.task.is_optional and r.task.status == TaskStatus.TODO}
    found = [
        f"home: {key} waits on the client and is no card"
        for key in asked - now - closing_tasks(rows)
    ]
    found += [f"home: {key} is a card and waits on no client" for key in now - asked - left]
    found += ["home: a check in the year 9999"] if "9999" in html else []
    for row in shown.verifying:
        (text,) = texts(html, f"#verifying-{row.task.key}")
        if WORK.search(text):
            found.append(f"home: {row.task.key} has nothing to do, but: {text}")
        if not _is_scheduled(row, walk):
            found.append(f"home: nothing is scheduled for {row.task.key}: {text}")
    return found


def closing_tasks(rows: Iterable[TaskRow]) -> set[str]:
    """The closing task: with residual risks that only time ends, it is below “Verifying”."""
    return {row.task.key for row in rows if row.is_closure}


def _is_scheduled(row: TaskRow, walk: Walk) -> bool:
    """Whether a run, or the end of a period or of a risk, is ahead."""
    latest = walk.scenario.clock.now + STALE_AFTER
    checks = [subject.check for subject in row.evidence.subjects if subject.check is not None]
    return (
        row.is_wait_running
        or row.context.unsafe_until is not None
        or any(risk.ends_at is not None for risk in row.context.residual_risks)
        or any(check.next_due_at <= latest for check in checks)
    )


def time_faults(walk: Walk) -> list[str]:
    """The forecast ends no task before the gate lets a person confirm it."""
    (forecast,) = forecasts_of([walk.tenant], now=walk.scenario.clock.now).values()
    found = []
    for row in walk.pages.rows(walk.scenario.owner):
        until, span = row.context.unsafe_until, forecast.spans.get(row.task.key)
        if until is not None and span is not None and span.end < until.date():
            found.append(f"forecast: {row.task.key} ends {span.end}, and is safe from {until}")
    return found


# --- A closed tenant


def closed_faults(walk: Walk) -> list[str]:
    """The pages of a closed tenant ask for no work, and announce none."""
    found = []
    for each in read_pages(walk):
        if each.name in STAFF_PAGES:
            continue
        for statement in OPEN_WORK.findall(" ".join(texts(each.html, "main"))):
            found.append(f"{each.side}, {each.name}: {statement!r} in a closed tenant")
        if CONFIRMS.search(each.html):
            found.append(f"{each.side}, {each.name}: a confirmation in a closed tenant")
    return found


# --- All pages


def agreement_faults(walk: Walk, shown: list[Shown]) -> list[str]:
    found: list[str] = []
    labels: dict[str, set[tuple[str, str]]] = defaultdict(set)
    shapes: dict[str, set[str]] = defaultdict(set)
    counts: set[str] = set()
    for each in shown:
        for check in each.page.checks:
            labels[check.check].add((check.status, check.label))
        for task in each.page.tasks:
            shapes[task.key].add(task.shape)
        counts |= {match.group() for match in DONE_COUNT.finditer(each.html)}
    found += [f"check {key}: {sorted(values)}" for key, values in labels.items() if len(values) > 1]
    found += [
        f"icons of {key}: {sorted(values)}" for key, values in shapes.items() if len(values) > 1
    ]
    if len(counts) > 1:
        found.append(f"counts: {sorted(counts)}")
    return found + headline_faults(walk, shown)


def headline_faults(walk: Walk, shown: list[Shown]) -> list[str]:
    """Headlines that a task or a count contradicts."""
    tasks = Task.objects.filter(plan=walk.tenant.plan).exclude(role=TaskRole.CLOSURE)
    open_tasks = [task for task in tasks if task.is_open_leaf and task.applies]
    required = [task for task in open_tasks if not task.is_optional]
    # A period is a residual risk and no decision.
    undecided = [task for task in open_tasks if not task.is_timed]
    rows = walk.pages.rows(walk.scenario.owner)
    ready = [row.task.key for row in rows if row.can_confirm and not row.open_dependencies]
    found = []
    for each in shown:
        place = f"{each.side}, {each.name}"
        if required and each.page.all_clears:
            found.append(f"{place}: {each.page.all_clears}, but {len(required)} tasks are open")
        if each.name == "my-tasks" and ready and "No tasks for you today" in each.html:
            found.append(f"{place}: no tasks, but the client can confirm {ready}")
        if each.name == "closing" and f"{len(undecided)} without a decision" not in each.html:
            found.append(f"{place}: not {len(undecided)} without a decision")
    return found
