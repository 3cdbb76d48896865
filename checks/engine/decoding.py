"""From a DNS message to a typed answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT

from checks.engine.lookup import Answer, CouldNotTell, NoName, NoRecord, Record, Records

_UNKNOWN_BYTE = "\ufffd"


class End(Enum):
    """How a reply ends after the CNAMEs in it have been followed."""

    RECORDS = "records"
    NO_RECORD = "no-record"
    NO_NAME = "no-name"
    UNFINISHED = "unfinished"


@dataclass(frozen=True)
class Reply:
    """What one message says about a name. `last` is the name the CNAMEs in it lead to."""

    end: End
    last: str
    records: tuple[Record, ...] = ()
    chain: tuple[Record, ...] = ()

    def as_answer(self, earlier: tuple[Record, ...] = ()) -> Answer:
        chain = earlier + self.chain
        if self.end is End.RECORDS:
            return Records(self.records, chain)
        return NoName(chain) if self.end is End.NO_NAME else NoRecord(chain)


def text_of(name: dns.name.Name) -> str:
    """Lower-case, without the final dot; the root is a single dot."""
    return name.to_text(omit_final_dot=True).lower()


def read_recursive(message: dns.message.Message, name: str, rtype: str) -> Reply | CouldNotTell:
    """A resolver's reply. One that neither recursed nor is authoritative knows nothing."""
    failure = _failure(message)
    if failure is not None:
        return failure
    speaks = message.flags & (dns.flags.RA | dns.flags.AA)
    if not speaks and not message.answer:
        return CouldNotTell("refused", "recursion not available")
    return _follow(message, name, rtype)


def read_authoritative(message: dns.message.Message, name: str, rtype: str) -> Reply | CouldNotTell:
    """An authoritative server's reply; without the AA bit the server is lame (RFC 1912 2.8)."""
    failure = _failure(message)
    if failure is not None:
        return failure
    if not message.flags & dns.flags.AA:
        referral = any(rrset.rdtype == dns.rdatatype.NS for rrset in message.authority)
        return CouldNotTell("lame", "referral" if referral else "not authoritative")
    return _follow(message, name, rtype)


def _failure(message: dns.message.Message) -> CouldNotTell | None:
    rcode = message.rcode()
    if rcode in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return None
    if rcode in (dns.rcode.REFUSED, dns.rcode.NOTAUTH):
        return CouldNotTell("refused", dns.rcode.to_text(rcode))
    return CouldNotTell("servfail", dns.rcode.to_text(rcode))


def _follow(message: dns.message.Message, name: str, rtype: str) -> Reply | CouldNotTell:
    """Follow the CNAMEs inside one message (RFC 1034 section 3.6.2)."""
    answers = {
        (text_of(rrset.name), dns.rdatatype.to_text(rrset.rdtype)): rrset
        for rrset in message.answer
        if rrset.rdclass == dns.rdataclass.IN
    }
    chain: list[Record] = []
    current, seen = name.lower(), set[str]()
    while (current, rtype) not in answers:
        alias = answers.get((current, "CNAME"))
        if alias is None:
            return Reply(_ending(message, current, chain), current, chain=tuple(chain))
        if current in seen:
            return CouldNotTell("cname-loop", current)
        seen.add(current)
        chain.append(_records(alias)[0])
        current = chain[-1].value
    return Reply(End.RECORDS, current, _records(answers[current, rtype]), tuple(chain))


def _ending(message: dns.message.Message, last: str, chain: list[Record]) -> End:
    """No records at the end: RFC 2308 section 2, and RFC 6604 section 3 for an aliased NXDOMAIN."""
    if message.rcode() == dns.rcode.NXDOMAIN:
        return End.NO_NAME
    if not chain or _has_soa_for(message, last):
        return End.NO_RECORD
    return End.UNFINISHED


def _has_soa_for(message: dns.message.Message, name: str) -> bool:
    owners = [text_of(r.name) for r in message.authority if r.rdtype == dns.rdatatype.SOA]
    return any(owner == "." or ("." + name).endswith("." + owner) for owner in owners)


def _records(rrset: dns.rrset.RRset) -> tuple[Record, ...]:
    rtype = dns.rdatatype.to_text(rrset.rdtype)
    owner = text_of(rrset.name)
    return tuple(Record(owner, rtype, rrset.ttl, _value(rdata)) for rdata in rrset)


def _value(rdata: dns.rdata.Rdata) -> str:
    match rdata:
        case NS() | CNAME() | PTR():
            return text_of(rdata.target)
        case MX():
            return f"{rdata.preference} {text_of(rdata.exchange)}"
        case TXT():
            return readable(b"".join(rdata.strings))
    return rdata.to_text().lower()


def readable(content: bytes) -> str:
    """TXT strings joined without a space (RFC 7208 section 3.3), safe to store as text.

    A byte that is not UTF-8, and NUL, which databases refuse, become U+FFFD: no record that we
    look for holds either, so nothing that matters can be mistaken for another value.
    """
    return content.decode("utf-8", errors="replace").replace("\0", _UNKNOWN_BYTE)
