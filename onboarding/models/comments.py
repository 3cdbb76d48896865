"""Comments on tasks."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from onboarding.models.plans import Plan, Responsibility, Task
from tenants import database_time
from tenants.models import User
from tenants.public_ids import new_public_id


class Comment(models.Model):
    """A comment in Markdown: a statement, a question to a side, or a note. Never edited."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    plan = models.ForeignKey(
        Plan, on_delete=models.CASCADE, related_name="comments", db_index=False
    )
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="comments")
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    body = models.TextField()
    written_at = models.DateTimeField(default=database_time.known_now, editable=False)
    # Visible to staff only: a client must not detect that the note exists.
    is_internal = models.BooleanField(default=False)
    # The side that a question is addressed to. It stays open until `answered_at`.
    asked_side = models.CharField(max_length=10, choices=Responsibility, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    reply_to = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="replies"
    )
    deleted_at = models.DateTimeField(null=True, blank=True)
    mentions = models.ManyToManyField(User, related_name="mentioned_in", blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["written_at", "pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(is_internal=False) | Q(asked_side=""), name="internal_notes_ask_no_side"
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["plan", "task"], name="comment_of_task")
        ]

    def __str__(self) -> str:
        return f"comment on {self.task}"

    @property
    def is_open_question(self) -> bool:
        return bool(self.asked_side) and self.answered_at is None and self.deleted_at is None
