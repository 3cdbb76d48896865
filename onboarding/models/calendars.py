"""A tenant's working time, holidays and freezes, and the periods in which its tasks waited."""

from __future__ import annotations

from datetime import time
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from onboarding.models.plans import Responsibility, Task
from tenants import database_time
from tenants.models import Tenant, User
from tenants.public_ids import new_public_id


class WorkingTime(models.Model):
    """The working hours of a tenant. Without a row: Monday to Friday, 9:00 to 17:00."""

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE, related_name="working_time")
    # Days of the week as digits; 0 is Monday.
    weekdays = models.CharField(max_length=7, default="01234")
    opens = models.TimeField(default=time(9))
    closes = models.TimeField(default=time(17))
    # Working days that a task waits on a side before Gangway sends a reminder; 0: never.
    remind_after_working_days = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=Q(closes__gt=F("opens")), name="opens_before_closing")
        ]

    def __str__(self) -> str:
        return f"working time of {self.tenant}"


class Holiday(models.Model):
    """A day on which the tenant does not work or, without a tenant, Mimecast.

    The day is that of each tenant's time zone.
    """

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    tenant = models.ForeignKey(
        Tenant,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="holidays",
        db_index=False,
    )
    day = models.DateField()
    name = models.CharField(max_length=80)

    class Meta:
        ordering: ClassVar[list[str]] = ["day"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant", "day"], name="holiday_once_per_tenant"),
            models.UniqueConstraint(
                fields=["day"],
                condition=Q(tenant__isnull=True),
                name="mimecast_holiday_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}, {self.day}"


class Freeze(models.Model):
    """Days without changes, for one tenant or, without a tenant, for all of them.

    The days are those of each tenant's time zone.
    """

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, null=True, blank=True, related_name="freezes"
    )
    first_day = models.DateField("From")
    last_day = models.DateField("To, inclusive")
    reason = models.CharField(max_length=80)

    class Meta:
        ordering: ClassVar[list[str]] = ["first_day", "pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(last_day__gte=F("first_day")), name="freeze_ends_after_it_begins"
            )
        ]

    def __str__(self) -> str:
        return f"{self.reason}, {self.first_day} to {self.last_day}"


class WaitingPeriod(models.Model):
    """A period in which a task waited on one side. `ended_at` is empty while it still waits."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="waiting_periods")
    side = models.CharField(max_length=10, choices=Responsibility)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["started_at", "pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["task"],
                condition=Q(ended_at__isnull=True),
                name="one_open_waiting_period_per_task",
            )
        ]

    def __str__(self) -> str:
        return f"{self.task}: {self.side}"


class CalendarFeed(models.Model):
    """A secret address of an iCalendar file. Only the hash of its token is stored.

    It has the rights of its owner, read at each request.
    """

    class Scope(models.TextChoices):
        OWN = "own", "My calendar"
        TENANT = "tenant", "One tenant"
        TEAM = "team", "All tenants of the team"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    scope = models.CharField(max_length=10, choices=Scope)
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, null=True, blank=True, related_name="calendar_feeds"
    )
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    # The base of the links in the file.
    site = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=database_time.known_now, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)
    # At most once an hour: programs request a feed often.
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at", "-pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(scope="tenant", tenant__isnull=False)
                | (~Q(scope="tenant") & Q(tenant__isnull=True)),
                name="feed_of_a_tenant_names_it",
            )
        ]

    def __str__(self) -> str:
        return str(self.tenant) if self.tenant is not None else self.get_scope_display()


class CalendarEntry(models.Model):
    """The last published state of one entry, so that every feed has the same sequence number.

    An entry whose source is gone remains for a while, as cancelled.
    """

    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, null=True, blank=True, related_name="calendar_entries"
    )
    uid = models.CharField(max_length=100, unique=True)
    sequence = models.PositiveIntegerField(default=0)
    values = models.JSONField()
    changed_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["uid"]

    def __str__(self) -> str:
        return f"{self.uid}, sequence {self.sequence}"
