"""Celery's doors to the plans."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable
from smtplib import SMTPException

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from kombu.exceptions import OperationalError

from checks import discoveries
from checks.subjects import keep_checks
from onboarding import exporting, services, talk
from onboarding.cutovers import snapshots, windows
from onboarding.models import (
    ClosingPack,
    DriftLetter,
    Mark,
    Plan,
    Reminder,
    SheetImport,
    TenantExport,
)
from onboarding.packs import building
from onboarding.plans import judging, reminding, task_acts
from onboarding.sheets import importing
from onboarding.watch import drifts, telling
from tenants.mails import send_mail_to
from tenants.models import Domain, Tenant

logger = logging.getLogger(__name__)


# Acts on every plan queue a task for each, so that a plan that fails holds up none of the others:
# Celery logs it, and its next turn comes with the beat.


@shared_task(name="onboarding.reconcile", acks_late=True, ignore_result=True)
def reconcile() -> None:
    """Bring every tenant's checks and plan in line again: a lost reaction costs a day at most, and
    new region data asks new questions instead of judging the old ones anew."""
    tenants = Tenant.objects.filter(Q(archived_at__isnull=True) | Q(completed_at__isnull=False))
    for tenant_id in tenants.filter(plan__isnull=False).values_list("pk", flat=True):
        reconcile_tenant.delay(tenant_id)
    importing.drop_abandoned()


@shared_task(name="onboarding.reconcile_tenant", acks_late=True, ignore_result=True)
def reconcile_tenant(tenant_id: int) -> None:
    tenant = Tenant.objects.select_related("plan").filter(pk=tenant_id).first()
    if tenant is None:
        return
    if not tenant.is_closed:
        services.follow_profile(tenant)
        judging.end_waits(tenant.plan, now=timezone.now())
    elif tenant.completed_at is not None:
        # A completed tenant's plan stays as it was closed; its checks ask by today's values.
        keep_checks(tenant)
    drifts.follow_tenant(tenant)


@shared_task(name="onboarding.end_acceptances", ignore_result=True)
def end_acceptances() -> None:
    """Open again what a consultant accepted for a time that is over."""
    over = _open_plans().filter(tasks__mark=Mark.ACCEPTED, tasks__mark_until__lte=timezone.now())
    for plan_id in over.values_list("pk", flat=True).distinct():
        end_acceptances_of.delay(plan_id)


@shared_task(name="onboarding.end_acceptances_of", ignore_result=True)
def end_acceptances_of(plan_id: int) -> None:
    for plan in _open_plans().select_related("tenant").filter(pk=plan_id):
        task_acts.end_acceptances(plan, now=timezone.now())


@shared_task(name="onboarding.end_waits", ignore_result=True)
def end_waits() -> None:
    """Complete what only time completes, within a minute of its moment."""
    over = _open_plans().filter(
        tasks__waits_until__lte=timezone.now(), tasks__proven_at__isnull=True
    )
    for plan_id in over.values_list("pk", flat=True).distinct():
        end_waits_of.delay(plan_id)


@shared_task(name="onboarding.end_waits_of", ignore_result=True)
def end_waits_of(plan_id: int) -> None:
    for plan in _open_plans().select_related("tenant").filter(pk=plan_id):
        judging.end_waits(plan, now=timezone.now())


def _open_plans() -> QuerySet[Plan]:
    return Plan.objects.filter(tenant__archived_at__isnull=True)


@shared_task(name="onboarding.watch_cutovers", ignore_result=True)
def watch_cutovers() -> None:
    """Each minute: a cutover's window that has opened is watched every few seconds, once what is
    published has been kept for the way back."""
    now = timezone.now()
    for cutover in windows.open_windows(now=now):
        snapshots.take_at_opening(cutover)
    begun = windows.watch_open_windows(now=now)
    if begun:
        logger.info("watching %d checks closely", begun)


@shared_task(name="onboarding.chase", ignore_result=True)
def chase() -> None:
    """Each hour: remind whoever has been waited for too long, where a consultant wishes it."""
    wished = _open_plans().filter(tenant__working_time__chase_after_days__gt=0)
    for plan_id in wished.values_list("pk", flat=True):
        chase_plan.delay(plan_id)
    send_reminders_soon(reminding.left_behind(now=timezone.now()))


@shared_task(name="onboarding.chase_plan", ignore_result=True)
def chase_plan(plan_id: int) -> None:
    for plan in _open_plans().select_related("tenant__consultant").filter(pk=plan_id):
        send_reminders_soon(reminding.chase(plan, now=timezone.now(), site=settings.SITE_URL))


@shared_task(
    name="onboarding.send_reminder",
    acks_late=True,
    ignore_result=True,
    autoretry_for=(OSError,),
    retry_backoff=30,
    max_retries=6,
)
def send_reminder(public_id: str) -> None:
    """Mail it, unless its steps have moved on. A worker that dies in between sends it twice."""
    rows = Reminder.objects.select_related("plan__tenant__consultant", "recipient", "asked_by")
    reminder = rows.filter(public_id=public_id, sent_at=None, dropped_at=None).first()
    if reminder is None:
        return
    tasks = reminding.still_waiting(reminder)
    if not tasks:
        Reminder.objects.filter(pk=reminder.pk).update(dropped_at=timezone.now())
        return
    context = {
        "reminder": reminder,
        "tenant": reminder.plan.tenant,
        "tasks": tasks,
        "asked": talk.with_open_questions(tasks),
    }
    send_mail_to(reminder.recipient.email, "reminder", context)
    Reminder.objects.filter(pk=reminder.pk).update(sent_at=timezone.now())


def send_reminders_soon(made: Iterable[Reminder]) -> None:
    """Queue the mails once the transaction has committed."""
    for reminder in made:
        transaction.on_commit(functools.partial(_queue_reminder, reminder.public_id))


def _queue_reminder(public_id: str) -> None:
    try:
        send_reminder.delay(public_id)
    except OperationalError:
        # The next hour's chase queues what was left behind.
        logger.warning("no broker: reminder %s was not sent", public_id)


@shared_task(name="onboarding.tell_drifts", ignore_result=True)
def tell_drifts() -> None:
    """Each minute: letters about what has drifted or is right again, and those not sent yet."""
    now = timezone.now()
    for tenant in telling.tenants_to_tell(now):
        telling.make_letters(tenant, now=now)
    for public_id in telling.unsent(now).values_list("public_id", flat=True):
        send_drift_letter.delay(public_id)


@shared_task(name="onboarding.send_drift_letter", acks_late=True, ignore_result=True)
def send_drift_letter(public_id: str) -> None:
    letter = DriftLetter.objects.select_related("tenant", "person").filter(public_id=public_id)
    for each in letter:
        try:
            telling.send(each, now=timezone.now())
        except (SMTPException, OSError) as error:
            # It stays unsent, and the beat comes back to it.
            logger.warning("the mail server took no letter about drifts: %s", error)


@shared_task(name="onboarding.build_export", acks_late=True, ignore_result=True)
def build_export(public_id: str) -> None:
    export = TenantExport.objects.select_related("tenant").filter(public_id=public_id).first()
    if export is not None:
        exporting.build_export(export)


@shared_task(
    name="onboarding.build_pack",
    acks_late=True,
    ignore_result=True,
    time_limit=580,
    soft_time_limit=570,
)
def build_pack(public_id: str) -> None:
    pack = ClosingPack.objects.select_related("tenant").filter(public_id=public_id).first()
    if pack is not None:
        building.build_pack(pack)


@shared_task(name="onboarding.build_lost_packs", ignore_result=True)
def build_lost_packs() -> None:
    """Closing packs that a broker or a worker lost: nobody has to ask for them again."""
    for pack in building.unbuilt(timezone.now()):
        build_pack.delay(pack.public_id)


@shared_task(name="onboarding.look_around", acks_late=True, ignore_result=True)
def look_around(discovery_id: int) -> None:
    """A look around one domain's DNS; open pages hear of it."""
    if discoveries.look_around(discovery_id):
        plan = Plan.objects.filter(tenant__domains__discovery=discovery_id).first()
        if plan is not None:
            plan.touch()


@shared_task(
    name="onboarding.import_sheet",
    acks_late=True,
    ignore_result=True,
    time_limit=580,
    soft_time_limit=570,
)
def import_sheet(public_id: str) -> None:
    """The next step of an import into a sheet: to read it, or to take it over."""
    rows = SheetImport.objects.select_related("sheet__task__plan__tenant", "made_by")
    kept = rows.filter(public_id=public_id).first()
    if kept is not None and kept.is_under_way and importing.begin_attempt(kept):
        importing.read_import(kept)
        importing.run_import(kept)


@shared_task(name="onboarding.resume_imports", ignore_result=True)
def resume_imports() -> None:
    """Imports that a broker or a worker lost: whoever waits before the bar has to do nothing."""
    for kept in importing.lost_imports(now=timezone.now()):
        logger.warning("import %s was lost and is begun again", kept.public_id)
        import_sheet.delay(kept.public_id)


def import_soon(kept: SheetImport) -> None:
    """Do the next step at once where it is small; else queue it."""
    if importing.is_large(kept):
        transaction.on_commit(functools.partial(_queue_import, kept.public_id))
    else:
        import_sheet(kept.public_id)


def _queue_import(public_id: str) -> None:
    try:
        import_sheet.delay(public_id)
    except OperationalError:
        # The beat begins again what was to be read.
        importing.put_off(public_id)
        logger.warning("no broker: import %s was not begun", public_id)


def look_around_soon(domains: Iterable[Domain]) -> None:
    """Note who is to be looked at, and queue it once the transaction has committed."""
    for domain in domains:
        asked = discoveries.ask_around(domain)
        transaction.on_commit(functools.partial(_queue_look_around, asked.pk))


def _queue_look_around(discovery_id: int) -> None:
    try:
        # Where the checks look from, DNS can be asked.
        look_around.apply_async(args=(discovery_id,), queue="checks.default")
    except OperationalError:
        # The page shows it as asked for, and offers to ask again.
        logger.warning("no broker: discovery %s was not begun", discovery_id)


def build_pack_soon(pack: ClosingPack) -> None:
    """Queue the work once the transaction has committed."""
    transaction.on_commit(functools.partial(_queue_pack, pack.public_id))


def _queue_pack(public_id: str) -> None:
    try:
        build_pack.delay(public_id)
    except OperationalError:
        # The beat looks for packs that were asked for and are not there.
        logger.warning("no broker: closing pack %s was not begun", public_id)


def build_export_soon(export: TenantExport) -> None:
    """Queue the work once the transaction has committed."""
    transaction.on_commit(functools.partial(_queue, export.public_id))


def _queue(public_id: str) -> None:
    try:
        build_export.delay(public_id)
    except OperationalError:
        # The page shows the export as asked for, and offers to ask again.
        logger.warning("no broker: export %s was not begun", public_id)
