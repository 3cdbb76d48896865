"""Endpoints of share links. The address of a link is in one response only."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import path, reverse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.collaboration import share_links
from onboarding.collaboration.forms import ShareLinkForm
from onboarding.collaboration.views import share_links as pages
from onboarding.error_responses import problem_of_forms
from onboarding.models import ShareLink, Task
from onboarding.models.files import LIFETIME_DAYS
from tenants.models import Domain
from tenants.permissions import Permission
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView, found_or_404
from tenants.throttle import limit_of
from tenants.tokens import site_url


class ShareLinkSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    task = serializers.CharField(
        source="task.public_id", read_only=True, allow_null=True, default=None
    )
    domain = serializers.CharField(
        source="domain.public_id", read_only=True, allow_null=True, default=None
    )
    recipient = serializers.CharField(read_only=True)
    created_by = PersonSerializer(read_only=True, allow_null=True)
    created_at = serializers.DateTimeField(read_only=True)
    expires_at = serializers.DateTimeField(read_only=True)
    revoked_at = serializers.DateTimeField(read_only=True, allow_null=True)
    views = serializers.IntegerField(read_only=True)
    viewed_at = serializers.DateTimeField(read_only=True, allow_null=True)


class CreatedShareLinkSerializer(ShareLinkSerializer):
    address = serializers.CharField(
        read_only=True,
        allow_null=True,
        help_text="The secret address. Gangway stores its hash only: a repeated request has null.",
    )


class ShareLinkInput(InputSerializer):
    recipient = serializers.CharField(max_length=100, help_text="The person who receives the link.")
    days = serializers.IntegerField(
        help_text=f"The lifetime of the link in days, of: {', '.join(map(str, LIFETIME_DAYS))}."
    )


class _ShareLinksView(ApiView):
    tag = "Share links"
    serializer_class: type[ResourceSerializer] = ShareLinkSerializer

    def rows(self) -> QuerySet[ShareLink]:
        return share_links.share_links_of(self.tenant)


class ShareLinkListView(_ShareLinksView, ApiListView):
    permissions = {"GET": Permission.SHARE}
    model = ShareLink
    ordering = ("-created_at",)
    ordering_fields = ("created_at", "expires_at")

    def get(self, request: Request, public_id: str) -> Response:
        """The share links of a tenant, newest first, without their addresses."""
        return self.listed(self.rows())


class ShareLinkView(_ShareLinksView):
    permissions = {"GET": Permission.SHARE, "DELETE": Permission.SHARE}
    statuses = {"DELETE": 204}

    def load(self) -> ShareLink:
        return found_or_404(self.rows(), self.kwargs["share_link_id"], "share link")

    def get(self, request: Request, public_id: str, share_link_id: str) -> Response:
        """One share link, without its address."""
        return self.one(self.load())

    def delete(self, request: Request, public_id: str, share_link_id: str) -> Response:
        """Revoke a share link. A second revocation changes nothing."""
        share_links.revoke(self.load(), by=self.user)
        return Response(status=204)


class _CreateView(_ShareLinksView):
    permissions = {"POST": Permission.SHARE}
    inputs = {"POST": ShareLinkInput}
    outputs = {"POST": CreatedShareLinkSerializer}
    statuses = {"POST": 201}
    secrets = frozenset({"address"})

    def create(self, subject: Task | Domain) -> Response:
        form = ShareLinkForm(self.validated(ShareLinkInput))
        if not form.is_valid():
            raise problem_of_forms(form)
        made, token = share_links.create_share_link(
            self.tenant.plan, subject, **form.cleaned_data, by=self.user
        )
        address = site_url(self.http_request) + reverse("onboarding:share-link", args=[token])
        shown: dict[str, Any] = self.represent(made)
        return Response({**shown, "address": address}, status=201)


class TaskShareLinkView(_CreateView):
    limits = {"POST": limit_of(pages.task_share)}
    # The link works without the token.
    administrative = frozenset({"POST"})

    def post(self, request: Request, public_id: str, task_id: str) -> Response:
        """Create a share link to one task, for a person without an account.

        The address is in this response only.
        """
        return self.create(
            found_or_404(Task.objects.filter(plan=self.tenant.plan), task_id, "task")
        )


class DomainShareLinkView(_CreateView):
    limits = {"POST": limit_of(pages.domain_share)}
    # The link works without the token.
    administrative = frozenset({"POST"})

    def post(self, request: Request, public_id: str, domain_id: str) -> Response:
        """Create a share link to one domain, for a person without an account.

        The address is in this response only.
        """
        rows = Domain.objects.filter(tenant=self.tenant)
        return self.create(found_or_404(rows, domain_id, "domain"))


# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("share-links/", ShareLinkListView.as_view(), name="share-links"),
    path("share-links/<str:share_link_id>/", ShareLinkView.as_view(), name="share-link"),
    path("tasks/<str:task_id>/share-links/", TaskShareLinkView.as_view(), name="task-share-links"),
    path(
        "domains/<str:domain_id>/share-links/",
        DomainShareLinkView.as_view(),
        name="domain-share-links",
    ),
]
