"""The files of a closing pack: their names and their contents as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Model, Prefetch

from checks.models import Observation
from onboarding.collaboration.comments import comments_by_task
from onboarding.collaboration.evidence_files import files_of
from onboarding.cutovers.timeline import TimelineEntry, build_timeline
from onboarding.lifecycle.closing_pack.decisions import accepted_risks_of, decision_of
from onboarding.lifecycle.pruning import implementation_observations
from onboarding.models import (
    AcceptedResidualRisk,
    Comment,
    Contact,
    Cutover,
    CutoverDecision,
    CutoverSnapshot,
    CutoverVote,
    Drift,
    EvidenceFile,
    Monitoring,
    Phase,
    RequirementsSheet,
    Task,
)
from onboarding.plans.current_state import tenant_states
from onboarding.plans.domain_progress import progress_by_task
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.planned_cutovers import ROLE_OF_DIRECTION
from onboarding.plans.proof import TaskEvidence
from onboarding.plans.task_fields import rows_for
from onboarding.requirements.exports import file_name
from onboarding.requirements.sign_off import definition_of, unanswered_questions
from tenants import database_time
from tenants.log_verification import Head
from tenants.models import ActivityChain, ActivityLine, Domain, Host, Tenant, User
from tenants.proposals import open_proposals

PAGE = "index.html"
IMPLEMENTATION = "implementation.json"
OBSERVATIONS = "observations.json"
ACTIVITY = "activity.json"
HEADS = "heads.txt"
README = "README.txt"
VERIFY = "verify.py"
DIGESTS = "SHA256SUMS"
FORMAT = 4

JsonObject = dict[str, Any]

_ODD = re.compile(r"[^\w.() -]")


def path_of_file(file: EvidenceFile) -> str:
    """The path of a file in the pack, without characters that would break the list of digests."""
    return f"files/{file.public_id}-{_ODD.sub('_', file.name)}"


def paths_of_sheet(sheet: RequirementsSheet) -> Iterator[str]:
    for ending in ("csv", "xlsx"):
        yield f"sheets/{file_name(sheet, is_full=True, ending=ending)}"


def closing_pack_content(tenant: Tenant) -> JsonObject:
    """The implementation without its activity log and its observations."""
    return {
        "format": FORMAT,
        "made_at": database_time.now(),
        "tenant": _tenant(tenant),
        "phases": _phases(tenant),
        "residual_risks": [_residual_risk(each) for each in accepted_risks_of(tenant)],
        "cutovers": [_cutover(each) for each in Cutover.all_objects.filter(plan__tenant=tenant)],
        "requirements_sheets": [_sheet(each) for each in _sheets(tenant)],
        "files": [_file(each) for each in files_of(tenant)],
        "contacts": [serialize(each) for each in Contact.objects.filter(tenant=tenant)],
        "monitoring": [serialize(each) for each in Monitoring.objects.filter(tenant=tenant)],
        "drifts": [serialize(each) for each in Drift.objects.filter(tenant=tenant)],
        "current_state": _current_state(tenant),
    }


def _current_state(tenant: Tenant) -> JsonObject:
    """The headlines of the tenant when the pack is created."""
    state = tenant_states([tenant], now=database_time.now())[tenant.pk]
    return {"tasks": state.task_headline, "monitoring": state.monitoring_headline}


def serialize(row: Model, *, without: Iterable[str] = ()) -> JsonObject:
    """The columns of a row. People appear with id and name, other rows with public id or name."""
    left_out = {"id", "stored_as", *without}
    return {
        field.name: _value(row, field)
        for field in row._meta.concrete_fields
        if field.name not in left_out and field.related_model is not Tenant
    }


def _value(row: Model, field: Any) -> Any:
    value = getattr(row, field.name)
    if isinstance(value, User):
        return serialize_person(value)
    if isinstance(value, Domain | Host):
        return str(value)
    return getattr(value, "public_id", str(value)) if isinstance(value, Model) else value


def serialize_person(user: User | None) -> JsonObject | None:
    return {"id": user.public_id, "name": user.name} if user is not None else None


def _tenant(tenant: Tenant) -> JsonObject:
    return {
        **serialize(tenant, without=["region_overrides"]),
        "region_name": tenant.region_values.name,
        "domains": [serialize(each) for each in Domain.all_objects.filter(tenant=tenant)],
        "hosts": [serialize(each) for each in Host.all_objects.filter(tenant=tenant)],
        "proposals": [
            {
                "subject": str(each.subject),
                "title": each.title,
                "value": each.proposal.text,
                "label": each.proposal.label,
            }
            for each in open_proposals(
                tenant.domains.all(), tenant.hosts.select_related("proposed_by")
            )
        ],
        "template": tenant.plan.template.version,
    }


# --- The plan


def _phases(tenant: Tenant) -> list[JsonObject]:
    plan = tenant.plan
    plan_context = PlanContext.of(tenant)
    parts = progress_by_task(tenant)
    comments = comments_by_task(plan, is_staff=False)
    tasks = Task.objects.select_related(
        "mimecast_confirmed_by", "client_confirmed_by", "status_set_by", "assignee"
    ).order_by("position")
    phases = Phase.objects.filter(plan=plan).prefetch_related(Prefetch("tasks", queryset=tasks))
    return [
        {
            "title": phase.title,
            "tasks": [
                _task(task, plan_context)
                | {
                    "parts": [serialize(part) for part in parts.get(task.pk, {}).values()],
                    "comments": [_comment(comment) for comment in comments.get(task.pk, [])],
                }
                for task in phase.tasks.all()
            ],
        }
        for phase in phases
    ]


def _task(task: Task, plan_context: PlanContext) -> JsonObject:
    return {
        "id": task.public_id,
        "key": task.key,
        "title": task.title,
        "is_group": task.is_group,
        "responsibility": task.responsibility,
        "status": task.status,
        "status_label": task.get_status_display(),
        "status_changed_at": task.status_changed_at,
        "not_applicable_reason": task.not_applicable_reason,
        "confirmed": list(_confirmations(task)),
        "verified_at": task.verified_at,
        "manual_status": task.manual_status,
        "manual_status_label": task.get_manual_status_display() if task.manual_status else "",
        "status_reason": task.status_reason,
        "status_set_at": task.status_set_at,
        "status_set_by": serialize_person(task.status_set_by),
        "accepted_until": task.accepted_until,
        "due_on": task.due_on,
        "decision": _decision(task) if not task.is_group else None,
        "facts": _facts(task, plan_context),
        # The checks that prove the task, and those that only support it.
        "proof": _evidence(plan_context.evidence(task)),
        "support": _evidence(plan_context.supporting_evidence(task)),
    }


def _facts(task: Task, plan_context: PlanContext) -> list[JsonObject]:
    """The entered values of the task's fields. The files are listed with the other evidence."""
    domains = plan_context.domains_of(task)
    return [
        {"label": row.label, "value": row.text, "by": row.saved_by, "at": row.saved_at}
        for row in rows_for(task, plan_context.tenant, domains, has_file=False)
        if row.value is not None
    ]


def _decision(task: Task) -> JsonObject:
    decision = decision_of(task)
    return {
        "status": decision.status,
        "reason": decision.reason,
        "by": [serialize_person(person) for person in decision.by],
        "at": decision.at,
    }


def _residual_risk(accepted: AcceptedResidualRisk) -> JsonObject:
    return serialize(accepted) | {"label": accepted.get_kind_display()}


def _confirmations(task: Task) -> Iterator[JsonObject]:
    for side, at, by in (
        ("mimecast", task.mimecast_confirmed_at, task.mimecast_confirmed_by),
        ("client", task.client_confirmed_at, task.client_confirmed_by),
    ):
        if at is not None:
            yield {"side": side, "by": serialize_person(by), "at": at}


def _evidence(evidence: TaskEvidence) -> list[JsonObject]:
    return [
        {
            "kind": subject.kind.value,
            "subject": subject.name,
            "check": subject.check.public_id if subject.check is not None else "",
            "settled": subject.settled.value if subject.settled is not None else "",
            # Empty, or the words for a value that no consultant has confirmed.
            "proposed": subject.check.proposed_label if subject.check is not None else "",
            "current_state": subject.state.status.value,
            "current_state_label": subject.state.label,
            "settled_at": subject.check.settled_at if subject.check is not None else None,
            "checked_at": subject.check.checked_at if subject.check is not None else None,
            "observation": _latest(subject.check),
        }
        for subject in (*evidence.subjects, *evidence.alternatives)
    ]


def _latest(check: Any) -> str:
    return check.latest.public_id if check is not None and check.latest is not None else ""


def _comment(comment: Comment) -> JsonObject:
    return {
        "id": comment.public_id,
        "by": serialize_person(comment.author),
        "at": comment.written_at,
        "body": comment.body,
        "asks": comment.asked_side,
        "answered_at": comment.answered_at,
        "is_deleted": comment.deleted_at is not None,
    }


# --- Decisions, sheets and files


def _cutover(cutover: Cutover) -> JsonObject:
    snapshots = CutoverSnapshot.objects.filter(cutover=cutover).select_related("saved_by")
    votes = CutoverVote.objects.filter(cutover=cutover).select_related("by")
    decisions = CutoverDecision.objects.filter(cutover=cutover)
    return serialize(cutover, without=["plan"]) | {
        "domains": [str(domain) for domain in cutover.domains.all()],
        "ends_at": cutover.ends_at,
        "snapshots": [serialize(each, without=["cutover"]) for each in snapshots],
        "votes": [serialize(each, without=["cutover"]) for each in votes],
        "decisions": [serialize(each, without=["cutover"]) for each in decisions],
        "on_call": [
            {"name": str(each), "side": each.side, "phone": each.phone}
            for each in cutover.on_call.select_related("user", "contact")
        ],
        "dry_runs": [
            serialize(each, without=["cutover"]) for each in cutover.dry_runs.select_related("by")
        ],
        "timeline": [
            _entry(each) for each in build_timeline(cutover, _run_sheet(cutover), is_staff=False)
        ],
    }


def _run_sheet(cutover: Cutover) -> list[Task]:
    role = ROLE_OF_DIRECTION[Cutover.Direction(cutover.direction)]
    switch = Task.objects.filter(plan=cutover.plan_id, role=role)
    in_phase = Task.objects.filter(plan=cutover.plan_id, phase__in=switch.values("phase"))
    return list(in_phase.filter(applies=True))


def _entry(entry: TimelineEntry) -> JsonObject:
    """An entry of the timeline: an activity line by its number, a comment, or an observation."""
    if entry.line is not None:
        return {"at": entry.at, "activity": entry.line.number, "action": entry.line.name}
    if entry.comment is not None:
        comment = entry.comment
        return {
            "at": entry.at,
            "comment": comment.body,
            "by": serialize_person(comment.author),
        }
    observation = entry.observation
    assert observation is not None
    return {
        "at": entry.at,
        "observation": observation.public_id,
        "kind": observation.check_asked.kind,
        "subject": observation.check_asked.subject,
        "verdict": observation.verdict,
    }


def _sheets(tenant: Tenant) -> Iterable[RequirementsSheet]:
    rows = RequirementsSheet.objects.filter(task__plan__tenant=tenant).order_by("task__position")
    return rows.select_related("task", "mimecast_signed_by", "client_signed_by")


def _sheet(sheet: RequirementsSheet) -> JsonObject:
    return {
        "title": definition_of(sheet).title,
        "task": sheet.task.title,
        "rows": sheet.row_count,
        "signed": [
            {
                "side": each.side,
                "by": serialize_person(each.by),
                "at": each.at,
                "reason": each.reason,
            }
            for each in sheet.signatures
            if each.at is not None
        ],
        "unanswered": unanswered_questions(sheet),
        "files": list(paths_of_sheet(sheet)),
    }


def _file(file: EvidenceFile) -> JsonObject:
    return {
        "task": file.task.title,
        "name": file.name,
        "type": file.content_type,
        "size": file.size,
        "sha256": file.sha256,
        "by": serialize_person(file.uploaded_by),
        "at": file.uploaded_at,
        "file": path_of_file(file),
    }


# --- Observations and the activity log


def closing_pack_observations(tenant: Tenant) -> Iterator[JsonObject]:
    """The observations as intervals, with the SHA-256 digest of their raw answers.

    Other observations after the sign-off are pruned some day (onboarding.lifecycle.pruning).
    """
    observations = Observation.objects.filter(
        implementation_observations(tenant), check_asked__tenant=tenant
    ).select_related("check_asked__domain", "check_asked__host", "raw")
    for each in observations.order_by("check_asked", "first_seen_at", "pk").iterator(
        chunk_size=1000
    ):
        yield {
            "id": each.public_id,
            "check": each.check_asked.public_id,
            "kind": each.check_asked.kind,
            "subject": each.check_asked.subject,
            **serialize(each, without=["public_id", "check_asked", "raw"]),
            "raw_sha256": each.raw.digest if each.raw is not None else "",
        }


def pack_activity(tenant: Tenant) -> JsonObject:
    """The activity log so far, with all values that its hashes cover, in their order."""
    chain = ActivityChain.objects.get(scope=tenant.public_id)
    lines = ActivityLine.objects.filter(scope=chain.scope, number__lte=chain.length)
    return {
        "scope": chain.scope,
        "length": chain.length,
        "head": chain.head,
        "lines": [
            _line(each) for each in lines.select_related("actor", "tenant").order_by("number")
        ],
    }


def pack_heads(activity: JsonObject, tenant: Tenant) -> str:
    """The head of the tenant's log, as `manage.py verify_log --against` reads it.

    The installation's log and other tenants are not the client's: their heads are in the nightly
    e-mail to administrators.
    """
    return f"{Head(activity['scope'], activity['length'], activity['head'])} {tenant}\n"


def _line(line: ActivityLine) -> JsonObject:
    return {
        "version": line.version,
        "tenant": line.tenant.public_id if line.tenant is not None else "",
        "number": line.number,
        "at": line.at.isoformat(),
        "actor": line.actor.archived_id if line.actor is not None else "",
        "actor_name": line.actor.name if line.actor is not None else "",
        "action": line.action,
        "params": line.params,
        "address": line.address,
        "agent": line.agent,
        "previous_hash": line.previous_hash,
        "hash": line.hash,
        # Not hashed: the present name of an action that was stored under an earlier one.
        "name": line.name,
    }
