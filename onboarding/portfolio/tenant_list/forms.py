"""Forms of the list of tenants: a saved view, and a bulk action."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django import forms
from django.http import QueryDict

from onboarding.models import SavedView
from onboarding.portfolio.export_formats import MEDIA_TYPES
from onboarding.portfolio.tenant_list.bulk import TenantAction, consultants
from onboarding.portfolio.tenant_list.list_state import query_of
from onboarding.portfolio.tenant_list.saved_views import LONGEST_QUERY
from tenants.models import Tenant

NO_CONSULTANT = "none"
CLONE = "clone"


class SavedViewForm(forms.ModelForm[SavedView]):
    """A view: its name, and the query of the list that it stores."""

    query = forms.CharField(required=False, max_length=LONGEST_QUERY, widget=forms.HiddenInput)

    class Meta:
        model = SavedView
        fields = ("name", "query", "is_shared", "is_default")
        labels: ClassVar[dict[str, str]] = {
            "is_shared": "Share with all staff",
            "is_default": "Open my list with this view",
        }

    def clean_query(self) -> str:
        """The known parameters alone."""
        return query_of(QueryDict(self.cleaned_data["query"]))


_ACTIONS = {
    TenantAction.REMIND.value: "Send reminders",
    TenantAction.RUN_CHECKS.value: "Check now",
    TenantAction.ASSIGN.value: "Change consultant",
    CLONE: "Clone profile",
    **{ending: f"Export as {ending.upper()}" for ending in MEDIA_TYPES},
}


_CHOOSE_ACTION = "Choose an action. Nothing was changed."


class TenantBulkForm(forms.Form):
    """An action on the selected tenants. `consultant` is the id of the new one.

    The rows of the list have the selected tenants, which the service checks.
    """

    action = forms.ChoiceField(
        choices=list(_ACTIONS.items()),
        error_messages={"required": _CHOOSE_ACTION, "invalid_choice": _CHOOSE_ACTION},
    )
    consultant = forms.ChoiceField(
        required=False,
        error_messages={
            "invalid_choice": "Choose a consultant from the list. Nothing was changed."
        },
        widget=forms.Select(attrs={"id": "bulk-consultant"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.people = {person.public_id: person for person in consultants()}
        names = [(key, person.name) for key, person in self.people.items()]
        field = self.fields["consultant"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "Choose a consultant"), *names, (NO_CONSULTANT, "No consultant")]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("action") == TenantAction.ASSIGN and cleaned.get("consultant") == "":
            self.add_error("consultant", "Choose a consultant. Nothing was changed.")
        return cleaned

    def offer(self, tenants: Iterable[Tenant]) -> None:
        """Add the selection, for a page without the list. Call it after the validation."""
        self.fields["tenant"] = forms.MultipleChoiceField(
            label="Selected tenants",
            choices=[(tenant.public_id, tenant.name) for tenant in tenants],
            widget=forms.CheckboxSelectMultiple,
        )
