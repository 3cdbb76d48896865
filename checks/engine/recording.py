"""Keeping what a look was told, and answering from it later, so that new rules can judge old looks.

A `Recorder` collects every question of one look with its typed answer; `replay` builds from that
what the same look is run on again, with no network.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from checks.engine.addresses import PROBE_PORTS
from checks.engine.hosts import Prober, Refused, Unreached
from checks.engine.lookup import Answer, CouldNotTell, Delegation, Lookup, NoName, Server
from checks.engine.network import Network
from checks.engine.raw import decode, encode
from checks.engine.spf_check_host import Memory

_T = TypeVar("_T")
Raw = Mapping[str, Any]
# Whether Mimecast's ranges are ours, and the control target: part of how a host's answer is judged.
VANTAGE = ("vantage",)


class NotRecorded(Exception):
    """Today's rules ask something that was not asked when the look was made."""


@dataclass(frozen=True)
class Means:
    """What one look asks by: DNS, and hosts."""

    lookup: Lookup
    prober: Prober
    # What the SPF looks of a batch share; each asks for itself all that this was worked out from.
    memory: Memory = field(default_factory=dict)


@dataclass
class Recorder:
    """The questions of one look, each once, with what came back."""

    _told: dict[str, Any] = field(default_factory=dict)

    def note(self, question: tuple[Any, ...], answer: Any) -> None:
        self._told[_key(question)] = answer

    def raw(self) -> Raw:
        """As plain JSON values, in an order that does not depend on who answered first."""
        return {question: encode(self._told[question]) for question in sorted(self._told)}


def _key(question: tuple[Any, ...]) -> str:
    return json.dumps(encode(question), separators=(",", ":"))


def recording(
    lookup: Lookup, prober: Prober, recorder: Recorder, *, memory: Memory | None = None
) -> Means:
    """The same means, which note what they are told."""
    noted = _RecordingProber(prober.network, prober.lookup, prober.pinned, prober.doors)
    noted.recorder = recorder
    return Means(_RecordingLookup(lookup, recorder), noted, {} if memory is None else memory)


def replay(raw: Raw, *, at: datetime.datetime) -> Means:
    """Means that tell what was told then, as if it were that moment; NotRecorded for the rest."""
    told = {question: decode(answer) for question, answer in raw.items()}
    prober = _ReplayProber(Network(), _ReplayLookup(told))
    prober.told, prober.at = told, at
    return Means(prober.lookup, prober)


@dataclass(frozen=True)
class _RecordingLookup:
    lookup: Lookup
    recorder: Recorder

    async def resolve(self, name: str, rtype: str) -> Answer:
        answer = await self.lookup.resolve(name, rtype)
        self.recorder.note(("resolve", name, rtype), answer)
        return answer

    async def resolve_all(self, names: Sequence[str], rtype: str) -> list[Answer]:
        answers = await self.lookup.resolve_all(names, rtype)
        for name, answer in zip(names, answers, strict=True):
            self.recorder.note(("resolve", name, rtype), answer)
        return answers

    async def ask(self, server: Server, name: str, rtype: str) -> Answer:
        answer = await self.lookup.ask(server, name, rtype)
        self.recorder.note(("ask", server.address, server.port, name, rtype), answer)
        return answer

    async def ask_all(self, servers: Sequence[Server], name: str, rtype: str) -> list[Answer]:
        answers = await self.lookup.ask_all(servers, name, rtype)
        for server, answer in zip(servers, answers, strict=True):
            self.recorder.note(("ask", server.address, server.port, name, rtype), answer)
        return answers

    async def delegation(self, name: str) -> Delegation | NoName | CouldNotTell:
        answer = await self.lookup.delegation(name)
        self.recorder.note(("delegation", name), answer)
        return answer


@dataclass(frozen=True)
class _ReplayLookup:
    told: dict[str, Any]

    async def resolve(self, name: str, rtype: str) -> Answer:
        answer: Answer = _told(self.told, ("resolve", name, rtype))
        return answer

    async def resolve_all(self, names: Sequence[str], rtype: str) -> list[Answer]:
        return [await self.resolve(name, rtype) for name in names]

    async def ask(self, server: Server, name: str, rtype: str) -> Answer:
        question = ("ask", server.address, server.port, name, rtype)
        answer: Answer = _told(self.told, question)
        return answer

    async def ask_all(self, servers: Sequence[Server], name: str, rtype: str) -> list[Answer]:
        return [await self.ask(server, name, rtype) for server in servers]

    async def delegation(self, name: str) -> Delegation | NoName | CouldNotTell:
        answer: Delegation | NoName | CouldNotTell = _told(self.told, ("delegation", name))
        return answer


def told_in(raw: Raw, question: tuple[Any, ...]) -> Any:
    """One answer out of raw ones."""
    return decode(_told(raw, question))


def _told(told: Mapping[str, Any], question: tuple[Any, ...]) -> Any:
    try:
        return told[_key(question)]
    except KeyError:
        raise NotRecorded(" ".join(str(part) for part in question)) from None


class _RecordingProber(Prober):
    recorder: Recorder

    async def locate(
        self, host: str, port: int, *, ports: frozenset[int] = PROBE_PORTS
    ) -> list[str] | Refused:
        found = await super().locate(host, port, ports=ports)
        self.recorder.note(("locate", host), found)
        return found

    async def first_reached(
        self, addresses: list[str], talk: Callable[[str], Awaitable[_T]]
    ) -> tuple[str, _T | Unreached]:
        reached = await super().first_reached(addresses, talk)
        self.recorder.note(("reach", tuple(addresses)), reached)
        return reached


class _ReplayProber(Prober):
    told: dict[str, Any]
    at: datetime.datetime

    def now(self) -> datetime.datetime:
        return self.at

    async def locate(
        self, host: str, port: int, *, ports: frozenset[int] = PROBE_PORTS
    ) -> list[str] | Refused:
        found: list[str] | Refused = _told(self.told, ("locate", host))
        return found

    async def first_reached(
        self, addresses: list[str], talk: Callable[[str], Awaitable[_T]]
    ) -> tuple[str, _T | Unreached]:
        reached: tuple[str, _T | Unreached] = _told(self.told, ("reach", tuple(addresses)))
        return reached
