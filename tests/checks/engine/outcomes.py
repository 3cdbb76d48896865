"""The codes and parameters of an outcome, checked against the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from checks.engine.codes import CODES
from checks.engine.outcomes import Finding, Outcome


def codes(outcome: Outcome) -> list[str]:
    return [code for code, _ in code_params(outcome.findings)]


def params(outcome: Outcome, code: str) -> dict[str, Any]:
    return dict(code_params(outcome.findings))[code]


def code_params(findings: Sequence[Finding]) -> list[tuple[str, dict[str, Any]]]:
    for finding in findings:
        assert tuple(finding.params) == CODES[finding.code], finding
    return [(finding.code, dict(finding.params)) for finding in findings]
