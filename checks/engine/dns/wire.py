"""DNS messages as bytes: questions written, ordinary replies read. Pure.

Written for speed, because nearly all the time of a look went into message objects. Only what the
engine reads is read: A, AAAA, NS, CNAME, PTR, MX and TXT answers of class IN, and SOA and NS in
the authority section. Whatever is odd is left to dnspython (`messages.from_reference`): `read` is
either certain or says nothing. Every step moves forward or is counted, so that no message takes
longer than its length allows.
"""

from __future__ import annotations

import functools
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
AUTHORITATIVE, RECURSION_AVAILABLE = 0x0400, 0x0080
OPCODE = 0x7800

_A, _NS, _CNAME, _SOA, _PTR, _MX, _TXT, _AAAA, _OPT = 1, 2, 5, 6, 12, 15, 16, 28, 41
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
}
_ADDRESS_BYTES = {_A: 4, _AAAA: 16}
_TYPE_NAMES = {number: type_name for type_name, number in _TYPE_CODES.items()}
_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_PAIR = struct.Struct("!HH")
# The root, type OPT, our payload size, no flags, no options (RFC 6891 section 6.1.2).
_EDNS = b"\0" + _RECORD.pack(_OPT, EDNS_PAYLOAD, 0, 0)
_EXTENDED_ERROR = 15
_MAX_TTL = 0x7FFFFFFF
_MAX_POINTERS = 16
_MAX_NAME_OCTETS = 255
_SOA_NUMBERS = 20
# What stands for itself in a name written as text; the rest is escaped (RFC 1035 section 5.1).
_SPECIAL = b'"().;\\@$'
_PLAIN = bytes(byte for byte in range(0x21, 0x7F) if byte not in _SPECIAL or byte == ord("."))
_ESCAPED = [
    "\\" + chr(byte)
    if byte in _SPECIAL
    else (chr(byte).lower() if 0x20 < byte < 0x7F else f"\\{byte:03d}")
    for byte in range(256)
]


class _Unsupported(Exception):
    """This message is for dnspython. Never leaves this module."""


@dataclass(frozen=True, slots=True)
class DnsQuestion:
    """A name and type as they go over the wire; `name` is the name as replies write it."""

    name: str
    rtype: str
    wire: bytes

    def is_question_of(self, message: bytes) -> bool:
        """Does the message hold this question alone, in any case of letters?

        Lower-casing is safe on the whole: lengths are below 64, and our types below 65.
        """
        end = HEADER_BYTES + len(self.wire)
        return message[4:6] == b"\0\1" and message[HEADER_BYTES:end].lower() == self.wire


@functools.lru_cache(maxsize=8192)
def make_question(name: str, rtype: str) -> DnsQuestion | None:
    """None when no such name can exist (RFC 1035 section 2.3.4)."""
    name = name.rstrip(".").lower()
    labels = [label.encode("utf-8") for label in name.split(".")] if name else []
    if (
        any(not 0 < len(label) < 64 for label in labels)
        or sum(map(len, labels)) + len(labels) > 254
    ):
        return None
    packed = b"".join(bytes((len(label),)) + label for label in labels)
    return DnsQuestion(
        _join_labels(labels, ""), rtype, packed + b"\0" + _PAIR.pack(_TYPE_CODES[rtype], _IN)
    )


def encode_query(
    question: DnsQuestion, number: int, *, recursion: bool, edns: bool = True
) -> bytes:
    """The bytes of a query with the id `number`, offering EDNS of 1232 bytes."""
    flags = RECURSION_DESIRED if recursion else 0
    header = _HEADER.pack(number, flags, 1, 0, 0, int(edns))
    return header + question.wire + (_EDNS if edns else b"")


def decode_reply(question: DnsQuestion, wire: bytes) -> DnsMessage | None:
    """The reply to `question`, whose header and question the caller has seen; None when it is odd."""
    try:
        # Servers of a zone mostly send the same bytes behind the id, which nothing here looks at.
        return _decode_reply(question, b"\0\0" + wire[2:])
    except (_Unsupported, IndexError, struct.error, ValueError):
        return None


@functools.lru_cache(maxsize=1024)
def _decode_reply(question: DnsQuestion, wire: bytes) -> DnsMessage:
    _, flags, _, answers, authority, additional = _HEADER.unpack_from(wire)
    # Nearly every owner points at the question.
    names = {HEADER_BYTES: (question.name, len(question.wire) - 4, 0)}
    offset = HEADER_BYTES + len(question.wire)
    found, offset = _read_answers(wire, offset, answers, names)
    zones, named, offset = _read_authority(wire, offset, authority, names)
    extended = _read_additional(wire, offset, additional, names)
    return DnsMessage(
        flags=flags,
        rcode=extended << 4 | flags & 0x0F,
        answers=found,
        has_answers=answers > 0,
        zones=zones,
        apexes=tuple(dict.fromkeys([owner for owner, _ in named])),
        referral=tuple([target for _, target in named]),
    )


_Names = dict[int, tuple[str, int, int]]


def _record_header(wire: bytes, offset: int, names: _Names) -> tuple[str, int, int, int, int, int]:
    """A record up to its content: owner, type, class, TTL, and where the content lies."""
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
    """Sets keep their order and lose their doubles; a set's TTL is its lowest (RFC 2181 5.2)."""
    sets: dict[tuple[str, str], dict[object, str]] = {}
    ttls: dict[tuple[str, str], int] = {}
    for _ in range(count):
        owner, number, rclass, ttl, offset, end = _record_header(wire, offset, names)
        if rclass != _IN:
            raise _Unsupported
        key = (owner, _TYPE_NAMES.get(number, ""))
        ttl = 0 if ttl > _MAX_TTL else ttl
        ttls[key] = min(ttl, ttls.get(key, ttl))
        value = _value(wire, number, offset, end, names)
        here = sets.setdefault(key, {})
        if number == _CNAME:
            here.clear()
        # Strings cut at other places make another record, though it reads the same.
        here.setdefault(wire[offset:end] if number == _TXT else value, value)
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
    raise _Unsupported


@functools.lru_cache(maxsize=4096)
def _address(packed: bytes) -> str:
    """As dnspython writes it."""
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
    """The name at `at` as text, and where reading goes on. No byte from `limit` on belongs to it.

    Pointers lead strictly backwards and not into the header, at most 16 of them, and what they lead
    to may not overlap the part that led there.
    """
    if wire[offset] >= 192 and offset + 1 < limit:
        # Mostly a pointer alone, to a name that was read before.
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
        # Only from the name's own place: there, all that was read before ends before.
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
    """Read labels up to the end of the name, or to a pointer and where it leads."""
    while offset < limit and len(labels) < _MAX_NAME_OCTETS:
        size = wire[offset]
        offset += 1
        if size == 0:
            return offset, None
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
    """The owners of SOA records, and the owners and targets of NS records."""
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


def _read_additional(wire: bytes, offset: int, count: int, names: _Names) -> int:
    """The upper bits of the rcode. Addresses are looked at only to be sure that they are whole."""
    extended = -1
    for _ in range(count):
        owner, number, rclass, ttl, offset, end = _record_header(wire, offset, names)
        if number == _OPT:
            if extended >= 0 or owner != ".":
                raise _Unsupported
            _check_options(wire, offset, end)
            extended = ttl >> 24
        elif rclass != _IN or end - offset != _ADDRESS_BYTES.get(number):
            raise _Unsupported
        offset = end
    return max(extended, 0)


def _check_options(wire: bytes, offset: int, end: int) -> None:
    """Resolvers like to explain themselves (RFC 8914 section 2); other options are odd."""
    while offset < end:
        code, length = _PAIR.unpack_from(wire, offset)
        offset += _PAIR.size
        if code != _EXTENDED_ERROR or length < 2 or offset + length > end:
            raise _Unsupported
        wire[offset + 2 : offset + length].decode("utf-8")
        offset += length
