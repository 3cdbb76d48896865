"""Encode DNS queries and decode ordinary replies. Pure.

The module is written for speed: message objects used to cost most of the run time of a check. It
decodes only the parts that the engine needs: A, AAAA, NS, CNAME, PTR, MX and TXT answers of class
IN, and SOA and NS in the authority section. `decode_reply` is either certain or returns None, and
dnspython decodes the message (`reply_validation.read_with_dnspython`). Every loop advances or is
counted, so the run time is bounded by the length of the message.
"""

from __future__ import annotations

import functools
import os
import struct
from dataclasses import dataclass

import dns.ipv4
import dns.ipv6

from checks.engine.dns.dnspython_adapter import DnsMessage, decode_txt
from checks.engine.dns.lookup import Record

HEADER_BYTES = 12
# Small enough to cross any path unfragmented (DNS flag day 2020).
EDNS_PAYLOAD = 1232
RESPONSE, TRUNCATED, RECURSION_DESIRED = 0x8000, 0x0200, 0x0100
# RFC 4035 section 3.2.2: a resolver returns the records although it cannot validate them.
_CHECKING_DISABLED = 0x0010
AUTHORITATIVE, RECURSION_AVAILABLE = 0x0400, 0x0080
OPCODE = 0x7800

_A, _NS, _CNAME, _SOA, _PTR, _MX, _TXT, _AAAA, _OPT, _DS = 1, 2, 5, 6, 12, 15, 16, 28, 41, 43
_IN = 1
_TYPE_CODES = {
    "A": _A,
    "NS": _NS,
    "CNAME": _CNAME,
    "SOA": _SOA,
    "PTR": _PTR,
    "MX": _MX,
    "TXT": _TXT,
    "AAAA": _AAAA,
    # Only dnspython decodes these records.
    "DS": _DS,
}
_ADDRESS_BYTES = {_A: 4, _AAAA: 16}
_TYPE_NAMES = {number: type_name for type_name, number in _TYPE_CODES.items()}
_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_PAIR = struct.Struct("!HH")
_FIVE = struct.Struct("!5I")
# The root, type OPT, our payload size, no flags, no options (RFC 6891 section 6.1.2).
_EDNS = b"\0" + _RECORD.pack(_OPT, EDNS_PAYLOAD, 0, 0)
_EXTENDED_ERROR = 15
_MAX_TTL = 0x7FFFFFFF
_MAX_POINTERS = 16
_MAX_NAME_OCTETS = 255
_SOA_NUMBERS = 20
# Characters that a name contains unescaped as text; the others are escaped (RFC 1035 section 5.1).
_SPECIAL = b'"().;\\@$'
_PLAIN = bytes(byte for byte in range(0x21, 0x7F) if byte not in _SPECIAL or byte == ord("."))
_ESCAPED = [
    "\\" + chr(byte)
    if byte in _SPECIAL
    else (chr(byte).lower() if 0x20 < byte < 0x7F else f"\\{byte:03d}")
    for byte in range(256)
]


class _Unsupported(Exception):
    """Only dnspython can decode this message. Never leaves this module."""


@dataclass(frozen=True, slots=True)
class DnsQuestion:
    """A name and type in wire format; `name` is the spelling that replies use.

    `wire` is sent, and `folded` is the same in lower case.
    """

    name: str
    rtype: str
    wire: bytes
    folded: bytes
    # The resolver returns records that it rejects, too.
    unchecked: bool = False

    def is_question_of(self, message: bytes) -> bool:
        """Return whether the message contains exactly this question, in upper or lower case.

        Lower-casing the bytes is safe: lengths are below 64 and the type numbers below 65, so
        neither is an upper-case letter.
        """
        end = HEADER_BYTES + len(self.wire)
        return message[4:6] == b"\0\1" and message[HEADER_BYTES:end].lower() == self.folded

    def has_case_of(self, message: bytes) -> bool:
        """Return whether the question in the message repeats the mixed case of this question."""
        end = HEADER_BYTES + len(self.wire)
        return self.wire == self.folded or message[HEADER_BYTES:end] == self.wire


@functools.lru_cache(maxsize=8192)
def make_question(name: str, rtype: str, *, mixed_case: bool = False) -> DnsQuestion | None:
    """Encode a question; None when no such name can exist (RFC 1035 section 2.3.4).

    `mixed_case` writes random letters in upper case: names compare without regard to case
    (RFC 4343), and a forged reply must guess the letters. The cache gives all servers of a zone the
    same letters, so that their equal replies are decoded once.
    """
    name = name.rstrip(".").lower()
    labels = [label.encode("utf-8") for label in name.split(".")] if name else []
    if (
        any(not 0 < len(label) < 64 for label in labels)
        or sum(map(len, labels)) + len(labels) > 254
    ):
        return None
    sent = [_mixed(label) for label in labels] if mixed_case else labels
    packed, folded = (
        b"".join(bytes((len(each),)) + each for each in form) for form in (sent, labels)
    )
    end = b"\0" + _PAIR.pack(_TYPE_CODES[rtype], _IN)
    return DnsQuestion(_join_labels(labels, ""), rtype, packed + end, folded + end)


def _mixed(label: bytes) -> bytes:
    """Return the label with the first letter and a random half of the others in upper case."""
    chance = os.urandom(len(label))
    start = next((place for place, byte in enumerate(label) if 97 <= byte <= 122), -1)
    return bytes(
        byte - 32 if 97 <= byte <= 122 and (place == start or chance[place] & 1) else byte
        for place, byte in enumerate(label)
    )


def encode_query(
    question: DnsQuestion, number: int, *, recursion: bool, edns: bool = True
) -> bytes:
    """Return the bytes of a query with the id `number`, which offers 1232 bytes by EDNS."""
    flags = RECURSION_DESIRED if recursion else 0
    if question.unchecked:
        flags |= _CHECKING_DISABLED
    header = _HEADER.pack(number, flags, 1, 0, 0, int(edns))
    return header + question.wire + (_EDNS if edns else b"")


def decode_reply(question: DnsQuestion, wire: bytes) -> DnsMessage | None:
    """Decode the reply to `question`; None when dnspython must decode it.

    The caller has checked the header and the question section.
    """
    try:
        # Without the id, the replies of a zone's servers are mostly equal and share a cache entry.
        return _decode_reply(question, b"\0\0" + wire[2:])
    except (_Unsupported, IndexError, struct.error, ValueError):
        return None


@functools.lru_cache(maxsize=1024)
def _decode_reply(question: DnsQuestion, wire: bytes) -> DnsMessage:
    _, flags, _, answers, authority, additional = _HEADER.unpack_from(wire)
    # Nearly every owner is a pointer to the question.
    names = {HEADER_BYTES: (question.name, len(question.wire) - 4, 0)}
    offset = HEADER_BYTES + len(question.wire)
    found, offset = _read_answers(wire, offset, answers, names)
    zones, named, offset = _read_authority(wire, offset, authority, names)
    extended, glue = _read_additional(wire, offset, additional, names)
    return DnsMessage(
        flags=flags,
        rcode=extended << 4 | flags & 0x0F,
        answers=found,
        has_answers=answers > 0,
        zones=zones,
        apexes=tuple(dict.fromkeys([owner for owner, _ in named])),
        referral=tuple([target for _, target in named]),
        glue=() if flags & AUTHORITATIVE else tuple(dict.fromkeys(glue)),
    )


_Names = dict[int, tuple[str, int, int]]


def _record_header(wire: bytes, offset: int, names: _Names) -> tuple[str, int, int, int, int, int]:
    """Decode a record's header: owner, type, class, TTL, and start and end of the content."""
    if wire[offset] == 0xC0 and (known := names.get(wire[offset + 1])) is not None:
        owner, offset = known[0], offset + 2
    else:
        owner, offset = _name(wire, offset, len(wire), names)
    number, rclass, ttl, length = _RECORD.unpack_from(wire, offset)
    offset += _RECORD.size
    if offset + length > len(wire):
        raise _Unsupported
    return owner, number, rclass, ttl, offset, offset + length


def _read_answers(
    wire: bytes, offset: int, count: int, names: _Names
) -> tuple[dict[tuple[str, str], tuple[Record, ...]], int]:
    """Decode record sets in order without duplicates; a set has its lowest TTL (RFC 2181 5.2)."""
    sets: dict[tuple[str, str], dict[object, str]] = {}
    ttls: dict[tuple[str, str], int] = {}
    for _ in range(count):
        owner, number, rclass, ttl, offset, end = _record_header(wire, offset, names)
        if rclass != _IN:
            raise _Unsupported
        key = (owner, _TYPE_NAMES.get(number, ""))
        # RFC 2181 section 8: a TTL with the highest bit set counts as zero.
        ttl = 0 if ttl > _MAX_TTL else ttl
        ttls[key] = min(ttl, ttls.get(key, ttl))
        value = _value(wire, number, offset, end, names)
        record_set = sets.setdefault(key, {})
        # A name has one CNAME (RFC 1034 section 3.6.2) and one SOA (RFC 1035 section 5.2);
        # dnspython uses the last one as well.
        if number in (_CNAME, _SOA):
            record_set.clear()
        # TXT records with other string boundaries are distinct although their text is equal.
        record_set.setdefault(wire[offset:end] if number == _TXT else value, value)
        offset = end
    return {
        key: tuple([Record(*key, ttls[key], value) for value in values.values()])
        for key, values in sets.items()
    }, offset


def _value(wire: bytes, number: int, offset: int, end: int, names: _Names) -> str:
    if number == _TXT:
        return _text(wire, offset, end)
    if number in _ADDRESS_BYTES:
        if end - offset != _ADDRESS_BYTES[number]:
            raise _Unsupported
        return _address(wire[offset:end])
    if number in (_NS, _CNAME, _PTR):
        return _exact_name(wire, offset, end, names)
    if number == _MX:
        exchange = _exact_name(wire, offset + 2, end, names)
        return f"{wire[offset] << 8 | wire[offset + 1]} {exchange}"
    if number == _SOA:
        return _soa(wire, offset, end, names)
    raise _Unsupported


def _soa(wire: bytes, offset: int, end: int, names: _Names) -> str:
    """Return the two names with final dots, and the five numbers (RFC 1035 section 3.3.13)."""
    primary, offset = _name(wire, offset, end, names)
    mailbox, offset = _name(wire, offset, end, names)
    if end - offset != _SOA_NUMBERS:
        raise _Unsupported
    texts = [name if name == "." else f"{name}." for name in (primary, mailbox)]
    return " ".join([*texts, *map(str, _FIVE.unpack_from(wire, offset))])


@functools.lru_cache(maxsize=4096)
def _address(packed: bytes) -> str:
    """Return the address in the spelling of dnspython."""
    return dns.ipv4.inet_ntoa(packed) if len(packed) == 4 else dns.ipv6.inet_ntoa(packed)


def _text(wire: bytes, offset: int, end: int) -> str:
    parts = []
    while offset < end:
        stop = offset + 1 + wire[offset]
        parts.append(wire[offset + 1 : stop])
        offset = stop
    if offset != end or not parts:
        raise _Unsupported
    return decode_txt(b"".join(parts))


def _exact_name(wire: bytes, offset: int, end: int, names: _Names) -> str:
    name, after = _name(wire, offset, end, names)
    if after != end:
        raise _Unsupported
    return name


def _name(wire: bytes, offset: int, limit: int, names: _Names) -> tuple[str, int]:
    """Return the name at `offset` as text, and the offset behind it. It ends before `limit`.

    Pointers must lead strictly backwards and not into the header, at most 16 of them. Their target
    must not overlap the part that contains the pointer. So a hostile message cannot cause a loop.
    """
    if wire[offset] >= 192 and offset + 1 < limit:
        # Usually the name is only a pointer to an earlier name.
        known = names.get((wire[offset] & 0x3F) << 8 | wire[offset + 1])
        if known is not None and known[2] + 1 < _MAX_POINTERS:
            names[offset] = (known[0], known[1], known[2] + 1)
            return known[0], offset + 2
    return _name_in_parts(wire, offset, limit, names)


def _name_in_parts(wire: bytes, offset: int, limit: int, names: _Names) -> tuple[str, int]:
    first = start = nearest = offset
    labels: list[bytes] = []
    hops, after = 0, 0
    tail, tail_octets = "", 1
    while True:
        offset, target = _labels(wire, offset, limit, labels)
        after = after or offset
        if target is None:
            break
        hops += 1
        if not HEADER_BYTES <= target < nearest or hops > _MAX_POINTERS:
            raise _Unsupported
        # Only at the first part: all names decoded earlier end before it.
        known = names.get(target) if start == first else None
        if known is not None:
            tail, tail_octets, further = known
            hops += further
            break
        nearest, limit, offset, start = target, start, target, target
    octets = sum(map(len, labels)) + len(labels) + tail_octets
    if octets > _MAX_NAME_OCTETS or hops > _MAX_POINTERS:
        raise _Unsupported
    name = _join_labels(labels, tail)
    if hops < _MAX_POINTERS:
        names[first] = (name, octets, hops)
    return name, after


def _labels(wire: bytes, offset: int, limit: int, labels: list[bytes]) -> tuple[int, int | None]:
    """Read labels up to the end of the name, or to a pointer; return offset and pointer target."""
    while offset < limit and len(labels) < _MAX_NAME_OCTETS:
        size = wire[offset]
        offset += 1
        if size == 0:
            return offset, None
        # RFC 1035 section 4.1.4: 00 begins a label, 11 a pointer; 01 and 10 are reserved.
        if size < 64:
            labels.append(wire[offset : offset + size])
            offset += size
        elif size >= 192 and offset < limit:
            return offset + 1, (size & 0x3F) << 8 | wire[offset]
        else:
            break
    raise _Unsupported


def _join_labels(labels: list[bytes], tail: str) -> str:
    joined = b".".join(labels)
    if joined.translate(None, _PLAIN) or joined.count(b".") >= max(len(labels), 1):
        head = ".".join("".join(map(_ESCAPED.__getitem__, label)) for label in labels)
    else:
        head = joined.decode("ascii").lower()
    if not head:
        return tail or "."
    return f"{head}.{tail}" if tail and tail != "." else head


def _read_authority(
    wire: bytes, offset: int, count: int, names: _Names
) -> tuple[tuple[str, ...], list[tuple[str, str]], int]:
    """Return the owners of SOA records, the owners and targets of NS records, and the offset."""
    zones: dict[str, None] = {}
    named: dict[tuple[str, str], None] = {}
    for _ in range(count):
        owner, number, rclass, _, offset, end = _record_header(wire, offset, names)
        if rclass != _IN:
            raise _Unsupported
        if number == _NS:
            named[owner, _exact_name(wire, offset, end, names)] = None
        elif number == _SOA:
            _, offset = _name(wire, offset, end, names)
            _, offset = _name(wire, offset, end, names)
            if offset + _SOA_NUMBERS != end:
                raise _Unsupported
            zones[owner] = None
        else:
            raise _Unsupported
        offset = end
    return tuple(zones), list(named), offset


def _read_additional(
    wire: bytes, offset: int, count: int, names: _Names
) -> tuple[int, list[tuple[str, str]]]:
    """Return the upper bits of the rcode, and the addresses with their owners, set by set."""
    extended = -1
    sets: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for _ in range(count):
        owner, number, rclass, ttl, offset, end = _record_header(wire, offset, names)
        if number == _OPT:
            # RFC 6891 section 6.1.1: a second OPT record, or another owner, is an error.
            if extended >= 0 or owner != ".":
                raise _Unsupported
            _check_options(wire, offset, end)
            extended = ttl >> 24
        elif rclass != _IN or end - offset != _ADDRESS_BYTES.get(number):
            raise _Unsupported
        else:
            sets.setdefault((owner, number), []).append((owner, _address(wire[offset:end])))
        offset = end
    return max(extended, 0), [address for addresses in sets.values() for address in addresses]


def _check_options(wire: bytes, offset: int, end: int) -> None:
    """Accept extended DNS errors (RFC 8914 section 2); leave other options to dnspython."""
    while offset < end:
        code, length = _PAIR.unpack_from(wire, offset)
        offset += _PAIR.size
        if code != _EXTENDED_ERROR or length < 2 or offset + length > end:
            raise _Unsupported
        wire[offset + 2 : offset + length].decode("utf-8")
        offset += length
