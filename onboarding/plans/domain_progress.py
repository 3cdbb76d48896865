"""The progress of a per-domain task in each domain: confirmations and exemptions.

The task's own confirmation is derived from its domains: a side has confirmed the task when it
confirmed every domain in scope. A domain that is added later reopens the task for itself alone, and
the other confirmations stay valid.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import FilteredRelation, Q

from onboarding.models import DomainProgress, Responsibility, Task
from tenants.models import Domain, Tenant, User

SIDES = (Responsibility.MIMECAST.value, Responsibility.CLIENT.value)
ExemptPairs = frozenset[tuple[int, int]]


def exempt_pairs(tenant: Tenant) -> ExemptPairs:
    """The exempt domains of every task, as pairs of task id and domain id."""
    rows = DomainProgress.objects.filter(task__plan__tenant=tenant, exempted_at__isnull=False)
    return frozenset(rows.values_list("task_id", "domain_id"))


def in_scope(task: Task, domains: Iterable[Domain], exempt: ExemptPairs) -> list[Domain]:
    """The domains that the task has to be done for."""
    return [d for d in domains if d.role in task.domain_roles and (task.pk, d.pk) not in exempt]


ProgressByTask = dict[int, dict[int, DomainProgress]]


def progress_by_task(tenant: Tenant) -> ProgressByTask:
    """All progress rows of the tenant's plan, by task and domain, with their users."""
    rows = DomainProgress.objects.filter(task__plan__tenant=tenant)
    return _by_task(
        rows.select_related("mimecast_confirmed_by", "client_confirmed_by", "exempted_by")
    )


def facts_by_task(tenant: Tenant) -> ProgressByTask:
    """As `progress_by_task`, without the users. One query."""
    return _by_task(DomainProgress.objects.filter(task__plan__tenant=tenant))


def facts_by_tenant(tenants: Collection[Tenant]) -> dict[int, ProgressByTask]:
    """`facts_by_task` of several tenants, by tenant id. One query."""
    rows: dict[int, list[DomainProgress]] = {}
    found = DomainProgress.objects.filter(task__plan__tenant__in=tenants)
    for row in found.select_related("task__plan"):
        rows.setdefault(row.task.plan.tenant_id, []).append(row)
    return {tenant_id: _by_task(of_tenant) for tenant_id, of_tenant in rows.items()}


def _by_task(rows: Iterable[DomainProgress]) -> ProgressByTask:
    found: ProgressByTask = {}
    for row in rows:
        found.setdefault(row.task_id, {})[row.domain_id] = row
    return found


def exempt_pairs_from(progress: ProgressByTask) -> ExemptPairs:
    """The same as `exempt_pairs`, from rows that are already loaded."""
    return frozenset(
        (task_id, domain_id)
        for task_id, by_domain in progress.items()
        for domain_id, row in by_domain.items()
        if row.is_exempt
    )


@dataclass(frozen=True)
class TaskProgress:
    """The domains in scope of a per-domain task and its rows by domain id.

    Both are empty for a task that is done once for all domains.
    """

    scope: tuple[Domain, ...] = ()
    by_domain: Mapping[int, DomainProgress] = field(default_factory=dict)

    @classmethod
    def of(
        cls, task: Task, domains: Iterable[Domain], by_domain: Mapping[int, DomainProgress]
    ) -> TaskProgress:
        if not task.is_per_domain:
            return cls()
        exempt = frozenset((task.pk, pk) for pk, row in by_domain.items() if row.is_exempt)
        return cls(tuple(in_scope(task, domains, exempt)), by_domain)

    @classmethod
    def load(cls, task: Task, tenant: Tenant) -> TaskProgress:
        """Read the rows of one task. One query for a per-domain task, none for any other."""
        if not task.is_per_domain:
            return cls()
        # At most one row for each domain: (task, domain) is unique.
        of_task = FilteredRelation("task_progress", condition=Q(task_progress__task=task))
        joined = tenant.domains.annotate(progress=of_task)
        domains = list(joined.select_related("progress"))  # type: ignore[misc]  # an annotation
        # A domain without a row does not have the attribute.
        rows = [getattr(domain, "progress", None) for domain in domains]
        return cls.of(task, domains, {row.domain_id: row for row in rows if row is not None})

    def of_domain(self, domain: Domain) -> DomainProgress | None:
        return self.by_domain.get(domain.pk)

    def chosen(self, domain: Domain | None) -> list[Domain]:
        return [each for each in self.scope if domain is None or each.pk == domain.pk]

    def confirmed_domain_ids(self, task: Task, side: str) -> frozenset[int]:
        """The domains with a valid confirmation: one that is newer than a regression."""
        return frozenset(
            domain_id
            for domain_id, row in self.by_domain.items()
            if is_valid(getattr(row, f"{side}_confirmed_at"), task.regressed_at)
        )

    def lacks(self, task: Task, side: str, domain: Domain | None) -> bool:
        """Whether a valid confirmation of this side is missing, for the domain or in the scope."""
        if not side:
            return True
        if self.scope:
            confirmed = self.confirmed_domain_ids(task, side)
            return any(each.pk not in confirmed for each in self.chosen(domain))
        return not is_valid(getattr(task, f"{side}_confirmed_at"), task.regressed_at)

    def has_any(self, task: Task, side: str, domain: Domain | None) -> bool:
        """Whether this side has a confirmation that it can withdraw."""
        if not side:
            return False
        if self.scope:
            rows = [self.by_domain.get(each.pk) for each in self.chosen(domain)]
            return any(
                row is not None and getattr(row, f"{side}_confirmed_at") is not None for row in rows
            )
        return getattr(task, f"{side}_confirmed_at") is not None


def confirmed_at(task: Task, row: DomainProgress | None) -> datetime | None:
    """The time at which every responsible side had confirmed the task for a domain, else None."""
    sides = SIDES if task.responsibility == Responsibility.BOTH else (task.responsibility,)
    times = [getattr(row, f"{side}_confirmed_at", None) for side in sides]
    valid = [at for at in times if at is not None and is_valid(at, task.regressed_at)]
    return max(valid) if len(valid) == len(sides) else None


def is_valid(confirmed_at: datetime | None, regressed_at: datetime | None) -> bool:
    """Whether a confirmation counts: a regression invalidates every earlier one."""
    return confirmed_at is not None and (regressed_at is None or confirmed_at > regressed_at)


def set_confirmations(
    task: Task,
    domains: Sequence[Domain],
    by_domain: Mapping[int, DomainProgress],
    *,
    side: str,
    at: datetime | None,
    by: User | None,
) -> dict[int, DomainProgress]:
    """Store one side's confirmation of these domains; None for `at` withdraws it.

    Returns the rows by domain id as they are now. Two queries, for any number of domains.
    """
    known = [by_domain[domain.pk] for domain in domains if domain.pk in by_domain]
    new = [
        DomainProgress(task=task, domain=domain) for domain in domains if domain.pk not in by_domain
    ]
    for row in (*known, *new):
        setattr(row, f"{side}_confirmed_at", at)
        setattr(row, f"{side}_confirmed_by", by)
    if known:
        DomainProgress.objects.filter(pk__in=[row.pk for row in known]).update(
            **{f"{side}_confirmed_at": at, f"{side}_confirmed_by": by}
        )
    DomainProgress.objects.bulk_create(new)
    return {**by_domain, **{row.domain_id: row for row in (*known, *new)}}


def confirm_from_domains(
    task: Task, scope: Sequence[Domain], by_domain: Mapping[int, DomainProgress]
) -> bool:
    """Set the task's own confirmations from its domains, without saving. True when they changed.

    The oldest confirmation counts: after a regression every domain needs a new one.
    """
    if not task.is_per_domain or not scope:
        return False
    columns: dict[str, object] = {}
    for side in SIDES:
        confirmations = [
            (getattr(row, f"{side}_confirmed_at"), getattr(row, f"{side}_confirmed_by_id"))
            for row in (by_domain.get(domain.pk) for domain in scope)
            if row is not None and getattr(row, f"{side}_confirmed_at") is not None
        ]
        is_complete = len(confirmations) == len(scope)
        columns[f"{side}_confirmed_at"] = (
            min(at for at, _ in confirmations) if is_complete else None
        )
        columns[f"{side}_confirmed_by_id"] = max(confirmations)[1] if is_complete else None
    changed = any(getattr(task, name) != value for name, value in columns.items())
    for name, value in columns.items():
        setattr(task, name, value)
    return changed


CONFIRMATION_FIELDS = tuple(
    f"{side}_{column}" for side in SIDES for column in ("confirmed_at", "confirmed_by")
)


def sync_all_confirmations(tenant: Tenant, tasks: Iterable[Task]) -> None:
    """Recompute and save the confirmations of per-domain tasks after the domains changed."""
    progress = progress_by_task(tenant)
    domains, exempt = list(tenant.domains.all()), exempt_pairs_from(progress)
    for task in tasks:
        rows = progress.get(task.pk, {})
        has_confirmation = any(
            row.mimecast_confirmed_at or row.client_confirmed_at for row in rows.values()
        )
        if has_confirmation and confirm_from_domains(task, in_scope(task, domains, exempt), rows):
            task.save(update_fields=CONFIRMATION_FIELDS)
