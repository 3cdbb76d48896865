"""Forms of the sign-off, of residual risks, of closing without completion and of reopening."""

from __future__ import annotations

from django import forms

from onboarding.plans.transitions import LONGEST_REASON


class SignOffForm(forms.Form):
    reason = forms.CharField(
        strip=True,
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 4}),
        label="Statement that the implementation is complete, with points to monitor",
        help_text="After both sides sign off, the plan is read-only. The checks continue to monitor"
        " the verified settings.",
        error_messages={"required": "Enter a statement. It is stored with the plan."},
    )


class ResidualRiskForm(forms.Form):
    """The reason for accepting one residual risk. The page identifies the risk in hidden fields."""

    reason = forms.CharField(
        strip=True,
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
        label="Reason for accepting this risk",
        error_messages={"required": "Enter a reason. The closing pack contains it."},
    )


class CloseForm(forms.Form):
    """The reason for closing a tenant before its implementation is complete."""

    reason = forms.CharField(
        strip=True,
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="Reason for closing before completion",
        error_messages={"required": "Enter a reason. It is stored in the activity log."},
    )


class ReopenForm(forms.Form):
    reason = forms.CharField(
        strip=True,
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="Reason for reopening",
        error_messages={"required": "Enter a reason. It is stored in the activity log."},
    )
