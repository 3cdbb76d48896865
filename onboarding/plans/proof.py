"""Which checks prove a task for a tenant, and whether they do. Pure over what was fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet

from checks.engine.outcomes import CheckKind, Verdict
from checks.expectations import PURPOSE_BY_KIND
from checks.models import Check
from onboarding.models import DomainProgress, Task
from tenants.models import DirectoryMethod, Domain, Host, Platform, Tenant

# Mail that Microsoft or Google hosts is delivered to endpoints that answer everyone on port 25, so
# there the port is nobody's to open.
_OWN_MAIL_HOSTS = {Platform.ON_PREMISES, Platform.HYBRID, Platform.OTHER}


# What a closed port and one opened to Mimecast alone look like from anywhere else.
_ONLY_FROM_ALLOWED_VANTAGES = {
    "smtp.unreachable-from-here",
    "smtp.greeting-refused",
    "smtp.ehlo-refused",
    "ldaps.unreachable-from-here",
}


@dataclass(frozen=True)
class ProofSubject:
    """One thing a task must hold for, and the check that watches it (None: cannot be asked yet)."""

    kind: CheckKind
    name: str
    check: Check | None
    # Nobody has to show a message where people's word was always enough (see docs/architecture.md).
    confirmation_suffices: bool = False

    @property
    def settled(self) -> Verdict | None:
        return self.check.settled.verdict if self.check is not None else None

    @property
    def is_verified(self) -> bool:
        return self.settled is not None and self.settled.is_passing

    @property
    def is_unverifiable(self) -> bool:
        if self.settled is Verdict.NOT_APPLICABLE or (
            self.settled is None and self.confirmation_suffices
        ):
            return True
        latest = self.check.latest if self.check is not None else None
        if self.settled is not None or latest is None:
            return False
        return any(found["code"] in _ONLY_FROM_ALLOWED_VANTAGES for found in latest.findings)


@dataclass(frozen=True)
class TaskEvidence:
    """All that a task's proof rests on."""

    subjects: tuple[ProofSubject, ...]
    # A kind that the task needs and that has no subject recorded at all.
    missing: tuple[CheckKind, ...] = ()

    @property
    def is_verified(self) -> bool:
        """Every subject that the question applies to has settled on yes, and there is one."""
        counted = [s for s in self.subjects if s.settled is not Verdict.NOT_APPLICABLE]
        return bool(counted) and not self.missing and all(s.is_verified for s in counted)

    @property
    def verified_domain_ids(self) -> frozenset[int]:
        """The domains all of whose subjects are verified."""
        ids: dict[int, bool] = {}
        for subject in self.subjects:
            domain_id = subject.check.domain_id if subject.check is not None else None
            if domain_id is not None:
                ids[domain_id] = ids.get(domain_id, True) and subject.is_verified
        return frozenset(domain_id for domain_id, is_verified in ids.items() if is_verified)

    @property
    def is_unverifiable(self) -> bool:
        """What is left cannot be proved by any look from here: the question does not apply, or the
        port answers Mimecast alone, as it should. Then people's word completes the task."""
        left = [subject for subject in self.subjects if not subject.is_verified]
        return bool(left) and not self.missing and all(s.is_unverifiable for s in left)

    @property
    def failing(self) -> tuple[ProofSubject, ...]:
        return tuple(s for s in self.subjects if s.settled is Verdict.FAIL)

    @property
    def is_open(self) -> bool:
        """Something that the task must hold for has no settled answer yet."""
        return bool(self.missing) or any(s.settled is None for s in self.subjects)


def needed_kinds(kinds: Iterable[str], tenant: Tenant) -> list[CheckKind]:
    """The kinds of a task that this tenant's profile calls for."""
    wanted = [CheckKind(kind) for kind in kinds]
    if tenant.directory_method != DirectoryMethod.LDAP:
        wanted = [kind for kind in wanted if kind is not CheckKind.LDAPS]
    if tenant.platform not in _OWN_MAIL_HOSTS:
        wanted = [kind for kind in wanted if kind is not CheckKind.SMTP]
    return wanted


def evidence_for(
    task: Task,
    tenant: Tenant,
    *,
    checks: Sequence[Check],
    domains: Sequence[Domain],
    hosts: Sequence[Host],
    kinds: Iterable[str] | None = None,
) -> TaskEvidence:
    """The subjects of `kinds` (by default those that prove the task) and their checks.

    `domains` are those that the task is to be done for; a domain exempt from it is none of them.
    """
    by_subject = {(c.kind, c.domain_id, c.host_id): c for c in checks if c.is_active}
    subjects: list[ProofSubject] = []
    missing: list[CheckKind] = []
    for kind in needed_kinds(task.check_kinds if kinds is None else kinds, tenant):
        of_kind = list(_subjects(kind, task, by_subject, domains, hosts))
        subjects += of_kind
        if not of_kind:
            missing.append(kind)
    return TaskEvidence(tuple(subjects), tuple(missing))


def checks_verifying(task: Task, tenant: Tenant) -> QuerySet[Check]:
    """The active checks that prove the task, without those of its exempt domains. One query."""
    exempt = DomainProgress.objects.filter(
        task=task, domain=OuterRef("domain"), exempted_at__isnull=False
    )
    kinds = needed_kinds(task.check_kinds, tenant)
    checks = Check.objects.filter(tenant=tenant, is_active=True, kind__in=kinds)
    return checks.filter(
        Q(host__isnull=False) | Q(domain__role__in=task.domain_roles) & ~Exists(exempt)
    )


_Key = tuple[str, int | None, int | None]


def _subjects(
    kind: CheckKind,
    task: Task,
    by_subject: dict[_Key, Check],
    domains: Sequence[Domain],
    hosts: Sequence[Host],
) -> Iterable[ProofSubject]:
    purpose = PURPOSE_BY_KIND.get(kind)
    if purpose is not None:
        for host in hosts:
            if host.purpose == purpose:
                yield ProofSubject(kind, str(host), by_subject.get((kind.value, None, host.pk)))
        return
    for domain in domains:
        if domain.role in task.domain_roles:
            check = by_subject.get((kind.value, domain.pk, None))
            yield ProofSubject(kind, str(domain), check, _confirmation_suffices(kind, task, check))


def _confirmation_suffices(kind: CheckKind, task: Task, check: Check | None) -> bool:
    """A message has to be shown where going ahead wrongly can lose mail, for each domain that a
    selector on record says Mimecast signs for. Elsewhere it may be."""
    return kind is CheckKind.MESSAGE and (check is None or not task.is_hard_gate)
