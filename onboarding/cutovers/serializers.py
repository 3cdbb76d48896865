"""Cutovers, their readiness and their timeline as the API returns them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from checks.models import VERDICT_CHOICES
from onboarding.collaboration.api.comments import CommentSerializer
from onboarding.cutovers.readiness import ReadinessRow
from onboarding.cutovers.timeline import TimelineEntry
from onboarding.cutovers.windows import MAX_WINDOW_MINUTES, MIN_WINDOW_MINUTES
from onboarding.models import Cutover
from tenants.api import ActivitySerializer
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer


class CutoverDomainSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    name = serializers.CharField(read_only=True)


class CutoverSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    direction = serializers.ChoiceField(choices=Cutover.Direction.choices, read_only=True)
    domains = CutoverDomainSerializer(source="domains.all", many=True, read_only=True)
    planned_at = serializers.DateTimeField(read_only=True)
    ends_at = serializers.DateTimeField(read_only=True)
    length_minutes = serializers.IntegerField(read_only=True)
    outbound_days = serializers.IntegerField(read_only=True)
    round = serializers.IntegerField(
        read_only=True, help_text="Increases when the window or the domains change."
    )
    planning_reason = serializers.CharField(read_only=True)
    confirmed_at = serializers.DateTimeField(read_only=True, allow_null=True)
    confirmed_by = PersonSerializer(read_only=True, allow_null=True)
    accepted_risk = serializers.CharField(read_only=True)
    mimecast_approver = PersonSerializer(read_only=True, allow_null=True)
    client_approver = PersonSerializer(read_only=True, allow_null=True)
    cancelled_at = serializers.DateTimeField(read_only=True, allow_null=True)


class ReadinessRowSerializer(ResourceSerializer):
    key = serializers.CharField(read_only=True)
    title = serializers.CharField(read_only=True)
    verdict = serializers.ChoiceField(choices=VERDICT_CHOICES, read_only=True)
    is_blocking = serializers.BooleanField(read_only=True)
    detail = serializers.CharField(read_only=True)
    remedy = serializers.CharField(read_only=True)
    check_id = serializers.SerializerMethodField()
    task = serializers.CharField(
        source="task.public_id", read_only=True, default=None, allow_null=True
    )

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_check_id(self, row: ReadinessRow) -> str | None:
        return row.check.public_id if row.check is not None else None


class VoteSerializer(ResourceSerializer):
    side = serializers.CharField(read_only=True)
    by = PersonSerializer(read_only=True)
    is_go = serializers.BooleanField(read_only=True)
    comment = serializers.CharField(read_only=True)
    accepted_risk = serializers.CharField(read_only=True)
    voted_at = serializers.DateTimeField(read_only=True)


class DecisionSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    is_go = serializers.BooleanField(read_only=True)
    decided_at = serializers.DateTimeField(read_only=True)
    digest = serializers.CharField(read_only=True)
    content = serializers.DictField(
        read_only=True,
        help_text="The stored content, which the digest covers. A row of a decision before version"
        " 0.2.0 has `words` and `mend` in place of `detail` and `remedy`.",
    )


class ReadinessSerializer(ResourceSerializer):
    """The conditions of a cutover now, its conflicts, the votes and the decision."""

    rows = ReadinessRowSerializer(many=True, read_only=True)
    blocking_count = serializers.IntegerField(read_only=True)
    is_open = serializers.BooleanField(
        source="facts.is_open", read_only=True, help_text="Whether the window is open."
    )
    safe_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="The earliest safe time, where it is known."
    )
    conflicts = serializers.ListField(child=serializers.CharField(), read_only=True)
    votes = VoteSerializer(many=True, read_only=True)
    decision = DecisionSerializer(read_only=True, allow_null=True)


class TimelineObservationSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    kind = serializers.CharField(source="check_asked.kind", read_only=True)
    domain = serializers.CharField(
        source="check_asked.domain.name", read_only=True, default=None, allow_null=True
    )
    verdict = serializers.ChoiceField(choices=VERDICT_CHOICES, read_only=True)


_ENTRY_TYPES = [(each, each) for each in ("activity", "observation", "comment")]


class TimelineEntrySerializer(ResourceSerializer):
    """One entry: a line of the activity log, an observation or a comment."""

    at = serializers.DateTimeField(read_only=True)
    type = serializers.SerializerMethodField()
    activity = ActivitySerializer(source="line", read_only=True, allow_null=True)
    observation = TimelineObservationSerializer(read_only=True, allow_null=True)
    comment = CommentSerializer(read_only=True, allow_null=True)

    @extend_schema_field(
        serializers.ChoiceField(
            choices=[(each, each) for each in ("activity", "observation", "comment")]
        )
    )
    def get_type(self, entry: TimelineEntry) -> str:
        if entry.line is not None:
            return "activity"
        return "observation" if entry.observation is not None else "comment"


class CutoverInput(InputSerializer):
    direction = serializers.ChoiceField(choices=Cutover.Direction.choices)
    planned_at = serializers.DateTimeField(help_text="The start of the window, to the minute.")
    domains = serializers.ListField(
        child=serializers.CharField(max_length=32), allow_empty=False, max_length=500
    )
    reason = serializers.CharField(required=False, allow_blank=True, max_length=5000)


class CutoverChangeInput(InputSerializer):
    """A missing value remains unchanged."""

    planned_at = serializers.DateTimeField(required=False)
    domains = serializers.ListField(
        child=serializers.CharField(max_length=32),
        required=False,
        allow_empty=False,
        max_length=500,
    )
    reason = serializers.CharField(required=False, allow_blank=True, max_length=5000)


class WindowInput(InputSerializer):
    length_minutes = serializers.IntegerField(
        min_value=MIN_WINDOW_MINUTES, max_value=MAX_WINDOW_MINUTES
    )
    outbound_days = serializers.IntegerField(min_value=0, max_value=60)
    accepted_risk = serializers.CharField(required=False, allow_blank=True, max_length=1000)


class ApproversInput(InputSerializer):
    mimecast = serializers.CharField(required=False, allow_null=True, max_length=32)
    client = serializers.CharField(required=False, allow_null=True, max_length=32)


class VoteInput(InputSerializer):
    choice = serializers.ChoiceField(choices=[("go", "Go"), ("no-go", "No-go")])
    comment = serializers.CharField(required=False, allow_blank=True, max_length=1000)
    accepted_risk = serializers.CharField(required=False, allow_blank=True, max_length=1000)
    blockers = serializers.ListField(
        child=serializers.CharField(max_length=100),
        required=False,
        max_length=100,
        help_text="The keys of the blocking rows that you read.",
    )


def readiness_of(room: Any, *, safe_at: Any, votes: Any, decision: Any) -> dict[str, Any]:
    """The values of a readiness response."""
    return {
        "rows": room.rows,
        "blocking_count": room.blocking_count,
        "facts": room.facts,
        "safe_at": safe_at,
        "conflicts": room.conflicts,
        "votes": list(votes.values()),
        "decision": decision,
    }
