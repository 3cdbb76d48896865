"""Endpoints of the person behind a request, the regions and the activity log of a tenant."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import django_filters
from django.http import Http404
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.models import ActivityLine, ApiToken, User
from tenants.permissions import Permission
from tenants.regions import Provenance, Region, load_regions
from tenants.rest.filters import MomentFilter
from tenants.rest.schema import SCHEMA
from tenants.rest.serializers import PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView
from tenants.templatetags.activity import activity_sentence

_TAG = re.compile(r"<[^>]*>")


def plain_text(sentence: str) -> str:
    """The sentence of a page without its markup."""
    return " ".join(html.unescape(_TAG.sub("", sentence)).split())


class TokenSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    name = serializers.CharField(read_only=True)
    scope = serializers.ChoiceField(choices=ApiToken.Scope.choices, read_only=True)
    tenant = serializers.CharField(
        source="tenant.public_id", read_only=True, allow_null=True, default=None
    )
    expires_at = serializers.DateTimeField(read_only=True)


class MeSerializer(ResourceSerializer):
    id = serializers.CharField(source="user.public_id", read_only=True)
    name = serializers.CharField(source="user.name", read_only=True)
    email = serializers.EmailField(source="user.email", read_only=True)
    staff_role = serializers.ChoiceField(
        source="user.staff_role",
        choices=User.StaffRole.choices,
        allow_blank=True,
        read_only=True,
        help_text="Empty for the people of a client.",
    )
    token = TokenSerializer(read_only=True, allow_null=True)


class MeView(ApiView):
    """The person and the token of the request."""

    tag = "Account"
    permissions = {"GET": Permission.OPEN_HOME}
    serializer_class = MeSerializer

    def get(self, request: Request) -> Response:
        """The person and the token of this request."""
        return self.one({"user": self.user, "token": self.token})


class SchemaView(ApiView):
    """The OpenAPI schema."""

    tag = "Schema"
    permissions = {"GET": Permission.OPEN_HOME}
    outputs = {"GET": OpenApiTypes.OBJECT}

    def get(self, request: Request) -> Response:
        """This OpenAPI schema."""
        return Response(json.loads(SCHEMA.read_text(encoding="utf-8")))


class RegionSerializer(ResourceSerializer):
    id = serializers.CharField(read_only=True)
    name = serializers.CharField(read_only=True)
    account_code_prefix = serializers.CharField(read_only=True)
    mx = serializers.ListField(child=serializers.CharField(), read_only=True)
    spf_include = serializers.CharField(read_only=True)
    outbound_smarthosts = serializers.ListField(child=serializers.CharField(), read_only=True)
    spf_ip4 = serializers.ListField(child=serializers.CharField(), read_only=True)
    delivery_ip4 = serializers.ListField(child=serializers.CharField(), read_only=True)
    login_url = serializers.CharField(read_only=True)
    facts = serializers.SerializerMethodField()
    gaps = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="Unknown values that a setting or a check needs.",
    )

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_facts(self, region: Region) -> Mapping[str, Any]:
        """The confidence, source and date of each value; `each` has those of single list items."""
        return {name: _fact(fact) for name, fact in region.facts.items()}


def _fact(fact: Provenance) -> dict[str, Any]:
    """The provenance of a value. `each` has that of single values of a list that differs."""
    own = asdict(replace(fact, exceptions=()))
    del own["exceptions"]
    return own | {"each": {value: _fact(each) for value, each in fact.exceptions}}


class RegionListView(ApiView):
    """All regions, with the confidence and the source of each value."""

    tag = "Regions"
    permissions = {"GET": Permission.OPEN_HOME}
    serializer_class = RegionSerializer
    outputs = {"GET": RegionSerializer(many=True)}

    def get(self, request: Request) -> Response:
        """All regions of Mimecast."""
        return Response(self.get_serializer(list(load_regions().values()), many=True).data)


class RegionView(ApiView):
    """One region."""

    tag = "Regions"
    permissions = {"GET": Permission.OPEN_HOME}
    serializer_class = RegionSerializer

    def get(self, request: Request, region_id: str) -> Response:
        """One region of Mimecast."""
        region = load_regions().get(region_id)
        if region is None:
            raise Http404("No such region.")
        return self.one(region)


class ActivitySerializer(ResourceSerializer):
    id = serializers.CharField(source="hash", read_only=True)
    at = serializers.DateTimeField(read_only=True)
    action = serializers.CharField(source="name", read_only=True)
    actor = PersonSerializer(
        read_only=True, allow_null=True, help_text="Null for checks and for Gangway itself."
    )
    sentence = serializers.SerializerMethodField()
    token = serializers.CharField(
        source="api_token",
        read_only=True,
        help_text="The name of the API token through which the person acted; empty without one.",
    )

    @extend_schema_field(str)
    def get_sentence(self, line: ActivityLine) -> str:
        return plain_text(activity_sentence(line, "UTC"))


class ActivityFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    changed_since = MomentFilter(field_name="at", lookup_expr="gte")

    class Meta:
        model = ActivityLine
        fields: list[str] = []


class ActivityView(ApiListView):
    """The activity log of a tenant, newest first."""

    tag = "Activity"
    permissions = {"GET": Permission.VIEW}
    serializer_class = ActivitySerializer
    model = ActivityLine
    filterset_class = ActivityFilter
    ordering = ("-at",)
    ordering_fields = ("at",)
    tie_break = "hash"

    def get(self, request: Request, public_id: str) -> Response:
        """The activity log of a tenant, newest first."""
        lines = ActivityLine.objects.filter(tenant=self.tenant).select_related("actor")
        return self.listed(lines)


urlpatterns = [
    path("openapi.json", SchemaView.as_view(), name="schema"),
    path("me/", MeView.as_view(), name="me"),
    path("regions/", RegionListView.as_view(), name="regions"),
    path("regions/<str:region_id>/", RegionView.as_view(), name="region"),
]
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("activity/", ActivityView.as_view(), name="activity"),
]
