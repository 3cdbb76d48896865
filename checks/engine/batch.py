"""A batch of looks through one event loop: shared answers, one budget each, one limit for all."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from checks.engine import (
    dkim,
    dmarc,
    ldaps,
    lockdown,
    message,
    mta_sts,
    mx,
    mx_ttl,
    ownership,
    smtp,
    spf,
)
from checks.engine.confirming import with_resolvers
from checks.engine.expectations import Ownership, RegionFacts, Selector
from checks.engine.hosts import DEFAULT_PORTS, Prober
from checks.engine.network import Endpoint, Network
from checks.engine.outcomes import Finding, Kind, Outcome, Verdict
from checks.engine.resolution import NetworkLookup

logger = logging.getLogger(__name__)

# A look has several questions on the wire at once; the cap keeps sockets below usual limits.
_EXCHANGES_PER_LOOK = 4
_MOST_EXCHANGES = 400
_OBJECTS_BEFORE_COLLECTION = 50_000


@dataclass(frozen=True)
class Look:
    """One question about one subject: a domain, or a host and port for SMTP and LDAPS."""

    kind: Kind
    domain: str = ""
    host: str = ""
    port: int = 0
    region: RegionFacts = field(default_factory=lambda: RegionFacts(id=""))
    ownership: Ownership | None = None
    selectors: tuple[Selector, ...] = ()
    ttl_threshold: int = 300
    vantage_allowed: bool = False
    recipient: str = ""
    control: Endpoint | None = None
    message: message.Shown | None = None

    @property
    def subject(self) -> str:
        if self.kind in DEFAULT_PORTS:
            return f"{self.host}:{self.port or DEFAULT_PORTS[self.kind]}"
        return self.domain


@dataclass
class _Batch:
    """What the looks of one call share."""

    lookup: NetworkLookup
    prober: Prober
    budget_seconds: float
    told: Callable[[Look, Outcome], None] | None
    spf: spf.Together = field(default_factory=spf.Together)


async def look_all(
    looks: Sequence[Look],
    *,
    network: Network,
    budget_seconds: float,
    concurrency: int,
    told: Callable[[Look, Outcome], None] | None = None,
) -> list[Outcome]:
    """Answer every look, in order. `told` hears of each as it is answered.

    At most `concurrency` looks are under way, and each has `budget_seconds` from its start.
    """
    exchanges = min(concurrency * _EXCHANGES_PER_LOOK, _MOST_EXCHANGES)
    lookup = NetworkLookup(network, exchanges=exchanges)
    batch = _Batch(lookup, Prober(network, lookup), budget_seconds, told)
    places = _places(looks)
    outcomes: list[Outcome | None] = [None] * len(looks)
    waiting = iter(places.values())

    async def work() -> None:
        for same in waiting:
            outcome = await _within_budget(batch, looks[same[0]])
            for place in same:
                outcomes[place] = outcome

    try:
        with _rare_collection():
            # A task for each that may be under way, and none for each look.
            await asyncio.gather(*(work() for _ in range(min(concurrency, len(places)))))
    finally:
        await lookup.close()
    return [outcome for outcome in outcomes if outcome is not None]


@contextlib.contextmanager
def _rare_collection() -> Iterator[None]:
    """Look for cyclic garbage seldom while a batch lasts.

    What a batch makes it keeps, nearly all of it without cycles, so that by default a tenth of its
    time goes into finding nothing. Some tens of megabytes at most wait a little longer.
    """
    usual = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTION, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _places(looks: Sequence[Look]) -> dict[Hashable, list[int]]:
    """Where each look's outcome belongs. A host named by several looks is probed once."""
    places: dict[Hashable, list[int]] = {}
    for place, look in enumerate(looks):
        key: Hashable = place
        if look.kind in DEFAULT_PORTS:
            key = (look.kind, look.subject.lower(), look.vantage_allowed, look.recipient)
        places.setdefault(key, []).append(place)
    return places


async def _within_budget(batch: _Batch, look: Look) -> Outcome:
    try:
        async with asyncio.timeout(batch.budget_seconds):
            outcome = await _inspect(batch, look)
        outcome = await with_resolvers(outcome, batch.lookup)
    except TimeoutError:
        outcome = _unknown(
            look, Finding("look.over-budget", {"budget_seconds": batch.budget_seconds})
        )
    except Exception:
        # A fault of ours in one look must not lose what the batch's others saw, and it must
        # never be read as the client's: recorded as UNKNOWN, and logged for an operator.
        logger.exception("Look %s at %s failed", look.kind, look.subject)
        outcome = _unknown(look, Finding("look.internal-error", {}))
    if batch.told is not None:
        batch.told(look, outcome)
    return outcome


def _unknown(look: Look, finding: Finding) -> Outcome:
    return Outcome(look.kind, look.subject, Verdict.UNKNOWN, (finding,), unanimous=False)


def _inspect(batch: _Batch, look: Look) -> Awaitable[Outcome]:
    return _INSPECTIONS[look.kind](batch, look)


_INSPECTIONS: Mapping[Kind, Callable[[_Batch, Look], Awaitable[Outcome]]] = MappingProxyType(
    {
        Kind.OWNERSHIP: lambda batch, look: ownership.inspect(
            look.domain, look.ownership or Ownership(token=""), batch.lookup
        ),
        Kind.SPF: lambda batch, look: spf.inspect(
            look.domain, look.region, batch.lookup, batch.spf
        ),
        Kind.DKIM: lambda batch, look: dkim.inspect(look.domain, look.selectors, batch.lookup),
        Kind.DMARC: lambda batch, look: dmarc.inspect(look.domain, batch.lookup),
        Kind.MTA_STS: lambda batch, look: mta_sts.inspect(
            look.domain, look.region, batch.lookup, batch.prober
        ),
        Kind.MX: lambda batch, look: mx.inspect(look.domain, look.region, batch.lookup),
        Kind.MX_TTL: lambda batch, look: mx_ttl.inspect(
            look.domain, look.ttl_threshold, batch.lookup, planned=look.region.mx
        ),
        Kind.SMTP: lambda batch, look: smtp.inspect(
            look.host,
            look.port,
            look.vantage_allowed,
            batch.prober,
            recipient=look.recipient,
        ),
        Kind.LOCKDOWN: lambda batch, look: lockdown.inspect(
            look.host,
            look.port,
            look.control,
            look.vantage_allowed,
            batch.prober,
            recipient=look.recipient,
        ),
        Kind.MESSAGE: lambda batch, look: message.inspect(
            look.domain, look.selectors, look.region, look.message, batch.lookup
        ),
        Kind.LDAPS: lambda batch, look: ldaps.inspect(
            look.host, look.port, look.vantage_allowed, batch.prober
        ),
    }
)
