"""Endpoints of the suggestions for a requirements sheet, and of the tests of its TLS partners."""

from __future__ import annotations

from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.requirements import delivery_hosts, prefill, queries, suggestions
from onboarding.requirements.api.sheets import SheetsView
from onboarding.requirements.tasks import queue_partner_tests
from onboarding.requirements.views import sheets as pages
from tenants.permissions import Permission
from tenants.rest.serializers import InputSerializer, ResourceSerializer
from tenants.throttle import limit_of


class SenderSerializer(ResourceSerializer):
    suggestion = serializers.CharField(source="suggestion_id", read_only=True)
    domain = serializers.CharField(source="sender.domain", read_only=True)
    term = serializers.CharField(source="sender.term", read_only=True)
    provider = serializers.CharField(source="sender.name", read_only=True)
    row = serializers.DictField(
        child=serializers.CharField(),
        read_only=True,
        allow_null=True,
        help_text="The cells of the added row; null if the term alone cannot be an exception.",
    )
    warning = serializers.CharField(read_only=True)


class KnownAnswerSerializer(ResourceSerializer):
    question = serializers.CharField(source="question.key", read_only=True)
    text = serializers.CharField(source="question.text", read_only=True)
    answer = serializers.CharField(source="known.text", read_only=True)
    origin = serializers.CharField(source="source_label", read_only=True)
    current = serializers.CharField(read_only=True, help_text="The answer of the sheet.")


class ProfileHostSerializer(ResourceSerializer):
    host = serializers.CharField(source="public_id", read_only=True)
    name = serializers.CharField(read_only=True)
    port = serializers.IntegerField(read_only=True)


class RequirementsSheetSuggestionsSerializer(ResourceSerializer):
    senders = SenderSerializer(many=True, read_only=True)
    answers = KnownAnswerSerializer(many=True, read_only=True)
    hosts = ProfileHostSerializer(
        many=True, read_only=True, help_text="Delivery hosts of the profile that the sheet lacks."
    )
    hosts_of_sheet = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="Hosts of the sheet that the profile lacks.",
    )


class AddedSerializer(ResourceSerializer):
    added = serializers.IntegerField(read_only=True, help_text="The number of rows or answers.")


class RequestedTestsSerializer(ResourceSerializer):
    requested = serializers.IntegerField(read_only=True, help_text="The number of partners.")


class SenderInput(InputSerializer):
    suggestion = serializers.CharField(
        required=False, allow_blank=True, max_length=600, help_text="Empty for all suggestions."
    )


class AnswerInput(InputSerializer):
    question = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=100,
        help_text="The key of a question; empty for all unanswered questions.",
    )


class ProfileHostInput(InputSerializer):
    host = serializers.CharField(max_length=32, help_text="The id of a host of the profile.")


class PartnerTestsInput(InputSerializer):
    """No field: the body is empty or an empty object."""


class SheetSuggestionsView(SheetsView):
    permissions = {"GET": Permission.VIEW}
    serializer_class = RequirementsSheetSuggestionsSerializer

    def get(self, request: Request, public_id: str, sheet_id: str) -> Response:
        """The rows and answers that Gangway suggests for a sheet. A person adds each of them."""
        sheet = self.load_sheet()
        differences = delivery_hosts.host_differences(sheet)
        return self.one(
            {
                "senders": queries.sender_suggestions(sheet),
                "answers": prefill.open_answers(sheet),
                "hosts": differences.only_in_profile,
                "hosts_of_sheet": [str(each) for each in differences.only_in_sheet],
            }
        )


class _AddView(SheetsView):
    permissions = {"POST": Permission.EDIT_REQUIREMENTS}
    serializer_class: type[ResourceSerializer] = AddedSerializer


class SenderUseView(_AddView):
    inputs = {"POST": SenderInput}

    def post(self, request: Request, public_id: str, sheet_id: str) -> Response:
        """Add a suggested sender as a row, or all that can be added."""
        sheet = self.load_sheet()
        wanted = self.validated(SenderInput).get("suggestion", "")
        added = suggestions.use_suggestions(sheet, wanted, by=self.user)
        return self.one({"added": added})


class AnswerUseView(_AddView):
    inputs = {"POST": AnswerInput}

    def post(self, request: Request, public_id: str, sheet_id: str) -> Response:
        """Store one answer that Gangway knows, or those of all unanswered questions."""
        sheet = self.load_sheet()
        key = self.validated(AnswerInput).get("question", "")
        return self.one({"added": prefill.use_known_answers(sheet, key, by=self.user)})


class HostUseView(_AddView):
    inputs = {"POST": ProfileHostInput}

    def post(self, request: Request, public_id: str, sheet_id: str) -> Response:
        """Add a delivery host of the profile to the sheet of delivery routes."""
        sheet = self.load_sheet()
        host_id = self.validated(ProfileHostInput)["host"]
        return self.one({"added": delivery_hosts.add_routes_to(sheet, host_id, by=self.user)})


class PartnerTestsView(SheetsView):
    permissions = {"POST": Permission.EDIT_REQUIREMENTS}
    serializer_class = RequestedTestsSerializer
    inputs = {"POST": PartnerTestsInput}
    statuses = {"POST": 202}
    outputs = {"POST": RequestedTestsSerializer}
    limits = {"POST": limit_of(pages.sheet_partners_test)}

    def post(self, request: Request, public_id: str, sheet_id: str) -> Response:
        """Request tests of the TLS partners. Gangway tests each partner once in 24 hours."""
        sheet = self.load_sheet()
        self.validated(PartnerTestsInput)
        return self.one({"requested": queue_partner_tests(sheet)}, status=202)


_SHEET = "requirements/<str:sheet_id>"
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path(f"{_SHEET}/suggestions/", SheetSuggestionsView.as_view(), name="sheet-suggestions"),
    path(f"{_SHEET}/senders/", SenderUseView.as_view(), name="sheet-senders"),
    path(f"{_SHEET}/answers/", AnswerUseView.as_view(), name="sheet-answers"),
    path(f"{_SHEET}/hosts/", HostUseView.as_view(), name="sheet-hosts"),
    path(f"{_SHEET}/partner-tests/", PartnerTestsView.as_view(), name="partner-tests"),
]
