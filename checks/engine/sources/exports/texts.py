"""Decode the bytes of an export, as both editions of PowerShell write them."""

from __future__ import annotations

import codecs

# An export with the listed properties has some kilobytes.
MAX_BYTES = 2_000_000

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode(content: bytes) -> str | None:
    """The text without its byte order mark; None if it is in no known encoding.

    Windows PowerShell 5.1 writes UTF-16 with a mark, PowerShell 7 UTF-8 without one. A text that
    was stored without its mark is recognised by the zero bytes of its first characters.
    """
    for bom, encoding in _BOMS:
        if content.startswith(bom):
            return _decoded(content[len(bom) :], encoding)
    head = content[:4]
    if len(head) == 4 and head[1] == head[3] == 0 and head[0] and head[2]:
        return _decoded(content, "utf-16-le")
    if len(head) == 4 and head[0] == head[2] == 0 and head[1] and head[3]:
        return _decoded(content, "utf-16-be")
    return _decoded(content, "utf-8")


def _decoded(content: bytes, encoding: str) -> str | None:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
