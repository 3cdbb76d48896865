"""A batch of looks through one event loop: shared answers, one budget each, one limit for all."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import gc
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from checks.engine.hosts import DEFAULT_PORTS, Prober, Refused
from checks.engine.network import Endpoint, Network
from checks.engine.outcomes import Finding, Kind, Outcome, Verdict
from checks.engine.recording import (
    VANTAGE,
    Means,
    Raw,
    Recorder,
    recording,
    replay,
    told_in,
)
from checks.engine.resolution import NetworkLookup
from checks.engine.spf_check_host import Memory

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
    memory: Memory = field(default_factory=dict)


async def look_all(
    looks: Sequence[Look],
    *,
    network: Network,
    budget_seconds: float,
    concurrency: int,
    told: Callable[[Look, Outcome], None] | None = None,
    pinned: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> list[Outcome]:
    """Answer every look, in order. `told` hears of each as it is answered.

    Hosts in `pinned` are connected to at these addresses, which `locate_all` found.
    At most `concurrency` looks are under way, and each has `budget_seconds` from its start.
    """
    exchanges = min(concurrency * _EXCHANGES_PER_LOOK, _MOST_EXCHANGES)
    lookup = NetworkLookup(network, exchanges=exchanges)
    batch = _Batch(lookup, Prober(network, lookup, pinned), budget_seconds, told)
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


async def locate_all(
    hosts: Iterable[Endpoint], *, network: Network, budget_seconds: float
) -> dict[Endpoint, list[str] | Refused]:
    """The addresses at which each host may be probed, or why it may not; nobody is connected to."""
    lookup = NetworkLookup(network)
    prober, wanted = Prober(network, lookup), list(dict.fromkeys(hosts))
    try:
        async with asyncio.timeout(budget_seconds):
            found = await asyncio.gather(*(prober.locate(*endpoint) for endpoint in wanted))
    except TimeoutError:
        return {}
    finally:
        await lookup.close()
    return dict(zip(wanted, found, strict=True))


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
            recorder = Recorder()
            means = recording(batch.lookup, batch.prober, recorder, memory=batch.memory)
            if look.kind in DEFAULT_PORTS:
                recorder.note(VANTAGE, (look.vantage_allowed, look.control))
            outcome = replace(await inspect(means, look), raw=recorder.raw())
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


async def inspect_again(look: Look, raw: Raw, *, at: datetime.datetime) -> Outcome:
    """The outcome of a look by what it was told at `at`; NotRecorded where more is asked today."""
    if look.kind in DEFAULT_PORTS:
        allowed, control = told_in(raw, VANTAGE)
        look = replace(look, vantage_allowed=allowed, control=control)
    return replace(await inspect(replay(raw, at=at), look), raw=raw)


def inspect(means: Means, look: Look) -> Awaitable[Outcome]:
    """Answer one look by the means given, be they the network or what was told before."""
    return _INSPECTIONS[look.kind](means, look)


_INSPECTIONS: Mapping[Kind, Callable[[Means, Look], Awaitable[Outcome]]] = MappingProxyType(
    {
        Kind.OWNERSHIP: lambda means, look: ownership.inspect(
            look.domain, look.ownership or Ownership(token=""), means.lookup
        ),
        # What includes list is asked anew, so that each look keeps what it rests on; what they say
        # of an address is remembered.
        Kind.SPF: lambda means, look: spf.inspect(
            look.domain, look.region, means.lookup, spf.Together(memory=means.memory)
        ),
        Kind.DKIM: lambda means, look: dkim.inspect(look.domain, look.selectors, means.lookup),
        Kind.DMARC: lambda means, look: dmarc.inspect(look.domain, means.lookup),
        Kind.MTA_STS: lambda means, look: mta_sts.inspect(
            look.domain, look.region, means.lookup, means.prober
        ),
        Kind.MX: lambda means, look: mx.inspect(look.domain, look.region, means.lookup),
        Kind.MX_TTL: lambda means, look: mx_ttl.inspect(
            look.domain, look.ttl_threshold, means.lookup, planned=look.region.mx
        ),
        Kind.SMTP: lambda means, look: smtp.inspect(
            look.host,
            look.port,
            look.vantage_allowed,
            means.prober,
            recipient=look.recipient,
        ),
        Kind.LOCKDOWN: lambda means, look: lockdown.inspect(
            look.host,
            look.port,
            look.control,
            look.vantage_allowed,
            means.prober,
            recipient=look.recipient,
        ),
        Kind.MESSAGE: lambda means, look: message.inspect(
            look.domain, look.selectors, look.region, look.message, means.lookup
        ),
        Kind.LDAPS: lambda means, look: ldaps.inspect(
            look.host, look.port, look.vantage_allowed, means.prober
        ),
    }
)
