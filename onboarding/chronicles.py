"""A cutover's own record: what was done, decided, said and seen, in the order in which it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from checks.models import Observation
from onboarding.models import Comment, Cutover, Task
from onboarding.talk import comments_of
from onboarding.windows import CLOSES_AFTER, KINDS_OF_DIRECTION, OPENS_BEFORE
from tenants.models import ActivityLine

# After the window answers still change: the last server follows, somebody goes back.
FOLLOWED_FOR = timedelta(days=2)
# A zone that flaps all night is told in the checks' own history.
MOST_SIGHTS = 500


@dataclass(frozen=True)
class Entry:
    """One thing of the record: a line of the activity, a new answer, or a comment."""

    at: datetime
    line: ActivityLine | None = None
    seen: Observation | None = None
    comment: Comment | None = None

    @property
    def shape(self) -> str:
        """Of an answer. What is not the new answer is no fault here: it is what stood there."""
        verdict = self.seen.verdict if self.seen is not None else ""
        return {"warn": "caution", "fail": "waiting"}.get(verdict, verdict)

    @property
    def word(self) -> str:
        return "Not the new answer" if self.shape == "waiting" else ""


def chronicle(cutover: Cutover, tasks: Sequence[Task], *, is_staff: bool) -> list[Entry]:
    """Everything of this cutover, oldest first. `tasks` are those of its run sheet; of these the
    activity from the opening of the window on is told. Internal notes are for staff alone."""
    entries = [
        *(Entry(line.at, line=line) for line in _lines(cutover, tasks)),
        *(Entry(seen.first_seen_at, seen=seen) for seen in _sights(cutover)),
        *(Entry(each.written_at, comment=each) for each in _said(cutover, tasks, is_staff)),
    ]
    return sorted(entries, key=lambda entry: entry.at)


def _window(cutover: Cutover) -> tuple[datetime, datetime]:
    return cutover.planned_at - OPENS_BEFORE, cutover.planned_at + CLOSES_AFTER + FOLLOWED_FOR


def _lines(cutover: Cutover, tasks: Sequence[Task]) -> QuerySet[ActivityLine]:
    of_cutover = Q(params__cutover_id=cutover.public_id)
    of_tasks = Q(params__task_id__in=[task.public_id for task in tasks], at__range=_window(cutover))
    lines = ActivityLine.objects.filter(of_cutover | of_tasks, tenant=cutover.plan.tenant_id)
    # A comment stands here itself.
    return lines.exclude(act__startswith="comment-").select_related("actor")


def _sights(cutover: Cutover) -> QuerySet[Observation]:
    """Each new answer to what this direction changes, of the cutover's domains."""
    kinds = [kind.value for kind in KINDS_OF_DIRECTION[Cutover.Direction(cutover.direction)]]
    seen = Observation.objects.filter(
        check_asked__kind__in=kinds,
        check_asked__domain__cutovers=cutover,
        first_seen_at__range=_window(cutover),
        looks__gt=0,
    )
    found = seen.select_related("check_asked__domain").order_by("first_seen_at")
    return found.defer("evidence")[:MOST_SIGHTS]


def _said(cutover: Cutover, tasks: Sequence[Task], is_staff: bool) -> QuerySet[Comment]:
    said = comments_of(cutover.plan, is_staff=is_staff).filter(taken_back_at=None)
    return said.filter(task__in=tasks, written_at__range=_window(cutover)).select_related("task")
