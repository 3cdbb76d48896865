"""Share links, evidence files, exports and closing packs."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from onboarding.models.comments import Comment
from onboarding.models.plans import Plan, Task
from tenants import database_time
from tenants.models import Domain, Tenant, User
from tenants.public_ids import new_public_id

LIFETIME_DAYS = (1, 7, 14, 30)


class ShareLink(models.Model):
    """A link for a person without an account, to the records of one task or one domain."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="share_links")
    task = models.ForeignKey(
        Task, on_delete=models.CASCADE, null=True, blank=True, related_name="share_links"
    )
    domain = models.ForeignKey(
        Domain, on_delete=models.CASCADE, null=True, blank=True, related_name="share_links"
    )
    # The name of the recipient, as the creator typed it.
    recipient = models.CharField(max_length=100)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="share_links_created"
    )
    created_at = models.DateTimeField(default=database_time.known_now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    views = models.PositiveIntegerField(default=0)
    viewed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(task__isnull=False, domain__isnull=True)
                | Q(task__isnull=True, domain__isnull=False),
                name="share_link_has_one_subject",
            )
        ]

    def __str__(self) -> str:
        return str(self.task if self.task is not None else self.domain)

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= database_time.now()


class EvidenceFile(models.Model):
    """A file that is evidence for a task, stored under a random name and never edited."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(max_length=120)
    content_type = models.CharField(max_length=80)
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    stored_as = models.CharField(max_length=80, unique=True, editable=False)
    uploaded_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    uploaded_at = models.DateTimeField(default=database_time.known_now, editable=False)
    # The comment that the file was attached to. The file outlives a deleted comment.
    comment = models.ForeignKey(
        Comment, on_delete=models.SET_NULL, null=True, blank=True, related_name="files"
    )

    class Meta:
        ordering: ClassVar[list[str]] = ["uploaded_at", "pk"]

    def __str__(self) -> str:
        return self.name


class TenantExport(models.Model):
    """All data of a tenant in one file, which a worker creates on request."""

    class Format(models.TextChoices):
        TABLES = "tables", "ZIP with one file for each table"
        ARCHIVE = "archive", "JSON archive for another installation"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="exports")
    requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    requested_at = models.DateTimeField(default=database_time.known_now, editable=False)
    # Both are empty until the worker is done.
    ready_at = models.DateTimeField(null=True, blank=True)
    stored_as = models.CharField(max_length=80, blank=True, editable=False)
    size = models.PositiveBigIntegerField(default=0)
    format = models.CharField(
        max_length=10, choices=Format, default=Format.TABLES, db_default=Format.TABLES
    )
    # Of an archive: SHA-256 of its bytes. The importing administrator compares it.
    sha256 = models.CharField(max_length=64, blank=True, default="", db_default="")
    # The reason why an archive could not be built; empty otherwise.
    error = models.CharField(max_length=300, blank=True, default="", db_default="")

    class Meta:
        ordering: ClassVar[list[str]] = ["-requested_at"]

    def __str__(self) -> str:
        return f"export of {self.tenant}"


class ClosingPack(models.Model):
    """A closed implementation in one archive that can be verified without Gangway. Never edited."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="closing_packs")
    requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    requested_at = models.DateTimeField(default=database_time.known_now, editable=False)
    # Empty until the worker is done.
    ready_at = models.DateTimeField(null=True, blank=True)
    stored_as = models.CharField(max_length=80, blank=True, editable=False)
    size = models.PositiveBigIntegerField(default=0)
    # SHA-256 of its list of digests. It identifies the closing pack.
    seal = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-requested_at", "-pk"]

    def __str__(self) -> str:
        return f"closing pack of {self.tenant}"
