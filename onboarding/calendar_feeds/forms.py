"""The form of a new calendar feed."""

from __future__ import annotations

from typing import cast

from django import forms

from onboarding.models import CalendarFeed
from tenants.models import Tenant, User
from tenants.permissions import Permission, may, staff_role_of
from tenants.queries import open_tenants_for, tenants_for


class FeedForm(forms.Form):
    """The scope and, for one tenant, the tenant."""

    scope = forms.ChoiceField(label="Calendar")
    tenant = forms.ModelChoiceField(
        queryset=Tenant.objects.none(),
        to_field_name="public_id",
        required=False,
        label="Tenant",
        empty_label="None",
        help_text="Only for the calendar of one tenant.",
    )

    def __init__(self, *args: object, person: User, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        may_see_team = may(staff_role_of(person), Permission.VIEW_DASHBOARD)
        choices = [
            choice
            for choice in CalendarFeed.Scope.choices
            if choice[0] != CalendarFeed.Scope.TEAM or may_see_team
        ]
        cast(forms.ChoiceField, self.fields["scope"]).choices = choices
        # The list has the open tenants. A link can name a closed one.
        shown = tenants_for(person) if self.is_bound or self.initial else open_tenants_for(person)
        cast("forms.ModelChoiceField[Tenant]", self.fields["tenant"]).queryset = shown
