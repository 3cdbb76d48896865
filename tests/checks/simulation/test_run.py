"""What we believe in a simulated world is true there, and a wrong belief would be noticed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from checks import believing
from checks.believing import is_free
from checks.cadence import next_look
from checks.clocks import Clock, cutover_clock
from checks.engine.outcomes import Verdict
from checks.models import Check
from checks.queries import due_checks
from checks.settling import Patience, Seen, Standing, settle
from checks.simulation import run
from checks.simulation.run import simulate
from tenants.models import Tenant

SEED = 20_261_123
FEW, SOME = 150, 250
# One in which impatience is noticed early.
HASTY_SEED = 2


def test_nothing_believed_in_a_few_runs_is_wrong() -> None:
    counts = simulate(runs=FEW, seed=SEED)

    assert counts.bars == dict.fromkeys(counts.bars, 0)
    happened = (counts.completions, counts.reopenings, counts.workers_died, counts.clocks)
    assert all(each > FEW / 10 for each in happened), counts.lines


def test_a_seed_plays_the_same_again() -> None:
    assert simulate(runs=20, seed=SEED) == simulate(runs=20, seed=SEED)


@pytest.mark.slow
def test_nothing_believed_in_ten_thousand_runs_is_wrong() -> None:
    counts = simulate(runs=10_000, seed=SEED)

    print("\n".join([f"seed {SEED}", *counts.lines]))  # noqa: T201
    assert counts.bars == dict.fromkeys(counts.bars, 0)


def _takes_silence_for_agreement(standing: Standing, seen: Seen, patience: Patience) -> Standing:
    if seen.verdict is Verdict.UNKNOWN and seen.is_yes_somewhere:
        seen = replace(seen, verdict=Verdict.PASS, unanimous=True)
    return settle(standing, seen, patience)


def _is_impatient(standing: Standing, seen: Seen, patience: Patience) -> Standing:
    return settle(standing, seen, Patience(looks=2, span=timedelta(seconds=3)))


def _never_takes_back(standing: Standing, seen: Seen, patience: Patience) -> Standing:
    after = settle(standing, seen, patience)
    return standing if standing.holds_up_tasks else after


@pytest.mark.parametrize(
    ("wrong", "noticed", "seed"),
    [
        (_takes_silence_for_agreement, "wrong_completions", SEED),
        (_is_impatient, "false_reopenings", HASTY_SEED),
        (_never_takes_back, "unsettled", SEED),
    ],
)
def test_a_wrong_rule_for_settling_is_noticed(
    monkeypatch: pytest.MonkeyPatch, wrong: Any, noticed: str, seed: int
) -> None:
    monkeypatch.setattr(believing, "settle", wrong)

    counts = simulate(runs=SOME, seed=seed)

    assert counts.bars[noticed] > 0


def test_a_check_left_alone_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def gives_up(now: datetime, *args: Any, jitter: float) -> datetime:
        patient = next_look(now, *args, jitter=jitter)
        return patient if jitter < 0.95 else now + timedelta(days=400)

    monkeypatch.setattr(believing, "next_look", gives_up)

    assert simulate(runs=20, seed=SEED).abandoned > 0


def test_a_clock_that_runs_ahead_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(*args: Any, **options: Any) -> Clock:
        clock = cutover_clock(*args, **options)
        ahead = clock.safe_at - timedelta(hours=1) if clock.safe_at is not None else None
        return replace(clock, safe_at=ahead)

    monkeypatch.setattr(run, "cutover_clock", hasty)

    assert simulate(runs=100, seed=SEED).early_clocks > 0


def test_the_command_prints_its_counts_and_its_seed_and_ends_with_0() -> None:
    out = StringIO()

    call_command("simulate", runs=5, seed=7, stdout=out)

    printed = out.getvalue()
    assert printed.splitlines()[0] == "seed 7"
    assert "wrong completions" in printed


def test_the_command_ends_with_1_where_something_was_believed_wrongly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(believing, "settle", _is_impatient)

    with pytest.raises(SystemExit) as ended:
        call_command("simulate", runs=SOME, seed=HASTY_SEED, stdout=StringIO())

    assert ended.value.code == 1


@pytest.mark.django_db
@pytest.mark.parametrize("due", [-1, 0, 1])
@pytest.mark.parametrize("claimed", [None, -1, 0, 1])
def test_the_database_finds_free_what_the_simulation_does(
    tenant: Tenant, due: int, claimed: int | None
) -> None:
    now = timezone.now()
    until = now + timedelta(seconds=claimed) if claimed is not None else None
    next_due_at = now + timedelta(seconds=due)
    Check.objects.update(next_due_at=next_due_at, claimed_until=until)

    found = due_checks(now).exists()

    assert found == is_free(next_due_at, until, now=now)
