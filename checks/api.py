"""Endpoints of the checks of a tenant, their observations with evidence, and requested runs."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from django.http import Http404
from django.http.response import HttpResponseBase
from django.urls import path
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from checks import raw_answers
from checks.models import KIND_CHOICES, VERDICT_CHOICES, Check, Observation
from checks.queries import checks_of, ended_checks, removed_checks
from checks.run_requests import RunLimitReached, request_runs
from checks.templatetags.findings import finding
from checks.waiting import check_has_settled, has_settled
from tenants import database_time
from tenants.api import plain_text
from tenants.permissions import Permission
from tenants.rest import waiting
from tenants.rest.filters import MomentFilter
from tenants.rest.problems import ApiError
from tenants.rest.serializers import InputSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView, found_or_404


class ZoneNoteSerializer(ResourceSerializer):
    """A deviation of the pasted lines that was corrected or ignored."""

    code = serializers.CharField(read_only=True)
    lines = serializers.ListField(child=serializers.IntegerField(), read_only=True)
    names = serializers.ListField(child=serializers.CharField(), read_only=True)


class FindingSerializer(ResourceSerializer):
    code = serializers.CharField(read_only=True)
    params = serializers.DictField(read_only=True)
    sentence = serializers.SerializerMethodField(help_text="The sentence of the page.")

    @extend_schema_field(str)
    def get_sentence(self, found: dict[str, Any]) -> str:
        return plain_text(finding(found))


class ObservationSerializer(ResourceSerializer):
    expandable = frozenset({"evidence"})

    id = serializers.CharField(source="public_id", read_only=True)
    verdict = serializers.ChoiceField(choices=VERDICT_CHOICES, read_only=True)
    unanimous = serializers.BooleanField(read_only=True)
    findings = FindingSerializer(many=True, read_only=True)
    first_seen_at = serializers.DateTimeField(read_only=True)
    last_seen_at = serializers.DateTimeField(read_only=True)
    runs = serializers.IntegerField(read_only=True)
    trigger = serializers.ChoiceField(choices=Observation.Trigger.choices, read_only=True)
    evidence = serializers.DictField(read_only=True)


class CheckSerializer(ResourceSerializer):
    expandable = frozenset({"latest"})

    id = serializers.CharField(source="public_id", read_only=True)
    kind = serializers.ChoiceField(choices=KIND_CHOICES, read_only=True)
    subject = serializers.CharField(read_only=True)
    domain = serializers.CharField(
        source="domain.public_id", read_only=True, default=None, allow_null=True
    )
    host = serializers.CharField(
        source="host.public_id", read_only=True, default=None, allow_null=True
    )
    is_active = serializers.BooleanField(read_only=True)
    verdict = serializers.SerializerMethodField(help_text="The settled verdict; null before.")
    settled_at = serializers.DateTimeField(read_only=True, allow_null=True)
    is_settled = serializers.SerializerMethodField(
        help_text="No run is outstanding, and the newest run agrees with the verdict."
    )
    is_proposed = serializers.BooleanField(
        read_only=True, help_text="The verdict rests on a value that no consultant has confirmed."
    )
    newest_verdict = serializers.CharField(
        source="latest.verdict", read_only=True, default=None, allow_null=True
    )
    checked_at = serializers.DateTimeField(read_only=True, allow_null=True)
    next_due_at = serializers.DateTimeField(read_only=True)
    interval = serializers.CharField(read_only=True)
    latest = ObservationSerializer(read_only=True, allow_null=True)

    @extend_schema_field(serializers.ChoiceField(choices=VERDICT_CHOICES, allow_null=True))
    def get_verdict(self, check: Check) -> str | None:
        return check.settled_verdict or None

    @extend_schema_field(bool)
    def get_is_settled(self, check: Check) -> bool:
        return has_settled(check, now=database_time.now())


class CheckFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    kind = django_filters.ChoiceFilter(choices=KIND_CHOICES)
    verdict = django_filters.ChoiceFilter(field_name="settled_verdict", choices=VERDICT_CHOICES)
    domain = django_filters.CharFilter(field_name="domain__public_id")
    host = django_filters.CharFilter(field_name="host__public_id")
    changed_since = MomentFilter(field_name="settled_at", lookup_expr="gte")

    class Meta:
        model = Check
        fields: list[str] = []


class RunInput(InputSerializer):
    """No field: the body is empty or an empty object."""


class RunRequestedSerializer(ResourceSerializer):
    requested = serializers.IntegerField(read_only=True, help_text="The number of requested runs.")


class ChecksView(ApiView):
    """The common part of the endpoints of checks."""

    tag = "Checks"

    def known_checks(self) -> QuerySet[Check]:
        """The checks that the Domains page shows: running, ended and of removed subjects."""
        shown = Q(is_active=True) | Q(pk__in=removed_checks(self.tenant).values("pk"))
        if self.tenant.is_closed:
            shown |= Q(pk__in=ended_checks(self.tenant).values("pk"))
        found = Check.objects.filter(shown, tenant=self.tenant)
        return found.select_related("domain", "host__proposed_by", "latest")

    def load_check(self) -> Check:
        return found_or_404(self.known_checks(), self.kwargs["check_id"], "check")

    def request_runs(self, checks: list[Check], of: str) -> Response:
        """Request the runs within the limit that the pages share."""
        self.validated(RunInput)
        try:
            request_runs(self.tenant, checks, by=self.user, of=of)
        except RunLimitReached as error:
            raise ApiError(
                429,
                f"Request at most {error.usage.limit} runs a minute.",
                headers={"Retry-After": str(error.usage.reset_seconds)},
            ) from error
        return Response({"requested": len(checks)}, status=202)


class CheckListView(ChecksView, ApiListView):
    permissions = {"GET": Permission.VIEW}
    serializer_class = CheckSerializer
    model = Check
    filterset_class = CheckFilter
    ordering = ("kind",)
    ordering_fields = ("kind", "next_due_at")

    def get(self, request: Request, public_id: str) -> Response:
        """The running checks of a tenant."""
        return self.listed(checks_of(self.tenant))


class CheckRunAllView(ChecksView):
    permissions = {"POST": Permission.RUN_CHECKS}
    inputs = {"POST": RunInput}
    outputs = {"POST": RunRequestedSerializer}
    statuses = {"POST": 202}

    def post(self, request: Request, public_id: str) -> Response:
        """Run all checks of a tenant now."""
        return self.request_runs(list(checks_of(self.tenant)), "everything")


class CheckView(ChecksView):
    permissions = {"GET": Permission.VIEW}
    serializer_class = CheckSerializer
    query_descriptions = waiting.PARAMETERS

    def get(self, request: Request, public_id: str, check_id: str) -> HttpResponseBase:
        """One check with its settled verdict.

        With `wait_for=settled`, the response arrives when the verdict has settled, or after
        `timeout` seconds. Gangway redirects such a request to the process that waits.
        """
        check = self.load_check()
        seconds = waiting.seconds_to_wait(self.http_request)
        if not seconds or has_settled(check, now=database_time.now()):
            return self.one(check)
        return waiting.wait(
            self.http_request,
            self.access,
            self.token,
            self.represent(check),
            is_over=lambda: check_has_settled(check.pk, now=database_time.now()),
            seconds=seconds,
        )


class CheckRunView(ChecksView):
    permissions = {"POST": Permission.RUN_CHECKS}
    inputs = {"POST": RunInput}
    outputs = {"POST": RunRequestedSerializer}
    statuses = {"POST": 202}

    def post(self, request: Request, public_id: str, check_id: str) -> Response:
        """Run one check now."""
        check = found_or_404(checks_of(self.tenant), check_id, "check")
        return self.request_runs([check], f"{check.get_kind_display()}, {check.subject}")


class ObservationFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    verdict = django_filters.ChoiceFilter(choices=VERDICT_CHOICES)
    changed_since = MomentFilter(field_name="last_seen_at", lookup_expr="gte")

    class Meta:
        model = Observation
        fields: list[str] = []


class ObservationListView(ChecksView, ApiListView):
    permissions = {"GET": Permission.VIEW}
    serializer_class = ObservationSerializer
    model = Observation
    filterset_class = ObservationFilter
    ordering = ("-first_seen_at",)
    ordering_fields = ("first_seen_at", "last_seen_at")

    def get(self, request: Request, public_id: str, check_id: str) -> Response:
        """The history of a check, newest first: equal answers of later runs are one observation."""
        return self.listed(Observation.objects.filter(check_asked=self.load_check()))


class ObservationView(ChecksView):
    permissions = {"GET": Permission.VIEW}
    serializer_class = ObservationSerializer

    def get(self, request: Request, public_id: str, check_id: str, observation_id: str) -> Response:
        """One observation."""
        rows = Observation.objects.filter(check_asked=self.load_check())
        return self.one(found_or_404(rows, observation_id, "observation"))


class RawAnswersSerializer(ResourceSerializer):
    digest = serializers.CharField(read_only=True)
    answers = serializers.DictField(read_only=True)


class RawAnswersView(ChecksView):
    permissions = {"GET": Permission.VIEW}
    serializer_class = RawAnswersSerializer

    def get(self, request: Request, public_id: str, check_id: str, observation_id: str) -> Response:
        """The raw answers of all servers, as received. 404 where none are stored."""
        rows = Observation.objects.filter(check_asked=self.load_check()).select_related("raw")
        observation = found_or_404(rows, observation_id, "observation")
        if observation.raw is None:
            raise Http404("No raw answers are stored for this observation.")
        answers = raw_answers.read(observation.raw.body)
        return self.one({"digest": observation.raw.digest, "answers": answers})


_OBSERVATION = "checks/<str:check_id>/observations/<str:observation_id>"
_CHECK = path("checks/<str:check_id>/", CheckView.as_view(), name="check")
# Below live/api/v1/tenants/<public_id>/, in the stream process.
live_urlpatterns = [_CHECK]
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("checks/", CheckListView.as_view(), name="checks"),
    path("checks/run/", CheckRunAllView.as_view(), name="checks-run"),
    _CHECK,
    path("checks/<str:check_id>/run/", CheckRunView.as_view(), name="check-run"),
    path("checks/<str:check_id>/observations/", ObservationListView.as_view(), name="observations"),
    path(f"{_OBSERVATION}/", ObservationView.as_view(), name="observation"),
    path(f"{_OBSERVATION}/raw/", RawAnswersView.as_view(), name="raw-answers"),
]
