"""Plans, phases, tasks and transitions as the API returns them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from checks.engine.outcomes import CheckKind
from checks.models import VERDICT_CHOICES
from onboarding.models import Responsibility, Task, TaskStatus
from onboarding.plans.current_state import SubjectStatus
from onboarding.plans.domain_progress import TaskProgress
from onboarding.plans.domain_rows import DomainRow
from onboarding.plans.forms.dates import DAY_ERRORS
from onboarding.plans.proof import ProofSubject
from onboarding.plans.rows import TaskRow
from onboarding.plans.task_lists import ListedTask
from onboarding.plans.transitions import TRANSITIONS, Transition
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.versions import etag_of
from tenants.rest.writers import writer_for

SIDES = (Responsibility.MIMECAST, Responsibility.CLIENT)


class PlanSerializer(ResourceSerializer):
    template_version = serializers.IntegerField(source="template.version", read_only=True)
    revision = serializers.IntegerField(
        read_only=True, help_text="Increases with every visible change of the plan."
    )
    tasks_total = serializers.IntegerField(read_only=True)
    tasks_complete = serializers.IntegerField(read_only=True)
    tasks_regressed = serializers.IntegerField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)


class PhaseSerializer(ResourceSerializer):
    key = serializers.CharField(read_only=True)
    title = serializers.CharField(read_only=True)
    summary = serializers.CharField(read_only=True)
    tasks_total = serializers.IntegerField(read_only=True)
    tasks_complete = serializers.IntegerField(read_only=True)
    tasks_regressed = serializers.IntegerField(read_only=True)


class TaskCheckSerializer(ResourceSerializer):
    """One domain or host that a task is verified for."""

    id = serializers.CharField(
        source="check.public_id", read_only=True, default=None, allow_null=True
    )
    kind = serializers.ChoiceField(choices=[(k.value, k.value) for k in CheckKind], read_only=True)
    subject = serializers.CharField(source="name", read_only=True)
    verdict = serializers.SerializerMethodField(help_text="The settled verdict that counts.")
    status = serializers.ChoiceField(
        source="state.status", choices=[(s.value, s.value) for s in SubjectStatus], read_only=True
    )
    label = serializers.CharField(source="state.label", read_only=True)  # type: ignore[assignment]  # a field of the resource
    checked_at = serializers.DateTimeField(
        source="state.checked_at", read_only=True, allow_null=True
    )

    @extend_schema_field(serializers.ChoiceField(choices=VERDICT_CHOICES, allow_null=True))
    def get_verdict(self, subject: ProofSubject) -> str | None:
        return subject.settled.value if subject.settled is not None else None


class ConfirmationSerializer(ResourceSerializer):
    at = serializers.DateTimeField(read_only=True)
    by = PersonSerializer(read_only=True, allow_null=True)


class ConfirmationsSerializer(ResourceSerializer):
    mimecast = ConfirmationSerializer(read_only=True, allow_null=True)
    client = ConfirmationSerializer(read_only=True, allow_null=True)


def confirmations_of(row: Any) -> dict[str, Any]:
    """The confirmation of each side of a task or of one of its domains."""
    return {
        side.value: {
            "at": getattr(row, f"{side}_confirmed_at"),
            "by": getattr(row, f"{side}_confirmed_by"),
        }
        if row is not None and getattr(row, f"{side}_confirmed_at")
        else None
        for side in SIDES
    }


class TaskDomainSerializer(ResourceSerializer):
    """One domain of a per-domain task."""

    id = serializers.CharField(source="domain.public_id", read_only=True)
    name = serializers.CharField(source="domain.name", read_only=True)
    is_verified = serializers.BooleanField(read_only=True)
    is_exempt = serializers.BooleanField(read_only=True)
    confirmations = serializers.SerializerMethodField()

    @extend_schema_field(ConfirmationsSerializer)
    def get_confirmations(self, row: DomainRow) -> Mapping[str, Any]:
        found: Mapping[str, Any] = writer_for(ConfirmationsSerializer)(
            confirmations_of(row.progress)
        )
        return found


class TransitionSerializer(ResourceSerializer):
    key = serializers.ChoiceField(choices=[(key, key) for key in TRANSITIONS], read_only=True)
    label = serializers.CharField(read_only=True)  # type: ignore[assignment]  # a field of the resource
    allowed = serializers.BooleanField(read_only=True)
    why_not = serializers.CharField(
        read_only=True,
        help_text="The reason for a refusal, as the page shows it; empty if allowed.",
    )
    reason_prompt = serializers.CharField(
        read_only=True, help_text="The question that `reason` answers; empty without one."
    )
    requires_end_date = serializers.BooleanField(read_only=True)


class TaskSummarySerializer(ResourceSerializer):
    """A task as it is stored."""

    id = serializers.CharField(source="public_id", read_only=True)
    key = serializers.CharField(read_only=True)
    title = serializers.CharField(read_only=True)
    plain_title = serializers.CharField(
        read_only=True, help_text="The title in plain words; empty if the template has none."
    )
    phase = serializers.CharField(source="phase.key", read_only=True)
    status = serializers.ChoiceField(choices=TaskStatus.choices, read_only=True)
    status_changed_at = serializers.DateTimeField(read_only=True)
    status_reason = serializers.CharField(read_only=True)
    responsibility = serializers.ChoiceField(choices=Responsibility.choices, read_only=True)
    waiting_on = serializers.ChoiceField(
        choices=Responsibility.choices,
        allow_blank=True,
        read_only=True,
        help_text="The side that has to act; empty while neither side can act.",
    )
    waiting_since = serializers.DateTimeField(read_only=True, allow_null=True)
    due_on = serializers.DateField(read_only=True, allow_null=True)
    assignee = PersonSerializer(read_only=True, allow_null=True)
    is_group = serializers.BooleanField(read_only=True)
    is_optional = serializers.BooleanField(read_only=True)
    is_custom = serializers.BooleanField(read_only=True)
    applies = serializers.BooleanField(read_only=True)
    accepted_until = serializers.DateTimeField(read_only=True, allow_null=True)
    verified_at = serializers.DateTimeField(read_only=True, allow_null=True)
    regressed_at = serializers.DateTimeField(read_only=True, allow_null=True)
    tenant = serializers.CharField(source="plan.tenant.public_id", read_only=True)


class TaskSerializer(ResourceSerializer):
    """A task as the reader's plan page shows it."""

    expandable = frozenset({"checks", "transitions", "domains", "instructions"})

    id = serializers.CharField(source="task.public_id", read_only=True)
    etag = serializers.SerializerMethodField(help_text="For If-Match.")
    key = serializers.CharField(source="task.key", read_only=True)
    title = serializers.CharField(source="task.title", read_only=True)
    plain_title = serializers.CharField(
        source="task.plain_title",
        read_only=True,
        help_text="The title in plain words; empty if the template has none.",
    )
    phase = serializers.CharField(source="task.phase.key", read_only=True)
    status = serializers.ChoiceField(
        source="task.status", choices=TaskStatus.choices, read_only=True
    )
    status_changed_at = serializers.DateTimeField(source="task.status_changed_at", read_only=True)
    status_reason = serializers.CharField(source="task.status_reason", read_only=True)
    status_set_by = PersonSerializer(source="task.status_set_by", read_only=True, allow_null=True)
    responsibility = serializers.ChoiceField(
        source="task.responsibility", choices=Responsibility.choices, read_only=True
    )
    waiting_on = serializers.ChoiceField(
        source="task.waiting_on",
        choices=Responsibility.choices,
        allow_blank=True,
        read_only=True,
        help_text="The side that has to act; empty while neither side can act.",
    )
    waiting_since = serializers.DateTimeField(
        source="task.waiting_since", read_only=True, allow_null=True
    )
    due_on = serializers.DateField(source="task.due_on", read_only=True, allow_null=True)
    assignee = PersonSerializer(source="task.assignee", read_only=True, allow_null=True)
    confirmations = serializers.SerializerMethodField()
    depends_on = serializers.ListField(
        source="task.depends_on", child=serializers.CharField(), read_only=True
    )
    open_dependencies = serializers.SerializerMethodField(
        help_text="The keys of the tasks for which this task waits."
    )
    is_group = serializers.BooleanField(source="task.is_group", read_only=True)
    is_per_domain = serializers.BooleanField(source="task.is_per_domain", read_only=True)
    is_optional = serializers.BooleanField(source="task.is_optional", read_only=True)
    is_custom = serializers.BooleanField(source="task.is_custom", read_only=True)
    is_hard_gate = serializers.BooleanField(source="task.is_hard_gate", read_only=True)
    applies = serializers.BooleanField(source="task.applies", read_only=True)
    accepted_until = serializers.DateTimeField(
        source="task.accepted_until", read_only=True, allow_null=True
    )
    verified_at = serializers.DateTimeField(
        source="task.verified_at", read_only=True, allow_null=True
    )
    regressed_at = serializers.DateTimeField(
        source="task.regressed_at", read_only=True, allow_null=True
    )
    checks = serializers.SerializerMethodField()
    transitions = serializers.SerializerMethodField()
    domains = TaskDomainSerializer(source="domain_rows", many=True, read_only=True)
    instructions = serializers.CharField(source="task.instructions", read_only=True)

    @extend_schema_field(str)
    def get_etag(self, row: TaskRow | ListedTask) -> str:
        return etag_of_task(row.task, row.progress)

    @extend_schema_field(ConfirmationsSerializer)
    def get_confirmations(self, row: TaskRow | ListedTask) -> Mapping[str, Any]:
        found = confirmations_of(row.task)
        if not any(found.values()):
            return found
        confirmations: Mapping[str, Any] = writer_for(ConfirmationsSerializer)(found)
        return confirmations

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_open_dependencies(self, row: TaskRow | ListedTask) -> list[str]:
        return [task.key for task in row.open_dependencies]

    @extend_schema_field(TaskCheckSerializer(many=True))
    def get_checks(self, row: TaskRow | ListedTask) -> list[Any]:
        evidence = row.evidence
        subjects = (*evidence.subjects, *evidence.alternatives, *row.supporting.subjects)
        write = writer_for(TaskCheckSerializer)
        return [write(subject) for subject in subjects]

    @extend_schema_field(TransitionSerializer(many=True))
    def get_transitions(self, row: TaskRow) -> list[Any]:
        return transitions_of(row)


def etag_of_task(task: Task, progress: TaskProgress) -> str:
    """The ETag of a task: also its confirmations and exemptions by domain are part of it."""
    by_domain = [progress.by_domain[pk] for pk in sorted(progress.by_domain)]
    return etag_of(task, *by_domain)


# They concern one domain, so that a task as a whole has no reason for a refusal.
OF_DOMAINS = ("exempt-domain", "include-domain")


def transitions_of(row: TaskRow) -> list[dict[str, Any]]:
    """Every transition of the whole task, with the reason for a refusal by `why_not`."""
    return [
        transition_of(row, transition)
        for key, transition in TRANSITIONS.items()
        if key not in OF_DOMAINS
    ]


def transition_of(row: TaskRow, transition: Transition) -> dict[str, Any]:
    refused = row.why_not(transition)
    return {
        "key": transition.key,
        "label": transition.label,
        "allowed": not refused,
        "why_not": refused,
        "reason_prompt": transition.reason_prompt,
        "requires_end_date": transition.requires_end_date,
    }


class TransitionInput(InputSerializer):
    """The values of a transition. Each transition accepts only its own."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=5000)
    until = serializers.DateField(
        required=False, help_text="The last day of an accepted risk, in the tenant's time zone."
    )
    domain = serializers.CharField(
        required=False, max_length=32, help_text="The id of a domain, for one domain of the task."
    )
    responsibility = serializers.ChoiceField(required=False, choices=Responsibility.choices)
    assignee = serializers.CharField(
        required=False, allow_blank=True, max_length=32, help_text="Empty removes the assignee."
    )
    due_on = serializers.DateField(
        required=False, allow_null=True, help_text="Null returns to the date of the template."
    )


class TaskFieldSerializer(ResourceSerializer):
    """A typed field of a task."""

    name = serializers.CharField(read_only=True)
    title = serializers.CharField(source="label", read_only=True)
    type = serializers.CharField(source="definition.type.value", read_only=True)
    is_required = serializers.BooleanField(source="definition.required", read_only=True)
    at_least = serializers.IntegerField(
        source="definition.at_least",
        read_only=True,
        allow_null=True,
        help_text="The smallest accepted number; null without a limit.",
    )
    text = serializers.CharField(read_only=True, help_text="The value as the form shows it.")


class TaskFieldsInput(InputSerializer):
    values = serializers.DictField(
        child=serializers.CharField(allow_blank=True, max_length=5000),
        help_text="The texts by field, as the form of the page reads them. Empty clears a value.",
    )


class BulkItem(TransitionInput):
    task = serializers.CharField(max_length=32)
    transition = serializers.ChoiceField(choices=[(key, key) for key in TRANSITIONS])
    if_match = serializers.CharField(max_length=100, help_text="The ETag of the task.")


class BulkInput(InputSerializer):
    items = serializers.ListField(child=BulkItem(), allow_empty=False, max_length=100)


class BulkResultSerializer(ResourceSerializer):
    task = serializers.CharField(read_only=True)
    status = serializers.IntegerField(read_only=True)
    result = serializers.DictField(
        read_only=True, help_text="The task after the transition, or the problem details."
    )


class BulkResultsSerializer(ResourceSerializer):
    results = BulkResultSerializer(many=True, read_only=True)


class CustomTaskChangeInput(InputSerializer):
    """A missing value remains unchanged."""

    phase = serializers.CharField(
        required=False, max_length=200, help_text="The key of a phase of the plan."
    )
    title = serializers.CharField(required=False, max_length=200)
    instructions = serializers.CharField(required=False, allow_blank=True, max_length=5000)
    responsibility = serializers.ChoiceField(required=False, choices=Responsibility.choices)
    due_on = serializers.DateField(
        required=False, allow_null=True, error_messages=DAY_ERRORS, help_text="Null: no due date."
    )
    is_per_domain = serializers.BooleanField(
        required=False, help_text="The task is done for each domain that sends or receives mail."
    )
    is_optional = serializers.BooleanField(required=False)


class CustomTaskInput(CustomTaskChangeInput):
    phase = serializers.CharField(max_length=200, help_text="The key of a phase of the plan.")
    title = serializers.CharField(max_length=200)
    responsibility = serializers.ChoiceField(choices=Responsibility.choices)


class ReminderInput(InputSerializer):
    """No field: the body is empty or an empty object."""


class ReminderSerializer(ResourceSerializer):
    recipients = PersonSerializer(many=True, read_only=True)
