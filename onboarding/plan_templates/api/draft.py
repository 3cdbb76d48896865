"""Endpoints of the draft of the plan template: create, publish and discard it."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.error_responses import problem_of_forms
from onboarding.models import PlanTemplate, TemplateDraft
from onboarding.plan_templates import drafts
from onboarding.plan_templates.api.changes import TemplateChangesSerializer, changes_of
from onboarding.plan_templates.api.versions import PlanTemplateSerializer
from onboarding.plan_templates.forms import PublishForm
from tenants.permissions import Permission, may, staff_role_of
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.versions import check_precondition
from tenants.rest.views import ApiView


class TemplateDraftSerializer(ResourceSerializer):
    expandable = frozenset({"changes", "content"})

    base_version = serializers.IntegerField(source="base.version", read_only=True)
    revision = serializers.IntegerField(
        read_only=True, help_text="Increases with every change of the draft."
    )
    created_by = PersonSerializer(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    changed_by = PersonSerializer(read_only=True)
    changed_at = serializers.DateTimeField(read_only=True)
    changes = serializers.SerializerMethodField(
        help_text="The changes since the newest version, with lost safeguards and roles."
    )
    content = serializers.SerializerMethodField()

    @extend_schema_field(TemplateChangesSerializer)
    def get_changes(self, draft: TemplateDraft) -> Any:
        return TemplateChangesSerializer(changes_of(draft)).data

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_content(self, draft: TemplateDraft) -> Any:
        """The phases and tasks, in the structure of the template file."""
        return draft.content


class TemplateDraftInput(InputSerializer):
    version = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        help_text="The version to begin with. Without it, the newest one.",
    )


class PublishInput(InputSerializer):
    note = serializers.CharField(
        max_length=1000, help_text="The changes, which consultants read before an upgrade."
    )
    accepts_losses = serializers.BooleanField(
        required=False, help_text="Accept lost safeguards and roles, as an administrator."
    )


class DraftsView(ApiView):
    """The common part of the endpoints of the draft."""

    tag = "Plan templates"
    serializer_class: type[ResourceSerializer] = TemplateDraftSerializer

    def load_draft(self) -> TemplateDraft:
        draft = drafts.current_draft()
        if draft is None:
            raise Http404(str(drafts.DraftNotFound()))
        return draft

    def answer_with_draft(self, *, status: int = 200) -> Response:
        draft = self.load_draft()
        context = self.get_serializer_context()
        data = TemplateDraftSerializer(draft, context=context).data
        response = Response(data, status=status)
        response["ETag"] = self.etag_of_draft(draft)
        return response

    def require_draft(self, draft: TemplateDraft) -> None:
        """Raise 428 or 412 unless If-Match has the version of the draft."""
        check_precondition(
            self.request,
            self.etag_of_draft(draft),
            lambda: TemplateDraftSerializer(draft, context=self.get_serializer_context()).data,
        )

    def etag_of_draft(self, draft: TemplateDraft) -> str:
        # A draft is replaced by another one with the same revision, but not with the same time.
        return f'"{draft.created_at:%Y%m%dT%H%M%S.%f}-{draft.revision}"'


class DraftView(DraftsView):
    permissions = {
        "GET": Permission.EDIT_TEMPLATES,
        "POST": Permission.EDIT_TEMPLATES,
        "DELETE": Permission.EDIT_TEMPLATES,
    }
    inputs = {"POST": TemplateDraftInput}
    statuses = {"POST": 201, "DELETE": 204}
    versioned = frozenset({"DELETE"})

    def get(self, request: Request) -> Response:
        """The draft of the next version, with its ETag. All editors share it."""
        return self.answer_with_draft()

    def post(self, request: Request) -> Response:
        """Create the draft. There is at most one."""
        wanted, base = self.validated(TemplateDraftInput).get("version"), None
        if wanted is not None:
            base = PlanTemplate.objects.filter(version=wanted).first()
            if base is None:
                raise Http404("No such version.")
        drafts.start_draft(base, by=self.user)
        return self.answer_with_draft(status=201)

    def delete(self, request: Request) -> Response:
        """Discard the draft. The versions remain unchanged."""
        draft = self.load_draft()
        self.require_draft(draft)
        drafts.delete_draft(expected=draft.revision, by=self.user)
        return Response(status=204)


class PublishView(DraftsView):
    permissions = {"POST": Permission.EDIT_TEMPLATES}
    serializer_class = PlanTemplateSerializer
    inputs = {"POST": PublishInput}
    statuses = {"POST": 201}
    versioned = frozenset({"POST"})

    def post(self, request: Request) -> Response:
        """Publish the draft as the next version. New plans use it from now on."""
        draft = self.load_draft()
        self.require_draft(draft)
        form = PublishForm(self.validated(PublishInput) | {"expected": draft.revision})
        if not form.is_valid():
            raise problem_of_forms(form)
        may_accept = may(staff_role_of(self.user), Permission.PUBLISH_WITHOUT_GUARDS)
        made = drafts.publish(
            note=form.cleaned_data["note"],
            expected=draft.revision,
            accepts_losses=may_accept and form.cleaned_data["accepts_losses"],
            by=self.user,
        )
        return self.one(made, status=201)


_DRAFT = "plan-templates/draft/"
urlpatterns = [
    path(_DRAFT, DraftView.as_view(), name="template-draft"),
    path(f"{_DRAFT}publish/", PublishView.as_view(), name="template-publish"),
]
