"""Tasks, phases and sources of the draft, as the API returns and accepts them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from checks.models import KIND_CHOICES
from onboarding.models import Responsibility, TaskRole
from onboarding.plan_templates.descriptions import ANCHOR_LABELS, COMPLETING_KINDS, REQUIRED_KINDS
from onboarding.plan_templates.schema import DIRECTIONS, LONGEST_WAIT
from tenants.models import Domain
from tenants.rest.serializers import InputSerializer, ResourceSerializer

_LONGEST_TEXT = 20_000
_MOST = 200
_NONE = ("", "None")
_SOURCE_KEYS = "The keys of sources of the draft."
_CONDITION = (
    "The fields of the profile with the accepted values, or `any` with a list of such alternatives,"
    " as in the template file. Null: always."
)


class TemplateLinkSerializer(ResourceSerializer):
    title = serializers.CharField(read_only=True)
    url = serializers.CharField(read_only=True, allow_null=True)


def _texts(text: str = "") -> serializers.ListField:
    return serializers.ListField(child=serializers.CharField(), read_only=True, help_text=text)


def _objects(text: str) -> serializers.ListField:
    return serializers.ListField(child=serializers.DictField(), read_only=True, help_text=text)


class DraftTaskSerializer(ResourceSerializer):
    key = serializers.CharField(read_only=True)
    phase = serializers.CharField(read_only=True)
    parent = serializers.CharField(  # type: ignore[assignment]  # a field of the resource
        read_only=True, help_text="The key of its group, or empty."
    )
    role = serializers.CharField(read_only=True, help_text="Gangway finds the task by its role.")
    title = serializers.CharField(read_only=True)
    plain_title = serializers.CharField(
        read_only=True, help_text="The title in plain words, or empty."
    )
    responsibility = serializers.ChoiceField(choices=Responsibility.choices, read_only=True)
    stated = serializers.BooleanField(
        read_only=True, help_text="Plans cannot change the responsibility."
    )
    do = serializers.CharField(read_only=True)
    do_source = _texts(_SOURCE_KEYS)
    shown_by = serializers.CharField(read_only=True, help_text="The completion criteria.")
    shown_by_source = _texts(_SOURCE_KEYS)
    why = serializers.CharField(read_only=True, help_text="Why the task matters, or empty.")
    why_source = _texts(_SOURCE_KEYS)
    links = TemplateLinkSerializer(many=True, read_only=True)
    applies_when = serializers.DictField(read_only=True, allow_null=True, help_text=_CONDITION)
    otherwise = serializers.CharField(
        read_only=True, help_text="The reason that a plan shows if the task does not apply."
    )
    is_optional = serializers.BooleanField(source="optional", read_only=True)
    required_when = serializers.DictField(read_only=True, allow_null=True, help_text=_CONDITION)
    depends_on = _texts("The keys of tasks.")
    is_hard_gate = serializers.BooleanField(
        source="gate",
        read_only=True,
        help_text="Confirming it before its dependencies can lose mail.",
    )
    check_kinds = _texts("The checks that verify it.")
    supports = _texts("The supporting checks, which do not complete it.")
    completed_by = _texts("The checks of exports that complete it without a confirmation.")
    is_per_domain = serializers.BooleanField(source="per_domain", read_only=True)
    domain_roles = _texts()
    due_days = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="In working days; negative is before."
    )
    due_from = serializers.CharField(read_only=True)
    wait_after = serializers.CharField(read_only=True, help_text="The key of a task, or empty.")
    wait_days = serializers.IntegerField(
        read_only=True,
        allow_null=True,
        help_text="Null: the days agreed for the inbound cutover.",
    )
    own_work = serializers.BooleanField(
        read_only=True, help_text="It has work of its own besides its sub-tasks."
    )
    planned_cutovers = _texts("The cutovers that its confirmation needs.")
    fields = _objects("The facts to record, as in the template file.")  # type: ignore[assignment]  # a field of the resource
    runbooks = _objects("The instructions by platform, as in the template file.")


class TemplateLinkInput(InputSerializer):
    title = serializers.RegexField(r"^[^\r\n]*$", max_length=300)
    url = serializers.CharField(allow_null=True, max_length=2000)


def _choices(values: Any) -> serializers.ListField:
    child = serializers.ChoiceField(choices=values)
    return serializers.ListField(child=child, required=False, max_length=_MOST)


def _keys() -> serializers.ListField:
    child = serializers.CharField(max_length=100)
    return serializers.ListField(child=child, required=False, max_length=_MOST)


def _structures() -> serializers.ListField:
    return serializers.ListField(child=serializers.DictField(), required=False, max_length=_MOST)


_ROLES = [choice for choice in Domain.Role.choices if choice[0] != Domain.Role.PARKED]


class DraftTaskChangeInput(InputSerializer):
    """A missing value remains unchanged."""

    title = serializers.CharField(required=False, max_length=200)
    plain_title = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=200,
        help_text="The title in plain words, which clients see above the title.",
    )
    phase = serializers.CharField(required=False, max_length=100)
    parent = serializers.CharField(  # type: ignore[assignment]  # a field of the body
        required=False, allow_blank=True, max_length=100
    )
    role = serializers.ChoiceField(required=False, choices=[_NONE, *TaskRole.choices])
    responsibility = serializers.ChoiceField(required=False, choices=Responsibility.choices)
    stated = serializers.BooleanField(required=False)
    do = serializers.CharField(required=False, max_length=_LONGEST_TEXT)
    do_source = _keys()
    shown_by = serializers.CharField(required=False, max_length=_LONGEST_TEXT)
    shown_by_source = _keys()
    why = serializers.CharField(required=False, allow_blank=True, max_length=_LONGEST_TEXT)
    why_source = _keys()
    links = serializers.ListField(child=TemplateLinkInput(), required=False, max_length=_MOST)
    applies_when = serializers.DictField(required=False, allow_null=True, help_text=_CONDITION)
    otherwise = serializers.CharField(required=False, allow_blank=True, max_length=300)
    is_optional = serializers.BooleanField(source="optional", required=False)
    required_when = serializers.DictField(required=False, allow_null=True, help_text=_CONDITION)
    depends_on = _keys()
    is_hard_gate = serializers.BooleanField(source="gate", required=False)
    check_kinds = _choices(REQUIRED_KINDS)
    supports = _choices(KIND_CHOICES)
    completed_by = _choices(COMPLETING_KINDS)
    is_per_domain = serializers.BooleanField(source="per_domain", required=False)
    domain_roles = _choices(_ROLES)
    due_days = serializers.IntegerField(
        required=False, allow_null=True, min_value=-1000, max_value=1000
    )
    due_from = serializers.ChoiceField(required=False, choices=[_NONE, *ANCHOR_LABELS.items()])
    wait_after = serializers.CharField(required=False, allow_blank=True, max_length=100)
    wait_days = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=LONGEST_WAIT
    )
    own_work = serializers.BooleanField(required=False)
    planned_cutovers = _choices([(each, each) for each in DIRECTIONS])
    fields = _structures()  # type: ignore[assignment]  # a field of the body
    runbooks = _structures()


class DraftTaskInput(DraftTaskChangeInput):
    title = serializers.CharField(max_length=200)
    phase = serializers.CharField(max_length=100)
    do = serializers.CharField(max_length=_LONGEST_TEXT)
    shown_by = serializers.CharField(max_length=_LONGEST_TEXT)


class DraftPhaseSerializer(ResourceSerializer):
    key = serializers.CharField(read_only=True)
    title = serializers.CharField(read_only=True)
    summary = serializers.CharField(read_only=True)
    summary_source = _texts(_SOURCE_KEYS)


class DraftPhaseChangeInput(InputSerializer):
    """A missing value remains unchanged."""

    title = serializers.CharField(required=False, max_length=120)
    summary = serializers.CharField(required=False, max_length=_LONGEST_TEXT)
    summary_source = _keys()


class DraftPhaseInput(InputSerializer):
    title = serializers.CharField(max_length=120)
    summary = serializers.CharField(max_length=_LONGEST_TEXT)
    summary_source = _keys()


class DraftSourceSerializer(ResourceSerializer):
    """The page or rule that a statement comes from."""

    key = serializers.CharField(read_only=True)
    title = serializers.CharField(read_only=True)
    url = serializers.CharField(read_only=True, allow_null=True)
    read_on = serializers.CharField(read_only=True, help_text="A day, a month or a year.")


class DraftSourceChangeInput(InputSerializer):
    """A missing value remains unchanged."""

    title = serializers.CharField(required=False, max_length=200)
    url = serializers.CharField(
        required=False, allow_null=True, max_length=500, help_text="Null without an address."
    )
    read_on = serializers.CharField(
        required=False, max_length=10, help_text="A date such as 2026-11-23, a month or a year."
    )


class DraftSourceInput(DraftSourceChangeInput):
    key = serializers.CharField(
        max_length=60, help_text="Tasks, phases and steps name it, such as kb_lockdown."
    )
    title = serializers.CharField(max_length=200)
    read_on = serializers.CharField(
        max_length=10, help_text="A date such as 2026-11-23, a month or a year."
    )


class MoveInput(InputSerializer):
    direction = serializers.ChoiceField(choices=[("up", "Up"), ("down", "Down")])
