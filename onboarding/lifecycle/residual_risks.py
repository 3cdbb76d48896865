"""Accept a residual risk with a reason, and withdraw the acceptance."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import AcceptedResidualRisk
from onboarding.plans.closing_facts import obligations_of
from onboarding.plans.closing_obligations import ResidualRisk
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.queries import lock_tasks
from onboarding.plans.transitions import LONGEST_REASON
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User
from tenants.services import write_activity


def accept_residual_risk(
    tenant: Tenant, kind: str, subject: str, *, expected: str, reason: str, by: User
) -> AcceptedResidualRisk:
    """Accept one residual risk. A second acceptance of the same risk changes nothing.

    `expected` is the sentence on the user's page. Raises ConflictingChange if the risk is over or
    has changed, and OnboardingError before the decision on its task or without a valid reason.
    """
    text = reason.strip()
    with transaction.atomic():
        risk = _current_risk(tenant, kind, subject)
        if risk.acceptance is not None:
            return risk.acceptance
        if risk.sentence != expected:
            raise ConflictingChange("The risk has changed. Read it again. Nothing was accepted.")
        if risk.too_early:
            raise OnboardingError(risk.too_early)
        if not text:
            raise OnboardingError("Enter a reason. The closing pack contains it.")
        if len(text) > LONGEST_REASON:
            raise OnboardingError(f"Enter at most {LONGEST_REASON} characters.")
        earlier = AcceptedResidualRisk.objects.filter(tenant=tenant, kind=kind, subject=subject)
        _withdraw_all(earlier, by=by)
        accepted = AcceptedResidualRisk.objects.create(
            tenant=tenant,
            kind=risk.kind,
            subject=risk.subject,
            state=risk.state,
            ends_at=risk.ends_at,
            sentence=risk.sentence,
            reason=text,
            accepted_by=by,
        )
        _write_activity(accepted, ActivityName.RESIDUAL_RISK_ACCEPTED, by=by)
        tenant.plan.touch()
        return accepted


def withdraw_acceptance(accepted: AcceptedResidualRisk, *, by: User) -> None:
    """Withdraw an acceptance. The row remains as history. A second call changes nothing."""
    with transaction.atomic():
        tenant = _lock(accepted.tenant)
        if not _withdraw_all(AcceptedResidualRisk.objects.filter(pk=accepted.pk), by=by):
            return
        _write_activity(accepted, ActivityName.RESIDUAL_RISK_WITHDRAWN, by=by)
        tenant.plan.touch()


def withdraw_all_acceptances(tenant: Tenant, *, by: User) -> None:
    """Withdraw every acceptance: a reopened tenant needs them again before its next closing."""
    _withdraw_all(AcceptedResidualRisk.objects.filter(tenant=tenant), by=by)


def former_acceptances(tenant: Tenant) -> list[AcceptedResidualRisk]:
    """The acceptances that no longer apply, the newest first."""
    rows = AcceptedResidualRisk.objects.filter(tenant=tenant, withdrawn_at__isnull=False)
    return list(rows.select_related("accepted_by", "withdrawn_by").order_by("-accepted_at", "-pk"))


def _lock(tenant: Tenant) -> Tenant:
    """Lock the tenant and read it again. Raises OnboardingError if it is closed."""
    locked = Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
    if locked.is_closed:
        raise OnboardingError("The tenant has been closed. Nothing was changed.")
    return locked


def _current_risk(tenant: Tenant, kind: str, subject: str) -> ResidualRisk:
    locked = _lock(tenant)
    tasks = lock_tasks(locked.plan.pk)
    risks = obligations_of(tasks, PlanContext.of(locked)).risks
    found = next((r for r in risks if (r.kind.value, r.subject) == (kind, subject)), None)
    if found is None:
        raise ConflictingChange("This residual risk is over. Nothing has to be accepted.")
    return found


def _withdraw_all(rows: QuerySet[AcceptedResidualRisk], *, by: User) -> int:
    return rows.filter(withdrawn_at=None).update(withdrawn_at=database_time.now(), withdrawn_by=by)


def _write_activity(accepted: AcceptedResidualRisk, action: ActivityName, *, by: User) -> None:
    write_activity(
        accepted.tenant,
        action,
        by=by,
        risk=accepted.get_kind_display(),
        subject=accepted.subject,
        sentence=accepted.sentence,
        reason=accepted.reason,
    )
