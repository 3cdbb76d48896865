"""Run a batch of checks in one event loop.

Checks share DNS answers. Each check has its own time budget, and one limit covers all connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import gc
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from checks.engine import mx, mx_ttl, ownership
from checks.engine.dns.network import Endpoint, Network
from checks.engine.dns.network_lookup import NetworkLookup
from checks.engine.dns.resolvers import add_resolver_answers
from checks.engine.expected_values import (
    DkimSelector,
    OwnershipCode,
    ReceivingSystem,
    RegionFacts,
)
from checks.engine.hosts import ldaps, lockdown, smtp
from checks.engine.hosts.prober import DEFAULT_PORTS, NotProbed, Prober
from checks.engine.mail import delivery_message, dkim, dmarc, message, mta_sts
from checks.engine.outcomes import SOURCE_KINDS, CheckKind, Finding, Outcome, Verdict
from checks.engine.recording import (
    VANTAGE_KEY,
    CheckClients,
    RawAnswers,
    Recorder,
    recorded_answer,
    recording_clients,
    replay_clients,
)
from checks.engine.sources.facts import SourceFacts
from checks.engine.sources.registry import SOURCE_OF_KIND
from checks.engine.sources.rules import judge_facts
from checks.engine.spf import check
from checks.engine.spf.check_host import IncludeResults

logger = logging.getLogger(__name__)

# A check has several queries in flight at once. The cap keeps sockets below the usual limit of 1024
# open files for each process.
_QUERIES_PER_RUN = 4
_MAX_QUERIES = 400
# Python's default is 700 new objects.
_OBJECTS_BEFORE_COLLECTION = 50_000
# The facts of a source are recorded like an answer, so that new rules can judge them again.
_FACTS_KEY = ("facts",)


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
    received: delivery_message.ReceivedInput | None = None
    system: ReceivingSystem = field(default_factory=ReceivingSystem)
    # For the kinds of a source: its facts, and the expectation of the check as plain data.
    facts: SourceFacts | None = None
    expected: Mapping[str, Any] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        if self.kind in DEFAULT_PORTS:
            return f"{self.host}:{self.port or DEFAULT_PORTS[self.kind]}"
        return self.domain


@dataclass
class _Batch:
    """The state that the checks of one call share."""

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
    """Run every check and return the outcomes in the order of `requests`.

    The parameters are those of `run_within`, without a limit for the whole batch.
    """
    outcomes = await run_within(
        requests,
        seconds=None,
        network=network,
        budget_seconds=budget_seconds,
        concurrency=concurrency,
        on_outcome=on_outcome,
        pinned=pinned,
    )
    return [outcome for outcome in outcomes if outcome is not None]


async def run_within(
    requests: Sequence[CheckRequest],
    *,
    seconds: float | None,
    network: Network,
    budget_seconds: float,
    concurrency: int,
    on_outcome: Callable[[CheckRequest, Outcome], None] | None = None,
    pinned: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> list[Outcome | None]:
    """Run the checks that can start within `seconds`, and return the outcomes in the order of
    `requests`: None for a check that did not start.

    - `on_outcome` is called with each outcome as soon as it exists.
    - `pinned` are the addresses that `locate_hosts` found; no other address of these hosts is used.
    - At most `concurrency` checks run at once. Each has `budget_seconds` from its own start.

    A check that exceeds its budget, or raises, has the verdict UNKNOWN. Never raises for a check.
    """
    max_in_flight = min(concurrency * _QUERIES_PER_RUN, _MAX_QUERIES)
    lookup = NetworkLookup(network, max_in_flight=max_in_flight)
    batch = _Batch(lookup, Prober(network, lookup, pinned), budget_seconds, on_outcome)
    positions = _positions(requests)
    outcomes: list[Outcome | None] = [None] * len(requests)
    waiting = iter(positions.values())

    loop = asyncio.get_running_loop()
    ends_at = None if seconds is None else loop.time() + seconds

    async def work() -> None:
        for same in waiting:
            if ends_at is not None and loop.time() >= ends_at:
                return
            outcome = await _within_budget(batch, requests[same[0]])
            for position in same:
                outcomes[position] = outcome

    try:
        with _reduced_collection():
            # One asyncio task for each concurrency slot. One for each check costs more than the
            # checks themselves in a batch of thousands.
            await asyncio.gather(*(work() for _ in range(min(concurrency, len(positions)))))
    finally:
        await lookup.close()
    return outcomes


async def locate_hosts(
    hosts: Iterable[Endpoint], *, network: Network, budget_seconds: float
) -> dict[Endpoint, list[str] | NotProbed]:
    """Return the addresses at which each host may be probed, or the refusal. Connects to no host.

    The result is empty when the lookups exceed `budget_seconds`.
    """
    lookup = NetworkLookup(network)
    prober, endpoints = Prober(network, lookup), list(dict.fromkeys(hosts))
    try:
        async with asyncio.timeout(budget_seconds):
            found = await asyncio.gather(*(prober.locate(*endpoint) for endpoint in endpoints))
    except TimeoutError:
        return {}
    finally:
        await lookup.close()
    return dict(zip(endpoints, found, strict=True))


@contextlib.contextmanager
def _reduced_collection() -> Iterator[None]:
    """Collect cyclic garbage less often during a batch.

    Nearly all objects of a batch live until its end and form no cycles. The default thresholds
    spend a tenth of the run time on collections that free nothing. At most some tens of megabytes
    are freed later.
    """
    usual = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTION, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _positions(requests: Sequence[CheckRequest]) -> dict[Hashable, list[int]]:
    """Return the positions of equal requests: a host that several checks name is probed once."""
    positions: dict[Hashable, list[int]] = {}
    for position, request in enumerate(requests):
        # DNS checks share answers in the lookup already; only connections need merging here.
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
            if request.facts is not None:
                recorder.record(_FACTS_KEY, request.facts.as_data())
            outcome = replace(await inspect(clients, request), raw=recorder.raw())
        # Outside the budget, with a timeout of its own: slow resolvers must not cost a verdict.
        outcome = await add_resolver_answers(outcome, batch.lookup)
    except TimeoutError:
        outcome = _unknown(
            request, Finding("run.over-budget", {"budget_seconds": batch.budget_seconds})
        )
    except Exception:
        # A bug in one check must not lose the outcomes of the others, and must never count as the
        # client's fault. The check is recorded as UNKNOWN and the error is logged for an operator.
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
    """Judge the raw answers of an earlier run, as at the time `at`.

    Raises NotRecorded when the current rules need an answer that the run does not contain.
    """
    if request.kind in DEFAULT_PORTS:
        allowed, control = recorded_answer(raw, VANTAGE_KEY)
        request = replace(request, vantage_allowed=allowed, control=control)
    if request.kind in SOURCE_KINDS:
        request = replace(request, facts=SourceFacts.from_data(recorded_answer(raw, _FACTS_KEY)))
    return replace(await inspect(replay_clients(raw, at=at), request), raw=raw)


def inspect(clients: CheckClients, request: CheckRequest) -> Awaitable[Outcome]:
    """Run one check with the given clients: the network, or recorded answers."""
    if request.kind in SOURCE_KINDS:
        return _inspect_facts(clients, request)
    return _INSPECTIONS[request.kind](clients, request)


async def _inspect_facts(clients: CheckClients, request: CheckRequest) -> Outcome:
    """Judge the facts of a source, which need no network."""
    return judge_facts(
        SOURCE_OF_KIND[request.kind],
        request.kind,
        request.subject,
        request.facts,
        request.expected,
        request.region,
        now=clients.prober.now(),
    )


_INSPECTIONS: Mapping[CheckKind, Callable[[CheckClients, CheckRequest], Awaitable[Outcome]]] = (
    MappingProxyType(
        {
            CheckKind.OWNERSHIP: lambda clients, request: ownership.inspect(
                request.domain, request.ownership or OwnershipCode(token=""), clients.lookup
            ),
            # Each run expands its includes itself, so that its raw answers are complete. Only the
            # results of includes for an address are shared across the batch.
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
            CheckKind.DELIVERY_MESSAGE: lambda clients, request: delivery_message.inspect(
                request.domain, request.region, request.system, request.received, clients.lookup
            ),
            CheckKind.LDAPS: lambda clients, request: ldaps.inspect(
                request.host, request.port, request.vantage_allowed, clients.prober
            ),
        }
    )
)
