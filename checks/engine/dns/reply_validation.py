"""Check that a reply answers the query, and decode it. Pure, with a bounded amount of work."""

from __future__ import annotations

import struct

import dns.exception
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from checks.engine.dns.dnspython_adapter import DnsMessage, from_dnspython, name_to_text
from checks.engine.dns.lookup import LookupFailure
from checks.engine.dns.wire import (
    HEADER_BYTES,
    OPCODE,
    RESPONSE,
    TRUNCATED,
    DnsQuestion,
    decode_reply,
)

# Queries offer 1232 bytes. Servers that ignore the offer send up to 4096 (RFC 6891 section 6.2.5).
MAX_UDP_BYTES = 4096
_DECODE_ERRORS = (dns.exception.DNSException, ValueError, IndexError, struct.error)
_RCODES_WITHOUT_QUESTION = (
    dns.rcode.FORMERR,
    dns.rcode.SERVFAIL,
    dns.rcode.NOTIMP,
    dns.rcode.REFUSED,
)


class Truncated:
    """The reply did not fit into a datagram: repeat the query over TCP."""


TRUNCATED_REPLY = Truncated()


def read_reply(
    question: DnsQuestion, query_id: int, wire: bytes, *, max_bytes: int = MAX_UDP_BYTES
) -> DnsMessage | Truncated | LookupFailure | None:
    """Decode the reply in `wire` to the query `query_id`; None when it answers another question.

    A LookupFailure (malformed or oversized) when it answers the query but cannot be decoded.
    """
    if len(wire) < HEADER_BYTES or int.from_bytes(wire[:2]) != query_id:
        return None
    flags = int.from_bytes(wire[2:4])
    if not flags & RESPONSE or flags & OPCODE:
        return None
    # A forged reply must repeat the question as well as the id (RFC 5452 section 9.1).
    is_ours = question.is_question_of(wire)
    if len(wire) > max_bytes:
        return LookupFailure("oversized", f"{len(wire)} bytes") if is_ours else None
    # A server that changes the case, or a forger who does not know it: only TCP can decide.
    if is_ours and max_bytes == MAX_UDP_BYTES and not question.has_case_of(wire):
        return TRUNCATED_REPLY
    # Truncation only leads to TCP, so a reply without a question section may claim it.
    if flags & TRUNCATED:
        return TRUNCATED_REPLY if is_ours or wire[4:6] == b"\0\0" else None
    message = decode_reply(question, wire) if is_ours else None
    return message or read_with_dnspython(question, wire)


def read_with_dnspython(question: DnsQuestion, wire: bytes) -> DnsMessage | LookupFailure | None:
    """Decode any reply with dnspython, which is about fifty times slower."""
    try:
        message = dns.message.from_wire(wire, ignore_trailing=True)
        return from_dnspython(message) if _is_answer_to(question, message) else None
    except _DECODE_ERRORS as error:
        return LookupFailure("malformed", type(error).__name__)


def _is_answer_to(question: DnsQuestion, message: dns.message.Message) -> bool:
    if not message.question:
        # Some failing servers do not repeat the question.
        return message.rcode() in _RCODES_WITHOUT_QUESTION
    ours = (question.name, question.rtype, dns.rdataclass.IN)
    return all(
        (name_to_text(each.name), dns.rdatatype.to_text(each.rdtype), each.rdclass) == ours
        for each in message.question
    )
