"""Runs recorded together have the same result as runs recorded one by one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError, connection, transaction
from django.test.utils import CaptureQueriesContext

from checks import bulk_updates, raw_answers, services
from checks import runs as batch_runs
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict
from checks.models import Check, Observation, RawAnswers
from checks.services import Run, record_runs
from tenants import database_time
from tenants.models import Tenant
from tests.checks.recording_oracle import record_one
from tests.factories import START, HostRow, MakeTenant

pytestmark = pytest.mark.django_db

HISTORIES, NIGHTLY_HISTORIES = 8, 10_000
BATCHES = 8
HOSTS = (HostRow("delivery", "mail.northwind.test", 25),)
SIGNED = {"message": {"sent_at": "2026-12-01T08:00:00+00:00", "sending_platform": "cloud"}}
RECEIVED = {"message": {"received_at": "2026-12-01T08:30:00+00:00"}}


class _NoJitter:
    def uniform(self, *_: float) -> float:
        return 0.0


class History:
    """Batches of runs with generated answers, and the changes between them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = START
        self.last: dict[int, Outcome] = {}

    def outcome(self, check: Check) -> Outcome:
        """Often the answer of the last run."""
        if check.pk not in self.last or self.random.random() < 0.5:
            self.last[check.pk] = self._new_outcome(check)
        return self.last[check.pk]

    def _new_outcome(self, check: Check) -> Outcome:
        verdict = self.random.choice([*Verdict, Verdict.PASS, Verdict.FAIL])
        evidence: dict[str, Any] = {"answer": self.random.randrange(2)}
        if check.kind == CheckKind.MESSAGE:
            evidence |= SIGNED
        if check.kind == CheckKind.DELIVERY_MESSAGE:
            evidence |= RECEIVED
        codes = self.random.choice(((), ("spf.none",), ("mx.leftover",)))
        return Outcome(
            CheckKind(check.kind),
            check.subject,
            verdict,
            tuple(map(Finding, codes)),
            evidence,
            unanimous=self.random.random() < 0.8,
            raw={"question": self.random.randrange(3)} if self.random.random() < 0.7 else None,
        )

    def batch(self, checks: list[Check]) -> list[Run]:
        self.now += timedelta(minutes=self.random.choice((0, 1, 7, 70)))
        runs = []
        for check in self.random.sample(checks, self.random.randint(1, len(checks))):
            is_shared = self.random.random() < 0.1
            at = self.now - timedelta(minutes=5 if is_shared else 0)
            asked = check.expectation if self.random.random() < 0.9 else {"token": "earlier"}
            ended_at = at + timedelta(seconds=self.random.randrange(9))
            runs.append(Run(check.pk, self.outcome(check), asked, at, ended_at))
        return runs

    def change(self, checks: list[Check]) -> None:
        """A person changes an expectation, or sets a priority; a worker claims checks."""
        for check in checks:
            values: dict[str, Any] = {}
            if self.random.random() < 0.05:
                values["expectation"] = {"ttl_threshold": self.random.randrange(60, 900)}
            if self.random.random() < 0.1:
                name = self.random.choice(("cutover_until", "requested_until", "viewed_until"))
                values[name] = self.now + timedelta(minutes=30)
            if self.random.random() < 0.3:
                values |= {"claim_id": "worker", "claimed_until": self.now}
            if values:
                Check.objects.filter(pk=check.pk).update(**values)


@pytest.fixture
def checks(make_tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch) -> list[Check]:
    monkeypatch.setattr(services, "_jitter", _NoJitter())
    make_tenant("Northwind", (("northwind.test", "primary"),), HOSTS)
    make_tenant("Elsewhere", (("elsewhere.test", "primary"),), is_sample=True)
    Check.objects.update(is_active=True)
    Check.objects.filter(kind=CheckKind.DMARC).update(kind=CheckKind.MESSAGE)
    return _read()


def _read() -> list[Check]:
    return list(Check.objects.select_related("domain", "host").order_by("pk"))


def _stored() -> list[Any]:
    """All values of checks, observations and raw answers. Keys count in the order of their rows."""
    observations = Observation.objects.order_by("check_asked", "first_seen_at", "pk")
    numbers = {pk: number for number, pk in enumerate(observations.values_list("pk", flat=True))}
    digests = dict(RawAnswers.objects.values_list("pk", "digest"))
    checks = [row | {"latest_id": numbers.get(row["latest_id"])} for row in _rows(Check)]
    opened = [
        {k: v for k, v in row.items() if k not in ("id", "public_id")}
        | {"raw_id": digests.get(row["raw_id"])}
        for row in observations.values()
    ]
    kept = sorted((r["tenant_id"], r["digest"], bytes(r["body"])) for r in _rows(RawAnswers))
    return [checks, opened, kept]


def _rows(model: Any) -> list[dict[str, Any]]:
    return list(model.objects.order_by("pk").values())


def _together(history: History, runs: list[Run]) -> list[int]:
    return [each.check.pk for each in record_runs(runs)]


def _one_by_one(history: History, runs: list[Run]) -> list[int]:
    return [
        run.check_id
        for run in runs
        if record_one(
            run.check_id,
            run.outcome,
            expectation=run.expectation,
            at=run.at,
            ended_at=run.ended_at,
            now=history.now,
        )
    ]


class _Undo(Exception):
    """Rolls a history back."""


def _states(seed: int, record: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Replay the history, and yield the recorded checks and the stored rows after each batch."""
    history = History(seed)
    monkeypatch.setattr(database_time, "now", lambda **_: history.now)
    for _ in range(BATCHES):
        checks = _read()
        history.change(checks)
        recorded = record(history, history.batch(_read()))
        yield recorded, _stored()


def _replay(seed: int, record: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    states: list[Any] = []
    try:
        with transaction.atomic():
            states = list(_states(seed, record, monkeypatch))
            raise _Undo
    except _Undo:
        return states


def _compare(first: int, last: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(first, last):
        together = _replay(seed, _together, monkeypatch)
        one_by_one = _replay(seed, _one_by_one, monkeypatch)
        assert together == one_by_one, f"history {seed}"


@pytest.mark.slow
def test_histories_agree(checks: list[Check], monkeypatch: pytest.MonkeyPatch) -> None:
    _compare(0, HISTORIES, monkeypatch)


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(10))
def test_many_histories_agree(
    checks: list[Check], monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    size = NIGHTLY_HISTORIES // 10
    _compare(part * size, (part + 1) * size, monkeypatch)


@pytest.mark.slow
def test_histories_differ(checks: list[Check], monkeypatch: pytest.MonkeyPatch) -> None:
    """The histories reach what they are for: new, equal, dropped and contradicting answers."""
    monkeypatch.setattr(database_time, "now", lambda **_: START)
    states = [
        stored for seed in range(HISTORIES) for _, stored in _replay(seed, _together, monkeypatch)
    ]
    observations = [row for _, opened, _ in states for row in opened]
    rows = [row for found, _, _ in states for row in found]
    assert max(row["runs"] for row in observations) > 2
    assert {row["verdict"] for row in observations} == {verdict.value for verdict in Verdict}
    assert max(row["contradicting_runs"] for row in rows) > 1
    assert any(row["is_misconfigured"] for row in rows)
    assert any(row["signed_at"] for row in rows)
    assert any(row["received_at"] for row in rows)
    assert any(row["raw_id"] for row in observations)


def _runs(checks: list[Check], *, minutes: float = 0, verdict: Verdict = Verdict.PASS) -> list[Run]:
    at = START + timedelta(minutes=minutes)
    return [
        Run(
            check.pk,
            Outcome(CheckKind(check.kind), check.subject, verdict, raw={"a": check.pk}),
            check.expectation,
            at,
            at,
        )
        for check in checks
    ]


def test_queries_do_not_depend_on_the_number_of_runs(checks: list[Check]) -> None:
    def queries(some: list[Check], minutes: float) -> int:
        with CaptureQueriesContext(connection) as captured:
            record_runs(_runs(some, minutes=minutes))
        return len(captured)

    few, many = checks[:2], checks[2:]
    assert queries(few, 0) == queries(many, 0)
    assert queries(few, 60) == queries(many, 60)
    assert len(many) > 8


def test_runs_without_a_change_need_no_reaction(checks: list[Check]) -> None:
    first = record_runs(_runs(checks))
    again = record_runs(_runs(checks, minutes=60))
    changed = record_runs(_runs(checks, minutes=120, verdict=Verdict.FAIL))

    assert all(each.needs_reaction for each in first)
    # The next action of a task with a message can change with each run.
    repeated = [each for each in again if not each.check.needs_message]
    assert len(repeated) > len(checks) / 2
    assert not any(each.needs_reaction for each in repeated)
    assert all(each.needs_reaction for each in changed)
    assert [len(runs) for runs in (first, again, changed)] == [len(checks)] * 3


def test_faulty_run_loses_no_other_run(
    checks: list[Check], monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty, *others = [check for check in checks if check.kind in (CheckKind.MX, CheckKind.SPF)]
    later = Check.objects.order_by("-next_due_at")[0].next_due_at

    def outcomes(plan: Any, _: Any) -> list[tuple[Check, Outcome]]:
        evidence = {faulty.pk: {"no": object()}}
        return [
            (each, Outcome(CheckKind(each.kind), "", Verdict.PASS, (), evidence.get(each.pk, {})))
            for each in plan.to_run
        ]

    monkeypatch.setattr(batch_runs, "_outcomes", outcomes)
    recorded = batch_runs.run_batch([faulty.pk, *(check.pk for check in others)])

    assert recorded == len(others) > 2
    assert set(Observation.objects.values_list("check_asked", flat=True)) == {
        check.pk for check in others
    }
    faulty.refresh_from_db()
    assert (faulty.settled_verdict, faulty.next_due_at > later) == ("", True)


def test_equal_raw_answers_share_a_row(tenant: Tenant) -> None:
    stored = raw_answers.store({n: (tenant.pk, {"a": n // 2}) for n in range(4)})
    again = raw_answers.store({9: (tenant.pk, {"a": 1})})

    assert (stored[0], stored[2]) == (stored[1], stored[3])
    assert again[9] == stored[3]
    assert RawAnswers.objects.count() == 2


def test_update_rows_changes_only_its_rows(checks: list[Check]) -> None:
    before = {row["id"]: row for row in _rows(Check)}
    changed, deadline = checks[0], START + timedelta(days=1)

    bulk_updates.update_rows(
        Check,
        ("claim_id", "claimed_until", "expectation", "contradicting_runs", "latest_id"),
        [(changed.pk, "worker", deadline, {"a": [1, None]}, 3, None)],
    )

    after = {row["id"]: row for row in _rows(Check)}
    assert after[changed.pk] == before[changed.pk] | {
        "claim_id": "worker",
        "claimed_until": deadline,
        "expectation": {"a": [1, None]},
        "contradicting_runs": 3,
        "latest_id": None,
    }
    assert all(after[pk] == row for pk, row in before.items() if pk != changed.pk)


def test_update_rows_cuts_no_value(checks: list[Check]) -> None:
    """PostgreSQL refuses a value that is too long; SQLite stores it."""
    too_long = "x" * 33
    try:
        with transaction.atomic():
            bulk_updates.update_rows(Check, ("claim_id",), [(checks[0].pk, too_long)])
        stored = too_long
    except DataError:
        stored = ""
    assert Check.objects.get(pk=checks[0].pk).claim_id == stored


def test_update_rows_divides_long_lists(
    checks: list[Check], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_updates, "_MOST_PARAMETERS", 6)
    bulk_updates.update_rows(
        Check, ("contradicting_runs",), [(check.pk, number) for number, check in enumerate(checks)]
    )

    assert [row["contradicting_runs"] for row in _rows(Check)] == list(range(len(checks)))
