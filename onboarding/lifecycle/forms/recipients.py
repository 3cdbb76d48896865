"""The test recipient of a delivery host: an address of the client, at no other company."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def foreign_recipient_error(address: str, domains: Sequence[str]) -> str:
    """The error in a test recipient outside these domains; empty for one of them.

    Gangway names the recipient to the host. An address at another company would ask that company's
    servers, and a refusal there says nothing about the client's host.
    """
    domain = address.rpartition("@")[2].lower().removesuffix(".")
    if not address or not domains:
        return ""
    if any(f".{domain}".endswith(f".{own}") for own in domains):
        return ""
    return (
        f"{domain} is no domain of this tenant. Use an address that belongs to the client, such as"
        f" postmaster@{domains[0]}."
    )


def refuse_foreign_recipients(domain_forms: Any, host_forms: Any) -> bool:
    """Add the error to each host whose test recipient is outside the domains of the same profile.

    Both formsets are valid. Returns whether no error was added.
    """
    names = [form.cleaned_data["name"] for form in domain_forms.rows()]
    found = False
    for form in host_forms.rows():
        error = foreign_recipient_error(form.cleaned_data.get("recipient") or "", names)
        if error:
            form.add_error("recipient", error)
            found = True
    return not found
