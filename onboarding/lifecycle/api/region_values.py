"""Endpoints of a tenant's own region values, and of its DNS scans."""

from __future__ import annotations

from typing import Any

from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from checks.api import RunInput, RunRequestedSerializer
from onboarding.error_responses import problem_of_forms
from onboarding.lifecycle.forms.profile import (
    OVERRIDABLE,
    RegionValueDecision,
    RegionValuesForm,
    decision_field,
)
from onboarding.lifecycle.tenants import DNS_SCAN_LIMIT, request_dns_scan, save_region_values
from tenants.models import Tenant
from tenants.permissions import Permission
from tenants.region_values import LIST_FIELDS
from tenants.rest.serializers import InputSerializer, ResourceSerializer
from tenants.rest.versions import check_precondition, etag_of
from tenants.rest.views import ApiView, found_or_404


def _shown(name: str) -> Any:
    text = f"{OVERRIDABLE[name]}. Empty: the value of the region."
    if name in LIST_FIELDS:
        child = serializers.CharField()
        return serializers.ListField(child=child, read_only=True, help_text=text)
    return serializers.CharField(read_only=True, help_text=text)


def _entered(name: str) -> Any:
    text = f"{OVERRIDABLE[name]}. Empty: the value of the region."
    if name in LIST_FIELDS:
        child = serializers.CharField(max_length=2000)
        return serializers.ListField(child=child, required=False, max_length=200, help_text=text)
    return serializers.CharField(required=False, allow_blank=True, max_length=2000, help_text=text)


# One field for each value that a tenant can override.
RegionValuesSerializer: type[ResourceSerializer] = type(
    "RegionValuesSerializer",
    (ResourceSerializer,),
    {
        **{name: _shown(name) for name in OVERRIDABLE},
        "unconfirmed": serializers.DictField(
            read_only=True,
            help_text="Values by name that were entered for an earlier region. They have no effect."
            " Send a value to use it, or an empty value to discard it.",
        ),
    },
)
RegionValuesInput: type[InputSerializer] = type(
    "RegionValuesInput",
    (InputSerializer,),
    {
        "__doc__": "A missing value remains unchanged.",
        **{name: _entered(name) for name in OVERRIDABLE},
    },
)


class RegionValuesView(ApiView):
    tag = "Tenants"
    permissions = {"GET": Permission.EDIT_PROFILE, "PATCH": Permission.EDIT_PROFILE}
    serializer_class = RegionValuesSerializer
    inputs = {"PATCH": RegionValuesInput}
    versioned = frozenset({"PATCH"})

    def get(self, request: Request, public_id: str) -> Response:
        """The tenant's own region values, with the ETag of the profile."""
        return self.answer(self.tenant)

    def patch(self, request: Request, public_id: str) -> Response:
        """Change the tenant's own region values. Its checks expect them."""
        tenant = Tenant.objects.select_related("plan").get(pk=self.tenant.pk)
        check_precondition(request, etag_of(tenant), lambda: self.represent(_answer(tenant)))
        values = _own_values(tenant) | self.validated(RegionValuesInput)
        lines = {
            name: "\n".join(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        # A value for this region replaces the unconfirmed one, and so does an empty one.
        lines |= {
            decision_field(name): RegionValueDecision.DROP
            for name in self.validated(RegionValuesInput)
        }
        form = RegionValuesForm(lines, tenant=tenant)
        if not form.is_valid():
            raise problem_of_forms(form)
        save_region_values(tenant, form.cleaned_data["overrides"], by=self.user)
        tenant.refresh_from_db()
        return self.answer(tenant)

    def answer(self, tenant: Tenant) -> Response:
        return self.one(_answer(tenant), version=tenant)


def _answer(tenant: Tenant) -> dict[str, Any]:
    return {**_own_values(tenant), "unconfirmed": tenant.unconfirmed_region_values}


def _own_values(tenant: Tenant) -> dict[str, Any]:
    own = tenant.region_overrides
    return {name: own.get(name, [] if name in LIST_FIELDS else "") for name in OVERRIDABLE}


class DnsScanView(ApiView):
    tag = "Domains"
    permissions = {"POST": Permission.EDIT_PROFILE}
    inputs = {"POST": RunInput}
    outputs = {"POST": RunRequestedSerializer}
    statuses = {"POST": 202}
    limits = {"POST": DNS_SCAN_LIMIT}

    def post(self, request: Request, public_id: str, domain_id: str) -> Response:
        """Scan the DNS of a domain. Its suggestions appear on the page of the profile."""
        domain = found_or_404(self.tenant.domains.all(), domain_id, "domain")
        self.validated(RunInput)
        request_dns_scan(self.tenant, domain, by=self.user)
        return Response({"requested": 1}, status=202)


# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("region-values/", RegionValuesView.as_view(), name="region-values"),
    path("domains/<str:domain_id>/dns-scan/", DnsScanView.as_view(), name="dns-scan"),
]
