"""Endpoints of the saved views of the list of tenants."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.error_responses import problem_of_forms
from onboarding.models import SavedView
from onboarding.portfolio.tenant_list import saved_views
from onboarding.portfolio.tenant_list.forms import SavedViewForm
from onboarding.portfolio.tenant_list.saved_views import LONGEST_QUERY
from tenants.models import ApiToken, User
from tenants.permissions import Permission
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView, found_or_404


class SavedViewSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    name = serializers.CharField(read_only=True)
    query = serializers.CharField(
        read_only=True, help_text="The query string of the page: filters, order and columns."
    )
    owner = PersonSerializer(read_only=True)
    is_shared = serializers.BooleanField(read_only=True, help_text="All staff can use the view.")
    is_default = serializers.BooleanField(
        read_only=True, help_text="The list of its owner opens with the view."
    )
    created_at = serializers.DateTimeField(read_only=True)


class SavedViewChangeInput(InputSerializer):
    """A missing value remains unchanged."""

    name = serializers.CharField(required=False, max_length=60)
    query = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=LONGEST_QUERY,
        help_text="As in the address of the page, such as risk=any&sort=waiting.",
    )
    is_shared = serializers.BooleanField(required=False)
    is_default = serializers.BooleanField(required=False)


class SavedViewInput(SavedViewChangeInput):
    name = serializers.CharField(max_length=60)


def _form_values(values: dict[str, Any]) -> dict[str, Any]:
    """The values as the form of the page cleans them: unknown parameters of the query are gone."""
    form = SavedViewForm(values)
    if not form.is_valid():
        raise problem_of_forms(form)
    return {name: form.cleaned_data[name] for name in values}


def reachable_views(user: User, token: object) -> QuerySet[SavedView]:
    """The views of the person. None for a token that is limited to one tenant: a view can name
    other tenants. `token` is None in a session."""
    found = saved_views.views_for(user)
    return found.none() if isinstance(token, ApiToken) and token.tenant_id else found


class _SavedViewsView(ApiView):
    tag = "Saved views"
    serializer_class = SavedViewSerializer

    def rows(self) -> QuerySet[SavedView]:
        return reachable_views(self.user, self.token)


class SavedViewListView(_SavedViewsView, ApiListView):
    permissions = {"GET": Permission.VIEW_DASHBOARD, "POST": Permission.VIEW_DASHBOARD}
    model = SavedView
    inputs = {"POST": SavedViewInput}
    statuses = {"POST": 201}
    ordering = ("name",)
    ordering_fields = ("name", "created_at")

    def get(self, request: Request) -> Response:
        """Your views of the list of tenants, and the shared ones."""
        return self.listed(self.rows())

    def post(self, request: Request) -> Response:
        """Save a view. It stores filters, and no tenants."""
        given = {"query": "", "is_shared": False, "is_default": False}
        values = _form_values(given | self.validated(SavedViewInput))
        view = saved_views.create_view(**values, by=self.user)
        return self.one(view, status=201, version=view)


class SavedViewView(_SavedViewsView):
    permissions = {
        "GET": Permission.VIEW_DASHBOARD,
        "PATCH": Permission.VIEW_DASHBOARD,
        "DELETE": Permission.VIEW_DASHBOARD,
    }
    inputs = {"PATCH": SavedViewChangeInput}
    statuses = {"DELETE": 204}
    versioned = frozenset({"PATCH", "DELETE"})

    def load(self) -> SavedView:
        return found_or_404(self.rows(), self.kwargs["saved_view_id"], "view")

    def get(self, request: Request, saved_view_id: str) -> Response:
        """One view, with its ETag."""
        view = self.load()
        return self.one(view, version=view)

    def patch(self, request: Request, saved_view_id: str) -> Response:
        """Change a view. Others than its owner need the role of an administrator."""
        view = saved_views.lock_view(self.load())
        self.require_version(view)
        values = self.validated(SavedViewChangeInput)
        cleaned = _form_values({"name": view.name} | values)
        changes = {name: cleaned[name] for name in values}
        changed = saved_views.change_view(view, by=self.user, **changes)
        return self.one(changed, version=changed)

    def delete(self, request: Request, saved_view_id: str) -> Response:
        """Remove a view. No tenant is changed."""
        view = saved_views.lock_view(self.load())
        self.require_version(view)
        saved_views.remove_view(view, by=self.user)
        return Response(status=204)


urlpatterns = [
    path("saved-views/", SavedViewListView.as_view(), name="saved-views"),
    path("saved-views/<str:saved_view_id>/", SavedViewView.as_view(), name="saved-view"),
]
