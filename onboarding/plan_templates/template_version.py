"""Load a template file, decide whether a task applies, and list the tasks as plain data."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from onboarding.plan_templates.schema import (
    PROFILE_VALUES,
    Condition,
    Link,
    PhaseDefinition,
    TaskDefinition,
    TemplateVersion,
)
from onboarding.plan_templates.yaml_file import TemplateError, read_template_file

__all__ = [
    "TEMPLATE_FILE",
    "Condition",
    "Link",
    "PhaseDefinition",
    "TaskDefinition",
    "TemplateError",
    "TemplateVersion",
    "applies",
    "chosen_labels",
    "flat",
    "is_optional",
    "load_template_file",
]

TEMPLATE_FILE = Path(__file__).parent / "data" / "mimecast-4.yaml"


@functools.cache
def load_template_file(path: Path = TEMPLATE_FILE) -> TemplateVersion:
    """The template in the file, cached. Raises TemplateError."""
    return read_template_file(path)


def applies(task: TaskDefinition, profile: Mapping[str, object]) -> tuple[bool, str]:
    """Whether the task applies to a tenant with this profile, and the reason if it does not."""
    if task.applies_when is None or task.applies_when.matches(profile):
        return True, ""
    return False, task.otherwise.format_map(chosen_labels(profile))


def is_optional(task: TaskDefinition, profile: Mapping[str, object]) -> bool:
    """Whether the task is optional for a tenant with this profile."""
    required = task.required_when is not None and task.required_when.matches(profile)
    return task.optional and not required


def chosen_labels(profile: Mapping[str, object]) -> dict[str, str]:
    """The labels of the tenant's choices, by profile field."""
    return {
        name: labels.get(str(profile.get(name)), "not chosen yet")
        for name, labels in PROFILE_VALUES.items()
    }


def flat(template_version: TemplateVersion) -> list[dict[str, Any]]:
    """All tasks in the article's order, as JSON-compatible data."""
    return [
        _flat_task(task, phase.title, task.key in template_version.groups)
        for phase in template_version.phases
        for task in phase.tasks
    ]


def _flat_task(task: TaskDefinition, phase_title: str, is_group: bool) -> dict[str, Any]:
    return {
        "phase": task.phase,
        "key": task.key,
        "parent": task.parent,
        "title": task.title,
        "responsibility": task.responsibility,
        "stated": task.stated,
        "applies_when": task.applies_when.as_data() if task.applies_when else None,
        "depends_on": list(task.depends_on),
        "check": task.check,
        "per_domain": task.per_domain,
        "optional": task.optional,
        "phase_title": phase_title,
        "is_group": is_group,
        "otherwise": task.otherwise,
        "required_when": task.required_when.as_data() if task.required_when else None,
        "supports": list(task.supports),
        "completed_by": [each.as_data() for each in task.completed_by],
        "domain_roles": list(task.domain_roles),
        "gate": task.gate,
        "role": task.role,
        "waits": asdict(task.waits) if task.waits else None,
        "planned_cutovers": list(task.planned_cutovers),
        "fields": [each.as_data() for each in task.fields],
        "do": task.do,
        "do_sources": list(task.do_sources),
        "shown_by": task.shown_by,
        "shown_by_sources": list(task.shown_by_sources),
        "links": [asdict(link) for link in task.links],
        "plain_title": task.plain_title,
        "why": task.why,
        "why_sources": list(task.why_sources),
    }
