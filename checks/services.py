"""Record observations, schedule the next run, and set the priorities of checks."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import F, Q

from checks import bulk_updates, claims, raw_answers, reactions
from checks.check_state import CheckPolicy, CheckState, apply_run, digest_of, is_stale
from checks.engine import rules_version
from checks.engine.outcomes import MESSAGE_KINDS, Outcome, Verdict
from checks.models import Check, Observation
from checks.scheduling import VIEWED_FOR, Interval, next_run_at
from checks.settled_events import add_settled_events, newly_settled
from checks.settling import ReopenPolicy
from tenants import database_time
from tenants.models import Tenant

_jitter = random.SystemRandom()
# More would lock their checks for too long.
_TENANTS_AT_ONCE = 200


def prioritize_cutover(checks: Iterable[Check], *, until: datetime) -> int:
    """Run these checks every few seconds until `until`, with any settled verdict.

    For a cutover window. Safe to repeat while the window is open. Return the number of checks
    without this priority before; these are due at once.
    """
    now = database_time.now()
    wanted = Check.objects.filter(pk__in=[check.pk for check in checks], is_active=True)
    with transaction.atomic():
        locked = Check.objects.filter(pk__in=claims.lock(wanted))
        opened = locked.filter(Q(cutover_until__isnull=True) | Q(cutover_until__lte=now))
        raised = opened.update(cutover_until=until, next_due_at=now)
        locked.update(cutover_until=until)
    return raised


def prioritize_viewed(tenant: Tenant, *, now: datetime) -> int:
    """A page with this tenant's tasks is open: run its unsettled checks every minute.

    Called with every poll of an open page; writes at most once a minute per web process. Return the
    number of checks that will run sooner.
    """
    if not cache.add(f"checks:viewed:{tenant.pk}", True, timeout=60):
        return 0
    return _prioritize_unsettled([tenant.pk], tenant, now=now)


def prioritize_all_viewed(tenant_ids: Collection[int], *, now: datetime) -> int:
    """The same for many tenants, in few statements. The stream process calls it once a minute."""
    tenants = Tenant.objects.filter(pk__in=tenant_ids, closed_at__isnull=True).order_by("pk")
    count = 0
    for is_sample in (False, True):
        alike = list(tenants.filter(is_sample=is_sample))
        for first in range(0, len(alike), _TENANTS_AT_ONCE):
            part = alike[first : first + _TENANTS_AT_ONCE]
            count += _prioritize_unsettled([tenant.pk for tenant in part], part[0], now=now)
    return count


def _prioritize_unsettled(tenant_ids: Sequence[int], like: Tenant, *, now: datetime) -> int:
    """Prioritise the unsettled checks of tenants that have the intervals of the tenant `like`."""
    wait = policy_for_tenant(like).seconds[Interval.UNSETTLED] * (1 + _jitter.uniform(-1, 1) / 10)
    unsettled = Check.objects.filter(tenant__in=tenant_ids, is_active=True).exclude(
        settled_verdict__in=(Verdict.PASS, Verdict.WARN, Verdict.NOT_APPLICABLE)
    )
    soon = now + timedelta(seconds=wait)
    with transaction.atomic():
        locked = Check.objects.filter(pk__in=claims.lock(unsettled))
        locked.update(viewed_until=now + VIEWED_FOR)
        return locked.filter(next_due_at__gt=soon).update(
            next_due_at=soon, interval=Interval.UNSETTLED
        )


def defer(check: Check, *, until: datetime) -> None:
    """Release a check whose host was probed a moment ago; it runs at the next free slot."""
    later = until + timedelta(seconds=_jitter.uniform(0, 15))
    Check.objects.filter(pk=check.pk).update(
        claim_id="", claimed_until=None, next_due_at=later, interval=Interval.DEFERRED
    )


@dataclass(frozen=True)
class Run:
    """One execution of a check, and the question that it answered.

    `at` is the start of the run and `ended_at` its end. Until the end, a server may have given out
    another answer, so safe times count from there.
    """

    check_id: int
    outcome: Outcome
    expectation: Mapping[str, Any]
    at: datetime
    ended_at: datetime


@dataclass(frozen=True)
class RecordedRun:
    """A run that was recorded. `is_new`: the newest answer or the settled verdict is another."""

    check: Check
    is_new: bool

    @property
    def needs_reaction(self) -> bool:
        """Whether the tasks may change, or a person waits for the run on an open page."""
        requested_until = self.check.requested_until
        is_requested = requested_until is not None and requested_until > database_time.now()
        return self.is_new or is_requested or self.check.needs_message


def record_run(
    check_id: int,
    outcome: Outcome,
    *,
    expectation: Mapping[str, Any],
    at: datetime,
    ended_at: datetime | None = None,
) -> bool:
    """Record one run as `record_runs` does, and send `runs_recorded` after the commit.

    `ended_at` is `at` by default. Return whether the run was recorded.
    """
    with transaction.atomic():
        recorded = record_runs([Run(check_id, outcome, expectation, at, ended_at or at)])
        for each in recorded:
            if each.needs_reaction:
                reactions.send_on_commit(each.check)
    return bool(recorded)


def record_runs(runs: Sequence[Run]) -> list[RecordedRun]:
    """Store the outcomes, compute the settled verdicts and schedule the next runs.

    1. A run is dropped if it answers an earlier question (`expectation` has changed), if a later
       run is recorded already, or if its check is gone.
    2. The same answer extends the newest observation; another answer starts the next one.
    3. The settled verdict, the interval and the next run follow (checks.check_state).

    One transaction with a number of statements that does not depend on the number of runs. A check
    occurs at most once. The caller sends `runs_recorded` after the commit: facts first, reactions
    second. Safe to run twice.
    """
    with transaction.atomic():
        checks = _lock_with_latest(run.check_id for run in runs)
        now = database_time.now()
        changes: list[_Change] = []
        for run in runs:
            check = checks.get(run.check_id)
            if check is None:
                continue
            if check.expectation != run.expectation or is_stale(check.state, run.at):
                drop_run(check, now=now)
            else:
                changes.append(_change_of(check, run, now=now))
        _extend_observations(changes)
        _create_observations(changes)
        recorded = [RecordedRun(change.check, change.is_new) for change in changes]
        settled = newly_settled((change.check, change.state) for change in changes)
        _save_states(changes)
        add_settled_events(settled)
    return recorded


def _lock_with_latest(check_ids: Iterable[int]) -> dict[int, Check]:
    """Lock the checks, and read those values of their newest observations that a run changes."""
    # No join: after waiting for the lock, PostgreSQL reads the locked row again, but not the
    # joined rows.
    locked = Check.objects.select_for_update(no_key=True).filter(pk__in=list(check_ids))
    checks = {check.pk: check for check in locked.order_by("pk")}
    latest = Observation.objects.only("digest", "first_seen_at").in_bulk(
        [check.latest_id for check in checks.values() if check.latest_id is not None]
    )
    tenants = Tenant.objects.only("is_sample").in_bulk({c.tenant_id for c in checks.values()})
    for check in checks.values():
        check.tenant = tenants[check.tenant_id]
        if check.latest_id is not None:
            check.latest = latest[check.latest_id]
    return checks


@dataclass(frozen=True)
class _Change:
    """The effect of a run on its check. `opened` is the observation that a new answer opens."""

    check: Check
    run: Run
    state: CheckState
    opened: Observation | None

    @property
    def is_new(self) -> bool:
        return self.opened is not None or self.check.settled.verdict is not (
            self.state.settled.verdict
        )


def _change_of(check: Check, run: Run, *, now: datetime) -> _Change:
    digest = digest_of(run.outcome, run.expectation)
    state = apply_run(
        check.state,
        run.outcome,
        digest,
        at=run.at,
        now=now,
        priorities=check.priorities,
        policy=policy_for_check(check),
        jitter=_jitter.uniform(-1, 1),
    )
    latest = check.latest
    opened = None
    if latest is None or latest.digest != digest:
        opened = _observation(check, run.outcome, digest, run.expectation, at=run.at)
        opened.first_run_ended_at = run.ended_at
    return _Change(check, run, state, opened)


def _extend_observations(changes: Iterable[_Change]) -> None:
    """The runs of a batch have one time, except those with an answer of another run."""
    latest_by_time: dict[datetime, list[int]] = {}
    for change in changes:
        if change.opened is None and change.check.latest_id is not None:
            latest_by_time.setdefault(change.run.at, []).append(change.check.latest_id)
    for at, ids in latest_by_time.items():
        Observation.objects.filter(pk__in=ids).update(last_seen_at=at, runs=F("runs") + 1)


def _create_observations(changes: Sequence[_Change]) -> None:
    answers = {
        change.check.pk: (change.check.tenant_id, change.run.outcome.raw)
        for change in changes
        if change.opened is not None and change.run.outcome.raw
    }
    stored = raw_answers.store(answers)
    opened = []
    for change in changes:
        if change.opened is not None:
            change.opened.raw_id = stored.get(change.check.pk)
            opened.append(change.opened)
    Observation.objects.bulk_create(opened)


def drop_run(check: Check, *, now: datetime) -> None:
    """End the claim of a run that is not recorded, and schedule the next run if none is."""
    seconds = policy_for_check(check).seconds
    next_due_at = check.next_due_at
    if next_due_at <= now:
        next_due_at = next_run_at(now, Interval.SETTLING, seconds, jitter=_jitter.uniform(-1, 1))
    Check.objects.filter(pk=check.pk).update(
        claim_id="", claimed_until=None, next_due_at=next_due_at
    )


def policy_for_tenant(tenant: Tenant) -> CheckPolicy:
    """Return the policy of the settings; sample tenants have short durations for demonstrations."""
    if tenant.is_sample:
        seconds, reopen_after = (
            settings.CHECKS_INTERVAL_SECONDS_OF_SAMPLES,
            settings.CHECKS_REOPEN_AFTER_SECONDS_OF_SAMPLES,
        )
    else:
        seconds, reopen_after = (
            settings.CHECKS_INTERVAL_SECONDS,
            settings.CHECKS_REOPEN_AFTER_SECONDS,
        )
    return CheckPolicy(seconds, ReopenPolicy(span=timedelta(seconds=reopen_after)))


def policy_for_check(check: Check) -> CheckPolicy:
    """Return the intervals and the reopen policy of one check."""
    policy = policy_for_tenant(check.tenant)
    if check.kind in MESSAGE_KINDS:
        # A message is a fixed input: a second run soon after the first is enough.
        return replace(policy, reopen_policy=ReopenPolicy(runs=2, span=timedelta(0)))
    return policy


def _observation(
    check: Check, outcome: Outcome, digest: str, expectation: Mapping[str, Any], *, at: datetime
) -> Observation:
    """A new observation, which is not saved."""
    return Observation(
        check_asked=check,
        expectation=dict(expectation),
        rules=rules_version.version(),
        verdict=outcome.verdict.value,
        unanimous=outcome.unanimous,
        findings=[{"code": f.code, "params": dict(f.params)} for f in outcome.findings],
        evidence=dict(outcome.evidence),
        digest=digest,
        first_seen_at=at,
        last_seen_at=at,
    )


def record_rejudgement(observation: Observation, outcome: Outcome, *, now: datetime) -> bool:
    """Record the judgement of newer rules on a check's newest answer as an observation.

    The earlier observation remains unchanged. The new one refers to the same raw answers and
    settles like any run. A
    regular run follows at once. False if a run was recorded in the meantime: the present rules
    have judged it already.
    """
    with transaction.atomic():
        check = (
            Check.objects.select_for_update(no_key=True)
            .filter(pk=observation.check_asked_id)
            .first()
        )
        if check is None or check.latest_id != observation.pk:
            return False
        expectation = observation.expectation
        digest = digest_of(outcome, expectation)
        state = apply_run(
            check.state,
            outcome,
            digest,
            at=now,
            now=now,
            priorities=check.priorities,
            policy=policy_for_check(check),
            jitter=0,
        )
        judged = _observation(check, outcome, digest, expectation, at=now)
        judged.raw_id, judged.runs = observation.raw_id, 0
        judged.trigger = Observation.Trigger.RULES
        judged.save()
        state = replace(state, checked_at=check.checked_at, next_due_at=now)
        run = Run(check.pk, outcome, expectation, now, now)
        settled = newly_settled([(check, state)])
        _save_states([_Change(check, run, state, judged)])
        add_settled_events(settled)
        reactions.send_on_commit(check)
    return True


def signed_at_of(observation: Observation) -> datetime | None:
    """The signed time of a message that passed; None for any other observation."""
    if not Verdict(observation.verdict).is_passing:
        return None
    sent_at = observation.evidence.get("message", {}).get("sent_at", "")
    return datetime.fromisoformat(sent_at) if sent_at else None


def received_at_of(observation: Observation) -> datetime | None:
    """When the client's system received a message that passed; None for any other observation."""
    if not Verdict(observation.verdict).is_passing:
        return None
    received_at = observation.evidence.get("message", {}).get("received_at", "")
    return datetime.fromisoformat(received_at) if received_at else None


def _facts_at(outcome: Outcome, settled: Verdict | None) -> datetime | None:
    """The time of a source's facts, if the settled verdict rests on them; None otherwise."""
    obtained_at = outcome.evidence.get("export", {}).get("obtained_at", "")
    if not obtained_at or settled is None or outcome.verdict is Verdict.UNKNOWN:
        return None
    agrees = outcome.verdict.is_passing if settled.is_passing else outcome.verdict is settled
    return datetime.fromisoformat(obtained_at) if agrees else None


def _newest(*times: datetime | None) -> datetime | None:
    return max((time for time in times if time is not None), default=None)


def _signed_by_platform(observation: Observation) -> dict[str, str]:
    """The signed time of a message that passed, by the half of a hybrid system that sent it."""
    platform = observation.evidence.get("message", {}).get("sending_platform", "")
    signed_at = signed_at_of(observation) if platform else None
    return {platform: signed_at.isoformat()} if signed_at is not None else {}


# The fields that every run changes; the others change with an answer or a verdict.
_SCHEDULE = ("checked_at", "interval", "next_due_at", "claim_id", "claimed_until")


def _save_states(changes: Iterable[_Change]) -> None:
    """One statement for the checks with a new schedule alone, and one for the others."""
    rows: dict[tuple[str, ...], list[bulk_updates.Row]] = {}
    for change in changes:
        values = _values_of(change)
        is_schedule = all(
            name in _SCHEDULE or getattr(change.check, name) == value
            for name, value in values.items()
        )
        names = _SCHEDULE if is_schedule else tuple(values)
        rows.setdefault(names, []).append((change.check.pk, *(values[name] for name in names)))
        for name, value in values.items():
            setattr(change.check, name, value)
    for names, of_names in rows.items():
        bulk_updates.update_rows(Check, names, of_names)


def _values_of(change: _Change) -> dict[str, Any]:
    check, state, settled = change.check, change.state, change.state.settled
    values = {
        "settled_verdict": settled.verdict.value if settled.verdict is not None else "",
        "settled_at": state.settled_at,
        "contradicting_runs": settled.contradicting_runs,
        "contradicted_since": settled.contradicted_since,
        "first_verified_at": state.first_verified_at,
        "is_misconfigured": state.is_misconfigured,
        "checked_at": state.checked_at,
        # The earliest change without a reaction counts.
        "unevaluated_since": check.unevaluated_since
        or (state.checked_at if change.is_new else None),
        "interval": state.interval.value,
        "next_due_at": state.next_due_at,
        "claim_id": "",
        "claimed_until": None,
        "facts_at": _facts_at(change.run.outcome, settled.verdict) or check.facts_at,
    }
    if change.opened is not None:
        values |= {
            "latest_id": change.opened.pk,
            "signed_at": signed_at_of(change.opened) or check.signed_at,
            "signed_by_platform": check.signed_by_platform | _signed_by_platform(change.opened),
            # A person may submit an older message later, for another route.
            "received_at": _newest(received_at_of(change.opened), check.received_at),
        }
    return values
