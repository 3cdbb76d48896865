"""For every status of each kind of task, pages state the status, the side, the work and the check.

The facts of a task are stored directly, and the expected sentences come from these facts.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from checks.engine.outcomes import CheckKind, Verdict
from onboarding.models import Responsibility, Task, TaskStatus
from onboarding.plan_templates.plan_creation import apply_profile
from onboarding.plans.rollup import recompute_rollup
from tenants.models import Tenant, User
from tests.clock import Clock
from tests.factories import RunCheck, SignIn, task_of
from tests.markup import texts

Status = TaskStatus
# One task for each kind.
KINDS = {
    "confirmed by the client": "end-user-asset-library",
    "confirmed by Mimecast": "out-of-the-box-settings",
    "confirmed by both": "mail-flow-infrastructure",
    "verified by a check": "spf-update",
    "verified by a message": "outbound-cutover",
    "completed by time": "outbound-days",
    "signed off with its sheet": "forwarding-addresses",
    "with fields": "user-notice-outbound",
}
SIDES = {
    Responsibility.MIMECAST: "Mimecast",
    Responsibility.CLIENT: "Client",
    Responsibility.BOTH: "Mimecast + Client",
}
# The statement of each status, on the plan and on the client's card.
STATEMENTS = {
    Status.TODO: "To do",
    Status.IN_PROGRESS: "In progress",
    Status.WAITING: "Waiting on the client",
    Status.BLOCKED: "Blocked",
    Status.PARTLY_CONFIRMED: "confirmed · waiting on the client",
    Status.AWAITING_VERIFICATION: "Marked as done by",
    Status.REGRESSED: "Regressed",
    Status.DONE: "Confirmed",
    Status.VERIFIED: "Verified",
    Status.ACCEPTED_RISK: "Accepted risk",
    Status.DECLINED: "Declined",
    Status.NOT_APPLICABLE: "Not applicable",
}
# The label of the icon, where other statuses have the same icon.
ICONS = {
    Status.DONE: "Done",
    Status.REGRESSED: "Regressed",
    Status.ACCEPTED_RISK: "Accepted risk",
    Status.DECLINED: "Declined",
    Status.NOT_APPLICABLE: "Not applicable",
    Status.BLOCKED: "Blocked",
    Status.IN_PROGRESS: "In progress",
    Status.PARTLY_CONFIRMED: "One side done",
    Status.VERIFIED: "Verified",
}
OPEN = {
    Status.TODO,
    Status.IN_PROGRESS,
    Status.WAITING,
    Status.BLOCKED,
    Status.PARTLY_CONFIRMED,
    Status.AWAITING_VERIFICATION,
    Status.REGRESSED,
}
MANUAL = ("in_progress", "waiting", "blocked", "declined", "accepted_risk", "not_needed")
REASON = "The firewall team decides on Friday."


class Case(NamedTuple):
    """The facts of a task and the status that follows from them."""

    status: TaskStatus
    facts: dict[str, Any]


def cases_of(task: Task, by: dict[str, User]) -> list[Case]:
    """Each status that the task can have."""
    if task.is_timed:
        return _wait_cases()
    now = timezone.now()
    sides = [s for s in ("mimecast", "client") if task.responsibility in (s, "both")]
    confirmed: dict[str, Any] = {}
    for side in sides:
        confirmed |= {f"{side}_confirmed_at": now, f"{side}_confirmed_by": by[side]}
    is_checked = bool(task.check_kinds)
    full = Status.AWAITING_VERIFICATION if is_checked else Status.DONE
    cases = [Case(Status.TODO, {}), Case(full, confirmed)]
    if len(sides) == 2:
        first = {"mimecast_confirmed_at": now, "mimecast_confirmed_by": by["mimecast"]}
        cases.append(Case(Status.PARTLY_CONFIRMED, first))
    if is_checked:
        cases.append(Case(Status.VERIFIED, {"verified_at": now}))
        cases.append(Case(Status.REGRESSED, {"regressed_at": now}))
    for manual in MANUAL:
        status = Status.NOT_APPLICABLE if manual == "not_needed" else TaskStatus(manual)
        cases.append(Case(status, _manual(manual, by["mimecast"], now)))
    return cases


def _manual(status: str, by: User, now: datetime) -> dict[str, Any]:
    return {
        "manual_status": status,
        "status_reason": REASON,
        "status_set_by": by,
        "status_set_at": now,
        "status_waiting_on": "client" if status == "waiting" else "",
        "accepted_until": now + timedelta(days=30) if status == "accepted_risk" else None,
    }


def _wait_cases() -> list[Case]:
    started = {"wait_started_at": timezone.now() - timedelta(days=1)}
    ends = {"wait_ends_at": timezone.now() + timedelta(days=2)}
    over = {"wait_ends_at": timezone.now(), "verified_at": timezone.now(), "status": "verified"}
    return [
        Case(Status.TODO, {"status": "todo"}),
        Case(Status.TODO, started | ends | {"status": "todo"}),
        Case(Status.VERIFIED, started | over),
    ]


class Plan:
    """The plan of a tenant, in which the facts of one task change."""

    def __init__(self, tenant: Tenant, clients: dict[str, Client], people: dict[str, User]) -> None:
        self.tenant, self.clients, self.people = tenant, clients, people

    def store(self, key: str, facts: dict[str, Any]) -> Task:
        cleared = {
            "mimecast_confirmed_at": None,
            "client_confirmed_at": None,
            "verified_at": None,
            "regressed_at": None,
            "manual_status": "",
            "status_reason": "",
            "wait_started_at": None,
            "wait_ends_at": None,
        }
        Task.objects.filter(plan=self.tenant.plan, key=key).update(**(cleared | facts))
        if not task_of(self.tenant, key).is_timed:
            recompute_rollup(self.tenant.plan)
        return task_of(self.tenant, key)

    def row(self, task: Task) -> Statement:
        """The task on the consultant's plan."""
        address = reverse("onboarding:plan-show", args=[self.tenant.public_id])
        html = self.get("mimecast", f"{address}?phase={task.phase.key}")
        return Statement(_between(html, f'id="{task.key}"', "</summary>"), html, task.key)

    def card(self, task: Task) -> Statement:
        """The task's card on the client's home."""
        html = self.get("client", reverse("onboarding:my-tasks", args=[self.tenant.public_id]))
        head = _between(html, f'<article class="card" id="{task.key}"', 'class="card-body"')
        return Statement(head, html, task.key)

    def get(self, side: str, address: str) -> str:
        """The page with single spaces."""
        html = " ".join(self.clients[side].get(address).content.decode().split())
        return html.replace("< ", "<").replace(" >", ">")


class Statement:
    """The head of a task's row or card, and the whole of it, as text."""

    def __init__(self, head: str, html: str, key: str) -> None:
        self.head = " ".join(strip_tags(f"<p {head}").split())
        self.icon = strip_tags(_between(head, "<title>", "</title>")).strip()
        self.whole = " ".join(texts(html, f"#{key}"))


def _between(html: str, start: str, end: str) -> str:
    assert start in html, start
    return start + html.split(start, 1)[1].split(end, 1)[0]


@pytest.fixture
def plan(
    tenant: Tenant,
    consultant: User,
    owner: User,
    run_check: RunCheck,
    signed_in: SignIn,
    fixed_monday: Clock,
) -> Plan:
    """No task but the examined one is open on the client's side, and its check failed."""
    tenant.domains.update(dkim_selectors="mimecast20261201")
    apply_profile(tenant)
    run_check(tenant, CheckKind.SPF, Verdict.FAIL)
    examined = KINDS.values()
    rows = Task.objects.filter(plan=tenant.plan)
    rows.exclude(key__in=examined).update(manual_status="declined", status_reason="No.")
    rows.update(depends_on=[], due_on=None)
    clients = {"mimecast": signed_in(consultant), "client": signed_in(owner)}
    return Plan(tenant, clients, {"mimecast": consultant, "client": owner})


def missing_statements(task: Task, shown: Statement) -> list[str]:
    """The parts of the statement about the task that its row or card lacks."""
    status = TaskStatus(task.status)
    side = (
        "completes automatically" if task.is_timed else SIDES[Responsibility(task.responsibility)]
    )
    wanted = {"status": STATEMENTS[status]}
    if task.is_timed and task.wait_ends_at is not None:
        wanted["status"] = "Wait ended" if task.verified_at else "Running since"
    if status in OPEN:
        wanted["side"] = re.escape(side)
    if status in (Status.IN_PROGRESS, Status.WAITING, Status.BLOCKED):
        wanted["reason"] = re.escape(REASON)
    details = {}
    if status in OPEN:
        # An explained term adds its meaning to the text.
        first, last = task.instructions[:20], task.instructions.rstrip()[-20:]
        details["work"] = rf"{re.escape(first)}[\s\S]*?{re.escape(last)}"
    if status in OPEN and CheckKind.MESSAGE in task.check_kinds:
        details["next check"] = "Check a test message"
    elif status in OPEN and task.check_kinds:
        details["next check"] = "[Nn]ext check (in |at |due )"
    if shown.icon != ICONS.get(status, shown.icon):
        return [f"icon is {shown.icon}"]
    missing = [name for name, words in wanted.items() if not re.search(words, shown.head)]
    return missing + [name for name, words in details.items() if not re.search(words, shown.whole)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_plan_states_every_status(plan: Plan, kind: str) -> None:
    task = task_of(plan.tenant, KINDS[kind])

    found = {}
    for case in cases_of(task, plan.people):
        shown = plan.store(task.key, case.facts)
        assert shown.status == case.status
        found[case.status] = missing_statements(shown, plan.row(shown))

    assert {case: missing for case, missing in found.items() if missing} == {}


# Tasks of Mimecast, and tasks that time completes, have no card.
ON_CARDS = [k for k in KINDS if k not in ("confirmed by Mimecast", "completed by time")]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ON_CARDS)
def test_card_states_every_open_status(plan: Plan, kind: str) -> None:
    task = task_of(plan.tenant, KINDS[kind])
    Task.objects.filter(plan=plan.tenant.plan).exclude(key=task.key).update(
        manual_status="declined", status_reason="No."
    )

    found = {}
    for case in cases_of(task, plan.people):
        # A confirmed task that needs time has a line below “Verifying”, and no card.
        if case.status in OPEN - {Status.AWAITING_VERIFICATION}:
            shown = plan.store(task.key, case.facts)
            found[case.status] = missing_statements(shown, plan.card(shown))

    assert {case: missing for case, missing in found.items() if missing} == {}
