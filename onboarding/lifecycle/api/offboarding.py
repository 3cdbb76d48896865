"""Endpoints that close, reopen, export and erase a tenant, and that request closing packs."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.error_responses import problem_of_forms
from onboarding.lifecycle import closing, erasure, exports, offboarding
from onboarding.lifecycle.api.tenants import TenantSerializer
from onboarding.lifecycle.closing_pack import build
from onboarding.lifecycle.forms.closing import CloseForm, ReopenForm
from onboarding.lifecycle.tasks import queue_closing_pack, queue_export
from onboarding.lifecycle.views import offboarding as pages
from onboarding.models import ClosingPack, TenantExport
from onboarding.plans.transitions import LONGEST_REASON
from tenants.models import Tenant
from tenants.permissions import Permission
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView, found_or_404
from tenants.throttle import limit_of


class ReasonInput(InputSerializer):
    reason = serializers.CharField(max_length=LONGEST_REASON)


class EraseInput(InputSerializer):
    name = serializers.CharField(
        max_length=200,
        trim_whitespace=False,
        help_text="The name of the tenant, as a confirmation.",
    )


class RequestInput(InputSerializer):
    """No field: the body is empty or an empty object."""


class ArchiveSerializer(ResourceSerializer):
    """An archive that a worker builds."""

    id = serializers.CharField(source="public_id", read_only=True)
    requested_by = PersonSerializer(read_only=True, allow_null=True)
    requested_at = serializers.DateTimeField(read_only=True)
    ready_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="Null until the archive can be downloaded."
    )
    size = serializers.IntegerField(read_only=True, help_text="In bytes.")


class ClosingPackSerializer(ArchiveSerializer):
    seal = serializers.CharField(
        read_only=True, help_text="SHA-256 of the list of digests; empty until it is ready."
    )


class TenantCloseView(ApiView):
    tag = "Closing"
    permissions = {"POST": Permission.CLOSE_TENANT}
    serializer_class = TenantSerializer
    inputs = {"POST": ReasonInput}

    def post(self, request: Request, public_id: str) -> Response:
        """Close a tenant before its implementation is complete.

        The tenant becomes read-only, its checks stop, and its share links and invitations are
        revoked. After the first MX switch, the closing obligations must be met.
        """
        form = CloseForm(self.validated(ReasonInput))
        if not form.is_valid():
            raise problem_of_forms(form)
        offboarding.close_tenant(self.tenant, by=self.user, reason=form.cleaned_data["reason"])
        return self.one(_stored(self.tenant))


class TenantReopenView(ApiView):
    tag = "Closing"
    permissions = {"POST": Permission.CLOSE_TENANT}
    serializer_class = TenantSerializer
    inputs = {"POST": ReasonInput}

    def post(self, request: Request, public_id: str) -> Response:
        """Open a closed tenant again. Tasks whose proof no longer passes are open in the plan."""
        form = ReopenForm(self.validated(ReasonInput))
        if not form.is_valid():
            raise problem_of_forms(form)
        closing.reopen_tenant(self.tenant, by=self.user, reason=form.cleaned_data["reason"])
        return self.one(_stored(self.tenant))


def _stored(tenant: Tenant) -> Tenant:
    return Tenant.objects.select_related("consultant", "plan__template").get(pk=tenant.pk)


class TenantEraseView(ApiView):
    tag = "Closing"
    permissions = {"POST": Permission.ERASE_TENANT}
    inputs = {"POST": EraseInput}
    statuses = {"POST": 204}

    def post(self, request: Request, public_id: str) -> Response:
        """Erase all data of a tenant permanently. The name of the tenant confirms the request."""
        typed = self.validated(EraseInput)["name"]
        erasure.erase_tenant(self.tenant, typed=typed, by=self.user)
        return Response(status=204)

    def written_tenant(self) -> None:
        """The tenant no longer exists. The stored response has no content."""


class ExportsView(ApiView):
    tag = "Exports"
    serializer_class: type[ResourceSerializer] = ArchiveSerializer
    file_format = TenantExport.Format.TABLES

    def rows(self) -> QuerySet[TenantExport]:
        rows = TenantExport.objects.filter(tenant=self.tenant, format=self.file_format)
        return rows.select_related("requested_by")


class ExportListView(ExportsView, ApiListView):
    permissions = {"GET": Permission.EXPORT_TENANT, "POST": Permission.EXPORT_TENANT}
    model = TenantExport
    inputs = {"POST": RequestInput}
    statuses = {"POST": 202}
    outputs = {"POST": ArchiveSerializer}
    limits = {"POST": limit_of(pages.export_request)}
    ordering = ("-requested_at",)
    ordering_fields = ("requested_at",)

    def get(self, request: Request, public_id: str) -> Response:
        """The exports of a tenant, newest first."""
        return self.listed(self.rows())

    def post(self, request: Request, public_id: str) -> Response:
        """Request an archive with all data of the tenant. A worker builds it."""
        self.validated(RequestInput)
        export = exports.request_export(self.tenant, by=self.user)
        queue_export(export)
        return self.one(export, status=202)


class ExportContentView(ExportsView):
    permissions = {"GET": Permission.EXPORT_TENANT}
    serializer_class = None  # type: ignore[assignment]  # the content is no JSON
    administrative = frozenset({"GET"})

    def get(self, request: Request, public_id: str, export_id: str) -> Any:
        """The archive of an export, as a download. The activity log names it."""
        found_or_404(self.rows().exclude(ready_at=None), export_id, "export")
        return pages.export_show(self.http_request, public_id=public_id, export_id=export_id)


class _ClosingPacksView(ApiView):
    tag = "Closing"
    serializer_class: type[ResourceSerializer] = ClosingPackSerializer

    def rows(self) -> QuerySet[ClosingPack]:
        return ClosingPack.objects.filter(tenant=self.tenant).select_related("requested_by")


class ClosingPackListView(_ClosingPacksView, ApiListView):
    permissions = {
        "GET": Permission.DOWNLOAD_CLOSING_PACK,
        "POST": Permission.DOWNLOAD_CLOSING_PACK,
    }
    model = ClosingPack
    inputs = {"POST": RequestInput}
    statuses = {"POST": 202}
    outputs = {"POST": ClosingPackSerializer}
    limits = {"POST": limit_of(pages.closing_pack_request)}
    ordering = ("-requested_at",)
    ordering_fields = ("requested_at",)

    def get(self, request: Request, public_id: str) -> Response:
        """The closing packs of a tenant, newest first."""
        return self.listed(self.rows())

    def post(self, request: Request, public_id: str) -> Response:
        """Request a closing pack of a completed implementation. A worker builds it."""
        self.validated(RequestInput)
        pack = build.request_closing_pack(self.tenant, by=self.user)
        queue_closing_pack(pack)
        return self.one(pack, status=202)


class ClosingPackContentView(_ClosingPacksView):
    permissions = {"GET": Permission.DOWNLOAD_CLOSING_PACK}
    serializer_class = None  # type: ignore[assignment]  # the content is no JSON

    def get(self, request: Request, public_id: str, closing_pack_id: str) -> Any:
        """The closing pack, as a download. The activity log names it."""
        found_or_404(self.rows().exclude(ready_at=None), closing_pack_id, "closing pack")
        return pages.closing_pack_show(
            self.http_request, public_id=public_id, closing_pack_id=closing_pack_id
        )


# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("close/", TenantCloseView.as_view(), name="tenant-close"),
    path("reopen/", TenantReopenView.as_view(), name="tenant-reopen"),
    path("erase/", TenantEraseView.as_view(), name="tenant-erase"),
    path("exports/", ExportListView.as_view(), name="exports"),
    path("exports/<str:export_id>/content/", ExportContentView.as_view(), name="export-content"),
    path("closing-packs/", ClosingPackListView.as_view(), name="closing-packs"),
    path(
        "closing-packs/<str:closing_pack_id>/content/",
        ClosingPackContentView.as_view(),
        name="closing-pack-content",
    ),
]
