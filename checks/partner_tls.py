"""Test one TLS partner, within the rate limit of hosts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from django.conf import settings

from checks.engine.dns.network_lookup import NetworkLookup
from checks.engine.hosts import partner_tls
from checks.engine.hosts.partner_tls import PartnerResult
from checks.engine.hosts.prober import Prober
from checks.engine.outcomes import Finding, Verdict
from checks.network_settings import network_from_settings
from checks.rate_limit import reserve_slot

_T = TypeVar("_T")


def check_partner(domain: str, *, now: datetime) -> PartnerResult | datetime:
    """Connect once to each MX host of the domain, and judge its encryption.

    If another check used one of the addresses too recently, Gangway connects to none. The earliest
    time for another attempt is returned.
    """
    hosts = _within_budget(lambda prober: partner_tls.locate(domain, prober))
    if hosts is None:
        params = {"domain": domain, "reason": "no-budget"}
        return PartnerResult(Verdict.UNKNOWN, (Finding("partner.mx-unknown", params),))
    if hosts.addresses:
        addresses = sorted(set(hosts.addresses.values()))
        earliest = reserve_slot(addresses, partner_tls.PORT, now=now)
        if earliest is not None:
            return earliest
    result = _within_budget(
        lambda prober: partner_tls.inspect(hosts, prober, port=partner_tls.PORT)
    )
    if result is None:
        found = [Finding("partner.no-answer", {"host": host}) for host in hosts.addresses]
        return PartnerResult(Verdict.UNKNOWN, (*hosts.findings, *found))
    return result


def _within_budget(run: Callable[[Prober], Awaitable[_T]]) -> _T | None:
    """The result; None if the time budget of a check was over before."""

    async def limited() -> _T | None:
        network = network_from_settings()
        lookup = NetworkLookup(network)
        try:
            async with asyncio.timeout(settings.CHECKS_BUDGET_SECONDS):
                return await run(Prober(network, lookup))
        except TimeoutError:
            return None
        finally:
            await lookup.close()

    return asyncio.run(limited())
