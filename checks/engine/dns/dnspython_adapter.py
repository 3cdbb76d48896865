"""The parts of a DNS message that the engine reads, and their extraction with dnspython.

`wire.decode_reply` reads ordinary messages many times faster and leaves the others to this module.
A test compares the two decoders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT

from checks.engine.dns.lookup import Record

_UNKNOWN_BYTE = "\ufffd"


@dataclass(frozen=True, slots=True)
class DnsMessage:
    """One reply. `rcode` is the extended one (RFC 6891 section 6.1.3).

    - `answers`: the record sets of class IN in the answer section, by owner and type.
    - `has_answers`: whether the answer section contains any record.
    - `zones`: the owners of the SOA records in the authority section (RFC 2308).
    - `apexes`, `referral`: the owners and the targets of the NS records in the authority section.
    - `glue`: the names and addresses in the additional section of a reply without authority.
    """

    flags: int
    rcode: int
    answers: Mapping[tuple[str, str], tuple[Record, ...]]
    has_answers: bool = False
    zones: tuple[str, ...] = ()
    apexes: tuple[str, ...] = ()
    referral: tuple[str, ...] = ()
    glue: tuple[tuple[str, str], ...] = ()


def from_dnspython(message: dns.message.Message) -> DnsMessage:
    """Return the parts of a message that dnspython has parsed."""
    return DnsMessage(
        flags=int(message.flags),
        rcode=int(message.rcode()),
        answers={
            (name_to_text(rrset.name), dns.rdatatype.to_text(rrset.rdtype)): _records(rrset)
            for rrset in message.answer
            if rrset.rdclass == dns.rdataclass.IN
        },
        # Of any class and type: a resolver that returns records has performed the recursion.
        has_answers=bool(message.answer),
        zones=tuple(
            name_to_text(r.name) for r in message.authority if r.rdtype == dns.rdatatype.SOA
        ),
        apexes=tuple(
            name_to_text(r.name) for r in message.authority if r.rdtype == dns.rdatatype.NS
        ),
        referral=tuple(
            name_to_text(rdata.target)
            for rrset in message.authority
            for rdata in rrset
            if isinstance(rdata, NS)
        ),
        glue=()
        if message.flags & dns.flags.AA
        else tuple(
            dict.fromkeys(
                (name_to_text(rrset.name), rdata.to_text())
                for rrset in message.additional
                for rdata in rrset
                if rdata.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA)
                and rdata.rdclass == dns.rdataclass.IN
            )
        ),
    )


def name_to_text(name: dns.name.Name) -> str:
    """Return the name in lower case without the final dot; the root is a single dot."""
    return name.to_text(omit_final_dot=True).lower()


def _records(rrset: dns.rrset.RRset) -> tuple[Record, ...]:
    rtype = dns.rdatatype.to_text(rrset.rdtype)
    owner = name_to_text(rrset.name)
    return tuple(Record(owner, rtype, rrset.ttl, _value(rdata)) for rdata in rrset)


def _value(rdata: dns.rdata.Rdata) -> str:
    match rdata:
        case NS() | CNAME() | PTR():
            return name_to_text(rdata.target)
        case MX():
            return f"{rdata.preference} {name_to_text(rdata.exchange)}"
        case TXT():
            return decode_txt(b"".join(rdata.strings))
    # Addresses and SOA. Lower-cased, because names in them compare without regard to case.
    return rdata.to_text().lower()


def decode_txt(content: bytes) -> str:
    """Return joined TXT strings (RFC 7208 section 3.3: without a space) as text for a database.

    NUL, which PostgreSQL rejects, and bytes that are not UTF-8 become U+FFFD. No record that a
    check needs contains them, so no such value can pass for another one.
    """
    return content.decode("utf-8", errors="replace").replace("\0", _UNKNOWN_BYTE)
