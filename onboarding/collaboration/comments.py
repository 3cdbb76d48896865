"""Comments, questions and internal notes on tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Prefetch, Q, QuerySet

from onboarding.collaboration.evidence_files import store_file
from onboarding.collaboration.markdown import names_in
from onboarding.errors import NotPermitted, OnboardingError
from onboarding.models import Comment, Plan, Responsibility, Task, TaskStatus
from onboarding.plans.assignment import mentionable_people
from onboarding.plans.queries import lock_tasks
from onboarding.plans.recipients import ReminderRecipients
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.task_events import task_params
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import Notification, Tenant, User
from tenants.notifications import notify, withdraw
from tenants.queries import tenants_staffed_by
from tenants.services import write_activity

MAX_LENGTH = 5000


DELETABLE_FOR = timedelta(hours=1)


@dataclass(frozen=True)
class NewComment:
    """A comment before it is stored: its text and its kind."""

    body: str
    is_internal: bool = False
    asked_side: str = ""
    # An attached file. Both sides can read it.
    file: UploadedFile[Any] | None = None


def add_comment(
    task: Task, new: NewComment, *, by: User, side: str, reply_to: Comment | None = None
) -> Comment:
    """Store a comment with its mentions and file. An answer closes its question.

    Raises NotPermitted for the wrong side, and OnboardingError for a text or file that is rejected.
    """
    _refuse(new, side)
    plan = task.plan
    with transaction.atomic():
        if new.asked_side or reply_to is not None or new.file is not None:
            # The waiting side may change: lock the tasks before the chain of the activity log.
            lock_tasks(plan.pk)
        if not Tenant.objects.filter(pk=plan.tenant_id, closed_at=None).exists():
            raise OnboardingError("The tenant has been closed. Your text is still in the form.")
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
        is_answer = (
            reply_to is not None and not new.is_internal and reply_to.asked_side in (side, "both")
        )
        if reply_to is not None and is_answer:
            Comment.objects.filter(pk=reply_to.pk, answered_at=None).update(
                answered_at=made.written_at
            )
        if not new.is_internal:
            # Clients read the activity log, so an internal note adds no line.
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
        _notify(made, by=by, answered=reply_to.author if reply_to and is_answer else None)
        plan.touch()
    return made


def _notify(comment: Comment, *, by: User, answered: User | None) -> None:
    """Notify the people whom the comment asks, answers or mentions: each of them once.

    The notification of an internal note goes to staff only, as its mentions do.
    """
    tenant = comment.plan.tenant
    asked: list[User] = []
    if comment.asked_side:
        people = ReminderRecipients.of(tenant)
        asked = people.of_side(comment.asked_side, comment.task.assignee)
    for kind, recipients in (
        (Notification.Kind.QUESTION, asked),
        (Notification.Kind.ANSWER, [answered] if answered is not None else []),
        (Notification.Kind.MENTION, list(comment.mentions.all())),
    ):
        if comment.is_internal:
            recipients = [person for person in recipients if person.is_mimecast]
        notify(
            tenant,
            kind,
            recipients,
            source=_source(comment),
            by=by,
            is_internal=comment.is_internal,
            tasks=[task_params(comment.task)],
            comment=comment.public_id,
        )


def _source(comment: Comment) -> str:
    return f"comment:{comment.public_id}"


def _refuse(new: NewComment, side: str) -> None:
    if side not in (Responsibility.MIMECAST, Responsibility.CLIENT):
        raise NotPermitted("You can read this plan, but not comment on it.")
    if new.is_internal and side != Responsibility.MIMECAST:
        raise NotPermitted("Only Mimecast writes internal notes.")
    if new.is_internal and new.asked_side:
        raise OnboardingError(
            "An internal note cannot ask the client a question. Choose one of them."
        )
    if new.is_internal and new.file is not None:
        raise OnboardingError("Both sides read files, so an internal note cannot have one.")
    if not new.body.strip():
        raise OnboardingError("Enter a text.")
    if len(new.body) > MAX_LENGTH:
        raise OnboardingError(
            f"Write at most {MAX_LENGTH} characters. This text has {len(new.body)} and is still in"
            " the form."
        )


def delete_comment(comment: Comment, *, by: User) -> None:
    """Delete the text of a comment. The page shows that a comment was deleted.

    Raises OnboardingError for another person than the author, and after one hour.
    """
    now = database_time.now()
    if comment.author_id != by.pk or now - comment.written_at > DELETABLE_FOR:
        raise OnboardingError("Only the author can delete a comment, within one hour.")
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
        withdraw(comment.plan.tenant, _source(comment))
        if waiting_on_changes:
            recompute_rollup(comment.plan)
        comment.plan.touch()


def _reopen_question(question: Comment) -> None:
    """Open the question again if its only answer was deleted."""
    left = question.replies.filter(is_internal=False, deleted_at=None)
    staffed = ~Q(author__staff_role=User.StaffRole.NONE)
    if question.asked_side == Responsibility.CLIENT:
        left = left.exclude(staffed)
    elif question.asked_side == Responsibility.MIMECAST:
        left = left.filter(staffed)
    if not left.exists():
        Comment.objects.filter(pk=question.pk).update(answered_at=None)


def comments_of(plan: Plan, *, is_staff: bool) -> QuerySet[Comment]:
    """The comments of the plan that the reader may see. Only staff see internal notes."""
    rows = Comment.objects.filter(plan=plan).select_related("author")
    visible = rows if is_staff else rows.filter(is_internal=False)
    return visible.prefetch_related(Prefetch("mentions", User.objects.only("pk", "name")), "files")


def comments_by_task(plan: Plan, *, is_staff: bool) -> dict[int, list[Comment]]:
    found: dict[int, list[Comment]] = {}
    for comment in comments_of(plan, is_staff=is_staff):
        found.setdefault(comment.task_id, []).append(comment)
    return found


def open_questions(plan: Plan, *, side: str) -> list[Comment]:
    """The unanswered questions to this side, oldest first."""
    rows = Comment.objects.filter(
        plan=plan, is_internal=False, asked_side=side, answered_at=None, deleted_at=None
    ).exclude(task__status=TaskStatus.NOT_APPLICABLE)
    return list(rows.select_related("author", "task__phase").prefetch_related("mentions", "files"))


def mentions_for(user: User, tenants: QuerySet[Tenant]) -> QuerySet[Comment]:
    """The comments of others that mention this person in these tenants, newest first."""
    mine = Comment.objects.filter(readable_by(user), mentions=user, plan__tenant__in=tenants)
    return (
        mine.filter(deleted_at=None)
        .select_related("task__phase", "plan__tenant", "author")
        .order_by("-written_at")
    )


def readable_by(user: User) -> Q:
    """The condition for readable comments: internal notes only where the person is on Mimecast's
    side."""
    return Q(is_internal=False) | Q(plan__tenant__in=tenants_staffed_by(user))


def mentioned_in(body: str, tenant: Tenant, *, is_internal: bool) -> Sequence[User]:
    """The people whose full name follows an @. An internal note mentions only staff."""
    if "@" not in body:
        return []
    people = mentionable_people(tenant, staff_only=is_internal)
    found = {name.casefold() for name in names_in(body, [person.name for person in people])}
    return [person for person in people if person.name.casefold() in found]
