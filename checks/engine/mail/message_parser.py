"""Parse the parts of a message that the check needs (RFC 5322). Pure, bounded, and never raises.

The body is opaque: its bytes count only for signatures.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import idna

from checks.engine.addresses import Address, is_public, parse_address

MAX_BYTES = 2_000_000
MAX_HEADER_BYTES = 256_000
MAX_FIELD_BYTES = 32_000
MAX_FIELDS = 1_000
MAX_HOPS = 50
_MAX_READ = 2_000  # characters of a field that are parsed
# Canonicalising a line costs time with the square of its white space (see `_is_too_costly`).
_COSTLY_RUN = re.compile(rb"[\t ]{32,}")
_MAX_COST = 20_000_000

_NAME = re.compile(rb"[\x21-\x39\x3b-\x7e]+")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_COMMENT = re.compile(r"\([^()]*\)")
_ADDRESS = re.compile(r"([^\s<>@,:;()]{1,64})@([^\s<>@,:;()\[\]]{1,253})")
_HOST_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+")
_ENCLOSED = re.compile(r"[^<>,:;]*<([^<>]*)>")
_FROM_CLAUSE = re.compile(r"\s*from\s+(\S{1,255})", re.IGNORECASE)
_BY_CLAUSE = re.compile(r"\sby\s+(\S{1,255})", re.IGNORECASE)
_IP_LIKE = re.compile(r"(?:ipv6:)?([0-9a-f:.]{3,45})", re.IGNORECASE)


@dataclass(frozen=True)
class HeaderField:
    """One header field: its name as written, and its raw value, still folded."""

    label: str
    raw: bytes

    @property
    def name(self) -> str:
        return self.label.lower()

    @property
    def text(self) -> str:
        """The value unfolded, without control characters and NUL, safe to show or store."""
        text = self.raw.decode("utf-8", "replace")
        return "".join(c if c.isprintable() else " " for c in text).strip()


@dataclass(frozen=True)
class ReceivedHop:
    """One Received line. `address` is the sending host, as the writer of the line claims."""

    helo: str
    address: Address | None
    by: str


@dataclass(frozen=True)
class MailMessage:
    """A submitted message. `fields` are in their original order, the newest first."""

    fields: tuple[HeaderField, ...]
    body: bytes

    @property
    def has_body(self) -> bool:
        return bool(self.body.strip())

    def fields_named(self, name: str) -> list[HeaderField]:
        return [field for field in self.fields if field.name == name]

    @property
    def from_fields(self) -> list[HeaderField]:
        return self.fields_named("from")

    @property
    def content(self) -> bytes:
        """The message with CRLF line ends, as signatures require (RFC 6376 section 3.4)."""
        head = b"".join(f.label.encode("ascii") + b":" + f.raw + b"\r\n" for f in self.fields)
        return head + b"\r\n" + self.body


@dataclass(frozen=True)
class UnreadableMessage:
    """Not a message.

    `problem` is a stable code: empty, too-large, header-line, too-many-headers, header-too-long,
    white-space.
    """

    problem: str


def parse(content: bytes) -> MailMessage | UnreadableMessage:
    """Parse headers or a whole message, with LF or CRLF, as saved, exported or pasted."""
    if len(content) > MAX_BYTES:
        return UnreadableMessage("too-large")
    # A byte order mark and leading blank lines come from editors and copying.
    content = content.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n\t ")
    if not content:
        return UnreadableMessage("empty")
    content = content.replace(b"\r\n", b"\n")
    head, _, body = content.partition(b"\n\n")
    if len(head) > MAX_HEADER_BYTES:
        return UnreadableMessage("header-too-long")
    if _is_too_costly(content):
        return UnreadableMessage("white-space")
    fields = _fields(head)
    if isinstance(fields, UnreadableMessage):
        return fields
    # Signatures cover CRLF line ends; files and pasted text often have LF.
    return MailMessage(fields, body.replace(b"\n", b"\r\n"))


def _is_too_costly(content: bytes) -> bool:
    """Return whether white space would make canonicalising slow: it is quadratic in each run."""
    return sum(len(run.group()) ** 2 for run in _COSTLY_RUN.finditer(content)) > _MAX_COST


def _fields(head: bytes) -> tuple[HeaderField, ...] | UnreadableMessage:
    raw: list[tuple[bytes, list[bytes]]] = []
    for number, line in enumerate(head.split(b"\n")):
        if line[:1] in (b" ", b"\t") and raw:
            raw[-1][1].append(line)
            continue
        if number == 0 and line.startswith((b"From ", b">From ")):
            continue  # the envelope line of an mbox file
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name):
            return UnreadableMessage("header-line")
        raw.append((name, [value]))
        if len(raw) > MAX_FIELDS:
            return UnreadableMessage("too-many-headers")
    fields = tuple(HeaderField(name.decode("ascii"), b"\r\n".join(parts)) for name, parts in raw)
    if any(len(field.raw) > MAX_FIELD_BYTES for field in fields):
        return UnreadableMessage("header-too-long")
    return fields


def parse_mailbox(text: str) -> str:
    """Return the only address of a From or Return-Path value; "" when it is not plain.

    The parser is strict on purpose: two mail programs may read an unusual value differently, which
    an attacker can exploit.
    """
    # Quoted names and comments may contain addresses, as in `"ceo@a.test" <x@b.test>`.
    bare = _COMMENT.sub(" ", _QUOTED.sub(" ", text[:_MAX_READ]))
    enclosed = _ENCLOSED.fullmatch(bare.strip())
    match = _ADDRESS.fullmatch((enclosed.group(1) if enclosed else bare).strip())
    domain = _as_domain(match.group(2)) if match else ""
    return f"{match.group(1)}@{domain}" if match and domain else ""


def is_null_return_path(text: str) -> bool:
    """Return whether the Return-Path is that of a bounce (RFC 5321 section 4.5.5)."""
    return text.strip() == "<>"


def _as_domain(text: str) -> str:
    name = text.lower().removesuffix(".")
    try:
        name = name if name.isascii() else idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError:
        return ""
    return name if is_host_name(name) else ""


def is_host_name(text: str) -> bool:
    """Return whether DNS can be queried for the name: several labels, underscores allowed."""
    return len(text) <= 253 and _HOST_NAME.fullmatch(text) is not None


def parse_hops(message: MailMessage) -> tuple[ReceivedHop, ...]:
    """Parse the Received lines, the newest first (RFC 5321 section 4.4). They are unverified."""
    return tuple(
        _hop(field.text[:_MAX_READ]) for field in message.fields_named("received")[:MAX_HOPS]
    )


def _hop(text: str) -> ReceivedHop:
    by = _BY_CLAUSE.search(text)
    before = text[: by.start()] if by else text
    start = _FROM_CLAUSE.match(before)
    helo = start.group(1).strip("[]()").lower() if start else ""
    found = [parse_address(match.group(1)) for match in _IP_LIKE.finditer(before)] if start else []
    # The HELO name comes first and is the sender's free choice. The address that the server itself
    # recorded comes after it, so the last address counts.
    addresses = [address for address in found if address is not None]
    return ReceivedHop(
        helo=helo[:255],
        address=addresses[-1] if addresses else None,
        by=by.group(1).strip("[]()").lower() if by else "",
    )


def find_handover(hops: Sequence[ReceivedHop]) -> ReceivedHop | None:
    """Return the newest hop from a public address: the entry into the receiving organisation."""
    return next((hop for hop in hops if hop.address is not None and is_public(hop.address)), None)


def parse_date(text: str) -> datetime | None:
    """Parse a Date value (RFC 5322 section 3.3) into UTC; None when it is invalid."""
    try:
        return email.utils.parsedate_to_datetime(text[:_MAX_READ]).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
