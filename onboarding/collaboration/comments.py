"""Comments, questions and internal notes on tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from onboarding.collaboration.evidence_files import store_file
from onboarding.collaboration.markdown import names_in
from onboarding.errors import NotPermitted, OnboardingError
from onboarding.models import Comment, Plan, Responsibility, Task, TaskStatus
from onboarding.plans.assignment import mentionable_people  # NEW
from onboarding.plans.queries import lock_tasks
from onboarding.plans.rollup import recompute_rollup
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User
from tenants.queries import tenants_staffed_by
from tenants.services import write_activity

MAX_LENGTH = 5000


DELETABLE_FOR = timedelta(hours=1)


@dataclass(frozen=True)
class NewComment:
    """What somebody writes: the text, and what it is."""

    body: str
    is_internal: bool = False
    asked_side: str = ""
    # What it shows; both sides can read it.
    file: UploadedFile[Any] | None = None


def add_comment(
    task: Task, new: NewComment, *, by: User, side: str, reply_to: Comment | None = None
) -> Comment:
    """Write it down; an answer closes the question it answers. OnboardingError says why not."""
    _refuse(new, side)
    plan = task.plan
    with transaction.atomic():
        if new.asked_side or reply_to is not None:
            # Whose turn it is may change: the tasks are held before the activity's chain.
            lock_tasks(plan.pk)
        if not Tenant.objects.filter(pk=plan.tenant_id, closed_at=None).exists():
            raise OnboardingError("The case was closed meanwhile. Your words are kept here.")
        made = Comment.objects.create(
            plan=plan,
            task=task,
            author=by,
            body=new.body.strip(),
            is_internal=new.is_internal,
            asked_side=new.asked_side,
            reply_to=reply_to,
        )
        if new.file is not None:
            store_file(task, new.file, by=by, comment=made)
        made.mentions.set(mentioned_in(made.body, plan.tenant, is_internal=new.is_internal))
        if reply_to is not None and not new.is_internal and reply_to.asked_side in (side, "both"):
            Comment.objects.filter(pk=reply_to.pk, answered_at=None).update(
                answered_at=made.written_at
            )
        if not new.is_internal:
            # The log is open to clients, so internal notes leave no line in it.
            action = ActivityName.QUESTION_ASKED if new.asked_side else ActivityName.COMMENT_ADDED
            write_activity(
                plan.tenant,
                action,
                by=by,
                task=task.title,
                task_id=task.public_id,
                asks=new.asked_side,
            )
        if new.asked_side or reply_to is not None:
            recompute_rollup(plan)
        plan.touch()
    return made


def _refuse(new: NewComment, side: str) -> None:
    if side not in (Responsibility.MIMECAST, Responsibility.CLIENT):
        raise NotPermitted("You can read this plan, but not write in it.")
    if new.is_internal and side != Responsibility.MIMECAST:
        raise NotPermitted("Internal notes are Mimecast’s.")
    if new.is_internal and new.asked_side:
        raise OnboardingError("An internal note asks the client nothing: choose one or the other.")
    if new.is_internal and new.file is not None:
        raise OnboardingError("A file is read by both sides, so an internal note takes none.")
    if not new.body.strip():
        raise OnboardingError("Write something first.")
    if len(new.body) > MAX_LENGTH:
        raise OnboardingError(
            f"Write at most {MAX_LENGTH} characters; this is {len(new.body)}. It is kept here."
        )


def delete_comment(comment: Comment, *, by: User) -> None:
    """The author's second thought, for an hour: the words go, that something stood there stays."""
    now = timezone.now()
    if comment.author_id != by.pk or now - comment.written_at > DELETABLE_FOR:
        raise OnboardingError("Only its author can take a comment back, within an hour.")
    waiting_on_changes = bool(comment.asked_side) or comment.reply_to_id is not None
    with transaction.atomic():
        if waiting_on_changes:
            lock_tasks(comment.plan_id)
        Comment.objects.filter(pk=comment.pk).update(body="", deleted_at=now)
        comment.mentions.clear()
        if comment.reply_to is not None and not comment.is_internal:
            _reopen_question(comment.reply_to)
        if not comment.is_internal:
            write_activity(
                comment.plan.tenant,
                ActivityName.COMMENT_DELETED,
                by=by,
                task=comment.task.title,
                task_id=comment.task.public_id,
            )
        if waiting_on_changes:
            recompute_rollup(comment.plan)
        comment.plan.touch()


def _reopen_question(question: Comment) -> None:
    """A question whose only answer was taken back waits for one again."""
    left = question.replies.filter(is_internal=False, deleted_at=None)
    staffed = ~Q(author__staff_role=User.StaffRole.NONE)
    if question.asked_side == Responsibility.CLIENT:
        left = left.exclude(staffed)
    elif question.asked_side == Responsibility.MIMECAST:
        left = left.filter(staffed)
    if not left.exists():
        Comment.objects.filter(pk=question.pk).update(answered_at=None)


def comments_of(plan: Plan, *, is_staff: bool) -> QuerySet[Comment]:
    """What this reader may see of a plan's talk; internal notes are for staff alone."""
    rows = Comment.objects.filter(plan=plan).select_related("author")
    visible = rows if is_staff else rows.filter(is_internal=False)
    return visible.prefetch_related(Prefetch("mentions", User.objects.only("pk", "name")), "files")


def comments_by_task(plan: Plan, *, is_staff: bool) -> dict[int, list[Comment]]:
    found: dict[int, list[Comment]] = {}
    for comment in comments_of(plan, is_staff=is_staff):
        found.setdefault(comment.task_id, []).append(comment)
    return found


def open_questions(plan: Plan, *, side: str) -> list[Comment]:
    """What this side has been asked and has not answered, oldest first."""
    rows = Comment.objects.filter(
        plan=plan, is_internal=False, asked_side=side, answered_at=None, deleted_at=None
    ).exclude(task__status=TaskStatus.NOT_APPLICABLE)
    return list(rows.select_related("author", "task__phase").prefetch_related("mentions", "files"))


def mentions_for(user: User, tenants: QuerySet[Tenant]) -> QuerySet[Comment]:
    """Where others named this person, newest first, in the tenants they may see."""
    mine = Comment.objects.filter(readable_by(user), mentions=user, plan__tenant__in=tenants)
    return (
        mine.filter(deleted_at=None)
        .select_related("task__phase", "plan__tenant", "author")
        .order_by("-written_at")
    )


def readable_by(user: User) -> Q:
    """Of the comments in tenants that somebody may see, those they may read: internal notes only
    where they stand on Mimecast's side."""
    return Q(is_internal=False) | Q(plan__tenant__in=tenants_staffed_by(user))


def mentioned_in(body: str, tenant: Tenant, *, is_internal: bool) -> Sequence[User]:
    """The people whose whole name follows an @. In an internal note only staff are heard."""
    if "@" not in body:
        return []
    people = mentionable_people(tenant, staff_only=is_internal)
    found = {name.casefold() for name in names_in(body, [person.name for person in people])}
    return [person for person in people if person.name.casefold() in found]
