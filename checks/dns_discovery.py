"""Looking around a domain's DNS: asked for by a person, done by a worker, kept for suggestions."""

from __future__ import annotations

import asyncio

from django.conf import settings
from django.utils import timezone

from checks.engine import discovery
from checks.engine.dns.network import Network
from checks.engine.dns.network_lookup import NetworkLookup
from checks.models import Discovery
from checks.network_settings import network_from_settings
from tenants.models import Domain


def request_discovery(domain: Domain) -> Discovery:
    """Note that somebody wants to know; what was found and dismissed before stays meanwhile."""
    asked, _ = Discovery.objects.update_or_create(
        domain=domain, defaults={"requested_at": timezone.now()}
    )
    return asked


def run_discovery(discovery_id: int) -> bool:
    """Look, and keep what was found; False when the domain has gone. Safe to run twice.

    A look that could tell nothing leaves what an earlier one found.
    """
    asked = Discovery.objects.select_related("domain").filter(pk=discovery_id).first()
    if asked is None:
        return False
    found = asyncio.run(_inspect(asked.domain.name, network_from_settings()))
    seen = {"found": found.as_data()} if found is not None else {}
    return bool(
        Discovery.objects.filter(pk=discovery_id).update(
            checked_at=timezone.now(), has_failed=found is None, **seen
        )
    )


async def _inspect(domain: str, network: Network) -> discovery.DiscoveryResult | None:
    """None where nothing answered within the budget, or answered nothing that could be used."""
    lookup = NetworkLookup(network)
    try:
        async with asyncio.timeout(settings.CHECKS_BUDGET_SECONDS):
            found = await discovery.inspect(domain, lookup)
    except TimeoutError:
        return None
    finally:
        await lookup.close()
    return None if len(found.unanswered) == len(discovery.QUESTIONS) else found
