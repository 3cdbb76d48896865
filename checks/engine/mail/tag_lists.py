"""Parse the tag lists of DKIM and DMARC records (RFC 6376 section 3.2). Pure."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Folding white space is ASCII alone. `str.split` also drops a no-break space, which voids a key.
WHITE = " \t\r\n"
_WHITE_RUN = re.compile(f"[{WHITE}]+")
_OUTSIDE = re.compile(rf"[^!-~{WHITE}]")


class InvalidTagList(ValueError):
    """The text is not a tag list; the message is the invalid part."""


def parse_tags(text: str) -> list[tuple[str, str]]:
    """Return the tags in order; a final `;` is valid. Raises InvalidTagList, also on duplicates."""
    tags: list[tuple[str, str]] = []
    parts = text.split(";")
    if not parts[-1].strip(WHITE):
        parts.pop()
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip(WHITE)
        if not equals or not _NAME.fullmatch(name):
            raise InvalidTagList(part.strip(WHITE)[:60] or ";")
        # RFC 6376 section 3.2: duplicate tags make the list invalid. Names are case-sensitive.
        if any(name == earlier for earlier, _ in tags):
            raise InvalidTagList(f"{name}= twice")
        tags.append((name, value.strip(WHITE)))
    return tags


def outside_character(text: str) -> str:
    """Return the first character that no tag list contains (VALCHAR and FWS); empty without one."""
    found = _OUTSIDE.search(text)
    return found.group() if found else ""


def remove_whitespace(value: str) -> str:
    """Return the value without white space, which may fold keys and lists (FWS)."""
    return _WHITE_RUN.sub("", value)
