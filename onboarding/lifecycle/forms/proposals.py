"""Forms for the values that a console shows. They read a value exactly as the profile does."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from django import forms

from onboarding.lifecycle.forms.profile import VALUE_LABELS, ConsoleValues, HostForm, HostNames
from onboarding.lifecycle.proposals import ProposalEntry, state_of
from tenants.models import Domain, Host
from tenants.proposals import ProposalKind, has_confirmed, proposal_of, values_in_use

LONGEST_REASON = Host._meta.get_field("rejection_reason").max_length or 0


class ValuesForm(ConsoleValues, forms.Form):
    """The values of one kind for one domain.

    A user who decides enters the confirmed value. For a client the form proposes one.
    """

    # The state of the value on the page. A different one means another user was faster.
    expected = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        domain: Domain,
        kind: ProposalKind,
        decides: bool,
    ) -> None:
        super().__init__(data, auto_id=f"{domain.public_id}-{kind}-%s")
        self.kind, self.decides = kind, decides
        self.stored = state_of(domain, kind)
        self.fields["expected"].initial = self.stored
        proposal = proposal_of(domain, kind)
        shown = proposal.values if proposal and not decides else values_in_use(domain, kind)
        self.fields |= forms.fields_for_model(Domain, kind.fields, labels=VALUE_LABELS)
        self.initial.update(shown)
        if has_confirmed(domain, kind) and not decides:
            self.fields["is_change"] = forms.BooleanField(
                label="Propose a change of the confirmed value",
                required=False,
                initial=proposal is not None,
            )

    def entry(self) -> ProposalEntry:
        """The entered values; only for a valid form."""
        cleaned = self.cleaned_data
        values = {name: str(cleaned[name]) for name in self.kind.fields}
        return ProposalEntry(values, cleaned["expected"], bool(cleaned.get("is_change")))

    def show_conflict(self) -> None:
        """Preserve the typed values for another attempt against the current one."""
        typed = {name: self.data.get(name, "") for name in self.fields}
        self.data = {**typed, "expected": self.stored}


class HostProposalForm(HostNames, forms.Form):
    """A delivery host with its port."""

    name = copy.deepcopy(HostForm.base_fields["name"])
    port = copy.deepcopy(HostForm.base_fields["port"])

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, auto_id="delivery-host-%s")
        self.fields["port"].initial = 25


class RejectionForm(forms.Form):
    """The reason of a rejection. The client reads it."""

    reason = forms.CharField(
        label="Reason",
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Enter the reason. The client reads it next to the value."},
    )
    expected = forms.CharField(required=False, widget=forms.HiddenInput)
