"""NetworkLookup never has more queries in flight than its limit."""

from __future__ import annotations

import asyncio

from checks.engine.dns.network_lookup import NetworkLookup
from tests.checks.engine.dns.loopback import Behaviour, Nameserver, nameserver, network_of


def test_exchanges_in_flight_are_limited() -> None:
    async def run() -> int:
        most = 0

        def count(server: Nameserver, query: object, over_tcp: bool) -> bytes | None:
            nonlocal most
            most = max(most, server.queries.total())
            return None

        behaviours: dict[str, Behaviour] = {f"n{i}": count for i in range(6)}
        async with nameserver("", behaviours) as server:
            lookup = NetworkLookup(network_of(server), max_in_flight=2)
            asking = [asyncio.create_task(lookup.resolve(f"n{i}", "A")) for i in range(6)]
            await asyncio.sleep(0.03)
            peak = most
            for task in asking:
                task.cancel()
            await lookup.close()
            return peak

    assert asyncio.run(run()) == 2
