"""A cutover's room: what its page needs, gathered once from what is stored."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from django.conf import settings

from checks.clocks import Clock
from checks.engine.outcomes import Kind
from checks.engine.servers import ANSWERED
from checks.models import Check, Observation
from onboarding.cutovers.afterwards import MESSAGE_TASKS, Switched
from onboarding.cutovers.clashes import Surroundings
from onboarding.cutovers.freezes import freezes_for
from onboarding.cutovers.on_call import on_call_of
from onboarding.cutovers.room_facts import Facts, is_stale
from onboarding.cutovers.windows import OPENS_BEFORE, is_open
from onboarding.models import Cutover, DomainPart, EvidenceFile, OnCall, Plan, Responsibility, Task
from onboarding.plans.dates import calendar_of
from onboarding.plans.judging import Ground
from onboarding.plans.proof import Subject
from onboarding.plans.safety import clock_of
from tenants.regions import Region

# The tasks whose domains each question of the readiness is asked for.
TASK_OF_KIND = {
    Kind.OWNERSHIP: "domain-ownership",
    Kind.SPF: "spf-update",
    Kind.DKIM: "dkim-update",
    Kind.DMARC: "outbound-cutover",
    Kind.MTA_STS: "mx-record-cutover",
    Kind.MX_TTL: "mx-ttl-update",
    Kind.MX: "mx-record-cutover",
    Kind.MESSAGE: "outbound-cutover",
    Kind.LOCKDOWN: "connection-lockdown",
    Kind.SMTP: "data-centers-urls",
}


def narrowed(ground: Ground, cutover: Cutover) -> Ground:
    """The same with the cutover's domains alone."""
    chosen = {domain.pk for domain in cutover.domains.all()}
    return replace(ground, domains=[d for d in ground.domains if d.pk in chosen])


def facts_of(
    cutover: Cutover,
    tasks: Iterable[Task],
    ground: Ground,
    history: Sequence[Observation],
    region: Region,
    *,
    now: datetime,
) -> Facts:
    """What the readiness rests on: the cutover's own domains, and what is the whole tenant's.
    `history` holds every sight of the tenant's MX TTL checks."""
    by_key = {task.key: task for task in tasks}
    ground = narrowed(ground, cutover)
    subjects = {
        kind: ground.evidence(by_key[key], [kind.value]).subjects
        for kind, key in TASK_OF_KIND.items()
        if key in by_key
    }
    zone = zoneinfo.ZoneInfo(ground.tenant.time_zone)
    is_inbound = cutover.direction == Cutover.Direction.INBOUND
    since = _outbound_since(by_key.get("outbound-cutover"), ground) if is_inbound else None
    facts = Facts(
        cutover,
        by_key,
        subjects,
        [],
        zone,
        now,
        is_open(cutover, now),
        since,
        _messages_kept(cutover, by_key, now) if is_inbound else (),
    )
    ttls = facts.of(Kind.MX_TTL)
    clocks = [(subject.name, clock_now(subject, facts, history, region)) for subject in ttls]
    return replace(facts, clocks=clocks)


def _messages_kept(
    cutover: Cutover, by_key: Mapping[str, Task], now: datetime
) -> Sequence[EvidenceFile]:
    opened_at = cutover.planned_at - OPENS_BEFORE
    tasks = [by_key[key].pk for key in MESSAGE_TASKS if key in by_key]
    if now < opened_at or not tasks:
        return ()
    kept = EvidenceFile.objects.filter(
        task__in=tasks, content_type="message/rfc822", uploaded_at__gte=opened_at
    )
    return list(kept.select_related("uploaded_by").order_by("uploaded_at", "pk"))


def clock_now(
    subject: Subject, facts: Facts, history: Sequence[Observation], region: Region
) -> Clock:
    """One domain's own clock. Nothing is called safe by what nobody has looked at lately."""
    check = subject.check
    if check is None or is_stale(check, facts):
        return Clock(None)
    return clock_of(check, _seen_by(check, history), region) or Clock(None)


def moves_everywhere(tasks: Iterable[Task], ground: Ground) -> Sequence[Subject]:
    """The MX of every domain that is to move, whichever cutover it is in."""
    task = next((task for task in tasks if task.key == TASK_OF_KIND[Kind.MX]), None)
    return ground.evidence(task, [Kind.MX.value]).subjects if task is not None else ()


def _outbound_since(task: Task | None, ground: Ground) -> datetime | None:
    """Since when mail of all of these domains leaves through Mimecast: by a proven message, or by
    the client's word where no message can be asked for. None where it cannot be told for one."""
    if task is None or not ground.domains:
        return None
    words = DomainPart.objects.filter(task=task, domain__in=[d.pk for d in ground.domains])
    said = {str(part.domain): _said_at(part, task) for part in words.select_related("domain")}
    moments = [
        subject.check.yes_at
        if subject.check is not None and subject.is_proven
        else (said.get(subject.name) if subject.check is None else None)
        for subject in ground.evidence(task, [Kind.MESSAGE.value]).subjects
    ]
    known = [moment for moment in moments if moment is not None]
    return max(known) if known and len(known) == len(moments) else None


def _said_at(part: DomainPart, task: Task) -> datetime | None:
    """When the last side that has to had confirmed the domain's part."""
    sides = [
        (Responsibility.MIMECAST, part.mimecast_confirmed_at),
        (Responsibility.CLIENT, part.client_confirmed_at),
    ]
    wanted = [at for side, at in sides if task.responsibility in (side, Responsibility.BOTH)]
    known = [at for at in wanted if at is not None]
    return max(known) if len(known) == len(wanted) else None


def _seen_by(check: Check, history: Sequence[Observation]) -> list[Observation]:
    return [seen for seen in history if seen.check_asked_id == check.pk]


def surroundings(plan: Plan, own: Sequence[Cutover]) -> Surroundings:
    """What speaks against the windows of a tenant's `own` cutovers, in seven queries at most."""
    tenant = plan.tenant
    on_call = list(on_call_of(own, tenant))
    elsewhere = Cutover.objects.none()
    if tenant.consultant_id is not None:
        elsewhere = Cutover.objects.filter(
            plan__tenant__consultant=tenant.consultant_id, plan__tenant__archived_at__isnull=True
        ).exclude(plan=plan)
    return Surroundings(
        own,
        list(elsewhere),
        calendar_of(tenant),
        dict(tenant.holidays.values_list("day", "name")),
        list(freezes_for(tenant)),
        on_call,
        list(_elsewhere_on_call(plan, on_call)),
    )


def switched(
    facts: Facts,
    moves: Iterable[Subject],
    history: Sequence[Observation],
    clocks: Mapping[str, Clock],
) -> list[Switched]:
    """Domains after their switch, those of this cutover and all others that are to move: the old
    hosts are the tenant's. `clocks` are those of the lockdown, by domain; `history` tells which TTL
    there was before the window opened."""
    opened_at = facts.cutover.planned_at - OPENS_BEFORE
    own = {subject.name for subject in facts.of(Kind.MX)}
    return [
        Switched(
            subject.name,
            clocks.get(subject.name),
            None if check is None or is_stale(check, facts) else _lowest_ttl(check.latest),
            _highest_ttl(facts, check, history, before=opened_at) if check is not None else 0,
            is_own=subject.name in own,
        )
        for subject in moves
        for check in [subject.check]
    ]


def _ttls(seen: Observation | None) -> list[int | None]:
    rows = seen.evidence.get("servers") or [] if seen is not None else []
    return [row.get("ttl") for row in rows if row.get("status") in ANSWERED]


def _lowest_ttl(seen: Observation | None) -> int | None:
    """None where a server told none: then it is not known to be raised everywhere."""
    known = [ttl for ttl in _ttls(seen) if ttl is not None]
    return min(known) if known and len(known) == len(_ttls(seen)) else None


def _highest_ttl(
    facts: Facts, check: Check, history: Sequence[Observation], *, before: datetime
) -> int:
    typed = check.domain.ttl_before if check.domain is not None else None
    of_domain = {
        subject.check.pk
        for kind in (Kind.MX, Kind.MX_TTL)
        for subject in facts.of(kind)
        if subject.check is not None and subject.check.domain_id == check.domain_id
    }
    seen = [
        ttl
        for each in history
        if each.check_asked_id in of_domain and each.first_seen_at < before
        for ttl in _ttls(each)
        if ttl is not None
    ]
    highest = max([*seen, typed or 0])
    # One that was never higher had been lowered before anybody saw it.
    return highest if highest > settings.CHECKS_TTL_THRESHOLD_SECONDS else 0


def _elsewhere_on_call(plan: Plan, on_call: Sequence[OnCall]) -> Iterable[OnCall]:
    """The same people at other tenants' windows. Contacts are one tenant's own."""
    people = {each.user_id for each in on_call if each.user_id is not None}
    if not people:
        return []
    others = OnCall.objects.filter(
        user__in=people, cutover__plan__tenant__archived_at=None, cutover__dropped_at=None
    )
    return others.exclude(cutover__plan=plan).select_related("user", "cutover")
