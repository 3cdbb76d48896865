"""Saved views of the list of tenants: filters, order, columns and density under a name."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from tenants import database_time
from tenants.models import User
from tenants.public_ids import new_public_id


class SavedView(models.Model):
    """A query of the list of tenants that one person stored, for them alone or for all staff.

    It stores no tenants: each reader sees the tenants that they may see.
    """

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    owner = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="saved_views", db_index=False
    )
    name = models.CharField(max_length=60)
    # The query string of the list, in the order of its parameters.
    query = models.CharField(max_length=2000, blank=True)
    is_shared = models.BooleanField(default=False)
    # The owner's list opens with this view.
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=database_time.known_now, editable=False)

    class Meta:
        ordering: ClassVar[list[str]] = ["name", "pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["owner", "name"], name="saved_view_once_per_owner"),
            models.UniqueConstraint(
                fields=["owner"],
                condition=Q(is_default=True),
                name="one_default_view_per_owner",
            ),
        ]

    def __str__(self) -> str:
        return self.name
