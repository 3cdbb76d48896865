"""The values of a task that the console of the client shows, as the pages show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from onboarding.lifecycle.forms.proposals import HostProposalForm, ValuesForm
from onboarding.models import TaskRole
from onboarding.plans.rows import TaskRow
from onboarding.plans.tenant_page import TenantPage
from tenants.models import Domain, Host
from tenants.permissions import Permission
from tenants.proposals import (
    OpenProposal,
    Proposal,
    ProposalKind,
    confirmed_values,
    open_proposals,
    rejection_of,
    text_of,
)

KIND_OF_ROLE: Mapping[str, ProposalKind] = {
    TaskRole.VERIFIES_OWNERSHIP: ProposalKind.OWNERSHIP,
    TaskRole.VERIFIES_DKIM: ProposalKind.DKIM,
}
HOST_ROLES = (TaskRole.GATHERS_DELIVERY_ROUTES, TaskRole.VERIFIES_SMTP)


@dataclass(frozen=True)
class ValueEntry:
    """The values of one domain at a task. `form` is None for a reader who may not enter them."""

    domain: Domain
    kind: ProposalKind
    confirmed: str
    rejection: Proposal | None
    form: ValuesForm | None


@dataclass(frozen=True)
class TaskValues:
    """The values of a task: those of each domain, or the delivery hosts."""

    entries: tuple[ValueEntry, ...] = ()
    proposals: tuple[OpenProposal, ...] = ()
    rejected_hosts: tuple[Host, ...] = ()
    host_form: HostProposalForm | None = None
    is_about_hosts: bool = False

    @property
    def has_forms(self) -> bool:
        return self.host_form is not None or any(entry.form for entry in self.entries)


def values_by_task(page: TenantPage, rows: Iterable[TaskRow]) -> dict[int, TaskValues]:
    """The values of each task that has some, while the tenant is open.

    One query if a task is about delivery hosts.
    """
    found: dict[int, TaskValues] = {}
    if page.tenant.is_closed:
        return found
    for row in rows:
        if not row.task.applies:
            continue
        kind = KIND_OF_ROLE.get(row.task.role) or _missing_kind(row)
        if kind is not None:
            found[row.task.pk] = _of_domains(page, row, kind)
        elif row.task.role in HOST_ROLES:
            found[row.task.pk] = _of_hosts(page)
    return found


def _missing_kind(row: TaskRow) -> ProposalKind | None:
    """The values without which no message can verify the outbound cutover; None if all are known.

    The card asks for them, so that it needs their form.
    """
    if row.task.role != TaskRole.SWITCHES_OUTBOUND:
        return None
    is_missing = any(subject.check is None for subject in row.evidence.subjects)
    return ProposalKind.DKIM if is_missing else None


def proposals_of(page: TenantPage) -> list[OpenProposal]:
    """All proposals of the tenant that wait for a decision; none of a closed one. No query."""
    if page.tenant.is_closed:
        return []
    return open_proposals(page.plan_context.domains, page.plan_context.hosts)


def may_enter(page: TenantPage) -> bool:
    return page.access.may(Permission.CONFIRM)


def may_decide(page: TenantPage) -> bool:
    return page.access.may(Permission.EDIT_PROFILE)


def _of_domains(page: TenantPage, row: TaskRow, kind: ProposalKind) -> TaskValues:
    domains = [
        domain
        for domain in page.plan_context.domains_of(row.task)
        if domain.role in row.task.domain_roles
    ]
    decides = may_decide(page)
    entries = tuple(
        ValueEntry(
            domain,
            kind,
            text_of(confirmed_values(domain, kind)),
            rejection_of(domain, kind),
            ValuesForm(domain=domain, kind=kind, decides=decides) if may_enter(page) else None,
        )
        for domain in domains
    )
    proposals = [each for each in open_proposals(domains, ()) if each.kind is kind]
    return TaskValues(entries, tuple(proposals))


def _of_hosts(page: TenantPage) -> TaskValues:
    rejected = Host.all_objects.filter(
        tenant=page.tenant, removed_at__isnull=False, rejection_reason__gt=""
    )
    return TaskValues(
        proposals=tuple(open_proposals((), page.plan_context.hosts)),
        rejected_hosts=tuple(rejected.select_related("removed_by")),
        host_form=HostProposalForm() if may_enter(page) else None,
        is_about_hosts=True,
    )
