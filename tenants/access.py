"""The guard of the views. `tenants.permissions` alone decides what it lets through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Subquery
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase

from tenants.models import Membership, Tenant, User
from tenants.permissions import Permission, Role, may, role_from, staff_role_of
from tenants.queries import tenants_for

CLOSED = "This tenant is closed. You can only read, export or erase it."
TOO_LOW = "Your role does not allow this."


class SignedInRequest(HttpRequest):
    """A request of a signed-in user."""

    user: User


View = Callable[..., HttpResponseBase]


@dataclass(frozen=True)
class TenantAccess:
    """A user's role in a tenant, read once for each request."""

    tenant: Tenant
    role: Role | None

    def may(self, permission: Permission) -> bool:
        return may(self.role, permission, is_closed=self.tenant.is_closed)


def access_or_404(request: HttpRequest, public_id: str) -> TenantAccess:
    """The user's access to the tenant. Raises Http404 for users without a role in it."""
    cached = getattr(request, "access", None)
    if isinstance(cached, TenantAccess) and cached.tenant.public_id == public_id:
        return cached
    user = cast(User, request.user)
    membership = Membership.objects.filter(user=user, tenant=OuterRef("pk"))
    rows = tenants_for(user).select_related("plan").filter(public_id=public_id)
    tenant = rows.annotate(membership_role=Subquery(membership.values("role")[:1])).first()
    role = role_from(user, tenant, lambda: tenant.membership_role) if tenant is not None else None
    if tenant is None or role is None:
        raise Http404("No such tenant.")
    access = TenantAccess(tenant, role)
    request.__dict__["access"] = access
    return access


def tenant_or_404(request: HttpRequest, public_id: str) -> Tenant:
    """The tenant. Raises Http404 for users without a role in it."""
    return access_or_404(request, public_id).tenant


def require(permission: Permission) -> Callable[[View], View]:
    """Guard a view with a permission.

    It must be the outermost decorator: a user without access must not learn which methods the view
    allows. Raises Http404 for users without a role in the tenant, and for clients on pages of the
    installation. Raises PermissionDenied if the role lacks the permission or the tenant is closed.
    The view gets the attribute `permission`, which tests compare with docs/reference/access.md.
    """

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            check_permission(request, permission, kwargs.get("public_id", ""))
            return view(request, *args, **kwargs)

        guarded.__dict__["permission"] = permission
        return guarded

    return guard


def check_permission(request: HttpRequest, permission: Permission, public_id: str) -> None:
    """Raise Http404 or PermissionDenied as `require` does. `public_id` is the tenant's.

    The pages and the API call it, so that both refuse the same requests with the same sentences.
    """
    if permission.is_of_installation:
        _refuse_in_installation(cast(User, request.user), permission)
    else:
        _refuse_in_tenant(access_or_404(request, public_id), permission)


def _refuse_in_installation(user: User, permission: Permission) -> None:
    role = staff_role_of(user)
    if may(role, permission):
        return
    if role is None:
        raise Http404("No such page.")
    raise PermissionDenied(TOO_LOW)


def _refuse_in_tenant(access: TenantAccess, permission: Permission) -> None:
    if access.may(permission):
        return
    raise PermissionDenied(CLOSED if may(access.role, permission) else TOO_LOW)
