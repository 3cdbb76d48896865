"""The decision on each task, and the accepted residual risks, as the closing pack lists them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from onboarding.models import AcceptedResidualRisk, Task, TaskStatus
from tenants.models import Tenant, User


@dataclass(frozen=True)
class Decision:
    """The decision on one task. `by` is empty for a check, a date or the profile."""

    status: str
    reason: str
    by: tuple[User, ...]
    at: datetime | None


# A proof outweighs the reason of an earlier manual status.
_WITH_REASON = (TaskStatus.DECLINED, TaskStatus.ACCEPTED_RISK, TaskStatus.NOT_APPLICABLE)
NO_DECISION = "No decision"


def decision_of(task: Task) -> Decision:
    """The decision on a task that is no group, with its reason, its people and its time. Pure."""
    status = str(TaskStatus(task.status).label)
    if not task.applies:
        return Decision(status, task.not_applicable_reason, (), task.status_changed_at)
    if task.status in _WITH_REASON and task.status_set_at is not None:
        by = (task.status_set_by,) if task.status_set_by is not None else ()
        return Decision(status, task.status_reason, by, task.status_set_at)
    if task.status == TaskStatus.VERIFIED:
        reason = "The wait ended." if task.is_timed else "A check verified it."
        return Decision(status, reason, (), task.verified_at)
    if task.status == TaskStatus.DONE:
        signed = list(_confirmations(task))
        at = max((at for _, at in signed), default=task.status_changed_at)
        return Decision(status, "Confirmed.", tuple(by for by, _ in signed), at)
    if task.status in _WITH_REASON:
        return Decision(status, task.status_reason, (), task.status_changed_at)
    return Decision(NO_DECISION, "", (), None)


def _confirmations(task: Task) -> Iterator[tuple[User, datetime]]:
    for by, at in (
        (task.mimecast_confirmed_by, task.mimecast_confirmed_at),
        (task.client_confirmed_by, task.client_confirmed_at),
    ):
        if by is not None and at is not None:
            yield by, at


def accepted_risks_of(tenant: Tenant) -> list[AcceptedResidualRisk]:
    """Every acceptance of the tenant, also a withdrawn one, in the order of time."""
    rows = AcceptedResidualRisk.objects.filter(tenant=tenant)
    return list(rows.select_related("accepted_by", "withdrawn_by"))
