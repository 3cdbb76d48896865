"""The form of a template's task with its two conditions, for the page and for the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onboarding.errors import OnboardingError
from onboarding.models import TemplateDraft
from onboarding.plan_templates import drafts
from onboarding.plan_templates.content import Content
from onboarding.plan_templates.draft_content import DraftTask
from onboarding.plan_templates.forms import (
    ConditionFields,
    TemplateTaskForm,
    alternatives_of,
    as_yaml,
    chosen_values,
    initial_of,
    line_of_link,
)

# The conditions of a task by the prefix of their forms.
CONDITIONS = {"applies": "applies_when", "required": "required_when"}
UNREADABLE = "This is no condition of a plan template: name fields of the profile and their values."


class TaskForms:
    """The form of a task of the draft, and its two conditions. `found` is None for a new task."""

    def __init__(
        self,
        draft: TemplateDraft,
        found: DraftTask | None,
        data: Mapping[str, Any] | None,
        *,
        phase: str = "",
        conditions: Mapping[str, Content | None] | None = None,
    ) -> None:
        self.draft, self.found = draft, found
        content, products = draft.content, dict(draft.content["products"])
        entry = found.entry if found else {}
        initial = initial_of(entry, found.phase["key"] if found else phase)
        initial |= {"expected": self.mark}
        if found is None:
            initial |= {"responsibility": "both", "stated": True}
        self.form = TemplateTaskForm(data, initial=initial, content=content, key=self.key)
        written = {name: entry.get(name) for name in CONDITIONS.values()} | dict(conditions or {})
        self.applies, self.required = (
            ConditionFields(data, prefix, written[name], products)
            for prefix, name in CONDITIONS.items()
        )

    @property
    def key(self) -> str:
        return self.found.key if self.found else ""

    @property
    def mark(self) -> str:
        return drafts.fingerprint(self.found.entry, self.found.phase["key"]) if self.found else ""

    def is_valid(self) -> bool:
        parts = (self.form, self.applies, self.required)
        valid = False not in [part.is_valid() for part in parts]
        if valid:
            self._compare()
        return valid and not self.form.errors

    def _compare(self) -> None:
        """Validate the conditions together with the other fields."""
        if self.applies.as_data() and not self.form.cleaned_data["otherwise"]:
            self.form.add_error(
                "otherwise", "Enter the reason that a plan shows if it does not apply."
            )
        if not self.applies.as_data() and self.form.cleaned_data.get("otherwise"):
            self.form.add_error(
                "otherwise", "The task always applies, so the reason is never shown."
            )
        if self.required.as_data() and not self.form.cleaned_data["optional"]:
            self.form.add_error(
                "optional", "Only an optional task can be required for some tenants."
            )

    def entry(self) -> Content:
        conditions = {
            "applies_when": self.applies.as_data(),
            "required_when": self.required.as_data(),
        }
        return self.form.entry() | {name: value for name, value in conditions.items() if value}


# --- Values without a form


class UnreadableCondition(OnboardingError):
    """The value of `field` is no condition."""

    def __init__(self, field: str) -> None:
        super().__init__(UNREADABLE)
        self.field = field


def values_of(entry: Content, phase: str) -> Content:
    """The values of a task as the API has them: those of the form, with lists and conditions."""
    values = initial_of(entry, phase)
    return {
        **{name: values.get(name) for name in ("title", "phase", "responsibility", "do")},
        "shown_by": entry.get("shown_by", ""),
        "plain_title": entry.get("plain_title") or "",
        "why": entry.get("why") or "",
        "parent": entry.get("parent") or "",
        "role": entry.get("role") or "",
        "otherwise": entry.get("otherwise") or "",
        "links": entry.get("links") or [],
        "gate": values["gate"],
        **{name: values[name] for name in ("due_from", "due_days", "wait_after", "wait_days")},
        "check_kinds": list(values["check_kinds"]),
        "completed_by": list(values["completed_by"]),
        **{name: list(entry.get(name) or []) for name in _LISTS},
        **{name: bool(entry.get(name)) for name in _FLAGS},
        **{name: entry.get(name) or None for name in CONDITIONS.values()},
    }


_LISTS = (
    "do_source",
    "shown_by_source",
    "why_source",
    "depends_on",
    "supports",
    "domain_roles",
    "planned_cutovers",
    "fields",
    "runbooks",
)
_FLAGS = ("stated", "optional", "per_domain", "own_work")


def forms_of(draft: TemplateDraft, found: DraftTask | None, values: Mapping[str, Any]) -> TaskForms:
    """The forms with the values of `values_of`. Raises UnreadableCondition."""
    conditions = {name: values.get(name) for name in CONDITIONS.values()}
    data = {name: value for name, value in values.items() if name not in conditions}
    data["links"] = "\n".join(line_of_link(link) for link in values.get("links", ()))
    for name in ("do_source", "shown_by_source", "why_source"):
        data[name] = ", ".join(data.get(name) or ())
    for name in ("fields", "runbooks"):
        data[f"{name}_text"] = as_yaml(data.pop(name, None))
    for prefix, name in CONDITIONS.items():
        for number, alternative in enumerate(_read_alternatives(name, conditions[name])):
            for column, value in chosen_values(alternative).items():
                data[f"{prefix}-{number}-{column}"] = value
    return TaskForms(draft, found, data, conditions=conditions)


def refuse_other_conditions(valid: TaskForms, values: Mapping[str, Any]) -> None:
    """Raise UnreadableCondition if the form has ignored a part of a condition."""
    entry = valid.entry()
    for name in CONDITIONS.values():
        if alternatives_of(entry.get(name)) != alternatives_of(values.get(name)):
            raise UnreadableCondition(name)


def _read_alternatives(name: str, condition: Any) -> list[Content]:
    """The alternatives of a condition, each with the accepted values of some fields."""
    is_any = bool(condition) and "any" in condition
    if is_any and (len(condition) > 1 or not isinstance(condition["any"], list)):
        raise UnreadableCondition(name)
    found = alternatives_of(condition)
    if not all(_is_alternative(each) for each in found):
        raise UnreadableCondition(name)
    return found


def _is_alternative(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(accepted, list)
        and bool(accepted)
        and all(isinstance(each, str | bool) for each in accepted)
        for accepted in value.values()
    )
