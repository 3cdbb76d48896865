"""Endpoints of suggestions for the profile: from DNS discovery, and from a requirements sheet."""

from __future__ import annotations

from django.http import Http404
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from checks.models import Discovery
from checks.queries import discoveries_of
from onboarding.lifecycle import profile_suggestions
from onboarding.lifecycle.api.tenants import HostSerializer
from onboarding.lifecycle.hosts_from_sheet import add_host_from_sheet
from onboarding.requirements.queries import sheets_of
from tenants.permissions import Permission
from tenants.rest.serializers import InputSerializer, ResourceSerializer
from tenants.rest.views import ApiView, found_or_404


class SuggestionSerializer(ResourceSerializer):
    suggestion = serializers.CharField(
        source="fingerprint", read_only=True, help_text="Identifies the suggestion."
    )
    field_label = serializers.CharField(source="label", read_only=True)
    value = serializers.CharField(read_only=True)
    shown = serializers.CharField(read_only=True, help_text="The value as the page shows it.")
    instead_of = serializers.CharField(
        read_only=True, help_text="The current value that it replaces; empty without one."
    )


class SuggestionsSerializer(ResourceSerializer):
    suggestions = SuggestionSerializer(many=True, read_only=True)


class SuggestionInput(InputSerializer):
    suggestion = serializers.CharField(max_length=500)


class _SuggestionsView(ApiView):
    tag = "Suggestions"
    serializer_class: type[ResourceSerializer] = SuggestionSerializer

    def load(self) -> Discovery:
        rows = discoveries_of(self.tenant).filter(domain__public_id=self.kwargs["domain_id"])
        found = rows.first()
        if found is None:
            raise Http404("This domain has no DNS scan.")
        return found

    def wanted(self) -> str:
        return str(self.validated(SuggestionInput)["suggestion"])


class SuggestionListView(_SuggestionsView):
    permissions = {"GET": Permission.EDIT_PROFILE}
    serializer_class = SuggestionsSerializer

    def get(self, request: Request, public_id: str, domain_id: str) -> Response:
        """The open suggestions of the DNS scan of a domain. There are at most six."""
        tenant = self.tenant
        found = profile_suggestions.suggested(
            tenant, self.load(), list(tenant.domains.all()), list(tenant.hosts.all())
        )
        return self.one({"suggestions": found})


class SuggestionUseView(_SuggestionsView):
    permissions = {"POST": Permission.EDIT_PROFILE}
    inputs = {"POST": SuggestionInput}

    def post(self, request: Request, public_id: str, domain_id: str) -> Response:
        """Enter a suggested value in the profile. The plan follows it."""
        return self.one(
            profile_suggestions.use(self.tenant, self.load(), self.wanted(), by=self.user)
        )


class SuggestionDismissView(_SuggestionsView):
    permissions = {"POST": Permission.EDIT_PROFILE}
    inputs = {"POST": SuggestionInput}

    def post(self, request: Request, public_id: str, domain_id: str) -> Response:
        """Dismiss a suggestion until a scan finds another value."""
        return self.one(
            profile_suggestions.dismiss(self.tenant, self.load(), self.wanted(), by=self.user)
        )


class RequirementsSheetHostInput(InputSerializer):
    host = serializers.CharField(
        max_length=300, help_text="A host of the sheet with its port, such as mail.example.com:25."
    )


class HostFromSheetView(ApiView):
    tag = "Suggestions"
    permissions = {"POST": Permission.EDIT_PROFILE}
    serializer_class = HostSerializer
    inputs = {"POST": RequirementsSheetHostInput}
    statuses = {"POST": 201}

    def post(self, request: Request, public_id: str, sheet_id: str) -> Response:
        """Add a host of the sheet of delivery routes to the profile, without consent."""
        sheet = found_or_404(sheets_of(self.tenant), sheet_id, "requirements sheet")
        shown = self.validated(RequirementsSheetHostInput)["host"]
        return self.one(add_host_from_sheet(sheet, shown, by=self.user), status=201)


_SUGGESTIONS = "domains/<str:domain_id>/suggestions"
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path(f"{_SUGGESTIONS}/", SuggestionListView.as_view(), name="suggestions"),
    path(f"{_SUGGESTIONS}/use/", SuggestionUseView.as_view(), name="suggestion-use"),
    path(f"{_SUGGESTIONS}/dismiss/", SuggestionDismissView.as_view(), name="suggestion-dismiss"),
    path(
        "requirements/<str:sheet_id>/profile-hosts/",
        HostFromSheetView.as_view(),
        name="host-from-sheet",
    ),
]
