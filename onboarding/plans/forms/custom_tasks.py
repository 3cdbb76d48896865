"""A step of a tenant's own, as somebody writes it down."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

from django import forms

from onboarding.models import Phase, Plan, Responsibility
from onboarding.plans.custom_tasks import CustomTaskContent
from onboarding.plans.forms.dates import refuse_far_away


class CustomTaskForm(forms.Form):
    title = forms.CharField(
        max_length=200,
        strip=True,
        label="What is to be done, in a few words",
        error_messages={"required": "Give the step a name that both sides understand."},
    )
    instructions = forms.CharField(
        required=False,
        max_length=5000,
        strip=True,
        widget=forms.Textarea(attrs={"rows": 5}),
        label="What to do, and what shows that it is done",
    )
    phase = forms.ChoiceField(label="In the phase")
    responsibility = forms.ChoiceField(choices=Responsibility, label="Done by")
    due_on = forms.DateField(
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        label="Due on",
        error_messages={"invalid": "Enter a day, such as 2026-12-31."},
        validators=[refuse_far_away],
    )
    is_per_domain = forms.BooleanField(
        required=False, label="It is done domain by domain, for each that sends or receives mail"
    )
    is_optional = forms.BooleanField(
        required=False, label="It is optional: nothing waits for it, and it can be declined"
    )
    # The fingerprint of the content the person had before them; another one means somebody was faster.
    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, plan: Plan, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        phases = Phase.objects.filter(plan=plan).values_list("key", "title")
        cast(forms.ChoiceField, self.fields["phase"]).choices = list(phases)

    def content(self) -> CustomTaskContent:
        """What was typed; only of a form that is valid."""
        return CustomTaskContent(**{k: v for k, v in self.cleaned_data.items() if k != "seen"})

    def show_conflict(self, now: CustomTaskContent | None) -> None:
        """Keep what was typed, show what stands there now beside it, and let the person decide."""
        typed = self.content()
        fingerprint = now.fingerprint if now is not None else ""
        self.data = {**{name: self.data.get(name, "") for name in self.fields}, "seen": fingerprint}
        if now is None:
            return
        for name, value in asdict(now).items():
            if getattr(typed, name) != value:
                self.add_error(name, f"It says now: {self._shown(name, value)}.")

    def _shown(self, name: str, value: Any) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        if value in (None, ""):
            return "nothing"
        choices = dict(getattr(self.fields[name], "choices", ()))
        return f"“{choices.get(value, value)}”"
