"""Who gets in: one guard before every view, which asks tenants.permissions and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase

from tenants.models import Tenant, User
from tenants.permissions import Permission, Role, may, role_in, staff_role_of
from tenants.queries import tenants_for

CLOSED = "This tenant is closed: it can be read, exported and erased, and nothing else."
TOO_LOW = "Your role here does not allow this."


class SignedInRequest(HttpRequest):
    """A request behind the sign-in wall: its user is a person."""

    user: User


View = Callable[..., HttpResponseBase]


@dataclass(frozen=True)
class TenantAccess:
    """A person's place in a tenant, worked out once a request."""

    tenant: Tenant
    role: Role | None

    def may(self, permission: Permission) -> bool:
        return may(self.role, permission, is_closed=self.tenant.is_closed)


def access_or_404(request: HttpRequest, public_id: str) -> TenantAccess:
    """The reader's access in the tenant; to strangers the tenant does not exist."""
    cached = getattr(request, "access", None)
    if isinstance(cached, TenantAccess) and cached.tenant.public_id == public_id:
        return cached
    user = cast(User, request.user)
    tenant = tenants_for(user).select_related("plan").filter(public_id=public_id).first()
    role = role_in(user, tenant) if tenant is not None else None
    if tenant is None or role is None:
        raise Http404("No such tenant.")
    access = TenantAccess(tenant, role)
    request.__dict__["access"] = access
    return access


def tenant_or_404(request: HttpRequest, public_id: str) -> Tenant:
    """The tenant, if this person may see it; to everyone else it does not exist."""
    return access_or_404(request, public_id).tenant


def require(permission: Permission) -> Callable[[View], View]:
    """Guard a view by the permission it is. It stands outermost, so that strangers learn nothing from
    the methods a view allows.

    Strangers get 404, and so do clients at the installation's own pages; people whose role is too
    low get 403. The permission stays readable on the view: tests compare it with docs/access.md.
    """

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if permission.is_of_installation:
                _refuse_in_installation(cast(User, request.user), permission)
            else:
                _refuse_in_tenant(access_or_404(request, kwargs["public_id"]), permission)
            return view(request, *args, **kwargs)

        guarded.__dict__["permission"] = permission
        return guarded

    return guard


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
