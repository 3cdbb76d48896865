"""Delivery hosts that reject other senders than Mimecast before the lockdown is safe. Pure.

Exchange Online rejects them with 5.7.51 once a partner connector admits Mimecast only. A sender
with the old MX record in its cache then delivers directly, and its mail is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from checks.engine.hosts.lockdown import is_connector_refusal
from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from onboarding.plans.current_state import current_state
from onboarding.plans.safe_times import PlanSafeTime, unsafe_until
from tenants.models import Tenant


@dataclass(frozen=True)
class EarlyLockdown:
    """The hosts, and the safe time in the tenant's zone.

    `safe_at` is None while `domains` have MX records that do not lead to Mimecast alone.
    """

    hosts: tuple[str, ...]
    safe_at: datetime | None = None
    domains: tuple[str, ...] = ()


def early_lockdown(
    tenant: Tenant,
    checks: Sequence[Check],
    safety: Mapping[str, PlanSafeTime],
    *,
    now: datetime,
) -> EarlyLockdown | None:
    """The lockdown that loses mail now; None without one, and in a closed tenant.

    `checks` have their newest runs. An unknown safe time is no danger if every domain has switched:
    a name server that does not answer years later must not raise an alarm.
    """
    if tenant.is_closed:
        return None
    hosts = tuple(sorted(check.subject for check in checks if _is_restricted(check, now)))
    if not hosts:
        return None
    until = unsafe_until(safety.get(CheckKind.MX.value), tenant)
    if until is not None:
        return EarlyLockdown(hosts, safe_at=until)
    domains = tuple(sorted(check.subject for check in checks if _has_old_hosts(check)))
    return EarlyLockdown(hosts, domains=domains) if domains else None


def _is_restricted(check: Check, now: datetime) -> bool:
    """Whether the newest run, if it is recent, was rejected by the connector, or the newest export
    of the platform has one that rejects."""
    if check.kind == CheckKind.INBOUND_CONNECTOR:
        return check.is_active and current_state(check, now=now).is_verified
    if check.kind != CheckKind.LOCKDOWN or not check.is_active or check.latest is None:
        return False
    if current_state(check, now=now).is_stale:
        return False
    return any(is_connector_refusal(found) for found in check.latest.findings)


def _has_old_hosts(check: Check) -> bool:
    is_settled = check.settled.verdict is Verdict.FAIL
    return check.kind == CheckKind.MX and check.is_active and is_settled
