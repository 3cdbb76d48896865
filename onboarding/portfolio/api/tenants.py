"""Endpoints of the list of tenants, with the filters and the bulk actions of its page."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import QueryDict
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.error_responses import problem_response
from onboarding.lifecycle import profile_form_data
from onboarding.lifecycle.api.tenants import TenantInput, TenantSerializer, consultant_from
from onboarding.lifecycle.profile_form_data import ProfileChange
from onboarding.lifecycle.tenants import CLONED_FIELDS
from onboarding.portfolio import risk_updates
from onboarding.portfolio.api.saved_views import reachable_views
from onboarding.portfolio.tenant_list import bulk
from onboarding.portfolio.tenant_list.bulk import (
    MOST_TENANTS,
    TenantAction,
    TenantBulkChange,
    TenantBulkResult,
)
from onboarding.portfolio.tenant_list.conditions import TenantConditions, TenantListFilter
from tenants.models import DirectoryMethod, Platform, Tenant, User
from tenants.permissions import Permission, may, role_in
from tenants.rest.problems import invalid
from tenants.rest.serializers import InputSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView
from tenants.tokens import site_url

# These filters read stored figures, which may have to be computed first.
_OF_FIGURES = {"status", "risk", "waiting_on", "phase", "next_cutover", "view"}


class TenantApiFilter(TenantConditions):
    """The filters of the page, and some of the API alone. Without a status: also closed tenants."""

    view = django_filters.CharFilter(
        label="The id of a saved view, whose filters then apply.", method="filter_view"
    )
    closed = django_filters.BooleanFilter(
        field_name="closed_at", lookup_expr="isnull", exclude=True
    )
    domain = django_filters.CharFilter(field_name="domains__name", distinct=True)
    name = django_filters.CharFilter(field_name="name", lookup_expr="icontains")

    def filter_view(self, tenants: QuerySet[Tenant], name: str, value: str) -> QuerySet[Tenant]:
        found_views = reachable_views(self.person, getattr(self.request, "auth", None))
        view = found_views.filter(public_id=value).first()
        if view is None:
            raise invalid({"view": ["No such view."]})
        found: QuerySet[Tenant] = TenantListFilter(
            QueryDict(view.query), queryset=tenants, person=self.person
        ).qs
        return found


class NewTenantInput(TenantInput):
    """A missing value is that of the cloned profile, or the default."""

    platform = serializers.ChoiceField(required=False, choices=Platform.choices)
    directory_method = serializers.ChoiceField(required=False, choices=DirectoryMethod.choices)
    clone_profile_of = serializers.CharField(
        required=False,
        max_length=32,
        help_text="The id of a tenant. Only its profile is copied: no domains, people or values.",
    )


class TenantListView(ApiListView):
    tag = "Tenants"
    permissions = {"GET": Permission.OPEN_HOME, "POST": Permission.CREATE_TENANT}
    serializer_class = TenantSerializer
    model = Tenant
    filterset_class = TenantApiFilter
    inputs = {"POST": NewTenantInput}
    statuses = {"POST": 201}
    ordering = ("name",)
    ordering_fields = ("name", "created_at")
    created: Tenant | None = None

    def get(self, request: Request) -> Response:
        """The tenants that the reader can see, including closed ones."""
        if _OF_FIGURES & set(request.query_params):
            risk_updates.refresh(self.tenants)
        rows = self.tenants.select_related("consultant", "plan__template")
        return self.listed(rows.prefetch_related("domains"))

    def post(self, request: Request) -> Response:
        """Create a tenant with its domains, hosts, plan and checks."""
        given = self.validated(NewTenantInput)
        values = consultant_from(self._cloned(given.pop("clone_profile_of", "")) | given)
        required = {"platform", "directory_method"} - set(values)
        if required:
            raise invalid({name: ["This field is required."] for name in sorted(required)})
        domains, hosts = values.pop("domains"), values.pop("hosts", [])
        tenant = Tenant(consultant=self.user)
        change = ProfileChange(profile=values, new_domains=domains, new_hosts=hosts)
        profile_form_data.save(tenant, change, by=self.user)
        self.created = tenant
        return self.one(tenant, status=201)

    def _cloned(self, public_id: str) -> dict[str, Any]:
        """The values of the profile to clone, if the person may edit it."""
        if not public_id:
            return {}
        source = self.tenants.filter(public_id=public_id).first()
        if source is None or not may(role_in(self.user, source), Permission.EDIT_PROFILE):
            raise invalid({"clone_profile_of": ["Choose a tenant whose profile you can edit."]})
        return {name: getattr(source, name) for name in CLONED_FIELDS}

    def written_tenant(self) -> Tenant | None:
        return self.created


class TenantBulkInput(InputSerializer):
    action = serializers.ChoiceField(choices=[(each.value, each.value) for each in TenantAction])
    tenants = serializers.ListField(
        child=serializers.CharField(max_length=32), allow_empty=False, max_length=MOST_TENANTS
    )
    consultant = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=32,
        help_text="For assign-consultant: the id of a consultant. Null: no consultant.",
    )


class TenantBulkResultSerializer(ResourceSerializer):
    tenant = serializers.CharField(read_only=True)
    status = serializers.IntegerField(read_only=True)
    result = serializers.DictField(
        read_only=True, help_text="The sentence of the page as `detail`, or the problem details."
    )


class TenantBulkResultsSerializer(ResourceSerializer):
    results = TenantBulkResultSerializer(many=True, read_only=True)


class TenantBulkView(ApiView):
    tag = "Tenants"
    permissions = {"POST": Permission.OPEN_DESK}
    inputs = {"POST": TenantBulkInput}
    outputs = {"POST": TenantBulkResultsSerializer}
    limits = {"POST": bulk.BULK_LIMIT}

    def post(self, request: Request) -> Response:
        """Send reminders to clients, run all checks, or assign a consultant, for several tenants.

        Each tenant has a result of its own. A refused tenant changes nothing and does not stop the
        others.
        """
        values = self.validated(TenantBulkInput)
        action = TenantAction(values["action"])
        change = TenantBulkChange(action, self._consultant(values), site_url(self.http_request))
        results = bulk.apply_to_tenants(self.tenants, values["tenants"], change, by=self.user)
        return Response({"results": [_represented(each) for each in results]})

    def _consultant(self, values: dict[str, Any]) -> User | None:
        if values["action"] != TenantAction.ASSIGN:
            return None
        if "consultant" not in values:
            raise invalid({"consultant": ["Send the id of a consultant, or null."]})
        wanted = values["consultant"]
        found = bulk.consultants().filter(public_id=wanted).first() if wanted else None
        if wanted and found is None:
            raise invalid({"consultant": ["Choose an active consultant."]})
        return found


def _represented(result: TenantBulkResult) -> dict[str, Any]:
    if result.error is None:
        return {"tenant": result.public_id, "status": 200, "result": {"detail": result.sentence}}
    refused = problem_response(result.error, {})
    assert refused is not None, "the errors of the service have a response"
    return {"tenant": result.public_id, "status": refused.status_code, "result": refused.data}


urlpatterns = [
    path("tenants/", TenantListView.as_view(), name="tenants"),
    path("tenants/bulk/", TenantBulkView.as_view(), name="tenants-bulk"),
]
