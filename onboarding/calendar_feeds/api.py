"""Endpoints of a person's calendar feeds. The address of a feed is in one response only."""

from __future__ import annotations

from django.db.models import QuerySet
from django.urls import path, reverse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.calendar_feeds import feeds
from onboarding.calendar_feeds import views as pages
from onboarding.calendar_feeds.forms import FeedForm
from onboarding.error_responses import problem_of_forms
from onboarding.models import CalendarFeed
from tenants.permissions import Permission
from tenants.rest.serializers import InputSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView
from tenants.throttle import limit_of
from tenants.tokens import site_url


class CalendarFeedSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    scope = serializers.ChoiceField(choices=CalendarFeed.Scope.choices, read_only=True)
    tenant = serializers.CharField(
        source="tenant.public_id", read_only=True, allow_null=True, default=None
    )
    created_at = serializers.DateTimeField(read_only=True)
    used_at = serializers.DateTimeField(read_only=True, allow_null=True)


class CreatedFeedSerializer(CalendarFeedSerializer):
    address = serializers.CharField(
        read_only=True,
        allow_null=True,
        help_text="The secret address. Gangway stores its hash only: a repeated request has null.",
    )


class CalendarFeedInput(InputSerializer):
    scope = serializers.ChoiceField(choices=CalendarFeed.Scope.choices)
    tenant = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=32,
        help_text="The id of a tenant, for the calendar of one tenant.",
    )


class _FeedsView(ApiView):
    tag = "Calendar feeds"
    serializer_class: type[ResourceSerializer] = CalendarFeedSerializer

    def rows(self) -> QuerySet[CalendarFeed]:
        """The person's feeds. A token of one tenant reaches those of this tenant only."""
        found = feeds.feeds_of(self.user)
        only = self.token.tenant if self.token is not None else None
        return found.filter(tenant=only) if only is not None else found


class CalendarFeedListView(_FeedsView, ApiListView):
    permissions = {"GET": Permission.OPEN_HOME, "POST": Permission.OPEN_HOME}
    # The address works without the token, also after its end.
    administrative = frozenset({"POST"})
    model = CalendarFeed
    inputs = {"POST": CalendarFeedInput}
    outputs = {"POST": CreatedFeedSerializer}
    statuses = {"POST": 201}
    secrets = frozenset({"address"})
    limits = {"POST": limit_of(pages.calendar_feeds)}
    ordering = ("-created_at",)
    ordering_fields = ("created_at",)

    def get(self, request: Request) -> Response:
        """Your calendar feeds, without their addresses."""
        return self.listed(self.rows())

    def post(self, request: Request) -> Response:
        """Create a calendar feed. Its address is in this response only."""
        form = FeedForm(self.validated(CalendarFeedInput), person=self.user)
        if not form.is_valid():
            raise problem_of_forms(form)
        site = site_url(self.http_request)
        made, token = feeds.create_feed(
            CalendarFeed.Scope(form.cleaned_data["scope"]),
            tenant=form.cleaned_data["tenant"],
            site=site,
            by=self.user,
        )
        address = site + reverse("onboarding:calendar-feed", args=[token])
        return Response({**self.represent(made), "address": address}, status=201)


class CalendarFeedView(_FeedsView):
    permissions = {"DELETE": Permission.OPEN_HOME}
    statuses = {"DELETE": 204}

    def delete(self, request: Request, calendar_feed_id: str) -> Response:
        """Revoke one of your feeds. An unknown feed is revoked already."""
        feed = self.rows().filter(public_id=calendar_feed_id).first()
        if feed is not None:
            feeds.revoke_feed(feed)
        return Response(status=204)


urlpatterns = [
    path("calendar-feeds/", CalendarFeedListView.as_view(), name="calendar-feeds"),
    path(
        "calendar-feeds/<str:calendar_feed_id>/", CalendarFeedView.as_view(), name="calendar-feed"
    ),
]
