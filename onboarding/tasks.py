"""Celery's doors to the plans."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable

from celery import shared_task
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from checks import discoveries
from onboarding import exporting, judging, services, snapshots, task_acts, windows
from onboarding.models import Mark, Plan, SheetImport, TenantExport
from onboarding.sheets import importing
from tenants.models import Domain

logger = logging.getLogger(__name__)


@shared_task(name="onboarding.reconcile", acks_late=True, ignore_result=True)
def reconcile() -> None:
    """Bring every tenant's checks and plan in line again: a lost reaction costs a day at most, and
    new region data asks new questions instead of judging the old ones anew."""
    open_plans = Plan.objects.filter(tenant__archived_at__isnull=True)
    for plan in open_plans.select_related("tenant").iterator():
        services.follow_profile(plan.tenant)
        judging.end_waits(plan, now=timezone.now())
    importing.drop_abandoned()


@shared_task(name="onboarding.end_acceptances", ignore_result=True)
def end_acceptances() -> None:
    """Open again what a consultant accepted for a time that is over."""
    now = timezone.now()
    over = Plan.objects.filter(
        tenant__archived_at__isnull=True, tasks__mark=Mark.ACCEPTED, tasks__mark_until__lte=now
    ).distinct()
    for plan in over.select_related("tenant"):
        task_acts.end_acceptances(plan, now=now)


@shared_task(name="onboarding.end_waits", ignore_result=True)
def end_waits() -> None:
    """Complete what only time completes, within a minute of its moment."""
    now = timezone.now()
    over = Plan.objects.filter(
        tenant__archived_at__isnull=True,
        tasks__waits_until__lte=now,
        tasks__proven_at__isnull=True,
    ).distinct()
    for plan in over.select_related("tenant"):
        judging.end_waits(plan, now=now)


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


@shared_task(name="onboarding.build_export", acks_late=True, ignore_result=True)
def build_export(public_id: str) -> None:
    export = TenantExport.objects.select_related("tenant").filter(public_id=public_id).first()
    if export is not None:
        exporting.build_export(export)


@shared_task(name="onboarding.look_around", acks_late=True, ignore_result=True)
def look_around(discovery_id: int) -> None:
    """A look around one domain's DNS; open pages hear of it."""
    if discoveries.look_around(discovery_id):
        plan = Plan.objects.filter(tenant__domains__discovery=discovery_id).first()
        if plan is not None:
            plan.touch()


@shared_task(name="onboarding.import_sheet", acks_late=True, ignore_result=True)
def import_sheet(public_id: str) -> None:
    """The next step of an import into a sheet: to read it, or to take it over."""
    rows = SheetImport.objects.select_related("sheet__task__plan__tenant", "made_by")
    kept = rows.filter(public_id=public_id).first()
    if kept is not None:
        importing.read_import(kept)
        importing.run_import(kept)


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
        # One that was to be read can be dropped and begun again.
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


def build_export_soon(export: TenantExport) -> None:
    """Queue the work once the transaction has committed."""
    transaction.on_commit(functools.partial(_queue, export.public_id))


def _queue(public_id: str) -> None:
    try:
        build_export.delay(public_id)
    except OperationalError:
        # The page shows the export as asked for, and offers to ask again.
        logger.warning("no broker: export %s was not begun", public_id)
