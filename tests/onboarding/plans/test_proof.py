"""Proof of a task: checks that only an allowed vantage can verify."""

from __future__ import annotations

import pytest

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from onboarding.plans.proof import ProofSubject


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("smtp.unreachable-from-here", True),
        ("smtp.greeting-refused", True),
        ("smtp.ehlo-refused", True),
        ("ldaps.unreachable-from-here", True),
        ("smtp.unreachable", False),
        ("ldaps.unreachable", False),
        ("ldaps.tls-failed", False),
    ],
)
def test_unverifiable_from_outside(code: str, expected: bool) -> None:
    kind = CheckKind(code.partition(".")[0])
    check = Check(kind=kind, latest=Observation(findings=[{"code": code, "params": {}}]))

    assert ProofSubject(kind, "host.example.test", check).is_unverifiable is expected
