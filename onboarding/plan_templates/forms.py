"""Forms of the template editor: tasks, phases, publication and preview."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, cast
from urllib.parse import urlsplit

import yaml
from django import forms
from django.http import QueryDict
from django.utils import timezone

from checks.models import KIND_CHOICES
from onboarding.models import Responsibility, TaskRole
from onboarding.plan_templates.content import Content
from onboarding.plan_templates.descriptions import (
    ANCHOR_LABELS,
    COMPLETING_KINDS,
    PROFILE_LABELS,
    REQUIRED_KINDS,
)
from onboarding.plan_templates.draft_content import draft_tasks
from onboarding.plan_templates.schema import (
    AGREED_DAYS,
    DIRECTIONS,
    LONGEST_WAIT,
    PROFILE_FLAGS,
    PROFILE_VALUES,
)
from onboarding.plan_templates.yaml_tasks import completing_sources
from onboarding.plans.tenant_values import PLACEHOLDERS
from tenants.models import Domain
from tenants.yaml_schema import PlainLoader

_PLACEHOLDERS = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
# The alternatives that a condition can have: one more than the shipped template needs.
ALTERNATIVES = 3
_ROLES = [choice for choice in Domain.Role.choices if choice[0] != Domain.Role.PARKED]
_YES_NO = [("", "either"), ("yes", "yes"), ("no", "no")]
_FEW_LINES = forms.Textarea(attrs={"rows": 5})
_BOXES = forms.CheckboxSelectMultiple
_SOURCE_KEYS = "Keys of the sources below the draft, separated by commas, such as kb_lockdown."


class AlternativeForm(forms.Form):
    """One alternative of a condition: the accepted values of each field."""

    def __init__(self, *args: Any, products: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in PROFILE_LABELS.items():
            self.fields[name] = _profile_field(name, label, products)

    def as_data(self) -> Content:
        """The alternative as in the template file; empty if no value is chosen."""
        chosen = {name: value for name, value in self.cleaned_data.items() if value}
        return {
            name: [value == "yes"] if name in PROFILE_FLAGS else list(value)
            for name, value in chosen.items()
        }


def _profile_field(name: str, label: str, products: Mapping[str, str]) -> forms.Field:
    if name in PROFILE_FLAGS:
        return forms.ChoiceField(choices=_YES_NO, required=False, label=label)
    values = products if name == "products" else PROFILE_VALUES[name]
    return forms.MultipleChoiceField(
        choices=list(values.items()), required=False, label=label, widget=_BOXES
    )


class ConditionFields:
    """A condition as alternatives, of which one must match. Empty ones are ignored."""

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        name: str,
        written: Content | None,
        products: Mapping[str, str],
    ) -> None:
        alternatives = alternatives_of(written)
        alternatives += [{} for _ in range(ALTERNATIVES - len(alternatives))]
        self.forms = [
            AlternativeForm(
                data, prefix=f"{name}-{number}", initial=chosen_values(each), products=products
            )
            for number, each in enumerate(alternatives)
        ]

    @property
    def is_used(self) -> bool:
        """Whether a value is chosen, so that a page shows the condition open."""
        return any(form.is_bound or form.initial for form in self.forms)

    def is_valid(self) -> bool:
        return not any(form.errors for form in self.forms)

    def as_data(self) -> Content | None:
        written = [form.as_data() for form in self.forms]
        filled = [each for each in written if each]
        if not filled:
            return None
        return filled[0] if len(filled) == 1 else {"any": filled}


def alternatives_of(written: Content | None) -> list[Content]:
    if not written:
        return []
    return list(written["any"]) if "any" in written else [written]


def chosen_values(alternative: Content) -> Content:
    return {
        name: ("yes" if values[0] else "no") if name in PROFILE_FLAGS else values
        for name, values in alternative.items()
    }


class TemplateTaskForm(forms.Form):
    """All fields of a task except its conditions."""

    title = forms.CharField(
        max_length=200,
        label="Name",
        error_messages={"required": "Enter a name."},
    )
    plain_title = forms.CharField(
        required=False,
        max_length=200,
        label="Name in plain words",
        help_text="Such as “Publish the DKIM record”. Clients see it above the name.",
    )
    phase = forms.ChoiceField(label="Phase")
    parent = forms.ChoiceField(required=False, label="Group")
    role = forms.ChoiceField(
        choices=[("", "none"), *TaskRole.choices],
        required=False,
        label="Role in Gangway",
        help_text="Gangway finds the task by its role, for example in cutovers.",
    )
    responsibility = forms.ChoiceField(choices=Responsibility, label="Done by")
    stated = forms.BooleanField(
        required=False, initial=True, label="Plans cannot change the responsibility"
    )
    do = forms.CharField(
        widget=_FEW_LINES,
        label="What to do",
        error_messages={"required": "Enter the instructions."},
    )
    do_source = forms.CharField(
        required=False, max_length=500, label="Sources of the instructions", help_text=_SOURCE_KEYS
    )
    shown_by = forms.CharField(
        widget=_FEW_LINES,
        label="Completion criteria",
        error_messages={"required": "Enter the completion criteria."},
    )
    shown_by_source = forms.CharField(
        required=False, max_length=500, label="Sources of the criteria", help_text=_SOURCE_KEYS
    )
    why = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="Why it matters",
        help_text="One or two sentences. Pages show them folded.",
    )
    why_source = forms.CharField(
        required=False, max_length=500, label="Sources of the reason", help_text=_SOURCE_KEYS
    )
    links = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="Links",
        help_text="One on each line: its title, then | and its https address, if it has one.",
    )
    otherwise = forms.CharField(
        required=False,
        max_length=300,
        label="Reason shown if it does not apply",
        help_text="Gangway fills in {platform}, {directory_method} and {authentication}.",
    )
    optional = forms.BooleanField(
        required=False, label="Optional: no task waits for it until its work has started"
    )
    depends_on = forms.MultipleChoiceField(required=False, widget=_BOXES, label="Depends on")
    gate = forms.BooleanField(
        required=False,
        label="Hard gate: confirming it before its dependencies are done can lose mail",
    )
    check_kinds = forms.MultipleChoiceField(
        choices=REQUIRED_KINDS, required=False, widget=_BOXES, label="Verified by these checks"
    )
    supports = forms.MultipleChoiceField(
        choices=KIND_CHOICES,
        required=False,
        widget=_BOXES,
        label="Supporting checks, which do not complete it",
    )
    completed_by = forms.MultipleChoiceField(
        choices=COMPLETING_KINDS,
        required=False,
        widget=_BOXES,
        label="Exports that complete it, without a confirmation",
    )
    per_domain = forms.BooleanField(required=False, label="Per domain")
    domain_roles = forms.MultipleChoiceField(
        choices=_ROLES, required=False, widget=_BOXES, label="Roles of the domains"
    )
    due_days = forms.IntegerField(
        required=False,
        label="Due, in working days",
        help_text="Negative: before. Empty: no due date.",
        error_messages={"invalid": "Enter a whole number of days, such as 5 or -10."},
    )
    due_from = forms.ChoiceField(
        choices=[("", "no due date"), *ANCHOR_LABELS.items()], required=False, label="From"
    )
    wait_after = forms.ChoiceField(required=False, label="Completes automatically after")
    wait_days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=LONGEST_WAIT,
        label="Days",
        help_text="Empty: the days agreed for the inbound cutover.",
    )
    own_work = forms.BooleanField(
        required=False, label="It has work of its own besides its sub-tasks"
    )
    planned_cutovers = forms.MultipleChoiceField(
        choices=[(each, f"{each} cutover") for each in DIRECTIONS],
        required=False,
        widget=_BOXES,
        label="Needs a planned cutover before its confirmation",
    )
    fields_text = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "class": "control mono"}),
        label="Facts to record",
        help_text="YAML, as in the template file: a list with key, label and type (date, people,"
        " number, choice, text or file).",
    )
    runbooks_text = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 10, "class": "control mono"}),
        label="Instructions by platform",
        help_text=f"YAML, as in the template file. Placeholders: {_PLACEHOLDERS}.",
    )
    # The fingerprint of the task that the person edits. Another one means a conflicting change.
    expected = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, content: Content, key: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = [found for found in draft_tasks(content) if found.key != key]
        phases = [(phase["key"], phase["title"]) for phase in content["phases"]]
        self._choose("phase", phases)
        groups = [(f.key, f.entry["title"]) for f in others if not f.entry.get("parent")]
        self._choose("parent", [("", "no group"), *groups])
        titles = [(found.key, found.entry["title"]) for found in others]
        self._choose("wait_after", [("", "no: people or checks complete it"), *titles])
        self._choose("depends_on", list(_by_phase(content, key)))

    def _choose(self, name: str, choices: Sequence[Any]) -> None:
        cast(forms.ChoiceField, self.fields[name]).choices = choices

    def clean_fields_text(self) -> list[Content]:
        return _list_of(self.cleaned_data["fields_text"])

    def clean_runbooks_text(self) -> list[Content]:
        return _list_of(self.cleaned_data["runbooks_text"])

    def clean_do_source(self) -> list[str]:
        return keys_in(self.cleaned_data["do_source"])

    def clean_shown_by_source(self) -> list[str]:
        return keys_in(self.cleaned_data["shown_by_source"])

    def clean_why_source(self) -> list[str]:
        return keys_in(self.cleaned_data["why_source"])

    def clean_links(self) -> list[Content]:
        lines = [line.strip() for line in self.cleaned_data["links"].splitlines()]
        return [self._link(line) for line in lines if line]

    def _link(self, line: str) -> Content:
        title, bar, url = (part.strip() for part in line.rpartition("|"))
        if not bar:
            return {"title": url, "url": None}
        if not title or not url.startswith("https://"):
            raise forms.ValidationError(f"“{line}” is not a title, | and an https address.")
        return {"title": title, "url": url}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("per_domain") and not cleaned.get("domain_roles"):
            self.add_error("domain_roles", "Choose the roles of the domains.")
        asked = [each for each in cleaned.get("fields_text", []) if isinstance(each, dict)]
        asks_per_domain = any(each.get("per_domain") for each in asked)
        roles_mean = cleaned.get("per_domain") or cleaned.get("supports") or asks_per_domain
        if cleaned.get("domain_roles") and not roles_mean:
            self.add_error("domain_roles", "Roles of domains need a task that is per domain.")
        if (cleaned.get("due_days") is None) != (not cleaned.get("due_from")):
            self.add_error("due_days", "Enter both the days and their start.")
        if cleaned.get("why_source") and not cleaned.get("why"):
            self.add_error("why", "Enter the reason, or remove its sources.")
        both = set(cleaned.get("check_kinds", [])) & set(cleaned.get("supports", []))
        if both:
            self.add_error("supports", "A check cannot both verify and support the task.")
        after = cleaned.get("wait_after")
        if after and after not in cleaned.get("depends_on", []):
            cleaned["depends_on"] = [*cleaned.get("depends_on", []), after]
        return cleaned

    def show_conflict(self, fingerprint: str) -> None:
        """Preserve the typed values for another attempt against the current task."""
        typed_data = cast(QueryDict, self.data).copy()
        typed_data["expected"] = fingerprint
        self.data = typed_data

    def entry(self) -> Content:
        """The task as its phase lists it, without its key and conditions."""
        typed = self.cleaned_data
        days = typed["wait_days"] or AGREED_DAYS
        entry_fields: Content = {
            "do_source": typed["do_source"],
            "shown_by_source": typed["shown_by_source"],
            "why": typed["why"],
            "why_source": typed["why_source"],
            "role": typed["role"],
            "parent": typed["parent"],
            "plain_title": typed["plain_title"],
            "links": typed["links"],
            "otherwise": typed["otherwise"],
            "depends_on": typed["depends_on"],
            "check": typed["check_kinds"],
            "supports": typed["supports"],
            "completed_by": [each.as_data() for each in completing_sources(typed["completed_by"])],
            "per_domain": typed["per_domain"],
            "domain_roles": typed["domain_roles"],
            "optional": typed["optional"],
            "gate": "hard" if typed["gate"] else None,
            "due": {"from": typed["due_from"], "working_days": typed["due_days"]}
            if typed["due_from"]
            else None,
            "waits": {"after": typed["wait_after"], "days": days} if typed["wait_after"] else None,
            "own_work": typed["own_work"],
            "planned_cutovers": typed["planned_cutovers"],
            "fields": typed["fields_text"],
            "runbooks": typed["runbooks_text"],
        }
        always = ("title", "responsibility", "stated", "do", "shown_by")
        entry_fields = {name: typed[name] for name in always} | {
            k: v for k, v in entry_fields.items() if v
        }
        # Browsers send CRLF line ends.
        return {
            name: value.replace("\r\n", "\n") if isinstance(value, str) else value
            for name, value in entry_fields.items()
        }


def initial_of(entry: Content, phase: str) -> Content:
    """The initial values of the form for a task."""
    waits, due = entry.get("waits") or {}, entry.get("due") or {}
    days = waits.get("days")
    return {
        **entry,
        "phase": phase,
        "do_source": ", ".join(entry.get("do_source", [])),
        "shown_by_source": ", ".join(entry.get("shown_by_source", [])),
        "why_source": ", ".join(entry.get("why_source", [])),
        "links": "\n".join(line_of_link(link) for link in entry.get("links", [])),
        "check_kinds": entry.get("check", []),
        "completed_by": [each["check"] for each in entry.get("completed_by", [])],
        "gate": bool(entry.get("gate")),
        "due_from": due.get("from", ""),
        "due_days": due.get("working_days"),
        "wait_after": waits.get("after", ""),
        "wait_days": days if isinstance(days, int) else None,
        "fields_text": as_yaml(entry.get("fields")),
        "runbooks_text": as_yaml(entry.get("runbooks")),
    }


def as_yaml(items: list[Content] | None) -> str:
    return yaml.safe_dump(items, sort_keys=False, allow_unicode=True, width=100) if items else ""


def _list_of(text: str) -> list[Content]:
    """The typed YAML as a list. Raises ValidationError with the line of the first error."""
    try:
        items = yaml.load(text, Loader=PlainLoader) if text.strip() else []  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise forms.ValidationError(f"Line {line} is not valid YAML: {error.problem}.") from error
    except yaml.YAMLError as error:
        raise forms.ValidationError("The text contains a control character.") from error
    if not isinstance(items, list):
        raise forms.ValidationError("Enter a list: each item begins with a hyphen.")
    try:
        text = json.dumps(items, ensure_ascii=False, allow_nan=False)
        text.encode()
    except TypeError as error:
        raise forms.ValidationError("Write dates in quotation marks.") from error
    except ValueError as error:
        # A list that contains itself, NaN, or half of a surrogate pair.
        raise forms.ValidationError("Enter texts, numbers and lists of them only.") from error
    if "\\u0000" in text:
        raise forms.ValidationError("The text contains a control character.")
    return items


def keys_in(text: str) -> list[str]:
    """The keys in a text, which separates them by commas or spaces."""
    return list(dict.fromkeys(text.replace(",", " ").split()))


def line_of_link(link: Content) -> str:
    return f"{link['title']} | {link['url']}" if link["url"] else str(link["title"])


def _by_phase(content: Content, key: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for phase in content["phases"]:
        tasks_of_phase = [(e["key"], e["title"]) for e in phase["tasks"] if e["key"] != key]
        if tasks_of_phase:
            yield phase["title"], tasks_of_phase


def initial_of_phase(phase: Content) -> Content:
    """The initial values of the form for a phase; empty for a new one."""
    return {**phase, "summary_source": ", ".join(phase.get("summary_source", []))}


class PhaseForm(forms.Form):
    title = forms.CharField(
        max_length=120, label="Name", error_messages={"required": "Enter a name."}
    )
    summary = forms.CharField(
        widget=_FEW_LINES,
        label="Summary",
        error_messages={"required": "Enter a summary of the phase."},
    )
    summary_source = forms.CharField(
        required=False, max_length=500, label="Sources of the summary", help_text=_SOURCE_KEYS
    )
    expected = forms.CharField(required=False, widget=forms.HiddenInput)

    def texts(self) -> Content:
        """The texts of the phase as the template file has them, with their sources."""
        return {name: self.cleaned_data[name] for name in ("title", "summary", "summary_source")}

    def clean_summary_source(self) -> list[str]:
        return keys_in(self.cleaned_data["summary_source"])

    def show_conflict(self, fingerprint: str) -> None:
        self.data = {
            **{name: self.data.get(name, "") for name in self.fields},
            "expected": fingerprint,
        }


class SourceForm(forms.Form):
    """The page or rule that a statement comes from. The key of a stored source is fixed."""

    key = forms.RegexField(
        r"^[a-z][a-z0-9_]*$",
        max_length=60,
        label="Key",
        help_text="Tasks, phases and steps name it, such as kb_lockdown.",
        error_messages={
            "required": "Enter a key.",
            "invalid": "Use lower-case letters, digits and underscores, such as kb_lockdown.",
        },
    )
    title = forms.CharField(
        max_length=200, label="Title", error_messages={"required": "Enter the title of the page."}
    )
    url = forms.CharField(
        required=False,
        max_length=500,
        label="Address",
        help_text="Empty for public text without an address.",
    )
    read_on = forms.CharField(
        max_length=10,
        label="Read on",
        help_text="A date such as 2026-11-23. A month or a year suffices for an old page.",
        error_messages={"required": "Enter the day on which you read the page."},
    )
    expected = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, key: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if key:
            self.initial["key"] = key
            self.fields["key"].disabled = True

    def clean_url(self) -> str | None:
        url = str(self.cleaned_data["url"])
        if url and not (url.startswith("https://") and urlsplit(url).hostname):
            raise forms.ValidationError(f"“{url}” is not an https address.")
        return url or None

    def clean_read_on(self) -> str:
        day = str(self.cleaned_data["read_on"])
        first = _first_day(day)
        if first is None:
            raise forms.ValidationError("Enter a date, such as 2026-11-23, 2026-11 or 2026.")
        if first > timezone.localdate():
            raise forms.ValidationError("The date is in the future.")
        return day

    def source(self) -> Content:
        return {name: self.cleaned_data[name] for name in ("title", "url", "read_on")}

    def show_conflict(self, fingerprint: str) -> None:
        self.data = {
            **{name: self.data.get(name, "") for name in self.fields},
            "expected": fingerprint,
        }


def _first_day(text: str) -> date | None:
    """The first day of a date, a month or a year; None for any other text."""
    if not re.fullmatch(r"[0-9]{4}(-[0-9]{2}){0,2}", text):
        return None
    try:
        return date.fromisoformat(f"{text}-01-01"[:10])
    except ValueError:
        return None


class PublishForm(forms.Form):
    note = forms.CharField(
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="What changed, for your colleagues",
        error_messages={"required": "Enter the changes. Consultants read them before an upgrade."},
    )
    accepts_losses = forms.BooleanField(
        required=False, label="Accept: plans at this version do without these safeguards and roles"
    )
    expected = forms.IntegerField(widget=forms.HiddenInput)


class ProfileAnswersForm(forms.Form):
    """The profile for a preview without a tenant."""

    def __init__(self, *args: Any, products: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, values in PROFILE_VALUES.items():
            self.fields[name] = forms.ChoiceField(
                choices=list(values.items()), label=PROFILE_LABELS[name]
            )
        for name in ("journaling", "dkim_in_use", "rfi_used"):
            self.fields[name] = forms.BooleanField(required=False, label=PROFILE_LABELS[name])
        self.fields["products"] = forms.MultipleChoiceField(
            choices=list(products.items()), required=False, widget=_BOXES, label="Products bought"
        )

    def profile(self) -> dict[str, object]:
        return dict(self.cleaned_data) if self.is_valid() else {}
