"""Two people change one plan at the same time, on PostgreSQL. Both changes count."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from threading import Event

import pytest
from django.db import connection, transaction

from onboarding.collaboration.comments import NewComment, add_comment
from onboarding.models import Comment, Plan, Task
from onboarding.plans.custom_tasks import CustomTaskContent, add_task
from onboarding.plans.dates import set_due_date
from onboarding.plans.evaluation import recompute_waits
from onboarding.plans.queries import lock_tasks
from onboarding.plans.services import confirm_task, withdraw_confirmation
from onboarding.portfolio import bulk
from tenants.models import Tenant, User
from tests.factories import fill_fields, task_of
from tests.interop.concurrency import run_concurrently

pytestmark = [
    pytest.mark.interop,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
    ),
]

KEY = "initial-conversation"
ROUNDS = range(10)


def _again(tenant: Tenant, key: str = KEY) -> Task:
    return Task.objects.select_related("plan__tenant").get(plan__tenant=tenant, key=key)


def test_question_and_confirmation_both_count(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    """A question and a confirmation both change `waiting on`."""

    def ask() -> None:
        words = NewComment("Who owns DNS?", asked_side="client")
        add_comment(_again(tenant), words, by=consultant, side="mimecast")

    def answer() -> None:
        question = Comment.objects.filter(answered_at=None, asked_side="client").first()
        if question is not None:
            add_comment(
                _again(tenant), NewComment("Jo."), by=owner, side="client", reply_to=question
            )

    def confirm() -> None:
        confirm_task(_again(tenant), by=owner, side="client")

    def withdraw() -> None:
        withdraw_confirmation(_again(tenant), by=owner, side="client")

    fill_fields(task_of(tenant, KEY))
    for _ in ROUNDS:
        run_concurrently([ask, confirm])
        run_concurrently([answer, withdraw])

    assert Comment.objects.filter(asked_side="client").count() == len(ROUNDS)
    assert not Comment.objects.filter(asked_side="client", answered_at=None).exists()
    assert (_again(tenant).client_confirmed_at, _again(tenant).waiting_on) == (None, "both")


def test_lock_includes_tasks_of_another_transaction(tenant: Tenant, consultant: User) -> None:
    """A task that is inserted while this transaction waits for the locks is locked too."""
    inserted, waiting = Event(), Event()
    phase = tenant.plan.phases.order_by("position")[0].key

    def insert() -> set[int]:
        with transaction.atomic():
            lock_tasks(tenant.plan.pk)
            content = CustomTaskContent(phase, "Tell the service desk", "", "both")
            added = add_task(tenant.plan, content, by=consultant)
            inserted.set()
            waiting.wait(10)
            time.sleep(0.5)
            return {added.pk}

    def lock() -> set[int]:
        inserted.wait(10)
        with transaction.atomic():
            waiting.set()
            return {task.pk for task in lock_tasks(tenant.plan.pk)}

    added, locked = run_concurrently([insert, lock])

    assert added <= locked


def test_bulk_and_single_actions_all_count(tenant: Tenant, owner: User, consultant: User) -> None:
    plan = Plan.objects.select_related("tenant").get(tenant=tenant)
    fill_fields(task_of(tenant, KEY))
    tasks = list(Task.objects.filter(plan=plan, is_group=False).order_by("position"))
    forth = [task.public_id for task in tasks]
    change = bulk.BulkChange(due_on=date(2031, 4, 1), comment="Please see to it.")

    def many() -> None:
        bulk.apply_to(plan, forth, change, by=consultant, side="mimecast")

    def one(key: str) -> Callable[[], None]:
        return lambda: set_due_date(_again(tenant, key), None, by=consultant)

    def confirm() -> None:
        confirm_task(_again(tenant), by=owner, side="client")

    run_concurrently(
        [many, one(tasks[-1].key), one(tasks[5].key), confirm, lambda: recompute_waits(plan)]
    )

    assert Comment.objects.filter(plan=plan).count() == len(tasks)
    assert task_of(tenant, KEY).client_confirmed_by == owner
