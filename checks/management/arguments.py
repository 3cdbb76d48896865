"""What the commands that ask the network share: reading their arguments, and printing safely."""

from __future__ import annotations

from checks.engine.addresses import parse_address
from checks.engine.network import Endpoint, parse_endpoint
from tenants.errors import TenantError
from tenants.names import normalise_domain

EXIT_USAGE = 64


class BadArguments(Exception):
    """What was typed will not do; the message says why."""


def domain_of(text: str) -> str:
    try:
        return normalise_domain(text)
    except TenantError as error:
        raise BadArguments(str(error)) from error


def nameserver_of(text: str | None) -> tuple[Endpoint, ...]:
    if text is None:
        return ()
    endpoint = parse_endpoint(text.strip(), 53)
    if endpoint is None or parse_address(endpoint[0]) is None:
        raise BadArguments(f"“{text}” is not an address with a port, such as 192.0.2.53:53.")
    return (endpoint,)


def plain(value: object) -> str:
    """Text from strangers' zones, made safe for a terminal: no control character gets through."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
