"""The domains of a per-domain task as the pages show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from onboarding.models import DomainProgress, Task
from onboarding.plans.current_state import CurrentState
from onboarding.plans.proof import TaskEvidence
from onboarding.plans.transitions import (
    CONFIRM,
    EXEMPT_DOMAIN,
    INCLUDE_DOMAIN,
    WITHDRAW_CONFIRMATION,
    Actor,
    TransitionContext,
    is_offered,
)
from tenants.models import Domain, User


@dataclass(frozen=True)
class DomainRow:
    """One domain of a per-domain task, with the buttons that the reader may use."""

    domain: Domain
    progress: DomainProgress | None
    is_verified: bool
    # The current state of a verified domain: the first of its checks that is not verified now.
    state: CurrentState | None
    can_confirm: bool
    can_withdraw: bool
    can_exempt: bool
    can_include: bool

    @property
    def is_exempt(self) -> bool:
        return self.progress is not None and self.progress.is_exempt

    @property
    def confirmations(self) -> list[tuple[str, User | None, datetime]]:
        """Each confirmation: the side, the user and the time."""
        if self.progress is None:
            return []
        rows = [
            ("Mimecast", self.progress.mimecast_confirmed_by, self.progress.mimecast_confirmed_at),
            ("the client", self.progress.client_confirmed_by, self.progress.client_confirmed_at),
        ]
        return [(side, by, at) for side, by, at in rows if at is not None]


def domain_rows(
    task: Task,
    domains: Sequence[Domain],
    actor: Actor,
    context: TransitionContext,
    evidence: TaskEvidence,
) -> tuple[DomainRow, ...]:
    """Every domain with a role of the task, also exempt ones, in the order of `domains`."""
    if not task.is_per_domain or not task.applies:
        return ()
    rows = []
    for domain in domains:
        if domain.role not in task.domain_roles:
            continue
        of_domain = replace(context, domain=domain)
        rows.append(
            DomainRow(
                domain=domain,
                progress=context.progress.of_domain(domain),
                is_verified=domain.pk in context.verified_domain_ids,
                state=evidence.states_by_domain.get(domain.pk),
                can_confirm=is_offered(task, CONFIRM, actor, of_domain),
                can_withdraw=is_offered(task, WITHDRAW_CONFIRMATION, actor, of_domain),
                can_exempt=is_offered(task, EXEMPT_DOMAIN, actor, of_domain),
                can_include=is_offered(task, INCLUDE_DOMAIN, actor, of_domain),
            )
        )
    return tuple(rows)
