"""Forms of the schedule: working time, holidays, freezes and due dates."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, ClassVar

from django import forms
from django.db.models import Q

from onboarding.models import Freeze, Holiday, WorkingTime
from tenants import database_time

_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


MAX_REMINDER_DAYS = 60


DAY_ERRORS: dict[str, Any] = {
    "invalid": "Enter a day, such as 2026-12-31.",
    "required": "Enter a day, such as 2026-12-31.",
}


LONGEST_FREEZE = 366


_FARTHEST = timedelta(days=3660)


def refuse_far_away(day: date) -> None:
    """Reject a typing error: counting working days over thousands of years takes too long."""
    if abs(day - database_time.now().date()) > _FARTHEST:
        raise forms.ValidationError("Enter a day within ten years of today.")


class WorkingTimeForm(forms.ModelForm[WorkingTime]):
    weekdays = forms.MultipleChoiceField(
        choices=[(str(number), name) for number, name in enumerate(_DAYS)],
        widget=forms.CheckboxSelectMultiple,
        label="Working days",
        error_messages={"required": "Choose at least one day. The working days were not changed."},
    )

    class Meta:
        model = WorkingTime
        fields: ClassVar[list[str]] = ["weekdays", "opens", "closes", "remind_after_working_days"]
        labels: ClassVar[dict[str, str]] = {
            "remind_after_working_days": "Automatic reminder after … working days"
        }
        help_texts: ClassVar[dict[str, str]] = {
            "remind_after_working_days": "Reminds the side that a task waits for, and repeats after"
            " the same number of days. 0 means never."
        }
        widgets: ClassVar[dict[str, Any]] = {
            "opens": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "closes": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["weekdays"] = list(self.instance.weekdays)

    def clean_remind_after_working_days(self) -> int:
        days: int = self.cleaned_data["remind_after_working_days"]
        if days > MAX_REMINDER_DAYS:
            raise forms.ValidationError(
                f"Enter a number from 0 to {MAX_REMINDER_DAYS}. It was not changed."
            )
        return days

    def clean_weekdays(self) -> str:
        return "".join(sorted(self.cleaned_data["weekdays"]))

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        opens, closes = cleaned.get("opens"), cleaned.get("closes")
        if opens and closes and closes <= opens:
            self.add_error("closes", "The end of the day must be after its start.")
        return cleaned


class HolidayForm(forms.ModelForm[Holiday]):
    class Meta:
        model = Holiday
        fields: ClassVar[list[str]] = ["day", "name"]
        widgets: ClassVar[dict[str, Any]] = {"day": forms.DateInput(attrs={"type": "date"})}
        error_messages: ClassVar[dict[str, dict[str, str]]] = {"day": DAY_ERRORS}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        day, tenant_id = cleaned.get("day"), self.instance.tenant_id
        # Without a tenant, a holiday of Mimecast.
        owner = Q(tenant__isnull=True) if tenant_id is None else Q(tenant_id=tenant_id)
        if day and Holiday.objects.filter(owner, day=day).exists():
            self.add_error("day", "This day is already a holiday.")
        return cleaned


class FreezeForm(forms.ModelForm[Freeze]):
    class Meta:
        model = Freeze
        fields: ClassVar[list[str]] = ["first_day", "last_day", "reason"]
        widgets: ClassVar[dict[str, Any]] = {
            "first_day": forms.DateInput(attrs={"type": "date"}),
            "last_day": forms.DateInput(attrs={"type": "date"}),
        }
        error_messages: ClassVar[dict[str, dict[str, str]]] = {
            "first_day": DAY_ERRORS,
            "last_day": DAY_ERRORS,
            "reason": {"required": "Enter the reason for the freeze, such as the year-end close."},
        }

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        first, last = cleaned.get("first_day"), cleaned.get("last_day")
        if first and last and last < first:
            self.add_error("last_day", "Choose a last day on or after the first day.")
        if first and last and (last - first).days >= LONGEST_FREEZE:
            self.add_error("last_day", f"A freeze can last {LONGEST_FREEZE} days at most.")
        return cleaned


class DueForm(forms.Form):
    """A due date; empty to return to the date of the template."""

    due_on = forms.DateField(
        required=False,
        error_messages=DAY_ERRORS,
        validators=[refuse_far_away],
        help_text="An empty date returns to the date of the plan template.",
    )
