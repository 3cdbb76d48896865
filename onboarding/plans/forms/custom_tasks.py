"""The form of a custom task."""

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
        label="Title",
        error_messages={"required": "Enter a title that both sides understand."},
    )
    instructions = forms.CharField(
        required=False,
        max_length=5000,
        strip=True,
        widget=forms.Textarea(attrs={"rows": 5}),
        label="Instructions, and how to recognise that it is done",
    )
    phase = forms.ChoiceField(label="Phase")
    responsibility = forms.ChoiceField(choices=Responsibility, label="Responsible")
    due_on = forms.DateField(
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        label="Due on",
        error_messages={"invalid": "Enter a day, such as 2026-12-31."},
        validators=[refuse_far_away],
    )
    is_per_domain = forms.BooleanField(
        required=False, label="Do this task for each domain that sends or receives mail"
    )
    is_optional = forms.BooleanField(
        required=False, label="Optional: no task waits for it, and it can be declined"
    )
    # The fingerprint of the values on the page. A different one means another user was faster.
    expected = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, plan: Plan, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        phases = Phase.objects.filter(plan=plan).values_list("key", "title")
        cast(forms.ChoiceField, self.fields["phase"]).choices = list(phases)

    def content(self) -> CustomTaskContent:
        """The typed values; only for a valid form."""
        return CustomTaskContent(**{k: v for k, v in self.cleaned_data.items() if k != "expected"})

    def show_conflict(self, now: CustomTaskContent | None) -> None:
        """Show the stored values next to the typed ones, and let the user save again."""
        typed = self.content()
        fingerprint = now.fingerprint if now is not None else ""
        self.data = {
            **{name: self.data.get(name, "") for name in self.fields},
            "expected": fingerprint,
        }
        if now is None:
            return
        for name, value in asdict(now).items():
            if getattr(typed, name) != value:
                self.add_error(name, f"Current value: {self._shown(name, value)}.")

    def _shown(self, name: str, value: Any) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        if value in (None, ""):
            return "empty"
        choices = dict(getattr(self.fields[name], "choices", ()))
        return f"“{choices.get(value, value)}”"
