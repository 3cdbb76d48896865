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

from checks.engine import mx, mx_ttl, ownership
from checks.engine.dns.network import Endpoint, Network
from checks.engine.dns.network_lookup import NetworkLookup
from checks.engine.dns.resolvers import add_resolver_answers
from checks.engine.expected_values import DkimSelector, OwnershipCode, RegionFacts
from checks.engine.hosts import ldaps, lockdown, smtp
from checks.engine.hosts.prober import DEFAULT_PORTS, NotProbed, Prober
from checks.engine.mail import dkim, dmarc, message, mta_sts
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict
from checks.engine.recording import (
    VANTAGE_KEY,
    CheckClients,
    RawAnswers,
    Recorder,
    recorded_answer,
    recording_clients,
    replay_clients,
)
from checks.engine.spf import check
from checks.engine.spf.check_host import IncludeResults

logger = logging.getLogger(__name__)

# A look has several questions on the wire at once; the cap keeps sockets below usual limits.
_QUERIES_PER_RUN = 4
_MAX_QUERIES = 400
_OBJECTS_BEFORE_COLLECTION = 50_000


@dataclass(frozen=True)
class CheckRequest:
    """One question about one subject: a domain, or a host and port for SMTP and LDAPS."""

    kind: CheckKind
    domain: str = ""
    host: str = ""
    port: int = 0
    region: RegionFacts = field(default_factory=lambda: RegionFacts(id=""))
    ownership: OwnershipCode | None = None
    selectors: tuple[DkimSelector, ...] = ()
    ttl_threshold: int = 300
    vantage_allowed: bool = False
    recipient: str = ""
    control: Endpoint | None = None
    message: message.MessageInput | None = None

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
    on_outcome: Callable[[CheckRequest, Outcome], None] | None
    include_results: IncludeResults = field(default_factory=dict)


async def run_all(
    requests: Sequence[CheckRequest],
    *,
    network: Network,
    budget_seconds: float,
    concurrency: int,
    on_outcome: Callable[[CheckRequest, Outcome], None] | None = None,
    pinned: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> list[Outcome]:
    """Answer every look, in order. `told` hears of each as it is answered.

    Hosts in `pinned` are connected to at these addresses, which `locate_hosts` found.
    At most `concurrency` looks are under way, and each has `budget_seconds` from its start.
    """
    max_in_flight = min(concurrency * _QUERIES_PER_RUN, _MAX_QUERIES)
    lookup = NetworkLookup(network, max_in_flight=max_in_flight)
    batch = _Batch(lookup, Prober(network, lookup, pinned), budget_seconds, on_outcome)
    positions = _positions(requests)
    outcomes: list[Outcome | None] = [None] * len(requests)
    waiting = iter(positions.values())

    async def work() -> None:
        for same in waiting:
            outcome = await _within_budget(batch, requests[same[0]])
            for position in same:
                outcomes[position] = outcome

    try:
        with _reduced_collection():
            # A task for each that may be under way, and none for each look.
            await asyncio.gather(*(work() for _ in range(min(concurrency, len(positions)))))
    finally:
        await lookup.close()
    return [outcome for outcome in outcomes if outcome is not None]


async def locate_hosts(
    hosts: Iterable[Endpoint], *, network: Network, budget_seconds: float
) -> dict[Endpoint, list[str] | NotProbed]:
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
def _reduced_collection() -> Iterator[None]:
    """CheckRequest for cyclic garbage seldom while a batch lasts.

    What a batch makes it keeps, nearly all of it without cycles, so that by default a tenth of its
    time goes into finding nothing. Some tens of megabytes at most wait a little longer.
    """
    usual = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTION, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _positions(requests: Sequence[CheckRequest]) -> dict[Hashable, list[int]]:
    """Where each look's outcome belongs. A host named by several looks is probed once."""
    positions: dict[Hashable, list[int]] = {}
    for position, request in enumerate(requests):
        key: Hashable = position
        if request.kind in DEFAULT_PORTS:
            key = (
                request.kind,
                request.subject.lower(),
                request.vantage_allowed,
                request.recipient,
            )
        positions.setdefault(key, []).append(position)
    return positions


async def _within_budget(batch: _Batch, request: CheckRequest) -> Outcome:
    try:
        async with asyncio.timeout(batch.budget_seconds):
            recorder = Recorder()
            clients = recording_clients(
                batch.lookup, batch.prober, recorder, include_results=batch.include_results
            )
            if request.kind in DEFAULT_PORTS:
                recorder.record(VANTAGE_KEY, (request.vantage_allowed, request.control))
            outcome = replace(await inspect(clients, request), raw=recorder.raw())
        outcome = await add_resolver_answers(outcome, batch.lookup)
    except TimeoutError:
        outcome = _unknown(
            request, Finding("run.over-budget", {"budget_seconds": batch.budget_seconds})
        )
    except Exception:
        # A fault of ours in one look must not lose what the batch's others saw, and it must
        # never be read as the client's: recorded as UNKNOWN, and logged for an operator.
        logger.exception("Run of check %s at %s failed", request.kind, request.subject)
        outcome = _unknown(request, Finding("run.internal-error", {}))
    if batch.on_outcome is not None:
        batch.on_outcome(request, outcome)
    return outcome


def _unknown(request: CheckRequest, finding: Finding) -> Outcome:
    return Outcome(request.kind, request.subject, Verdict.UNKNOWN, (finding,), unanimous=False)


async def inspect_recorded(
    request: CheckRequest, raw: RawAnswers, *, at: datetime.datetime
) -> Outcome:
    """The outcome of a look by what it was told at `at`; NotRecorded where more is asked today."""
    if request.kind in DEFAULT_PORTS:
        allowed, control = recorded_answer(raw, VANTAGE_KEY)
        request = replace(request, vantage_allowed=allowed, control=control)
    return replace(await inspect(replay_clients(raw, at=at), request), raw=raw)


def inspect(clients: CheckClients, request: CheckRequest) -> Awaitable[Outcome]:
    """Answer one look by the means given, be they the network or what was told before."""
    return _INSPECTIONS[request.kind](clients, request)


_INSPECTIONS: Mapping[CheckKind, Callable[[CheckClients, CheckRequest], Awaitable[Outcome]]] = (
    MappingProxyType(
        {
            CheckKind.OWNERSHIP: lambda clients, request: ownership.inspect(
                request.domain, request.ownership or OwnershipCode(token=""), clients.lookup
            ),
            # What includes list is asked anew, so that each look keeps what it rests on; what they say
            # of an address is remembered.
            CheckKind.SPF: lambda clients, request: check.inspect(
                request.domain,
                request.region,
                clients.lookup,
                check.SpfBatchCache(include_results=clients.include_results),
            ),
            CheckKind.DKIM: lambda clients, request: dkim.inspect(
                request.domain, request.selectors, clients.lookup
            ),
            CheckKind.DMARC: lambda clients, request: dmarc.inspect(request.domain, clients.lookup),
            CheckKind.MTA_STS: lambda clients, request: mta_sts.inspect(
                request.domain, request.region, clients.lookup, clients.prober
            ),
            CheckKind.MX: lambda clients, request: mx.inspect(
                request.domain, request.region, clients.lookup
            ),
            CheckKind.MX_TTL: lambda clients, request: mx_ttl.inspect(
                request.domain, request.ttl_threshold, clients.lookup, planned=request.region.mx
            ),
            CheckKind.SMTP: lambda clients, request: smtp.inspect(
                request.host,
                request.port,
                request.vantage_allowed,
                clients.prober,
                recipient=request.recipient,
            ),
            CheckKind.LOCKDOWN: lambda clients, request: lockdown.inspect(
                request.host,
                request.port,
                request.control,
                request.vantage_allowed,
                clients.prober,
                recipient=request.recipient,
            ),
            CheckKind.MESSAGE: lambda clients, request: message.inspect(
                request.domain, request.selectors, request.region, request.message, clients.lookup
            ),
            CheckKind.LDAPS: lambda clients, request: ldaps.inspect(
                request.host, request.port, request.vantage_allowed, clients.prober
            ),
        }
    )
)
