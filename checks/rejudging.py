"""Judging old observations by today's rules, from the raw answers that they rest on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from checks import raw_answers
from checks.engine.batch import inspect_again
from checks.engine.outcomes import Kind, Outcome
from checks.engine.recording import NotRecorded
from checks.looks import look_for
from checks.models import Observation

RESOLVER_BEHIND = "dns.resolver-behind"


class Result(StrEnum):
    SAME = "same"
    DIFFERENT = "different"
    NOT_KEPT = "not-kept"  # from before raw answers were kept, or a look that asked nobody
    ASKS_MORE = "asks-more"  # today's rules would have asked more than was asked then


@dataclass(frozen=True)
class Rejudged:
    """One observation beside what today's rules make of it."""

    observation: Observation
    result: Result
    outcome: Outcome | None = None
    missing: str = ""


def rejudge(observations: Iterable[Observation]) -> Iterator[Rejudged]:
    """Each observation, judged again with its own expectation and at its own moment. Reads only.

    The observations come with `check_asked`, its tenant, domain and host, and `raw`.
    """
    return map(_rejudge, observations)


def _rejudge(observation: Observation) -> Rejudged:
    if observation.raw is None or observation.check_asked.kind == Kind.MESSAGE:
        # A message is let go as soon as it is judged.
        return Rejudged(observation, Result.NOT_KEPT)
    look = look_for(observation.check_asked, observation.expectation)
    raw = raw_answers.read(observation.raw.body)
    try:
        outcome = asyncio.run(inspect_again(look, raw, at=observation.first_seen_at))
    except NotRecorded as missing:
        return Rejudged(observation, Result.ASKS_MORE, missing=str(missing))
    result = Result.SAME if _is_same(observation, outcome) else Result.DIFFERENT
    return Rejudged(observation, result, outcome)


def _is_same(observation: Observation, outcome: Outcome) -> bool:
    """By what people and settling go by: the verdict, whether all agreed, and the findings."""
    findings = [{"code": f.code, "params": dict(f.params)} for f in outcome.findings]
    # Resolvers are asked after the verdict, and what they still hold is a moment's remark.
    kept = [found for found in observation.findings if found["code"] != RESOLVER_BEHIND]
    return (
        observation.verdict == outcome.verdict.value
        and observation.unanimous == outcome.unanimous
        and _plain(kept) == _plain(findings)
    )


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
