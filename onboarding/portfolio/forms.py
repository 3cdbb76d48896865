"""Forms of the bulk change of tasks, and of the what-if of a forecast."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django import forms

from checks.lab.zone_records import APEX, MAX_TTL, TYPES
from onboarding.plans.forms.dates import (
    DAY_ERRORS,
    refuse_far_away,
)
from onboarding.portfolio.bulk import BulkChange
from tenants.models import Authentication, DirectoryMethod, Platform

FARTHEST_WHAT_IF = timedelta(days=730)
_DAY_INPUT = forms.DateInput(attrs={"type": "date"})


class BulkForm(forms.Form):
    """The change of all selected tasks. An empty field changes nothing."""

    person = forms.CharField(required=False, max_length=32)
    due_on = forms.DateField(
        required=False,
        label="Due on",
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages=DAY_ERRORS,
        validators=[refuse_far_away],
    )
    comment = forms.CharField(
        required=False, strip=True, max_length=5000, widget=forms.Textarea(attrs={"rows": 2})
    )
    remind = forms.BooleanField(required=False)

    def change(self) -> BulkChange:
        return BulkChange(**self.cleaned_data)


class LabRecordForm(forms.Form):
    """A record to publish in a zone of the lab."""

    value = forms.CharField(label="Value", max_length=2000)
    type = forms.ChoiceField(
        label="Type",
        choices=[(each, each) for each in TYPES],
        error_messages={"invalid_choice": f"The lab serves {', '.join(TYPES)} records."},
    )
    label = forms.CharField(label="Name", required=False, max_length=253)
    ttl = forms.IntegerField(
        label="TTL in seconds",
        required=False,
        min_value=0,
        max_value=MAX_TTL,
        error_messages={"invalid": "A TTL is a number of seconds."},
    )
    replace = forms.BooleanField(label="Replace current records", required=False)

    def record(self) -> dict[str, Any]:
        """The arguments of `Lab.publish`."""
        cleaned = self.cleaned_data
        return {
            "rtype": cleaned["type"],
            "value": cleaned["value"],
            "label": cleaned["label"] or APEX,
            "ttl": cleaned["ttl"],
            "instead": cleaned["replace"],
        }


class WhatIfForm(forms.Form):
    """A what-if of the forecast. An empty field changes nothing. Nothing is stored."""

    platform = forms.ChoiceField(choices=[("", "No change"), *Platform.choices], required=False)
    directory_method = forms.ChoiceField(
        choices=[("", "No change"), *DirectoryMethod.choices], required=False
    )
    authentication = forms.ChoiceField(
        choices=[("", "No change"), *Authentication.choices], required=False
    )
    add_product = forms.ChoiceField(required=False)
    remove_product = forms.ChoiceField(required=False)
    outbound_on = forms.DateField(
        required=False, label="Outbound cutover on", widget=_DAY_INPUT, error_messages=DAY_ERRORS
    )
    inbound_on = forms.DateField(
        required=False, label="Inbound cutover on", widget=_DAY_INPUT, error_messages=DAY_ERRORS
    )
    task = forms.ChoiceField(required=False)
    done_on = forms.DateField(
        required=False, label="Done on", widget=_DAY_INPUT, error_messages=DAY_ERRORS
    )

    def __init__(
        self,
        *args: Any,
        today: date,
        tasks: Sequence[tuple[str, str]],
        products: Mapping[str, str],
        bought: Collection[str],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.today = today
        offered = {
            "task": list(tasks),
            "add_product": [each for each in products.items() if each[0] not in bought],
            "remove_product": [each for each in products.items() if each[0] in bought],
        }
        for name, choices in offered.items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [("", "No change"), *choices]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        for name in ("outbound_on", "inbound_on", "done_on"):
            day = cleaned.get(name)
            if day is None:
                continue
            if day < self.today:
                self.add_error(name, "This day is in the past. Enter today or a later day.")
            elif day > self.today + FARTHEST_WHAT_IF:
                self.add_error(name, "Enter a day within two years of today.")
        if not self.errors and bool(cleaned.get("task")) != bool(cleaned.get("done_on")):
            missing = "done_on" if cleaned.get("task") else "task"
            self.add_error(missing, "Choose both the task and the day on which it is done.")
        return cleaned
