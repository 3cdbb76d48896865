"""Resolve a host once, to an address that Gangway may connect to."""

from __future__ import annotations

import socket

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


def resolved(name: str, port: int) -> list[str]:
    """The addresses of the host. Raises NoPublicAddressError if there is none."""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NoPublicAddressError(f"{name} has no address") from error
    if not found:
        raise NoPublicAddressError(f"{name} has no address")
    return [str(each[4][0]) for each in found]
