"""Statements that must be true on every page of a tenant, at every step of an implementation.

The pages are read as each side. Each function returns the contradictions that it finds.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from onboarding.models import Task, TaskRole
from onboarding.plans.rows import TaskRow
from tests.markup import texts
from tests.scenarios.walk import Walk
from tests.statements import Page, statements

# A button or link that confirms the task of the row, or leads to its confirmation.
CONFIRMS = re.compile(
    r"/confirm/\"|Save and mark|>\s*(?:Open and sign off|Review and sign off|Mark as done)\s*<"
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
    found = [*agreement_faults(walk, shown)]
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
    if not task.is_wait and 'data-side="' not in markup:
        missing.append("no side")
    if task.is_wait and not re.search("completes automatically", text):
        missing.append("no time")
    if not task.is_wait and "What to do" not in text:
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
    if not row.is_mine or row.task.is_wait or confirmed[row.side] or row.has_signed:
        return False
    reason = " ".join(row.confirm_refusal.split())
    is_explained = bool(row.open_dependencies) or (bool(reason) and reason in text)
    return not CONFIRMS.search(markup) and not is_explained


def _row_markup(html: str, key: str) -> str:
    """The markup of the task, up to the next task."""
    return re.split(r'<details\s+class="task"', html.split(f'id="{key}"', 1)[1], maxsplit=1)[0]


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
    undecided = [task for task in open_tasks if not task.is_wait]
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
