"""One side's word about a task: of all of it, or domain by domain."""

from __future__ import annotations

from datetime import datetime

from onboarding.models import Task
from onboarding.plans import domain_progress
from tenants.models import Domain, User


def is_missing(task: Task, side: str, domain: Domain | None) -> bool:
    """Whether this side's word is missing, or older than the fault that was found since."""
    if domains_in_scope(task):
        chosen = _chosen(task, domain)
        return len(domain_progress.confirmed_domain_ids(task, chosen, side=side)) < len(chosen)
    said = getattr(task, f"{side}_confirmed_at")
    return said is None or (task.regressed_at is not None and said <= task.regressed_at)


def is_given(task: Task, side: str, domain: Domain | None) -> bool:
    if domains_in_scope(task):
        return domain_progress.has_confirmations(task, _chosen(task, domain), side=side)
    return getattr(task, f"{side}_confirmed_at") is not None


def set_confirmation(
    task: Task, side: str, *, at: datetime | None, by: User | None, domain: Domain | None
) -> None:
    scope = domains_in_scope(task)
    if scope:
        chosen = _chosen(task, domain)
        if at is not None:
            # Who said it of a domain before said it: that is not written over.
            standing = domain_progress.confirmed_domain_ids(task, chosen, side=side)
            chosen = [each for each in chosen if each.pk not in standing]
        domain_progress.set_confirmations(task, chosen, side=side, at=at, by=by)
        domain_progress.sync_confirmations(task, scope)
        return
    setattr(task, f"{side}_confirmed_at", at)
    setattr(task, f"{side}_confirmed_by", by)
    task.save(update_fields=[f"{side}_confirmed_at", f"{side}_confirmed_by"])


def _chosen(task: Task, domain: Domain | None) -> list[Domain]:
    scope = domains_in_scope(task)
    return scope if domain is None else [each for each in scope if each.pk == domain.pk]


def domains_in_scope(task: Task) -> list[Domain]:
    if not task.is_per_domain:
        return []
    tenant = task.plan.tenant
    return domain_progress.in_scope(
        task, tenant.domains.all(), domain_progress.exempt_pairs(tenant)
    )
