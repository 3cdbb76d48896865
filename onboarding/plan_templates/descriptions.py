"""The fields of a template's tasks as text for pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from checks.engine.outcomes import SOURCE_KINDS, CheckKind
from checks.engine.sources.registry import strength_of
from checks.models import KIND_CHOICES
from onboarding.models import Responsibility, TaskRole
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
    "plain_title": "Name in plain words",
    "phase": "Phase",
    "parent": "Group",
    "responsibility": "Done by",
    "stated": "Responsibility fixed",
    "do": "What to do",
    "do_sources": "Sources of the instructions",
    "shown_by": "Completion criteria",
    "shown_by_sources": "Sources of the criteria",
    "why": "Why it matters",
    "why_sources": "Sources of the reason",
    "links": "Links",
    "applies_when": "Applies where",
    "otherwise": "Reason if it does not apply",
    "optional": "Optional",
    "required_when": "Not optional where",
    "depends_on": "Depends on",
    "gate": "Hard gate",
    "waits": "Wait",
    "check_kinds": "Verified by",
    "supports": "Supporting checks",
    "completed_by": "Completed by",
    "per_domain": "Domain by domain",
    "domain_roles": "For domains that are",
    "due": "Due",
    "role": "Role in Gangway",
    "own_work": "Has work of its own besides its sub-tasks",
    "planned_cutovers": "Needs planned cutovers",
    "fields": "Facts to record",
    "runbooks": "Instructions",
}
# What does not work in a plan that has no task with the role.
ROLE_EFFECTS: Mapping[TaskRole, str] = {
    TaskRole.SWITCHES_OUTBOUND: "Outbound cutovers have no task and no run sheet.",
    TaskRole.SWITCHES_INBOUND: "Inbound cutovers have no task and no run sheet, and monitoring"
    " does not start at go-live.",
    TaskRole.DELIVERY_TEST: "The inbound readiness list does not ask for a delivery test.",
    TaskRole.LOCKDOWN: "The follow-up of a cutover does not show the lockdown.",
    TaskRole.DECOMMISSION: "The old gateway can be marked as switched off while senders use it.",
    TaskRole.CLOSURE: "The implementation cannot be closed.",
    TaskRole.DIRECTORY: "The readiness list does not ask for the directory.",
    TaskRole.VERIFIES_OWNERSHIP: "The readiness list does not check domain ownership.",
    TaskRole.VERIFIES_SPF: "The outbound readiness list does not check SPF.",
    TaskRole.VERIFIES_DKIM: "The outbound readiness list does not check DKIM.",
    TaskRole.VERIFIES_MX_TTL: "The inbound readiness list does not check the TTL of MX records.",
    TaskRole.VERIFIES_SMTP: "Cutovers do not check the SMTP connections.",
}
_SHEET_EFFECT = "New plans have no requirements sheet of this kind."
_CHOICES: Mapping[str, Mapping[str, str]] = {
    "role": {role.value: str(role.label) for role in TaskRole},
    "responsibility": {side.value: str(side.label) for side in Responsibility},
}
_KINDS = dict(KIND_CHOICES)
# The checks that a task can need, and those of sources whose facts can complete a task.
REQUIRED_KINDS = [choice for choice in KIND_CHOICES if choice[0] not in SOURCE_KINDS]
COMPLETING_KINDS = [
    (kind, label)
    for kind, label in KIND_CHOICES
    if kind in SOURCE_KINDS and strength_of(CheckKind(kind)).completes
]
_ROLES = dict(Domain.Role.choices)


_DESCRIBED_LISTS: Mapping[str, Callable[[Any], str]] = {
    "check_kinds": lambda kind: _KINDS[kind],
    "supports": lambda kind: _KINDS[kind],
    "completed_by": lambda each: f"{_KINDS[each.check]} ({each.strength})",
    "domain_roles": lambda role: str(_ROLES[role]).lower(),
    "links": lambda link: str(link.title),
    "planned_cutovers": str,
    "do_sources": str,
    "shown_by_sources": str,
    "why_sources": str,
    "fields": lambda each: str(each.label),
    "runbooks": lambda runbook: f"{runbook.title} ({len(runbook.steps)} steps)",
}


def describe_field(task: TaskDefinition, name: str, template_version: TemplateVersion) -> str:
    """One field of a task as text; empty if the field is not set."""
    value = getattr(task, name)
    titles = {each.key: each.title for each in template_version.tasks}
    titles |= {phase.key: phase.title for phase in template_version.phases}
    if name == "waits":
        return _describe_wait(task, titles)
    if name in _CHOICES:
        return _CHOICES[name].get(value, "")
    if name in _DESCRIBED_LISTS:
        separator = "; " if name in ("links", "runbooks") else ", "
        return separator.join(_DESCRIBED_LISTS[name](each) for each in value)
    if name in ("phase", "parent"):
        return titles.get(value, "")
    if name == "depends_on":
        return ", ".join(titles[key] for key in value)
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


def describe_role_effect(role: TaskRole) -> str:
    """A sentence: what does not work in a plan that has no task with the role."""
    return _SHEET_EFFECT if role.sheet_kind else ROLE_EFFECTS[role]


def describe_due(due: DueRule) -> str:
    days = abs(due.working_days)
    if days == 0:
        return f"on the day of {ANCHOR_LABELS[due.anchor]}"
    side = "after" if due.working_days > 0 else "before"
    return f"{days} working day{'' if days == 1 else 's'} {side} {ANCHOR_LABELS[due.anchor]}"


def describe_condition(condition: Condition, products: Mapping[str, str]) -> str:
    """The condition as text: Mail platform is Hybrid, and Journaling is yes; or ..."""
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
