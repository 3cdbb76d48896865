"""The form of a task's typed fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from onboarding.plans.field_services import fingerprint
from onboarding.plans.task_fields import (
    FieldError,
    FieldRow,
    FieldType,
    read_value,
    refuse_early_date,
)
from tenants.errors import TenantError
from tenants.models import Tenant
from tenants.regions import load_regions, region_for_account_code


class TaskFieldsForm(forms.Form):
    """One form field for each field of the task. A file is attached as evidence instead."""

    # The fingerprint of the values on the page. A different one means another user was faster.
    expected = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(
        self, data: Any = None, *, rows: Sequence[FieldRow], tenant: Tenant, key: str
    ) -> None:
        super().__init__(data, auto_id=f"{key}-%s")
        self.tenant = tenant
        self.rows = {row.name: row for row in rows if not row.definition.is_read_only}
        self.stored = fingerprint(rows)
        self.fields["expected"].initial = self.stored
        for row in self.rows.values():
            self.fields[row.name] = _form_field(row)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        for name, row in self.rows.items():
            if name in cleaned:
                try:
                    cleaned[name] = self._value_of(row, cleaned[name])
                except (FieldError, TenantError) as error:
                    self.add_error(name, str(error))
        return cleaned

    def _value_of(self, row: FieldRow, text: str) -> Any:
        value = read_value(row.definition, text)
        refuse_early_date(row.definition, value, self.tenant)
        if row.definition.profile == "account_code" and value is not None:
            return _account_code(value, self.tenant)
        return value

    def values(self) -> dict[str, Any]:
        """The values by form field; only for a valid form."""
        return {name: self.cleaned_data[name] for name in self.rows}

    def show_conflict(self) -> None:
        """Preserve the typed values for another attempt against the current ones."""
        typed = {name: self.data.get(name, "") for name in self.fields}
        self.data = {**typed, "expected": self.stored}


def _form_field(row: FieldRow) -> forms.CharField:
    definition = row.definition
    widgets: dict[FieldType, forms.Widget] = {
        FieldType.DATE: forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        FieldType.NUMBER: forms.TextInput(attrs={"inputmode": "numeric"}),
        FieldType.CHOICE: forms.Select(
            choices=[("", "not chosen yet"), *((each, each) for each in definition.choices)]
        ),
    }
    return forms.CharField(
        label=row.label,
        # Some values may be saved before the others: only the confirmation needs all of them.
        required=False,
        initial=row.text,
        help_text=definition.help,
        widget=widgets.get(definition.type) or forms.Textarea(attrs={"rows": 2}),
    )


def _account_code(text: str, tenant: Tenant) -> str:
    """The code, if it belongs to the tenant's region. Raises TenantError or FieldError."""
    code = text.upper()
    region = region_for_account_code(code)
    if region.id != tenant.region:
        raise FieldError(
            f"This account code belongs to {region.name}, but the plan is for"
            f" {load_regions()[tenant.region].name}. Check the code. If it is right, a consultant"
            " changes the region in the profile."
        )
    return code
