"""DNS discovery: requested by a person, executed by a worker, stored for suggestions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from django.conf import settings

from checks.engine import discovery
from checks.engine.dns.network import Network
from checks.engine.dns.network_lookup import NetworkLookup
from checks.models import Discovery
from checks.network_settings import network_from_settings
from tenants import database_time
from tenants.models import Domain

logger = logging.getLogger(__name__)

# Scans of one request that run at the same time.
_AT_ONCE = 20
# The time for all names of one request, well below CELERY_TASK_SOFT_TIME_LIMIT.
_ALL_SECONDS = 90.0


def request_discovery(domain: Domain) -> Discovery:
    """Request a scan. Earlier results and dismissed suggestions remain until it is done."""
    asked, _ = Discovery.objects.update_or_create(
        domain=domain, defaults={"requested_at": database_time.now()}
    )
    return asked


def run_discovery(discovery_id: int) -> bool:
    """Scan the domain and store the result. False when the domain was removed. Safe to run twice.

    A scan without any usable answer leaves the earlier result unchanged.
    """
    asked = Discovery.objects.select_related("domain").filter(pk=discovery_id).first()
    if asked is None:
        return False
    found = asyncio.run(_inspect(asked.domain.name, network_from_settings()))
    seen = {"found": found.as_data()} if found is not None else {}
    return bool(
        Discovery.objects.filter(pk=discovery_id).update(
            checked_at=database_time.now(), has_failed=found is None, **seen
        )
    )


def scan_names(names: Sequence[str]) -> dict[str, dict[str, Any] | None]:
    """Scan names without a tenant. By name: the found values, or None without a usable answer."""
    return asyncio.run(_inspect_all(names, network_from_settings()))


async def _inspect_all(names: Sequence[str], network: Network) -> dict[str, dict[str, Any] | None]:
    """The results by name. A name without one after the time for all of them has None."""
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> dict[str, Any] | None:
        async with free:
            found = await _inspect(name, network)
        return found.as_data() if found is not None else None

    scans = {name: asyncio.create_task(one(name)) for name in names}
    if not scans:
        return {}
    _, unfinished = await asyncio.wait(scans.values(), timeout=_ALL_SECONDS)
    for scan in unfinished:
        scan.cancel()
    await asyncio.gather(*unfinished, return_exceptions=True)
    return {name: _result_of(name, scan) for name, scan in scans.items()}


def _result_of(name: str, scan: asyncio.Task[dict[str, Any] | None]) -> dict[str, Any] | None:
    """The result of a finished scan. An error of one name leaves the results of the others."""
    if scan.cancelled():
        return None
    error = scan.exception()
    if error is None:
        return scan.result()
    logger.error("the DNS of %s could not be scanned", name, exc_info=error)
    return None


async def _inspect(domain: str, network: Network) -> discovery.DiscoveryResult | None:
    """Return None when no server gave a usable answer within the time budget."""
    lookup = NetworkLookup(network)
    try:
        async with asyncio.timeout(settings.CHECKS_BUDGET_SECONDS):
            found = await discovery.inspect(domain, lookup)
    except TimeoutError:
        return None
    finally:
        await lookup.close()
    return None if len(found.unanswered) == len(discovery.QUESTIONS) else found
