"""Helpers for drafts and published versions."""

from __future__ import annotations

import copy
from collections.abc import Callable

from onboarding.models import PlanTemplate
from onboarding.plan_templates.content import Content
from onboarding.plan_templates.draft_content import DraftTask, find
from onboarding.plan_templates.registry import newest_template, next_version


def draft_task(content: Content, key: str) -> DraftTask:
    found = find(content, key)
    assert found is not None, key
    return found


def publish_changed(change: Callable[[Content], None]) -> PlanTemplate:
    """Publish the newest version with a change as the next one."""
    newest = newest_template()
    assert newest is not None
    content = copy.deepcopy(newest.content)
    change(content)
    return PlanTemplate.objects.create(version=next_version(), content=content, note="For a test")
