"""Resolve a host once, to an address that Gangway may connect to."""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import ip_address

from django.conf import settings
from django.utils.module_loading import import_string


class NoPublicAddressError(OSError):
    """The host has no address, or leads to a private one."""


def public_address(name: str, port: int) -> str:
    """An address of the host. Connect to it, and to no name: a second resolution could differ.

    Raises NoPublicAddressError unless all addresses are public: a name that leads to a private
    address as well is no ordinary server.
    """
    is_public = import_string(settings.PUBLIC_ADDRESS_TEST)
    addresses = resolved(name, port)
    if not all(map(is_public, addresses)):
        raise NoPublicAddressError(f"{name} has no public address")
    return addresses[0]


def is_private_literal(host: str) -> bool:
    """Whether the text is an IP address, in any spelling, that is not public. Sends no query."""
    address = ""
    with suppress(ValueError):
        address = str(ip_address(host.partition("%")[0]))
    with suppress(OSError, UnicodeError):
        # The C library also accepts decimal, octal, hexadecimal and short forms.
        address = socket.inet_ntoa(socket.inet_aton(host))
    return bool(address) and not import_string(settings.PUBLIC_ADDRESS_TEST)(address)


def resolved(name: str, port: int) -> list[str]:
    """The addresses of the host. Raises NoPublicAddressError if there is none."""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NoPublicAddressError(f"{name} has no address") from error
    if not found:
        raise NoPublicAddressError(f"{name} has no address")
    return [str(each[4][0]) for each in found]
