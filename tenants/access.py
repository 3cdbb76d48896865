"""Who gets in: loaders that answer 404 to strangers, so that existence is not leaked."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse

from tenants.models import Tenant, User
from tenants.queries import tenants_for


class SignedInRequest(HttpRequest):
    """A request behind the sign-in wall: its user is a person."""

    user: User


View = Callable[..., HttpResponse]


def tenant_or_404(request: HttpRequest, public_id: str) -> Tenant:
    """The tenant, if this person may see it; to everyone else it does not exist."""
    user = cast(User, request.user)
    tenant = tenants_for(user).select_related("plan").filter(public_id=public_id).first()
    if tenant is None:
        raise Http404("No such tenant.")
    return tenant


def may_steer(user: User) -> bool:
    """Consultants and administrators steer tenants; managers watch, clients do their own part."""
    return user.staff_role in (User.StaffRole.CONSULTANT, User.StaffRole.ADMINISTRATOR)


def for_staff(view: View) -> View:
    """Pages of Mimecast's people. A client does not learn that they exist."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not cast(User, request.user).is_mimecast:
            raise Http404("No such page.")
        return view(request, *args, **kwargs)

    return guarded


def for_steering(view: View) -> View:
    """Acts of consultants and administrators."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user = cast(User, request.user)
        if not user.is_mimecast:
            raise Http404("No such page.")
        if not may_steer(user):
            raise PermissionDenied("Consultants and administrators do this.")
        return view(request, *args, **kwargs)

    return guarded
