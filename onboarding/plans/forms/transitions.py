"""The forms for the reason of a status change and of an exemption."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from datetime import datetime, time
from typing import Any

from django import forms

from onboarding.models import ManualStatus, Task, TaskRole
from onboarding.plans.transitions import LONGEST_REASON, Transition, input_error
from tenants import database_time
from tenants.models import Tenant

# The consequence of a status, by the role of the task. The form shows it with the reason.
_CONSEQUENCES: Mapping[tuple[str, str | None], str] = {
    (TaskRole.VERIFIES_DKIM, ManualStatus.DECLINED): (
        "If Mimecast signs for no domain, no check can verify the outbound cutover. A consultant"
        " must then accept its risk, and the outbound days do not start."
    ),
    (TaskRole.SWITCHES_OUTBOUND, ManualStatus.ACCEPTED_RISK): (
        "If you accept this risk, the outbound days do not start. They remain a residual risk at"
        " closing."
    ),
}


class TransitionForm(forms.Form):
    """The reason of a status change, and its end date in the tenant's time zone if it needs one."""

    reason = forms.CharField(
        required=False, strip=True, widget=forms.Textarea(attrs={"rows": 3}), label="Reason"
    )
    until = forms.DateField(
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        label="Until",
        error_messages={"invalid": "Enter a day, such as 2026-12-31."},
    )
    # The status on the page. A different one means another user was faster.
    expected = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(
        self, *args: Any, transition: Transition, tenant: Tenant, task: Task, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.transition = transition
        self.time_zone = zoneinfo.ZoneInfo(tenant.time_zone)
        self.fields["expected"].initial = task.status
        if transition.reason_prompt:
            self.fields["reason"].label = transition.reason_prompt
            consequence = _CONSEQUENCES.get((task.role, transition.manual_status), "")
            self.fields["reason"].help_text = consequence
        else:
            del self.fields["reason"]
        if not transition.requires_end_date:
            del self.fields["until"]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        until = self._end_of(cleaned.get("until"))
        cleaned |= {"reason": cleaned.get("reason", ""), "until": until}
        if not self.errors:
            problem = input_error(
                cleaned["reason"], until, self.transition, now=database_time.now()
            )
            if problem:
                is_reason_error = not cleaned["reason"] or len(cleaned["reason"]) > LONGEST_REASON
                named = "reason" if is_reason_error else "until"
                self.add_error(named if named in self.fields else None, problem)
        return cleaned

    def _end_of(self, day: Any) -> datetime | None:
        """The last second of the day, so that "until the 3rd" includes the 3rd."""
        if day is None:
            return None
        return datetime.combine(day, time(23, 59, 59), tzinfo=self.time_zone)

    def show_conflict(self, task: Task, problem: str) -> None:
        """Show the conflict, keep the typed values, and let the user decide by the new status."""
        typed = {name: self.data.get(name, "") for name in self.fields}
        self.data = {**typed, "expected": task.status}
        self.add_error(None, problem)


class ExemptionForm(forms.Form):
    reason = forms.CharField(
        strip=True,
        max_length=300,
        label="Why is this domain exempt from the task?",
        help_text="For example: parked, never receives mail.",
        error_messages={"required": "Enter a reason. The domain is still in scope."},
    )
