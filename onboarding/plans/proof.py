"""The evidence of a task: the checks that prove it, and their settled verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from checks.expectations import PURPOSE_BY_KIND
from checks.models import Check
from onboarding.models import DomainProgress, Task, TaskRole
from onboarding.plans.current_state import CurrentState, current_state
from onboarding.plans.domain_progress import confirmed_at
from tenants.models import DirectoryMethod, Domain, Host, Platform, Tenant

# Microsoft and Google receive mail on endpoints that answer everyone on port 25: their tenants have
# no port to open.
_OWN_MAIL_HOSTS = {Platform.ON_PREMISES, Platform.HYBRID, Platform.OTHER}


# From another network, a closed port and a port that is open to Mimecast only are the same.
_ONLY_FROM_ALLOWED_VANTAGES = {
    "smtp.unreachable-from-here",
    "smtp.greeting-refused",
    "smtp.ehlo-refused",
    "ldaps.unreachable-from-here",
}


@dataclass(frozen=True)
class ProofSubject:
    """One domain or host that a task is verified for, with its check if it has one."""

    kind: CheckKind
    name: str
    check: Check | None
    # Whether a confirmation completes the task without a submitted message (docs/architecture.md).
    confirmation_suffices: bool = False
    # Whether only a message that was signed after `confirmed_at` is proof.
    follows_confirmation: bool = False
    confirmed_at: datetime | None = None
    # The opening of the check's open drift.
    drifted_since: datetime | None = None
    now: datetime = field(default_factory=timezone.now, compare=False)

    @property
    def state(self) -> CurrentState:
        """The current state, which every page shows."""
        return current_state(self.check, now=self.now, drifted_since=self.drifted_since)

    @property
    def settled(self) -> Verdict | None:
        if self.check is None or self.is_early:
            return None
        return self.check.settled.verdict

    @property
    def is_early(self) -> bool:
        """Whether the newest signed message is from before the confirmation, such as a pilot."""
        if not self.follows_confirmation or self.check is None:
            return False
        verdict, signed_at = self.check.settled.verdict, self.check.signed_at
        if verdict is None or not verdict.is_passing:
            return False
        return (
            self.confirmed_at is None
            or signed_at is None
            or signed_at < self.confirmed_at.replace(microsecond=0)
        )

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
    """All subjects that the proof of a task needs."""

    subjects: tuple[ProofSubject, ...]
    # The kinds that the task needs and that have no subject.
    missing: tuple[CheckKind, ...] = ()

    @property
    def is_verified(self) -> bool:
        """Whether every applicable subject has settled on a passing verdict, and there is one."""
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
    def states_by_domain(self) -> dict[int, CurrentState]:
        """The state of each domain: the first one that is not verified, else a verified one."""
        states: dict[int, CurrentState] = {}
        for subject in self.subjects:
            domain_id = subject.check.domain_id if subject.check is not None else None
            if domain_id is not None and states.get(domain_id, subject.state).is_verified:
                states[domain_id] = subject.state
        return states

    @property
    def is_unverifiable(self) -> bool:
        """Whether no check can prove the remaining subjects: confirmations complete the task.

        A check does not apply, or a port answers Mimecast only, as it should.
        """
        left = [subject for subject in self.subjects if not subject.is_verified]
        return bool(left) and not self.missing and all(s.is_unverifiable for s in left)

    @property
    def failing(self) -> tuple[ProofSubject, ...]:
        return tuple(s for s in self.subjects if s.settled is Verdict.FAIL)

    @property
    def is_open(self) -> bool:
        """Whether a subject has no settled verdict yet."""
        return bool(self.missing) or any(s.settled is None for s in self.subjects)


def needed_kinds(kinds: Iterable[str], tenant: Tenant) -> list[CheckKind]:
    """The check kinds of a task that apply to the tenant's profile."""
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
    progress: Mapping[int, DomainProgress] = MappingProxyType({}),
    drifted_since: Mapping[int, datetime] = MappingProxyType({}),
    now: datetime | None = None,
) -> TaskEvidence:
    """The subjects of `kinds` (by default those that prove the task) and their checks.

    `domains` are the domains in scope, without the exempt ones. `progress` are the task's rows by
    domain id: a message proves the outbound cutover only if it was signed after the confirmation.
    `drifted_since` has the opening of each open drift by check id. `now` is the time of the states.
    """
    by_subject = {(c.kind, c.domain_id, c.host_id): c for c in checks if c.is_active}
    subjects: list[ProofSubject] = []
    missing: list[CheckKind] = []
    for kind in needed_kinds(task.check_kinds if kinds is None else kinds, tenant):
        of_kind = list(_subjects(kind, task, by_subject, domains, hosts, progress))
        subjects += [_with_state(subject, drifted_since, now) for subject in of_kind]
        if not of_kind:
            missing.append(kind)
    return TaskEvidence(tuple(subjects), tuple(missing))


def _with_state(
    subject: ProofSubject, drifted_since: Mapping[int, datetime], now: datetime | None
) -> ProofSubject:
    since = drifted_since.get(subject.check.pk) if subject.check is not None else None
    return replace(subject, drifted_since=since, now=now or subject.now)


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
    progress: Mapping[int, DomainProgress],
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
            yield ProofSubject(
                kind,
                str(domain),
                check,
                _confirmation_suffices(kind, task, check),
                kind is CheckKind.MESSAGE and task.role == TaskRole.SWITCHES_OUTBOUND,
                confirmed_at(task, progress.get(domain.pk)),
            )


def _confirmation_suffices(kind: CheckKind, task: Task, check: Check | None) -> bool:
    """Whether a confirmation suffices without a submitted message.

    A task with a hard gate needs a message for each domain with a known DKIM selector, because
    mail can be lost. For any other task the message is optional.
    """
    return kind is CheckKind.MESSAGE and (check is None or not task.is_hard_gate)
