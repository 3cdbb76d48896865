"""Imports of tenants: many from a table, or one from the archive of another installation."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from tenants import database_time
from tenants.models import Tenant, User
from tenants.public_ids import new_public_id


class TenantImport(models.Model):
    """A file with tenants: a worker reads it, a page shows a preview, a worker creates them.

    It exists for a day: it contains personal data of people who are not yet in any tenant.
    """

    class Status(models.TextChoices):
        READING = "reading", "Reading"
        READY = "ready", "Ready for review"
        CREATING = "creating", "Creating"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    name = models.CharField(max_length=120)
    # Emptied when the tenants are created.
    content = models.BinaryField()
    status = models.CharField(max_length=10, choices=Status, default=Status.READING)
    attempts = models.PositiveSmallIntegerField(default=0)
    progress_at = models.DateTimeField(default=database_time.known_now)
    # The preview, then the results; onboarding.lifecycle.tenant_import writes and reads it.
    report = models.JSONField(default=dict)
    error = models.CharField(max_length=500, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=database_time.known_now, editable=False)

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=~Q(status="failed") | ~Q(error=""), name="tenant_import_failed_with_error"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_in_progress(self) -> bool:
        return self.status in (self.Status.READING, self.Status.CREATING)


class ArchiveImport(models.Model):
    """The archive of a tenant: a worker verifies it, a page shows its content, a worker imports it.

    It exists for a day, and its file until then: it contains personal data.
    """

    class Status(models.TextChoices):
        READING = "reading", "Reading"
        READY = "ready", "Ready for review"
        IMPORTING = "importing", "Importing"
        DONE = "done", "Imported"
        FAILED = "failed", "Failed"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    name = models.CharField(max_length=120)
    stored_as = models.CharField(max_length=80, unique=True, editable=False)
    size = models.PositiveBigIntegerField()
    # SHA-256 of the file, as the page of the export shows it.
    sha256 = models.CharField(max_length=64)
    status = models.CharField(max_length=10, choices=Status, default=Status.READING)
    attempts = models.PositiveSmallIntegerField(default=0)
    progress_at = models.DateTimeField(default=database_time.known_now)
    # Rows verified or stored by the running attempt.
    rows = models.PositiveIntegerField(default=0)
    # The preview; onboarding.lifecycle.archive.imports writes and reads it.
    report = models.JSONField(default=dict)
    error = models.CharField(max_length=500, blank=True)
    # The result.
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    created_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=database_time.known_now, editable=False)

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=~Q(status="failed") | ~Q(error=""),
                name="archive_import_failed_with_error",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_in_progress(self) -> bool:
        return self.status in (self.Status.READING, self.Status.IMPORTING)
