"""Celery tasks of the plans: accepted risks, waits and reminders."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from checks.tasks import run_now
from onboarding.models import ManualStatus, Plan, Reminder, Task
from onboarding.plans import evaluation, reminders, services
from onboarding.plans.proof import checks_of_kinds
from tenants import database_time, outbox
from tenants.email import Email, render_email
from tenants.models import OutboxMessage, User

REMIND_LIMIT = ("task-remind", "120/h")


@shared_task(name="onboarding.expire_accepted_risks", ignore_result=True)
def expire_accepted_risks() -> None:
    """Queue one message for each plan with an accepted risk whose last day is over."""
    expired = _open_plans().filter(
        tasks__manual_status=ManualStatus.ACCEPTED_RISK,
        tasks__accepted_until__lte=database_time.now(),
    )
    for plan_id in expired.values_list("pk", flat=True).distinct():
        expire_accepted_risks_of.delay(plan_id)


@shared_task(name="onboarding.expire_accepted_risks_of", ignore_result=True)
def expire_accepted_risks_of(plan_id: int) -> None:
    for plan in _open_plans().select_related("tenant").filter(pk=plan_id):
        services.expire_accepted_risks(plan, now=database_time.now())


@shared_task(name="onboarding.complete_waits", ignore_result=True)
def complete_waits() -> None:
    """Queue one message for each plan with a wait that has ended, or a lockdown that is safe."""
    now = database_time.now()
    is_over = Q(tasks__wait_ends_at__lte=now, tasks__verified_at__isnull=True)
    ended = _open_plans().filter(is_over | Q(tasks__safe_from__lte=now))
    for plan_id in ended.values_list("pk", flat=True).distinct():
        complete_waits_of.delay(plan_id)


@shared_task(name="onboarding.complete_waits_of", ignore_result=True)
def complete_waits_of(plan_id: int) -> None:
    for plan in _open_plans().select_related("tenant").filter(pk=plan_id):
        evaluation.complete_waits(plan, now=database_time.now())


def _open_plans() -> QuerySet[Plan]:
    return Plan.objects.filter(tenant__closed_at__isnull=True)


@shared_task(name="onboarding.send_due_reminders", ignore_result=True)
def send_due_reminders() -> None:
    """Queue one message for each plan with automatic reminders, and for each unsent reminder."""
    automatic = _open_plans().filter(tenant__working_time__remind_after_working_days__gt=0)
    for plan_id in automatic.values_list("pk", flat=True):
        send_due_reminders_of.delay(plan_id)
    queue_reminders(reminders.unsent(now=database_time.now()))


@shared_task(name="onboarding.send_due_reminders_of", ignore_result=True)
def send_due_reminders_of(plan_id: int) -> None:
    for plan in _open_plans().select_related("tenant__consultant").filter(pk=plan_id):
        with transaction.atomic():
            queue_reminders(
                reminders.send_due_reminders(
                    plan, now=database_time.now(), site_url=settings.SITE_URL
                )
            )


def queue_reminders(unsent: Iterable[Reminder]) -> None:
    """Queue one e-mail for each reminder. A reminder that is queued already is ignored."""
    for reminder in unsent:
        outbox.add(
            "reminder",
            recipient=reminder.recipient.email,
            tenant=reminder.plan.tenant,
            payload={"reminder": reminder.public_id},
            public_id=reminder.public_id,
        )


def remind_now(task: Task, *, by: User, site_url: str) -> list[Reminder]:
    """Remind the side that the task waits for. Raises OnboardingError without a recipient."""
    with transaction.atomic():
        made = reminders.create_reminders(task.plan, [task], by=by, site_url=site_url)
        queue_reminders(made)
    return made


def _compose(message: OutboxMessage) -> Email | None:
    """The e-mail of a reminder. Cancels the reminder if none of its tasks still waits."""
    rows = Reminder.objects.select_related("plan__tenant__consultant", "recipient", "requested_by")
    unsent = rows.filter(sent_at=None, cancelled_at=None)
    reminder = unsent.filter(public_id=message.payload["reminder"]).first()
    if reminder is None:
        return None
    tasks = reminders.tasks_still_waiting(reminder)
    if not tasks:
        Reminder.objects.filter(pk=reminder.pk).update(cancelled_at=database_time.now())
        return None
    context = {
        "reminder": reminder,
        "tenant": reminder.plan.tenant,
        "tasks": tasks,
        "asked": reminders.tasks_with_open_questions(tasks),
        "actions": reminders.sentences_of(reminder.plan, tasks),
    }
    return render_email(reminder.recipient.email, "reminder", context)


def _store_sending(message: OutboxMessage, now: datetime) -> None:
    Reminder.objects.filter(public_id=message.payload["reminder"]).update(sent_at=now)


outbox.register("reminder", outbox.Composer(_compose, after_sending=_store_sending))


@shared_task(name="onboarding.send_reminder", acks_late=True, ignore_result=True)
def send_reminder(public_id: str) -> None:
    """Queue one reminder. Version 0.1.0 left such messages in the broker."""
    queue_reminders(Reminder.objects.filter(public_id=public_id, sent_at=None, cancelled_at=None))


@shared_task(name="onboarding.run_related_checks", acks_late=True, ignore_result=True)
def run_related_checks(task_id: int) -> None:
    """Run the checks that support the task and do not prove it."""
    task = Task.objects.select_related("plan__tenant").filter(pk=task_id).first()
    if task is not None:
        run_now(checks_of_kinds(task, task.evidence_kinds, task.plan.tenant))


def queue_related_runs(task: Task) -> None:
    """Queue the runs on commit, so that the page does not wait for them."""
    outbox.queue_task(run_related_checks, task.pk, tenant=task.plan.tenant)
