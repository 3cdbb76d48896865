"""Endpoints of webhooks, for one tenant and for all tenants.

A secret is in one response only: Gangway stores it encrypted.
"""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.error_responses import problem_of_forms
from onboarding.webhooks import queries
from onboarding.webhooks import views as pages
from onboarding.webhooks.forms import WebhookForm
from tenants.errors import TenantError
from tenants.models import Tenant, Webhook, WebhookEvent, WebhookMessage
from tenants.permissions import Permission
from tenants.rest.problems import invalid
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView, found_or_404
from tenants.tokens import site_url
from tenants.webhooks import services

_EVENTS = [(event.value, event.label) for event in services.SUBSCRIBABLE]


class WebhookSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    name = serializers.CharField(read_only=True)
    target_host = serializers.CharField(
        read_only=True, help_text="The host of the address. The address itself is a secret."
    )
    format = serializers.ChoiceField(choices=Webhook.Format.choices, read_only=True)
    events = serializers.ListField(child=serializers.CharField(), read_only=True)
    owner = PersonSerializer(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    paused_at = serializers.DateTimeField(read_only=True, allow_null=True)
    pause_reason = serializers.ChoiceField(
        choices=Webhook.PauseReason.choices, allow_blank=True, read_only=True
    )
    succeeded_at = serializers.DateTimeField(read_only=True, allow_null=True)
    failures = serializers.IntegerField(
        read_only=True, help_text="The failed deliveries since the last success."
    )
    waiting = serializers.IntegerField(
        read_only=True, help_text="The messages that are not delivered yet."
    )
    previous_secret_until = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="Until then, the previous secret also signs."
    )


class WebhookSecretSerializer(WebhookSerializer):
    secret = serializers.CharField(
        read_only=True,
        allow_null=True,
        help_text="The signing secret. A repeated request has null: rotate the secret instead.",
    )


class WebhookInput(InputSerializer):
    name = serializers.CharField(max_length=60)
    secret_address = serializers.CharField(
        max_length=500, help_text="The complete https address of the target."
    )
    format = serializers.ChoiceField(choices=Webhook.Format.choices)
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=_EVENTS), allow_empty=False, max_length=len(_EVENTS)
    )


class WebhookActionInput(InputSerializer):
    """No field: the body is empty or an empty object."""


class WebhookDeliverySerializer(ResourceSerializer):
    at = serializers.DateTimeField(read_only=True)
    milliseconds = serializers.IntegerField(read_only=True)
    status_code = serializers.IntegerField(read_only=True, allow_null=True)
    error = serializers.CharField(read_only=True)
    response = serializers.CharField(read_only=True, help_text="Its first 200 characters.")


class WebhookMessageSerializer(ResourceSerializer):
    expandable = frozenset({"deliveries"})

    id = serializers.CharField(
        source="public_id", read_only=True, help_text="The webhook-id of each delivery."
    )
    tenant = serializers.CharField(
        source="tenant.public_id", read_only=True, allow_null=True, default=None
    )
    event = serializers.ChoiceField(choices=WebhookEvent.choices, read_only=True)
    status = serializers.ChoiceField(choices=WebhookMessage.Status.choices, read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    due_at = serializers.DateTimeField(read_only=True)
    attempts = serializers.IntegerField(read_only=True)
    ended_at = serializers.DateTimeField(read_only=True, allow_null=True)
    deliveries = WebhookDeliverySerializer(many=True, read_only=True)


class WebhookMessageFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    status = django_filters.MultipleChoiceFilter(choices=WebhookMessage.Status.choices)

    class Meta:
        model = WebhookMessage
        fields: list[str] = []


class _WebhooksView(ApiView):
    """The rows of the tenant of the address or, without a tenant, those of all tenants."""

    tag = "Webhooks"
    serializer_class: type[ResourceSerializer] = WebhookSerializer

    @property
    def of(self) -> Tenant | None:
        return self.tenant if "public_id" in self.kwargs else None

    def rows(self) -> QuerySet[Webhook]:
        return queries.webhooks_of(self.of)

    def id_of(self, name: str) -> str:
        """The addresses of all tenants have other parameter names, as those of the pages."""
        return str(self.kwargs.get(name) or self.kwargs[f"common_{name}"])

    def load(self) -> Webhook:
        return found_or_404(self.rows(), self.id_of("webhook_id"), "webhook")

    def with_secret(self, webhook: Webhook, secret: str, *, status: int) -> Response:
        shown = self.represent(self.rows().get(pk=webhook.pk))
        return Response({**shown, "secret": secret}, status=status)


class WebhookListView(_WebhooksView, ApiListView):
    permissions = {"GET": Permission.MANAGE_WEBHOOKS, "POST": Permission.MANAGE_WEBHOOKS}
    model = Webhook
    inputs = {"POST": WebhookInput}
    outputs = {"POST": WebhookSecretSerializer}
    statuses = {"POST": 201}
    secrets = frozenset({"secret"})
    limits = {"POST": pages.CREATE_LIMIT}
    ordering = ("name",)
    ordering_fields = ("name", "created_at")

    def get(self, request: Request, public_id: str = "") -> Response:
        """The webhooks, without their secrets."""
        return self.listed(self.rows())

    def post(self, request: Request, public_id: str = "") -> Response:
        """Create a webhook. Its secret is in this response only."""
        form = WebhookForm(self.validated(WebhookInput))
        if not form.is_valid():
            raise problem_of_forms(form)
        try:
            webhook, secret = services.create_webhook(
                self.of, form.entry(), site=site_url(self.http_request), by=self.user
            )
        except TenantError as error:
            raise invalid({"secret_address": [str(error)]}) from None
        return self.with_secret(webhook, secret, status=201)


class WebhookView(_WebhooksView):
    permissions = {"GET": Permission.MANAGE_WEBHOOKS, "DELETE": Permission.MANAGE_WEBHOOKS}
    statuses = {"DELETE": 204}

    def get(self, request: Request, **ids: str) -> Response:
        """One webhook, without its secret."""
        return self.one(self.load())

    def delete(self, request: Request, **ids: str) -> Response:
        """Remove a webhook with its messages."""
        services.remove(self.load(), by=self.user)
        return Response(status=204)


class WebhookPauseView(_WebhooksView):
    permissions = {"POST": Permission.MANAGE_WEBHOOKS}
    inputs = {"POST": WebhookActionInput}

    def post(self, request: Request, **ids: str) -> Response:
        """Pause a webhook. Its messages wait until a person resumes it."""
        webhook = self.load()
        self.validated(WebhookActionInput)
        services.pause(webhook, by=self.user)
        return self.one(self.load())


class WebhookResumeView(_WebhooksView):
    permissions = {"POST": Permission.MANAGE_WEBHOOKS}
    inputs = {"POST": WebhookActionInput}

    def post(self, request: Request, **ids: str) -> Response:
        """Resume a webhook. Gangway sends its waiting messages in their order."""
        webhook = self.load()
        self.validated(WebhookActionInput)
        services.resume(webhook, by=self.user)
        return self.one(self.load())


class WebhookRotateView(_WebhooksView):
    permissions = {"POST": Permission.MANAGE_WEBHOOKS}
    inputs = {"POST": WebhookActionInput}
    outputs = {"POST": WebhookSecretSerializer}
    secrets = frozenset({"secret"})

    def post(self, request: Request, **ids: str) -> Response:
        """Replace the secret. The former one also signs for 24 hours.

        The new secret is in this response only.
        """
        webhook = self.load()
        self.validated(WebhookActionInput)
        secret = services.rotate_secret(webhook, by=self.user)
        return self.with_secret(webhook, secret, status=200)


class WebhookTestView(_WebhooksView):
    permissions = {"POST": Permission.MANAGE_WEBHOOKS}
    serializer_class = WebhookMessageSerializer
    inputs = {"POST": WebhookActionInput}
    outputs = {"POST": WebhookMessageSerializer}
    statuses = {"POST": 202}
    limits = {"POST": pages.TEST_LIMIT}

    def post(self, request: Request, **ids: str) -> Response:
        """Send a test message. The list of messages has its result."""
        webhook = self.load()
        self.validated(WebhookActionInput)
        return self.one(services.send_test(webhook), status=202)


class WebhookMessageListView(_WebhooksView, ApiListView):
    permissions = {"GET": Permission.MANAGE_WEBHOOKS}
    serializer_class = WebhookMessageSerializer
    model = WebhookMessage
    filterset_class = WebhookMessageFilter
    ordering = ("-created_at",)
    ordering_fields = ("created_at",)

    def get(self, request: Request, **ids: str) -> Response:
        """The delivery log of a webhook, newest message first."""
        return self.listed(queries.messages_of(self.load()))


class WebhookRedeliverView(_WebhooksView):
    permissions = {"POST": Permission.MANAGE_WEBHOOKS}
    serializer_class = WebhookMessageSerializer
    inputs = {"POST": WebhookActionInput}
    outputs = {"POST": WebhookMessageSerializer}
    statuses = {"POST": 202}
    limits = {"POST": pages.REDELIVER_LIMIT}

    def post(self, request: Request, **ids: str) -> Response:
        """Send an ended message again, with the same id."""
        rows = queries.messages_of(self.load())
        message = found_or_404(rows, self.id_of("message_id"), "message")
        self.validated(WebhookActionInput)
        services.redeliver(message)
        return self.one(rows.get(pk=message.pk), status=202)


_WEBHOOK = "webhooks/<str:webhook_id>/"
# The path, the name and the view.
_ADDRESSES: list[tuple[str, str, type[ApiView]]] = [
    ("webhooks/", "webhooks", WebhookListView),
    (_WEBHOOK, "webhook", WebhookView),
    (f"{_WEBHOOK}pause/", "webhook-pause", WebhookPauseView),
    (f"{_WEBHOOK}resume/", "webhook-resume", WebhookResumeView),
    (f"{_WEBHOOK}rotate/", "webhook-rotate", WebhookRotateView),
    (f"{_WEBHOOK}test/", "webhook-test", WebhookTestView),
    (f"{_WEBHOOK}messages/", "webhook-messages", WebhookMessageListView),
    (
        f"{_WEBHOOK}messages/<str:message_id>/redeliver/",
        "webhook-redeliver",
        WebhookRedeliverView,
    ),
]


def _of_all_tenants(view: type[ApiView]) -> type[ApiView]:
    """The view with the permission of the installation."""
    permissions = dict.fromkeys(view.permissions, Permission.MANAGE_ALL_WEBHOOKS)
    return type(f"All{view.__name__}", (view,), {"permissions": permissions})


urlpatterns = [
    path(
        address.replace("<str:", "<str:common_"),
        _of_all_tenants(view).as_view(),
        name=f"all-{name}",
    )
    for address, name, view in _ADDRESSES
]
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path(address, view.as_view(), name=name) for address, name, view in _ADDRESSES
]
