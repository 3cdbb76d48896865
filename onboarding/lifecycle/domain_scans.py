"""DNS discovery of the domains of a new tenant: requested by a person, executed by a worker."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from checks import dns_discovery
from onboarding.models import DomainScan
from tenants import database_time
from tenants.models import User

DELETE_AFTER = timedelta(days=1)
# A scan without a result after this time: no worker has started it, or DNS servers are slow.
LATE_AFTER = timedelta(seconds=30)


def create_scan(
    domains: Sequence[str], *, changed: Sequence[tuple[str, str]] = (), by: User
) -> DomainScan:
    """Store a scan. `changed` are pairs of an entry and the name that Gangway read from it."""
    return DomainScan.objects.create(
        domains=list(domains), changed=[list(pair) for pair in changed], created_by=by
    )


def run_scan(public_id: str) -> bool:
    """Scan the domains and store the results. False if there is nothing to do.

    Safe to run twice: the later result replaces the earlier one.
    """
    scan = DomainScan.objects.filter(public_id=public_id, scanned_at=None).first()
    if scan is None:
        return False
    found = dns_discovery.scan_names(scan.domains)
    return bool(
        DomainScan.objects.filter(pk=scan.pk).update(found=found, scanned_at=database_time.now())
    )


def is_late(scan: DomainScan) -> bool:
    return scan.is_in_progress and database_time.now() > scan.created_at + LATE_AFTER


def delete_old() -> None:
    """Delete the scans of the day before, whose tenants were not created."""
    DomainScan.objects.filter(created_at__lt=database_time.now() - DELETE_AFTER).delete()
