"""Factory of closed implementations: decisions, accepted residual risks and sign-offs."""

from __future__ import annotations

from django.db import transaction

from onboarding.lifecycle.closing import sign_off_implementation
from onboarding.lifecycle.residual_risks import accept_residual_risk
from onboarding.models import Task, TaskRole
from onboarding.plans.closing_facts import obligations_of
from onboarding.plans.closing_obligations import ClosingObligations
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.queries import tasks_of
from onboarding.plans.rollup import recompute_rollup
from tenants.models import Tenant, User

STATEMENT = "All mail flows through Mimecast; we watch the held queue until Friday."


def closing_task_of(tenant: Tenant) -> Task:
    return Task.objects.get(plan__tenant=tenant, role=TaskRole.CLOSURE)


@transaction.atomic
def decide_all(tenant: Tenant, *besides: str, reason: str = "Not wanted.") -> None:
    """Decline every task but the closing task and those `besides`, directly in the database."""
    rows = Task.objects.filter(plan__tenant=tenant, is_group=False).exclude(key__in=besides)
    rows.exclude(role=TaskRole.CLOSURE).update(manual_status="declined", status_reason=reason)
    recompute_rollup(tenant.plan)


def obligations_now(tenant: Tenant) -> ClosingObligations:
    return obligations_of(list(tasks_of(tenant.plan)), PlanContext.of(tenant))


def accept_all_risks(tenant: Tenant, by: User) -> None:
    for risk in obligations_now(tenant).open_risks:
        accept_residual_risk(
            tenant, risk.kind.value, risk.subject, expected=risk.sentence, reason="We know.", by=by
        )


def prepare_closing(tenant: Tenant, consultant: User) -> None:
    """Decide every task and accept every residual risk."""
    decide_all(tenant)
    accept_all_risks(tenant, consultant)


def sign_off_both(tenant: Tenant, owner: User, consultant: User) -> Tenant:
    """Sign off for the client and for Mimecast. Returns the closed tenant."""
    for user, side in ((owner, "client"), (consultant, "mimecast")):
        sign_off_implementation(closing_task_of(tenant), by=user, side=side, reason=STATEMENT)
    return Tenant.objects.get(pk=tenant.pk)


def closed_implementation(tenant: Tenant, owner: User, consultant: User) -> Tenant:
    prepare_closing(tenant, consultant)
    return sign_off_both(tenant, owner, consultant)
