"""Refuses hosts with an address that exists only inside a private network."""

from __future__ import annotations

from django.conf import settings

from checks.engine.addresses import is_exception, is_local_use, parse_address


def local_address_refusal(name: str) -> str:
    """The sentence that refuses the host; empty for a name and for every other address.

    Gangway connects to no private network, and Mimecast cannot reach one. The operator's exceptions
    (`CHECKS_ALLOWED_NETWORKS`) are allowed. A name is resolved later, by the worker that connects.
    """
    address = parse_address(name)
    if address is None or not is_local_use(address):
        return ""
    if is_exception(address, settings.CHECKS_ALLOWED_NETWORKS):
        return ""
    return (
        f"{name} is an address of a private network, which Mimecast and Gangway cannot reach."
        " Enter the public name or address of the host."
    )
