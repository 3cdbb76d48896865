"""Forms of the sign-off, of residual risks, of closing, of reopening and of erasure."""

from __future__ import annotations

from typing import Any

from django import forms

from onboarding.plans.transitions import LONGEST_REASON
from tenants.models import Tenant


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


class EraseForm(forms.Form):
    """The name of the tenant, which the service compares."""

    name = forms.CharField(
        required=False, widget=forms.TextInput(attrs={"autocomplete": "off", "required": True})
    )

    def __init__(self, data: Any = None, *, tenant: Tenant) -> None:
        super().__init__(data, auto_id="erase-%s")
        self.fields["name"].label = f"Enter the tenant’s name, {tenant}, to confirm"
