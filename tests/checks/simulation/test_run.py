"""Settled verdicts match the ground truth of a simulated world, and a violation is detected."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from checks import check_state
from checks.check_state import is_claimable
from checks.engine.outcomes import Verdict
from checks.models import Check
from checks.queries import due_checks
from checks.safe_times import SafeTime, cutover_safe_time
from checks.scheduling import next_run_at
from checks.settling import ReopenPolicy, RunResult, SettledVerdict, settle
from checks.simulation import run
from checks.simulation.run import simulate
from tenants.models import Tenant

SEED = 20_261_123
FEW, SOME = 150, 250
# A seed with which a hasty rule is detected early.
HASTY_SEED = 2


@pytest.mark.slow
def test_few_runs_without_violation() -> None:
    counts = simulate(runs=FEW, seed=SEED)

    assert counts.violations == dict.fromkeys(counts.violations, 0)
    happened = (counts.completions, counts.reopenings, counts.workers_died, counts.safe_times)
    assert all(each > FEW / 10 for each in happened), counts.lines


def test_same_seed_same_run() -> None:
    assert simulate(runs=20, seed=SEED) == simulate(runs=20, seed=SEED)


@pytest.mark.nightly
def test_many_runs_without_violation() -> None:
    counts = simulate(runs=10_000, seed=SEED)

    print("\n".join([f"seed {SEED}", *counts.lines]))  # noqa: T201
    assert counts.violations == dict.fromkeys(counts.violations, 0)


def _counts_silence_as_pass(
    settled: SettledVerdict, result: RunResult, reopen_policy: ReopenPolicy
) -> SettledVerdict:
    if result.verdict is Verdict.UNKNOWN and result.has_partial_pass:
        result = replace(result, verdict=Verdict.PASS, unanimous=True)
    return settle(settled, result, reopen_policy)


def _reopens_too_early(
    settled: SettledVerdict, result: RunResult, reopen_policy: ReopenPolicy
) -> SettledVerdict:
    return settle(settled, result, ReopenPolicy(runs=2, span=timedelta(seconds=3)))


def _never_reopens(
    settled: SettledVerdict, result: RunResult, reopen_policy: ReopenPolicy
) -> SettledVerdict:
    after = settle(settled, result, reopen_policy)
    return settled if settled.allows_completion else after


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "noticed", "seed"),
    [
        (_counts_silence_as_pass, "wrong_completions", SEED),
        (_reopens_too_early, "false_reopenings", HASTY_SEED),
        (_never_reopens, "unsettled", SEED),
    ],
)
def test_wrong_settling_rule_is_detected(
    monkeypatch: pytest.MonkeyPatch, wrong: Any, noticed: str, seed: int
) -> None:
    monkeypatch.setattr(check_state, "settle", wrong)

    counts = simulate(runs=SOME, seed=seed)

    assert counts.violations[noticed] > 0


def test_abandoned_check_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    def gives_up(now: datetime, *args: Any, jitter: float) -> datetime:
        patient = next_run_at(now, *args, jitter=jitter)
        return patient if jitter < 0.95 else now + timedelta(days=400)

    monkeypatch.setattr(check_state, "next_run_at", gives_up)

    assert simulate(runs=20, seed=SEED).abandoned > 0


@pytest.mark.slow
def test_early_safe_time_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(*args: Any, **options: Any) -> SafeTime:
        safe_time = cutover_safe_time(*args, **options)
        ahead = safe_time.safe_at - timedelta(hours=1) if safe_time.safe_at is not None else None
        return replace(safe_time, safe_at=ahead)

    monkeypatch.setattr(run, "cutover_safe_time", hasty)

    assert simulate(runs=100, seed=SEED).early_safe_times > 0


def test_command_prints_counts_and_seed() -> None:
    out = StringIO()

    call_command("simulate", runs=5, seed=7, stdout=out)

    printed = out.getvalue()
    assert printed.splitlines()[0] == "seed 7"
    assert "wrong completions" in printed


@pytest.mark.slow
def test_command_fails_on_violation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(check_state, "settle", _reopens_too_early)

    with pytest.raises(SystemExit) as ended:
        call_command("simulate", runs=SOME, seed=HASTY_SEED, stdout=StringIO())

    assert ended.value.code == 1


@pytest.mark.django_db
@pytest.mark.parametrize("due", [-1, 0, 1])
@pytest.mark.parametrize("claimed", [None, -1, 0, 1])
def test_due_query_matches_is_claimable(tenant: Tenant, due: int, claimed: int | None) -> None:
    now = timezone.now()
    until = now + timedelta(seconds=claimed) if claimed is not None else None
    next_due_at = now + timedelta(seconds=due)
    Check.objects.update(next_due_at=next_due_at, claimed_until=until)

    found = due_checks(now).exists()

    assert found == is_claimable(next_due_at, until, now=now)
