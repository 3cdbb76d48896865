"""Drafts and versions that tests publish."""

from __future__ import annotations

import copy
from collections.abc import Callable

from onboarding.blueprints.content import Content
from onboarding.blueprints.draft_content import Found, find
from onboarding.blueprints.on_record import newest_template, next_version
from onboarding.models import PlanTemplate


def step(content: Content, key: str) -> Found:
    found = find(content, key)
    assert found is not None, key
    return found


def publish_changed(change: Callable[[Content], None]) -> PlanTemplate:
    """The newest version with a change, as the next one."""
    newest = newest_template()
    assert newest is not None
    content = copy.deepcopy(newest.content)
    change(content)
    return PlanTemplate.objects.create(version=next_version(), content=content, note="For a test")
