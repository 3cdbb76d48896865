"""A per-domain task, domain by domain: what each side confirmed, and which domains are exempt.

The task's own confirmations are kept as what its parts amount to: a side has confirmed the task
when it confirmed the part of every domain in scope. So a domain added later opens the task for
itself alone, and the words about the others stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import Q

from onboarding.models import DomainProgress, Responsibility, Task
from tenants.models import Domain, Tenant, User

SIDES = (Responsibility.MIMECAST.value, Responsibility.CLIENT.value)
ExemptPairs = frozenset[tuple[int, int]]


def exempt_pairs(tenant: Tenant) -> ExemptPairs:
    """Which domains are exempt from which tasks, as pairs of ids."""
    rows = DomainProgress.objects.filter(task__plan__tenant=tenant, exempted_at__isnull=False)
    return frozenset(rows.values_list("task_id", "domain_id"))


def in_scope(task: Task, domains: Iterable[Domain], exempt: ExemptPairs) -> list[Domain]:
    """The domains that the task is to be done for."""
    return [d for d in domains if d.role in task.domain_roles and (task.pk, d.pk) not in exempt]


ProgressByTask = dict[int, dict[int, DomainProgress]]


def progress_by_task(tenant: Tenant) -> ProgressByTask:
    """Every part of the tenant's plan, by task and domain, with the people who spoke."""
    found: ProgressByTask = {}
    rows = DomainProgress.objects.filter(task__plan__tenant=tenant).select_related(
        "mimecast_confirmed_by", "client_confirmed_by", "exempted_by"
    )
    for part in rows:
        found.setdefault(part.task_id, {})[part.domain_id] = part
    return found


def exempt_pairs_from(parts: ProgressByTask) -> ExemptPairs:
    """The same as `exempt_pairs`, from parts that were fetched already."""
    return frozenset(
        (task_id, domain_id)
        for task_id, by_domain in parts.items()
        for domain_id, part in by_domain.items()
        if part.is_exempt
    )


def set_confirmations(
    task: Task, domains: Sequence[Domain], *, side: str, at: object, by: User | None
) -> None:
    """One side's word about these domains; None for `at` takes it back."""
    for domain in domains:
        DomainProgress.objects.update_or_create(
            task=task,
            domain=domain,
            defaults={f"{side}_confirmed_at": at, f"{side}_confirmed_by": by},
        )


def confirmed_domain_ids(task: Task, domains: Sequence[Domain], *, side: str) -> frozenset[int]:
    """Of these domains, the ids of those that the side's word stands for: it was given, and after
    the fault, if one was found."""
    rows = DomainProgress.objects.filter(task=task, domain__in=list(domains))
    said = rows.filter(**{f"{side}_confirmed_at__isnull": False})
    if task.regressed_at is not None:
        said = said.filter(**{f"{side}_confirmed_at__gt": task.regressed_at})
    return frozenset(said.values_list("domain_id", flat=True))


def has_confirmations(task: Task, domains: Sequence[Domain], *, side: str) -> bool:
    """Whether the side said anything of these domains that can be taken back."""
    rows = DomainProgress.objects.filter(task=task, domain__in=list(domains))
    return rows.filter(**{f"{side}_confirmed_at__isnull": False}).exists()


def sync_confirmations(task: Task, domains: Sequence[Domain]) -> None:
    """Bring the task's own confirmations in line with its parts.

    `domains` are those in scope. The oldest word counts: after a fault each part wants a new one.
    """
    if not task.is_per_domain or not domains:
        return
    by_domain = {
        part.domain_id: part
        for part in DomainProgress.objects.filter(task=task, domain__in=list(domains))
    }
    columns: dict[str, object] = {}
    for side in SIDES:
        words = [
            (getattr(part, f"{side}_confirmed_at"), getattr(part, f"{side}_confirmed_by_id"))
            for part in by_domain.values()
            if getattr(part, f"{side}_confirmed_at") is not None
        ]
        whole = len(words) == len(domains)
        columns[f"{side}_confirmed_at"] = min(at for at, _ in words) if whole else None
        columns[f"{side}_confirmed_by_id"] = max(words)[1] if whole else None
    if any(getattr(task, name) != value for name, value in columns.items()):
        for name, value in columns.items():
            setattr(task, name, value)
        task.save(update_fields=[name.removesuffix("_id") for name in columns])


def sync_all_confirmations(tenant: Tenant, tasks: Iterable[Task]) -> None:
    """After domains came, went or changed their role."""
    domains, exempt = list(tenant.domains.all()), exempt_pairs(tenant)
    spoken = set(
        DomainProgress.objects.filter(task__plan__tenant=tenant)
        .filter(Q(mimecast_confirmed_at__isnull=False) | Q(client_confirmed_at__isnull=False))
        .values_list("task_id", flat=True)
    )
    for task in tasks:
        if task.pk in spoken:
            sync_confirmations(task, in_scope(task, domains, exempt))
