"""Endpoint of the upgrade of one plan to a newer version of its template."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.models import Plan, PlanTemplate
from onboarding.plan_templates import upgrade
from onboarding.plan_templates.api.changes import TaskChangeSerializer, TemplateTaskNameSerializer
from tenants.permissions import Permission
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.versions import check_precondition
from tenants.rest.views import ApiView


class NewerVersionSerializer(ResourceSerializer):
    version = serializers.IntegerField(read_only=True)
    note = serializers.CharField(read_only=True)
    loaded_at = serializers.DateTimeField(read_only=True)
    published_by = PersonSerializer(read_only=True, allow_null=True)


class AddedTaskSerializer(TemplateTaskNameSerializer):
    key = serializers.CharField(source="task.key", read_only=True)
    title = serializers.CharField(source="task.title", read_only=True)
    reason = serializers.CharField(
        read_only=True, help_text="Why the task does not apply to the plan; empty if it applies."
    )


class PlanTaskSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    title = serializers.CharField(read_only=True)


class ApplicabilitySerializer(ResourceSerializer):
    task = PlanTaskSerializer(read_only=True)
    applies = serializers.BooleanField(read_only=True)
    reason = serializers.CharField(read_only=True)


class PlanChangesSerializer(ResourceSerializer):
    """The changes that the upgrade makes to the plan."""

    added = AddedTaskSerializer(many=True, read_only=True)
    dropped = PlanTaskSerializer(
        many=True, read_only=True, help_text="Tasks without activity, which are deleted."
    )
    kept = PlanTaskSerializer(
        many=True, read_only=True, help_text="Tasks with activity, which become custom tasks."
    )
    changed = TaskChangeSerializer(many=True, read_only=True)
    applicability_changes = ApplicabilitySerializer(many=True, read_only=True)
    phases = serializers.ListField(child=serializers.CharField(), read_only=True)
    lost = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="A sentence for each safeguard or role that the plan would lose.",
    )


class PlanUpgradeSerializer(ResourceSerializer):
    version = serializers.IntegerField(read_only=True, help_text="The version of the plan.")
    newer = NewerVersionSerializer(many=True, read_only=True)
    target = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="The version of the preview."
    )
    changes = PlanChangesSerializer(read_only=True, allow_null=True)


class PlanUpgradeInput(InputSerializer):
    version = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, help_text="A newer version, whose preview you read."
    )


class PlanUpgradeView(ApiView):
    tag = "Plans"
    permissions = {"GET": Permission.MANAGE_PLAN, "POST": Permission.MANAGE_PLAN}
    serializer_class = PlanUpgradeSerializer
    inputs = {"POST": PlanUpgradeInput}
    versioned = frozenset({"POST"})
    query_descriptions = {
        "version": "The version of the preview. Without it, the version of new plans."
    }

    def get(self, request: Request, public_id: str) -> Response:
        """The newer versions of the template, and the changes of an upgrade to one of them."""
        plan = self.load_plan()
        return self.answer(plan, request.query_params.get("version", ""))

    def post(self, request: Request, public_id: str) -> Response:
        """Upgrade the plan. Confirmations and verifications remain."""
        plan = self.load_plan()
        check_precondition(request, _etag(plan), lambda: self.represent(_upgrade_of(plan, None)))
        wanted = self.validated(PlanUpgradeInput)["version"]
        target = PlanTemplate.objects.filter(version=wanted).first()
        if target is None:
            raise Http404("No such version.")
        upgrade.upgrade_plan(plan, target, expected=plan.template.version, by=self.user)
        return self.answer(self.load_plan(), "")

    def load_plan(self) -> Plan:
        return Plan.objects.select_related("template", "tenant").get(tenant=self.tenant)

    def answer(self, plan: Plan, wanted: str) -> Response:
        target = upgrade.chosen_version(upgrade.newer_versions(plan), wanted)
        response = Response(self.represent(_upgrade_of(plan, target)))
        response["ETag"] = _etag(plan)
        return response


def _etag(plan: Plan) -> str:
    """Another upgrade is the only change that a preview does not permit."""
    return f'"template-version-{plan.template.version}"'


def _upgrade_of(plan: Plan, target: PlanTemplate | None) -> dict[str, Any]:
    return {
        "version": plan.template.version,
        "newer": upgrade.newer_versions(plan),
        "target": target.version if target is not None else None,
        "changes": upgrade.preview(plan, target) if target is not None else None,
    }


# Below tenants/<public_id>/.
tenant_urlpatterns = [path("plan/upgrade/", PlanUpgradeView.as_view(), name="plan-upgrade")]
