"""The draft of the plan template's next version."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from onboarding.models.plans import PlanTemplate
from tenants import database_time
from tenants.models import User


class TemplateDraft(models.Model):
    """The content of the next version. There is at most one draft, which all editors share."""

    singleton = models.PositiveSmallIntegerField(default=1, unique=True, editable=False)
    # The version that the draft is based on.
    base = models.ForeignKey(PlanTemplate, on_delete=models.PROTECT, related_name="+")
    content = models.JSONField()
    # Keys of removed tasks and phases. A new one never gets one of them.
    removed_keys = models.JSONField(default=list)
    # Increases with every change. Publishing or deleting an older revision is refused.
    revision = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=database_time.known_now)
    changed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    changed_at = models.DateTimeField(default=database_time.known_now)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=Q(singleton=1), name="one_template_draft")
        ]

    def __str__(self) -> str:
        return f"draft from {self.base}"
