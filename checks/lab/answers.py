"""Answer one question from the lab's zones, as an authoritative server or as a resolver."""

from __future__ import annotations

from dataclasses import dataclass

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from checks.lab.addresses import NAME_SERVERS, SUFFIX, LabEndpoints
from checks.lab.zone_records import APEX, Zone, ZoneRecord, Zones, as_rdata, enclosing_zone

ZONE_TTL = 3600  # of SOA and NS
NEGATIVE_TTL = 5  # RFC 2308 section 5: how long a negative answer may be cached
MAX_CHAIN = 8
UDP_PAYLOAD = 1232
TOP_ZONE = Zone(1, ())


@dataclass(frozen=True)
class LookupResult:
    """The record sets for one name and type, including aliases, and the zone of the last one."""

    rcode: dns.rcode.Rcode
    sets: tuple[dns.rrset.RRset, ...]
    zone: str


def authoritative_answer(
    query: dns.message.Message, zones: Zones, endpoints: LabEndpoints
) -> dns.message.Message:
    """AA answers for the lab's zones and for .test itself; REFUSED for all other names."""
    response = dns.message.make_response(query, our_payload=UDP_PAYLOAD)
    name, rtype = _question(query)
    if not _is_ours(name):
        response.set_rcode(dns.rcode.REFUSED)
        return response
    response.flags |= dns.flags.AA
    return _fill(response, zones, look_up(zones, name, rtype, endpoints))


def resolver_answer(
    query: dns.message.Message, zones: Zones, endpoints: LabEndpoints
) -> dns.message.Message:
    """The answer of a resolver that queries the lab for .test and refuses all other names."""
    response = dns.message.make_response(query, recursion_available=True, our_payload=UDP_PAYLOAD)
    name, rtype = _question(query)
    if not _is_ours(name) or not query.flags & dns.flags.RD:
        response.set_rcode(dns.rcode.REFUSED)
        return response
    return _fill(response, zones, look_up(zones, name, rtype, endpoints))


def refusal(query: dns.message.Message, rcode: dns.rcode.Rcode) -> dns.message.Message:
    response = dns.message.make_response(query, our_payload=UDP_PAYLOAD)
    response.set_rcode(rcode)
    return response


def look_up(zones: Zones, name: str, rtype: str, endpoints: LabEndpoints) -> LookupResult:
    """Follow CNAMEs inside the lab's zones."""
    sets: list[dns.rrset.RRset] = []
    for _ in range(MAX_CHAIN):
        zone_name = enclosing_zone(zones, name) or SUFFIX
        at_name = _records_at(zones, zone_name, name, endpoints)
        aliases = [record for record in at_name if record.rtype == "CNAME"]
        wanted = [record for record in at_name if record.rtype == rtype]
        if wanted or not aliases:
            exists = bool(at_name) or _has_names_below(zones, zone_name, name)
            rcode = dns.rcode.NOERROR if exists else dns.rcode.NXDOMAIN
            return LookupResult(rcode, (*sets, *_as_sets(name, wanted)), zone_name)
        sets.extend(_as_sets(name, aliases))
        name = aliases[0].value.rstrip(".")
        if not _is_ours(name):
            break
    return LookupResult(dns.rcode.NOERROR, tuple(sets), "")


def _records_at(
    zones: Zones, zone_name: str, name: str, endpoints: LabEndpoints
) -> list[ZoneRecord]:
    label = name.removesuffix(zone_name).rstrip(".") or APEX
    zone = zones.get(zone_name, TOP_ZONE)
    records = [
        ZoneRecord(
            r.label, r.rtype, r.ttl, endpoints.served(r.value) if r.rtype == "A" else r.value
        )
        for r in zone.records
        if r.label == label
    ]
    if label == APEX:
        records += [ZoneRecord(APEX, "NS", ZONE_TTL, server) for server in NAME_SERVERS]
        records.append(_soa(zone))
    return records


def _soa(zone: Zone) -> ZoneRecord:
    timers = f"{zone.serial} 3600 600 86400 {NEGATIVE_TTL}"
    return ZoneRecord(APEX, "SOA", ZONE_TTL, f"{NAME_SERVERS[0]} hostmaster.lab.test {timers}")


def _has_names_below(zones: Zones, zone_name: str, name: str) -> bool:
    """An empty non-terminal exists although it has no records (RFC 8020 section 2)."""
    below = f".{name}"
    if any(zone.endswith(below) for zone in zones):
        return True
    records = zones.get(zone_name, TOP_ZONE).records
    return any(f"{record.label}.{zone_name}".endswith(below) for record in records)


def _as_sets(name: str, records: list[ZoneRecord]) -> list[dns.rrset.RRset]:
    if not records:
        return []
    owner = dns.name.from_text(name)
    rdatas = [as_rdata(record) for record in records]
    return [dns.rrset.from_rdata_list(owner, records[0].ttl, rdatas)]


def _fill(response: dns.message.Message, zones: Zones, found: LookupResult) -> dns.message.Message:
    response.set_rcode(found.rcode)
    response.answer.extend(found.sets)
    is_absent = not found.sets or found.sets[-1].rdtype != response.question[0].rdtype
    if is_absent and found.zone:
        _add_negative(response, zones, found.zone)
    return response


def _add_negative(response: dns.message.Message, zones: Zones, zone_name: str) -> None:
    """The SOA in a negative answer carries its TTL (RFC 2308 section 3)."""
    soa = _as_sets(zone_name, [_soa(zones.get(zone_name, TOP_ZONE))])[0]
    soa.ttl = NEGATIVE_TTL
    response.authority.append(soa)


def _question(query: dns.message.Message) -> tuple[str, str]:
    question = query.question[0]
    name = question.name.to_text(omit_final_dot=True).lower()
    return name, dns.rdatatype.to_text(question.rdtype)


def _is_ours(name: str) -> bool:
    return name == SUFFIX or name.endswith(f".{SUFFIX}")
