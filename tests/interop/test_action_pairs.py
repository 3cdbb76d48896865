"""Every pair of user actions at the same time on one plan, on PostgreSQL.

Each pair runs in a copy of one prepared database, with a thread and a connection for each user.
"""

from __future__ import annotations

import functools
import itertools
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.apps import apps
from django.core.cache import cache
from django.db import connection, connections, transaction
from django.db.models import UniqueConstraint
from django.test import Client
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Outcome, Verdict
from checks.models import Check
from checks.services import record_run
from onboarding.lifecycle.tasks import reconcile_tenant
from onboarding.models import Phase, Plan, RequirementsSheet, SheetRow, Task
from onboarding.plans.rollup import recompute_rollup
from onboarding.requirements.definitions import DEFINITIONS
from tenants.log_verification import verify_logs
from tenants.models import ActivityLine
from tests.access_matrix import routes
from tests.access_tables import table_under
from tests.action_world import VALUES, ActionWorld, create_world
from tests.actions import Action, clients_of, discover
from tests.factories import MakeTenant
from tests.interop.concurrency import run_concurrently

pytestmark = [
    pytest.mark.interop,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
    ),
]

ROWS = {row["address"].strip("`"): row for row in table_under("Addresses")}
# The API calls the services of the pages.
ROUTES = [
    route
    for route in routes()
    if route.name in ROWS
    and ":moved-" not in route.name
    and "token" not in route.params
    and not route.is_api
    # No page of ours has a form for SCIM, and the admin demands a second factor.
    and not route.name.startswith(("scim-v2-", "admin:"))
]
ACTIONS = {route.name for route in ROUTES if "POST" in ROWS[route.name]["methods"].split()}
# The actions that the prepared plan does not offer, with the reason.
NOT_OFFERED = {
    "health": "changes nothing",
    "onboarding:setup-finish": "needs a complete setup",
    "tenants:notification-read": "changes the rows of one person alone",
    "tenants:notifications-read": "changes the rows of one person alone",
    "tenants:scim-token-create": "needs the password again",
    "tenants:scim-token-revoke": "needs a token",
    "onboarding:lab-change": "changes the files of the lab, and no row",
    "onboarding:preflight": "changes nothing",
    "onboarding:desk-remind": "needs a tenant that the administrator leads",
    "onboarding:tenants-bulk": "needs a selected tenant",
    "onboarding:zone-file": "changes nothing",
    "onboarding:lab-test-message": "changes the files of the lab, and no row",
    "onboarding:template-draft-create": "there is one draft already",
    "onboarding:template-phase-remove": "needs a phase without tasks",
    "onboarding:template-source": "belongs to the page of the sources of a draft",
    "onboarding:template-source-add": "belongs to the page of the sources of a draft",
    "onboarding:template-source-remove": "belongs to the page of the sources of a draft",
    "onboarding:requirements-suggestion-use": "belongs to another sheet",
    "onboarding:requirements-answer-use": "belongs to another sheet",
    "onboarding:requirements-host-use": "belongs to another sheet",
    "onboarding:requirements-partners-test": "belongs to another sheet",
    "onboarding:host-from-sheet": "belongs to another sheet",
    "onboarding:residual-risk-accept": "needs a plan with a residual risk",
    "onboarding:residual-risk-withdraw": "needs a plan with a residual risk",
    "onboarding:sign-off": "needs a plan with a decision for each task",
    "onboarding:tenant-reopen": "needs a closed tenant",
    "onboarding:checks-start": "needs an imported tenant",
    "onboarding:closing-pack-request": "needs a closed tenant",
}
# The actions on rows that no other transaction can lock, because it creates them.
ANY_ORDER = {"onboarding:tenant-create"}
OUR_MODELS = [
    m for m in apps.get_models() if m._meta.app_label in ("tenants", "checks", "onboarding")
]
# The plan offers these actions to the owner only.
OF_CLIENTS = {
    "onboarding:comment-delete",
    "onboarding:requirements-sign-off-withdraw",
    "onboarding:task-domain-confirm",
    "onboarding:task-domain-withdraw",
}
COPY = "gangway_action_pair"
AT_ONCE = 10
# Each unique constraint that an action can violate: the action, and the answers to four equal
# requests at once. 422 is a sentence next to a field, 302 a message or the same row again.
UNIQUE_VALUES = {
    "tenants.User.email": ("staff-add", [302, 422, 422, 422]),
    "tenants.Tenant.name": ("tenant-create", [302, 422, 422, 422]),
    "one_pending_invitation_per_address": ("invite", [302, 422, 422, 422]),
    "host_once_per_tenant": ("host-enter", [302, 422, 422, 422]),
    "holiday_once_per_tenant": ("holiday-add", [302, 422, 422, 422]),
    "mimecast_holiday_once": ("mimecast-holiday-add", [302, 422, 422, 422]),
    "contact_once_per_role": ("contact-add", [302, 422, 422, 422]),
    "one_cutover_per_domain_and_direction": ("cutovers", [302, 422, 422, 422]),
    "row_once_per_sheet": ("requirements-row-add", [302, 422, 422, 422]),
    "domain_once_per_tenant": ("suggestion-use", [302] * 4),
    "on_call_once_per_cutover": ("on-call-add", [302] * 4),
    "onboarding.WorkingTime.tenant": ("working-time", [302] * 4),
    "one_progress_per_task_and_domain": ("task-domain-exempt", [302, 422, 422, 422]),
    "checks.Discovery.domain": ("dns-scan", [302] * 4),
    "one_decision_per_window": ("cutover-vote", [302, 422, 422, 422]),
    "saved_view_once_per_owner": ("saved-view-create", [302, 422, 422, 422]),
    "onboarding.PlanTemplate.version": ("template-publish", [302, 422, 422, 422]),
}
GUARDED = {
    "tenants.SetupDecision.kind": "update_or_create and get_or_create repeat the read",
    "one_default_view_per_owner": "create_view and change_view lock the owner",
    "tenants.ActivityChain.scope": "add_line locks the chain, and get_or_create repeats the read",
    "one_line_per_number": "add_line locks the chain",
    "tenants.ProvisionedPerson.user": "update_or_create follows the lock on the account",
    "one_person_per_user_name": "test_two_creations_make_one_account",
    "tenants.ProvisionedGroup.name": "create_group answers 409 after a conflict",
    "tenants.ProviderGrant.user": "update_or_create repeats the read",
    "one_membership_per_tenant": "accept updates the invitation by condition first",
    "one_primary_domain_per_tenant": "save_profile locks the tenant",
    "tenants.ErasurePermit.tenant": "erase_tenant locks the tenant",
    "one_check_per_domain_and_kind": "sync_checks follows the lock on the tasks",
    "one_check_per_host_and_kind": "sync_checks follows the lock on the tasks",
    "unique_raw_answers": "only workers write it",
    "checks.Worker.name": "only workers write it",
    "tenants.EventCount.name": "increase inserts a missing row and ignores a conflict",
    "onboarding.CalendarEntry.uid": "the feeds insert missing rows and ignore a conflict",
    "one_slot_per_address": "only workers write it",
    "one_notification_per_source": "notify inserts missing rows and ignores a conflict",
    "one_answer_per_question": "only workers write it",
    "onboarding.PlanTemplate.builtin_version": "only load_templates writes it",
    "onboarding.Plan.tenant": "a plan belongs to a new tenant",
    "phase_once_per_plan": "upgrade_plan locks the tasks",
    "task_once_per_plan": "keys of custom tasks are random",
    "one_task_per_plan_and_role": "upgrade_plan locks the tasks",
    "one_open_waiting_period_per_task": "the roll-up locks the tasks",
    "one_acceptance_per_residual_risk": "accept_residual_risk locks the tenant",
    "contact_on_call_once_per_cutover": "as on_call_once_per_cutover",
    "one_snapshot_per_opened_window": "the snapshot locks the cutover",
    "onboarding.Monitoring.tenant": "get_or_create repeats the read",
    "one_open_drift_per_subject": "get_or_create repeats the read",
    "onboarding.RequirementsSheet.task": "create_sheets follows the lock on the tasks",
    "partner_once_per_sheet": "request_tests locks the sheet",
    "one_response_per_idempotency_key": "reserve returns None after a conflict",
    "onboarding.TemplateDraft.singleton": "test_installation_has_one_draft",
}
# They are random.
IDENTIFIERS = {"public_id", "token_hash", "stored_as"}
Answer = tuple[int, str]


@dataclass
class Stage:
    """The prepared database, and the actions that its pages offer."""

    world: ActionWorld
    found: dict[tuple[str, str], Action]
    clients: dict[str, Client]
    files: Path
    source: str

    def copy(self) -> None:
        """Replace the copy of the database and of the files, and connect to it."""
        connection.close()
        _use(self.source)
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {COPY} WITH (FORCE)")
            # The server ends the sessions of an earlier test's killed processes after a while.
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [self.source],
            )
            cursor.execute(f"CREATE DATABASE {COPY} TEMPLATE {self.source}")
        _use(COPY)
        shutil.rmtree(self.files / "copy", ignore_errors=True)
        shutil.copytree(self.files / "source", self.files / "copy")
        cache.clear()


def _use(name: str) -> None:
    connection.close()
    connections.settings["default"]["NAME"] = name
    connection.settings_dict["NAME"] = name


@pytest.fixture
def people() -> tuple[str, ...]:
    """The people whose actions the test uses."""
    return ("staff",)


@pytest.fixture
def stage(
    make_tenant: MakeTenant, settings: Any, tmp_path: Path, people: tuple[str, ...]
) -> Iterator[Stage]:
    settings.FILES_DIR = tmp_path / "source"
    settings.LAB, settings.LAB_DIR = True, tmp_path / "lab"
    world = create_world(make_tenant)
    values = VALUES | {
        "onboarding:tasks-bulk": {"task": [world.ids["task_id"]], "due_on": "2026-12-29"},
        "onboarding:cutover-edit": {
            "reason": "Agreed.",
            "domains": list(world.tenant.domains.values_list("public_id", flat=True)),
        },
    }
    clients = clients_of({name: world.people[name] for name in people})
    found = discover(ROUTES, world.ids, clients, values, world.ids_by_name)
    settings.FILES_DIR = tmp_path / "copy"
    # Without workers: the test starts reactions itself.
    broker = current_app.conf.broker_url
    current_app.conf.update(broker_url="memory://", task_always_eager=False)
    source = str(connection.settings_dict["NAME"])
    yield Stage(world, found, clients, tmp_path, source)
    _use(source)
    current_app.conf.update(broker_url=broker, task_always_eager=True)
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {COPY} WITH (FORCE)")


def _press(stage: Stage, action: Action) -> Callable[[], Answer]:
    """Send the action from its user's browser. Returns the status, and the error of a 500."""

    def press() -> Answer:
        client = Client(raise_request_exception=False)
        client.cookies = stage.clients[action.user].cookies
        return action.send(client)

    return press


def _record_pass(stage: Stage) -> Answer:
    check = Check.objects.filter(tenant=stage.world.tenant.pk, kind=CheckKind.MX)[0]
    outcome = Outcome(CheckKind.MX, check.subject, Verdict.PASS)
    record_run(check.pk, outcome, expectation=check.expectation, at=timezone.now())
    return 200, ""


def _reconcile(stage: Stage) -> Answer:
    reconcile_tenant(stage.world.tenant.pk)
    return 200, ""


def _faults_after(stage: Stage, actions: Sequence[Action]) -> list[str]:
    """Run the actions at once with the reactions of workers. Returns errors and faults."""
    stage.copy()
    presses = [_press(stage, action) for action in actions]
    presses += [functools.partial(each, stage) for each in (_record_pass, _reconcile)]
    answers = run_concurrently(presses)
    return [error for status, error in answers if status >= 500] + faults_of(stage)


def faults_of(stage: Stage) -> list[str]:
    """The broken invariants of the current database."""
    faults = [f"{log.scope}: {log.fault}" for log in verify_logs() if log.fault]
    plan = Plan.objects.filter(tenant=stage.world.tenant.pk).select_related("tenant").first()
    if plan is None:
        return faults
    before = _counted(plan)
    with transaction.atomic():
        recompute_rollup(plan)
        after = _counted(plan)
        transaction.set_rollback(True)
    faults += [
        f"{key}: {before[key]} is not {after[key]}"
        for key in before
        if before[key] != after[key] and not plan.tenant.is_closed
    ]
    for sheet in RequirementsSheet.objects.filter(task__plan=plan):
        rows = SheetRow.objects.filter(sheet=sheet)
        count = sum(
            1 for row in rows if not DEFINITIONS[sheet.kind].is_fixed or row.values["answer"]
        )
        if count != sheet.row_count:
            faults.append(f"sheet {sheet.kind}: {sheet.row_count} rows are counted of {count}")
    return faults


def _counted(plan: Plan) -> dict[str, Any]:
    names = ("tasks_total", "tasks_complete", "tasks_regressed")
    found: dict[str, Any] = {"plan": Plan.objects.filter(pk=plan.pk).values_list(*names).get()}
    for phase in Phase.objects.filter(plan=plan):
        found[f"phase {phase.key}"] = tuple(getattr(phase, name) for name in names)
    for task in Task.objects.filter(plan=plan):
        found[f"task {task.key}"] = (task.status, task.waiting_on)
    return found


def test_actions_at_once(stage: Stage) -> None:
    """The same action four times at once, then ten actions at once with two reactions.

    One test, because the preparation takes longer than each of its parts.
    """
    actions = sorted(stage.found.values(), key=lambda action: action.name)
    assert ACTIONS - {action.name for action in actions} == {*NOT_OFFERED, *OF_CLIENTS}
    in_wrong_order = {a.name: a.violations for a in actions if a.violations}
    assert in_wrong_order.keys() <= ANY_ORDER, in_wrong_order

    assert _unique_constraints() == {*UNIQUE_VALUES, *GUARDED}
    stage.copy()
    answers = {name: _answers_to_equal_requests(stage, name) for name, _ in UNIQUE_VALUES.values()}
    assert answers == dict(UNIQUE_VALUES.values())

    random.Random(15).shuffle(actions)
    for begin in range(0, len(actions), AT_ONCE):
        chosen = actions[begin : begin + AT_ONCE]
        assert _faults_after(stage, chosen) == [], [action.name for action in chosen]


def _unique_constraints() -> set[str]:
    fields = {
        f"{model._meta.label}.{field.name}"
        for model in OUR_MODELS
        for field in model._meta.concrete_fields
        if field.unique and not field.primary_key and field.name not in IDENTIFIERS
    }
    return fields | {
        constraint.name
        for model in OUR_MODELS
        for constraint in model._meta.constraints
        if isinstance(constraint, UniqueConstraint)
    }


def _answers_to_equal_requests(stage: Stage, name: str) -> list[int]:
    action = stage.found[f"onboarding:{name}", "staff"]
    return sorted(status for status, _ in run_concurrently([_press(stage, action)] * 4))


@pytest.mark.nightly
@pytest.mark.parametrize("people", [("staff", "client")])
def test_every_pair_of_actions(stage: Stage) -> None:
    """Also each action twice: two browser windows, or a double click."""
    by_name = {action.name: action for action in stage.found.values() if action.user == "staff"}
    of_client = {action.name: action for action in stage.found.values() if action.user == "client"}
    names = sorted({*by_name, *of_client})
    wrong = {}

    for first, second in itertools.combinations_with_replacement(names, 2):
        pair = [
            by_name.get(first, of_client.get(first)),
            of_client.get(second, by_name.get(second)),
        ]
        faults = _faults_after(stage, [action for action in pair if action is not None])
        if faults:
            wrong[first, second] = faults

    assert wrong == {}


@pytest.mark.nightly
@pytest.mark.parametrize("people", [("staff", "client")])
def test_pairs_on_one_task_lose_nothing(stage: Stage) -> None:
    """The result of a pair on one task is the result of one order of the two."""
    of_task = [action for action in stage.found.values() if "/tasks/" in action.url]
    wrong = {}

    for first, second in itertools.combinations(of_task, 2):
        at_once, in_order = (
            _results(stage, pair, run)
            for pair, run in (
                ([[first, second]], run_concurrently),
                ([[first, second], [second, first]], _run_in_order),
            )
        )
        if at_once[0] not in in_order:
            wrong[first.name, first.user, second.name, second.user] = (at_once, in_order)

    assert wrong == {}


def _run_in_order(presses: list[Callable[[], Answer]]) -> list[Answer]:
    return [press() for press in presses]


def _results(
    stage: Stage, orders: list[list[Action]], run: Callable[[list[Callable[[], Answer]]], Any]
) -> list[dict[str, int]]:
    """The rows of each table, the statuses and the lines of the activity log after each order."""
    found = []
    for actions in orders:
        stage.copy()
        run([_press(stage, action) for action in actions])
        counts = Counter(
            {model._meta.db_table: model._base_manager.count() for model in OUR_MODELS}
        )
        counts.update(ActivityLine.objects.values_list("action", flat=True))
        counts.update(f"task {status}" for status in Task.objects.values_list("status", flat=True))
        found.append(dict(counts))
    return found
