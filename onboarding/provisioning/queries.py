"""Reads of the people and groups that the directory may see: the staff alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Prefetch, Q, QuerySet
from scim2_models import NotFoundException, SearchRequest
from scim2_models.path import CompareOperator, Comparison

from tenants.models import ProvisionedGroup, User
from tenants.queries import people_with_role_or_directory
from tenants.rest.parsers import is_text


def people() -> QuerySet[User]:
    """The staff with the rows of the directory, oldest first, without deleted people."""
    rows = people_with_role_or_directory().exclude(provisioned__removed_at__isnull=False)
    return rows.select_related("provisioned").order_by("pk")


def groups() -> QuerySet[ProvisionedGroup]:
    """The groups, oldest first, with the members that `people` contains."""
    members = Prefetch("members", queryset=people())
    return ProvisionedGroup.objects.prefetch_related(members).order_by("pk")


def person_or_404(public_id: str) -> User:
    """Raises NotFoundException, also for the people of a client."""
    person = people().filter(public_id=public_id).first()
    if person is None:
        raise NotFoundException(detail="No such person.")
    return person


def group_or_404(public_id: str) -> ProvisionedGroup:
    group = groups().filter(public_id=public_id).first()
    if group is None:
        raise NotFoundException(detail="No such group.")
    return group


def narrowed_people(search: SearchRequest[Any]) -> QuerySet[User]:
    """The people that can match the filter. A filter by one value reads few rows."""
    match _equality(search):
        case ("username", str() as value):
            unchanged = Q(provisioned=None, email=value.lower())
            return people().filter(Q(provisioned__user_name=value.lower()) | unchanged)
        case ("externalid", str() as value):
            return people().filter(provisioned__attributes__externalId=value)
    return people()


def narrowed_groups(search: SearchRequest[Any]) -> QuerySet[ProvisionedGroup]:
    """The groups that can match the filter."""
    match _equality(search):
        case ("displayname", str() as value):
            return groups().filter(name__iexact=value)
    return groups()


def _equality(search: SearchRequest[Any]) -> tuple[str, Any] | None:
    """The attribute in lower case and the value of a filter by one equality; else None.

    None also for a value that PostgreSQL cannot compare: half of a surrogate pair, or NUL.
    """
    node = search.filter.ast if search.filter is not None else None
    if not isinstance(node, Comparison) or node.op is not CompareOperator.eq:
        return None
    if not is_text(node.value) or "\0" in str(node.value):
        return None
    return str(node.attr_path).rpartition(":")[2].lower(), node.value


def page_of(found: list[Any], search: SearchRequest[Any], most: int) -> Iterable[Any]:
    """The requested page: from `startIndex`, which begins at 1, `count` resources or `most`."""
    first = search.start_index_0 or 0
    count = most if search.count is None else min(search.count, most)
    return found[first : first + count]
