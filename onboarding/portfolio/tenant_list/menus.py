"""The menus and chips of the list of tenants: the options of each filter, and the chosen ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onboarding.portfolio.dashboard_figures import phase_titles, title_of
from onboarding.portfolio.tenant_list import columns
from onboarding.portfolio.tenant_list.columns import COLUMNS, DENSITIES, SORTS
from onboarding.portfolio.tenant_list.conditions import ME, NONE
from onboarding.portfolio.tenant_list.list_state import FILTERS, ListState
from tenants.models import User


@dataclass(frozen=True)
class MenuOption:
    value: str
    label: str
    is_chosen: bool


@dataclass(frozen=True)
class FilterMenu:
    """One filter with its options. `name` is its parameter."""

    name: str
    label: str
    options: Sequence[MenuOption]


@dataclass(frozen=True)
class FilterChip:
    """One chosen value. `query` is the list without it."""

    label: str
    value: str
    query: str


@dataclass(frozen=True)
class ColumnHead:
    """The heading of a column. `query` sorts by it; `direction` is that of the present order."""

    label: str
    query: str = ""
    direction: str = ""
    is_number: bool = False


def filter_menus(state: ListState) -> list[FilterMenu]:
    """A menu for each filter of staff. A client's list has the search alone."""
    if not state.user.is_mimecast:
        return []
    return [_menu(state, name) for name in FILTERS if name != "q"]


def _menu(state: ListState, name: str) -> FilterMenu:
    chosen = state.values.getlist(name)
    options = _labels(state, name)
    # A value without a known label remains visible, so that a person can remove it.
    labels = {**options, **{each: _unknown(name, each) for each in chosen if each not in options}}
    return FilterMenu(
        name,
        str(state.filter.filters[name].label),
        [MenuOption(value, label, value in chosen) for value, label in labels.items()],
    )


def _unknown(name: str, value: str) -> str:
    return title_of(value, {}) if name == "phase" else "Unknown"


def _labels(state: ListState, name: str) -> Mapping[str, str]:
    if name == "phase":
        return phase_titles()
    if name == "consultant":
        people = User.objects.filter(staff_role=User.StaffRole.CONSULTANT).order_by("name", "pk")
        is_consultant = state.user.staff_role == User.StaffRole.CONSULTANT
        own = {ME: "Me"} if is_consultant or ME in state.values.getlist(name) else {}
        named = dict(people.values_list("public_id", "name"))
        return {**own, **named, NONE: "No consultant"}
    choices = state.filter.filters[name].extra["choices"]
    return dict(choices() if callable(choices) else choices)


def chips_of(state: ListState, menus: Sequence[FilterMenu]) -> Iterator[FilterChip]:
    """The chosen values in the order of the filters."""
    text = str(state.values.get("q", ""))
    if text:
        yield FilterChip("Search", text, state.query_with("q", without=text))
    for menu in menus:
        for option in menu.options:
            if option.is_chosen:
                query = state.query_with(menu.name, without=option.value)
                yield FilterChip(menu.label, option.label, query)


def heads_of(state: ListState) -> Iterator[ColumnHead]:
    """The headings of the table, the first one for the tenants."""
    for column in (columns.TENANT, *(COLUMNS[key] for key in state.columns)):
        if not column.sort or not state.user.is_mimecast:
            yield ColumnHead(column.label, is_number=column.is_number)
            continue
        is_current = state.sort.removeprefix("-") == column.sort
        is_reversed = state.sort.startswith("-")
        following = f"-{column.sort}" if is_current and not is_reversed else column.sort
        yield ColumnHead(
            column.label,
            state.query_with("sort", following),
            ("descending" if is_reversed else "ascending") if is_current else "",
            column.is_number,
        )


def display_options(state: ListState) -> dict[str, Any]:
    """The choices of the menu “Display”."""
    shown = set(state.columns)
    sort = state.sort
    return {
        "columns": [MenuOption(key, each.label, key in shown) for key, each in COLUMNS.items()],
        "sorts": [MenuOption(key, label, key == sort) for key, label in SORTS.items()],
        "reversed_sort": sort if sort.startswith("-") else "",
        "reversed_label": f"{SORTS[sort.removeprefix('-')]}, reversed",
        "densities": [
            MenuOption(key, label, key == state.density) for key, label in DENSITIES.items()
        ],
    }
