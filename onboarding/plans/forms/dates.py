"""Dates as people type them: working time, holidays, a due date."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, ClassVar

from django import forms
from django.utils import timezone

from onboarding.models import Freeze, Holiday, WorkingTime

_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


MOST_CHASE_DAYS = 60


_DAY = {
    "invalid": "Enter a day, such as 2026-12-31.",
    "required": "Enter a day, such as 2026-12-31.",
}


LONGEST_FREEZE = 366


_FARTHEST = timedelta(days=3660)


def refuse_far_away(day: date) -> None:
    """A slip of the keyboard; what counts working days would count for thousands of years."""
    if abs(day - timezone.now().date()) > _FARTHEST:
        raise forms.ValidationError("Enter a day within ten years of today.")


class WorkingTimeForm(forms.ModelForm[WorkingTime]):
    weekdays = forms.MultipleChoiceField(
        choices=[(str(number), name) for number, name in enumerate(_DAYS)],
        widget=forms.CheckboxSelectMultiple,
        label="Working days",
        error_messages={"required": "Choose one day at least; the working days are as they were."},
    )

    class Meta:
        model = WorkingTime
        fields: ClassVar[list[str]] = ["weekdays", "opens", "closes", "remind_after_working_days"]
        labels: ClassVar[dict[str, str]] = {
            "remind_after_working_days": "Remind by ourselves after so many working days"
        }
        help_texts: ClassVar[dict[str, str]] = {
            "remind_after_working_days": "Of a step that waits for a side so long, only that side is told; "
            "again after as many days. 0 for never."
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
        if days > MOST_CHASE_DAYS:
            raise forms.ValidationError(
                f"Write a number from 0 to {MOST_CHASE_DAYS}; it is as it was."
            )
        return days

    def clean_weekdays(self) -> str:
        return "".join(sorted(self.cleaned_data["weekdays"]))

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        opens, closes = cleaned.get("opens"), cleaned.get("closes")
        if opens and closes and closes <= opens:
            self.add_error("closes", "The day must end after it begins.")
        return cleaned


class HolidayForm(forms.ModelForm[Holiday]):
    class Meta:
        model = Holiday
        fields: ClassVar[list[str]] = ["day", "name"]
        widgets: ClassVar[dict[str, Any]] = {"day": forms.DateInput(attrs={"type": "date"})}
        error_messages: ClassVar[dict[str, dict[str, str]]] = {"day": _DAY}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        day = cleaned.get("day")
        if day and Holiday.objects.filter(tenant_id=self.instance.tenant_id, day=day).exists():
            self.add_error("day", "That day is a holiday already.")
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
            "first_day": _DAY,
            "last_day": _DAY,
            "reason": {"required": "Say what the freeze is for, such as the year-end close."},
        }

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        first, last = cleaned.get("first_day"), cleaned.get("last_day")
        if first and last and last < first:
            self.add_error("last_day", "A freeze ends on the day it begins, or later.")
        if first and last and (last - first).days >= LONGEST_FREEZE:
            self.add_error("last_day", f"A freeze of more than {LONGEST_FREEZE} days is a mistake.")
        return cleaned


class DueForm(forms.Form):
    """A day, or nothing to follow the template again."""

    due_on = forms.DateField(required=False, error_messages=_DAY, validators=[refuse_far_away])
