"""Endpoints that prepare a cutover: pre-flight check, dry runs, snapshots and people on call."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from checks.api import FindingSerializer, ZoneNoteSerializer
from checks.engine.zone_text import MAX_CHARACTERS
from checks.models import KIND_CHOICES, VERDICT_CHOICES
from onboarding.cutovers import snapshots
from onboarding.cutovers.api.cutovers import CutoversView
from onboarding.cutovers.dry_run import DRY_RUN_LIMIT, save_dry_run
from onboarding.cutovers.forms import LONGEST_POLICY, DryRunForm, OnCallForm, ProposalForm
from onboarding.cutovers.on_call import (
    add_on_call,
    on_call_candidates,
    on_call_of,
    remove_on_call,
)
from onboarding.cutovers.preflight import PREFLIGHT_LIMIT, check_proposal
from onboarding.cutovers.views.dry_run import evaluate_records
from onboarding.error_responses import problem_of_forms
from onboarding.models import CutoverSnapshot, DryRun, OnCall, Responsibility
from tenants import database_time
from tenants.permissions import Permission
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, found_or_404

# --- Pre-flight check


class ProposalInput(InputSerializer):
    domain = serializers.CharField(max_length=32, help_text="The id of a domain of the cutover.")
    records = serializers.CharField(
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        max_length=MAX_CHARACTERS,
        help_text="Lines of a zone file. They replace the records of the same name and type.",
    )
    policy = serializers.CharField(
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        max_length=LONGEST_POLICY,
        help_text="The content of /.well-known/mta-sts.txt.",
    )


class PreflightRowSerializer(ResourceSerializer):
    label = serializers.CharField(read_only=True)  # type: ignore[assignment]  # a field of the resource
    verdict = serializers.ChoiceField(choices=VERDICT_CHOICES, read_only=True)
    is_affected = serializers.BooleanField(
        read_only=True, help_text="Whether the check reads one of the proposed records."
    )
    findings = FindingSerializer(many=True, read_only=True)


class CheckedProposalSerializer(ResourceSerializer):
    rows = PreflightRowSerializer(many=True, read_only=True)
    notes = ZoneNoteSerializer(many=True, read_only=True)


class PreflightView(CutoversView):
    permissions = {"POST": Permission.VIEW}
    serializer_class = CheckedProposalSerializer
    inputs = {"POST": ProposalInput}
    limits = {"POST": PREFLIGHT_LIMIT}

    def post(self, request: Request, public_id: str, cutover_id: str) -> Response:
        """Check records before publication. Sends no query and stores nothing."""
        cutover, values = self.load(), self.validated(ProposalInput)
        form = ProposalForm(values, cutover=cutover)
        if not form.is_valid():
            raise problem_of_forms(form)
        return self.one(check_proposal(self.tenant, **form.cleaned_data))


# --- Dry runs


class DryRunRowSerializer(ResourceSerializer):
    title = serializers.CharField(read_only=True)
    verdict = serializers.ChoiceField(choices=VERDICT_CHOICES, read_only=True)
    detail = serializers.CharField(read_only=True)


class DryRunTaskSerializer(ResourceSerializer):
    title = serializers.CharField(read_only=True)
    shape = serializers.CharField(read_only=True, help_text="The state of the task, as an icon.")
    detail = serializers.CharField(read_only=True)


class DryRunFindingsSerializer(ResourceSerializer):
    kind = serializers.ChoiceField(choices=KIND_CHOICES, read_only=True)
    subject = serializers.CharField(read_only=True)
    verdict = serializers.ChoiceField(choices=VERDICT_CHOICES, read_only=True)
    findings = FindingSerializer(many=True, read_only=True)


class DryRunContentSerializer(ResourceSerializer):
    """The readiness, the tasks and the findings after the publication of the records."""

    domains = serializers.ListField(child=serializers.CharField(), read_only=True)
    rows = DryRunRowSerializer(many=True, read_only=True)
    tasks = DryRunTaskSerializer(many=True, read_only=True)
    findings = DryRunFindingsSerializer(many=True, read_only=True)
    notes = ZoneNoteSerializer(many=True, read_only=True)


class DryRunSerializer(ResourceSerializer):
    expandable = frozenset({"records", "content"})

    id = serializers.CharField(source="public_id", read_only=True)
    window_start = serializers.DateTimeField(read_only=True)
    round = serializers.IntegerField(read_only=True)
    by = PersonSerializer(read_only=True)
    started_at = serializers.DateTimeField(read_only=True)
    saved_at = serializers.DateTimeField(read_only=True)
    comment = serializers.CharField(read_only=True)
    blocking_count = serializers.IntegerField(read_only=True)
    records = serializers.CharField(read_only=True)
    content = DryRunContentSerializer(read_only=True)


class DryRunRecordsInput(InputSerializer):
    records = serializers.CharField(
        trim_whitespace=False,
        max_length=MAX_CHARACTERS,
        help_text="Lines of a zone file, for all domains of the cutover.",
    )


class DryRunInput(DryRunRecordsInput):
    comment = serializers.CharField(required=False, allow_blank=True, max_length=1000)


class _DryRunsView(CutoversView):
    serializer_class: type[ResourceSerializer] = DryRunSerializer
    limits = {"POST": DRY_RUN_LIMIT}

    def dry_runs(self) -> QuerySet[DryRun]:
        cutover = self.load(with_cancelled=True)
        return DryRun.objects.filter(cutover=cutover).select_related("by")

    def entered(self, serializer: type[InputSerializer]) -> dict[str, Any]:
        form = DryRunForm(self.validated(serializer))
        if not form.is_valid():
            raise problem_of_forms(form)
        return form.cleaned_data


class DryRunListView(_DryRunsView, ApiListView):
    permissions = {"GET": Permission.VIEW, "POST": Permission.MANAGE_PLAN}
    model = DryRun
    inputs = {"POST": DryRunInput}
    statuses = {"POST": 201}
    ordering = ("-saved_at",)
    ordering_fields = ("saved_at",)

    def get(self, request: Request, public_id: str, cutover_id: str) -> Response:
        """The dry runs of a cutover, newest first, also of a cancelled one."""
        return self.listed(self.dry_runs())

    def post(self, request: Request, public_id: str, cutover_id: str) -> Response:
        """Evaluate records that are not published yet, and store the dry run."""
        room, now = self.room(), database_time.now()
        values = self.entered(DryRunInput)
        run, _ = evaluate_records(room, values["records"], now=now)
        made = save_dry_run(
            room.cutover, run, started_at=now, now=now, comment=values["comment"], by=self.user
        )
        return self.one(made, status=201)


class DryRunView(_DryRunsView):
    permissions = {"GET": Permission.VIEW}

    def get(self, request: Request, public_id: str, cutover_id: str, dry_run_id: str) -> Response:
        """One dry run."""
        return self.one(found_or_404(self.dry_runs(), dry_run_id, "dry run"))


class DryRunTrialView(_DryRunsView):
    permissions = {"POST": Permission.MANAGE_PLAN}
    serializer_class = DryRunContentSerializer
    inputs = {"POST": DryRunRecordsInput}

    def post(self, request: Request, public_id: str, cutover_id: str) -> Response:
        """Evaluate records that are not published yet, without storing the dry run."""
        room, values = self.room(), self.entered(DryRunRecordsInput)
        run, _ = evaluate_records(room, values["records"], now=database_time.now())
        return self.one(run.content)


# --- Snapshots


class SnapshotSerializer(ResourceSerializer):
    """The records published at one time, for a rollback."""

    expandable = frozenset({"content"})

    id = serializers.CharField(source="public_id", read_only=True)
    reason = serializers.ChoiceField(choices=CutoverSnapshot.Reason.choices, read_only=True)
    window_start = serializers.DateTimeField(read_only=True)
    saved_at = serializers.DateTimeField(read_only=True)
    saved_by = PersonSerializer(read_only=True, allow_null=True)
    digest = serializers.CharField(read_only=True, help_text="The SHA-256 hash of the content.")
    content = serializers.ListField(child=serializers.DictField(), read_only=True)


class SnapshotInput(InputSerializer):
    """No field: the body is empty or an empty object."""


class SnapshotListView(CutoversView, ApiListView):
    permissions = {"GET": Permission.VIEW, "POST": Permission.MANAGE_PLAN}
    serializer_class = SnapshotSerializer
    model = CutoverSnapshot
    inputs = {"POST": SnapshotInput}
    statuses = {"POST": 201}
    ordering = ("-saved_at",)
    ordering_fields = ("saved_at",)

    def get(self, request: Request, public_id: str, cutover_id: str) -> Response:
        """The snapshots of a cutover, newest first."""
        rows = CutoverSnapshot.objects.filter(cutover=self.load(with_cancelled=True))
        return self.listed(rows.select_related("saved_by"))

    def post(self, request: Request, public_id: str, cutover_id: str) -> Response:
        """Store the records published now, before the window opens."""
        cutover = self.load()
        self.validated(SnapshotInput)
        made = snapshots.save_now(cutover, now=database_time.now(), by=self.user)
        return self.one(made, status=201)


# --- People on call


class OnCallSerializer(ResourceSerializer):
    """A person on call: a user or a contact of the client."""

    id = serializers.CharField(source="public_id", read_only=True)
    person = serializers.SerializerMethodField(help_text="As in the request.")
    name = serializers.CharField(source="*", read_only=True)
    side = serializers.ChoiceField(
        choices=[(s.value, s.label) for s in (Responsibility.MIMECAST, Responsibility.CLIENT)],
        read_only=True,
    )
    phone = serializers.CharField(read_only=True)

    @extend_schema_field(str)
    def get_person(self, on_call: OnCall) -> str:
        if on_call.user is not None:
            return f"user-{on_call.user.public_id}"
        assert on_call.contact is not None, "a constraint of the database"
        return f"contact-{on_call.contact.public_id}"


class OnCallInput(InputSerializer):
    person = serializers.CharField(
        max_length=40,
        help_text="`user-` and the id of a user, or `contact-` and that of a contact.",
    )
    phone = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=40,
        help_text="If empty, Gangway uses the phone number of the contact.",
    )


class _OnCallView(CutoversView):
    serializer_class = OnCallSerializer

    def on_call(self) -> QuerySet[OnCall]:
        return on_call_of([self.load(with_cancelled=True)], self.tenant)


class OnCallListView(_OnCallView, ApiListView):
    permissions = {"GET": Permission.VIEW, "POST": Permission.MANAGE_PLAN}
    model = OnCall
    inputs = {"POST": OnCallInput}
    statuses = {"POST": 201}
    ordering = ("public_id",)

    def get(self, request: Request, public_id: str, cutover_id: str) -> Response:
        """The people on call in the window of a cutover."""
        return self.listed(self.on_call())

    def post(self, request: Request, public_id: str, cutover_id: str) -> Response:
        """Put a person on call, or change the phone number of a person on call."""
        cutover, values = self.load(), self.validated(OnCallInput)
        form = OnCallForm(values, people=on_call_candidates(self.tenant))
        if not form.is_valid():
            raise problem_of_forms(form)
        made = add_on_call(cutover, form.chosen, form.cleaned_data["phone"], by=self.user)
        return self.one(made, status=201)


class OnCallPersonView(_OnCallView):
    permissions = {"GET": Permission.VIEW, "DELETE": Permission.MANAGE_PLAN}
    statuses = {"DELETE": 204}

    def get(self, request: Request, public_id: str, cutover_id: str, on_call_id: str) -> Response:
        """One person on call."""
        return self.one(found_or_404(self.on_call(), on_call_id, "person on call"))

    def delete(
        self, request: Request, public_id: str, cutover_id: str, on_call_id: str
    ) -> Response:
        """Remove a person on call, also one who has left the tenant."""
        rows = OnCall.objects.filter(cutover=self.load(with_cancelled=True))
        found = found_or_404(rows.select_related("cutover__plan"), on_call_id, "person on call")
        remove_on_call(found, by=self.user)
        return Response(status=204)


_CUTOVER = "cutovers/<str:cutover_id>"
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path(f"{_CUTOVER}/preflight/", PreflightView.as_view(), name="preflight"),
    path(f"{_CUTOVER}/dry-runs/", DryRunListView.as_view(), name="dry-runs"),
    path(f"{_CUTOVER}/dry-runs/try/", DryRunTrialView.as_view(), name="dry-run-try"),
    path(f"{_CUTOVER}/dry-runs/<str:dry_run_id>/", DryRunView.as_view(), name="dry-run"),
    path(f"{_CUTOVER}/snapshots/", SnapshotListView.as_view(), name="snapshots"),
    path(f"{_CUTOVER}/on-call/", OnCallListView.as_view(), name="on-call"),
    path(
        f"{_CUTOVER}/on-call/<str:on_call_id>/", OnCallPersonView.as_view(), name="on-call-person"
    ),
]
