"""The timeline of a cutover: its activity, decisions, comments and new answers in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

from django.db.models import Q, QuerySet

from checks.engine.outcomes import Verdict
from checks.models import Observation
from onboarding.collaboration.comments import comments_of
from onboarding.cutovers.windows import KINDS_OF_DIRECTION
from onboarding.models import Comment, Cutover, CutoverSnapshot, Task
from onboarding.plans.planned_cutovers import OPENS_BEFORE
from onboarding.plans.rows import SHAPE_OF_VERDICT, Shape
from tenants.activity_names import ActivityName, stored_names
from tenants.models import ActivityLine, Domain

# Counted from the window's start. Answers still change after the window: the last server follows,
# or a rollback begins. The longest window is two days.
RECORDED_FOR = timedelta(days=3)
# A zone that flaps all night has its full list in the history of its checks.
MAX_OBSERVATIONS = 500


@dataclass(frozen=True)
class TimelineEntry:
    """A line of the activity log, a new answer or a comment."""

    at: datetime
    line: ActivityLine | None = None
    observation: Observation | None = None
    comment: Comment | None = None

    @property
    def shape(self) -> Shape:
        """The shape of an answer. FAIL is shown as waiting: the old answer is no fault here."""
        if self.observation is None:
            return Shape.NOT_APPLICABLE
        verdict = Verdict(self.observation.verdict)
        return Shape.WAITING if verdict is Verdict.FAIL else SHAPE_OF_VERDICT[verdict]

    @property
    def label(self) -> str:
        return "Not the new answer" if self.shape is Shape.WAITING else ""


def build_timeline(
    cutover: Cutover, tasks: Sequence[Task], *, is_staff: bool
) -> list[TimelineEntry]:
    """All entries of the cutover, oldest first.

    `tasks` are the tasks of its run sheet. Their activity counts from the opening of the window.
    Only staff see internal notes.
    """
    starts = _window_starts(cutover)
    comments = _comments(cutover, tasks, starts, is_staff=is_staff)
    entries = [
        *(TimelineEntry(line.at, line=line) for line in _lines(cutover, tasks, starts)),
        *(
            TimelineEntry(each.first_seen_at, observation=each)
            for each in _observations(cutover, starts)
        ),
        *(TimelineEntry(each.written_at, comment=each) for each in comments),
    ]
    return sorted(entries, key=lambda entry: entry.at)


def _window_starts(cutover: Cutover) -> set[datetime]:
    """The start of its window, and of each earlier window with a snapshot or a decision."""
    opened = cutover.snapshots.filter(reason=CutoverSnapshot.Reason.OPENED)
    starts = [each.values_list("window_start", flat=True) for each in (opened, cutover.decisions)]
    return {cutover.planned_at}.union(*starts)


def _within(field: str, starts: Iterable[datetime]) -> Q:
    spans = [(start - OPENS_BEFORE, start + RECORDED_FOR) for start in starts]
    return reduce(or_, [Q(**{f"{field}__range": span}) for span in spans])


def _lines(
    cutover: Cutover, tasks: Sequence[Task], starts: Iterable[datetime]
) -> QuerySet[ActivityLine]:
    of_cutover = Q(params__cutover_id=cutover.public_id)
    of_tasks = Q(params__task_id__in=[task.public_id for task in tasks]) & _within("at", starts)
    lines = ActivityLine.objects.filter(of_cutover | of_tasks, tenant=cutover.plan.tenant_id)
    # The timeline shows the comments themselves.
    comments = stored_names(ActivityName.COMMENT_ADDED, ActivityName.COMMENT_DELETED)
    return lines.exclude(action__in=comments).select_related("actor")


def shown_observations(cutover: Cutover) -> Q:
    """The condition of the observations that began in a time that the timeline shows."""
    return _within("first_seen_at", _window_starts(cutover))


def _observations(cutover: Cutover, starts: Iterable[datetime]) -> QuerySet[Observation]:
    """The new answers of the cutover's domains to the checks of its direction."""
    kinds = [kind.value for kind in KINDS_OF_DIRECTION[Cutover.Direction(cutover.direction)]]
    rows = Observation.objects.filter(
        _within("first_seen_at", starts),
        check_asked__kind__in=kinds,
        check_asked__domain__in=_domains(cutover),
        runs__gt=0,
    )
    ordered = rows.select_related("check_asked__domain").order_by("first_seen_at")
    return ordered.defer("evidence")[:MAX_OBSERVATIONS]


def _domains(cutover: Cutover) -> list[Domain]:
    """The cutover's domains, and its former domains at an opening or a decision.

    A domain that did not switch may belong to another cutover since, or be removed from the tenant.
    """
    names = {
        *(e["domain"] for snapshot in cutover.snapshots.all() for e in snapshot.content),
        *(
            name
            for decision in cutover.decisions.all()
            for name in decision.content.get("domains", ())
        ),
    }
    own = set(cutover.domains.all())
    all_domains = Domain.all_objects.filter(tenant=cutover.plan.tenant_id)
    return [domain for domain in all_domains if domain in own or str(domain) in names]


def _comments(
    cutover: Cutover, tasks: Sequence[Task], starts: Iterable[datetime], *, is_staff: bool
) -> QuerySet[Comment]:
    comments = comments_of(cutover.plan, is_staff=is_staff).filter(deleted_at=None)
    return comments.filter(_within("written_at", starts), task__in=tasks).select_related("task")
