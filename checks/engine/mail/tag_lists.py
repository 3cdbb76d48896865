"""The tag lists that DKIM and DMARC records are written in (RFC 6376 section 3.2). Pure."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_WHITE = " \t\r\n"


class InvalidTagList(ValueError):
    """The text is no tag list; the message says where it breaks off."""


def parse_tags(text: str) -> list[tuple[str, str]]:
    """The tags in their order. A tag twice makes the whole list invalid, a final `;` does not."""
    tags: list[tuple[str, str]] = []
    parts = text.split(";")
    if not parts[-1].strip(_WHITE):
        parts.pop()
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip(_WHITE)
        if not equals or not _NAME.fullmatch(name):
            raise InvalidTagList(part.strip(_WHITE)[:60] or ";")
        if any(name == earlier for earlier, _ in tags):
            raise InvalidTagList(f"{name}= twice")
        tags.append((name, value.strip(_WHITE)))
    return tags


def remove_whitespace(value: str) -> str:
    """A value without any white space, as keys and lists may be written (FWS)."""
    return "".join(value.split())
