"""Endpoints of the test messages and received messages of a check."""

from __future__ import annotations

from django.db.models import QuerySet
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from checks.engine.mail.message_parser import MAX_BYTES
from checks.engine.outcomes import MESSAGE_KINDS
from checks.models import Check, SendingPlatform, SubmittedMessage
from checks.queries import checks_of
from checks.submitted_messages import MESSAGE_LIMIT
from onboarding.error_responses import problem_of_forms
from onboarding.plans.forms.submitted_messages import MessageForm, states_platform
from onboarding.plans.submitted_messages import submit_form
from tenants.permissions import Permission
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, found_or_404


class SubmittedMessageSerializer(ResourceSerializer):
    """A submitted message. Gangway deletes its text after the check."""

    id = serializers.CharField(source="public_id", read_only=True)
    size = serializers.IntegerField(read_only=True, help_text="In bytes.")
    sha256 = serializers.CharField(read_only=True)
    sending_platform = serializers.CharField(
        read_only=True, help_text="The platform that sent it, for a hybrid system; else empty."
    )
    submitted_by = PersonSerializer(read_only=True, allow_null=True)
    submitted_at = serializers.DateTimeField(read_only=True)
    finished_at = serializers.DateTimeField(read_only=True, allow_null=True)
    observation = serializers.CharField(
        source="observation.public_id", read_only=True, default=None, allow_null=True
    )


class SubmittedMessageInput(InputSerializer):
    source = serializers.CharField(  # type: ignore[assignment]  # a field of the body
        max_length=MAX_BYTES, trim_whitespace=False, help_text="The source of the message."
    )
    sending_platform = serializers.ChoiceField(
        required=False,
        choices=SendingPlatform.choices,
        help_text="Required for a test message of a hybrid system.",
    )


class MessageListView(ApiListView):
    tag = "Checks"
    permissions = {"GET": Permission.VIEW, "POST": Permission.RUN_CHECKS}
    serializer_class = SubmittedMessageSerializer
    model = SubmittedMessage
    inputs = {"POST": SubmittedMessageInput}
    limits = {"POST": MESSAGE_LIMIT}
    statuses = {"POST": 201}
    ordering = ("-submitted_at",)
    ordering_fields = ("submitted_at",)

    def load_check(self) -> Check:
        rows = checks_of(self.tenant).filter(kind__in=MESSAGE_KINDS)
        return found_or_404(rows, self.kwargs["check_id"], "check")

    def rows(self, check: Check) -> QuerySet[SubmittedMessage]:
        shown = SubmittedMessage.objects.filter(check_asked=check).defer("content")
        return shown.select_related("observation", "submitted_by")

    def get(self, request: Request, public_id: str, check_id: str) -> Response:
        """The submitted messages of a check, newest first, without their text."""
        return self.listed(self.rows(self.load_check()))

    def post(self, request: Request, public_id: str, check_id: str) -> Response:
        """Submit a test message or a received message. Its check runs at once."""
        check, values = self.load_check(), self.validated(SubmittedMessageInput)
        form = MessageForm(values, is_hybrid=states_platform(self.tenant, check))
        submitted = (
            submit_form(form, self.tenant.plan, check, by=self.user) if form.is_valid() else None
        )
        if submitted is None:
            raise problem_of_forms(form)
        return self.one(found_or_404(self.rows(check), submitted.public_id, "message"), status=201)


# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("checks/<str:check_id>/messages/", MessageListView.as_view(), name="messages"),
]
