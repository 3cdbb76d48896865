"""The duration of a task in working days: measured, or by default from its due rule.

A duration is the number of working days from the day on which a side could first act to the day of
completion. 0 means the same day.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice

from django.db.models import Min

from onboarding.models import Task, TaskStatus

# Fewer completed tasks are too few for a median.
MIN_SAMPLES = 5
# Older implementations are no measure of the present duration.
MEASURED_FOR = timedelta(days=730)
MAX_SAMPLES = 5000
# The default lies in this range, independently of the distance of two due dates.
DEFAULT_RANGE = (1, 5)


@dataclass(frozen=True)
class Duration:
    """Working days with the reason for the number."""

    days: int
    basis: str


@dataclass(frozen=True)
class DurationSamples:
    """Measured durations by task key: of each consultant, and of the whole installation."""

    by_consultant: Mapping[tuple[str, int], Sequence[int]]
    by_key: Mapping[str, Sequence[int]]

    def of(self, key: str, consultant_id: int | None) -> Duration | None:
        """The median of this consultant's tasks, else of the installation's; None with too few."""
        own = self.by_consultant.get((key, consultant_id or 0), ())
        for samples, whose in ((own, "this consultant"), (self.by_key.get(key, ()), "all tenants")):
            if len(samples) >= MIN_SAMPLES:
                days = median_days(samples)
                return Duration(days, f"median of {len(samples)} tasks of {whose}")
        return None


def median_days(samples: Iterable[int]) -> int:
    """The median in whole days; a half is rounded up."""
    return int(statistics.median(samples) + 0.5)


def load_samples(keys: Iterable[str], *, now: datetime) -> DurationSamples:
    """The durations of completed tasks with these keys, the newest first. One query.

    Sample tenants do not count. Holidays are not subtracted: their tenants have different ones.
    """
    rows = (
        Task.objects.filter(
            key__in=set(keys),
            is_group=False,
            is_custom=False,
            status__in=(TaskStatus.DONE, TaskStatus.VERIFIED),
            status_changed_at__gte=now - MEASURED_FOR,
            plan__tenant__is_sample=False,
        )
        .annotate(first=Min("waiting_periods__started_at"))
        .filter(first__isnull=False)
        .order_by("-status_changed_at")
        .values_list(
            "key", "plan__tenant__consultant_id", "first", "verified_at", "status_changed_at"
        )
    )
    by_consultant: dict[tuple[str, int], list[int]] = {}
    by_key: dict[str, list[int]] = {}
    for key, consultant_id, first, verified_at, changed_at in islice(rows, MAX_SAMPLES):
        days = weekdays_between(first.date(), (verified_at or changed_at).date())
        by_key.setdefault(key, []).append(days)
        by_consultant.setdefault((key, consultant_id or 0), []).append(days)
    return DurationSamples(by_consultant, by_key)


def weekdays_between(start: date, end: date) -> int:
    """Mondays to Fridays after `start`, up to and including `end`; 0 when `end` is not later."""
    total = max((end - start).days, 0)
    weeks, rest = divmod(total, 7)
    return weeks * 5 + sum((start.weekday() + n + 1) % 7 < 5 for n in range(rest))


def default_duration(task: Task, by_key: Mapping[str, Task]) -> Duration:
    """The days that the template allows between the due dates of a task and its dependencies."""
    earlier = [
        by_key[key].due_working_days
        for key in task.depends_on
        if key in by_key and by_key[key].due_from == task.due_from
    ]
    least, most = DEFAULT_RANGE
    gap = task.due_working_days - max(earlier) if earlier and task.due_from else least
    return Duration(min(max(gap, least), most), "default of the plan template")
