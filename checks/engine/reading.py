"""Is a reply ours, and what does it say? Pure, and held to a bounded amount of work."""

from __future__ import annotations

import struct

import dns.exception
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from checks.engine.lookup import CouldNotTell
from checks.engine.messages import Message, from_reference, text_of
from checks.engine.wire import HEADER_BYTES, OPCODE, RESPONSE, TRUNCATED, Question, read

# We offer 1232; servers that ignore that send up to 4096 (RFC 6891 section 6.2.5).
MOST_UDP_BYTES = 4096
_UNREADABLE = (dns.exception.DNSException, ValueError, IndexError, struct.error)
_WITHOUT_QUESTION = (
    dns.rcode.FORMERR,
    dns.rcode.SERVFAIL,
    dns.rcode.NOTIMP,
    dns.rcode.REFUSED,
)


class Truncated:
    """The reply did not fit: ask again over TCP."""


TRUNCATED_REPLY = Truncated()


def read_reply(
    asked: Question, number: int, wire: bytes, *, most_bytes: int = MOST_UDP_BYTES
) -> Message | Truncated | CouldNotTell | None:
    """The reply in `wire` to the query with the id `number`; None when it answers another question.

    CouldNotTell where it is ours and cannot be read: malformed, or oversized.
    """
    if len(wire) < HEADER_BYTES or int.from_bytes(wire[:2]) != number:
        return None
    flags = int.from_bytes(wire[2:4])
    if not flags & RESPONSE or flags & OPCODE:
        return None
    is_ours = asked.is_asked_by(wire)
    if len(wire) > most_bytes:
        return CouldNotTell("oversized", f"{len(wire)} bytes") if is_ours else None
    if flags & TRUNCATED:
        return TRUNCATED_REPLY if is_ours or wire[4:6] == b"\0\0" else None
    message = read(asked, wire) if is_ours else None
    return message or read_by_reference(asked, wire)


def read_by_reference(asked: Question, wire: bytes) -> Message | CouldNotTell | None:
    """The same by dnspython, which reads everything, at fifty times the cost."""
    try:
        message = dns.message.from_wire(wire, ignore_trailing=True)
        return from_reference(message) if _is_answer_to(asked, message) else None
    except _UNREADABLE as error:
        return CouldNotTell("malformed", type(error).__name__)


def _is_answer_to(asked: Question, message: dns.message.Message) -> bool:
    if not message.question:
        # Some servers that fail do not repeat the question.
        return message.rcode() in _WITHOUT_QUESTION
    ours = (asked.name, asked.rtype, dns.rdataclass.IN)
    return all(
        (text_of(each.name), dns.rdatatype.to_text(each.rdtype), each.rdclass) == ours
        for each in message.question
    )
