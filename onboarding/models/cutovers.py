"""Cutovers with their domains, on-call people, votes, decisions, snapshots and dry runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from onboarding.models.contacts import Contact
from onboarding.models.plans import Plan, Responsibility
from tenants import database_time
from tenants.models import Domain, User
from tenants.public_ids import new_public_id


class CutoverManager(models.Manager["Cutover"]):
    """Cutovers that are not cancelled. A cancelled cutover with a record remains in the table."""

    def get_queryset(self) -> models.QuerySet[Cutover]:
        return super().get_queryset().filter(cancelled_at__isnull=True)


class Cutover(models.Model):
    """A planned switch of the outbound or inbound mail flow of some of the tenant's domains."""

    class Direction(models.TextChoices):
        OUTBOUND = "outbound", "Outbound"
        INBOUND = "inbound", "Inbound"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="cutovers")
    direction = models.CharField(max_length=10, choices=Direction)
    domains = models.ManyToManyField(Domain, through="CutoverDomain", related_name="cutovers")
    planned_at = models.DateTimeField()
    # Increases when the window or the domains change. Confirmations, votes and decisions belong to
    # one round.
    round = models.PositiveIntegerField(default=1)
    length_minutes = models.PositiveIntegerField(default=240)
    # Agreed days of outbound mail through Mimecast before the inbound cutover.
    outbound_days = models.PositiveIntegerField(default=3)
    # The reason for a time with cautions, their sentences by key, and the time of both: later the
    # facts behind a caution may have changed.
    planning_reason = models.TextField(blank=True)
    planning_reason_at = models.DateTimeField(null=True, blank=True)
    planning_cautions = models.JSONField(default=dict, blank=True)
    # The window confirmation. A change of the window resets it. `accepted_risk` is the reason for
    # confirming a window that is not known to be safe.
    confirmed_at = models.DateTimeField(null=True, blank=True)
    confirmed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    accepted_risk = models.TextField(blank=True)
    # Keys of the blockers that the accepted risk covers. Later blockers are not covered.
    accepted_blockers = models.JSONField(default=list, blank=True)
    # The approvers of the go / no-go vote, one for each side.
    mimecast_approver = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    client_approver = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # A cancelled cutover remains for its record. Its domains are free for another cutover, so their
    # names are stored here.
    cancelled_at = models.DateTimeField(null=True, blank=True)
    cancelled_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    cancelled_domains = models.CharField(max_length=800, blank=True)

    objects: ClassVar[CutoverManager] = CutoverManager()
    all_objects: ClassVar[models.Manager[Cutover]] = models.Manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["planned_at", "pk"]

    def __str__(self) -> str:
        return f"{self.get_direction_display()} cutover"

    @property
    def domain_summary(self) -> str:
        """The domains as text: all of them, or the first two and the number of others."""
        return self.cancelled_domains or join_names([str(domain) for domain in self.domains.all()])

    @property
    def ends_at(self) -> datetime:
        return self.planned_at + timedelta(minutes=self.length_minutes)

    def approver_side(self, user: User) -> str:
        """The side for which the user is an approver; empty for every other user."""
        sides = {self.mimecast_approver_id: "mimecast", self.client_approver_id: "client"}
        return sides.get(user.pk, "")


def join_names(names: Sequence[str], most: int = 3) -> str:
    """The names as text: "a, b and c", or "a, b and 4 more"."""
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    *others, last = names or ["no domain"]
    return f"{', '.join(others)} and {last}" if others else last


class CutoverDomain(models.Model):
    """One domain of a cutover.

    The direction is a copy of the cutover's, so that the database can refuse a domain in two
    cutovers of one direction.
    """

    cutover = models.ForeignKey(Cutover, on_delete=models.CASCADE, related_name="cutover_domains")
    domain = models.ForeignKey(
        Domain, on_delete=models.CASCADE, related_name="cutover_domains", db_index=False
    )
    direction = models.CharField(max_length=10, choices=Cutover.Direction)

    class Meta:
        ordering: ClassVar[list[str]] = ["pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["domain", "direction"], name="one_cutover_per_domain_and_direction"
            )
        ]

    def __str__(self) -> str:
        return f"{self.domain}: {self.direction}"


class OnCall(models.Model):
    """A person on call during a cutover's window: a user or a contact of the client."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    cutover = models.ForeignKey(
        Cutover, on_delete=models.CASCADE, related_name="on_call", db_index=False
    )
    user = models.ForeignKey(
        User, on_delete=models.CASCADE, null=True, blank=True, related_name="on_call"
    )
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, null=True, blank=True, related_name="on_call"
    )
    phone = models.CharField(max_length=40)

    class Meta:
        ordering: ClassVar[list[str]] = ["pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, contact__isnull=True)
                | Q(user__isnull=True, contact__isnull=False),
                name="on_call_is_one_person",
            ),
            models.UniqueConstraint(fields=["cutover", "user"], name="on_call_once_per_cutover"),
            models.UniqueConstraint(
                fields=["cutover", "contact"], name="contact_on_call_once_per_cutover"
            ),
        ]

    def __str__(self) -> str:
        return str(self.user or self.contact)

    @property
    def side(self) -> str:
        is_ours = self.user is not None and self.user.is_mimecast
        return Responsibility.MIMECAST.value if is_ours else Responsibility.CLIENT.value


class CutoverSnapshot(models.Model):
    """The published records at the opening of a window or on request, for a rollback. Written once.

    `content` has, for each domain, the answer of every server with its time, the public id of the
    observation and the digests of the raw answers.
    """

    class Reason(models.TextChoices):
        OPENED = "opened", "The window opened"
        REQUESTED = "requested", "Requested by a person"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    cutover = models.ForeignKey(Cutover, on_delete=models.CASCADE, related_name="snapshots")
    # The start of the window at that time: a cutover may be rescheduled and repeated.
    window_start = models.DateTimeField()
    reason = models.CharField(max_length=10, choices=Reason)
    saved_at = models.DateTimeField(default=database_time.known_now)
    saved_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    content = models.JSONField()
    digest = models.CharField(max_length=64)

    class Meta:
        ordering: ClassVar[list[str]] = ["-saved_at", "-pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["cutover", "window_start"],
                condition=Q(reason="opened"),
                name="one_snapshot_per_opened_window",
            )
        ]

    def __str__(self) -> str:
        return f"snapshot of {self.saved_at:%Y-%m-%d %H:%M}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        assert self._state.adding, "a snapshot is never edited"
        super().save(*args, **kwargs)


class CutoverVote(models.Model):
    """One approver's go or no-go for one window. A changed vote is another row."""

    cutover = models.ForeignKey(Cutover, on_delete=models.CASCADE, related_name="votes")
    window_start = models.DateTimeField()
    round = models.PositiveIntegerField(default=1)
    side = models.CharField(max_length=10, choices=Responsibility)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    is_go = models.BooleanField()
    comment = models.TextField(blank=True)
    # The reason for going ahead despite the blockers.
    accepted_risk = models.TextField(blank=True)
    # The blockers at the time of the vote, as keys of readiness rows.
    blockers = models.JSONField(default=list, blank=True)
    voted_at = models.DateTimeField(default=database_time.known_now)

    class Meta:
        ordering: ClassVar[list[str]] = ["voted_at", "pk"]

    def __str__(self) -> str:
        return f"{'go' if self.is_go else 'no-go'} of {self.side}"


# Keys of the readiness rows in earlier decisions. Their digests cover them, so they are never
# rewritten.
EARLIER_ROW_KEYS = {"words": "detail", "mend": "remedy"}


def readiness_rows(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The readiness rows in the content of a decision, with the present keys."""
    return [
        {EARLIER_ROW_KEYS.get(key, key): value for key, value in row.items()}
        for row in content.get("rows", [])
    ]


class CutoverDecision(models.Model):
    """The go / no-go decision for one window, with the readiness at that time. Written once."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    cutover = models.ForeignKey(
        Cutover, on_delete=models.CASCADE, related_name="decisions", db_index=False
    )
    window_start = models.DateTimeField()
    round = models.PositiveIntegerField(default=1)
    is_go = models.BooleanField()
    decided_at = models.DateTimeField()
    # Rows, evidence and votes. The digest shows that the content is unchanged.
    content = models.JSONField()
    digest = models.CharField(max_length=64)

    class Meta:
        ordering: ClassVar[list[str]] = ["-decided_at", "-pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["cutover", "window_start", "round"], name="one_decision_per_window"
            )
        ]

    def __str__(self) -> str:
        return f"{'go' if self.is_go else 'no-go'} for {self.window_start:%Y-%m-%d %H:%M}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        assert self._state.adding, "a decision is never edited"
        super().save(*args, **kwargs)


class DryRun(models.Model):
    """A practice run of a cutover with unpublished records. Written once."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    cutover = models.ForeignKey(Cutover, on_delete=models.CASCADE, related_name="dry_runs")
    # The window and the round of the dry run. The cutover may have changed since.
    window_start = models.DateTimeField()
    round = models.PositiveIntegerField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField()
    saved_at = models.DateTimeField(default=database_time.known_now)
    records = models.TextField()
    comment = models.TextField(blank=True)
    # The resulting readiness, tasks and findings, as plain JSON.
    content = models.JSONField()

    class Meta:
        ordering: ClassVar[list[str]] = ["-saved_at", "-pk"]

    def __str__(self) -> str:
        return f"dry run of {self.saved_at:%Y-%m-%d %H:%M}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        assert self._state.adding, "a dry run is never edited"
        super().save(*args, **kwargs)

    @property
    def duration_minutes(self) -> int:
        return round((self.saved_at - self.started_at).total_seconds() / 60)

    @property
    def blocking_count(self) -> int:
        rows = self.content.get("rows", [])
        return sum(row["verdict"] in ("fail", "unknown") for row in rows)
