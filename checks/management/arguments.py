"""Arguments and safe output for the commands that query the network."""

from __future__ import annotations

from django.conf import settings
from django.utils import timezone

from checks.engine.addresses import parse_address
from checks.engine.dns.network import Endpoint, parse_endpoint
from checks.engine.mail.message import MessageInput
from checks.engine.mail.message_parser import MAX_BYTES
from checks.engine.outcomes import CheckKind
from checks.engine.sources.exports.reader import Export, read_export
from checks.engine.sources.exports.texts import MAX_BYTES as TEXT_LIMIT
from checks.engine.sources.facts import SourceFacts
from checks.engine.sources.registry import SOURCES
from tenants.errors import TenantError
from tenants.names import normalise_domain

EXIT_USAGE = 64


class BadArguments(Exception):
    """Invalid arguments; the message states the reason."""


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


def message_from(path: str | None) -> MessageInput | None:
    """Return the message in a file, up to the size that the check reads; None without a path.

    Raises BadArguments if the file cannot be read.
    """
    if path is None:
        return None
    content = _content_of(path, MAX_BYTES)
    return MessageInput(content, timezone.now(), max_age_days=settings.CHECKS_MESSAGE_DAYS)


def facts_from(path: str | None) -> dict[CheckKind, SourceFacts]:
    """Return the facts of an export by the kinds of check that judge them; empty without a path.

    Raises BadArguments if the file is no export of a known source.
    """
    if path is None:
        return {}
    content = _content_of(path, TEXT_LIMIT)
    found: dict[CheckKind, SourceFacts] = {}
    for source in SOURCES.values():
        read = read_export(content, source.listed)
        if isinstance(read, Export):
            facts = SourceFacts(source.key, read.tables, read.generated_at or timezone.now())
            found |= dict.fromkeys(source.kinds, facts)
    if not found:
        raise BadArguments(f"{path} is no export of a mail platform.")
    return found


def _content_of(path: str, limit: int) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise BadArguments(f"{path} cannot be read: {error.strerror or error}.") from error


def plain(value: object) -> str:
    """Text from foreign zones, safe for a terminal: control characters are replaced."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
