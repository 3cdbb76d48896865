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

from onboarding.errors import NotYours, OnboardingError
from onboarding.evidence_files import keep_file
from onboarding.markdown import names_in
from onboarding.models import Comment, Plan, Responsibility, Task, TaskState
from onboarding.plans.holding import hold_plan
from onboarding.plans.standing import refresh_states
from tenants.models import Membership, Tenant, User
from tenants.queries import staffed_by
from tenants.services import write_activity

LONGEST = 5000
TAKE_BACK_FOR = timedelta(hours=1)


@dataclass(frozen=True)
class Words:
    """What somebody writes: the text, and what it is."""

    body: str
    is_internal: bool = False
    asks: str = ""
    # What it shows; both sides can read it.
    file: UploadedFile[Any] | None = None


def add_comment(
    task: Task, words: Words, *, by: User, side: str, answers: Comment | None = None
) -> Comment:
    """Write it down; an answer closes the question it answers. OnboardingError says why not."""
    _refuse(words, side)
    plan = task.plan
    with transaction.atomic():
        if words.asks or answers is not None:
            # Whose turn it is may change: the tasks are held before the activity's chain.
            hold_plan(plan.pk)
        if not Tenant.objects.filter(pk=plan.tenant_id, archived_at=None).exists():
            raise OnboardingError("The case was closed meanwhile. Your words are kept here.")
        made = Comment.objects.create(
            plan=plan,
            task=task,
            author=by,
            body=words.body.strip(),
            is_internal=words.is_internal,
            asks=words.asks,
            answers=answers,
        )
        if words.file is not None:
            keep_file(task, words.file, by=by, comment=made)
        made.mentions.set(mentioned_in(made.body, plan.tenant, is_internal=words.is_internal))
        if answers is not None and not words.is_internal and answers.asks in (side, "both"):
            Comment.objects.filter(pk=answers.pk, answered_at=None).update(
                answered_at=made.written_at
            )
        if not words.is_internal:
            # The log is open to clients, so internal notes leave no line in it.
            act = "question-asked" if words.asks else "comment-added"
            write_activity(
                plan.tenant, act, by=by, task=task.title, task_id=task.public_id, asks=words.asks
            )
        if words.asks or answers is not None:
            refresh_states(plan)
        plan.touch()
    return made


def _refuse(words: Words, side: str) -> None:
    if side not in (Responsibility.MIMECAST, Responsibility.CLIENT):
        raise NotYours("You can read this plan, but not write in it.")
    if words.is_internal and side != Responsibility.MIMECAST:
        raise NotYours("Internal notes are Mimecast’s.")
    if words.is_internal and words.asks:
        raise OnboardingError("An internal note asks the client nothing: choose one or the other.")
    if words.is_internal and words.file is not None:
        raise OnboardingError("A file is read by both sides, so an internal note takes none.")
    if not words.body.strip():
        raise OnboardingError("Write something first.")
    if len(words.body) > LONGEST:
        raise OnboardingError(
            f"Write at most {LONGEST} characters; this is {len(words.body)}. It is kept here."
        )


def take_back(comment: Comment, *, by: User) -> None:
    """The author's second thought, for an hour: the words go, that something stood there stays."""
    now = timezone.now()
    if comment.author_id != by.pk or now - comment.written_at > TAKE_BACK_FOR:
        raise OnboardingError("Only its author can take a comment back, within an hour.")
    turns_change = bool(comment.asks) or comment.answers_id is not None
    with transaction.atomic():
        if turns_change:
            hold_plan(comment.plan_id)
        Comment.objects.filter(pk=comment.pk).update(body="", taken_back_at=now)
        comment.mentions.clear()
        if comment.answers is not None and not comment.is_internal:
            _ask_again(comment.answers)
        if not comment.is_internal:
            write_activity(
                comment.plan.tenant,
                "comment-taken-back",
                by=by,
                task=comment.task.title,
                task_id=comment.task.public_id,
            )
        if turns_change:
            refresh_states(comment.plan)
        comment.plan.touch()


def _ask_again(question: Comment) -> None:
    """A question whose only answer was taken back waits for one again."""
    left = question.replies.filter(is_internal=False, taken_back_at=None)
    staffed = ~Q(author__staff_role=User.StaffRole.NONE)
    if question.asks == Responsibility.CLIENT:
        left = left.exclude(staffed)
    elif question.asks == Responsibility.MIMECAST:
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
        plan=plan, is_internal=False, asks=side, answered_at=None, taken_back_at=None
    ).exclude(task__state=TaskState.NOT_APPLICABLE)
    return list(rows.select_related("author", "task__phase").prefetch_related("mentions", "files"))


def with_open_questions(tasks: Sequence[Task]) -> frozenset[int]:
    """The keys of those of the tasks on which somebody waits for an answer."""
    rows = Comment.objects.filter(task__in=tasks, answered_at=None, taken_back_at=None)
    return frozenset(rows.exclude(asks="").values_list("task_id", flat=True))


def mentions_for(user: User, tenants: QuerySet[Tenant]) -> QuerySet[Comment]:
    """Where others named this person, newest first, in the tenants they may see."""
    mine = Comment.objects.filter(readable_by(user), mentions=user, plan__tenant__in=tenants)
    return (
        mine.filter(taken_back_at=None)
        .select_related("task__phase", "plan__tenant", "author")
        .order_by("-written_at")
    )


def readable_by(user: User) -> Q:
    """Of the comments in tenants that somebody may see, those they may read: internal notes only
    where they stand on Mimecast's side."""
    return Q(is_internal=False) | Q(plan__tenant__in=staffed_by(user))


def people_of(tenant: Tenant, *, staff_only: bool = False) -> list[User]:
    """Who can be mentioned: the client's people and those of Mimecast who take part."""
    staff = User.objects.filter(is_active=True).exclude(staff_role=User.StaffRole.NONE)
    if staff_only:
        return list(staff)
    members = Membership.objects.filter(tenant=tenant, user__is_active=True).values("user")
    lead = Q(pk=tenant.consultant_id, is_active=True) & ~Q(staff_role=User.StaffRole.NONE)
    return list(User.objects.filter(Q(pk__in=members) | lead))


def mentioned_in(body: str, tenant: Tenant, *, is_internal: bool) -> Sequence[User]:
    """The people whose whole name follows an @. In an internal note only staff are heard."""
    if "@" not in body:
        return []
    people = people_of(tenant, staff_only=is_internal)
    found = {name.casefold() for name in names_in(body, [person.name for person in people])}
    return [person for person in people if person.name.casefold() in found]
