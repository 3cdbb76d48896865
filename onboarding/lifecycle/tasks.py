"""Celery tasks of the lifecycle: reconciliation, exports, closing packs and DNS scans."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from celery import shared_task
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from kombu.exceptions import OperationalError

from checks import dns_discovery
from checks.expectations import sync_checks
from onboarding.lifecycle import exports
from onboarding.lifecycle.closing_pack import build
from onboarding.models import (
    ClosingPack,
    Plan,
    TenantExport,
)
from onboarding.monitoring import drifts
from onboarding.plan_templates import plan_creation
from onboarding.plans import evaluation
from onboarding.plans.tasks import logger
from onboarding.requirements import imports
from tenants.models import Domain, Tenant

# A beat task that concerns many plans queues one message for each, so that a failing plan delays no
# other. Celery logs the failure, and the next beat tries again.


@shared_task(name="onboarding.reconcile", acks_late=True, ignore_result=True)
def reconcile() -> None:
    """Queue a reconciliation of each open or completed tenant, once a day.

    A lost reaction is therefore repaired within a day, and checks expect the newest region data.
    """
    tenants = Tenant.objects.filter(Q(closed_at__isnull=True) | Q(completed_at__isnull=False))
    for tenant_id in tenants.filter(plan__isnull=False).values_list("pk", flat=True):
        reconcile_tenant.delay(tenant_id)
    imports.delete_abandoned()


@shared_task(name="onboarding.reconcile_tenant", acks_late=True, ignore_result=True)
def reconcile_tenant(tenant_id: int) -> None:
    tenant = Tenant.objects.select_related("plan").filter(pk=tenant_id).first()
    if tenant is None:
        return
    if not tenant.is_closed:
        plan_creation.apply_profile(tenant)
        evaluation.complete_waits(tenant.plan, now=timezone.now())
    elif tenant.completed_at is not None:
        # The plan of a completed tenant is read-only. Its checks expect the newest region data.
        sync_checks(tenant)
    drifts.update_for_tenant(tenant)


@shared_task(name="onboarding.build_export", acks_late=True, ignore_result=True)
def build_export(public_id: str) -> None:
    export = TenantExport.objects.select_related("tenant").filter(public_id=public_id).first()
    if export is not None:
        exports.build_export(export)


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
        build.build_pack(pack)


@shared_task(name="onboarding.build_lost_packs", ignore_result=True)
def build_lost_packs() -> None:
    """Queue the closing packs that a broker or a worker lost, without a new request."""
    for pack in build.lost_packs(timezone.now()):
        build_pack.delay(pack.public_id)


@shared_task(name="onboarding.scan_dns", acks_late=True, ignore_result=True)
def scan_dns(discovery_id: int) -> None:
    """Scan the DNS of one domain, and update open pages."""
    if dns_discovery.run_discovery(discovery_id):
        plan = Plan.objects.filter(tenant__domains__discovery=discovery_id).first()
        if plan is not None:
            plan.touch()


def queue_dns_scan(domains: Iterable[Domain]) -> None:
    """Request a DNS scan of each domain, and queue it after the transaction commits."""
    for domain in domains:
        request = dns_discovery.request_discovery(domain)
        transaction.on_commit(functools.partial(_send_dns_scan, request.pk))


def _send_dns_scan(discovery_id: int) -> None:
    try:
        # The default vantage can query DNS.
        scan_dns.apply_async(args=(discovery_id,), queue="checks.default")
    except OperationalError:
        # The page shows the pending request and offers another one.
        logger.warning("no broker: DNS scan %s was not started", discovery_id)


def queue_pack(pack: ClosingPack) -> None:
    """Queue the build after the transaction commits."""
    transaction.on_commit(functools.partial(_send_pack, pack.public_id))


def _send_pack(public_id: str) -> None:
    try:
        build_pack.delay(public_id)
    except OperationalError:
        # The beat queues requested packs that are not ready.
        logger.warning("no broker: closing pack %s was not started", public_id)


def queue_export(export: TenantExport) -> None:
    """Queue the build after the transaction commits."""
    transaction.on_commit(functools.partial(_send_export, export.public_id))


def _send_export(public_id: str) -> None:
    try:
        build_export.delay(public_id)
    except OperationalError:
        # The page shows the pending request and offers another one.
        logger.warning("no broker: export %s was not started", public_id)
