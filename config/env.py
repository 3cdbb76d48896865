"""Typed readers of the environment. A bad value raises ImproperlyConfigured with its name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

_YES = {"1", "true", "yes", "on"}
_NO = {"0", "false", "no", "off", ""}
_ENGINES = {
    "postgres": "config.postgresql",
    "postgresql": "config.postgresql",
    "sqlite": "django.db.backends.sqlite3",
}


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def boolean(name: str, *, default: bool) -> bool:
    value = os.environ.get(name)
    if value is None:
        return default
    if value.strip().lower() in _YES:
        return True
    if value.strip().lower() in _NO:
        return False
    raise ImproperlyConfigured(f"{name} is '{value}'; write on or off.")


def integer(name: str, default: int, *, minimum: int = 0, maximum: int = 2**31) -> int:
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    if not value.lstrip("-").isdigit() or not minimum <= int(value) <= maximum:
        raise ImproperlyConfigured(
            f"{name} is '{value}'; write a whole number from {minimum} to {maximum}."
        )
    return int(value)


def comma_separated(name: str, default: Sequence[str] = ()) -> list[str]:
    """A comma-separated list."""
    value = os.environ.get(name)
    if value is None:
        return list(default)
    return [item.strip() for item in value.split(",") if item.strip()]


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    try:
        return [ip_network(item) for item in comma_separated(name)]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}.") from error


def name_servers(name: str) -> list[tuple[str, int]]:
    """A comma-separated list of `ip` or `ip:port`, IPv6 with a port in brackets."""
    try:
        return [name_server(item) for item in comma_separated(name)]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}.") from error


def name_server(text: str) -> tuple[str, int]:
    """Address and port of `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353`.

    Raises ValueError for any other text. The default port is 53.
    """
    address, port = text, "53"
    if text.startswith("["):
        address, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or "53"
    elif text.count(":") == 1:
        address, port = text.split(":")
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"'{text}' has no valid port")
    return str(ip_address(address)), int(port)


def required(name: str, required_by: str) -> str:
    """A text that must be set if `required_by` is set."""
    value = text(name)
    if text(required_by) and not value:
        raise ImproperlyConfigured(f"{required_by} is set: set {name} too.")
    return value


def web_address(name: str, *, plain_allowed: bool) -> str:
    """An https URL, or an empty string. `plain_allowed` also permits http."""
    value = text(name).rstrip("/")
    schemes = ("https", "http") if plain_allowed else ("https",)
    if value and (urlsplit(value).scheme not in schemes or not urlsplit(value).hostname):
        raise ImproperlyConfigured(f"{name} is '{value}'; write an address that starts https://.")
    return value


def roles_of_groups(name: str, roles: Sequence[str]) -> dict[str, str]:
    """Groups with their roles, in the order of the list: `group=role, group=role`."""
    found: dict[str, str] = {}
    for item in comma_separated(name):
        group, sign, role = (part.strip() for part in item.rpartition("="))
        if not (sign and group and role in roles):
            raise ImproperlyConfigured(
                f"{name} contains '{item}'; write group=role, with one of {', '.join(roles)}."
            )
        found.setdefault(group, role)
    return found


def origin_of(address: str) -> str:
    """The scheme, host and port of a URL."""
    url = urlsplit(address)
    return f"{url.scheme}://{url.netloc}"


def host_and_port(name: str, default_port: int) -> tuple[str, int] | None:
    """`host` or `host:port`, or None if the variable is empty."""
    value = text(name)
    if not value:
        return None
    host, _, port = value.partition(":")
    number = port or str(default_port)
    if not (host and number.isascii() and number.isdigit() and 0 < int(number[:6]) < 65536):
        raise ImproperlyConfigured(f"{name} is '{value}'; write host:port, such as mx.example:25.")
    return host, int(number)


def targets(name: str) -> list[str]:
    """A comma-separated list of `host:port` for HTTPS, or of `http://host:port`, as URLs."""
    return [_target(name, item) for item in comma_separated(name)]


def _target(name: str, item: str) -> str:
    address = (item if "://" in item else f"https://{item}").lower()
    try:
        url = urlsplit(address)
        is_complete = bool(url.hostname and url.port) and url.scheme in ("https", "http")
    except ValueError:
        is_complete = False
    if not is_complete or address != origin_of(address):
        raise ImproperlyConfigured(
            f"{name} contains '{item}'; write host:port, or http://host:port for a target without"
            " HTTPS."
        )
    return address


def database(name: str, default: str) -> dict[str, Any]:
    """A database address such as postgres://user:password@host:5432/name or sqlite:////path."""
    url = urlsplit(os.environ.get(name) or default)
    engine = _ENGINES.get(url.scheme)
    if engine is None:
        raise ImproperlyConfigured(
            f"{name} starts with '{url.scheme}'; use postgres:// or sqlite://."
        )
    path = unquote(url.path[1:])
    try:
        port = str(url.port or "")
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} has no valid port.") from error
    if url.scheme == "sqlite":
        return {"ENGINE": engine, "NAME": path}
    return {
        "ENGINE": engine,
        "NAME": path,
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": unquote(url.hostname or ""),
        "PORT": port,
    }


def choice(name: str, default: str, allowed: Sequence[str]) -> str:
    value = text(name, default)
    if value.upper() not in allowed:
        raise ImproperlyConfigured(f"{name} is '{value}'; write one of {', '.join(allowed)}.")
    return value.upper()


def file_path(name: str) -> str:
    """The path of an existing file, or an empty string."""
    value = text(name)
    if value and not os.path.isfile(value):
        raise ImproperlyConfigured(f"{name}: there is no file {value}.")
    return value
