"""Versions of the plan template, and each tenant's plan with its phases, tasks and domains."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from onboarding.models.task_roles import TaskRole
from tenants import database_time
from tenants.models import Domain, Tenant, User
from tenants.public_ids import new_public_id


class Responsibility(models.TextChoices):
    MIMECAST = "mimecast", "Mimecast"
    CLIENT = "client", "Client"
    BOTH = "both", "Mimecast + Client"


class TaskStatus(models.TextChoices):
    """The status of a task. Only onboarding.plans.statuses computes it, from the task's facts."""

    TODO = "todo", "To do"
    IN_PROGRESS = "in_progress", "In progress"
    WAITING = "waiting", "Waiting on the other side"
    BLOCKED = "blocked", "Blocked"
    PARTLY_CONFIRMED = "partly_confirmed", "One side confirmed"
    AWAITING_VERIFICATION = "awaiting_verification", "Awaiting verification"
    REGRESSED = "regressed", "Regressed"
    DONE = "done", "Done"
    VERIFIED = "verified", "Verified"
    ACCEPTED_RISK = "accepted_risk", "Accepted risk"
    DECLINED = "declined", "Declined"
    NOT_APPLICABLE = "not_applicable", "Not applicable"


class ManualStatus(models.TextChoices):
    """A status that a person sets. A task has at most one."""

    NONE = "", "None"
    IN_PROGRESS = "in_progress", "In progress"
    WAITING = "waiting", "Waiting on the other side"
    BLOCKED = "blocked", "Blocked"
    DECLINED = "declined", "Declined"
    ACCEPTED_RISK = "accepted_risk", "Accepted risk"
    NOT_NEEDED = "not_needed", "Not applicable"


# No more work is to be done, and dependent tasks need not wait.
COMPLETE_STATUSES = (
    TaskStatus.DONE,
    TaskStatus.VERIFIED,
    TaskStatus.ACCEPTED_RISK,
    TaskStatus.DECLINED,
)


# The work of such a task is left out.
SKIPPED_STATUSES = (TaskStatus.NOT_APPLICABLE, TaskStatus.DECLINED, TaskStatus.ACCEPTED_RISK)


class PlanTemplate(models.Model):
    """One published version of the plan template. A plan refers to the version it was made from."""

    version = models.PositiveIntegerField(unique=True)
    loaded_at = models.DateTimeField(default=database_time.known_now)
    # The whole template, in the structure of the template file. Never changed: plans depend on it.
    content = models.JSONField(default=dict)
    # The version of its template file; None for a version that a person published.
    builtin_version = models.PositiveIntegerField(null=True, blank=True, unique=True)
    # It came with the archive of a tenant. Never the version for new plans.
    is_imported = models.BooleanField(default=False, db_default=False)
    # The publisher's summary of the changes.
    note = models.TextField(blank=True)
    published_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    def __str__(self) -> str:
        return f"version {self.version}"


class Plan(models.Model):
    """One tenant's copy of the template, with the counters by which lists and dashboards sort."""

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE, related_name="plan")
    template = models.ForeignKey(PlanTemplate, on_delete=models.PROTECT)
    # Increases with every visible change, which the stream process sends to open pages.
    revision = models.PositiveIntegerField(default=0)
    tasks_total = models.PositiveIntegerField(default=0)
    tasks_complete = models.PositiveIntegerField(default=0)
    tasks_regressed = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=database_time.known_now, editable=False)
    # The newest start of its reconciliation (onboarding.lifecycle.tasks).
    reconciled_at = models.DateTimeField(null=True, blank=True, editable=False, db_index=True)

    # The revision that its stored risks belong to, and the time from which they may be others.
    risks_revision = models.PositiveIntegerField(null=True, blank=True, editable=False)
    risks_valid_until = models.DateTimeField(null=True, blank=True, editable=False)

    def __str__(self) -> str:
        return f"plan of {self.tenant}"

    def touch(self) -> None:
        """Increase the revision, so that open pages reload."""
        Plan.objects.filter(pk=self.pk).update(revision=F("revision") + 1)


class Phase(models.Model):
    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="phases", db_index=False)
    key = models.CharField(max_length=60)
    position = models.PositiveIntegerField()
    title = models.CharField(max_length=120)
    summary = models.TextField(blank=True)
    tasks_total = models.PositiveIntegerField(default=0)
    tasks_complete = models.PositiveIntegerField(default=0)
    tasks_regressed = models.PositiveIntegerField(default=0)

    class Meta:
        ordering: ClassVar[list[str]] = ["position"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["plan", "key"], name="phase_once_per_plan")
        ]

    def __str__(self) -> str:
        return self.title


class Task(models.Model):
    """A unit of work of a plan. The fields below "Facts" are stored; `status` is their roll-up."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="tasks", db_index=False)
    phase = models.ForeignKey(Phase, on_delete=models.CASCADE, related_name="tasks")
    parent = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="children"
    )
    key = models.CharField(max_length=60)
    role = models.CharField(max_length=40, choices=TaskRole, blank=True)
    # A custom task of this tenant, or a task that a newer version dropped after work on it.
    is_custom = models.BooleanField(default=False)
    position = models.PositiveIntegerField()
    title = models.CharField(max_length=200)
    # The title in plain words, as an instruction. Empty: pages show the title alone.
    plain_title = models.CharField(max_length=200, blank=True, default="", db_default="")
    instructions = models.TextField(blank=True)
    shown_by = models.TextField(blank=True)
    links = models.JSONField(default=list)
    responsibility = models.CharField(max_length=10, choices=Responsibility)
    # False where the article states no side: the default is both, and a consultant may change it.
    responsibility_stated = models.BooleanField(default=True)
    depends_on = models.JSONField(default=list)
    check_kinds = models.JSONField(default=list)
    evidence_kinds = models.JSONField(default=list)
    # The sources whose facts complete the task without its checks: source, check and strength.
    completed_by = models.JSONField(default=list)
    domain_roles = models.JSONField(default=list)
    # The definitions of the typed fields, and the directions that need a planned cutover, before a
    # confirmation.
    fields = models.JSONField(default=list)
    planned_cutovers = models.JSONField(default=list)
    is_group = models.BooleanField(default=False)
    is_per_domain = models.BooleanField(default=False)
    is_optional = models.BooleanField(default=False)
    # Confirming it before its dependencies are done can lose mail.
    is_hard_gate = models.BooleanField(default=False)
    # A wait: it completes automatically, so many days after the task with that key is done. None:
    # the days agreed for the inbound cutover.
    wait_after = models.CharField(max_length=60, blank=True)
    wait_days = models.PositiveIntegerField(null=True, blank=True)

    # Facts
    # The values of the fields, by the name of their form field: the value, and who saved it when.
    field_values = models.JSONField(default=dict)
    applies = models.BooleanField(default=True)
    not_applicable_reason = models.CharField(max_length=300, blank=True)
    mimecast_confirmed_at = models.DateTimeField(null=True, blank=True)
    mimecast_confirmed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    client_confirmed_at = models.DateTimeField(null=True, blank=True)
    client_confirmed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    # The start and end of a wait, while the task that it follows is done.
    wait_started_at = models.DateTimeField(null=True, blank=True)
    wait_ends_at = models.DateTimeField(null=True, blank=True)
    # Checks cannot verify the remaining domains or hosts, so a confirmation completes the task.
    confirmation_suffices = models.BooleanField(default=False)
    verified_at = models.DateTimeField(null=True, blank=True)
    regressed_at = models.DateTimeField(null=True, blank=True)
    manual_status = models.CharField(
        max_length=20, choices=ManualStatus, default=ManualStatus.NONE, blank=True
    )
    status_reason = models.CharField(max_length=500, blank=True)
    status_set_at = models.DateTimeField(null=True, blank=True)
    status_set_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    # The side that a waiting task waits on, and the end of an accepted risk.
    status_waiting_on = models.CharField(max_length=10, choices=Responsibility, blank=True)
    accepted_until = models.DateTimeField(null=True, blank=True)
    # Working days from the plan's start or a cutover. A person may set the day instead.
    due_from = models.CharField(max_length=10, blank=True)
    due_working_days = models.IntegerField(default=0)
    due_on = models.DateField(null=True, blank=True)
    is_due_date_manual = models.BooleanField(default=False)
    original_due_on = models.DateField(null=True, blank=True)
    assignee = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="tasks"
    )
    # The safe time of the lockdown, while neither side can act before it. While it is unknown: the
    # time of the next evaluation.
    safe_from = models.DateTimeField(null=True, blank=True)
    # The side that has to act, and since when; empty while neither side can act.
    waiting_on = models.CharField(max_length=10, choices=Responsibility, blank=True)
    waiting_since = models.DateTimeField(null=True, blank=True)
    # The time of the last reminder.
    reminded_at = models.DateTimeField(null=True, blank=True)
    # The values before the last change by a person, so that the change can be undone.
    undo = models.JSONField(null=True, blank=True)

    status = models.CharField(max_length=24, choices=TaskStatus, default=TaskStatus.TODO)
    status_changed_at = models.DateTimeField(default=database_time.known_now)

    class Meta:
        ordering: ClassVar[list[str]] = ["position"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["plan", "key"], name="task_once_per_plan"),
            models.UniqueConstraint(
                fields=["plan", "role"],
                condition=~Q(role__in=["", TaskRole.DIRECTORY]),
                name="one_task_per_plan_and_role",
            ),
            models.CheckConstraint(
                condition=Q(verified_at__isnull=True) | Q(regressed_at__isnull=True),
                name="task_verified_or_regressed",
            ),
            models.CheckConstraint(
                condition=~Q(manual_status=ManualStatus.ACCEPTED_RISK)
                | Q(accepted_until__isnull=False),
                name="task_accepted_risk_has_an_end",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["plan", "status"], name="task_plan_status"),
            models.Index(
                fields=["regressed_at"],
                condition=Q(status=TaskStatus.REGRESSED),
                name="task_regressed",
            ),
            models.Index(
                fields=["accepted_until"],
                condition=Q(status=TaskStatus.ACCEPTED_RISK),
                name="task_accepted_risk",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def source_kinds(self) -> list[str]:
        """The kinds of check, of proof sources, each of which completes the task."""
        return [each["check"] for each in self.completed_by]

    @property
    def heading(self) -> str:
        """The title in plain words, or the article's name where the template has none."""
        return self.plain_title or self.title

    @property
    def is_timed(self) -> bool:
        """Whether the task completes automatically on its date."""
        return bool(self.wait_after)

    @property
    def is_complete(self) -> bool:
        return self.status in COMPLETE_STATUSES

    @property
    def is_counted(self) -> bool:
        """Whether progress includes it: an optional task once it is done, a declined one never."""
        if self.is_group or self.status in (TaskStatus.NOT_APPLICABLE, TaskStatus.DECLINED):
            return False
        return self.applies and (self.is_complete or not self.is_optional)

    @property
    def is_open_leaf(self) -> bool:
        """Whether work is still to be done on it."""
        settled = self.is_complete or self.status == TaskStatus.NOT_APPLICABLE
        return self.applies and not self.is_group and not settled

    @property
    def is_undecided(self) -> bool:
        """Whether closing waits for a decision on it: also on an optional task without any work.

        A timed task needs no decision: until its date it is a residual risk.
        """
        return self.is_open_leaf and not self.is_timed and self.role != TaskRole.CLOSURE

    @property
    def blocks_dependents(self) -> bool:
        """Whether dependent tasks must still wait. An optional task blocks none until its work has
        started."""
        if self.is_optional and self.status == TaskStatus.TODO:
            return False
        return self.status != TaskStatus.NOT_APPLICABLE and not self.is_complete

    @property
    def is_skipped(self) -> bool:
        """Whether its work is left out, so that its own dependencies still count."""
        return self.status in SKIPPED_STATUSES or (
            self.is_optional and self.status == TaskStatus.TODO
        )


class DomainProgress(models.Model):
    """One domain of a per-domain task: its confirmations, or the reason for its exemption."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    task = models.ForeignKey(
        Task, on_delete=models.CASCADE, related_name="domain_progress", db_index=False
    )
    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="task_progress")
    mimecast_confirmed_at = models.DateTimeField(null=True, blank=True)
    mimecast_confirmed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    client_confirmed_at = models.DateTimeField(null=True, blank=True)
    client_confirmed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    exempt_reason = models.CharField(max_length=300, blank=True)
    exempted_at = models.DateTimeField(null=True, blank=True)
    exempted_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["task", "domain"], name="one_progress_per_task_and_domain"
            ),
            models.CheckConstraint(
                condition=Q(exempted_at__isnull=True) | ~Q(exempt_reason=""),
                name="exempt_for_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task} for {self.domain}"

    @property
    def is_exempt(self) -> bool:
        return self.exempted_at is not None
