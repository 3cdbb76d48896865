"""Exports for a tenant of the tests, and their way through the worker."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from checks.engine.sources.registry import SOURCES
from checks.models import Check, SubmittedExport
from checks.submitted_exports import submit_export
from onboarding.platform_exports.services import read_platform_export
from tenants import database_time
from tenants.models import Tenant, User
from tests.checks.engine.sources import exports

SOURCE = SOURCES["exchange_online"]
DOMAIN = "northwind.test"


def export_for(tenant: Tenant, *, at: datetime | None = None, **tables: Any) -> dict[str, Any]:
    """An export in which everything is right for the region of the tenant."""
    region = tenant.region_values
    ranges = sorted({*region.delivery_ip4, *region.spf_ip4})
    found = exports.export_of(
        InboundConnector=[{**exports.LOCKED, "SenderIPAddresses": ranges}],
        HostedConnectionFilterPolicy=[{**exports.FILTER, "IPAllowList": ranges}],
        OutboundConnector=[
            {**exports.SENDING, "SmartHosts": list(region.outbound_smarthosts)},
            {**exports.JOURNAL_CONNECTOR, "SmartHosts": list(region.journal_hosts)},
        ],
        AcceptedDomain=[
            {"DomainName": DOMAIN, "DomainType": "Authoritative", "InitialDomain": False}
        ],
        DkimSigningConfig=[{"Domain": DOMAIN, "Enabled": False}],
    )
    found["GeneratedAt"] = (at or database_time.now()).isoformat()
    return found | {f"Get-{name}": value for name, value in tables.items()}


def submit(tenant: Tenant, content: bytes, by: User) -> SubmittedExport:
    """Submit the export, let a worker read it and run its checks until they settle."""
    export = submit_export(tenant, SOURCE, content, by=by, at=database_time.now())
    read_platform_export(export.public_id)
    export.refresh_from_db()
    return export


def submit_tables(tenant: Tenant, by: User, **tables: Any) -> SubmittedExport:
    return submit(tenant, json.dumps(export_for(tenant, **tables)).encode(), by)


def make_due(tenant: Tenant, *, earlier: timedelta = timedelta(minutes=5)) -> list[int]:
    """Move the runs of the checks of sources into the past. Returns the ids of the checks."""
    kinds = [kind.value for kind in SOURCE.kinds]
    rows = Check.objects.filter(tenant=tenant, kind__in=kinds, is_active=True)
    for check in rows:
        values: dict[str, Any] = {"checked_at": check.checked_at and check.checked_at - earlier}
        if check.contradicted_since is not None:
            values["contradicted_since"] = check.contradicted_since - earlier
        Check.objects.filter(pk=check.pk).update(**values)
    return list(rows.values_list("pk", flat=True))
