"""The site of the Django admin: its guard, its addresses, and the records of all apps.

It has the templates of Gangway, so that it needs no script or style of its own, and public ids in
its addresses. The log table of Django's admin remains empty: the activity log has every change.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tenants.access import require
from tenants.models import User
from tenants.permissions import Permission
from tenants.second_factor import has_second_factor

View = Callable[..., HttpResponseBase]


class RepairSite(AdminSite):
    """Administrators with a second factor read records, and repair few of their values."""

    def kinds(self) -> dict[str, Any]:
        """The model admin of each kind of record, by its name in an address."""
        return {kind_of(model): records for model, records in self._registry.items()}

    def get_urls(self) -> list[Any]:
        """Three addresses for all kinds: each row of the access matrix is one of them."""
        record = reauthentication_required(self.record)
        return [
            path("", guarded(self.start, "GET"), name="index"),
            path("<slug:kind>/", guarded(self.record_list, "GET"), name="record-list"),
            path("<slug:kind>/<str:record_id>/", guarded(record, "GET", "POST"), name="record"),
        ]

    def start(self, request: HttpRequest) -> HttpResponse:
        """The kinds of records. Those with a repair come first."""
        kinds = [
            {
                "name": str(records.opts.verbose_name_plural),
                "kind": kind,
                "repairs": ", ".join(records.repairable),
            }
            for kind, records in self.kinds().items()
        ]
        kinds.sort(key=lambda kind: (not kind["repairs"], kind["name"]))
        return render(request, "repairs/index.html", {"kinds": kinds})

    def record_list(self, request: HttpRequest, kind: str) -> HttpResponseBase:
        page: HttpResponseBase = self._records(kind).changelist_view(request)
        return page

    def record(self, request: HttpRequest, kind: str, record_id: str) -> HttpResponseBase:
        page: HttpResponseBase = self._records(kind).change_view(request, record_id)
        return page

    def _records(self, kind: str) -> Any:
        found = self.kinds().get(kind)
        if found is None:
            raise Http404("No such records.")
        return found

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """No list in the context of each page: the index has it."""
        return []

    def has_permission(self, request: HttpRequest) -> bool:
        """Every view has the guard."""
        return True


def kind_of(model: type[Model]) -> str:
    """The name of a model in the addresses, such as `tenants-user`."""
    return model._meta.label_lower.replace(".", "-")


def guarded(view: View, *methods: str) -> View:
    """Require the permission, then a second factor on every installation, then the method."""

    @require(Permission.REPAIR_RECORDS)
    @never_cache
    @require_http_methods(methods)
    @functools.wraps(view)
    def guard(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        assert isinstance(request.user, User), "the permission needs a person"
        if not has_second_factor(request.user):
            messages.warning(request, "Set up a second factor before you open the admin.")
            return redirect("mfa_index")
        return view(request, *args, **kwargs)

    return guard


site = RepairSite(name="admin")
