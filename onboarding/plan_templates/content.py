"""The plan template as plain data, as stored with a version and edited in a draft.

It has the structure of the template file, and the same rules apply.
"""

from __future__ import annotations

import functools
import json
from dataclasses import asdict
from typing import Any

from onboarding.errors import OnboardingError
from onboarding.plan_templates.schema import (
    AGREED_DAYS,
    PhaseDefinition,
    Runbook,
    RunbookStep,
    TaskDefinition,
    TemplateVersion,
    WaitRule,
)
from onboarding.plan_templates.yaml_file import read_section
from onboarding.plans.task_fields import FieldDefinition
from tenants.yaml_schema import DataDocument, Location, YamlSchemaError

Content = dict[str, Any]


class ContentError(OnboardingError):
    """The content is invalid. `place` is the location, as keys and indexes from the top."""

    def __init__(self, place: Location, reason: str) -> None:
        super().__init__(reason)
        self.place = place


def read_content(content: Content) -> TemplateVersion:
    """The template in the content. Raises ContentError."""
    return _read(json.dumps(content))


@functools.lru_cache(maxsize=64)
def _read(text: str) -> TemplateVersion:
    content = json.loads(text)
    outline = DataDocument({**content, "products": dict(content["products"])}, "content")
    try:
        return read_section(outline.root)
    except YamlSchemaError as error:
        raise ContentError(outline.location_of(error), error.reason) from error


def as_content(template_version: TemplateVersion) -> Content:
    return {
        "version": template_version.version,
        # A list, because a database may change the order of a mapping.
        "products": [[key, name] for key, name in template_version.products.items()],
        "sources": {key: asdict(each) for key, each in template_version.sources.items()},
        "phases": [_phase(phase) for phase in template_version.phases],
    }


def _phase(phase: PhaseDefinition) -> Content:
    return {
        "key": phase.key,
        "title": phase.title,
        "summary": phase.summary,
        **({"summary_source": list(phase.summary_sources)} if phase.summary_sources else {}),
        "links": [asdict(link) for link in phase.links],
        "tasks": [as_entry(task) for task in phase.tasks],
    }


def as_entry(task: TaskDefinition) -> Content:
    """One task as its phase lists it, without its empty fields."""
    fields = {
        "key": task.key,
        "title": task.title,
        "plain_title": task.plain_title,
        "responsibility": task.responsibility,
        "stated": task.stated,
        "do": task.do,
        "do_source": list(task.do_sources),
        "shown_by": task.shown_by,
        "shown_by_source": list(task.shown_by_sources),
        "why": task.why,
        "why_source": list(task.why_sources),
        "role": task.role,
        "parent": task.parent,
        "links": [asdict(link) for link in task.links],
        "applies_when": task.applies_when.as_data() if task.applies_when else None,
        "otherwise": task.otherwise,
        "required_when": task.required_when.as_data() if task.required_when else None,
        "depends_on": list(task.depends_on),
        "check": list(task.check_kinds),
        "supports": list(task.supports),
        "completed_by": [each.as_data() for each in task.completed_by],
        "per_domain": task.per_domain,
        "domain_roles": list(task.domain_roles),
        "optional": task.optional,
        "gate": task.gate,
        "due": {"from": task.due.anchor, "working_days": task.due.working_days}
        if task.due
        else None,
        "waits": _wait(task.waits) if task.waits else None,
        "own_work": task.own_work,
        "planned_cutovers": list(task.planned_cutovers),
        "fields": [_field(each) for each in task.fields],
        "runbooks": [_runbook(each) for each in task.runbooks],
    }
    always = ("key", "title", "responsibility", "stated", "do", "shown_by")
    return {name: value for name, value in fields.items() if value or name in always}


def _wait(wait: WaitRule) -> Content:
    return {"after": wait.after, "days": AGREED_DAYS if wait.days is None else wait.days}


def _field(field: FieldDefinition) -> Content:
    data = field.as_data()
    days, label = data.pop("countdown_days", None), data.pop("countdown_label", None)
    return data if days is None else data | {"countdown": {"days": days, "label": label}}


def _runbook(runbook: Runbook) -> Content:
    condition = runbook.applies_when
    fields = {
        "title": runbook.title,
        "confidence": runbook.confidence,
        "applies_when": condition.as_data() if condition else None,
        "steps": [_step(step) for step in runbook.steps],
    }
    return {name: value for name, value in fields.items() if value}


def _step(step: RunbookStep) -> Content:
    fields = {
        "text": step.text,
        "command": step.command,
        "values": list(step.values),
        "source": list(step.sources),
    }
    return {name: value for name, value in fields.items() if value}
