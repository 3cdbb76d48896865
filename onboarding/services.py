"""Writes: making a plan, and keeping it in line with the profile."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from checks.models import Check
from checks.subjects import keep_checks
from onboarding.blueprints.blueprint import Blueprint, TaskBlueprint, applies, is_optional
from onboarding.blueprints.on_record import blueprint_of, newest_template
from onboarding.errors import OnboardingError
from onboarding.models import Mark, Phase, Plan, Task
from onboarding.plans.dates import anchors_of, calendar_of, due_on, follow_dates
from onboarding.plans.holding import hold_plan
from onboarding.plans.judging import Ground, reassess
from onboarding.plans.standing import refresh_states
from onboarding.sheets.keeping import make_sheets
from tenants.models import Domain, Host, Tenant, User
from tenants.services import write_activity


@dataclass(frozen=True)
class DomainEntry:
    """A domain as entered: normalised name, role, and the code that Mimecast issued, if known."""

    name: str
    role: str
    ownership_token: str = ""
    ownership_label: str = ""
    dkim_selectors: str = ""
    ttl_before: int | None = None


@dataclass(frozen=True)
class HostEntry:
    """A host as entered; `consent`: the client agrees that we connect to it."""

    purpose: str
    name: str
    port: int
    consent: bool = False
    recipient: str = ""


@dataclass(frozen=True)
class NewTenant:
    """All that creating a tenant takes. `profile` holds Tenant's own fields."""

    profile: dict[str, Any]
    domains: Sequence[DomainEntry]
    hosts: Sequence[HostEntry] = field(default_factory=tuple)


def create_tenant(entry: NewTenant, *, by: User | None) -> Tenant:
    """A tenant with its domains, hosts, checks and plan, or none of it."""
    with transaction.atomic():
        tenant = Tenant.objects.create(**entry.profile)
        Domain.objects.bulk_create(
            Domain(
                tenant=tenant,
                name=domain.name,
                role=domain.role,
                ownership_token=domain.ownership_token,
                ownership_label=domain.ownership_label,
                dkim_selectors=domain.dkim_selectors,
                ttl_before=domain.ttl_before,
            )
            for domain in entry.domains
        )
        Host.objects.bulk_create(
            Host(
                tenant=tenant,
                purpose=host.purpose,
                name=host.name,
                port=host.port,
                recipient=host.recipient,
            )
            for host in entry.hosts
        )
        keep_checks(tenant)
        create_plan(tenant)
        write_activity(tenant, "tenant-created", by=by, domains=[d.name for d in entry.domains])
        agreed = {(host.purpose, host.name, host.port) for host in entry.hosts if host.consent}
        if agreed:
            hosts = {host.pk for host in tenant.hosts.all() if _key_of(host) in agreed}
            set_consent(tenant, hosts, by=by)
    return tenant


def _key_of(host: Host) -> tuple[str, str, int]:
    return (host.purpose, host.name, host.port)


def set_consent(tenant: Tenant, agreed: Collection[int], *, by: User | None) -> list[Check]:
    """The client agrees to our connecting to exactly these of its hosts, and to no other.

    Returns the checks of hosts that may be looked at from now on.
    """
    hosts = Host.objects.filter(tenant=tenant)
    given = list(hosts.filter(pk__in=agreed, consented_at__isnull=True))
    withdrawn = list(hosts.exclude(pk__in=agreed).filter(consented_at__isnull=False))
    for rows, act, at in (
        (given, "consent-given", timezone.now()),
        (withdrawn, "consent-withdrawn", None),
    ):
        if rows:
            Host.objects.filter(pk__in=[host.pk for host in rows]).update(
                consented_at=at, consented_by=by if at else None
            )
            write_activity(tenant, act, by=by, names=[str(host) for host in rows])
    return list(Check.objects.filter(host__in=given, is_active=True))


def create_plan(tenant: Tenant) -> Plan:
    """The newest template as the tenant's own plan, with what its profile leaves out marked so."""
    template = newest_template()
    if template is None:
        raise OnboardingError("No plan template is loaded yet: run manage.py load_templates.")
    blueprint = blueprint_of(template)
    plan = Plan.objects.create(tenant=tenant, template=template)
    phases = Phase.objects.bulk_create(
        Phase(plan=plan, key=phase.key, position=position, title=phase.title, summary=phase.summary)
        for position, phase in enumerate(blueprint.phases)
    )
    _create_tasks(plan, {phase.key: phase for phase in phases}, blueprint)
    make_sheets(plan)
    refresh_states(plan)
    return plan


def _create_tasks(plan: Plan, phases: dict[str, Phase], blueprint: Blueprint) -> None:
    """Groups before what stands in them, each generation at once.

    Nothing was looked at yet and no cutover is planned, so that each is made as it stands then:
    with its day, and as people's word where no look could ever prove it.
    """
    made: dict[str, Task] = {}
    profile = plan.tenant.profile
    ground = Ground.of(plan.tenant, exempt=frozenset())
    calendar = calendar_of(plan.tenant)
    anchors = anchors_of(plan, calendar, cutovers=())

    def task_of(position: int, item: TaskBlueprint) -> Task:
        applicable, reason = applies(item, profile)
        task = Task(
            plan=plan,
            phase=phases[item.phase],
            parent=made[item.parent] if item.parent else None,
            position=position,
            is_group=item.key in blueprint.groups,
            is_optional=is_optional(item, profile),
            applies=applicable,
            not_applicable_because=reason,
            **columns_of(item),
        )
        if applicable and not task.is_group:
            task.due_on = due_on(task, anchors, calendar)
            task.is_by_word = bool(task.check_kinds) and ground.evidence(task).is_beyond_us
        return task

    left = list(enumerate(blueprint.tasks))
    while left:
        ready = [(n, item) for n, item in left if not item.parent or item.parent in made]
        tasks = Task.objects.bulk_create(task_of(n, item) for n, item in ready)
        made |= {task.key: task for task in tasks}
        left = [(n, item) for n, item in left if item.key not in made]


def columns_of(item: TaskBlueprint) -> dict[str, Any]:
    """What a task takes over from the template."""
    return {
        "key": item.key,
        "title": item.title,
        "instructions": item.do,
        "shown_by": item.shown_by,
        "links": [{"title": link.title, "url": link.url} for link in item.links],
        "responsibility": item.responsibility,
        "responsibility_stated": item.stated,
        "depends_on": list(item.depends_on),
        "check_kinds": list(item.check_kinds),
        "evidence_kinds": list(item.supports),
        "domain_roles": list(item.domain_roles),
        "is_per_domain": item.per_domain,
        "is_hard_gate": item.gate == "hard",
        "due_from": item.due.anchor if item.due else "",
        "due_working_days": item.due.working_days if item.due else 0,
        "waits_after": item.waits.after if item.waits else "",
        "waits_days": item.waits.days if item.waits else None,
    }


def follow_profile(tenant: Tenant) -> list[Check]:
    """Bring checks and plan in line after the profile, a domain, a host or the region changed.

    Tasks come in and go out; nothing that was done, said or proven is lost. Returns new checks.
    """
    with transaction.atomic():
        added = keep_checks(tenant)
        plan = tenant.plan
        items = {item.key: item for item in blueprint_of(plan.template).tasks}
        hold_plan(plan.pk)
        for task in Task.objects.filter(plan=plan, is_own=False, key__in=items):
            if _fit(task, items[task.key], tenant.profile):
                write_activity(tenant, "decline-ended", task=task.title, task_id=task.public_id)
        # A step that came in has none yet, and another time zone may make another day.
        follow_dates(plan)
        reassess(plan)
        # A plan that is older than a kind of sheet gets it here.
        make_sheets(plan)
    return added


def _fit(task: Task, item: TaskBlueprint, profile: dict[str, object]) -> bool:
    """Bring the task in line with the profile; whether that ended a decline."""
    applicable, reason = applies(item, profile)
    columns = {
        "applies": applicable,
        "not_applicable_because": reason,
        "is_optional": is_optional(item, profile),
    }
    if all(getattr(task, name) == value for name, value in columns.items()):
        return False
    ended = without_decline(task, is_optional=is_optional(item, profile))
    columns |= ended
    for name, value in columns.items():
        setattr(task, name, value)
    task.save(update_fields=list(columns))
    return "mark" in ended


def without_decline(task: Task, *, is_optional: bool) -> dict[str, Any]:
    """What else changes where an optional task becomes a required one: nobody can decline that, so
    it is open again, and no undoing declines it anew."""
    if is_optional or not task.is_optional:
        return {}
    if task.mark != Mark.DECLINED:
        return {"undo": None}
    return {
        "undo": None,
        "mark": Mark.NONE,
        "mark_because": "",
        "marked_at": None,
        "marked_by": None,
    }


def change_profile(tenant: Tenant, *, before: dict[str, Any], by: User) -> None:
    """Note what a saved profile changed, and let checks and plan follow."""
    after = {name: getattr(tenant, name) for name in before}
    changes = {
        name: [str(before[name]), str(after[name])]
        for name in before
        if before[name] != after[name]
    }
    with transaction.atomic():
        follow_profile(tenant)
        if changes:
            write_activity(tenant, "profile-changed", by=by, changes=changes)


def note_subjects(
    tenant: Tenant,
    *,
    by: User,
    added: Sequence[str],
    changed: Sequence[str],
) -> None:
    """Lines for domains and hosts that came, or got another role or code."""
    acts = {"subjects-added": added, "subjects-changed": changed}
    for act, names in acts.items():
        if names:
            write_activity(tenant, act, by=by, names=list(names))
