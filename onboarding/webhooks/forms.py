"""The form of a new webhook."""

from __future__ import annotations

from django import forms

from tenants.models import Webhook
from tenants.webhooks.services import SUBSCRIBABLE, NewWebhook


class WebhookForm(forms.Form):
    """Name, address, format and events. The service checks the address again."""

    name = forms.CharField(max_length=60, label="Name")
    # Error reports hide the values of fields with this word in their name.
    secret_address = forms.CharField(
        max_length=500,
        label="Address of the target",
        help_text="Starts with https. Gangway stores it encrypted and shows only its host.",
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "inputmode": "url"}
        ),
    )
    format = forms.ChoiceField(choices=Webhook.Format.choices, label="Format")
    events = forms.MultipleChoiceField(
        choices=[(event.value, event.label) for event in SUBSCRIBABLE],
        initial=[event.value for event in SUBSCRIBABLE],
        widget=forms.CheckboxSelectMultiple,
        label="Events",
        error_messages={"required": "Choose at least one event."},
    )

    def entry(self) -> NewWebhook:
        cleaned = self.cleaned_data
        return NewWebhook(
            cleaned["name"], cleaned["secret_address"], cleaned["format"], cleaned["events"]
        )
