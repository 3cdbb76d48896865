"""Build the engine's requests from stored checks, and run one batch in one event loop."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from checks import (
    claims,
    rate_limit,
    reactions,
    services,
    submitted_exports,
    submitted_messages,
)
from checks.engine.batch import CheckRequest, locate_hosts, run_within
from checks.engine.dns.network import Endpoint
from checks.engine.expected_values import (
    DkimSelector,
    MailPlatform,
    OwnershipCode,
    ReceivingSystem,
    RegionFacts,
)
from checks.engine.hosts.prober import NotProbed, no_consent_outcome, not_probed_outcome
from checks.engine.outcomes import SOURCE_KINDS, CheckKind, Finding, Outcome, Verdict
from checks.engine.sources.facts import SourceFacts
from checks.expectations import selectors_in_use
from checks.models import Check, HostAnswer, SubmittedMessage
from checks.network_settings import network_from_settings
from checks.region_facts import region_facts
from checks.services import RecordedRun, Run
from tenants import database_time
from tenants.models import Host, Tenant
from tenants.regions import load_region_file
from tenants.retries import repeat_after_conflict

# Slow servers of one tenant must not occupy a worker for long. With the budget of the last check
# that starts in this time, a batch ends after 35 s.
MAX_BATCH_SECONDS = 15
# A recorded time may be this far ahead of the database's clock.
TOLERANCE = timedelta(seconds=5)

# The facts of a region with a tenant's values, by both.
RegionMemo = dict[tuple[str, str], RegionFacts]

logger = logging.getLogger(__name__)


def build_request(
    check: Check,
    expectation: Mapping[str, Any] | None = None,
    *,
    message: SubmittedMessage | None = None,
    system: ReceivingSystem | None = None,
    facts: SourceFacts | None = None,
    regions: RegionMemo | None = None,
) -> CheckRequest:
    """Return the engine's request for a check, with its present or an earlier expectation.

    `regions` stores the facts of each region for the other checks of a batch.
    """
    is_received = check.kind == CheckKind.DELIVERY_MESSAGE
    expected = check.expectation if expectation is None else expectation
    ownership = None
    if check.kind == CheckKind.OWNERSHIP:
        ownership = OwnershipCode(
            token=expected["token"],
            label=expected["label"],
            cname_target=load_region_file().global_facts.ownership_cname_target,
        )
    return CheckRequest(
        kind=CheckKind(check.kind),
        domain=check.domain.name if check.domain else "",
        host=check.host.name if check.host else "",
        port=check.host.port if check.host else 0,
        region=_expected_region(check.tenant, expected, {} if regions is None else regions),
        ownership=ownership,
        selectors=tuple(map(DkimSelector.read, _selectors(check, expected))),
        ttl_threshold=expected.get("ttl_threshold", settings.CHECKS_TTL_THRESHOLD_SECONDS),
        recipient=expected.get("recipient", ""),
        control=settings.CHECKS_CONTROL_TARGET,
        vantage_allowed=settings.CHECKS_VANTAGE_ALLOWED,
        message=submitted_messages.engine_message(
            None if is_received else message, at=database_time.now()
        ),
        received=submitted_messages.engine_received(
            message if is_received else None, at=database_time.now()
        ),
        system=system or ReceivingSystem(),
        facts=facts,
        expected=expected if check.kind in SOURCE_KINDS else {},
    )


def _platform_of(tenant: Tenant) -> MailPlatform:
    """The platform of the profile. A profile without one may have mailboxes anywhere."""
    return MailPlatform(tenant.platform or MailPlatform.OTHER)


def _receiving_systems(checks: Iterable[Check]) -> dict[int, ReceivingSystem]:
    """Return the mail system of each tenant with a check of received messages, by tenant id.

    One query, and none without such a check.
    """
    tenants = {c.tenant_id: c.tenant for c in checks if c.kind == CheckKind.DELIVERY_MESSAGE}
    names: dict[int, list[str]] = {key: [] for key in tenants}
    if tenants:
        hosts = Host.objects.filter(tenant__in=tenants, purpose=Host.Purpose.DELIVERY)
        for tenant_id, name in hosts.values_list("tenant_id", "name"):
            names[tenant_id].append(name)
    return {
        key: ReceivingSystem(_platform_of(tenant), tuple(names[key]))
        for key, tenant in tenants.items()
    }


def _selectors(check: Check, expected: Mapping[str, Any]) -> Sequence[str]:
    """The recorded selectors at this time. A selector added later does not undo a proof."""
    if check.kind == CheckKind.MESSAGE and check.domain is not None:
        return selectors_in_use(check.domain)
    selectors: Sequence[str] = expected.get("selectors", ())
    return selectors


def _expected_region(
    tenant: Tenant, expected: Mapping[str, Any], regions: RegionMemo
) -> RegionFacts:
    """The region's facts, with the values that the check expects in their place."""
    key = (tenant.region, json.dumps(tenant.region_overrides, sort_keys=True))
    if key not in regions:
        regions[key] = region_facts(tenant.region_values)
    facts = regions[key]
    if "mx" not in expected and "spf_include" not in expected:
        return facts
    return replace(
        facts,
        mx=tuple(expected.get("mx", facts.mx)),
        spf_include=expected.get("spf_include", facts.spf_include),
    )


def run_batch(check_ids: Sequence[int]) -> int:
    """Run each check once, in one event loop, and record the outcomes in one transaction.

    Return the number of recorded runs. Deactivated checks and hosts outside the rate limit are
    left out (checks.rate_limit). A check that cannot start within MAX_BATCH_SECONDS is released
    and remains due. The tasks of each tenant follow once, at the end.
    """
    checks = list(
        Check.objects.filter(pk__in=check_ids, is_active=True).select_related(
            "tenant", "domain", "host"
        )
    )
    pending = submitted_messages.pending_messages(checks)
    checks = submitted_messages.suspend_idle(checks, pending)
    if not checks:
        return 0
    # The time of the question: an answer is never older than its question.
    started_at = database_time.now()
    _reset_future_times(checks, now=started_at)
    plan = _plan_batch(checks, now=started_at)
    runs = [_run(check, outcome, at=at, ended_at=at) for check, outcome, at in plan.answered]
    outcomes = _outcomes(plan, pending)
    ended_at = database_time.now(is_fresh=True)
    if started_at > ended_at:
        _refuse_future(plan.to_run, started_at=started_at, now=ended_at)
        outcomes = []
    for check, outcome in outcomes:
        if check.pk in plan.to_share:
            rate_limit.store_shared_answer(check, outcome, at=started_at)
        # The input of a message check has no time of its own.
        is_message = check.pk in pending
        runs.append(
            _run(check, outcome, at=started_at, ended_at=started_at if is_message else ended_at)
        )
    recorded = _record(runs, pending)
    reactions.send_for_batch(each.check for each in recorded if each.needs_reaction)
    return len(recorded)


def _run(check: Check, outcome: Outcome, *, at: datetime, ended_at: datetime) -> Run:
    return Run(check.pk, outcome, check.expectation, at, ended_at)


def _record(runs: Sequence[Run], pending: Mapping[int, SubmittedMessage]) -> list[RecordedRun]:
    """Record the runs together. If this fails, one by one: one faulty run must not lose others."""
    try:
        return repeat_after_conflict(functools.partial(_record_together, runs, pending))
    except Exception:
        logger.exception("%d runs could not be recorded together", len(runs))
    recorded: list[RecordedRun] = []
    for run in runs:
        try:
            recorded += repeat_after_conflict(functools.partial(_record_together, [run], pending))
        except Exception:
            logger.exception("the run of check %d could not be recorded", run.check_id)
            claims.retry_later([run.check_id], now=database_time.now())
    return recorded


def _record_together(
    runs: Sequence[Run], pending: Mapping[int, SubmittedMessage]
) -> list[RecordedRun]:
    # One transaction: a receiver of a run must find the message judged.
    with transaction.atomic():
        recorded = services.record_runs(runs)
        outcomes = {run.check_id: (run.outcome, run.at) for run in runs}
        for each in recorded:
            if message := pending.get(each.check.pk):
                outcome, at = outcomes[each.check.pk]
                submitted_messages.record_message_run(message, outcome, at=at)
    return recorded


def _refuse_future(checks: Sequence[Check], *, started_at: datetime, now: datetime) -> None:
    """The clock of this worker was set during the batch: no time of the batch is certain."""
    logger.error("refused %d runs from the future: %s at %s", len(checks), started_at, now)
    for check in checks:
        services.drop_run(check, now=now)


def _reset_future_times(checks: Sequence[Check], *, now: datetime) -> None:
    """Reset times that a worker with a wrong clock recorded. Every true run would be dropped."""
    ids = [check.pk for check in checks if check.checked_at and check.checked_at > now + TOLERANCE]
    if ids:
        logger.error("%d checks have a run from the future, which no longer counts", len(ids))
        rows = Check.objects.filter(pk__in=ids)
        rows.update(checked_at=None)
        rows.filter(contradicted_since__gt=now).update(contradicted_since=now)


def _outcomes(
    plan: _BatchPlan, pending: Mapping[int, SubmittedMessage]
) -> list[tuple[Check, Outcome]]:
    """Run the checks. Releases those that could not start in time."""
    systems = _receiving_systems(plan.to_run)
    facts = submitted_exports.facts_for(plan.to_run)
    regions: RegionMemo = {}
    outcomes = asyncio.run(
        run_within(
            [
                build_request(
                    check,
                    message=pending.get(check.pk),
                    system=systems.get(check.tenant_id),
                    facts=facts.get(check.pk),
                    regions=regions,
                )
                for check in plan.to_run
            ],
            seconds=MAX_BATCH_SECONDS,
            network=network_from_settings(),
            budget_seconds=settings.CHECKS_BUDGET_SECONDS,
            concurrency=settings.CHECKS_CONCURRENCY,
            pinned=plan.pinned,
        )
    )
    pairs = list(zip(plan.to_run, outcomes, strict=True))
    if unstarted := [check.pk for check, outcome in pairs if outcome is None]:
        claims.release(unstarted, now=database_time.now())
    return [(check, outcome) for check, outcome in pairs if outcome is not None]


@dataclass
class _BatchPlan:
    """The checks of a batch that run now, and those with a shared answer."""

    to_run: list[Check] = field(default_factory=list)
    answered: list[tuple[Check, Outcome, datetime]] = field(default_factory=list)
    pinned: dict[str, tuple[str, ...]] = field(default_factory=dict)
    to_share: set[int] = field(default_factory=set)


def _plan_batch(checks: Sequence[Check], *, now: datetime) -> _BatchPlan:
    """Sort the batch by consent and rate limit. Hosts of the lab are exempt from both.

    A host that a client proposed may be outside the lab, so it is never exempt.
    """
    hosts = [check for check in checks if check.host_id and not _is_exempt(check)]
    plan = _BatchPlan(to_run=[check for check in checks if check not in hosts])
    unconsented = rate_limit.missing_consent(hosts)
    unreserved = []
    for check in hosts:
        is_requested = check.requested_until is not None and now < check.requested_until
        shared = None if is_requested else rate_limit.shared_answer(check, now=now)
        if check.pk in unconsented:
            plan.answered.append(
                (
                    check,
                    no_consent_outcome(CheckKind(check.kind), check.subject, _endpoint(check)[0]),
                    now,
                )
            )
        elif shared is not None:
            plan.answered.append(_from_shared_answer(check, shared))
        else:
            unreserved.append(check)
    _reserve_slots(plan, unreserved, now=now)
    return plan


def _is_exempt(check: Check) -> bool:
    return check.tenant.is_sample and not check.is_proposed


def _reserve_slots(plan: _BatchPlan, unreserved: Sequence[Check], *, now: datetime) -> None:
    if not unreserved:
        return
    located = asyncio.run(
        locate_hosts(
            [_endpoint(check) for check in unreserved],
            network=network_from_settings(),
            budget_seconds=settings.CHECKS_BUDGET_SECONDS,
        )
    )
    reserved: dict[tuple[str, Endpoint, str, str], datetime | None] = {}
    for check in unreserved:
        endpoint = _endpoint(check)
        found = located.get(endpoint)
        if not isinstance(found, list):
            plan.answered.append((check, _unlocated_outcome(check, found), now))
            continue
        # Two tenants with the same question share one run of this batch.
        slot_key = (check.kind, endpoint, check.vantage, rate_limit.recipient_of(check))
        if slot_key not in reserved:
            reserved[slot_key] = rate_limit.reserve_slot(found, endpoint[1], now=now)
        available_at = reserved[slot_key]
        if available_at is None:
            plan.to_run.append(check)
            if not rate_limit.recipient_of(check):
                plan.to_share.add(check.pk)
            plan.pinned[endpoint[0]] = tuple(found)
        elif (shared := rate_limit.shared_answer(check, now=now)) is not None:
            plan.answered.append(_from_shared_answer(check, shared))
        else:
            services.defer(check, until=available_at)


def _endpoint(check: Check) -> Endpoint:
    assert check.host is not None
    return (check.host.name, check.host.port)


def _from_shared_answer(check: Check, shared: HostAnswer) -> tuple[Check, Outcome, datetime]:
    return (check, rate_limit.outcome_of(shared, check), shared.answered_at)


def _unlocated_outcome(check: Check, refused: NotProbed | None) -> Outcome:
    if refused is None:
        finding = Finding("run.over-budget", {"budget_seconds": settings.CHECKS_BUDGET_SECONDS})
        refused = NotProbed(Verdict.UNKNOWN, finding)
    return not_probed_outcome(CheckKind(check.kind), check.subject, refused)
