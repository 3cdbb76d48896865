"""TODO docstring."""

from __future__ import annotations

from django import forms

from onboarding.plans.transitions import LONGEST_REASON


class SignOffForm(forms.Form):
    reason = forms.CharField(
        strip=True,
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 4}),
        label="In your own words: the implementation is complete, and what is left to watch",
        help_text="Once both sides have signed, the plan is kept as it is and nobody changes it any"
        " more. The checks go on watching what was proven.",
        error_messages={"required": "Say it in a few words: they stay with the plan."},
    )


class ReopenForm(forms.Form):
    reason = forms.CharField(
        strip=True,
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="Why it is opened again",
        error_messages={"required": "Say why in a few words: they stay with the activity."},
    )
