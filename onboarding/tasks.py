"""Celery's doors to the plans."""

from __future__ import annotations

import functools
import logging

from celery import shared_task
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from onboarding import exporting, services, windows
from onboarding.models import Plan, TenantExport

logger = logging.getLogger(__name__)


@shared_task(name="onboarding.reconcile", acks_late=True, ignore_result=True)
def reconcile() -> None:
    """Bring every tenant's checks and plan in line again: a lost reaction costs a day at most, and
    new region data asks new questions instead of judging the old ones anew."""
    open_plans = Plan.objects.filter(tenant__archived_at__isnull=True)
    for plan in open_plans.select_related("tenant").iterator():
        services.follow_profile(plan.tenant)


@shared_task(name="onboarding.watch_cutovers", ignore_result=True)
def watch_cutovers() -> None:
    """Each minute: a cutover's window that has opened is watched every few seconds."""
    begun = windows.watch_open_windows(now=timezone.now())
    if begun:
        logger.info("watching %d checks closely", begun)


@shared_task(name="onboarding.build_export", acks_late=True, ignore_result=True)
def build_export(public_id: str) -> None:
    export = TenantExport.objects.select_related("tenant").filter(public_id=public_id).first()
    if export is not None:
        exporting.build_export(export)


def build_export_soon(export: TenantExport) -> None:
    """Queue the work once the transaction has committed."""
    transaction.on_commit(functools.partial(_queue, export.public_id))


def _queue(public_id: str) -> None:
    try:
        build_export.delay(public_id)
    except OperationalError:
        # The page shows the export as asked for, and offers to ask again.
        logger.warning("no broker: export %s was not begun", public_id)
