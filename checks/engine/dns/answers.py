"""Convert a DNS message into a typed answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import dns.rcode

from checks.engine.dns.dnspython_adapter import DnsMessage
from checks.engine.dns.lookup import (
    Answer,
    LookupFailure,
    NoName,
    NoRecord,
    Record,
    Records,
    Referral,
)
from checks.engine.dns.wire import AUTHORITATIVE, RECURSION_AVAILABLE

REFERRAL = "referral"
MAX_ALIASES = 16


class ReplyEnding(Enum):
    """How a reply ends after the CNAMEs in it have been followed."""

    RECORDS = "records"
    NO_RECORD = "no-record"
    NO_NAME = "no-name"
    UNRESOLVED_ALIAS = "unfinished"


@dataclass(frozen=True)
class DecodedReply:
    """The content of one message about a name.

    `last_name` is the end of its CNAME chain. `zone` is the zone of the name according to an
    authoritative server, or "".
    """

    end: ReplyEnding
    last_name: str
    records: tuple[Record, ...] = ()
    chain: tuple[Record, ...] = ()
    zone: str = ""
    is_case_sensitive: bool = False

    def as_answer(self, earlier: tuple[Record, ...] = ()) -> Answer:
        chain = earlier + self.chain
        # After an alias, the zone belongs to the target and not to the name of the question.
        zone = "" if chain else self.zone
        if self.end is ReplyEnding.RECORDS:
            return Records(self.records, chain, zone, self.is_case_sensitive)
        return NoName(chain, zone) if self.end is ReplyEnding.NO_NAME else NoRecord(chain, zone)


def read_recursive(message: DnsMessage, name: str, rtype: str) -> DecodedReply | LookupFailure:
    """Read a resolver's reply. Without recursion and authority, an empty reply is a failure."""
    failure = _failure(message)
    if failure is not None:
        return failure
    knows = message.flags & (RECURSION_AVAILABLE | AUTHORITATIVE)
    if not knows and not message.has_answers:
        return LookupFailure("refused", "recursion not available")
    return _follow_aliases(message, name, rtype)


def read_authoritative(message: DnsMessage, name: str, rtype: str) -> DecodedReply | LookupFailure:
    """Read an authoritative reply. Without the AA bit the server is lame (RFC 1912 section 2.8)."""
    failure = _failure(message)
    if failure is not None:
        return failure
    if not message.flags & AUTHORITATIVE:
        if message.referral:
            hosts = tuple(sorted(set(message.referral)))
            glue = tuple(sorted(pair for pair in message.glue if pair[0] in hosts))
            return Referral("lame", REFERRAL, hosts, glue)
        return LookupFailure("lame", "not authoritative")
    return _follow_aliases(message, name, rtype, _zone_of(message))


def _zone_of(message: DnsMessage) -> str:
    """Return the zone from which an authoritative server answers, or "" if the reply omits it.

    It is the owner of the SOA record in a negative answer (RFC 2308 section 3), or of the NS set in
    a positive answer. Servers may omit the NS set.
    """
    named = {*message.zones, *message.apexes}
    # Two owners contradict each other, so the reply names no zone.
    return named.pop() if len(named) == 1 else ""


def _failure(message: DnsMessage) -> LookupFailure | None:
    rcode = message.rcode
    if rcode in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return None
    if rcode in (dns.rcode.REFUSED, dns.rcode.NOTAUTH):
        return LookupFailure("refused", dns.rcode.Rcode.to_text(rcode))
    return LookupFailure("servfail", dns.rcode.Rcode.to_text(rcode))


def _follow_aliases(
    message: DnsMessage, name: str, rtype: str, zone: str = ""
) -> DecodedReply | LookupFailure:
    """Follow the CNAME chain inside one message (RFC 1034 section 3.6.2)."""
    answers = message.answers
    chain: list[Record] = []
    current, visited = name.lower(), set[str]()
    while (current, rtype) not in answers:
        alias = answers.get((current, "CNAME"))
        if alias is None:
            return DecodedReply(_ending(message, current, chain), current, (), tuple(chain), zone)
        # A hostile server can send a loop of CNAMEs, which would never end.
        if current in visited:
            return LookupFailure("cname-loop", current)
        visited.add(current)
        chain.append(alias[0])
        # Resolvers give up as well, and the chain is part of the evidence.
        if len(chain) > MAX_ALIASES:
            return LookupFailure("cname-loop", current)
        current = chain[-1].value
    return DecodedReply(ReplyEnding.RECORDS, current, answers[current, rtype], tuple(chain), zone)


def _ending(message: DnsMessage, last_name: str, chain: list[Record]) -> ReplyEnding:
    """Return the kind of an empty answer (RFC 2308 section 2, RFC 6604 section 3 for aliases)."""
    if message.rcode == dns.rcode.NXDOMAIN:
        return ReplyEnding.NO_NAME
    # Without a SOA record for the last name, the server only stopped at the edge of its zones.
    if not chain or _has_soa_for(message, last_name):
        return ReplyEnding.NO_RECORD
    return ReplyEnding.UNRESOLVED_ALIAS


def _has_soa_for(message: DnsMessage, name: str) -> bool:
    return any(owner == "." or ("." + name).endswith("." + owner) for owner in message.zones)
