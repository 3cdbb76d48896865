"""Requirements sheets, their rows and their imports."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, NamedTuple

from django.db import models
from django.db.models import Q

from onboarding.models.plans import Responsibility, Task
from tenants import database_time
from tenants.models import User
from tenants.public_ids import new_public_id

# The kinds whose sign-off confirms no task: their tasks ask for more than the list.
LISTS_ONLY = frozenset({"outbound-addresses", "delivery-routes", "impersonation-vips"})


class SignOff(NamedTuple):
    """The sign-off of one side. `reason` is that for signing with unanswered questions."""

    side: str
    by: User | None
    at: datetime | None
    reason: str


class RequirementsSheet(models.Model):
    """The requirements of one task. onboarding.requirements.definitions declares the columns."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    task = models.OneToOneField(Task, on_delete=models.CASCADE, related_name="sheet")
    kind = models.CharField(max_length=40)
    # For fixed questions: the number of answers.
    row_count = models.PositiveIntegerField(default=0)
    # Increases with every change of the rows. A sign-off or import for an older one is refused.
    revision = models.PositiveIntegerField(default=0)
    # The delivery hosts of the tenant at the first sign-off, as text, and the time from which they
    # differ. The rows of a signed sheet stay as they were signed.
    signed_hosts = models.JSONField(null=True, blank=True, editable=False)
    hosts_changed_at = models.DateTimeField(null=True, blank=True, editable=False)
    mimecast_signed_at = models.DateTimeField(null=True, blank=True)
    mimecast_signed_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    client_signed_at = models.DateTimeField(null=True, blank=True)
    client_signed_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # The reason of each side for a sign-off with unanswered questions.
    mimecast_sign_off_reason = models.CharField(max_length=500, blank=True)
    client_sign_off_reason = models.CharField(max_length=500, blank=True)

    def __str__(self) -> str:
        return f"sheet of {self.task}"

    @property
    def confirms_task(self) -> bool:
        """Whether a sign-off of this sheet confirms its task."""
        return self.kind not in LISTS_ONLY

    @property
    def signatures(self) -> list[SignOff]:
        """Both sides; without a time before the sign-off."""
        return [
            SignOff(
                Responsibility.MIMECAST.value,
                self.mimecast_signed_by,
                self.mimecast_signed_at,
                self.mimecast_sign_off_reason,
            ),
            SignOff(
                Responsibility.CLIENT.value,
                self.client_signed_by,
                self.client_signed_at,
                self.client_sign_off_reason,
            ),
        ]

    @property
    def signed_sides(self) -> list[str]:
        return [each.side for each in self.signatures if each.at is not None]


class SheetRow(models.Model):
    """One row of a sheet. `values` is normalised text by column name."""

    class Source(models.TextChoices):
        """The place from which Gangway has the values. Rows that a person typed have none."""

        PROFILE = "profile", "From the profile"
        PEOPLE = "people", "From the people of this tenant"
        DNS = "dns", "From DNS"
        SHEETS = "sheets", "From another requirements sheet"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    sheet = models.ForeignKey(
        RequirementsSheet, on_delete=models.CASCADE, related_name="rows", db_index=False
    )
    position = models.PositiveIntegerField()
    values = models.JSONField(default=dict)
    # The normalised key columns: two rows with one key are duplicates.
    key = models.CharField(max_length=200)
    # All values, case-folded, for the search.
    text = models.TextField(default="")
    version = models.PositiveIntegerField(default=1)
    source = models.CharField(max_length=10, choices=Source, blank=True)
    changed_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    changed_at = models.DateTimeField(default=database_time.known_now)

    class Meta:
        ordering: ClassVar[list[str]] = ["position"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["sheet", "key"], name="row_once_per_sheet")
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["sheet", "position"], name="row_in_order")
        ]

    def __str__(self) -> str:
        return self.key


class TlsPartnerCheck(models.Model):
    """The newest test of one partner in the sheet of TLS partners. It changes no task."""

    sheet = models.ForeignKey(
        RequirementsSheet, on_delete=models.CASCADE, related_name="partner_checks", db_index=False
    )
    domain = models.CharField(max_length=253)
    requested_at = models.DateTimeField()
    # The values below belong to this time. Empty until the first test is done.
    checked_at = models.DateTimeField(null=True, blank=True)
    verdict = models.CharField(max_length=20, blank=True)
    findings = models.JSONField(default=list)
    evidence = models.JSONField(default=dict)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["sheet", "domain"], name="partner_once_per_sheet")
        ]

    def __str__(self) -> str:
        return f"TLS of {self.domain}"

    @property
    def is_in_progress(self) -> bool:
        return self.checked_at is None or self.checked_at < self.requested_at


class SheetImport(models.Model):
    """A paste or a file to import into a sheet: it is read, shown as a preview, then imported."""

    class Status(models.TextChoices):
        READING = "reading", "Reading"
        READY = "ready", "Ready for review"
        IMPORTING = "importing", "Importing"
        DONE = "done", "Imported"
        FAILED = "failed", "Failed"

    class Duplicates(models.TextChoices):
        SKIP = "skip", "Skip"
        REPLACE = "replace", "Replace"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    sheet = models.ForeignKey(RequirementsSheet, on_delete=models.CASCADE, related_name="imports")
    name = models.CharField(max_length=120)
    # Emptied as soon as it is imported.
    content = models.BinaryField()
    status = models.CharField(max_length=10, choices=Status, default=Status.READING)
    duplicates = models.CharField(max_length=10, choices=Duplicates, default=Duplicates.SKIP)
    # The revision of the sheet that the preview compares with.
    previewed_revision = models.PositiveIntegerField(default=0)
    rows_checked = models.PositiveIntegerField(default=0)
    rows_found = models.PositiveIntegerField(default=0)
    # The attempts of workers at the current stage, and the time of the last sign of progress.
    attempts = models.PositiveSmallIntegerField(default=0)
    progress_at = models.DateTimeField(default=database_time.known_now)
    # The result of the comparison; onboarding.requirements.imports writes and reads it.
    report = models.JSONField(default=dict)
    error = models.CharField(max_length=500, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=database_time.known_now, editable=False)
    imported_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=~Q(status="failed") | ~Q(error=""), name="import_failed_with_error"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_in_progress(self) -> bool:
        return self.status in (self.Status.READING, self.Status.IMPORTING)
