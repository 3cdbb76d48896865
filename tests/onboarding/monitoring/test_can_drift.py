"""`can_drift` is true for every check that `evaluate_drift` finds drifted."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check, Observation
from onboarding.models.monitoring import DRIFT_OF_CHECK
from onboarding.monitoring.drift_rules import (
    DriftContext,
    DriftState,
    can_drift,
    evaluate_drift,
)
from tenants.models import Domain, Host
from tests.factories import START

TTLS = ((300,), (60, 3600), (3600,), ())
AFTER = START + timedelta(days=1)


def _check(kind: CheckKind, settled: Verdict, newest: Verdict, ttls: tuple[int, ...]) -> Check:
    rows = [{"status": "records", "ttl": ttl} for ttl in ttls]
    latest = Observation(
        verdict=newest,
        findings=[{"code": "mta-sts.not-permitted", "params": {}}],
        evidence={"servers": rows, "threshold": 300},
        runs=2,
    )
    domain = Domain(name="northwind.test", dkim_selectors="mimecast")
    host = Host(name="mail.northwind.test")
    subject = {"host": host} if kind is CheckKind.LOCKDOWN else {"domain": domain}
    return Check(
        kind=kind,
        latest=latest,
        settled_verdict=settled,
        settled_at=AFTER,
        first_verified_at=START,
        **subject,
    )


@pytest.mark.parametrize("kind", DRIFT_OF_CHECK)
def test_drifted_checks_can_drift(kind: CheckKind) -> None:
    mx = _check(CheckKind.MX, Verdict.PASS, Verdict.PASS, ())
    found = []
    for settled, newest, ttls, days in itertools.product(Verdict, Verdict, TTLS, (0, 30)):
        check = _check(kind, settled, newest, ttls)
        context = DriftContext(
            since=START, now=AFTER + timedelta(days=days), ttl_after=timedelta(days=14), mx=mx
        )
        if evaluate_drift(check, context) is DriftState.DRIFTED:
            found.append(can_drift(check))

    assert found
    assert all(found)


@pytest.mark.parametrize("kind", DRIFT_OF_CHECK)
def test_matching_checks_cannot_drift(kind: CheckKind) -> None:
    assert not can_drift(_check(kind, Verdict.PASS, Verdict.PASS, (3600,)))
