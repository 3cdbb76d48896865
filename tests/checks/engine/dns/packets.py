"""Random DNS replies from a seeded generator: valid ones and damaged ones."""

from __future__ import annotations

import random

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from checks.engine.dns.wire import DnsQuestion, encode_query, make_question

NUMBER = 4711
RTYPES = ("A", "AAAA", "NS", "CNAME", "PTR", "MX", "TXT", "SOA")
# Records that servers add without a request.
_EXOTIC = (
    ("SRV", "0 5 443 host.example.test."),
    ("SOA", "ns.example.test. root.example.test. 1 2 3 4 5"),
    ("CAA", '0 issue "ca.test"'),
    ("HINFO", '"a" "b"'),
    ("TYPE65280", r"\# 3 abcdef"),
)
_OWNERS = ("example.test.", "EXAMPLE.test.", "www.example.test.", r"odd\.dot.te\032st.", ".")
# Bytes with a special meaning as length, pointer or type.
_MEANING = (0, 1, 2, 12, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xC1, 0xFF)


def asked(rtype: str = "TXT") -> DnsQuestion:
    found = make_question("example.test", rtype)
    assert found is not None
    return found


def ordinary(chance: random.Random, rtype: str) -> bytes:
    """A reply of a correct server: records of known types, SOA or NS, addresses."""
    response = dns.message.make_response(
        dns.message.from_wire(encode_query(asked(rtype), NUMBER, recursion=False))
    )
    response.flags |= chance.choice((0, dns.flags.AA, dns.flags.AA | dns.flags.RA))
    response.set_rcode(chance.choice((dns.rcode.NOERROR, dns.rcode.NXDOMAIN, dns.rcode.BADVERS)))
    for _ in range(chance.randrange(5)):
        response.answer.append(_set(chance, chance.choice(RTYPES), class_="IN"))
    for _ in range(chance.randrange(3)):
        rtype, text = chance.choice((("NS", "ns1.example.test."), _EXOTIC[1]))
        response.authority.append(
            dns.rrset.from_text(chance.choice(_OWNERS), _ttl(chance), "IN", rtype, text)
        )
    for _ in range(chance.randrange(3)):
        response.additional.append(_set(chance, chance.choice(("A", "AAAA")), class_="IN"))
    return response.to_wire(max_size=65535)


def exotic(chance: random.Random, rtype: str) -> bytes:
    """A valid reply with parts that the engine does not use."""
    response = dns.message.from_wire(ordinary(chance, rtype))
    for section in (response.answer, response.authority, response.additional):
        if chance.random() < 0.4:
            kind, text = chance.choice(_EXOTIC)
            section.append(dns.rrset.from_text(chance.choice(_OWNERS), 60, "IN", kind, text))
        if chance.random() < 0.2:
            section.append(_set(chance, "TXT", class_="CH"))
    if chance.random() < 0.4:
        options = [
            dns.edns.EDEOption(
                dns.edns.EDECode(chance.randrange(25)), chance.choice((None, "because", "größer"))
            ),
            dns.edns.GenericOption(str(chance.choice((3, 10, 12, 65001))), b"\1\2\3"),
        ]
        response.use_edns(0, options=chance.sample(options, chance.randrange(3)))
    if chance.random() < 0.1:
        response.question = chance.choice(([], response.question * 2))
    return response.to_wire(max_size=65535)


def damaged(chance: random.Random, wire: bytes) -> bytes:
    """Change, move, double or cut some bytes. The id stays, or the reply would be ignored."""
    wire_now = bytearray(wire)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(2, max(len(wire_now), 3))
        match chance.randrange(6):
            case 0:
                wire_now[at : at + 1] = bytes((chance.randrange(256),))
            case 1 | 2:
                wire_now[at : at + 1] = bytes((chance.choice(_MEANING),))
            case 3:
                del wire_now[at : at + chance.randrange(1, 4)]
            case 4:
                wire_now[at:at] = wire_now[at : at + chance.randrange(1, 20)]
            case 5:
                # A pointer to any offset, often into the middle of a name.
                wire_now[at : at + 2] = bytes((0xC0, chance.randrange(256)))
    return bytes(wire_now)


def _set(chance: random.Random, rtype: str, *, class_: str) -> dns.rrset.RRset:
    texts = [_text(chance, rtype) for _ in range(1 if rtype == "CNAME" else chance.randrange(1, 4))]
    return dns.rrset.from_text(chance.choice(_OWNERS), _ttl(chance), class_, rtype, *texts)


def _ttl(chance: random.Random) -> int:
    return chance.choice((0, 60, 300, 86400, 0x7FFFFFFF))


def _text(chance: random.Random, rtype: str) -> str:
    match rtype:
        case "A":
            return f"192.0.2.{chance.randrange(4)}"
        case "AAAA":
            return chance.choice(("2001:db8::1", "::ffff:192.0.2.1", "::", "1:0:0:2:0:0:0:3"))
        case "SOA":
            numbers = " ".join(str(chance.randrange(2**31)) for _ in range(5))
            return f"{_name(chance)} {_name(chance)} {numbers}"
        case "MX":
            return f"{chance.randrange(3)} {_name(chance)}"
        case "TXT":
            return chance.choice(
                ('"one two"', '"one" " two"', r'"\150\000"', '""', f'"{"x" * 255}"')
            )
    return _name(chance)


def _name(chance: random.Random) -> str:
    long = ".".join("x" * 60 for _ in range(3)) + "."
    return chance.choice(
        (*_OWNERS, "mx.example.test.", "MX.Example.TEST.", r"a\;b\200.test.", long)
    )
