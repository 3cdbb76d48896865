"""DNS discovery of domains before their tenant exists."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from tenants import database_time
from tenants.models import User
from tenants.public_ids import new_public_id


class DomainScan(models.Model):
    """A scan of the domains of a new tenant, of the person who creates it.

    It exists until the tenant is created, at most for a day.
    """

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    # The names in the order of the form.
    domains = models.JSONField(default=list)
    # The entries that Gangway changed to a name: pairs of entry and name.
    changed = models.JSONField(default=list)
    # The result of each name, or null if no server gave a usable answer. Empty before `scanned_at`.
    found = models.JSONField(default=dict)
    scanned_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=database_time.known_now, editable=False)

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at"]

    def __str__(self) -> str:
        return f"scan of {len(self.domains)} domains"

    @property
    def is_in_progress(self) -> bool:
        return self.scanned_at is None
