"""Which checks prove a task for a tenant, and whether they do. Pure over what was fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from checks.engine.outcomes import Kind, Verdict
from checks.models import Check
from checks.subjects import PURPOSE_OF_KIND
from onboarding.models import Task
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
class Subject:
    """One thing a task must hold for, and the check that watches it (None: cannot be asked yet)."""

    kind: Kind
    name: str
    check: Check | None
    # Nobody has to show a message where people's word was always enough (see docs/architecture.md).
    is_word_enough: bool = False

    @property
    def settled(self) -> Verdict | None:
        return self.check.standing.verdict if self.check is not None else None

    @property
    def is_proven(self) -> bool:
        return self.settled is not None and self.settled.is_yes

    @property
    def is_beyond_us(self) -> bool:
        if self.settled is Verdict.NOT_APPLICABLE or (self.settled is None and self.is_word_enough):
            return True
        latest = self.check.latest if self.check is not None else None
        if self.settled is not None or latest is None:
            return False
        return any(found["code"] in _ONLY_FROM_ALLOWED_VANTAGES for found in latest.findings)


@dataclass(frozen=True)
class Evidence:
    """All that a task's proof rests on."""

    subjects: tuple[Subject, ...]
    # A kind that the task needs and that has no subject recorded at all.
    missing: tuple[Kind, ...] = ()

    @property
    def proves(self) -> bool:
        """Every subject that the question applies to has settled on yes, and there is one."""
        counted = [s for s in self.subjects if s.settled is not Verdict.NOT_APPLICABLE]
        return bool(counted) and not self.missing and all(s.is_proven for s in counted)

    @property
    def is_beyond_us(self) -> bool:
        """What is left cannot be proved by any look from here: the question does not apply, or the
        port answers Mimecast alone, as it should. Then people's word completes the task."""
        left = [subject for subject in self.subjects if not subject.is_proven]
        return bool(left) and not self.missing and all(s.is_beyond_us for s in left)

    @property
    def failing(self) -> tuple[Subject, ...]:
        return tuple(s for s in self.subjects if s.settled is Verdict.FAIL)

    @property
    def is_open(self) -> bool:
        """Something that the task must hold for has no settled answer yet."""
        return bool(self.missing) or any(s.settled is None for s in self.subjects)


def needed_kinds(kinds: Iterable[str], tenant: Tenant) -> list[Kind]:
    """The kinds of a task that this tenant's profile calls for."""
    wanted = [Kind(kind) for kind in kinds]
    if tenant.directory_method != DirectoryMethod.LDAP:
        wanted = [kind for kind in wanted if kind is not Kind.LDAPS]
    if tenant.platform not in _OWN_MAIL_HOSTS:
        wanted = [kind for kind in wanted if kind is not Kind.SMTP]
    return wanted


def evidence_for(
    task: Task,
    tenant: Tenant,
    *,
    checks: Sequence[Check],
    domains: Sequence[Domain],
    hosts: Sequence[Host],
    kinds: Iterable[str] | None = None,
) -> Evidence:
    """The subjects of `kinds` (by default those that prove the task) and their checks.

    `domains` are those that the task is to be done for; a domain exempt from it is none of them.
    """
    by_subject = {(c.kind, c.domain_id, c.host_id): c for c in checks if c.is_active}
    subjects: list[Subject] = []
    missing: list[Kind] = []
    for kind in needed_kinds(task.check_kinds if kinds is None else kinds, tenant):
        of_kind = list(_subjects(kind, task, by_subject, domains, hosts))
        subjects += of_kind
        if not of_kind:
            missing.append(kind)
    return Evidence(tuple(subjects), tuple(missing))


_Key = tuple[str, int | None, int | None]


def _subjects(
    kind: Kind,
    task: Task,
    by_subject: dict[_Key, Check],
    domains: Sequence[Domain],
    hosts: Sequence[Host],
) -> Iterable[Subject]:
    purpose = PURPOSE_OF_KIND.get(kind)
    if purpose is not None:
        for host in hosts:
            if host.purpose == purpose:
                yield Subject(kind, str(host), by_subject.get((kind.value, None, host.pk)))
        return
    for domain in domains:
        if domain.role in task.domain_roles:
            check = by_subject.get((kind.value, domain.pk, None))
            yield Subject(kind, str(domain), check, _is_word_enough(kind, task, check))


def _is_word_enough(kind: Kind, task: Task, check: Check | None) -> bool:
    """A message has to be shown where going ahead wrongly can lose mail, for each domain that a
    selector on record says Mimecast signs for. Elsewhere it may be."""
    return kind is Kind.MESSAGE and (check is None or not task.is_hard_gate)
