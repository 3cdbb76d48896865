"""CutoverManager switches of a tenant's mail flow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from onboarding.models.contacts import Contact
from onboarding.models.plans import Plan, Responsibility
from tenants.models import Domain, User
from tenants.public_ids import new_public_id


class CutoverManager(models.Manager["Cutover"]):
    """Those that nobody dropped. What was dropped is kept where something was decided in it."""

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
    # Raised whenever its window or its domains change: what was confirmed, voted and decided is of
    # one round.
    round = models.PositiveIntegerField(default=1)
    length_minutes = models.PositiveIntegerField(default=240)
    # How long outbound mail is agreed to run through Mimecast before inbound follows.
    outbound_days = models.PositiveIntegerField(default=3)
    # Of this very window: moving it takes both back. The risk in the comment of whoever accepted it,
    # where the window was not known to be safe.
    confirmed_at = models.DateTimeField(null=True, blank=True)
    confirmed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    accepted_risk = models.TextField(blank=True)
    # Which objections these comment took into account, by their keys: one that came later was not.
    accepted_blockers = models.JSONField(default=list, blank=True)
    # Who says go or no-go, one of each side.
    mimecast_approver = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    client_approver = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # Dropped, and kept for its record. Its domains are free for another; these comment name them.
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
        """Its domains in comment: all of them, or the first two and how many more."""
        return self.cancelled_domains or join_names([str(domain) for domain in self.domains.all()])

    @property
    def ends_at(self) -> datetime:
        return self.planned_at + timedelta(minutes=self.length_minutes)

    def approver_side(self, user: User) -> str:
        """The side that somebody is named to speak for here; empty for everybody else."""
        sides = {self.mimecast_approver_id: "mimecast", self.client_approver_id: "client"}
        return sides.get(user.pk, "")


def join_names(names: Sequence[str], most: int = 3) -> str:
    """A list of names as people say it: "a, b and c", or "a, b and 4 more"."""
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    *others, last = names or ["no domain"]
    return f"{', '.join(others)} and {last}" if others else last


class CutoverDomain(models.Model):
    """One domain of a cutover. The direction is the cutover's, so that the database can hold that
    no domain is in two cutovers of one direction."""

    cutover = models.ForeignKey(Cutover, on_delete=models.CASCADE, related_name="cutover_domains")
    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="cutover_domains")
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
    """Somebody who can be reached while a cutover's window is open: a person with an account, or a
    contact of the client."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    cutover = models.ForeignKey(Cutover, on_delete=models.CASCADE, related_name="on_call")
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
    """What was published when a window opened, or when somebody asked: what a rollback puts back.

    Written once. `content` holds, for each domain, what every server told, when, and the public ids
    of the observation and digests of the raw answers it rests on.
    """

    class Reason(models.TextChoices):
        OPENED = "opened", "The window opened"
        REQUESTED = "requested", "Requested by a person"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    cutover = models.ForeignKey(Cutover, on_delete=models.CASCADE, related_name="snapshots")
    # The start of the window that it was taken for: a cutover may be moved and tried again.
    window_start = models.DateTimeField()
    reason = models.CharField(max_length=10, choices=Reason)
    taken_at = models.DateTimeField(default=timezone.now)
    taken_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    content = models.JSONField()
    digest = models.CharField(max_length=64)

    class Meta:
        ordering: ClassVar[list[str]] = ["-taken_at", "-pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["cutover", "window_start"],
                condition=Q(reason="opened"),
                name="one_snapshot_per_opened_window",
            )
        ]

    def __str__(self) -> str:
        return f"snapshot of {self.taken_at:%Y-%m-%d %H:%M}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        assert self._state.adding, "a snapshot is never edited"
        super().save(*args, **kwargs)


class CutoverVote(models.Model):
    """One approver's go or no-go for one window, in their comment. Another vote is another row."""

    cutover = models.ForeignKey(Cutover, on_delete=models.CASCADE, related_name="votes")
    window_start = models.DateTimeField()
    round = models.PositiveIntegerField(default=1)
    side = models.CharField(max_length=10, choices=Responsibility)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    is_go = models.BooleanField()
    comment = models.TextField(blank=True)
    # Why to go in spite of what held the cutover back at that moment.
    accepted_risk = models.TextField(blank=True)
    # What did so, by the keys of the readiness's rows.
    blockers = models.JSONField(default=list, blank=True)
    voted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar[list[str]] = ["voted_at", "pk"]

    def __str__(self) -> str:
        return f"{'go' if self.is_go else 'no-go'} of {self.side}"


class CutoverDecision(models.Model):
    """Go or no-go for one window, with the readiness as it was at that moment. Written once."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    cutover = models.ForeignKey(Cutover, on_delete=models.CASCADE, related_name="decisions")
    window_start = models.DateTimeField()
    round = models.PositiveIntegerField(default=1)
    is_go = models.BooleanField()
    decided_at = models.DateTimeField()
    # Rows, evidence and votes; the digest shows that nothing was changed since.
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
    """A run through a cutover's room with records that nobody has published. Written once."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    cutover = models.ForeignKey(Cutover, on_delete=models.CASCADE, related_name="dry_runs")
    # The window and the round that were rehearsed: the plan may have changed since.
    window_start = models.DateTimeField()
    round = models.PositiveIntegerField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField()
    saved_at = models.DateTimeField(default=timezone.now)
    records = models.TextField()
    comment = models.TextField(blank=True)
    # Readiness, steps and findings as they would have been, as plain JSON.
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
