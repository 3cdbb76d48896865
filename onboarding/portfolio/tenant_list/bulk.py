"""Bulk actions on tenants: reminders to clients, runs of all checks, and another consultant.

Each tenant is a transaction of its own, with the permission and the rules of the single action: a
refused tenant changes no other. The files of a selection are `list_exports.selection_chunks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404

from checks.queries import checks_of
from checks.run_requests import request_runs
from onboarding.error_responses import ServiceError
from onboarding.errors import OnboardingError
from onboarding.lifecycle.tenants import ProfileEntry, save_profile
from onboarding.models import Responsibility, Task
from onboarding.plans.reminders import create_reminders
from onboarding.plans.tasks import queue_reminders
from tenants.access import CLOSED, TOO_LOW
from tenants.models import Tenant, User
from tenants.permissions import Permission, may, role_in

# A page of the list has as many rows.
MOST_TENANTS = 50
BULK_LIMIT = ("tenants-bulk", "60/h")
_ON_CLIENT = (Responsibility.CLIENT, Responsibility.BOTH)


class TenantAction(StrEnum):
    REMIND = "remind"
    RUN_CHECKS = "run-checks"
    ASSIGN = "assign-consultant"


PERMISSIONS = {
    TenantAction.REMIND: Permission.CONFIRM,
    TenantAction.RUN_CHECKS: Permission.RUN_CHECKS,
    TenantAction.ASSIGN: Permission.EDIT_PROFILE,
}


@dataclass(frozen=True)
class TenantBulkChange:
    """The action on each tenant. `consultant`: of ASSIGN; None assigns no one."""

    action: TenantAction
    consultant: User | None = None
    site_url: str = ""


@dataclass(frozen=True)
class TenantBulkResult:
    """The result for one tenant: a sentence, or the error of the single action."""

    public_id: str
    name: str = ""
    sentence: str = ""
    error: Exception | None = None

    @property
    def text(self) -> str:
        result = self.sentence if self.error is None else str(self.error)
        return f"{self.name or 'A selected tenant'}: {result}"


def consultants() -> QuerySet[User]:
    """The people to whom a tenant can be assigned."""
    found = User.objects.filter(staff_role=User.StaffRole.CONSULTANT, is_active=True)
    return found.order_by("name", "pk")


def apply_to_tenants(
    visible: QuerySet[Tenant], public_ids: Sequence[str], change: TenantBulkChange, *, by: User
) -> list[TenantBulkResult]:
    """Apply the change to each tenant. One result for each id, in the given order.

    `visible` are the tenants that the person can see. Every other id has the result of an unknown
    one. Raises OnboardingError without an id, and for too many.
    """
    wanted = list(dict.fromkeys(public_ids))
    require_few(wanted)
    # In one order, because a request of the API is one transaction: see the locks in the
    # architecture.
    found = visible.filter(public_id__in=wanted).select_related("plan", "consultant")
    results = {each.public_id: each for each in _apply(found.order_by("pk"), change, by)}
    unknown = Http404("No such tenant.")
    return [results.get(each) or TenantBulkResult(each, error=unknown) for each in wanted]


def require_few(public_ids: Sequence[str]) -> None:
    """Raise OnboardingError without an id, and for more than a page has."""
    if not public_ids:
        raise OnboardingError("Select at least one tenant. Nothing was changed.")
    if len(public_ids) > MOST_TENANTS:
        raise OnboardingError(f"Select at most {MOST_TENANTS} tenants. Nothing was changed.")


def _apply(
    tenants: QuerySet[Tenant], change: TenantBulkChange, by: User
) -> Iterator[TenantBulkResult]:
    for tenant in tenants:
        try:
            with transaction.atomic():
                _require(PERMISSIONS[change.action], tenant, by)
                sentence = _ACTIONS[change.action](tenant, change, by)
        except (PermissionDenied, *ServiceError.__args__) as error:
            yield TenantBulkResult(tenant.public_id, tenant.name, error=error)
        else:
            yield TenantBulkResult(tenant.public_id, tenant.name, sentence)


def _require(permission: Permission, tenant: Tenant, by: User) -> None:
    role = role_in(by, tenant)
    if not may(role, permission, is_closed=tenant.is_closed):
        raise PermissionDenied(CLOSED if may(role, permission) else TOO_LOW)


def _remind(tenant: Tenant, change: TenantBulkChange, by: User) -> str:
    rows = Task.objects.filter(plan=tenant.plan, waiting_on__in=_ON_CLIENT)
    tasks = list(rows.select_related("plan__tenant", "assignee").order_by("position"))
    if not tasks:
        raise OnboardingError("No task waits on the client. No reminder was sent.")
    made = create_reminders(tenant.plan, tasks, by=by, site_url=change.site_url)
    queue_reminders(made)
    names = ", ".join(reminder.recipient.name for reminder in made)
    return f"Gangway sends a reminder to {names}."


def _run_checks(tenant: Tenant, change: TenantBulkChange, by: User) -> str:
    checks = list(checks_of(tenant))
    if not checks:
        raise OnboardingError("No check is active. Nothing runs.")
    request_runs(tenant, checks, by=by, of="everything")
    return f"{len(checks)} check{'' if len(checks) == 1 else 's'} run now."


def _assign(tenant: Tenant, change: TenantBulkChange, by: User) -> str:
    locked = Tenant.objects.select_for_update(of=("self",), no_key=True)
    tenant = locked.select_related("plan", "consultant").get(pk=tenant.pk)
    if tenant.consultant == change.consultant:
        return f"The consultant is {tenant.consultant or 'no one'} already."
    tenant.consultant = change.consultant
    save_profile(tenant, ProfileEntry(), by=by)
    return f"The consultant is {tenant.consultant or 'no one'} now."


_ACTIONS = {
    TenantAction.REMIND: _remind,
    TenantAction.RUN_CHECKS: _run_checks,
    TenantAction.ASSIGN: _assign,
}
