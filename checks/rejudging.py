"""Judge earlier observations by the present rules, from their raw answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from checks import raw_answers
from checks.engine.batch import inspect_recorded
from checks.engine.outcomes import MESSAGE_KINDS, Outcome
from checks.engine.recording import NotRecorded
from checks.models import Observation
from checks.runs import build_request

RESOLVER_BEHIND = "dns.resolver-behind"


class RejudgeResult(StrEnum):
    SAME = "same"
    DIFFERENT = "different"
    NO_RAW_ANSWERS = "no-raw-answers"  # from before raw answers were stored, or without any query
    NEEDS_MORE_ANSWERS = (
        "needs-more-answers"  # the present rules need an answer that was not queried
    )


@dataclass(frozen=True)
class RejudgedObservation:
    """One observation and its outcome under the present rules."""

    observation: Observation
    result: RejudgeResult
    outcome: Outcome | None = None
    missing: str = ""


def rejudge(observations: Iterable[Observation]) -> Iterator[RejudgedObservation]:
    """Judge each observation again, with its own expectation and its own time. Reads only.

    The observations come with `check_asked`, its tenant, domain and host, and `raw`.
    """
    return map(_rejudge, observations)


def _rejudge(observation: Observation) -> RejudgedObservation:
    if observation.raw is None or observation.check_asked.kind in MESSAGE_KINDS:
        # The bytes of a message are deleted after judging.
        return RejudgedObservation(observation, RejudgeResult.NO_RAW_ANSWERS)
    request = build_request(observation.check_asked, observation.expectation)
    raw = raw_answers.read(observation.raw.body)
    try:
        outcome = asyncio.run(inspect_recorded(request, raw, at=observation.first_seen_at))
    except NotRecorded as missing:
        return RejudgedObservation(
            observation, RejudgeResult.NEEDS_MORE_ANSWERS, missing=str(missing)
        )
    result = RejudgeResult.SAME if _is_same(observation, outcome) else RejudgeResult.DIFFERENT
    return RejudgedObservation(observation, result, outcome)


def _is_same(observation: Observation, outcome: Outcome) -> bool:
    """Compare by verdict, unanimity and findings: the parts that people and settling use."""
    findings = [{"code": f.code, "params": dict(f.params)} for f in outcome.findings]
    # The resolvers' caches are queried after the verdict and change every minute.
    kept = [found for found in observation.findings if found["code"] != RESOLVER_BEHIND]
    return (
        observation.verdict == outcome.verdict.value
        and observation.unanimous == outcome.unanimous
        and _plain(kept) == _plain(findings)
    )


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
