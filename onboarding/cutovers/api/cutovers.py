"""Endpoints of the cutovers: planning, readiness, window confirmation, votes and timeline."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.cutovers import go_no_go, planning, window_confirmation
from onboarding.cutovers.api.reasons import REASON_QUERY, reason_in
from onboarding.cutovers.forms import ApproversForm, CutoverForm
from onboarding.cutovers.go_no_go import Vote
from onboarding.cutovers.readiness import earliest_safe_time
from onboarding.cutovers.room import CutoverRoom, run_sheet
from onboarding.cutovers.serializers import (
    ApproversInput,
    CutoverChangeInput,
    CutoverInput,
    CutoverSerializer,
    DecisionSerializer,
    ReadinessSerializer,
    TimelineEntrySerializer,
    VoteInput,
    WindowInput,
    readiness_of,
)
from onboarding.cutovers.timeline import build_timeline
from onboarding.cutovers.views.planning import PlanningPage
from onboarding.cutovers.views.room import load_room
from onboarding.cutovers.window_confirmation import WindowConfirmation
from onboarding.error_responses import problem_of_forms
from onboarding.models import Cutover
from onboarding.plans.tenant_page import load_page
from tenants.permissions import Permission
from tenants.rest.filters import MomentFilter
from tenants.rest.serializers import ResourceSerializer
from tenants.rest.views import ApiListView, ApiView, found_or_404


class CutoverFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    direction = django_filters.ChoiceFilter(choices=Cutover.Direction.choices)
    planned_after = MomentFilter(field_name="planned_at", lookup_expr="gte")
    planned_before = MomentFilter(field_name="planned_at", lookup_expr="lt")

    class Meta:
        model = Cutover
        fields: list[str] = []


class CutoversView(ApiView):
    """The common part of the endpoints of cutovers."""

    tag = "Cutovers"
    serializer_class: type[ResourceSerializer] = CutoverSerializer

    def rows(self, *, with_cancelled: bool = False) -> QuerySet[Cutover]:
        source = Cutover.all_objects if with_cancelled else Cutover.objects
        rows = source.filter(plan=self.tenant.plan).prefetch_related("domains")
        return rows.select_related(
            "confirmed_by", "mimecast_approver", "client_approver", "plan__tenant"
        )

    def load(self, *, with_cancelled: bool = False) -> Cutover:
        rows = self.rows(with_cancelled=with_cancelled)
        return found_or_404(rows, self.kwargs["cutover_id"], "cutover")

    def room(self) -> CutoverRoom:
        return load_room(self.http_request, self.kwargs["public_id"], self.kwargs["cutover_id"])

    def planning_page(self) -> PlanningPage:
        return PlanningPage(load_page(self.http_request, self.kwargs["public_id"]))

    def answer(self, *, status: int = 200) -> Response:
        cutover = self.load()
        return self.one(cutover, status=status, version=cutover)


class CutoverListView(CutoversView, ApiListView):
    permissions = {"GET": Permission.VIEW, "POST": Permission.MANAGE_PLAN}
    model = Cutover
    filterset_class = CutoverFilter
    inputs = {"POST": CutoverInput}
    statuses = {"POST": 201}
    ordering = ("planned_at",)
    ordering_fields = ("planned_at",)

    def get(self, request: Request, public_id: str) -> Response:
        """The planned cutovers of a tenant."""
        return self.listed(self.rows())

    def post(self, request: Request, public_id: str) -> Response:
        """Plan a cutover. The due dates of the plan follow its window."""
        values, shared = self.validated(CutoverInput), self.planning_page()
        direction = values["direction"]
        offered = shared.page.domains_in_none(direction)
        form = shared.form(direction, _form_data(values, self.tenant_zone(shared)), offered)
        typed = _validated(form)
        made = planning.plan_cutover(
            shared.page.plan,
            direction,
            typed["planned_at"],
            typed["domains"],
            by=self.user,
            reason=typed["reason"],
        )
        cutover = found_or_404(self.rows(), made.public_id, "cutover")
        return self.one(cutover, status=201, version=cutover)

    def tenant_zone(self, shared: PlanningPage) -> Any:
        return shared.page.plan_context.zone


class CutoverView(CutoversView):
    permissions = {
        "GET": Permission.VIEW,
        "PATCH": Permission.MANAGE_PLAN,
        "DELETE": Permission.MANAGE_PLAN,
    }
    inputs = {"PATCH": CutoverChangeInput}
    delete_descriptions = REASON_QUERY
    statuses = {"DELETE": 204}
    versioned = frozenset({"PATCH", "DELETE"})

    def get(self, request: Request, public_id: str, cutover_id: str) -> Response:
        """One cutover, also a cancelled one, with its ETag."""
        cutover = self.load(with_cancelled=True)
        return self.one(cutover, version=cutover)

    def patch(self, request: Request, public_id: str, cutover_id: str) -> Response:
        """Reschedule a cutover, or change its domains.

        The change resets the window confirmation, the votes and the decision.
        """
        cutover = self.load()
        self.require_version(cutover)
        values, shared = self.validated(CutoverChangeInput), self.planning_page()
        zone, own = shared.page.plan_context.zone, list(cutover.domains.all())
        stored = {
            "planned_at": cutover.planned_at,
            "domains": [domain.public_id for domain in own],
            "reason": "",
        }
        form = shared.form(
            cutover.direction,
            _form_data(stored | values, zone),
            [*own, *shared.page.domains_in_none(cutover.direction)],
            unmoved=cutover.planned_at,
        )
        typed = _validated(form)
        planning.change_cutover(
            cutover,
            typed["planned_at"] if "planned_at" in values else cutover.planned_at,
            typed["domains"],
            expected_round=cutover.round,
            by=self.user,
            reason=typed["reason"],
        )
        return self.answer()

    def delete(self, request: Request, public_id: str, cutover_id: str) -> Response:
        """Cancel a cutover. One with a record remains stored."""
        cutover = self.load()
        self.require_version(cutover)
        planning.cancel_cutover(cutover, by=self.user, reason=reason_in(request))
        return Response(status=204)


class ReadinessView(CutoversView):
    permissions = {"GET": Permission.VIEW}
    serializer_class = ReadinessSerializer

    def get(self, request: Request, public_id: str, cutover_id: str) -> Response:
        """The readiness of a cutover now, with its conflicts, votes and decision."""
        room = self.room()
        return self.one(
            readiness_of(
                room,
                safe_at=earliest_safe_time(room.facts.safe_times),
                votes=go_no_go.current_votes(room.cutover),
                decision=go_no_go.current_decision(room.cutover),
            )
        )


class DecisionView(CutoversView):
    permissions = {"GET": Permission.VIEW}
    serializer_class = DecisionSerializer
    outputs = {"GET": DecisionSerializer(many=True)}

    def get(self, request: Request, public_id: str, cutover_id: str) -> Response:
        """The decisions on a cutover, newest first, also those on former windows."""
        rows = list(self.load(with_cancelled=True).decisions.all())
        return Response(self.get_serializer(rows, many=True).data)


class TimelineView(CutoversView):
    permissions = {"GET": Permission.VIEW}
    serializer_class = TimelineEntrySerializer
    outputs = {"GET": TimelineEntrySerializer(many=True)}

    def get(self, request: Request, public_id: str, cutover_id: str) -> Response:
        """The timeline of a cutover, oldest first, also of a cancelled one."""
        page, cutover = load_page(self.http_request, public_id), self.load(with_cancelled=True)
        tasks = [row.task for row in run_sheet(page, cutover)]
        entries = build_timeline(cutover, tasks, is_staff=page.is_staff)
        return Response(self.get_serializer(entries, many=True).data)


class WindowView(CutoversView):
    permissions = {"POST": Permission.MANAGE_PLAN}
    inputs = {"POST": WindowInput}
    versioned = frozenset({"POST"})

    def post(self, request: Request, public_id: str, cutover_id: str) -> Response:
        """Confirm the window of a cutover. With blockers it needs `accepted_risk`."""
        cutover = self.load()
        self.require_version(cutover)
        values = self.validated(WindowInput)
        window = WindowConfirmation(cutover.planned_at, cutover.round, **values)
        room = replace(self.room(), requested_minutes=window.length_minutes)
        window_confirmation.confirm_window(
            room.cutover, window, blockers=room.window_blockers, by=self.user
        )
        return self.answer()


class ApproversView(CutoversView):
    permissions = {"POST": Permission.MANAGE_PLAN}
    inputs = {"POST": ApproversInput}
    versioned = frozenset({"POST"})

    def post(self, request: Request, public_id: str, cutover_id: str) -> Response:
        """Set the approvers of a cutover, one of each side. Without an id a side has none."""
        cutover = self.load()
        self.require_version(cutover)
        form = ApproversForm(self.validated(ApproversInput), tenant=self.tenant)
        typed = _validated(form)
        go_no_go.name_approvers(cutover, **typed, by=self.user)
        return self.answer()


class CutoverVoteView(CutoversView):
    permissions = {"POST": Permission.VOTE}
    inputs = {"POST": VoteInput}
    versioned = frozenset({"POST"})

    def post(self, request: Request, public_id: str, cutover_id: str) -> Response:
        """Vote go or no-go, as one of the two approvers."""
        cutover = self.load()
        self.require_version(cutover)
        values, room = self.validated(VoteInput), self.room()
        vote = Vote(
            cutover.planned_at,
            cutover.round,
            values["choice"] == "go",
            values.get("comment", ""),
            values.get("accepted_risk", ""),
            values.get("blockers", ()),
        )
        go_no_go.cast_vote(room.cutover, vote, room.rows, room.facts, by=self.user)
        return self.answer()


def _form_data(values: dict[str, Any], zone: Any) -> dict[str, Any]:
    """The values as the form of the page has them: the start in the tenant's time zone."""
    planned_at: datetime = values["planned_at"]
    local = planned_at.astimezone(zone)
    return {
        "planned_at": f"{local:%Y-%m-%dT%H:%M}",
        "domains": values["domains"],
        "reason": values.get("reason", ""),
    }


def _validated(form: forms.Form | CutoverForm) -> dict[str, Any]:
    if not form.is_valid():
        raise problem_of_forms(form)
    return form.cleaned_data


_CUTOVER = "cutovers/<str:cutover_id>"
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("cutovers/", CutoverListView.as_view(), name="cutovers"),
    path(f"{_CUTOVER}/", CutoverView.as_view(), name="cutover"),
    path(f"{_CUTOVER}/readiness/", ReadinessView.as_view(), name="readiness"),
    path(f"{_CUTOVER}/decisions/", DecisionView.as_view(), name="decisions"),
    path(f"{_CUTOVER}/timeline/", TimelineView.as_view(), name="timeline"),
    path(f"{_CUTOVER}/window/", WindowView.as_view(), name="cutover-window"),
    path(f"{_CUTOVER}/approvers/", ApproversView.as_view(), name="approvers"),
    path(f"{_CUTOVER}/votes/", CutoverVoteView.as_view(), name="cutover-vote"),
]
