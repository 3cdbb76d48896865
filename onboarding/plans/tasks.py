"""Celery tasks of the plans: accepted risks, waits and reminders."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from kombu.exceptions import OperationalError

from checks.tasks import run_now
from onboarding.models import ManualStatus, Plan, Reminder, Task
from onboarding.plans import evaluation, reminders, services
from onboarding.plans.proof import checks_of_kinds
from tenants.email import send_template_email

logger = logging.getLogger(__name__)


@shared_task(name="onboarding.expire_accepted_risks", ignore_result=True)
def expire_accepted_risks() -> None:
    """Queue one message for each plan with an accepted risk whose last day is over."""
    expired = _open_plans().filter(
        tasks__manual_status=ManualStatus.ACCEPTED_RISK, tasks__accepted_until__lte=timezone.now()
    )
    for plan_id in expired.values_list("pk", flat=True).distinct():
        expire_accepted_risks_of.delay(plan_id)


@shared_task(name="onboarding.expire_accepted_risks_of", ignore_result=True)
def expire_accepted_risks_of(plan_id: int) -> None:
    for plan in _open_plans().select_related("tenant").filter(pk=plan_id):
        services.expire_accepted_risks(plan, now=timezone.now())


@shared_task(name="onboarding.complete_waits", ignore_result=True)
def complete_waits() -> None:
    """Queue one message for each plan with a wait that has ended, or a lockdown that is safe."""
    now = timezone.now()
    is_over = Q(tasks__wait_ends_at__lte=now, tasks__verified_at__isnull=True)
    ended = _open_plans().filter(is_over | Q(tasks__safe_from__lte=now))
    for plan_id in ended.values_list("pk", flat=True).distinct():
        complete_waits_of.delay(plan_id)


@shared_task(name="onboarding.complete_waits_of", ignore_result=True)
def complete_waits_of(plan_id: int) -> None:
    for plan in _open_plans().select_related("tenant").filter(pk=plan_id):
        evaluation.complete_waits(plan, now=timezone.now())


def _open_plans() -> QuerySet[Plan]:
    return Plan.objects.filter(tenant__closed_at__isnull=True)


@shared_task(name="onboarding.send_due_reminders", ignore_result=True)
def send_due_reminders() -> None:
    """Queue one message for each plan with automatic reminders, and for each unsent reminder."""
    automatic = _open_plans().filter(tenant__working_time__remind_after_working_days__gt=0)
    for plan_id in automatic.values_list("pk", flat=True):
        send_due_reminders_of.delay(plan_id)
    queue_reminders(reminders.unsent(now=timezone.now()))


@shared_task(name="onboarding.send_due_reminders_of", ignore_result=True)
def send_due_reminders_of(plan_id: int) -> None:
    for plan in _open_plans().select_related("tenant__consultant").filter(pk=plan_id):
        queue_reminders(
            reminders.send_due_reminders(plan, now=timezone.now(), site_url=settings.SITE_URL)
        )


@shared_task(
    name="onboarding.send_reminder",
    acks_late=True,
    ignore_result=True,
    autoretry_for=(OSError,),
    retry_backoff=30,
    max_retries=6,
)
def send_reminder(public_id: str) -> None:
    """Send one reminder, or cancel it if none of its tasks still waits.

    A worker that stops between sending and storing `sent_at` sends the reminder twice.
    """
    rows = Reminder.objects.select_related("plan__tenant__consultant", "recipient", "requested_by")
    reminder = rows.filter(public_id=public_id, sent_at=None, cancelled_at=None).first()
    if reminder is None:
        return
    tasks = reminders.tasks_still_waiting(reminder)
    if not tasks:
        Reminder.objects.filter(pk=reminder.pk).update(cancelled_at=timezone.now())
        return
    context = {
        "reminder": reminder,
        "tenant": reminder.plan.tenant,
        "tasks": tasks,
        "asked": reminders.tasks_with_open_questions(tasks),
    }
    send_template_email(reminder.recipient.email, "reminder", context)
    Reminder.objects.filter(pk=reminder.pk).update(sent_at=timezone.now())


def queue_reminders(unsent: Iterable[Reminder]) -> None:
    """Queue one message for each reminder on commit."""
    for reminder in unsent:
        transaction.on_commit(functools.partial(_send_reminder_message, reminder.public_id))


def _send_reminder_message(public_id: str) -> None:
    try:
        send_reminder.delay(public_id)
    except OperationalError:
        # The beat task send_due_reminders queues it again within the hour.
        logger.warning("no broker: reminder %s was not sent", public_id)


@shared_task(name="onboarding.run_related_checks", acks_late=True, ignore_result=True)
def run_related_checks(task_id: int) -> None:
    """Run the checks that support the task and do not prove it."""
    task = Task.objects.select_related("plan__tenant").filter(pk=task_id).first()
    if task is not None:
        run_now(checks_of_kinds(task, task.evidence_kinds, task.plan.tenant))


def queue_related_runs(task: Task) -> None:
    """Queue the runs on commit, so that the page does not wait for them."""
    transaction.on_commit(functools.partial(_send_related_runs, task.pk))


def _send_related_runs(task_id: int) -> None:
    try:
        run_related_checks.delay(task_id)
    except OperationalError:
        logger.warning("no broker: the related checks of task %d run later", task_id)
