"""Parse the parts of a message that the check needs (RFC 5322). Pure, bounded, and never raises.

The body is opaque: its bytes count only for signatures.
"""

from __future__ import annotations

import email.utils
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import idna

from checks.engine.addresses import Address, is_public, parse_address
from checks.engine.mail import message_exports as exports

MAX_BYTES = 2_000_000
MAX_HEADER_BYTES = 256_000
MAX_FIELD_BYTES = 32_000
MAX_FIELDS = 1_000
MAX_HOPS = 50
_MAX_READ = 2_000  # characters of a field that are parsed
_MAX_NESTING = 20  # comments within comments
# Canonicalising a line costs time with the square of its white space (see `_is_too_costly`).
_COSTLY_RUN = re.compile(rb"[\t ]{32,}")
_MAX_COST = 20_000_000

_NAME = re.compile(rb"[\x21-\x39\x3b-\x7e]+")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_COMMENT = re.compile(r"\((?:[^()\\]|\\.)*\)")
_ADDRESS = re.compile(r"([^\s<>@,:;()]{1,64})@([^\s<>@,:;()\[\]]{1,253})")
_HOST_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+")
_ENCLOSED = re.compile(r"[^<>,:;]*<([^<>]*)>")
# RFC 5322 section 4.4: an obsolete route in front of the address, such as <@relay.test:a@b.test>.
_ROUTED = re.compile(r"[^<>,:;]*<\s*@[^<>@:]+(?:,\s*@[^<>@:]+)*:([^<>:]*)>")
# Both begin at the first white space, so that the time is linear in the length of the text.
_AROUND_SIGNS = re.compile(r"(?<!\s)\s*([@.])\s*")
_FROM_CLAUSE = re.compile(r"\s*from\s+(\S{1,255})", re.IGNORECASE)
_BY_CLAUSE = re.compile(r"(?:^|\s)by\s+(\S{1,255})", re.IGNORECASE)
_FOR_CLAUSE = re.compile(r"\sfor\s+<?([^\s<>;]{3,320})>?", re.IGNORECASE)
# Parts that are messages (RFC 2046 section 5.2.1, RFC 6532), or files that contain one.
_ATTACHED = re.compile(
    rb"^content-type[ \t]*:\s*(?:message/(?:rfc822|global)\b|application/(?:vnd\.ms-outlook"
    rb"|(?:vnd\.|x-)?ms-tnef)\b)",
    re.IGNORECASE | re.MULTILINE,
)
_FILE_OF_MESSAGE = re.compile(rb"\.(?:eml|emlx|msg)\b|\bwinmail\.dat\b", re.IGNORECASE)
# RFC 2231: a name can be in numbered parts, and have a language.
_FILE_NAME = re.compile(rb"name\*?[0-9]{0,2}\*?=", re.IGNORECASE)
_MAX_FILES, _MAX_FILE_NAME = 1_000, 300
_MESSAGE_PART = re.compile(r"message/(?:rfc822|global)\b", re.IGNORECASE)
# Saved web pages have a From line without an address, such as <Saved by Blink>.
_SAVED_PAGE = re.compile(r"\W*saved by\b", re.IGNORECASE)
# The labels of a displayed message in languages of mail programs, in the place of From.
_DISPLAYED_LABELS = frozenset(
    {"von", "gesendet", "de", "envoy", "da", "inviato", "van", "verzonden", "fra", "sendt"}
    | {"enviado", "para", "an", "betreff", "objet", "oggetto", "onderwerp", "emne", "asunto"}
    | {"assunto", "od", "komu", "sent"}
)
_FROM_LINE = re.compile(rb"^From[ \t]*:", re.IGNORECASE | re.MULTILINE)
_MAX_LOOKED_AT = 100_000  # bytes of the body in which lost header lines are searched
_AROUND_TIME = re.compile(r"(?<!\s)\s*([:,])\s*")
_LEAP_SECOND = re.compile(r"(:[0-5][0-9]):60\b")
_SHORT_YEAR = re.compile(r"(?<=[A-Za-z] )[0-9]{3}(?= )")
_IP_LIKE = re.compile(r"(?:ipv6:)?([0-9a-f:.]{3,45})", re.IGNORECASE)


@dataclass(frozen=True)
class HeaderField:
    """One header field: its name as written, and its raw value, still folded.

    Blanks before the colon (RFC 5322 section 4.5.3) are not part of the name. Relaxed
    canonicalisation removes them too (RFC 6376 section 3.4.2).
    """

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
    """One Received line. `address` is the sending host, as the writer of the line claims.

    `by` is the writer. `received_at` and `recipient` are None and "" where the line has none.
    """

    helo: str
    address: Address | None
    by: str
    received_at: datetime | None = None
    recipient: str = ""


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
    def has_attached_message(self) -> bool:
        """Whether a part is a message, as in a message that was forwarded as an attachment."""
        if _ATTACHED.search(self.body):
            return True
        named = itertools.islice(_FILE_OF_MESSAGE.finditer(self.body), _MAX_FILES)
        return any(_FILE_NAME.search(self._line_before(each.start())) for each in named)

    def _line_before(self, place: int) -> bytes:
        return self.body[max(place - _MAX_FILE_NAME, 0) : place].rpartition(b"\n")[2]

    @property
    def has_next_message(self) -> bool:
        """Whether the body contains further messages, as a file of a mailbox does."""
        return exports.has_next_message(self.body)

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

    `problem` is a stable code: empty, too-large, header-line, bad-line, no-from, too-many-headers,
    header-too-long, white-space, quoted, displayed, several, utf-16, or a kind of file:
    outlook-file, zip, gzip, html, pdf, rtf, image, data, binary. `line` is the number of a
    bad-line in the submitted text, and 0 otherwise.
    """

    problem: str
    line: int = 0


def parse(content: bytes) -> MailMessage | UnreadableMessage:
    """Parse headers or a whole message, as saved, exported or pasted.

    Line ends are LF, CRLF, CR CR LF, CR, or those of other systems. UTF-16, UTF-32, mbox quoting
    and doubled lines are undone. The property list at the end of an .emlx file is not part of the
    message. A message that is the only part of another is read in its place.
    """
    if len(content) > MAX_BYTES:
        return UnreadableMessage("too-large")
    decoded = exports.as_ascii_superset(content)
    if decoded is None:
        return UnreadableMessage("utf-16")
    content, removed = exports.without_start(decoded)
    problem = exports.problem_at_start(content)
    if problem:
        return UnreadableMessage(problem)
    fed = exports.with_line_feeds(content)
    content = exports.without_doubled_lines(fed)
    step = 2 if len(content) < len(fed) else 1
    if exports.ENVELOPE.match(content):
        if exports.has_several(content):
            return UnreadableMessage("several")
        content, blank = exports.without_mbox(content)
        removed += blank
    read = _parse_lines(content)
    if isinstance(read, UnreadableMessage):
        return _with_cause(read, content, lambda line: removed + step * (line - 1) + 1)
    return _checked(read)


def _with_cause(
    read: UnreadableMessage, content: bytes, as_submitted: Callable[[int], int]
) -> UnreadableMessage:
    """Add the number of the line, or replace the problem of a file that is no text at all."""
    if read.problem not in ("header-line", "bad-line"):
        return read
    if b"\0" in content[:1000]:
        return UnreadableMessage("binary")
    return replace(read, line=as_submitted(read.line)) if read.line else read


def _checked(message: MailMessage) -> MailMessage | UnreadableMessage:
    """Return the message, or the reason why header fields without a sender are no source."""
    if any(_SAVED_PAGE.match(field.text) for field in message.from_fields):
        return UnreadableMessage("html")
    if message.from_fields:
        return message
    types = message.fields_named("content-type")
    if types and _MESSAGE_PART.match(types[0].text):
        inner = _parse_lines(message.body.replace(b"\r\n", b"\n").lstrip(b"\n"))
        if isinstance(inner, MailMessage) and inner.from_fields:
            return inner
    names = {field.name for field in message.fields}
    if names & _DISPLAYED_LABELS:
        return UnreadableMessage("displayed")
    is_source = bool(names & {"received", "dkim-signature"})
    if is_source and not _FROM_LINE.search(message.body, 0, _MAX_LOOKED_AT):
        return message
    return UnreadableMessage("no-from")


def _parse_lines(content: bytes) -> MailMessage | UnreadableMessage:
    head, _, body = content.partition(b"\n\n")
    if len(head) > MAX_HEADER_BYTES:
        return UnreadableMessage("header-too-long")
    if _is_too_costly(content):
        return UnreadableMessage("white-space")
    fields = _fields(head.removesuffix(b"\n"))
    if isinstance(fields, UnreadableMessage):
        return fields
    # Signatures cover CRLF line ends; files and pasted text often have LF.
    return MailMessage(fields, body.replace(b"\n", b"\r\n"))


def _is_too_costly(content: bytes) -> bool:
    """Return whether white space would make canonicalising slow: it is quadratic in each run."""
    return sum(len(run.group()) ** 2 for run in _COSTLY_RUN.finditer(content)) > _MAX_COST


def _fields(head: bytes) -> tuple[HeaderField, ...] | UnreadableMessage:
    raw: list[tuple[bytes, list[bytes]]] = []
    # Gateways and mbox files leave the envelope line among the fields, quoted. It is no field, and
    # neither is an indented line below it.
    is_envelope = False
    for number, line in enumerate(head.split(b"\n"), start=1):
        if line[:1] in (b" ", b"\t") and (raw or is_envelope):
            if not is_envelope:
                raw[-1][1].append(line)
            continue
        is_envelope = exports.ENVELOPE.match(line) is not None
        if is_envelope:
            continue
        name, colon, value = line.partition(b":")
        name = name.rstrip(b" \t")
        if not colon or not _NAME.fullmatch(name):
            return (
                UnreadableMessage("bad-line", number) if raw else UnreadableMessage("header-line")
            )
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
    bare = _without_comments(_QUOTED.sub(" ", text[:_MAX_READ]))
    enclosed = _ROUTED.fullmatch(bare.strip()) or _ENCLOSED.fullmatch(bare.strip())
    # RFC 5322 section 4.4: white space around the sign and the dots.
    plain = _AROUND_SIGNS.sub(r"\1", (enclosed.group(1) if enclosed else bare).strip())
    match = _ADDRESS.fullmatch(plain)
    domain = _as_domain(match.group(2)) if match else ""
    return f"{match.group(1)}@{domain}" if match and domain else ""


def _without_comments(text: str) -> str:
    """Remove comments, which nest (RFC 5322 section 3.2.2)."""
    for _ in range(_MAX_NESTING):
        shorter = _COMMENT.sub(" ", text)
        if shorter == text:
            break
        text = shorter
    return text


def parse_mailboxes(text: str) -> list[str]:
    """Return the plain addresses of a list such as To or Cc, without those that are not plain."""
    bare = _without_comments(_QUOTED.sub(" ", text[:_MAX_READ]))
    # A group (RFC 5322 section 3.4) is a name, a colon, a list and a semicolon.
    parts = re.split(r"[,:;]", bare)
    return [address for part in parts if (address := parse_mailbox(part))]


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
    clauses = _masked_comments(text)
    by = _BY_CLAUSE.search(clauses)
    before = text[: by.start()] if by else text
    start = _FROM_CLAUSE.match(before)
    helo = start.group(1).strip("[]()").lower() if start else ""
    found = [parse_address(match.group(1)) for match in _IP_LIKE.finditer(before)] if start else []
    # The HELO name comes first and is the sender's free choice. The address that the server itself
    # recorded comes after it, so the last address counts.
    addresses = [address for address in found if address is not None]
    recipient = _FOR_CLAUSE.search(clauses, by.end() if by else 0)
    return ReceivedHop(
        helo=helo[:255],
        address=addresses[-1] if addresses else None,
        by=by.group(1).strip("[]();.").lower() if by else "",
        received_at=parse_date(text.rpartition(";")[2]) if ";" in text else None,
        recipient=parse_mailbox(recipient.group(1)) if recipient else "",
    )


def _masked_comments(text: str) -> str:
    """Return the text with blanks for its comments, so that a clause inside one is not read."""
    for _ in range(_MAX_NESTING):
        masked = _COMMENT.sub(lambda comment: " " * len(comment.group()), text)
        if masked == text:
            break
        text = masked
    return text


def find_handover(hops: Sequence[ReceivedHop]) -> ReceivedHop | None:
    """Return the newest hop from a public address: the entry into the receiving organisation."""
    return next((hop for hop in hops if hop.address is not None and is_public(hop.address)), None)


def parse_date(text: str) -> datetime | None:
    """Parse a Date value (RFC 5322 sections 3.3 and 4.3) into UTC; None when it is invalid."""
    bare = _without_comments(text[:_MAX_READ])
    bare = _AROUND_TIME.sub(r"\1", bare)
    # A leap second, which Python does not know, counts as the second before it.
    bare = _LEAP_SECOND.sub(r"\1:59", bare)
    # Section 4.3: a year of three digits counts from 1900.
    bare = _SHORT_YEAR.sub(lambda year: str(1900 + int(year.group())), bare)
    try:
        return email.utils.parsedate_to_datetime(bare).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
