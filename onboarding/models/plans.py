"""The template's versions, each tenant's plan, its phases, tasks and their domain parts."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from tenants.models import Domain, Tenant, User
from tenants.public_ids import new_public_id


class Responsibility(models.TextChoices):
    MIMECAST = "mimecast", "Mimecast"
    CLIENT = "client", "Client"
    BOTH = "both", "Mimecast + Client"


class TaskState(models.TextChoices):
    """Where a task stands; worked out from its facts by onboarding.states alone."""

    TODO = "todo", "To do"
    IN_PROGRESS = "in_progress", "In progress"
    WAITING = "waiting", "Waiting for the other side"
    BLOCKED = "blocked", "Blocked"
    HALF = "half", "One side has confirmed"
    CLAIMED = "claimed", "Said to be done, not proven yet"
    BROKEN = "broken", "Was proven, no longer holds"
    DONE = "done", "Done"
    PROVEN = "proven", "Proven"
    ACCEPTED = "accepted", "Accepted as it is"
    DECLINED = "declined", "Declined"
    NOT_APPLICABLE = "not_applicable", "Not applicable"


class Mark(models.TextChoices):
    """What a person says of a task beside done or not; a task bears one at most."""

    NONE = "", "None"
    IN_PROGRESS = "in_progress", "In progress"
    WAITING = "waiting", "Waiting for the other side"
    BLOCKED = "blocked", "Blocked"
    DECLINED = "declined", "Declined"
    ACCEPTED = "accepted", "Accepted as it is"
    SET_ASIDE = "set_aside", "Set aside"


# The article's last item. Everything that applies comes before it.
CLOSURE = "case-closure"
# Nothing more is to be done, and nothing that depends on it has to wait.
COMPLETE = (TaskState.DONE, TaskState.PROVEN, TaskState.ACCEPTED, TaskState.DECLINED)


class PlanTemplate(models.Model):
    """One published version of the plan template. Plans keep the version they were made from."""

    version = models.PositiveIntegerField(unique=True)
    loaded_at = models.DateTimeField(default=timezone.now)
    # All that it says, in the shape of the template's file. Never altered: plans rest on it.
    content = models.JSONField(default=dict)
    # The version of the file it came in; none where people published it here.
    builtin = models.PositiveIntegerField(null=True, blank=True, unique=True)
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
    tasks_broken = models.PositiveIntegerField(default=0)
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
    tasks_broken = models.PositiveIntegerField(default=0)

    class Meta:
        ordering: ClassVar[list[str]] = ["position"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["plan", "key"], name="phase_once_per_plan")
        ]

    def __str__(self) -> str:
        return self.title


class Task(models.Model):
    """One item of a plan. Facts are stored; `state` is kept from them so that lists can count."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="tasks")
    phase = models.ForeignKey(Phase, on_delete=models.CASCADE, related_name="tasks")
    parent = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="children"
    )
    key = models.CharField(max_length=60)
    # The tenant's own, beside the template's; or the template's once, and kept for what was done.
    is_own = models.BooleanField(default=False)
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
    waits_after = models.CharField(max_length=60, blank=True)
    waits_days = models.PositiveIntegerField(null=True, blank=True)

    # Facts
    applies = models.BooleanField(default=True)
    not_applicable_because = models.CharField(max_length=300, blank=True)
    mimecast_confirmed_at = models.DateTimeField(null=True, blank=True)
    mimecast_confirmed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    client_confirmed_at = models.DateTimeField(null=True, blank=True)
    client_confirmed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    # While the task it waits after is done: since when, and until when it counts.
    waits_since = models.DateTimeField(null=True, blank=True)
    waits_until = models.DateTimeField(null=True, blank=True)
    # What its checks have left to prove is beyond them, so that people's word completes it.
    is_by_word = models.BooleanField(default=False)
    proven_at = models.DateTimeField(null=True, blank=True)
    broken_at = models.DateTimeField(null=True, blank=True)
    mark = models.CharField(max_length=12, choices=Mark, default=Mark.NONE, blank=True)
    mark_because = models.CharField(max_length=500, blank=True)
    marked_at = models.DateTimeField(null=True, blank=True)
    marked_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    # The side that a waiting task waits for; until when an accepted one is accepted.
    mark_side = models.CharField(max_length=10, choices=Responsibility, blank=True)
    mark_until = models.DateTimeField(null=True, blank=True)
    # Working days from the plan's start or a planned cutover; a person may set the day instead.
    due_from = models.CharField(max_length=10, blank=True)
    due_working_days = models.IntegerField(default=0)
    due_on = models.DateField(null=True, blank=True)
    is_due_by_hand = models.BooleanField(default=False)
    baseline_due_on = models.DateField(null=True, blank=True)
    assignee = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="tasks"
    )
    # Whose turn it is and since when; empty while nobody can do anything.
    turn = models.CharField(max_length=10, choices=Responsibility, blank=True)
    turn_since = models.DateTimeField(null=True, blank=True)
    # When somebody was last told that it is their turn.
    reminded_at = models.DateTimeField(null=True, blank=True)
    # What the last person's act changed, so that a wrong tick can be taken back.
    undo = models.JSONField(null=True, blank=True)

    state = models.CharField(max_length=20, choices=TaskState, default=TaskState.TODO)
    state_since = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar[list[str]] = ["position"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["plan", "key"], name="task_once_per_plan"),
            models.CheckConstraint(
                condition=Q(proven_at__isnull=True) | Q(broken_at__isnull=True),
                name="task_proven_or_broken",
            ),
            models.CheckConstraint(
                condition=~Q(mark=Mark.ACCEPTED) | Q(mark_until__isnull=False),
                name="task_accepted_for_a_time",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["plan", "state"], name="task_plan_state")
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_wait(self) -> bool:
        """Nobody can do it, say it or see it: time alone completes it."""
        return bool(self.waits_after)

    @property
    def is_complete(self) -> bool:
        return self.state in COMPLETE

    @property
    def counts(self) -> bool:
        """Whether progress counts it: optional tasks once they are done, declined ones never."""
        if self.is_group or self.state in (TaskState.NOT_APPLICABLE, TaskState.DECLINED):
            return False
        return self.applies and (self.is_complete or not self.is_optional)

    @property
    def counts_as_open(self) -> bool:
        """Something is still to be done here."""
        settled = self.is_complete or self.state == TaskState.NOT_APPLICABLE
        return self.applies and not self.is_group and not settled

    @property
    def holds_up(self) -> bool:
        """Whether tasks that depend on this one must still wait. An optional task makes nobody
        wait until somebody has begun it."""
        if self.is_optional and self.state == TaskState.TODO:
            return False
        return self.state != TaskState.NOT_APPLICABLE and not self.is_complete


class DomainPart(models.Model):
    """One domain's part of a task that is per domain: what each side said, or why it is exempt."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="parts")
    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="parts")
    mimecast_confirmed_at = models.DateTimeField(null=True, blank=True)
    mimecast_confirmed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    client_confirmed_at = models.DateTimeField(null=True, blank=True)
    client_confirmed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    exempt_because = models.CharField(max_length=300, blank=True)
    exempted_at = models.DateTimeField(null=True, blank=True)
    exempted_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["task", "domain"], name="one_part_per_task_and_domain"),
            models.CheckConstraint(
                condition=Q(exempted_at__isnull=True) | ~Q(exempt_because=""),
                name="exempt_for_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task} for {self.domain}"

    @property
    def is_exempt(self) -> bool:
        return self.exempted_at is not None
