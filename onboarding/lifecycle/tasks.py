"""TODO docstring."""

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
from onboarding.plans.tasks import logger  # NEW
from onboarding.requirements import imports
from tenants.models import Domain, Tenant

# Acts on every plan queue a task for each, so that a plan that fails holds up none of the others:
# Celery logs it, and its next turn comes with the beat.


@shared_task(name="onboarding.reconcile", acks_late=True, ignore_result=True)
def reconcile() -> None:
    """Bring every tenant's checks and plan in line again: a lost reaction costs a day at most, and
    new region data asks new questions instead of judging the old ones anew."""
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
        # A completed tenant's plan stays as it was closed; its checks ask by today's values.
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
    """Closing packs that a broker or a worker lost: nobody has to ask for them again."""
    for pack in build.lost_packs(timezone.now()):
        build_pack.delay(pack.public_id)


@shared_task(name="onboarding.scan_dns", acks_late=True, ignore_result=True)
def scan_dns(discovery_id: int) -> None:
    """A look around one domain's DNS; open pages hear of it."""
    if dns_discovery.run_discovery(discovery_id):
        plan = Plan.objects.filter(tenant__domains__discovery=discovery_id).first()
        if plan is not None:
            plan.touch()


def queue_dns_scan(domains: Iterable[Domain]) -> None:
    """Note who is to be looked at, and queue it once the transaction has committed."""
    for domain in domains:
        asked = dns_discovery.request_discovery(domain)
        transaction.on_commit(functools.partial(_send_dns_scan, asked.pk))


def _send_dns_scan(discovery_id: int) -> None:
    try:
        # Where the checks look from, DNS can be asked.
        scan_dns.apply_async(args=(discovery_id,), queue="checks.default")
    except OperationalError:
        # The page shows it as asked for, and offers to ask again.
        logger.warning("no broker: discovery %s was not begun", discovery_id)


def queue_pack(pack: ClosingPack) -> None:
    """Queue the work once the transaction has committed."""
    transaction.on_commit(functools.partial(_send_pack, pack.public_id))


def _send_pack(public_id: str) -> None:
    try:
        build_pack.delay(public_id)
    except OperationalError:
        # The beat looks for packs that were asked for and are not there.
        logger.warning("no broker: closing pack %s was not begun", public_id)


def queue_export(export: TenantExport) -> None:
    """Queue the work once the transaction has committed."""
    transaction.on_commit(functools.partial(_send_export, export.public_id))


def _send_export(public_id: str) -> None:
    try:
        build_export.delay(public_id)
    except OperationalError:
        # The page shows the export as asked for, and offers to ask again.
        logger.warning("no broker: export %s was not begun", public_id)
