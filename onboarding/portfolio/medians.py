"""Medians of a column by group, with window functions that PostgreSQL and SQLite both have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, F, QuerySet, Window
from django.db.models.functions import RowNumber


@dataclass(frozen=True)
class Median:
    """The median and the number of its values."""

    value: float
    number: int


def medians(rows: QuerySet[Any], value: str, by: Sequence[str]) -> dict[tuple[Any, ...], Median]:
    """The median of a field in each group. One query, which returns one or two rows of a group.

    `by` are the names of fields or annotations. The value of a duration is in days.
    """
    groups = [F(name) for name in by]
    counted = rows.order_by().annotate(
        in_group=Window(Count("pk"), partition_by=groups),
        twice=Window(RowNumber(), partition_by=groups, order_by=[F(value).asc(), F("pk").asc()])
        * 2,
    )
    middle = counted.filter(twice__gte=F("in_group"), twice__lte=F("in_group") + 2)
    found: dict[tuple[Any, ...], list[float]] = {}
    numbers: dict[tuple[Any, ...], int] = {}
    for *key, each, number in middle.values_list(*by, value, "in_group"):
        group = tuple(key)
        found.setdefault(group, []).append(_days(each))
        numbers[group] = number
    return {
        group: Median(sum(values) / len(values), numbers[group]) for group, values in found.items()
    }


def _days(value: float | timedelta) -> float:
    return value / timedelta(days=1) if isinstance(value, timedelta) else float(value)
