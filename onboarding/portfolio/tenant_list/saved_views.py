"""Saved views: who may read and change them, and their stored queries."""

from __future__ import annotations

from django.db import transaction
from django.db.models import (
    Case,
    CharField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    When,
)

from onboarding.errors import ConflictingChange, NotPermitted, OnboardingError
from onboarding.models import SavedView
from tenants.models import Domain, Tenant, User
from tenants.queries import tenants_for
from tenants.services import lock_people

MOST_VIEWS = 50
# The views of other people above the list. The others remain reachable by their address.
MOST_SHARED = 50
LONGEST_QUERY = 2000
CHANGED_FIELDS = ("name", "query", "is_shared", "is_default")


def views_for(user: User) -> QuerySet[SavedView]:
    """The person's own views and the shared ones. None for a client's people.

    A manager who follows consultants sees a part of the tenants. They do not see a shared view
    with a search text, or with the name of a tenant of others in its name.
    """
    if not user.is_mimecast:
        return SavedView.objects.none()
    shared = Q(is_shared=True)
    if user.staff_role == User.StaffRole.MANAGER and user.followed_consultants.exists():
        shared &= ~_HAS_TEXT & ~_names_tenants_outside(tenants_for(user))
    found = SavedView.objects.filter(Q(owner=user) | shared)
    return found.select_related("owner").order_by("name", "pk")


_HAS_TEXT = Q(query__startswith="q=") | Q(query__contains="&q=")


def _names_tenants_outside(seen: QuerySet[Tenant]) -> Q:
    """The condition for views whose name contains the name or a domain of another tenant."""
    name = ExpressionWrapper(OuterRef("name"), output_field=CharField())
    tenants = Tenant.objects.exclude(pk__in=seen.values("pk")).alias(view_name=name)
    domains = Domain.all_objects.exclude(tenant__in=seen.values("pk")).alias(view_name=name)
    is_named = Q(view_name__icontains=F("name"))
    return Q(Exists(tenants.filter(is_named))) | Q(Exists(domains.filter(is_named)))


def views_on_page(user: User, wanted: str) -> list[SavedView]:
    """The person's own views, the first shared ones, and the one with the id `wanted`, by name."""
    own_first = Case(When(owner=user, then=0), default=1)
    found = list(views_for(user).order_by(own_first, "name", "pk")[: MOST_VIEWS + MOST_SHARED])
    if wanted and all(view.public_id != wanted for view in found):
        found += views_for(user).filter(public_id=wanted)
    return sorted(found, key=lambda view: (view.name, view.pk))


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
) -> SavedView:
    """Change the given values of the stored view, and return it.

    Only the owner decides whether their list opens with the view. Raises NotPermitted,
    ConflictingChange if the view was removed, and OnboardingError for a name in use.
    """
    with transaction.atomic():
        fresh = lock_view(view)
        _require_change(fresh, by)
        if is_default is not None and fresh.owner_id != by.pk:
            raise NotPermitted("Only the owner of a view decides whether their list opens with it.")
        fresh.is_shared = fresh.is_shared if is_shared is None else is_shared
        fresh.is_default = fresh.is_default if is_default is None else is_default
        _store(fresh, fresh.name if name is None else name, fresh.query if query is None else query)
    return fresh


def remove_view(view: SavedView, *, by: User) -> None:
    """Remove the view. Raises NotPermitted, and ConflictingChange if it was removed already."""
    with transaction.atomic():
        fresh = lock_view(view)
        _require_change(fresh, by)
        fresh.delete()


def lock_view(view: SavedView) -> SavedView:
    """Lock the views of the owner, and return the stored view. Call it in a transaction.

    Raises ConflictingChange if the view was removed.
    """
    _lock_views_of(view.owner_id)
    rows = SavedView.objects.select_related("owner").select_for_update(of=("self",), no_key=True)
    fresh = rows.filter(pk=view.pk).first()
    if fresh is None:
        raise ConflictingChange("This view was removed. Nothing was changed.")
    return fresh


def _require_change(view: SavedView, by: User) -> None:
    if not may_change(view, by):
        raise NotPermitted(f"Only {view.owner} and administrators can change this view.")


def _lock_views_of(owner_id: int) -> None:
    """Requests of one owner at the same time wait here, so that names and defaults stay unique."""
    lock_people([owner_id])


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
