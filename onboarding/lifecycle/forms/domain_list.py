"""The first field of a new tenant: its domains, one per line."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError

from onboarding.lifecycle.zone_import import MOST_DOMAINS
from tenants.errors import TenantError
from tenants.names import display_domain, normalise_registered_domain

# The errors that one field shows.
_SHOWN = 5


class DomainListForm(forms.Form):
    """Domains, URLs or e-mail addresses. `changed` has the entries that were no plain names."""

    domains = forms.CharField(
        label="Domains, one per line",
        max_length=60_000,
        widget=forms.Textarea(
            attrs={"rows": 6, "spellcheck": "false", "autocapitalize": "off", "class": "mono"}
        ),
        help_text="The primary domain first. Include parked domains, and those that only send.",
        error_messages={"required": "Enter at least one domain, such as client.example."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.changed: list[tuple[str, str]] = []

    def clean_domains(self) -> list[str]:
        """The names without repetition, in the order of the entry."""
        names: dict[str, str] = {}
        errors: list[str] = []
        for number, line in enumerate(self.cleaned_data["domains"].splitlines(), start=1):
            for entry in filter(None, map(str.strip, line.replace(";", ",").split(","))):
                try:
                    name = normalise_registered_domain(_host_in(entry))
                except TenantError as error:
                    errors.append(f"Line {number}: {error}")
                else:
                    names.setdefault(name, entry)
        if not names and not errors:
            errors.append("Enter at least one domain, such as client.example.")
        if not errors and len(names) > MOST_DOMAINS:
            errors.append(f"A tenant has at most {MOST_DOMAINS} domains. Remove some lines.")
        if errors:
            more = len(errors) - _SHOWN
            tail = [f"{more} more entries have an error."] if more > 0 else []
            raise ValidationError([*errors[:_SHOWN], *tail])
        self.changed = [(e, name) for name, e in names.items() if _is_other(e, name)]
        return list(names)


def _host_in(entry: str) -> str:
    """The host of a URL, the domain of an e-mail address, or the entry."""
    if "://" in entry:
        try:
            return urlsplit(entry).hostname or entry
        except ValueError:
            return entry
    return entry.rpartition("@")[2].partition("/")[0]


def _is_other(entry: str, name: str) -> bool:
    """Whether the name is not only the entry in lower case."""
    return entry.casefold().rstrip(".") not in (name, display_domain(name).casefold())
