"""What a template's steps say, field by field, in the words people read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checks.models import KIND_CHOICES
from onboarding.blueprints.parts import PROFILE_VALUES, Blueprint, Condition, Due, TaskBlueprint
from onboarding.models import Responsibility
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
ANCHOR_WORDS: Mapping[str, str] = {
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


def said(task: TaskBlueprint, name: str, blueprint: Blueprint) -> str:
    """One field of a step in words; empty where it says nothing."""
    value = getattr(task, name)
    titles = {each.key: each.title for each in blueprint.tasks}
    titles |= {phase.key: phase.title for phase in blueprint.phases}
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
            return _wait_words(task, titles)
    return _plain_words(bool(value) if name == "gate" else value, blueprint)


def _plain_words(value: Any, blueprint: Blueprint) -> str:
    if isinstance(value, Condition):
        return condition_words(value, blueprint.products)
    if isinstance(value, Due):
        return due_words(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value or "")


def _wait_words(task: TaskBlueprint, titles: Mapping[str, str]) -> str:
    if task.waits is None:
        return ""
    days = "the agreed days" if task.waits.days is None else f"{task.waits.days} days"
    return f"{days} after {titles[task.waits.after]}"


def due_words(due: Due) -> str:
    days = abs(due.working_days)
    if days == 0:
        return f"on the day of {ANCHOR_WORDS[due.anchor]}"
    side = "after" if due.working_days > 0 else "before"
    return f"{days} working day{'' if days == 1 else 's'} {side} {ANCHOR_WORDS[due.anchor]}"


def condition_words(condition: Condition, products: Mapping[str, str]) -> str:
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
