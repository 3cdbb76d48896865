"""The tour of each role, from data/tours.yaml: steps that explain the home page."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tenants.models import Membership, User
from tenants.permissions import Role, staff_role_of

_FILE = Path(__file__).parent / "data" / "tours.yaml"
# A client of several tenants has the tour of the first of these roles.
_CLIENT_ROLES = (Role.OWNER, Role.MEMBER, Role.VIEWER)


@dataclass(frozen=True)
class TourStep:
    """A step. `target` is the data-tour attribute of its element; empty without an element."""

    title: str
    text: str
    target: str = ""


@functools.cache
def tours() -> Mapping[Role, Sequence[TourStep]]:
    """The steps of each role, in order."""
    stored: Mapping[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))["tours"]
    return {Role(role): [TourStep(**step) for step in steps] for role, steps in stored.items()}


def tour_role(user: User) -> Role:
    """The role whose tour the person sees. A client without a tenant sees that of a viewer."""
    staff = staff_role_of(user)
    if staff is not None:
        return staff
    roles = set(Membership.objects.filter(user=user).values_list("role", flat=True))
    return next((role for role in _CLIENT_ROLES if role in roles), Role.VIEWER)


def is_offered(user: User) -> bool:
    """Whether the home page offers the tour. Reads no table.

    Staff with another role are offered its tour; clients are offered one tour.
    """
    staff = staff_role_of(user)
    return user.ended_tour != staff if staff is not None else user.ended_tour not in _CLIENT_ROLES


def end_tour(user: User) -> None:
    """Store that the person finished or skipped the tour of their role."""
    user.ended_tour = tour_role(user).value
    user.save(update_fields=["ended_tour"])
