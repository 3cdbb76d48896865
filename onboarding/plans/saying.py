"""One side's word about a task: of all of it, or domain by domain."""

from __future__ import annotations

from datetime import datetime

from onboarding.models import Task
from onboarding.plans import domain_parts
from tenants.models import Domain, User


def is_left(task: Task, side: str, domain: Domain | None) -> bool:
    """Whether this side's word is missing, or older than the fault that was found since."""
    if scope_of(task):
        chosen = _chosen(task, domain)
        return len(domain_parts.standing_words(task, chosen, side=side)) < len(chosen)
    said = getattr(task, f"{side}_confirmed_at")
    return said is None or (task.broken_at is not None and said <= task.broken_at)


def is_said(task: Task, side: str, domain: Domain | None) -> bool:
    if scope_of(task):
        return domain_parts.are_said(task, _chosen(task, domain), side=side)
    return getattr(task, f"{side}_confirmed_at") is not None


def speak(
    task: Task, side: str, *, at: datetime | None, by: User | None, domain: Domain | None
) -> None:
    scope = scope_of(task)
    if scope:
        chosen = _chosen(task, domain)
        if at is not None:
            # Who said it of a domain before said it: that is not written over.
            standing = domain_parts.standing_words(task, chosen, side=side)
            chosen = [each for each in chosen if each.pk not in standing]
        domain_parts.set_words(task, chosen, side=side, at=at, by=by)
        domain_parts.gather(task, scope)
        return
    setattr(task, f"{side}_confirmed_at", at)
    setattr(task, f"{side}_confirmed_by", by)
    task.save(update_fields=[f"{side}_confirmed_at", f"{side}_confirmed_by"])


def _chosen(task: Task, domain: Domain | None) -> list[Domain]:
    scope = scope_of(task)
    return scope if domain is None else [each for each in scope if each.pk == domain.pk]


def scope_of(task: Task) -> list[Domain]:
    if not task.is_per_domain:
        return []
    tenant = task.plan.tenant
    return domain_parts.in_scope(task, tenant.domains.all(), domain_parts.exempt_of(tenant))
