"""Judge the facts of a source by a rule. Pure: no clock, no network.

A rule names the properties that it needs. If one of them is absent in any row, the verdict is
UNKNOWN: a rule never sees incomplete facts, so it cannot pass because a property is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from checks.engine.expected_values import MailPlatform, RegionFacts
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict
from checks.engine.sources.facts import Listed, SourceFacts, Strength

# Older facts prove nothing new. They undo no proof either.
MAX_AGE_DAYS = 30


@dataclass(frozen=True)
class RuleInput:
    """The complete facts of a source, and the values that the rule expects.

    `expected` is the expectation of the check, as plain data. `region` has the values of the other
    regions, which name a mix-up.
    """

    facts: SourceFacts
    expected: Mapping[str, Any]
    region: RegionFacts


@dataclass(frozen=True)
class Judgement:
    """The verdict of a rule, with its findings and its evidence as plain JSON values."""

    verdict: Verdict
    findings: Sequence[Finding] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """One question that a source answers: the needed properties by table, and the judge.

    `half_of` are the platforms of which the source sees only one half: there it supports a task.
    """

    kind: CheckKind
    strength: Strength
    needs: Mapping[str, Sequence[str]] = field(hash=False)
    judge: Callable[[RuleInput], Judgement]
    half_of: frozenset[MailPlatform] = frozenset()


@dataclass(frozen=True)
class ProofSource:
    """A supplier of facts.

    `organisation` is the table and the property that list the domains of the organisation: an
    export of another company proves nothing. `script` returns the text of the commands that a
    person runs, for the domain that names the organisation.
    """

    key: str
    title: str
    platforms: frozenset[MailPlatform]
    listed: Listed = field(hash=False)
    organisation: tuple[str, str]
    rules: tuple[Rule, ...]
    script: Callable[[str], str]
    script_name: str

    @property
    def kinds(self) -> tuple[CheckKind, ...]:
        return tuple(rule.kind for rule in self.rules)

    def rule_for(self, kind: CheckKind) -> Rule:
        return next(rule for rule in self.rules if rule.kind is kind)


def judge_facts(
    source: ProofSource,
    kind: CheckKind,
    subject: str,
    facts: SourceFacts | None,
    expected: Mapping[str, Any],
    region: RegionFacts,
    *,
    now: datetime,
) -> Outcome:
    """Judge the facts for one check. Without usable facts, the verdict is UNKNOWN."""
    rule = source.rule_for(kind)
    if facts is None:
        return _unknown(kind, subject, Finding("export.none", {}), {})
    origin = {"export": _origin(facts, rule)}
    problem = _problem(source, rule, facts, expected, now=now)
    if problem is not None:
        return _unknown(kind, subject, problem, origin)
    judged = rule.judge(RuleInput(facts, expected, region))
    return Outcome(
        kind,
        subject,
        judged.verdict,
        tuple(judged.findings),
        {**origin, **judged.evidence},
        # One export is the only answer. An uncertain one changes no task.
        unanimous=judged.verdict is not Verdict.UNKNOWN,
    )


def _origin(facts: SourceFacts, rule: Rule) -> dict[str, str]:
    return {
        "source": facts.source,
        "id": facts.id,
        "obtained_at": facts.obtained_at.isoformat(),
        "provenance": facts.provenance.value,
        "strength": rule.strength.value,
    }


def _unknown(
    kind: CheckKind, subject: str, finding: Finding, evidence: Mapping[str, Any]
) -> Outcome:
    return Outcome(kind, subject, Verdict.UNKNOWN, (finding,), evidence, unanimous=False)


def _problem(
    source: ProofSource,
    rule: Rule,
    facts: SourceFacts,
    expected: Mapping[str, Any],
    *,
    now: datetime,
) -> Finding | None:
    """The reason why the facts prove nothing, or None."""
    obtained_at = facts.obtained_at
    if now - obtained_at > timedelta(days=MAX_AGE_DAYS):
        return Finding(
            "export.outdated", {"obtained_at": obtained_at.isoformat(), "days": MAX_AGE_DAYS}
        )
    table, name = source.organisation
    needs = {**rule.needs, table: sorted({name, *rule.needs.get(table, ())})}
    for needed, properties in needs.items():
        if needed not in facts.tables:
            return Finding("export.table-missing", {"table": needed})
        absent = [p for p in properties if any(p not in row for row in facts.rows(needed))]
        if absent:
            return Finding("export.property-missing", {"table": needed, "properties": absent})
    organisation = str(expected.get("organisation", ""))
    domains = {str(row[name]).lower() for row in facts.rows(table)}
    if organisation not in domains:
        return Finding("export.other-organisation", {"expected": organisation})
    return None
