"""What a template's steps say, field by field, in the words people read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checks.models import KIND_CHOICES
from onboarding.models import Responsibility
from onboarding.plan_templates.schema import (
    PROFILE_VALUES,
    Condition,
    DueRule,
    TaskDefinition,
    TemplateVersion,
)
from tenants.models import Domain

PROFILE_LABELS: Mapping[str, str] = {
    "platform": "Mail platform",
    "directory_method": "Directory method",
    "authentication": "Sign-in",
    "products": "Product bought",
    "journaling": "Journaling",
    "dkim_in_use": "DKIM in use today",
    "rfi_used": "RFI form used",
}
ANCHOR_LABELS: Mapping[str, str] = {
    "start": "the plan’s start",
    "outbound": "the outbound cutover",
    "inbound": "the inbound cutover",
}
FIELDS: Mapping[str, str] = {
    "title": "Name",
    "phase": "Phase",
    "parent": "Group",
    "responsibility": "Done by",
    "stated": "Side stated by the article",
    "do": "What to do",
    "shown_by": "What shows that it is done",
    "links": "Links",
    "applies_when": "Applies where",
    "otherwise": "Said where it does not apply",
    "optional": "Optional",
    "required_when": "Not optional where",
    "depends_on": "Depends on",
    "gate": "Hard gate",
    "waits": "Completed by time",
    "check_kinds": "Proven by",
    "supports": "Shown beside it",
    "per_domain": "Domain by domain",
    "domain_roles": "For domains that are",
    "due": "Due",
}
_KINDS = dict(KIND_CHOICES)
_ROLES = dict(Domain.Role.choices)


def describe_field(task: TaskDefinition, name: str, template_version: TemplateVersion) -> str:
    """One field of a step in words; empty where it says nothing."""
    value = getattr(task, name)
    titles = {each.key: each.title for each in template_version.tasks}
    titles |= {phase.key: phase.title for phase in template_version.phases}
    match name:
        case "phase" | "parent":
            return titles.get(value, "")
        case "depends_on":
            return ", ".join(titles[key] for key in value)
        case "responsibility":
            return str(Responsibility(value).label)
        case "check_kinds" | "supports":
            return ", ".join(_KINDS[kind] for kind in value)
        case "domain_roles":
            return ", ".join(str(_ROLES[role]).lower() for role in value)
        case "links":
            return "; ".join(link.title for link in value)
        case "waits":
            return _describe_wait(task, titles)
    return _describe_value(bool(value) if name == "gate" else value, template_version)


def _describe_value(value: Any, template_version: TemplateVersion) -> str:
    if isinstance(value, Condition):
        return describe_condition(value, template_version.products)
    if isinstance(value, DueRule):
        return describe_due(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value or "")


def _describe_wait(task: TaskDefinition, titles: Mapping[str, str]) -> str:
    if task.waits is None:
        return ""
    days = "the agreed days" if task.waits.days is None else f"{task.waits.days} days"
    return f"{days} after {titles[task.waits.after]}"


def describe_due(due: DueRule) -> str:
    days = abs(due.working_days)
    if days == 0:
        return f"on the day of {ANCHOR_LABELS[due.anchor]}"
    side = "after" if due.working_days > 0 else "before"
    return f"{days} working day{'' if days == 1 else 's'} {side} {ANCHOR_LABELS[due.anchor]}"


def describe_condition(condition: Condition, products: Mapping[str, str]) -> str:
    """Mail platform is Hybrid or On-premises, and Journaling is yes; or ..."""
    labels: dict[str, Mapping[str, str]] = {**PROFILE_VALUES, "products": products}
    written = []
    for alternative in condition.alternatives:
        parts = []
        for name, wanted in alternative.items():
            values = [
                ("yes" if value else "no")
                if isinstance(value, bool)
                else labels[name].get(value, value)
                for value in wanted
            ]
            parts.append(f"{PROFILE_LABELS[name]} is {' or '.join(values)}")
        written.append(", and ".join(parts))
    return "; or ".join(written)
