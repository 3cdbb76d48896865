"""Hand-off links: what somebody without an account is shown, and the links themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from checks.engine.outcomes import Kind
from checks.models import Check
from onboarding.cutovers import change_sheets
from onboarding.cutovers.records import RecordToPublish, records_for
from onboarding.errors import OnboardingError
from onboarding.models import Cutover, CutoverDomain, HandOff, Plan, Task
from onboarding.plans.judging import Ground
from onboarding.plans.proof import Subject
from onboarding.plans.rows import Reader, TaskRow, rows_of
from onboarding.queries import tasks_of
from tenants.links import LinkState, Purpose, digest_of, issue_token
from tenants.models import Domain, Tenant, User
from tenants.regions import Region
from tenants.services import write_activity

DAYS = (1, 7, 14, 30)


@dataclass(frozen=True)
class SheetItem:
    """One step for the outsider. A step whose turn has not come shows no record to publish.
    `takes_away`: what publishing these records would remove, and nobody here knows. `not_before`:
    the domains whose window is still ahead, and when it begins."""

    task: Task
    subjects: tuple[Subject, ...]
    records: tuple[RecordToPublish, ...]
    must_wait: bool
    takes_away: tuple[str, ...] = ()
    not_before: tuple[tuple[str, datetime], ...] = ()


@dataclass(frozen=True)
class Sheet:
    """All that a hand-off link shows."""

    hand_off: HandOff
    tenant: Tenant
    items: tuple[SheetItem, ...]

    @property
    def checks(self) -> list[Check]:
        found = [s.check for item in self.items for s in item.subjects if s.check is not None]
        return list({check.pk: check for check in found}.values())

    @property
    def revision(self) -> str:
        """Changes whenever something shown may have changed, and tells nothing else."""
        looks = sum(check.latest.looks for check in self.checks if check.latest is not None)
        settled = sum(1 for check in self.checks if check.settled_verdict)
        complete = sum(item.task.is_complete for item in self.items)
        waiting = sum(len(item.not_before) for item in self.items)
        return f"{looks}-{settled}-{complete}-{waiting}"


def hand_off(
    plan: Plan, subject: Task | Domain, *, recipient: str, days: int, by: User
) -> tuple[HandOff, str]:
    """A link for one task or one domain, and its token, which is shown once and never stored."""
    if isinstance(subject, Task) and (subject.is_group or not subject.applies):
        raise OnboardingError("There is nothing to hand off in this task.")
    issued = issue_token(Purpose.HAND_OFF)
    is_task = isinstance(subject, Task)
    with transaction.atomic():
        made = HandOff.objects.create(
            plan=plan,
            task=subject if isinstance(subject, Task) else None,
            domain=subject if isinstance(subject, Domain) else None,
            recipient=recipient,
            token_hash=issued.digest,
            created_by=by,
            expires_at=timezone.now() + timedelta(days=days),
        )
        write_activity(
            plan.tenant,
            "handoff-created",
            by=by,
            handoff=made.public_id,
            recipient=recipient,
            subject=str(subject),
            of="task" if is_task else "domain",
            expires_at=made.expires_at.isoformat(),
        )
    return made, issued.token


def find(token: str) -> tuple[LinkState, HandOff | None]:
    """What a link's token stands for, and whether it still opens anything."""
    digest = digest_of(token, Purpose.HAND_OFF)
    related = HandOff.objects.select_related("plan__tenant", "task", "domain", "created_by")
    found = related.filter(token_hash=digest).first() if digest else None
    if found is None:
        return LinkState.UNKNOWN, None
    if found.revoked_at is not None or found.plan.tenant.is_closed:
        return LinkState.REVOKED, found
    return (LinkState.EXPIRED if found.is_expired else LinkState.OPEN), found


def revoke(made: HandOff, *, by: User) -> None:
    """The link opens nothing from the next request on. Revoking twice is the same as once."""
    with transaction.atomic():
        rows = HandOff.objects.filter(pk=made.pk, revoked_at=None)
        if rows.update(revoked_at=timezone.now()):
            write_activity(
                made.plan.tenant,
                "handoff-revoked",
                by=by,
                handoff=made.public_id,
                recipient=made.recipient,
            )


def revoke_all(links: QuerySet[HandOff], *, by: User) -> None:
    for made in links.filter(revoked_at=None).select_related("plan__tenant"):
        revoke(made, by=by)


def note_act(made: HandOff, act: str) -> None:
    """A line for each view and act of somebody who has no account; address and agent come with
    the request."""
    write_activity(
        made.plan.tenant, act, handoff=made.public_id, recipient=made.recipient, subject=str(made)
    )


def note_view(made: HandOff) -> None:
    with transaction.atomic():
        HandOff.objects.filter(pk=made.pk).update(views=F("views") + 1, viewed_at=timezone.now())
        note_act(made, "handoff-viewed")


def hand_offs_of(tenant: Tenant) -> QuerySet[HandOff]:
    return (
        HandOff.objects.filter(plan__tenant=tenant)
        .select_related("task", "domain", "created_by")
        .order_by("-created_at")
    )


def sheet_of(made: HandOff) -> Sheet:
    """The steps that the link speaks of: its one task, or those of its one domain."""
    tenant = made.plan.tenant
    ground = Ground.of(tenant)
    rows = rows_of(list(tasks_of(made.plan)), ground, Reader())
    ahead = _windows_ahead(made.plan)
    items = [_item(row, _concerned(row, made), ground, ahead) for row in rows]
    return Sheet(made, tenant, tuple(item for item in items if item is not None))


def _concerned(row: TaskRow, made: HandOff) -> Sequence[Subject] | None:
    """The subjects the outsider is to see; None when the step is not theirs to see at all."""
    if row.task.is_group or not row.task.applies:
        return None
    if made.task_id is not None:
        return row.evidence.subjects if row.task.pk == made.task_id else None
    of_domain = [
        s
        for s in row.evidence.subjects
        if s.check is not None and s.check.domain_id == made.domain_id
    ]
    return of_domain or None


def _windows_ahead(plan: Plan) -> dict[int, datetime]:
    """By domain, when the window begins in which its inbound mail is to be switched."""
    chosen = CutoverDomain.objects.filter(
        cutover__plan=plan,
        direction=Cutover.Direction.INBOUND,
        cutover__planned_at__gt=timezone.now(),
    )
    return dict(chosen.values_list("domain_id", "cutover__planned_at"))


def _item(
    row: TaskRow, subjects: Sequence[Subject] | None, ground: Ground, ahead: Mapping[int, datetime]
) -> SheetItem | None:
    if subjects is None:
        return None
    # A hard gate passed before its turn, an MX record above all, loses mail.
    must_wait = row.task.is_hard_gate and bool(row.waits_for) and not row.task.is_complete
    wanted = [] if must_wait else [s for s in subjects if s in row.open_subjects]
    region = ground.tenant.region_values
    records = tuple(record for subject in wanted for record in records_for(subject, region))
    away = _taken_away(wanted, region, {host.name for host in ground.hosts})
    moves = [s.check for s in wanted if s.kind is Kind.MX and s.check is not None]
    begins = ((check.subject, ahead.get(check.domain_id or 0)) for check in moves)
    not_before = tuple((name, at) for name, at in begins if at is not None)
    return SheetItem(row.task, tuple(subjects), records, must_wait, away, not_before)


def _taken_away(wanted: Sequence[Subject], region: Region, hosts: set[str]) -> tuple[str, ...]:
    """What the change sheets of these subjects want somebody's agreement to."""
    sheets = [
        change_sheets.sheet_of(subject, region, hosts=hosts)
        for subject in wanted
        if subject.kind in (Kind.MX, Kind.SPF)
    ]
    return tuple(value for sheet in sheets if sheet is not None for value in sheet.unknown)
