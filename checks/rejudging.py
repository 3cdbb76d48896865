"""Judging old observations by today's rules, from the raw answers that they rest on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from checks import raw_answers
from checks.engine.batch import inspect_recorded
from checks.engine.outcomes import CheckKind, Outcome
from checks.engine.recording import NotRecorded
from checks.models import Observation
from checks.runs import build_request

RESOLVER_BEHIND = "dns.resolver-behind"


class RejudgeResult(StrEnum):
    SAME = "same"
    DIFFERENT = "different"
    NO_RAW_ANSWERS = (
        "no-raw-answers"  # from before raw answers were kept, or a look that asked nobody
    )
    NEEDS_MORE_ANSWERS = (
        "needs-more-answers"  # today's rules would have asked more than was asked then
    )


@dataclass(frozen=True)
class RejudgedObservation:
    """One observation beside what today's rules make of it."""

    observation: Observation
    result: RejudgeResult
    outcome: Outcome | None = None
    missing: str = ""


def rejudge(observations: Iterable[Observation]) -> Iterator[RejudgedObservation]:
    """Each observation, judged again with its own expectation and at its own moment. Reads only.

    The observations come with `check_asked`, its tenant, domain and host, and `raw`.
    """
    return map(_rejudge, observations)


def _rejudge(observation: Observation) -> RejudgedObservation:
    if observation.raw is None or observation.check_asked.kind == CheckKind.MESSAGE:
        # A message is let go as soon as it is judged.
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
