"""Endpoints of the notifications of the person behind a request."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tenants import notifications
from tenants.models import Notification
from tenants.notification_texts import path_of, sentence_of
from tenants.permissions import Permission
from tenants.rest.filters import MomentFilter
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView, found_or_404


class NotificationSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    kind = serializers.ChoiceField(choices=Notification.Kind.choices, read_only=True)
    tenant = serializers.CharField(source="tenant.public_id", read_only=True)
    actor = PersonSerializer(
        read_only=True, allow_null=True, help_text="Null for checks and for Gangway itself."
    )
    sentence = serializers.SerializerMethodField()
    path = serializers.SerializerMethodField(help_text="The path of the page of the event.")
    created_at = serializers.DateTimeField(read_only=True)
    read_at = serializers.DateTimeField(read_only=True, allow_null=True)

    @extend_schema_field(str)
    def get_sentence(self, notification: Notification) -> str:
        return sentence_of(notification)

    @extend_schema_field(str)
    def get_path(self, notification: Notification) -> str:
        return path_of(notification)


class NotificationFilter(django_filters.FilterSet):  # type: ignore[misc]  # untyped
    unread = django_filters.BooleanFilter(field_name="read_at", lookup_expr="isnull")
    kind = django_filters.ChoiceFilter(choices=Notification.Kind.choices)
    changed_since = MomentFilter(field_name="created_at", lookup_expr="gte")

    class Meta:
        model = Notification
        fields: list[str] = []


class NotificationsRead(ResourceSerializer):
    read = serializers.IntegerField(
        read_only=True, help_text="The number of notifications that were unread."
    )


class NotificationsReadInput(InputSerializer):
    newest = serializers.CharField(
        required=False,
        help_text="The id of the newest notification to mark. Without it, all are marked.",
    )


class _NotificationView(ApiView):
    tag = "Notifications"

    @property
    def rows(self) -> QuerySet[Notification]:
        """The notifications of the person in the tenants that the token can reach."""
        return notifications.notifications_of(self.user).filter(tenant__in=self.tenants)


class NotificationListView(_NotificationView, ApiListView):
    """The notifications of the person, newest first."""

    permissions = {"GET": Permission.OPEN_HOME}
    serializer_class = NotificationSerializer
    model = Notification
    filterset_class = NotificationFilter
    ordering = ("-created_at",)
    ordering_fields = ("created_at",)

    def get(self, request: Request) -> Response:
        """Your notifications in the tenants to which you have access, newest first."""
        return self.listed(self.rows)


class NotificationReadView(_NotificationView):
    """A notification becomes read."""

    permissions = {"POST": Permission.OPEN_HOME}
    serializer_class = NotificationSerializer

    def post(self, request: Request, notification_id: str) -> Response:
        """Mark one of your notifications as read."""
        found = found_or_404(self.rows, notification_id, "notification")
        notifications.mark_read(self.rows.filter(pk=found.pk))
        return self.one(self.rows.get(pk=found.pk))


class NotificationsReadView(_NotificationView):
    """All notifications become read."""

    permissions = {"POST": Permission.OPEN_HOME}
    serializer_class = NotificationsRead
    inputs = {"POST": NotificationsReadInput}

    def post(self, request: Request) -> Response:
        """Mark your notifications as read."""
        rows, newest = self.rows, self.validated(NotificationsReadInput).get("newest")
        if newest:
            rows = notifications.up_to(rows, found_or_404(rows, newest, "notification"))
        return self.one({"read": notifications.mark_read(rows)})


urlpatterns = [
    path("notifications/", NotificationListView.as_view(), name="notifications"),
    path("notifications/read/", NotificationsReadView.as_view(), name="notifications-read"),
    path(
        "notifications/<str:notification_id>/read/",
        NotificationReadView.as_view(),
        name="notification-read",
    ),
]
