"""The evidence of a task: the checks that prove it, and their settled verdicts."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from types import MappingProxyType

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.dateparse import parse_datetime

from checks.engine.outcomes import (
    MESSAGE_KINDS,
    SOURCE_KINDS,
    UNVERIFIED_KINDS,
    CheckKind,
    Verdict,
)
from checks.engine.sources.registry import SOURCE_OF_KIND
from checks.expectations import PURPOSE_BY_KIND, ROLES_BY_KIND
from checks.models import Check, SendingPlatform
from checks.safe_times import ASSUMED_TTL_SECONDS
from checks.source_expectations import organisation_domain
from onboarding.models import DomainProgress, Task, TaskRole
from onboarding.plans.current_state import CurrentState, current_state
from onboarding.plans.domain_progress import confirmed_at
from onboarding.plans.received_messages import ReceivedMessage, show_a_fault
from onboarding.plans.task_fields import sending_platforms
from tenants import database_time
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


# The kind of a check, its domain and its host.
SubjectKey = tuple[str, int | None, int | None]

_NO_POLICY = "mta-sts.none"
# The alias of a wildcard also answers for the name of the record.
_EMPTY_ALIAS = "dns.alias-without-record"


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
    # Whether only a message counts that was received after the MX switch, seen at `switched_at`; of
    # an export, whether it must be from after the switch of every domain.
    follows_switch: bool = False
    switched_at: datetime | None = None
    # The halves of a hybrid system, each of which needs a message of its own.
    sending_platforms: tuple[SendingPlatform, ...] = ()
    # The opening of the check's open drift.
    drifted_since: datetime | None = None
    # Whether a submitted message waits for its run.
    has_pending_message: bool = False
    # The judged messages before the newest one, newest first.
    earlier_messages: tuple[ReceivedMessage, ...] = ()
    now: datetime = field(default_factory=database_time.known_now, compare=False)

    @cached_property
    def state(self) -> CurrentState:
        """The current state, which every page shows."""
        return current_state(self.check, now=self.now, drifted_since=self.drifted_since)

    @property
    def is_proposed(self) -> bool:
        """Whether the check uses a value that a client proposed and no consultant has confirmed."""
        return self.check is not None and self.check.is_proposed

    @property
    def settled(self) -> Verdict | None:
        """The verdict that counts for the task. None for a proposed value: the person who proposes
        a code can publish it, too, so a PASS proves little, and a FAIL is no regression."""
        if self.check is None or self.is_early or self.is_proposed:
            return None
        return self.check.settled.verdict

    @property
    def is_early(self) -> bool:
        """Whether the newest message is too early to count.

        A signed one is from before the confirmation, such as a pilot. A received one is from before
        the MX switch.
        """
        if self.check is None:
            return False
        if self.is_of_source:
            return self.follows_switch and not self._has_facts_since_switch(self.check)
        if self.follows_switch:
            return self._is_before_switch(self.check)
        if not self.follows_confirmation:
            return False
        verdict = self.check.settled.verdict
        if verdict is None or not verdict.is_passing:
            return False
        if self.sending_platforms:
            return bool(self.missing_platforms)
        return self._precedes_confirmation(self.check.signed_at)

    def _has_facts_since_switch(self, check: Check) -> bool:
        verdict = check.settled.verdict
        if verdict is None or not verdict.is_passing:
            return True
        facts_at = check.facts_at
        return self.switched_at is not None and facts_at is not None and facts_at > self.switched_at

    def _precedes_confirmation(self, signed_at: datetime | None) -> bool:
        if self.confirmed_at is None or signed_at is None:
            return True
        return signed_at < self.confirmed_at.replace(microsecond=0)

    @property
    def missing_platforms(self) -> tuple[SendingPlatform, ...]:
        """The halves of a hybrid system without a message signed after the confirmation."""
        times = self.check.signed_by_platform if self.check is not None else {}
        return tuple(
            platform
            for platform in self.sending_platforms
            if self._precedes_confirmation(parse_datetime(times.get(platform, "")))
        )

    def _is_before_switch(self, check: Check) -> bool:
        verdict = check.settled.verdict
        if verdict is None or not verdict.is_passing:
            return False
        # Received lines have the time in whole seconds.
        switched_at = self.switched_at and self.switched_at.replace(microsecond=0)
        return not (switched_at and check.received_at and check.received_at >= switched_at)

    @property
    def is_of_source(self) -> bool:
        """Whether the check judges the facts of a source, such as an export of the platform."""
        return self.kind in SOURCE_KINDS

    @property
    def is_unverified_text(self) -> bool:
        """Whether the check judges text that a person can edit. It never completes a task."""
        return self.kind in UNVERIFIED_KINDS

    @property
    def contradicts(self) -> bool:
        """Whether a message shows that the task is not done, and no newer one that it is."""
        check = self.check
        if check is None or check.latest is None or not self.is_unverified_text:
            return False
        latest = check.latest
        newest = ReceivedMessage(
            Verdict(latest.verdict),
            frozenset(found["code"] for found in latest.findings),
            parse_datetime(latest.evidence.get("message", {}).get("received_at") or ""),
        )
        original_ttl = check.domain.original_mx_ttl_seconds if check.domain is not None else None
        return show_a_fault(
            [newest, *self.earlier_messages],
            switched_at=self.switched_at if self.follows_switch else None,
            old_ttl=timedelta(seconds=original_ttl or ASSUMED_TTL_SECONDS),
        )

    @property
    def needs_message(self) -> bool:
        return self.check is not None and self.check.needs_message

    @property
    def is_verified(self) -> bool:
        return not self.is_unverified_text and self.settled is not None and self.settled.is_passing

    @property
    def has_no_policy(self) -> bool:
        """Whether the domain publishes no MTA-STS policy, also none with an error in its record."""
        if self.kind is not CheckKind.MTA_STS or self.settled is not Verdict.NOT_APPLICABLE:
            return False
        latest = self.check.latest if self.check is not None else None
        codes = {each["code"] for each in latest.findings} if latest is not None else set()
        return codes - {_EMPTY_ALIAS} == {_NO_POLICY}

    @property
    def is_unverifiable(self) -> bool:
        if self.is_unverified_text:
            return self.settled is not Verdict.FAIL
        if self.settled is Verdict.NOT_APPLICABLE or (
            self.settled is None and self.confirmation_suffices
        ):
            return True
        latest = self.check.latest if self.check is not None else None
        if self.settled is not None or latest is None or self.is_proposed:
            return False
        return any(found["code"] in _ONLY_FROM_ALLOWED_VANTAGES for found in latest.findings)


@dataclass(frozen=True)
class TaskEvidence:
    """All subjects that the proof of a task needs."""

    subjects: tuple[ProofSubject, ...]
    # The kinds that the task needs and that have no subject.
    missing: tuple[CheckKind, ...] = ()
    # The subjects of the sources, each of which completes the task without its other checks.
    alternatives: tuple[ProofSubject, ...] = ()
    # Neither a check nor a source reads the tenant's mail system: confirmations complete the task.
    is_without_source: bool = False

    @property
    def is_verified(self) -> bool:
        """Whether the checks or one of the sources prove the task, and no source disproves it."""
        if any(each.settled is Verdict.FAIL for each in self.alternatives):
            return False
        return self._is_verified_by_checks or (
            not self.failing and any(each.is_verified for each in self.alternatives)
        )

    @property
    def _is_verified_by_checks(self) -> bool:
        """Whether every applicable subject has settled on a passing verdict, and there is one."""
        counted = [
            s
            for s in self.subjects
            if s.settled is not Verdict.NOT_APPLICABLE and not s.is_unverified_text
        ]
        return bool(counted) and not self.missing and all(s.is_verified for s in counted)

    @property
    def has_no_policy(self) -> bool:
        """Whether there is nothing to change, because no domain publishes an MTA-STS policy."""
        return bool(self.subjects) and all(s.has_no_policy for s in self.subjects)

    @property
    def proving_subjects(self) -> tuple[ProofSubject, ...]:
        """The subjects of the checks, and of the sources that prove the task."""
        return (*self.subjects, *(each for each in self.alternatives if each.is_verified))

    @cached_property
    def verified_subjects(self) -> tuple[ProofSubject, ...]:
        return tuple(
            s
            for s in (*self.subjects, *self.alternatives)
            if s.settled is not None and s.settled.is_passing
        )

    @cached_property
    def verified_domain_ids(self) -> frozenset[int]:
        """The domains all of whose subjects are verified."""
        ids: dict[int, bool] = {}
        for subject in self.subjects:
            domain_id = subject.check.domain_id if subject.check is not None else None
            if domain_id is not None and not subject.is_unverified_text:
                ids[domain_id] = ids.get(domain_id, True) and subject.is_verified
        return frozenset(domain_id for domain_id, is_verified in ids.items() if is_verified)

    @cached_property
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

        A check does not apply, or a port answers Mimecast only, as it should. A source is optional,
        unless its facts show that the task is not done.
        """
        if self.is_without_source:
            return True
        if any(each.settled is Verdict.FAIL for each in self.alternatives):
            return False
        if self.alternatives and not self.subjects and not self.missing:
            return True
        left = [subject for subject in self.subjects if not subject.is_verified]
        return bool(left) and not self.missing and all(s.is_unverifiable for s in left)

    @property
    def failing(self) -> tuple[ProofSubject, ...]:
        return tuple(
            s
            for s in (*self.subjects, *self.alternatives)
            if s.settled is Verdict.FAIL and not s.is_unverified_text
        )

    @property
    def contradicting_messages(self) -> tuple[ProofSubject, ...]:
        """The subjects for which a message shows that the task is not done."""
        return tuple(s for s in self.subjects if s.contradicts)

    @property
    def is_open(self) -> bool:
        """Whether a subject has no settled verdict yet, and no source proves the task."""
        if self.is_verified:
            return False
        if self.alternatives and not self.subjects:
            return all(each.settled is None for each in self.alternatives)
        return bool(self.missing) or any(
            s.settled is None for s in self.subjects if not s.is_unverified_text
        )


def is_for_platform(kind: CheckKind, tenant: Tenant) -> bool:
    """Whether the source of the kind, if it has one, reads the tenant's mail platform."""
    source = SOURCE_OF_KIND.get(kind)
    return source is None or tenant.platform in source.platforms


def label_of_source(kind: CheckKind) -> str:
    """The source of the facts of a check, for “Verified by …”."""
    if kind in SOURCE_OF_KIND:
        return SOURCE_OF_KIND[kind].title
    if kind in MESSAGE_KINDS:
        return "a test message"
    return "a connection test" if kind in PURPOSE_BY_KIND else "DNS"


def completing_kinds(task: Task, tenant: Tenant) -> list[CheckKind]:
    """The kinds of the sources that read the tenant's mail platform and complete the task there.

    Empty at a platform that no source reads. A confirmation then completes the task.
    """
    kinds = [kind for kind in task.source_kinds if not _sees_half(kind, tenant)]
    return needed_kinds(kinds, tenant)


def supporting_kinds(task: Task, tenant: Tenant) -> list[str]:
    """The kinds whose evidence is shown with the task, and which do not complete it."""
    return [*task.evidence_kinds, *(k for k in task.source_kinds if _sees_half(k, tenant))]


def _sees_half(kind: str, tenant: Tenant) -> bool:
    rule = SOURCE_OF_KIND[CheckKind(kind)].rule_for(CheckKind(kind))
    return tenant.platform in rule.half_of


def needed_kinds(kinds: Iterable[str], tenant: Tenant) -> list[CheckKind]:
    """The check kinds of a task that apply to the tenant's profile."""
    wanted = [CheckKind(kind) for kind in kinds if is_for_platform(CheckKind(kind), tenant)]
    if tenant.directory_method != DirectoryMethod.LDAP:
        wanted = [kind for kind in wanted if kind is not CheckKind.LDAPS]
    if tenant.platform not in _OWN_MAIL_HOSTS:
        wanted = [kind for kind in wanted if kind is not CheckKind.SMTP]
    return wanted


def evidence_for(
    task: Task,
    tenant: Tenant,
    *,
    checks: Mapping[SubjectKey, Check],
    domains: Sequence[Domain],
    hosts: Sequence[Host],
    kinds: Iterable[str] | None = None,
    progress: Mapping[int, DomainProgress] = MappingProxyType({}),
    drifted_since: Mapping[int, datetime] = MappingProxyType({}),
    pending_messages: Container[int] = frozenset(),
    earlier_messages: Mapping[int, tuple[ReceivedMessage, ...]] = MappingProxyType({}),
    now: datetime | None = None,
) -> TaskEvidence:
    """The subjects of `kinds` (by default those that prove the task) and their checks.

    `checks` is the result of `checks_by_subject`. `domains` are the domains in scope, without the
    exempt ones. `progress` are the task's rows by domain id: a message proves the outbound cutover
    only if it was signed after the confirmation.
    `drifted_since` has the opening of each open drift by check id, `pending_messages` the ids of
    the checks with a message that waits for its run, `earlier_messages` those before the newest by
    check id. `now` is the time of the states.
    """
    wanted = needed_kinds(task.check_kinds if kinds is None else kinds, tenant)
    completing = completing_kinds(task, tenant) if kinds is None else []
    if not wanted and not completing:
        is_checked = bool(task.check_kinds or task.source_kinds)
        return _WITHOUT_SOURCE if kinds is None and is_checked else _NO_EVIDENCE
    subjects: list[ProofSubject] = []
    missing: list[CheckKind] = []
    for kind in wanted:
        of_kind = list(_subjects(kind, task, checks, domains, hosts, progress))
        if tenant.platform == Platform.HYBRID:
            halves = {str(domain): sending_platforms(task, domain) for domain in domains}
            of_kind = [_of_its_halves(subject, halves) for subject in of_kind]
        subjects += [
            _with_state(subject, drifted_since, pending_messages, now, earlier_messages)
            for subject in of_kind
        ]
        if not of_kind and kind not in SOURCE_KINDS:
            missing.append(kind)
    alternatives = [
        _with_state(subject, drifted_since, pending_messages, now)
        for kind in completing
        for subject in _source_subjects(kind, task, checks, domains)
    ]
    return TaskEvidence(tuple(subjects), tuple(missing), tuple(alternatives))


def checks_by_subject(checks: Iterable[Check]) -> dict[SubjectKey, Check]:
    """The active checks by kind, domain and host."""
    return {(c.kind, c.domain_id, c.host_id): c for c in checks if c.is_active}


_NO_EVIDENCE = TaskEvidence((), ())
_WITHOUT_SOURCE = TaskEvidence((), is_without_source=True)


def _of_its_halves(
    subject: ProofSubject, halves: Mapping[str, tuple[SendingPlatform, ...]]
) -> ProofSubject:
    """Return the subject with the halves that send for its domain, each by its own connector."""
    if not subject.follows_confirmation:
        return subject
    return replace(subject, sending_platforms=halves[subject.name])


def _with_state(
    subject: ProofSubject,
    drifted_since: Mapping[int, datetime],
    pending_messages: Container[int],
    now: datetime | None,
    earlier_messages: Mapping[int, tuple[ReceivedMessage, ...]] = MappingProxyType({}),
) -> ProofSubject:
    check = subject.check
    if check is None:
        return replace(subject, now=now or subject.now)
    return replace(
        subject,
        drifted_since=drifted_since.get(check.pk),
        has_pending_message=check.pk in pending_messages,
        earlier_messages=earlier_messages.get(check.pk, ()),
        now=now or subject.now,
    )


def checks_of_kinds(task: Task, kinds: Sequence[str], tenant: Tenant) -> QuerySet[Check]:
    """The active checks of these kinds about the task, without its exempt domains. One query."""
    exempt = DomainProgress.objects.filter(
        task=task, domain=OuterRef("domain"), exempted_at__isnull=False
    )
    needed = needed_kinds(kinds, tenant)
    checks = Check.objects.filter(tenant=tenant, is_active=True, kind__in=needed)
    return checks.filter(
        Q(host__isnull=False)
        | Q(kind__in=SOURCE_KINDS)
        | Q(domain__role__in=task.domain_roles) & ~Exists(exempt)
    )


_PASSING = [verdict.value for verdict in Verdict if verdict.is_passing]
_HOST_KINDS = [kind.value for kind in PURPOSE_BY_KIND]
_RECORD_KINDS = [
    kind.value
    for kind in CheckKind
    if kind not in PURPOSE_BY_KIND and kind not in MESSAGE_KINDS | SOURCE_KINDS
]
# A check that is neither verified nor unverifiable with any newest answer. The checks of
# records need a settled PASS. A port may also be closed to this worker before its first verdict.
_IS_OPEN = Q(kind__in=_RECORD_KINDS) & ~Q(
    settled_verdict__in=[*_PASSING, Verdict.NOT_APPLICABLE.value]
) | Q(kind__in=_HOST_KINDS, settled_verdict__in=[Verdict.FAIL.value, Verdict.UNKNOWN.value])


def can_change(task: Task, tenant: Tenant, changed: Iterable[Check]) -> bool:
    """Whether the new verdicts of these checks can verify or regress the task, or change whether
    a confirmation suffices.

    Never false where `evaluate` changes the task, and sometimes true where it does not. Costs at
    most one query, whose result does not depend on the number of domains.
    """
    own = [c for c in changed if c.kind in task.check_kinds or c.kind in task.source_kinds]
    if not own:
        return False
    if task.confirmation_suffices or task.source_kinds:
        return True
    if task.verified_at is not None:
        return not all(map(_is_plain_pass, own))
    return not checks_of_kinds(task, task.check_kinds, tenant).filter(_IS_OPEN).exists()


def _is_plain_pass(check: Check) -> bool:
    """A settled pass that counts by its verdict alone, without a confirmation or a time."""
    return (
        check.kind not in MESSAGE_KINDS
        and check.settled_verdict in _PASSING
        and not check.is_proposed
    )


def _subjects(
    kind: CheckKind,
    task: Task,
    by_subject: Mapping[SubjectKey, Check],
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
    if kind in SOURCE_KINDS:
        yield from _source_subjects(kind, task, by_subject, domains)
        return
    # A delivery route is tested with a message to any domain, also where the task lists few roles.
    roles = task.domain_roles
    if kind is CheckKind.DELIVERY_MESSAGE and not task.is_per_domain:
        roles = list(ROLES_BY_KIND[kind])
    for domain in domains:
        if domain.role in roles:
            check = by_subject.get((kind.value, domain.pk, None))
            yield ProofSubject(
                kind,
                str(domain),
                check,
                _confirmation_suffices(kind, task),
                kind is CheckKind.MESSAGE and task.role == TaskRole.SWITCHES_OUTBOUND,
                confirmed_at(task, progress.get(domain.pk)),
                kind is CheckKind.DELIVERY_MESSAGE and task.role == TaskRole.SWITCHES_INBOUND,
                observed_switch(by_subject.get((CheckKind.MX.value, domain.pk, None))),
            )


def _source_subjects(
    kind: CheckKind,
    task: Task,
    by_subject: Mapping[SubjectKey, Check],
    domains: Sequence[Domain],
) -> Iterable[ProofSubject]:
    """The organisation, which one of the domains names.

    A lockdown before the MX switch of every domain loses mail, so that an earlier export does not
    complete it.
    """
    named = organisation_domain(domains)
    if named is None:
        return
    is_lockdown = task.role == TaskRole.LOCKDOWN
    yield ProofSubject(
        kind,
        str(named),
        by_subject.get((kind.value, named.pk, None)),
        confirmation_suffices=True,
        follows_switch=is_lockdown,
        switched_at=last_switch(by_subject, domains) if is_lockdown else None,
    )


def last_switch(
    by_subject: Mapping[SubjectKey, Check], domains: Sequence[Domain]
) -> datetime | None:
    """When the last domain that receives mail was observed with the region's MX hosts alone; None
    while one is left."""
    roles = ROLES_BY_KIND[CheckKind.MX]
    switches = [
        observed_switch(by_subject.get((CheckKind.MX.value, each.pk, None)))
        for each in domains
        if each.role in roles
    ]
    known = [switch for switch in switches if switch is not None]
    return max(known) if known and len(known) == len(switches) else None


def observed_switch(mx_check: Check | None) -> datetime | None:
    """The time at which every name server gave only the region's MX hosts; None before that."""
    if mx_check is None or not mx_check.is_active:
        return None
    verdict = mx_check.settled.verdict
    return mx_check.settled_at if verdict is not None and verdict.is_passing else None


def _confirmation_suffices(kind: CheckKind, task: Task) -> bool:
    """Whether a confirmation suffices without a submitted message.

    A task with a hard gate needs a message for each domain, because mail can be lost. Without a
    known DKIM selector, it waits for the selector. For any other task the message is optional.
    """
    return kind is CheckKind.MESSAGE and not task.is_hard_gate
