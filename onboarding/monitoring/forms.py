"""What people say of a drift: words, or a day until which they want to hear nothing of it."""

from __future__ import annotations

import zoneinfo
from datetime import datetime, time
from typing import Any

from django import forms

from onboarding.monitoring.drifts import MAX_REASON_LENGTH
from tenants.models import Tenant


class DriftReasonForm(forms.Form):
    """What comes of it, or how it was taken over."""

    reason = forms.CharField(
        strip=True,
        max_length=MAX_REASON_LENGTH,
        widget=forms.Textarea(attrs={"rows": 2}),
        label="What comes of it: who sees to it, or why it may stay",
        error_messages={"required": "Say it in a few words: others read them here."},
    )


class RegionAcceptanceForm(DriftReasonForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].label = "What was changed to follow the new values, and by whom"


class MuteForm(forms.Form):
    """The last day, in the tenant's time zone, on which nothing is sent."""

    until = forms.DateField(
        widget=forms.DateInput(attrs={"type": "date"}),
        label="No messages until the end of",
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
