"""Record the raw answers of a run, and replay them, so that new rules can judge old runs.

A `Recorder` collects every question of one run with its typed answer. `replay_clients` builds the
clients that repeat the run without a network.
"""

from __future__ import annotations

import datetime
import functools
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from checks.engine.addresses import PROBE_PORTS
from checks.engine.dns.lookup import Answer, Delegation, Lookup, LookupFailure, NoName, Server
from checks.engine.dns.network import Network
from checks.engine.hosts.prober import ConnectionFailure, NotProbed, Prober
from checks.engine.raw_codec import decode, encode
from checks.engine.spf.check_host import IncludeResults

_T = TypeVar("_T")
RawAnswers = Mapping[str, Any]
# The judgement of a host depends on whether the vantage is in Mimecast's ranges, and on the control
# target, so both are recorded like answers.
VANTAGE_KEY = ("vantage",)


class NotRecorded(Exception):
    """The current rules need an answer that the run did not record."""


@dataclass(frozen=True)
class CheckClients:
    """The network clients of one run: one for DNS, one for hosts."""

    lookup: Lookup
    prober: Prober
    # The SPF checks of a batch share these results. Each check still queries every name itself, so
    # that its raw answers are complete.
    include_results: IncludeResults = field(default_factory=dict)


@dataclass
class Recorder:
    """The questions of one run, each once, with their answers."""

    _answer_to: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    def record(self, question: tuple[Any, ...], answer: Any) -> None:
        self._answer_to[question] = answer

    def raw(self) -> RawAnswers:
        """Return plain JSON values, sorted: the order must not depend on the speed of servers.

        The answers are encoded when they are read. Most runs repeat the newest answer, so that
        nothing reads them.
        """
        return _EncodedOnDemand(self._answer_to)


class _EncodedOnDemand(Mapping[str, Any]):
    """The raw answers of a run, encoded when one of them is read."""

    def __init__(self, answers: Mapping[tuple[Any, ...], Any]) -> None:
        self._answers = answers

    @functools.cached_property
    def _encoded(self) -> dict[str, Any]:
        by_key = {_key(question): answer for question, answer in self._answers.items()}
        return {key: encode(by_key[key]) for key in sorted(by_key)}

    def __getitem__(self, key: str) -> Any:
        return self._encoded[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._encoded)

    def __len__(self) -> int:
        return len(self._answers)


def _key(question: tuple[Any, ...]) -> str:
    return json.dumps(encode(question), separators=(",", ":"))


def recording_clients(
    lookup: Lookup,
    prober: Prober,
    recorder: Recorder,
    *,
    include_results: IncludeResults | None = None,
) -> CheckClients:
    """Return clients that use `lookup` and `prober` and record every answer."""
    recording_prober = _RecordingProber(prober.network, prober.lookup, prober.pinned, prober.locks)
    recording_prober.recorder = recorder
    return CheckClients(
        _RecordingLookup(lookup, recorder),
        recording_prober,
        {} if include_results is None else include_results,
    )


def replay_clients(raw: RawAnswers, *, at: datetime.datetime) -> CheckClients:
    """Return clients that repeat the recorded answers at the time `at`.

    They raise NotRecorded for every other question.
    """
    answers = {question: decode(answer) for question, answer in raw.items()}
    prober = _ReplayProber(Network(), _ReplayLookup(answers))
    prober.answers, prober.at = answers, at
    return CheckClients(prober.lookup, prober)


@dataclass(frozen=True)
class _RecordingLookup:
    lookup: Lookup
    recorder: Recorder

    async def resolve(self, name: str, rtype: str) -> Answer:
        answer = await self.lookup.resolve(name, rtype)
        self.recorder.record(("resolve", name, rtype), answer)
        return answer

    async def resolve_all(self, names: Sequence[str], rtype: str) -> list[Answer]:
        answers = await self.lookup.resolve_all(names, rtype)
        for name, answer in zip(names, answers, strict=True):
            self.recorder.record(("resolve", name, rtype), answer)
        return answers

    async def query(self, server: Server, name: str, rtype: str) -> Answer:
        answer = await self.lookup.query(server, name, rtype)
        self.recorder.record(("ask", server.address, server.port, name, rtype), answer)
        return answer

    async def query_all(self, servers: Sequence[Server], name: str, rtype: str) -> list[Answer]:
        answers = await self.lookup.query_all(servers, name, rtype)
        for server, answer in zip(servers, answers, strict=True):
            self.recorder.record(("ask", server.address, server.port, name, rtype), answer)
        return answers

    async def delegation(self, name: str) -> Delegation | NoName | LookupFailure:
        answer = await self.lookup.delegation(name)
        self.recorder.record(("delegation", name), answer)
        return answer


@dataclass(frozen=True)
class _ReplayLookup:
    answers: dict[str, Any]

    async def resolve(self, name: str, rtype: str) -> Answer:
        answer: Answer = _answer_to(self.answers, ("resolve", name, rtype))
        return answer

    async def resolve_all(self, names: Sequence[str], rtype: str) -> list[Answer]:
        return [await self.resolve(name, rtype) for name in names]

    async def query(self, server: Server, name: str, rtype: str) -> Answer:
        question = ("ask", server.address, server.port, name, rtype)
        answer: Answer = _answer_to(self.answers, question)
        return answer

    async def query_all(self, servers: Sequence[Server], name: str, rtype: str) -> list[Answer]:
        return [await self.query(server, name, rtype) for server in servers]

    async def delegation(self, name: str) -> Delegation | NoName | LookupFailure:
        answer: Delegation | NoName | LookupFailure = _answer_to(self.answers, ("delegation", name))
        return answer


def recorded_answer(raw: RawAnswers, question: tuple[Any, ...]) -> Any:
    """Return one of the raw answers. Raises NotRecorded when it is missing."""
    return decode(_answer_to(raw, question))


def _answer_to(answers: Mapping[str, Any], question: tuple[Any, ...]) -> Any:
    try:
        return answers[_key(question)]
    except KeyError:
        raise NotRecorded(" ".join(str(part) for part in question)) from None


class _RecordingProber(Prober):
    recorder: Recorder

    async def locate(
        self, host: str, port: int, *, ports: frozenset[int] = PROBE_PORTS
    ) -> list[str] | NotProbed:
        found = await super().locate(host, port, ports=ports)
        self.recorder.record(("locate", host), found)
        return found

    async def connect_first(
        self, addresses: list[str], attempt: Callable[[str], Awaitable[_T]]
    ) -> tuple[str, _T | ConnectionFailure]:
        reached = await super().connect_first(addresses, attempt)
        self.recorder.record(("reach", tuple(addresses)), reached)
        return reached

    async def connect_each(
        self, addresses: list[str], attempt: Callable[[str], Awaitable[_T]]
    ) -> list[tuple[str, _T]]:
        results = await super().connect_each(addresses, attempt)
        self.recorder.record(("reach-each", tuple(addresses)), results)
        return results

    async def untried(self, host: str, located: Sequence[str]) -> list[str]:
        others = await super().untried(host, located)
        self.recorder.record(("untried", host), others)
        return others


class _ReplayProber(Prober):
    answers: dict[str, Any]
    at: datetime.datetime

    def now(self) -> datetime.datetime:
        return self.at

    async def locate(
        self, host: str, port: int, *, ports: frozenset[int] = PROBE_PORTS
    ) -> list[str] | NotProbed:
        found: list[str] | NotProbed = _answer_to(self.answers, ("locate", host))
        return found

    async def connect_first(
        self, addresses: list[str], attempt: Callable[[str], Awaitable[_T]]
    ) -> tuple[str, _T | ConnectionFailure]:
        reached: tuple[str, _T | ConnectionFailure] = _answer_to(
            self.answers, ("reach", tuple(addresses))
        )
        return reached

    async def connect_each(
        self, addresses: list[str], attempt: Callable[[str], Awaitable[_T]]
    ) -> list[tuple[str, _T]]:
        results: list[tuple[str, _T]] = _answer_to(self.answers, ("reach-each", tuple(addresses)))
        return results

    async def untried(self, host: str, located: Sequence[str]) -> list[str]:
        others: list[str] = _answer_to(self.answers, ("untried", host))
        return others
