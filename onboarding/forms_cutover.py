"""Forms of the cutover room."""

from __future__ import annotations

from typing import Any

from django import forms

from checks.engine.proposing import MOST_CHARACTERS
from onboarding.deciding import Window
from onboarding.voting import Ballot, client_approvers, staff_approvers
from tenants.models import Domain, Tenant, User


class WindowForm(forms.Form):
    """Confirming a window. The start is the one that was shown, so that a move is noticed."""

    planned_at = forms.DateTimeField(widget=forms.HiddenInput)
    length_minutes = forms.IntegerField(min_value=15, max_value=2880)
    outbound_days = forms.IntegerField(min_value=0, max_value=60)
    accepted_risk = forms.CharField(max_length=1000, required=False, strip=True)

    @property
    def window(self) -> Window:
        return Window(**self.cleaned_data)


class ApproversForm(forms.Form):
    """Who says go or no-go, one of each side."""

    mimecast = forms.ModelChoiceField(
        User.objects.none(), required=False, to_field_name="public_id"
    )
    client = forms.ModelChoiceField(User.objects.none(), required=False, to_field_name="public_id")

    def __init__(self, *args: Any, tenant: Tenant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, people in (("mimecast", staff_approvers()), ("client", client_approvers(tenant))):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = people


class BallotForm(forms.Form):
    """An approver's go or no-go."""

    planned_at = forms.DateTimeField(widget=forms.HiddenInput)
    says = forms.ChoiceField(choices=[("go", "Go"), ("no-go", "No-go")])
    words = forms.CharField(max_length=1000, required=False, strip=True)
    accepted_risk = forms.CharField(max_length=1000, required=False, strip=True)

    @property
    def ballot(self) -> Ballot:
        said = self.cleaned_data
        return Ballot(
            said["planned_at"], said["says"] == "go", said["words"], said["accepted_risk"]
        )


class ProposalForm(forms.Form):
    """Records of one domain that somebody means to publish."""

    domain = forms.ModelChoiceField(
        Domain.objects.none(), to_field_name="public_id", empty_label=None
    )
    records = forms.CharField(
        max_length=MOST_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false"}),
        help_text="Lines of a zone file, in place of what stands at the same name and type.",
    )

    def __init__(self, *args: Any, tenant: Tenant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["domain"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = tenant.domains.all()
