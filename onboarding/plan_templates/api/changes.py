"""The changes between two versions of the plan template, as the API returns them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from onboarding.models import TemplateDraft
from onboarding.plan_templates import drafts
from onboarding.plan_templates.diff import diff, losses
from onboarding.plan_templates.registry import newest_template, template_version_of
from tenants.rest.serializers import ResourceSerializer


class TemplateTaskNameSerializer(ResourceSerializer):
    key = serializers.CharField(read_only=True)
    title = serializers.CharField(read_only=True)


class FieldChangeSerializer(ResourceSerializer):
    field = serializers.CharField(read_only=True)
    before = serializers.CharField(read_only=True)
    after = serializers.CharField(read_only=True)


class TaskChangeSerializer(ResourceSerializer):
    key = serializers.CharField(source="task.key", read_only=True)
    title = serializers.CharField(source="task.title", read_only=True)
    changes = FieldChangeSerializer(many=True, read_only=True)


def _sentences(text: str) -> serializers.ListField:
    return serializers.ListField(child=serializers.CharField(), read_only=True, help_text=text)


class TemplateChangesSerializer(ResourceSerializer):
    added = TemplateTaskNameSerializer(many=True, read_only=True)
    removed = TemplateTaskNameSerializer(many=True, read_only=True)
    changed = TaskChangeSerializer(many=True, read_only=True)
    phases = _sentences("A sentence for each new, removed or changed phase.")
    sources = _sentences("A sentence for each new, removed or changed source.")
    is_reordered = serializers.BooleanField(read_only=True)
    lost = _sentences("A sentence for each lost safeguard or role.")


def changes_of(draft: TemplateDraft) -> dict[str, Any]:
    """The changes of the draft since the newest version."""
    newest = newest_template()
    assert newest is not None, "a draft is based on a version"
    before, after = template_version_of(newest), drafts.version_of_draft(draft)
    found = diff(before, after)
    names = ("added", "removed", "changed", "phases", "sources", "is_reordered")
    return {name: getattr(found, name) for name in names} | {"lost": losses(before, after)}
