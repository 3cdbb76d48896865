"""Read a directory's root entry (RFC 4512 section 5.1) without name and password.

The module implements only the necessary part of BER, with a limit on every size. It sends no other
request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

# These attributes identify a directory and do not change between runs.
ATTRIBUTES = (
    "namingContexts",
    "defaultNamingContext",
    "dnsHostName",
    "supportedLDAPVersion",
    "vendorName",
)
_MAX_BYTES = 64 * 1024
_MAX_MESSAGES = 5
_MAX_VALUES, _MAX_VALUE = 20, 200
_SEQUENCE, _INTEGER, _OCTETS, _ENUMERATED, _BOOLEAN = 0x30, 0x02, 0x04, 0x0A, 0x01
_SEARCH_REQUEST, _SEARCH_ENTRY, _PRESENT = 0x63, 0x64, 0x87

RootEntry = Mapping[str, list[str]]


class InvalidLdapMessage(ValueError):
    """The bytes are not an LDAP message, or the message is too long."""


def search_request() -> bytes:
    """Return a base search of the root for `objectClass=*` (RFC 4511 section 4.5.1)."""
    attributes = b"".join(_tlv(_OCTETS, name.encode()) for name in ATTRIBUTES)
    body = (
        _tlv(_OCTETS, b"")
        + _tlv(_ENUMERATED, b"\0") * 2
        + _tlv(_INTEGER, b"\x01")
        + _tlv(_INTEGER, b"\x05")
        + _tlv(_BOOLEAN, b"\0")
        + _tlv(_PRESENT, b"objectClass")
        + _tlv(_SEQUENCE, attributes)
    )
    return _tlv(_SEQUENCE, _tlv(_INTEGER, b"\x01") + _tlv(_SEARCH_REQUEST, body))


def _tlv(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    return bytes([tag, 0x82]) + length.to_bytes(2, "big") + content


async def read_root_entry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> RootEntry | None:
    """Return the root entry; None when the directory does not show it or answers otherwise."""
    writer.write(search_request())
    try:
        for _ in range(_MAX_MESSAGES):
            message = await _read_message(reader)
            # The first element is the message id; the request has no other, so it is not compared.
            _, (tag, content) = [*_parts(message)][:2]
            if tag == _SEARCH_ENTRY:
                return parse_entry(content)
            if tag != 0x73:  # a reference elsewhere (RFC 4511 section 4.5.3), which is not followed
                return None
    except (InvalidLdapMessage, ValueError, asyncio.IncompleteReadError):
        return None
    return None


async def _read_message(reader: asyncio.StreamReader) -> bytes:
    tag, length = await reader.readexactly(2)
    if tag != _SEQUENCE:
        raise InvalidLdapMessage("no LDAP message")
    if length >= 128:
        size = length - 128
        if not 1 <= size <= 4:
            raise InvalidLdapMessage("length")
        # Long form (X.690 section 8.1.3.5): the low bits give the number of length bytes.
        length = int.from_bytes(await reader.readexactly(size), "big")
    if length > _MAX_BYTES:
        raise InvalidLdapMessage("too long")
    return await reader.readexactly(length)


def parse_entry(content: bytes) -> RootEntry:
    """Parse the attributes of a search result entry, limited in number and length.

    Raises InvalidLdapMessage.
    """
    fields = [*_parts(content)]
    if len(fields) < 2:
        raise InvalidLdapMessage("no attributes")
    entry: dict[str, list[str]] = {}
    for _, attribute in _parts(fields[1][1]):
        pair = [*_parts(attribute)]
        if len(pair) < 2:
            raise InvalidLdapMessage("no values")
        name = next((a for a in ATTRIBUTES if a.lower() == _text(pair[0][1]).lower()), "")
        if name:
            values = sorted(_text(value) for _, value in _parts(pair[1][1]))
            entry[name] = values[:_MAX_VALUES]
    return entry


def _text(content: bytes) -> str:
    return content[:_MAX_VALUE].decode("utf-8", errors="replace").replace("\0", "\ufffd")


def _parts(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each element of a constructed value."""
    at = 0
    while at < len(content):
        if at + 2 > len(content):
            raise InvalidLdapMessage("cut off")
        tag, length = content[at], content[at + 1]
        at += 2
        # A set high bit means the long form, as in `_read_message`.
        if length >= 128:
            size = length - 128
            if not 1 <= size <= 4:
                raise InvalidLdapMessage("length")
            length = int.from_bytes(content[at : at + size], "big")
            at += size
        if at + length > len(content):
            raise InvalidLdapMessage("cut off")
        yield tag, content[at : at + length]
        at += length
