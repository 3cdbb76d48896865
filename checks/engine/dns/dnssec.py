"""Validate the signatures of one zone as a validating resolver does (RFC 4035 section 5).

The DS records of the parent zone are the anchor. `lookup.LookupFailure` reasons name each fault. A
zone without a DS record, or with unsupported algorithms only, is not signed for a resolver
(RFC 4035 section 5.2).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dns.asyncquery
import dns.dnssec
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.dnssecalgs import get_algorithm_cls
from dns.exception import UnsupportedAlgorithm
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.RRSIG import RRSIG
from dns.rdtypes.dnskeybase import Flag

from checks.engine.dns import denial
from checks.engine.dns.network import Endpoint
from checks.engine.dns.wire import EDNS_PAYLOAD

# The reasons of a LookupFailure. The first is the most useful for the person who must act.
EXPIRED = "dnssec-expired"
NOT_YET_VALID = "dnssec-not-yet-valid"
NO_MATCHING_KEY = "dnssec-no-matching-key"
SIGNATURE_MISSING = "dnssec-signature-missing"
SIGNATURE_INVALID = "dnssec-signature-invalid"
# The NSEC or NSEC3 records do not prove that the record does not exist (RFC 4035 section 5.4).
DENIAL_UNPROVEN = "dnssec-denial-unproven"
# A validating resolver rejects the zone, for a reason that Gangway cannot determine.
REJECTED = "dnssec-rejected"
FAULTS = frozenset(
    {
        EXPIRED,
        NOT_YET_VALID,
        NO_MATCHING_KEY,
        SIGNATURE_MISSING,
        SIGNATURE_INVALID,
        DENIAL_UNPROVEN,
        REJECTED,
    }
)

# The records of a negative answer that must have valid signatures.
_NEGATIVE = (dns.rdatatype.SOA, *denial.TYPES)
# RFC 8624 section 3.3. A resolver ignores a DS record with another digest.
_DIGESTS = (1, 2, 4)
_SHA1_DIGEST = 1
# RFC 8624 section 3.1: validators must not implement RSAMD5, DSA and DSA-NSEC3-SHA1.
_FORBIDDEN_ALGORITHMS = (1, 3, 6)
_PROTOCOL = 3


@dataclass(frozen=True)
class ZoneKeys:
    """The keys of a signed zone, or the `fault` that voids them."""

    zone: dns.name.Name
    keys: dns.rrset.RRset | None = None
    fault: str = ""


async def fetch_signed(
    endpoint: Endpoint,
    name: str,
    rtype: str,
    *,
    timeouts_seconds: Sequence[float],
    at_resolver: bool = False,
) -> dns.message.Message | None:
    """Query one server with the DO bit (RFC 3225); None without a usable reply.

    Sends one attempt for each timeout. A resolver also returns records that it rejects (CD bit,
    RFC 4035 section 3.2.2).
    """
    query = dns.message.make_query(name, rtype, want_dnssec=True, payload=EDNS_PAYLOAD)
    query.flags = dns.flags.RD | dns.flags.CD if at_resolver else query.flags & ~dns.flags.RD
    address, port = endpoint
    for seconds in timeouts_seconds:
        try:
            reply, _ = await dns.asyncquery.udp_with_fallback(
                query, address, timeout=seconds, port=port, ignore_unexpected=True
            )
        except dns.exception.Timeout:
            continue
        except (dns.exception.DNSException, OSError, EOFError):
            return None
        return reply if reply.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) else None
    return None


def read_keys(zone: str, ds_values: Iterable[str], reply: dns.message.Message) -> ZoneKeys | None:
    """Return the keys in a reply to a DNSKEY query; None when no resolver validates the zone.

    `ds_values` are the DS records of the parent zone, as text.
    """
    apex = dns.name.from_text(zone)
    anchors = _usable(map(_read_ds, ds_values))
    if not anchors:
        return None
    keys = reply.get_rrset(reply.answer, apex, dns.rdataclass.IN, dns.rdatatype.DNSKEY)
    matching = [] if keys is None else [key for key in keys if _matches(apex, key, anchors)]
    # RFC 4035 section 5.2: a DS record without a key that matches voids the whole zone.
    if keys is None or not matching:
        return ZoneKeys(apex, fault=NO_MATCHING_KEY)
    entry = dns.rrset.from_rdata_list(apex, keys.ttl, matching)
    return ZoneKeys(apex, keys, _fault_of(keys, reply.answer, apex, entry))


def signer_of(reply: dns.message.Message, name: str, rtype: str) -> str:
    """Return the zone that signed the records of the answer; empty without a signature."""
    rrset = reply.get_rrset(
        reply.answer,
        dns.name.from_text(name),
        dns.rdataclass.IN,
        dns.rdatatype.from_text(rtype),
    )
    signatures = [] if rrset is None else _signatures(rrset, reply.answer)
    signers = [each.signer.to_text(omit_final_dot=True).lower() for each in signatures]
    return next(iter(signers), "")


def fault_in(reply: dns.message.Message, name: str, rtype: str, keys: ZoneKeys) -> str:
    """Return the fault of an answer from the zone, or "".

    A negative answer is judged by the signatures and the content of its SOA, NSEC and NSEC3
    records. Records of other zones are skipped.
    """
    if keys.fault or keys.keys is None:
        return keys.fault
    for section, types in ((reply.answer, None), (reply.authority, _NEGATIVE)):
        for rrset in section:
            is_relevant = (
                rrset.rdtype in types if types else not _needs_no_signature(rrset, section)
            )
            if is_relevant and rrset.name.is_subdomain(keys.zone):
                fault = _fault_of(rrset, section, keys.zone, keys.keys)
                if fault:
                    return fault
    # The records of other zones at the same server prove nothing about this one.
    proofs = [
        rrset
        for rrset in reply.authority
        if rrset.rdtype in denial.TYPES
        and any(each.signer == keys.zone for each in _signatures(rrset, reply.authority))
    ]
    proven = _proves_denial(reply, dns.name.from_text(name), rtype, keys.zone, proofs)
    return "" if proven and _permits_wildcards(reply, keys.zone, proofs) else DENIAL_UNPROVEN


def _needs_no_signature(rrset: dns.rrset.RRset, section: Sequence[dns.rrset.RRset]) -> bool:
    """Return whether the record is a signature, or an alias that a DNAME record creates.

    Servers do not sign such an alias (RFC 6672 section 5.3.1).
    """
    if rrset.rdtype == dns.rdatatype.RRSIG:
        return True
    return rrset.rdtype == dns.rdatatype.CNAME and any(
        each.rdtype == dns.rdatatype.DNAME
        and rrset.name != each.name
        and rrset.name.is_subdomain(each.name)
        for each in section
    )


def _proves_denial(
    reply: dns.message.Message,
    name: dns.name.Name,
    rtype: str,
    zone: dns.name.Name,
    proofs: Sequence[dns.rrset.RRset],
) -> bool:
    """Return whether a negative answer of the zone has its proof. Other replies need none."""
    rdtype = dns.rdatatype.from_text(rtype)
    aliases = {each.name: each for each in reply.answer if each.rdtype == dns.rdatatype.CNAME}
    while name in aliases and rdtype != dns.rdatatype.CNAME:
        name = aliases.pop(name)[0].target
    if any(each.name == name and each.rdtype == rdtype for each in reply.answer):
        return True
    if not name.is_subdomain(zone) or _is_of_zone_below(reply.authority, zone):
        return True
    is_nxdomain = reply.rcode() == dns.rcode.NXDOMAIN
    return denial.proves_absence(name, rdtype, zone, proofs, is_nxdomain=is_nxdomain)


def _is_of_zone_below(authority: Sequence[dns.rrset.RRset], zone: dns.name.Name) -> bool:
    """Return whether the reply is a referral, or the negative answer of another zone."""
    apexes = {each.name for each in authority if each.rdtype == dns.rdatatype.SOA}
    if apexes:
        return zone not in apexes
    return any(
        each.rdtype == dns.rdatatype.NS and each.name != zone and each.name.is_subdomain(zone)
        for each in authority
    )


def _permits_wildcards(
    reply: dns.message.Message, zone: dns.name.Name, proofs: Sequence[dns.rrset.RRset]
) -> bool:
    """Return whether each answer from a wildcard shows that no closer name exists."""
    return all(
        denial.permits_wildcard(each.name, signature.labels, zone, proofs)
        for each in reply.answer
        if each.rdtype == dns.rdatatype.RRSIG and each.name.is_subdomain(zone)
        for signature in each
        # The root is a label of the name, but not of the signature, and "*" is not counted.
        if isinstance(signature, RRSIG)
        and signature.signer == zone
        and signature.labels < len(each.name) - 1 - each.name.is_wild()
    )


def is_in_zone(start: dns.message.Message, keys: ZoneKeys) -> bool:
    """Return whether the zone in a reply to an SOA query is the zone of the keys."""
    sections = (*start.answer, *start.authority)
    apexes = {each.name for each in sections if each.rdtype == dns.rdatatype.SOA}
    return apexes == {keys.zone}


def _read_ds(value: str) -> DS:
    read = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.DS, value)
    assert isinstance(read, DS)
    return read


def _usable(anchors: Iterable[DS]) -> list[DS]:
    """Return the DS records that resolvers use. A SHA-1 digest does not count next to another one.

    A resolver that ignores it rejects the zone whose other digest is wrong (RFC 4509 section 3).
    """
    supported = [ds for ds in anchors if _is_supported(ds)]
    return [ds for ds in supported if ds.digest_type != _SHA1_DIGEST] or supported


def _is_supported(ds: DS) -> bool:
    try:
        get_algorithm_cls(ds.algorithm)
    except dns.exception.DNSException:
        return False
    is_permitted = int(ds.algorithm) not in _FORBIDDEN_ALGORITHMS
    return is_permitted and int(ds.digest_type) in _DIGESTS


def _matches(apex: dns.name.Name, key: dns.rdata.Rdata, anchors: Sequence[DS]) -> bool:
    # RFC 4034 section 2.1: other keys verify no signature of a zone.
    if not isinstance(key, DNSKEY) or not key.flags & Flag.ZONE or key.protocol != _PROTOCOL:
        return False
    return any(
        dns.dnssec.make_ds(
            apex, key, anchor.digest_type, policy=dns.dnssec.allow_all_policy, validating=True
        )
        == anchor
        for anchor in anchors
        if anchor.algorithm == key.algorithm
    )


def _fault_of(
    rrset: dns.rrset.RRset,
    section: Sequence[dns.rrset.RRset],
    zone: dns.name.Name,
    keys: dns.rrset.RRset,
) -> str:
    """Return the fault of the best signature of a record set: one valid signature is enough."""
    signatures = _signatures(rrset, section)
    own = [signature for signature in signatures if signature.signer == zone]
    if not own and any(
        each.signer.is_subdomain(zone) and rrset.name.is_subdomain(each.signer)
        for each in signatures
    ):
        # A zone below, at the same server, signs these records.
        return ""
    faults = [_signature_fault(rrset, signature, zone, keys) for signature in own]
    return SIGNATURE_MISSING if not faults else min(faults, key=_preference)


def _signatures(rrset: dns.rrset.RRset, section: Sequence[dns.rrset.RRset]) -> list[RRSIG]:
    return [
        signature
        for each in section
        if each.name == rrset.name
        and each.rdtype == dns.rdatatype.RRSIG
        and each.covers == rrset.rdtype
        for signature in each
        if isinstance(signature, RRSIG)
    ]


def _preference(fault: str) -> int:
    return ("", EXPIRED, NOT_YET_VALID, SIGNATURE_INVALID).index(fault)


def _signature_fault(
    rrset: dns.rrset.RRset, signature: RRSIG, zone: dns.name.Name, keys: dns.rrset.RRset
) -> str:
    now = time.time()
    # RFC 4035 section 5.3.1: the current time must be between inception and expiration.
    if signature.expiration < now:
        return EXPIRED
    if signature.inception > now:
        return NOT_YET_VALID
    try:
        dns.dnssec.validate_rrsig(
            rrset, signature, {zone: keys}, now=now, policy=dns.dnssec.allow_all_policy
        )
    except UnsupportedAlgorithm:
        return ""
    except (dns.exception.DNSException, ValueError):
        return SIGNATURE_INVALID
    return ""
