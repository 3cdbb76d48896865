"""A template's steps and phases as people edit them in the browser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from django import forms
from django.http import QueryDict

from checks.models import KIND_CHOICES
from onboarding.models import Responsibility, TaskRole
from onboarding.plan_templates.content import Content
from onboarding.plan_templates.descriptions import ANCHOR_LABELS, PROFILE_LABELS
from onboarding.plan_templates.draft_content import draft_tasks
from onboarding.plan_templates.schema import (
    AGREED_DAYS,
    LONGEST_WAIT,
    PROFILE_FLAGS,
    PROFILE_VALUES,
)
from tenants.models import Domain

# How many alternatives a condition can be given; what the built-in template needs, and one more.
ALTERNATIVES = 3
_ROLES = [choice for choice in Domain.Role.choices if choice[0] != Domain.Role.PARKED]
_YES_NO = [("", "either"), ("yes", "yes"), ("no", "no")]
_FEW_LINES = forms.Textarea(attrs={"rows": 5})
_BOXES = forms.CheckboxSelectMultiple


class AlternativeForm(forms.Form):
    """One way in which a condition holds: of each field that is chosen, one of the values."""

    def __init__(self, *args: Any, products: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in PROFILE_LABELS.items():
            self.fields[name] = _profile_field(name, label, products)

    def as_data(self) -> Content:
        """As the template writes it; empty where nothing was chosen."""
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
    """A condition as alternatives of which one must hold; those left empty do not count."""

    def __init__(
        self,
        data: QueryDict | None,
        name: str,
        written: Content | None,
        products: Mapping[str, str],
    ) -> None:
        alternatives = _alternatives(written)
        alternatives += [{} for _ in range(ALTERNATIVES - len(alternatives))]
        self.forms = [
            AlternativeForm(
                data, prefix=f"{name}-{number}", initial=_chosen(each), products=products
            )
            for number, each in enumerate(alternatives)
        ]

    @property
    def is_used(self) -> bool:
        """Whether anything is chosen, so that a page shows it open."""
        return any(form.is_bound or form.initial for form in self.forms)

    def is_valid(self) -> bool:
        return not any(form.errors for form in self.forms)

    def as_data(self) -> Content | None:
        written = [form.as_data() for form in self.forms]
        said = [each for each in written if each]
        if not said:
            return None
        return said[0] if len(said) == 1 else {"any": said}


def _alternatives(written: Content | None) -> list[Content]:
    if not written:
        return []
    return list(written["any"]) if "any" in written else [written]


def _chosen(alternative: Content) -> Content:
    return {
        name: ("yes" if values[0] else "no") if name in PROFILE_FLAGS else values
        for name, values in alternative.items()
    }


class TemplateTaskForm(forms.Form):
    """Every field of a step but its conditions, which stand beside it."""

    title = forms.CharField(
        max_length=200,
        label="Name",
        error_messages={"required": "Give the step a name."},
    )
    phase = forms.ChoiceField(label="Phase")
    parent = forms.ChoiceField(required=False, label="Within the group")
    role = forms.ChoiceField(
        choices=[("", "none"), *TaskRole.choices],
        required=False,
        label="Role in Gangway",
        help_text="Gangway finds the task by its role, for example in cutovers.",
    )
    responsibility = forms.ChoiceField(choices=Responsibility, label="Done by")
    stated = forms.BooleanField(
        required=False, initial=True, label="This side is fixed; no plan chooses another"
    )
    do = forms.CharField(
        widget=_FEW_LINES, label="What to do", error_messages={"required": "Say what to do."}
    )
    shown_by = forms.CharField(
        widget=_FEW_LINES,
        label="What shows that it is done",
        error_messages={"required": "Say what shows that it is done."},
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
        label="What a plan says where it does not apply",
        help_text="{platform}, {directory_method} and {authentication} stand for the choice.",
    )
    optional = forms.BooleanField(
        required=False, label="It is optional: nothing waits for it until somebody has begun it"
    )
    depends_on = forms.MultipleChoiceField(
        required=False, widget=_BOXES, label="These are to be done first"
    )
    gate = forms.BooleanField(
        required=False,
        label="Hard gate: nobody can confirm it before they are, for that can lose mail",
    )
    check_kinds = forms.MultipleChoiceField(
        choices=KIND_CHOICES, required=False, widget=_BOXES, label="Proven by these checks"
    )
    supports = forms.MultipleChoiceField(
        choices=KIND_CHOICES,
        required=False,
        widget=_BOXES,
        label="Shown beside it, without completing it",
    )
    per_domain = forms.BooleanField(required=False, label="It is done domain by domain")
    domain_roles = forms.MultipleChoiceField(
        choices=_ROLES, required=False, widget=_BOXES, label="For domains that are"
    )
    due_days = forms.IntegerField(
        required=False,
        label="Due, in working days",
        help_text="Negative: before. Empty: no due day.",
        error_messages={"invalid": "Enter a whole number of days, such as 5 or -10."},
    )
    due_from = forms.ChoiceField(
        choices=[("", "no due day"), *ANCHOR_LABELS.items()], required=False, label="From"
    )
    wait_after = forms.ChoiceField(
        required=False, label="Completed by time alone, so many days after"
    )
    wait_days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=LONGEST_WAIT,
        label="Days",
        help_text="Empty: as many as were agreed for the inbound cutover.",
    )
    # The mark of the step the person had before them; another one means somebody was faster.
    seen = forms.CharField(required=False, widget=forms.HiddenInput)

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
            self.add_error("domain_roles", "Choose the roles of the domains it is done for.")
        roles_mean = cleaned.get("per_domain") or cleaned.get("supports")
        if cleaned.get("domain_roles") and not roles_mean:
            self.add_error("domain_roles", "Roles mean something only domain by domain.")
        if (cleaned.get("due_days") is None) != (not cleaned.get("due_from")):
            self.add_error("due_days", "Give both the days and the moment they count from.")
        both = set(cleaned.get("check_kinds", [])) & set(cleaned.get("supports", []))
        if both:
            self.add_error("supports", "A check that proves the step is not shown beside it too.")
        after = cleaned.get("wait_after")
        if after and after not in cleaned.get("depends_on", []):
            cleaned["depends_on"] = [*cleaned.get("depends_on", []), after]
        return cleaned

    def show_conflict(self, mark: str) -> None:
        """Keep what was typed, and let the person decide again over what stands there now."""
        kept = cast(QueryDict, self.data).copy()
        kept["seen"] = mark
        self.data = kept

    def entry(self) -> Content:
        """The step as its phase lists it, but for its key and conditions."""
        typed = self.cleaned_data
        days = typed["wait_days"] or AGREED_DAYS
        said: Content = {
            "role": typed["role"],
            "parent": typed["parent"],
            "links": typed["links"],
            "otherwise": typed["otherwise"],
            "depends_on": typed["depends_on"],
            "check": typed["check_kinds"],
            "supports": typed["supports"],
            "per_domain": typed["per_domain"],
            "domain_roles": typed["domain_roles"],
            "optional": typed["optional"],
            "gate": "hard" if typed["gate"] else None,
            "due": {"from": typed["due_from"], "working_days": typed["due_days"]}
            if typed["due_from"]
            else None,
            "waits": {"after": typed["wait_after"], "days": days} if typed["wait_after"] else None,
        }
        always = ("title", "responsibility", "stated", "do", "shown_by")
        said = {name: typed[name] for name in always} | {k: v for k, v in said.items() if v}
        # Browsers end lines in their own way.
        return {
            name: value.replace("\r\n", "\n") if isinstance(value, str) else value
            for name, value in said.items()
        }


def initial_of(entry: Content, phase: str) -> Content:
    """A step as its form begins."""
    waits, due = entry.get("waits") or {}, entry.get("due") or {}
    days = waits.get("days")
    return {
        **entry,
        "phase": phase,
        "links": "\n".join(_line_of(link) for link in entry.get("links", [])),
        "check_kinds": entry.get("check", []),
        "gate": bool(entry.get("gate")),
        "due_from": due.get("from", ""),
        "due_days": due.get("working_days"),
        "wait_after": waits.get("after", ""),
        "wait_days": days if isinstance(days, int) else None,
    }


def _line_of(link: Content) -> str:
    return f"{link['title']} | {link['url']}" if link["url"] else str(link["title"])


def _by_phase(content: Content, key: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for phase in content["phases"]:
        steps = [(e["key"], e["title"]) for e in phase["tasks"] if e["key"] != key]
        if steps:
            yield phase["title"], steps


class PhaseForm(forms.Form):
    title = forms.CharField(
        max_length=120, label="Name", error_messages={"required": "Give the phase a name."}
    )
    summary = forms.CharField(
        widget=_FEW_LINES,
        label="What it is for",
        error_messages={"required": "Say in a sentence what the phase is for."},
    )
    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def texts(self) -> Content:
        return {name: self.cleaned_data[name] for name in ("title", "summary")}

    def show_conflict(self, mark: str) -> None:
        self.data = {**{name: self.data.get(name, "") for name in self.fields}, "seen": mark}


class PublishForm(forms.Form):
    note = forms.CharField(
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="What changed, in a sentence for your colleagues",
        error_messages={"required": "Say what changed: it is read before a plan is moved."},
    )
    accepts_losses = forms.BooleanField(
        required=False, label="This is meant: plans at this version do without it"
    )
    seen = forms.IntegerField(widget=forms.HiddenInput)


class ProfileAnswersForm(forms.Form):
    """The answers a preview rests on, where no tenant is chosen."""

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
