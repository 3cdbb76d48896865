"""Celery tasks of the lifecycle: reconciliation, exports, closing packs and DNS discovery."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Iterable
from datetime import timedelta

from celery import shared_task
from django.db import transaction
from django.db.models import F, Q

from checks import dns_discovery
from checks.expectations import sync_checks
from onboarding.collaboration import file_store
from onboarding.lifecycle import domain_scans, exports, offboarding, pruning
from onboarding.lifecycle.archive.exporting import build_archive
from onboarding.lifecycle.closing_pack import build
from onboarding.models import ClosingPack, DomainScan, Plan, TenantExport
from onboarding.monitoring import drifts
from onboarding.plan_templates import plan_creation
from onboarding.plans import evaluation
from onboarding.requirements.prefill import prefill_plan
from tenants import broker, database_time, outbox
from tenants.models import Domain, Tenant

logger = logging.getLogger(__name__)

RECONCILE_EVERY = timedelta(days=1)
# The interval of `onboarding.reconcile` (config.beat_schedule).
RECONCILE_TICK = timedelta(minutes=5)
# Twice the share of a tick in a day, so that tenants catch up after a pause.
RECONCILED_SHARE = 2 * (RECONCILE_TICK / RECONCILE_EVERY)
FEWEST_RECONCILED = 10


@shared_task(name="onboarding.reconcile", acks_late=True, ignore_result=True)
def reconcile() -> None:
    """Queue one message for some of the tenants, open or completed, that were not reconciled today.

    The daily reconciliation repairs lost reactions within a day and applies new region data. All
    tenants follow in turns, spread over the day. A message expires before the next one for the
    same tenant.
    """
    now = database_time.now()
    tenants = Tenant.objects.filter(
        Q(closed_at__isnull=True) | Q(completed_at__isnull=False),
        plan__isnull=False,
        checks_paused_at=None,
    )
    is_due = Q(plan__reconciled_at=None) | Q(plan__reconciled_at__lte=now - RECONCILE_EVERY)
    due = tenants.filter(is_due).order_by(F("plan__reconciled_at").asc(nulls_first=True), "pk")
    most = max(FEWEST_RECONCILED, math.ceil(tenants.count() * RECONCILED_SHARE))
    expires = RECONCILE_TICK.total_seconds()
    for tenant_id in due.values_list("pk", flat=True)[:most]:
        reconcile_tenant.apply_async(args=(tenant_id,), expires=expires)


@shared_task(name="onboarding.reconcile_tenant", acks_late=True, ignore_result=True)
def reconcile_tenant(tenant_id: int) -> None:
    """Synchronise the tenant's checks, plan, waits and drifts with its profile and region.

    Prunes the history of a completed implementation.
    """
    tenant = Tenant.objects.select_related("plan").filter(pk=tenant_id).first()
    if tenant is None or tenant.is_paused:
        return
    # Before the work: a tenant with a fault must not come first every time.
    Plan.objects.filter(tenant=tenant).update(reconciled_at=database_time.now())
    if not tenant.is_closed:
        plan_creation.apply_profile(tenant)
        evaluation.complete_waits(tenant.plan, now=database_time.now())
    elif tenant.completed_at is not None:
        # The plan of a completed tenant never changes. Its checks use the current region values.
        sync_checks(tenant)
    drifts.update_for_tenant(tenant)
    if pruned := pruning.prune_history(tenant, now=database_time.now()):
        logger.info("pruned %d observations of tenant %s", pruned, tenant.public_id)


@shared_task(name="onboarding.build_export", acks_late=True, ignore_result=True)
def build_export(public_id: str) -> None:
    export = TenantExport.objects.select_related("tenant").filter(public_id=public_id).first()
    if export is None:
        return
    if export.format == TenantExport.Format.ARCHIVE:
        build_archive(export)
    else:
        exports.build_export(export)


@shared_task(
    name="onboarding.build_closing_pack",
    acks_late=True,
    ignore_result=True,
    time_limit=580,
    soft_time_limit=570,
)
def build_closing_pack(public_id: str) -> None:
    pack = ClosingPack.objects.select_related("tenant").filter(public_id=public_id).first()
    if pack is not None:
        build.build_closing_pack(pack)


@shared_task(name="onboarding.build_lost_closing_packs", ignore_result=True)
def build_lost_closing_packs() -> None:
    """Queue the closing packs again that a broker or a worker lost."""
    for public_id in build.lost_packs(database_time.now()).values_list("public_id", flat=True):
        build_closing_pack.delay(public_id)


@shared_task(name="onboarding.sweep_files", ignore_result=True)
def sweep_files() -> None:
    """Queue one message for each folder of the stored files.

    None in an empty database: an operator may have restored the files first.
    """
    for folder in file_store.folders() if Tenant.objects.exists() else ():
        sweep_folder.delay(folder)


@shared_task(name="onboarding.sweep_folder", acks_late=True, ignore_result=True)
def sweep_folder(folder: str) -> None:
    """Complete or delete the files that a process left when it died."""
    swept = file_store.sweep_folder(folder, offboarding.stored_in, now=database_time.now())
    if any(swept):
        logger.warning("files in %s: %d completed, %d without a row deleted", folder, *swept)


@shared_task(name="onboarding.scan_dns", acks_late=True, ignore_result=True)
def scan_dns(discovery_id: int) -> None:
    """Scan one domain's DNS, prefill answers with the result, and update open pages."""
    if dns_discovery.run_discovery(discovery_id):
        plans = Plan.objects.filter(tenant__domains__discovery=discovery_id)
        plan = plans.select_related("tenant").first()
        if plan is not None:
            prefill_plan(plan)
            plan.touch()


@shared_task(name="onboarding.scan_new_domains", acks_late=True, ignore_result=True)
def scan_new_domains(public_id: str) -> None:
    """Scan the DNS of the domains of a new tenant, whose page shows the result."""
    domain_scans.run_scan(public_id)


def queue_domain_scan(scan: DomainScan) -> None:
    """Queue the scan on commit."""
    outbox.queue_task(scan_new_domains, scan.public_id)


def queue_dns_scan(domains: Iterable[Domain]) -> None:
    """Store a discovery for each domain of one tenant and queue its scan on commit."""
    with transaction.atomic():
        requested = [dns_discovery.request_discovery(domain) for domain in domains]
        if requested:
            tenant = requested[0].domain.tenant
            outbox.queue_tasks(scan_dns, [[each.pk] for each in requested], tenant=tenant)


def queue_closing_pack(pack: ClosingPack) -> None:
    """Queue the closing pack on commit."""
    # Without a broker, the beat task build_lost_closing_packs queues it later.
    transaction.on_commit(functools.partial(broker.send, build_closing_pack, (pack.public_id,)))


def queue_requested_packs(tenant: Tenant) -> None:
    """Queue every closing pack of the tenant that is not ready."""
    for pack in ClosingPack.objects.filter(tenant=tenant, ready_at=None):
        queue_closing_pack(pack)


def queue_export(export: TenantExport) -> None:
    """Queue the export on commit."""
    outbox.queue_task(build_export, export.public_id, tenant=export.tenant)
