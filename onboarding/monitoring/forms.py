"""Forms for the reactions to a drift: a reason, or the end of a mute."""

from __future__ import annotations

import zoneinfo
from datetime import datetime, time
from typing import Any

from django import forms

from onboarding.monitoring.drifts import MAX_REASON_LENGTH
from tenants.models import Tenant


class DriftReasonForm(forms.Form):
    """The reason of an acknowledgement or of an acceptance."""

    reason = forms.CharField(
        strip=True,
        max_length=MAX_REASON_LENGTH,
        widget=forms.Textarea(attrs={"rows": 2}),
        label="Who will fix it, or why it can remain",
        error_messages={"required": "Enter a reason. Others can read it here."},
    )


class RegionAcceptanceForm(DriftReasonForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[
            "reason"
        ].label = "Change made to use the new values, and the person who made it"


class MuteForm(forms.Form):
    """The last day, in the tenant's time zone, without notifications."""

    until = forms.DateField(
        widget=forms.DateInput(attrs={"type": "date"}),
        label="No notifications until the end of",
        error_messages={
            "required": "Choose a day.",
            "invalid": "Enter a day, such as 2026-12-31.",
        },
    )

    def __init__(self, *args: Any, tenant: Tenant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.time_zone = zoneinfo.ZoneInfo(tenant.time_zone)

    def clean_until(self) -> datetime:
        day = self.cleaned_data["until"]
        return datetime.combine(day, time(23, 59, 59), tzinfo=self.time_zone)
