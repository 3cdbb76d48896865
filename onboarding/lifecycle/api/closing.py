"""Endpoints of the closing: tasks without a decision, residual risks, and the sign-off."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.error_responses import problem_of_forms
from onboarding.lifecycle import closing, residual_risks
from onboarding.lifecycle.forms.closing import ResidualRiskForm, SignOffForm
from onboarding.lifecycle.tasks import queue_requested_packs
from onboarding.lifecycle.views.closing import load_closing
from onboarding.models import AcceptedResidualRisk, ResidualRiskKind
from onboarding.plans.transitions import LONGEST_REASON
from tenants.permissions import Permission
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView, found_or_404


class AcceptedResidualRiskSerializer(ResourceSerializer):
    """The acceptance of a residual risk. A withdrawn one remains as history."""

    id = serializers.CharField(source="public_id", read_only=True)
    kind = serializers.ChoiceField(choices=ResidualRiskKind.choices, read_only=True)
    subject = serializers.CharField(read_only=True)
    sentence = serializers.CharField(read_only=True)
    ends_at = serializers.DateTimeField(read_only=True, allow_null=True)
    reason = serializers.CharField(read_only=True)
    accepted_by = PersonSerializer(read_only=True)
    accepted_at = serializers.DateTimeField(read_only=True)
    withdrawn_at = serializers.DateTimeField(read_only=True, allow_null=True)
    withdrawn_by = PersonSerializer(read_only=True, allow_null=True)


class ResidualRiskSerializer(ResourceSerializer):
    kind = serializers.ChoiceField(choices=ResidualRiskKind.choices, read_only=True)
    subject = serializers.CharField(
        read_only=True, help_text="A domain, a host or a task; empty for the whole tenant."
    )
    sentence = serializers.CharField(read_only=True)
    ends_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="The time at which the risk ends, if known."
    )
    is_accepted = serializers.BooleanField(read_only=True)
    too_early = serializers.CharField(
        read_only=True, help_text="The reason why it cannot be accepted yet; empty if it can."
    )


class UndecidedTaskSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    title = serializers.CharField(read_only=True)


class ClosingSerializer(ResourceSerializer):
    """The reasons against a sign-off now. A closed tenant has none."""

    undecided = UndecidedTaskSerializer(many=True, read_only=True)
    risks = ResidualRiskSerializer(many=True, read_only=True)
    refusal = serializers.CharField(
        read_only=True, help_text="Why the sides cannot sign off yet; empty when they can."
    )
    mimecast_signed_at = serializers.DateTimeField(read_only=True, allow_null=True)
    client_signed_at = serializers.DateTimeField(read_only=True, allow_null=True)
    completed_at = serializers.DateTimeField(read_only=True, allow_null=True)


class _ClosingView(ApiView):
    tag = "Closing"
    serializer_class: type[ResourceSerializer] = ClosingSerializer

    def closing_now(self) -> dict[str, Any]:
        shown = load_closing(self.http_request, self.kwargs["public_id"])
        obligations, task = shown.obligations, shown.row.task
        return {
            "undecided": obligations.undecided,
            "risks": obligations.risks,
            "refusal": obligations.refusal,
            "mimecast_signed_at": task.mimecast_confirmed_at,
            "client_signed_at": task.client_confirmed_at,
            "completed_at": shown.page.tenant.completed_at,
        }


class ClosingView(_ClosingView):
    permissions = {"GET": Permission.VIEW}

    def get(self, request: Request, public_id: str) -> Response:
        """The tasks without a decision, the residual risks and the signatures."""
        return self.one(self.closing_now())


class SignOffInput(InputSerializer):
    reason = serializers.CharField(
        max_length=LONGEST_REASON,
        help_text="A statement that the implementation is complete, with points to monitor.",
    )


class SignOffView(_ClosingView):
    permissions = {"POST": Permission.CONFIRM}
    inputs = {"POST": SignOffInput}

    def post(self, request: Request, public_id: str) -> Response:
        """Sign off for the own side. The second signature closes the tenant."""
        form = SignOffForm(self.validated(SignOffInput))
        if not form.is_valid():
            raise problem_of_forms(form)
        shown = load_closing(self.http_request, public_id)
        task, tenant = shown.row.task, shown.page.tenant
        task.plan.tenant = tenant
        closing.sign_off_implementation(
            task, by=self.user, side=shown.page.side, reason=form.cleaned_data["reason"]
        )
        tenant.refresh_from_db()
        if tenant.completed_at is not None:
            queue_requested_packs(tenant)
        return self.one(self.closing_now())


class ResidualRiskInput(InputSerializer):
    kind = serializers.ChoiceField(choices=ResidualRiskKind.choices)
    subject = serializers.CharField(allow_blank=True, max_length=255)
    sentence = serializers.CharField(
        max_length=2000, help_text="The sentence that you read. Another one is refused with 409."
    )
    reason = serializers.CharField(max_length=LONGEST_REASON)


class _AcceptedResidualRisksView(ApiView):
    tag = "Closing"
    serializer_class = AcceptedResidualRiskSerializer

    def rows(self) -> QuerySet[AcceptedResidualRisk]:
        rows = AcceptedResidualRisk.objects.filter(tenant=self.tenant)
        return rows.select_related("accepted_by", "withdrawn_by", "tenant__plan")


class AcceptedResidualRiskListView(_AcceptedResidualRisksView, ApiListView):
    permissions = {"GET": Permission.VIEW, "POST": Permission.MANAGE_PLAN}
    model = AcceptedResidualRisk
    inputs = {"POST": ResidualRiskInput}
    statuses = {"POST": 201}
    ordering = ("-accepted_at",)
    ordering_fields = ("accepted_at",)

    def get(self, request: Request, public_id: str) -> Response:
        """The accepted residual risks, newest first, also withdrawn ones."""
        return self.listed(self.rows())

    def post(self, request: Request, public_id: str) -> Response:
        """Accept one residual risk. A second acceptance of the same risk changes nothing."""
        values = self.validated(ResidualRiskInput)
        form = ResidualRiskForm(values)
        if not form.is_valid():
            raise problem_of_forms(form)
        accepted = residual_risks.accept_residual_risk(
            self.tenant,
            values["kind"],
            values["subject"],
            expected=values["sentence"],
            reason=form.cleaned_data["reason"],
            by=self.user,
        )
        return self.one(accepted, status=201)


class AcceptedResidualRiskView(_AcceptedResidualRisksView):
    permissions = {"GET": Permission.VIEW, "DELETE": Permission.MANAGE_PLAN}
    statuses = {"DELETE": 204}

    def load(self) -> AcceptedResidualRisk:
        return found_or_404(self.rows(), self.kwargs["risk_id"], "accepted residual risk")

    def get(self, request: Request, public_id: str, risk_id: str) -> Response:
        """One accepted residual risk."""
        return self.one(self.load())

    def delete(self, request: Request, public_id: str, risk_id: str) -> Response:
        """Withdraw the acceptance of a residual risk. It remains as history."""
        residual_risks.withdraw_acceptance(self.load(), by=self.user)
        return Response(status=204)


# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("closing/", ClosingView.as_view(), name="closing"),
    path("closing/sign-off/", SignOffView.as_view(), name="sign-off"),
    path(
        "closing/accepted-residual-risks/",
        AcceptedResidualRiskListView.as_view(),
        name="accepted-residual-risks",
    ),
    path(
        "closing/accepted-residual-risks/<str:risk_id>/",
        AcceptedResidualRiskView.as_view(),
        name="accepted-residual-risk",
    ),
]
