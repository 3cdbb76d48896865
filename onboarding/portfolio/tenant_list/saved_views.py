"""Saved views: who may read and change them, and their stored queries."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q, QuerySet

from onboarding.errors import NotPermitted, OnboardingError
from onboarding.models import SavedView
from tenants.models import User

MOST_VIEWS = 50
LONGEST_QUERY = 2000
CHANGED_FIELDS = ("name", "query", "is_shared", "is_default")


def views_for(user: User) -> QuerySet[SavedView]:
    """The person's own views and the shared ones. None for a client's people."""
    if not user.is_mimecast:
        return SavedView.objects.none()
    found = SavedView.objects.filter(Q(owner=user) | Q(is_shared=True))
    return found.select_related("owner").order_by("name", "pk")


def may_change(view: SavedView, user: User) -> bool:
    """The owner changes a view. An administrator can also change a shared one."""
    is_administrator = user.staff_role == User.StaffRole.ADMINISTRATOR
    return view.owner_id == user.pk or (view.is_shared and is_administrator)


class ViewNameRefused(OnboardingError):
    """The name of a view is missing, or the person has a view with this name."""

    field = "name"


def create_view(name: str, query: str, *, is_shared: bool, is_default: bool, by: User) -> SavedView:
    """Store a view of the person. Raises OnboardingError for a name in use and too many views."""
    with transaction.atomic():
        _lock_views_of(by.pk)
        if SavedView.objects.filter(owner=by).count() >= MOST_VIEWS:
            raise OnboardingError(f"You have {MOST_VIEWS} views. Remove one of them first.")
        view = SavedView(owner=by, is_shared=is_shared, is_default=is_default)
        _store(view, name, query)
    return view


def change_view(
    view: SavedView,
    *,
    by: User,
    name: str | None = None,
    query: str | None = None,
    is_shared: bool | None = None,
    is_default: bool | None = None,
) -> None:
    """Change the given values. Raises NotPermitted, and OnboardingError for a name in use.

    Only the owner decides whether their list opens with the view.
    """
    _require_change(view, by)
    if is_default is not None and view.owner_id != by.pk:
        raise NotPermitted("Only the owner of a view decides whether their list opens with it.")
    with transaction.atomic():
        _lock_views_of(view.owner_id)
        view.is_shared = view.is_shared if is_shared is None else is_shared
        view.is_default = view.is_default if is_default is None else is_default
        _store(view, view.name if name is None else name, view.query if query is None else query)


def remove_view(view: SavedView, *, by: User) -> None:
    """Remove the view. Raises NotPermitted."""
    _require_change(view, by)
    view.delete()


def _require_change(view: SavedView, by: User) -> None:
    if not may_change(view, by):
        raise NotPermitted(f"Only {view.owner} and administrators can change this view.")


def _lock_views_of(owner_id: int) -> None:
    """Requests of one owner at the same time wait here, so that names and defaults stay unique."""
    list(User.objects.select_for_update(no_key=True).filter(pk=owner_id).values_list("pk"))


def _store(view: SavedView, name: str, query: str) -> None:
    view.name, view.query = name.strip(), query
    others = SavedView.objects.filter(owner=view.owner_id).exclude(pk=view.pk)
    if not view.name:
        raise ViewNameRefused("Enter a name.")
    if others.filter(name=view.name).exists():
        raise ViewNameRefused("You have a view with this name already. Choose another name.")
    if len(query) > LONGEST_QUERY:
        raise OnboardingError("These filters are too long for a view. Remove some of them.")
    if view.is_default:
        others.filter(is_default=True).update(is_default=False)
    view.save(update_fields=None if view._state.adding else CHANGED_FIELDS)
