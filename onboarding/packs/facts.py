"""Everything a closing pack tells, as plain values: one source for its page and its JSON.

Internal notes are staff's alone and never in it, nor is anything that tells that there are any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Model, Prefetch
from django.utils import timezone

from checks.models import Observation
from onboarding.cutovers.chronicles import Entry, chronicle
from onboarding.evidence_files import files_of
from onboarding.models import (
    Comment,
    Contact,
    Cutover,
    CutoverSnapshot,
    CutoverVerdict,
    CutoverVote,
    Drift,
    EvidenceFile,
    Phase,
    Sheet,
    Task,
    Watch,
)
from onboarding.packs.names import place_of_file, places_of_sheet
from onboarding.plans.domain_parts import parts_by_task
from onboarding.plans.judging import Ground
from onboarding.plans.proof import Evidence
from onboarding.plans.scopes import PHASE_OF_DIRECTION
from onboarding.sheets.signing import kind_of
from onboarding.talk import comments_by_task
from tenants.models import ActivityChain, ActivityLine, Domain, Host, Tenant, User

Plain = dict[str, Any]
FORMAT = 1


def facts_of(tenant: Tenant) -> Plain:
    """The whole case but its activity and the single observations."""
    return {
        "format": FORMAT,
        "made_at": timezone.now(),
        "tenant": _tenant(tenant),
        "phases": _phases(tenant),
        "cutovers": [_cutover(each) for each in Cutover.everything.filter(plan__tenant=tenant)],
        "sheets": [_sheet(each) for each in _sheets(tenant)],
        "files": [_file(each) for each in files_of(tenant)],
        "contacts": [described(each) for each in Contact.objects.filter(tenant=tenant)],
        "watch": [described(each) for each in Watch.objects.filter(tenant=tenant)],
        "drifts": [described(each) for each in Drift.objects.filter(tenant=tenant)],
    }


def described(row: Model, *, without: Iterable[str] = ()) -> Plain:
    """A row's own columns; people and other rows by what they are called."""
    left_out = {"id", "stored_as", *without}
    return {
        field.name: _value(row, field)
        for field in row._meta.concrete_fields
        if field.name not in left_out and field.related_model is not Tenant
    }


def _value(row: Model, field: Any) -> Any:
    value = getattr(row, field.name)
    if isinstance(value, User):
        return person(value)
    if isinstance(value, Domain | Host):
        return str(value)
    return getattr(value, "public_id", str(value)) if isinstance(value, Model) else value


def person(user: User | None) -> Plain | None:
    return {"id": user.public_id, "name": user.name} if user is not None else None


def _tenant(tenant: Tenant) -> Plain:
    return {
        **described(tenant, without=["region_overrides"]),
        "region_name": tenant.region_values.name,
        "domains": [described(each) for each in Domain.everything.filter(tenant=tenant)],
        "hosts": [described(each) for each in Host.everything.filter(tenant=tenant)],
        "template": tenant.plan.template.version,
    }


# --- The plan


def _phases(tenant: Tenant) -> list[Plain]:
    plan = tenant.plan
    ground = Ground.of(tenant)
    parts = parts_by_task(tenant)
    talk = comments_by_task(plan, is_staff=False)
    tasks = Task.objects.select_related(
        "mimecast_confirmed_by", "client_confirmed_by", "marked_by", "assignee"
    ).order_by("position")
    phases = Phase.objects.filter(plan=plan).prefetch_related(Prefetch("tasks", queryset=tasks))
    return [
        {
            "title": phase.title,
            "tasks": [
                _task(task, ground)
                | {
                    "parts": [described(part) for part in parts.get(task.pk, {}).values()],
                    "comments": [_comment(said) for said in talk.get(task.pk, [])],
                }
                for task in phase.tasks.all()
            ],
        }
        for phase in phases
    ]


def _task(task: Task, ground: Ground) -> Plain:
    return {
        "id": task.public_id,
        "key": task.key,
        "title": task.title,
        "is_group": task.is_group,
        "responsibility": task.responsibility,
        "state": task.state,
        "state_words": task.get_state_display(),
        "state_since": task.state_since,
        "not_applicable_because": task.not_applicable_because,
        "confirmed": list(_confirmations(task)),
        "proven_at": task.proven_at,
        "mark": task.mark,
        "mark_words": task.get_mark_display() if task.mark else "",
        "mark_because": task.mark_because,
        "marked_at": task.marked_at,
        "marked_by": person(task.marked_by),
        "mark_until": task.mark_until,
        "due_on": task.due_on,
        # Which checks prove it, and which only support it.
        "proof": _evidence(ground.evidence(task)) if task.check_kinds else [],
        "support": _evidence(ground.evidence(task, task.evidence_kinds))
        if task.evidence_kinds
        else [],
    }


def _confirmations(task: Task) -> Iterator[Plain]:
    for side, at, by in (
        ("mimecast", task.mimecast_confirmed_at, task.mimecast_confirmed_by),
        ("client", task.client_confirmed_at, task.client_confirmed_by),
    ):
        if at is not None:
            yield {"side": side, "by": person(by), "at": at}


def _evidence(evidence: Evidence) -> list[Plain]:
    return [
        {
            "kind": subject.kind.value,
            "subject": subject.name,
            "check": subject.check.public_id if subject.check is not None else "",
            "settled": subject.settled.value if subject.settled is not None else "",
            "settled_at": subject.check.settled_at if subject.check is not None else None,
            "looked_at": subject.check.looked_at if subject.check is not None else None,
            "observation": _latest(subject.check),
        }
        for subject in evidence.subjects
    ]


def _latest(check: Any) -> str:
    return check.latest.public_id if check is not None and check.latest is not None else ""


def _comment(said: Comment) -> Plain:
    return {
        "id": said.public_id,
        "by": person(said.author),
        "at": said.written_at,
        "body": said.body,
        "asks": said.asks,
        "answered_at": said.answered_at,
        "was_taken_back": said.taken_back_at is not None,
    }


# --- Decisions, sheets and files


def _cutover(cutover: Cutover) -> Plain:
    snapshots = CutoverSnapshot.objects.filter(cutover=cutover).select_related("taken_by")
    votes = CutoverVote.objects.filter(cutover=cutover).select_related("by")
    verdicts = CutoverVerdict.objects.filter(cutover=cutover)
    return described(cutover, without=["plan"]) | {
        "domains": [str(domain) for domain in cutover.domains.all()],
        "ends_at": cutover.ends_at,
        "snapshots": [described(each, without=["cutover"]) for each in snapshots],
        "votes": [described(each, without=["cutover"]) for each in votes],
        "verdicts": [described(each, without=["cutover"]) for each in verdicts],
        "on_call": [
            {"name": str(each), "side": each.side, "phone": each.phone}
            for each in cutover.on_call.select_related("user", "contact")
        ],
        "rehearsals": [
            described(each, without=["cutover"]) for each in cutover.rehearsals.select_related("by")
        ],
        "record": [
            _entry(each) for each in chronicle(cutover, _run_sheet(cutover), is_staff=False)
        ],
    }


def _run_sheet(cutover: Cutover) -> list[Task]:
    wanted = PHASE_OF_DIRECTION[Cutover.Direction(cutover.direction)]
    return list(Task.objects.filter(plan=cutover.plan_id, phase__key=wanted, applies=True))


def _entry(entry: Entry) -> Plain:
    """A moment of the record: a line of the activity by its number, an answer, or what was said."""
    if entry.line is not None:
        return {"at": entry.at, "activity": entry.line.number, "act": entry.line.act}
    if entry.comment is not None:
        said = entry.comment
        return {"at": entry.at, "said": said.body, "by": person(said.author)}
    seen = entry.seen
    assert seen is not None
    return {
        "at": entry.at,
        "observation": seen.public_id,
        "kind": seen.check_asked.kind,
        "subject": seen.check_asked.subject,
        "verdict": seen.verdict,
    }


def _sheets(tenant: Tenant) -> Iterable[Sheet]:
    rows = Sheet.objects.filter(task__plan__tenant=tenant).order_by("task__position")
    return rows.select_related("task", "mimecast_signed_by", "client_signed_by")


def _sheet(sheet: Sheet) -> Plain:
    return {
        "title": kind_of(sheet).title,
        "task": sheet.task.title,
        "rows": sheet.rows_total,
        "signed": [
            {"side": side, "by": person(by), "at": at}
            for side, by, at in sheet.signatures
            if at is not None
        ],
        "files": list(places_of_sheet(sheet)),
    }


def _file(kept: EvidenceFile) -> Plain:
    return {
        "task": kept.task.title,
        "name": kept.name,
        "type": kept.content_type,
        "size": kept.size,
        "sha256": kept.sha256,
        "by": person(kept.uploaded_by),
        "at": kept.uploaded_at,
        "file": place_of_file(kept),
    }


# --- What was seen, and what happened


def observations_of(tenant: Tenant) -> Iterator[Plain]:
    """Everything seen, as intervals, with the digest of the raw answers each rests on."""
    seen = Observation.objects.filter(check_asked__tenant=tenant).select_related(
        "check_asked__domain", "check_asked__host", "raw"
    )
    for each in seen.order_by("check_asked", "first_seen_at", "pk").iterator(chunk_size=1000):
        yield {
            "id": each.public_id,
            "check": each.check_asked.public_id,
            "kind": each.check_asked.kind,
            "subject": each.check_asked.subject,
            **described(each, without=["public_id", "check_asked", "raw"]),
            "raw_sha256": each.raw.digest if each.raw is not None else "",
        }


def activity_of(tenant: Tenant) -> Plain:
    """The log up to now, with all that its hashes are made of, as the hashes take it."""
    chain = ActivityChain.objects.get(scope=tenant.public_id)
    lines = ActivityLine.objects.filter(scope=chain.scope, number__lte=chain.length)
    return {
        "scope": chain.scope,
        "length": chain.length,
        "head": chain.head,
        "lines": [_line(each) for each in lines.select_related("actor").order_by("number")],
    }


def _line(line: ActivityLine) -> Plain:
    return {
        "number": line.number,
        "at": line.at.isoformat(),
        "actor": line.actor.public_id if line.actor is not None else "",
        "actor_name": line.actor.name if line.actor is not None else "",
        "act": line.act,
        "params": line.params,
        "address": line.address,
        "agent": line.agent,
        "previous_hash": line.previous_hash,
        "hash": line.hash,
    }
