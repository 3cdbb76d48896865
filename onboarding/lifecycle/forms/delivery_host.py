"""The form that confirms a delivery host of hosted mailboxes, or names another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from checks.engine.expected_values import MIMECAST_DOMAINS
from checks.local_addresses import local_address_refusal
from onboarding.lifecycle.forms.recipients import foreign_recipient_error
from tenants.errors import TenantError
from tenants.names import normalise_host


class DeliveryHostForm(forms.Form):
    """The name of the host, a test recipient, and the consent that a consultant records."""

    name = forms.CharField(
        label="Delivery host",
        max_length=2000,
        strip=True,
        error_messages={"required": "Enter the name of the host, such as mail.example.com."},
        help_text="Microsoft 365: admin centre → Settings → Domains → the domain → DNS records.",
    )
    recipient = forms.EmailField(
        label="Test recipient",
        required=False,
        help_text="Hosted mailboxes reject a sender only after the recipient. Gangway names this"
        " address to the host and sends no message.",
    )
    consent = forms.BooleanField(
        label="The client agrees that Gangway connects to it", required=False
    )

    def __init__(
        self, *args: Any, may_consent: bool, domains: Sequence[str], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.domains = domains
        if not may_consent:
            del self.fields["consent"]

    def clean_name(self) -> str:
        try:
            name = normalise_host(self.cleaned_data["name"])
        except TenantError as error:
            raise ValidationError(str(error)) from error
        refusal = local_address_refusal(name)
        if refusal:
            raise ValidationError(refusal)
        if any(f".{name}".endswith(f".{domain}") for domain in MIMECAST_DOMAINS):
            raise ValidationError(
                f"{name} is a host of Mimecast. Enter the host to which Mimecast delivers."
            )
        return name

    def clean_recipient(self) -> str:
        typed: str = self.cleaned_data["recipient"]
        if not typed.isascii():
            raise ValidationError(
                "Use an address with ASCII characters only. Port 25 accepts no others."
            )
        error = foreign_recipient_error(typed, self.domains)
        if error:
            raise ValidationError(error)
        return typed

    @property
    def has_consent(self) -> bool:
        return bool(self.cleaned_data.get("consent"))
