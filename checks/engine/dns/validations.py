"""The DNSSEC validation of a batch: the keys of each zone once, and each answer once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import dns.message
import dns.name

from checks.engine.dns import dnssec
from checks.engine.dns.lookup import Answer, LookupFailure, NoRecord, Records, Server
from checks.engine.dns.network import Endpoint
from checks.engine.dns.public_suffix import organisational_domain
from checks.engine.dns.query_pool import QueryPool

# One server is enough for the keys of the zone; another is queried when it does not answer.
_MAX_KEY_SERVERS = 3
# Without a reply to the query with DO, the signature is unknown, and so is the answer.
_NO_REPLY = "timeout"
# The zones above a zone, up to the registered domain.
_MAX_ZONES_ABOVE = 5


class Validations:
    """Validates the authoritative answers of zones that have a DS record.

    Costs one query for the DS record of each zone, and for a signed zone one for its keys and one
    for each answer.
    """

    def __init__(
        self,
        resolve: Callable[[str, str], Awaitable[Answer]],
        resolvers_for: Callable[[str], Sequence[Endpoint]],
        pool: QueryPool,
        timeouts_seconds: Sequence[float],
    ) -> None:
        self._resolve, self._resolvers_for, self._pool = resolve, resolvers_for, pool
        self._timeouts_seconds = timeouts_seconds
        self._servers: dict[str, Sequence[Endpoint]] = {}
        # The names whose NS or address records a validating resolver rejects.
        self.rejected: set[str] = set()

    def add_zone(self, zone: str, servers: Sequence[Endpoint]) -> None:
        """Make the zone known with its servers. Answers below it are validated from now on."""
        self._servers[zone] = servers

    def concerns(self, name: str) -> bool:
        """Return whether the name is in a known zone."""
        return bool(self._zone_of(name))

    def _zone_of(self, name: str) -> str:
        name = name.rstrip(".").lower()
        while name and name not in self._servers:
            name = name.partition(".")[2]
        # A top-level domain only refers to other zones, and its referrals have no signature.
        return name if "." in name else ""

    async def validated(self, server: Server, answer: Answer, name: str, rtype: str) -> Answer:
        """Return the answer, or a LookupFailure with the DNSSEC fault for which it is rejected."""
        zone = self._zone_of(name)
        if not zone or isinstance(answer, LookupFailure):
            return answer
        # Another zone at the same server has keys of its own.
        if answer.zone and answer.zone != zone:
            return answer
        keys = await self._pool.run_once(("dnssec-keys", zone), lambda: self._keys_of(zone)).wait()
        if keys is None:
            return LookupFailure(dnssec.REJECTED) if zone in self.rejected else answer
        key = ("dnssec", zone, server.address, server.port, name, rtype)
        fault = await self._pool.run_once(
            key, lambda: self._fault_of(server, name, rtype, keys)
        ).wait()
        if not fault and zone in self.rejected:
            fault = dnssec.REJECTED
        return LookupFailure(fault) if fault else answer

    async def _keys_of(self, zone: str) -> dnssec.ZoneKeys | None:
        """Return the keys of the zone; None when the zone is not signed.

        Without a reply about the DS record, the zone can be signed, and its answers are unknown. A
        resolver that refuses the question knows no DNSSEC.
        """
        anchors = await self._resolve(zone, "DS")
        if anchors == LookupFailure(_NO_REPLY):
            return dnssec.ZoneKeys(dns.name.from_text(zone), fault=_NO_REPLY)
        if not isinstance(anchors, Records) or anchors.chain:
            return None
        above = await self._keys_above(zone)
        if above is None or above.fault:
            return above
        for endpoint in self._servers[zone][:_MAX_KEY_SERVERS]:
            reply = await self._fetch(endpoint, zone, "DNSKEY")
            if reply is not None:
                return dnssec.read_keys(zone, anchors.values, reply)
        return dnssec.ZoneKeys(dns.name.from_text(zone), fault=_NO_REPLY)

    async def _keys_above(self, zone: str) -> dnssec.ZoneKeys | None:
        """Return the fault of the chain of trust above the zone, up to the registered domain.

        None when one of these zones has no DS record of its own: then resolvers validate none of
        the zones below (RFC 4035 section 5.2). A registry's zones are not validated, because a
        fault there concerns every domain. Without signatures of the resolvers, no fault is known.
        """
        trusted = dnssec.ZoneKeys(dns.name.from_text(zone))
        for _ in range(_MAX_ZONES_ABOVE):
            if organisational_domain(zone) == zone:
                break
            signed_ds = await self._fetch_from_resolvers(zone, "DS")
            above = "" if signed_ds is None else dnssec.signer_of(signed_ds, zone, "DS")
            if signed_ds is not None and not above and await self._is_below_unsigned(zone):
                return None
            if signed_ds is None or not zone.endswith(f".{above}"):
                break
            anchors = await self._resolve(above, "DS")
            reply = await self._fetch_from_resolvers(above, "DNSKEY")
            if isinstance(anchors, LookupFailure) or reply is None:
                break
            values = anchors.values if isinstance(anchors, Records) else ()
            keys = dnssec.read_keys(above, values, reply)
            if keys is None:
                return None
            fault = dnssec.fault_in(signed_ds, zone, "DS", keys)
            if fault:
                return dnssec.ZoneKeys(keys.zone, fault=fault)
            zone = above
        return trusted

    async def _is_below_unsigned(self, zone: str) -> bool:
        """Return whether a zone above, up to the registered domain, certainly has no DS record.

        Everything below it is Insecure, with any DS record (RFC 4035 sections 4.3 and 5.2).
        """
        registered = organisational_domain(zone)
        name = zone.partition(".")[2]
        for _ in range(_MAX_ZONES_ABOVE):
            if not f".{name}".endswith(f".{registered}"):
                break
            servers = await self._resolve(name, "NS")
            is_zone = isinstance(servers, Records) and not servers.chain
            if is_zone and isinstance(await self._resolve(name, "DS"), NoRecord):
                return True
            name = name.partition(".")[2]
        return False

    async def _fetch_from_resolvers(self, name: str, rtype: str) -> dns.message.Message | None:
        for endpoint in self._resolvers_for(name):
            async with self._pool.limiter:
                reply = await dnssec.fetch_signed(
                    endpoint,
                    name,
                    rtype,
                    timeouts_seconds=self._timeouts_seconds[:1],
                    at_resolver=True,
                )
            if reply is not None:
                return reply
        return None

    async def _fault_of(self, server: Server, name: str, rtype: str, keys: dnssec.ZoneKeys) -> str:
        if keys.fault:
            return keys.fault
        endpoint = (server.address, server.port)
        reply = await self._fetch(endpoint, name, rtype)
        if reply is None:
            return _NO_REPLY
        fault = dnssec.fault_in(reply, name, rtype, keys)
        if fault in (dnssec.SIGNATURE_MISSING, dnssec.DENIAL_UNPROVEN):
            # The name may be in an unsigned zone below, of which the answer does not show the apex.
            start = await self._fetch(endpoint, name, "SOA")
            if start is None:
                return _NO_REPLY
            if not dnssec.is_in_zone(start, keys):
                return ""
        return fault

    async def _fetch(self, endpoint: Endpoint, name: str, rtype: str) -> dns.message.Message | None:
        async with self._pool.limiter:
            return await dnssec.fetch_signed(
                endpoint, name, rtype, timeouts_seconds=self._timeouts_seconds
            )
