"""The facts that decide about the tasks of a plan, read once."""

from __future__ import annotations

import zoneinfo
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Self, TypeVar

from django.db.models import Exists, OuterRef, QuerySet

from checks.expectations import PURPOSE_BY_KIND
from checks.models import Check, SubmittedMessage
from checks.queries import checks_of
from onboarding.models import Task
from onboarding.plans.current_state import open_drift_of_check
from onboarding.plans.domain_progress import (
    ExemptPairs,
    ProgressByTask,
    exempt_pairs_from,
    facts_by_task,
    facts_by_tenant,
)
from onboarding.plans.earlier_messages import earlier_messages
from onboarding.plans.proof import (
    SubjectKey,
    TaskEvidence,
    checks_by_subject,
    evidence_for,
    last_switch,
    supporting_kinds,
)
from onboarding.plans.received_messages import ReceivedMessage
from tenants import database_time
from tenants.models import Domain, Host, Tenant


@dataclass(frozen=True)
class PlanContext:
    """The facts that decide about a plan's tasks, read once."""

    tenant: Tenant
    checks: Sequence[Check]
    domains: Sequence[Domain]
    hosts: Sequence[Host]
    progress: ProgressByTask = field(default_factory=dict)
    # The opening of the open drift of each drifted check, by check id.
    drifted_since: Mapping[int, datetime] = field(default_factory=dict)
    # The ids of the checks with a submitted message that waits for its run.
    pending_messages: frozenset[int] = frozenset()
    # The messages before the newest one, by the id of a check whose newest one decides nothing.
    earlier_messages: Mapping[int, tuple[ReceivedMessage, ...]] = field(default_factory=dict)
    # The time of the current states.
    now: datetime = field(default_factory=database_time.known_now)

    @classmethod
    def of(
        cls,
        tenant: Tenant,
        progress: ProgressByTask | None = None,
        *,
        kinds: Collection[str] | None = None,
        domains: Sequence[Domain] | None = None,
    ) -> PlanContext:
        """Read the facts of a tenant, except `progress` and `domains` that were read before.

        With `kinds`: only the checks of these kinds, for `evaluate`, which needs no evidence.
        """
        rows = _annotated(checks_of(tenant))
        if kinds is not None:
            rows = rows.filter(kind__in=kinds).defer("latest__evidence")
        checks = list(rows)
        return cls(
            tenant,
            checks,
            list(tenant.domains.all()) if domains is None else domains,
            _hosts(tenant, kinds),
            facts_by_task(tenant) if progress is None else progress,
            _drifted(checks),
            _pending(checks),
            _earlier(checks),
        )

    @classmethod
    def for_list(cls, tenant: Tenant, progress: ProgressByTask) -> PlanContext:
        """The facts for a list of current states: without findings and evidence. Three queries."""
        rows = Check.objects.filter(tenant=tenant, is_active=True).select_related("latest")
        rows = rows.defer("latest__evidence", "latest__findings")
        checks = list(_annotated(rows))
        domains, hosts = list(tenant.domains.all()), list(tenant.hosts.all())
        domain_by_pk, host_by_pk = {d.pk: d for d in domains}, {h.pk: h for h in hosts}
        for check in checks:
            # One object for each subject. A removed one, which has no active check, is read alone.
            if check.domain_id in domain_by_pk:
                check.domain = domain_by_pk[check.domain_id]
            if check.host_id in host_by_pk:
                check.host = host_by_pk[check.host_id]
        drifted, pending = _drifted(checks), _pending(checks)
        earlier = _earlier(checks)
        return cls(tenant, checks, domains, hosts, progress, drifted, pending, earlier)

    @classmethod
    def of_many(cls, tenants: Collection[Tenant], *, kinds: Collection[str]) -> dict[int, Self]:
        """The facts of several tenants by id, with their checks of these kinds.

        At most four queries.
        """
        of_kinds = Check.objects.filter(tenant__in=tenants, is_active=True, kind__in=kinds)
        rows = of_kinds.select_related("domain", "host__proposed_by", "latest")
        checks = list(_annotated(rows))
        drifted, pending = _drifted(checks), _pending(checks)
        earlier = _earlier(checks)
        checks_by = _by_tenant(checks)
        domains_by = _by_tenant(Domain.objects.filter(tenant__in=tenants))
        hosts = Host.objects.filter(tenant__in=tenants).select_related("proposed_by")
        hosts_by = _by_tenant(hosts if _concern_hosts(kinds) else [])
        progress_by = facts_by_tenant(tenants)
        return {
            tenant.pk: cls(
                tenant,
                checks_by.get(tenant.pk, []),
                domains_by.get(tenant.pk, []),
                hosts_by.get(tenant.pk, []),
                progress_by.get(tenant.pk, {}),
                drifted,
                pending,
                earlier,
            )
            for tenant in tenants
        }

    @cached_property
    def exempt(self) -> ExemptPairs:
        return exempt_pairs_from(self.progress)

    @property
    def confirmed_hosts(self) -> set[str]:
        """The names of the hosts, without those that a client proposed."""
        return {host.name for host in self.hosts if not host.is_proposed}

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.tenant.time_zone)

    @cached_property
    def _by_subject(self) -> dict[SubjectKey, Check]:
        return checks_by_subject(self.checks)

    def domains_of(self, task: Task) -> list[Domain]:
        """The domains that are not exempt from the task."""
        return [d for d in self.domains if (task.pk, d.pk) not in self.exempt]

    @property
    def switched_at(self) -> datetime | None:
        """The last observed MX switch, while every domain that receives mail has switched."""
        return last_switch(self._by_subject, self.domains)

    def supporting_evidence(self, task: Task) -> TaskEvidence:
        """The evidence that is shown with the task and does not complete it."""
        return self.evidence(task, supporting_kinds(task, self.tenant))

    def evidence(self, task: Task, kinds: Sequence[str] | None = None) -> TaskEvidence:
        return evidence_for(
            task,
            self.tenant,
            checks=self._by_subject,
            domains=self.domains_of(task),
            hosts=self.hosts,
            kinds=kinds,
            progress=self.progress.get(task.pk, {}),
            drifted_since=self.drifted_since,
            pending_messages=self.pending_messages,
            earlier_messages=self.earlier_messages,
            now=self.now,
        )


def _hosts(tenant: Tenant, kinds: Collection[str] | None) -> list[Host]:
    """The hosts of the tenant; no query where none of the kinds concerns a host."""
    if kinds is not None and not _concern_hosts(kinds):
        return []
    return list(tenant.hosts.select_related("proposed_by"))


def _concern_hosts(kinds: Collection[str]) -> bool:
    return not {kind.value for kind in PURPOSE_BY_KIND}.isdisjoint(kinds)


def _annotated(rows: QuerySet[Check]) -> QuerySet[Check]:
    pending = SubmittedMessage.objects.filter(check_asked=OuterRef("pk"), finished_at=None)
    return rows.annotate(
        drifted_since=open_drift_of_check("opened_at"), has_pending_message=Exists(pending)
    )


def _drifted(checks: Iterable[Check]) -> dict[int, datetime]:
    found = {check.pk: getattr(check, "drifted_since", None) for check in checks}
    return {pk: since for pk, since in found.items() if since is not None}


def _pending(checks: Iterable[Check]) -> frozenset[int]:
    return frozenset(check.pk for check in checks if getattr(check, "has_pending_message", False))


def _earlier(checks: Sequence[Check]) -> dict[int, tuple[ReceivedMessage, ...]]:
    return earlier_messages(checks, checks_by_subject(checks))


_Row = TypeVar("_Row", Check, Domain, Host)


def _by_tenant(rows: Iterable[_Row]) -> dict[int, list[_Row]]:
    found: dict[int, list[_Row]] = {}
    for row in rows:
        found.setdefault(row.tenant_id, []).append(row)
    return found
