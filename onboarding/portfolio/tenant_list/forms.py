"""Forms of the list of tenants: a saved view, and a bulk action."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import QueryDict

from onboarding.models import SavedView
from onboarding.portfolio.export_formats import MEDIA_TYPES
from onboarding.portfolio.tenant_list.bulk import TenantAction, consultants
from onboarding.portfolio.tenant_list.list_state import query_of
from onboarding.portfolio.tenant_list.saved_views import LONGEST_QUERY

NO_CONSULTANT = "none"
CLONE = "clone"


class SavedViewForm(forms.ModelForm[SavedView]):
    """A view: its name, and the query of the list that it stores."""

    query = forms.CharField(required=False, max_length=LONGEST_QUERY, widget=forms.HiddenInput)

    class Meta:
        model = SavedView
        fields = ("name", "query", "is_shared", "is_default")

    def clean_query(self) -> str:
        """The known parameters alone."""
        return query_of(QueryDict(self.cleaned_data["query"]))


class TenantBulkForm(forms.Form):
    """An action on the selected tenants. `consultant` is the id of the new one."""

    action = forms.ChoiceField(
        choices=[(each, each) for each in (*TenantAction, CLONE, *MEDIA_TYPES)],
        error_messages={"required": "Choose an action.", "invalid_choice": "Choose an action."},
    )
    consultant = forms.ChoiceField(
        required=False,
        error_messages={"invalid_choice": "Choose a consultant of the list."},
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
        if cleaned.get("action") == TenantAction.ASSIGN and not cleaned.get("consultant"):
            self.add_error("consultant", "Choose a consultant.")
        return cleaned

    @property
    def first_error(self) -> str:
        return next(str(sentence) for found in self.errors.values() for sentence in found)
