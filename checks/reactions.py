"""The reaction to recorded runs: the signal, and its repetition after a failure.

Facts first, reactions second. A run that changes the answer or the settled verdict of a check sets
`unevaluated_since` in the same transaction. The receiver of the signal evaluates the tasks and
clears it. A receiver that fails, or a worker that is killed in between, leaves it, and the beat
repeats the reaction.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from checks.models import Check
from checks.signals import runs_recorded

# A living worker evaluates the checks of a batch within seconds.
REPEAT_AFTER = timedelta(seconds=30)
# The most checks of one tenant in one repetition, so that it ends within its time limit.
MAX_REPEATED = 1000


def send_on_commit(check: Check) -> None:
    """Send the signal for a single run after the transaction has committed."""
    transaction.on_commit(functools.partial(send_runs_recorded, check.tenant_id, [check.pk]))


def send_runs_recorded(tenant_id: int, check_ids: Iterable[int]) -> None:
    """Send the signal. An exception of the receiver is logged, and the reaction repeated later."""
    runs_recorded.send_robust(sender=Check, tenant_id=tenant_id, check_ids=list(check_ids))


def send_for_batch(checks: Iterable[Check]) -> None:
    """Send one signal for each tenant of a batch."""
    by_tenant: dict[int, list[int]] = {}
    for check in checks:
        by_tenant.setdefault(check.tenant_id, []).append(check.pk)
    for tenant_id, check_ids in by_tenant.items():
        send_runs_recorded(tenant_id, check_ids)


def mark_evaluated(checks: Iterable[Check]) -> None:
    """The tasks follow the checks as they were read. A later change remains marked."""
    by_time: dict[datetime, list[int]] = {}
    for check in checks:
        if check.unevaluated_since is not None:
            by_time.setdefault(check.unevaluated_since, []).append(check.pk)
    for since, check_ids in by_time.items():
        Check.objects.filter(pk__in=check_ids, unevaluated_since=since).update(
            unevaluated_since=None
        )


def tenants_to_repeat(*, now: datetime) -> list[int]:
    """The tenants with a reaction that failed or was lost."""
    overdue = Check.objects.filter(unevaluated_since__lte=now - REPEAT_AFTER)
    return list(overdue.order_by("tenant").values_list("tenant", flat=True).distinct())


def repeat(tenant_id: int, *, now: datetime) -> int:
    """Send the signal again for the tenant's oldest lost reactions. Returns their number."""
    overdue = Check.objects.filter(
        tenant=tenant_id, unevaluated_since__lte=now - REPEAT_AFTER
    ).order_by("unevaluated_since")
    check_ids = list(overdue.values_list("pk", flat=True)[:MAX_REPEATED])
    if check_ids:
        send_runs_recorded(tenant_id, check_ids)
    return len(check_ids)
