"""A cutover's own record: what was done, decided, comments and seen, in the order in which it was."""

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

# From its beginning. After the window answers still change: the last server follows, somebody goes
# back. The longest window is two days.
RECORDED_FOR = timedelta(days=3)
# A zone that flaps all night is told in the checks' own history.
MAX_OBSERVATIONS = 500


@dataclass(frozen=True)
class TimelineEntry:
    """One thing of the record: a line of the activity, a new answer, or a comment."""

    at: datetime
    line: ActivityLine | None = None
    observation: Observation | None = None
    comment: Comment | None = None

    @property
    def shape(self) -> Shape:
        """The icon of an observation. FAIL is shown as waiting: the old answer is no fault here."""
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
    """Everything of this cutover, oldest first. `tasks` are those of its run sheet; of these the
    activity from the opening of the window on is told. Internal notes are for staff alone."""
    starts = _window_starts(cutover)
    comments = _comments(cutover, tasks, starts, is_staff=is_staff)
    entries = [
        *(TimelineEntry(line.at, line=line) for line in _lines(cutover, tasks, starts)),
        *(
            TimelineEntry(seen.first_seen_at, observation=seen)
            for seen in _observations(cutover, starts)
        ),
        *(TimelineEntry(each.written_at, comment=each) for each in comments),
    ]
    return sorted(entries, key=lambda entry: entry.at)


def _window_starts(cutover: Cutover) -> set[datetime]:
    """Its window, and those it was moved from once something had been kept or decided in them."""
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


def _observations(cutover: Cutover, starts: Iterable[datetime]) -> QuerySet[Observation]:
    """Each new answer to what this direction changes, of the cutover's domains."""
    kinds = [kind.value for kind in KINDS_OF_DIRECTION[Cutover.Direction(cutover.direction)]]
    seen = Observation.objects.filter(
        _within("first_seen_at", starts),
        check_asked__kind__in=kinds,
        check_asked__domain__in=_domains(cutover),
        runs__gt=0,
    )
    found = seen.select_related("check_asked__domain").order_by("first_seen_at")
    return found.defer("evidence")[:MAX_OBSERVATIONS]


def _domains(cutover: Cutover) -> list[Domain]:
    """Its own, and those that were of it when a window opened or a verdict was comments: what did not
    switch may have been given to another cutover since, or been taken out of the case."""
    names = {
        *(e["domain"] for kept in cutover.snapshots.all() for e in kept.content),
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
