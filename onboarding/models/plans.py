"""The template's versions, each tenant's plan, its phases, tasks and their domain parts."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from onboarding.models.task_roles import TaskRole
from tenants.models import Domain, Tenant, User
from tenants.public_ids import new_public_id


class Responsibility(models.TextChoices):
    MIMECAST = "mimecast", "Mimecast"
    CLIENT = "client", "Client"
    BOTH = "both", "Mimecast + Client"


class TaskStatus(models.TextChoices):
    """Where a task stands; worked out from its facts by onboarding.states alone."""

    TODO = "todo", "To do"
    IN_PROGRESS = "in_progress", "In progress"
    WAITING = "waiting", "Waiting for the other side"
    BLOCKED = "blocked", "Blocked"
    PARTLY_CONFIRMED = "partly_confirmed", "One side has confirmed"
    AWAITING_VERIFICATION = "awaiting_verification", "Said to be done, not proven yet"
    REGRESSED = "regressed", "Was proven, no longer holds"
    DONE = "done", "Done"
    VERIFIED = "verified", "Proven"
    ACCEPTED_RISK = "accepted_risk", "Accepted as it is"
    DECLINED = "declined", "Declined"
    NOT_APPLICABLE = "not_applicable", "Not applicable"


class ManualStatus(models.TextChoices):
    """What a person says of a task beside done or not; a task bears one at most."""

    NONE = "", "None"
    IN_PROGRESS = "in_progress", "In progress"
    WAITING = "waiting", "Waiting for the other side"
    BLOCKED = "blocked", "Blocked"
    DECLINED = "declined", "Declined"
    ACCEPTED_RISK = "accepted_risk", "Accepted as it is"
    NOT_NEEDED = "not_needed", "Not needed"


# Nothing more is to be done, and nothing that depends on it has to wait.
COMPLETE_STATUSES = (
    TaskStatus.DONE,
    TaskStatus.VERIFIED,
    TaskStatus.ACCEPTED_RISK,
    TaskStatus.DECLINED,
)


class PlanTemplate(models.Model):
    """One published version of the plan template. Plans keep the version they were made from."""

    version = models.PositiveIntegerField(unique=True)
    loaded_at = models.DateTimeField(default=timezone.now)
    # All that it says, in the shape of the template's file. Never altered: plans rest on it.
    content = models.JSONField(default=dict)
    # The version of the file it came in; none where people published it here.
    builtin_version = models.PositiveIntegerField(null=True, blank=True, unique=True)
    # What changed, in the words of whoever published it.
    note = models.TextField(blank=True)
    published_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    def __str__(self) -> str:
        return f"version {self.version}"


class Plan(models.Model):
    """One tenant's copy of the template, with counters that lists and dashboards sort by."""

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE, related_name="plan")
    template = models.ForeignKey(PlanTemplate, on_delete=models.PROTECT)
    # Counts every visible change; open pages ask for it to learn that something moved.
    revision = models.PositiveIntegerField(default=0)
    tasks_total = models.PositiveIntegerField(default=0)
    tasks_complete = models.PositiveIntegerField(default=0)
    tasks_regressed = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return f"plan of {self.tenant}"

    def touch(self) -> None:
        """Tell open pages that something changed."""
        Plan.objects.filter(pk=self.pk).update(revision=F("revision") + 1)


class Phase(models.Model):
    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="phases")
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
    """One item of a plan. Facts are stored; `status` is kept from them so that lists can count."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="tasks")
    phase = models.ForeignKey(Phase, on_delete=models.CASCADE, related_name="tasks")
    parent = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="children"
    )
    key = models.CharField(max_length=60)
    role = models.CharField(max_length=40, choices=TaskRole, blank=True)
    # The tenant's own, beside the template's; or the template's once, and kept for what was done.
    is_custom = models.BooleanField(default=False)
    position = models.PositiveIntegerField()
    title = models.CharField(max_length=200)
    instructions = models.TextField(blank=True)
    shown_by = models.TextField(blank=True)
    links = models.JSONField(default=list)
    responsibility = models.CharField(max_length=10, choices=Responsibility)
    # False where the article states no side: the default is both, and the consultant may change it.
    responsibility_stated = models.BooleanField(default=True)
    depends_on = models.JSONField(default=list)
    check_kinds = models.JSONField(default=list)
    evidence_kinds = models.JSONField(default=list)
    domain_roles = models.JSONField(default=list)
    is_group = models.BooleanField(default=False)
    is_per_domain = models.BooleanField(default=False)
    is_optional = models.BooleanField(default=False)
    # Going ahead before the dependencies are done can lose mail.
    is_hard_gate = models.BooleanField(default=False)
    # Only time completes it: days after the task of that key was done. Without a number of its own
    # they are those agreed for the inbound cutover.
    wait_after = models.CharField(max_length=60, blank=True)
    wait_days = models.PositiveIntegerField(null=True, blank=True)

    # Facts
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
    # While the task it waits after is done: since when, and until when it is_counted.
    wait_started_at = models.DateTimeField(null=True, blank=True)
    wait_ends_at = models.DateTimeField(null=True, blank=True)
    # What its checks have left to prove is beyond them, so that people's word completes it.
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
    # The side that a waiting task waits for; until when an accepted one is accepted.
    status_waiting_on = models.CharField(max_length=10, choices=Responsibility, blank=True)
    accepted_until = models.DateTimeField(null=True, blank=True)
    # Working days from the plan's start or a planned cutover; a person may set the day instead.
    due_from = models.CharField(max_length=10, blank=True)
    due_working_days = models.IntegerField(default=0)
    due_on = models.DateField(null=True, blank=True)
    is_due_date_manual = models.BooleanField(default=False)
    original_due_on = models.DateField(null=True, blank=True)
    assignee = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="tasks"
    )
    # Whose turn it is and since when; empty while nobody can do anything.
    waiting_on = models.CharField(max_length=10, choices=Responsibility, blank=True)
    waiting_since = models.DateTimeField(null=True, blank=True)
    # When somebody was last told that it is their turn.
    reminded_at = models.DateTimeField(null=True, blank=True)
    # What the last person's act changed, so that a wrong tick can be taken back.
    undo = models.JSONField(null=True, blank=True)

    status = models.CharField(max_length=24, choices=TaskStatus, default=TaskStatus.TODO)
    status_changed_at = models.DateTimeField(default=timezone.now)

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
            models.Index(fields=["plan", "status"], name="task_plan_status")
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_wait(self) -> bool:
        """Nobody can do it, say it or see it: time alone completes it."""
        return bool(self.wait_after)

    @property
    def is_complete(self) -> bool:
        return self.status in COMPLETE_STATUSES

    @property
    def is_counted(self) -> bool:
        """Whether progress is_counted it: optional tasks once they are done, declined ones never."""
        if self.is_group or self.status in (TaskStatus.NOT_APPLICABLE, TaskStatus.DECLINED):
            return False
        return self.applies and (self.is_complete or not self.is_optional)

    @property
    def is_open_leaf(self) -> bool:
        """Something is still to be done here."""
        settled = self.is_complete or self.status == TaskStatus.NOT_APPLICABLE
        return self.applies and not self.is_group and not settled

    @property
    def blocks_dependents(self) -> bool:
        """Whether tasks that depend on this one must still wait. An optional task makes nobody
        wait until somebody has begun it."""
        if self.is_optional and self.status == TaskStatus.TODO:
            return False
        return self.status != TaskStatus.NOT_APPLICABLE and not self.is_complete


class DomainProgress(models.Model):
    """One domain's part of a task that is per domain: what each side said, or why it is exempt."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="domain_progress")
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
