"""Whether a signed zone proves that a record does not exist (NSEC and NSEC3).

A validating resolver rejects a negative answer without this proof (RFC 4035 section 5.4, RFC 5155
section 8). `dnssec` passes on only the records of the zone whose signatures it has validated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import dns.dnssec
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.NSEC import NSEC
from dns.rdtypes.ANY.NSEC3 import NSEC3

# RFC 9276 section 3.2: above some number of iterations, resolvers treat the answer as unsigned.
# Each implementation has its own limit; none is lower than this one.
MAX_ITERATIONS = 50
TYPES = (dns.rdatatype.NSEC, dns.rdatatype.NSEC3)
_SHA1 = 1
_OPT_OUT = 1
_BASE32HEX = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
_WILDCARD = dns.name.from_text("*", None)


def proves_absence(
    name: dns.name.Name,
    rdtype: dns.rdatatype.RdataType,
    zone: dns.name.Name,
    records: Iterable[dns.rrset.RRset],
    *,
    is_nxdomain: bool,
) -> bool:
    """Return whether the NSEC or NSEC3 records prove that the record does not exist.

    `is_nxdomain`: the answer denies the name itself. NSEC3 records that resolvers do not evaluate
    (unknown hash, too many iterations) count as a proof: for them the zone is unsigned.
    """
    proofs = _proofs_in(records, zone)
    if proofs is None:
        return True
    return any(
        proof.denies_name(name) if is_nxdomain else proof.denies_type(name, rdtype)
        for proof in proofs
    )


def permits_wildcard(
    name: dns.name.Name,
    labels: int,
    zone: dns.name.Name,
    records: Iterable[dns.rrset.RRset],
) -> bool:
    """Return whether a wildcard may answer for the name: no closer name exists.

    `labels` is the number of labels in the signature of the answer, without the asterisk. NSEC
    records deny the name (RFC 4035 section 5.3.4), NSEC3 records the name that is one label longer
    than the encloser (RFC 5155 section 8.8).
    """
    proofs = _proofs_in(records, zone)
    if proofs is None:
        return True
    # A name of N labels has N + 1 with the root.
    next_closer = name.split(labels + 2)[1]
    return any(
        proof.covers(next_closer if isinstance(proof, _Nsec3Proof) else name) for proof in proofs
    )


class _NsecProof:
    def __init__(self, zone: dns.name.Name, records: Sequence[tuple[dns.name.Name, NSEC]]) -> None:
        self._zone, self._records = zone, records

    def covers(self, name: dns.name.Name) -> bool:
        """Return whether neither the name nor a name below it exists (RFC 4034 section 4)."""
        return any(not following.is_subdomain(name) for _, following in self._around(name))

    def denies_name(self, name: dns.name.Name) -> bool:
        encloser = self._closest_encloser(name)
        return self.covers(name) and self.covers(_wildcard_of(encloser))

    def denies_type(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> bool:
        if self._at(name):
            return _lists_no(self._at(name), rdtype)
        if any(following.is_subdomain(name) for _, following in self._around(name)):
            # An empty non-terminal: the name has no records, but a name below it has.
            return True
        wildcard = _wildcard_of(self._closest_encloser(name))
        return self.covers(name) and _lists_no(self._at(wildcard), rdtype)

    def _at(self, name: dns.name.Name) -> list[NSEC | NSEC3]:
        return [nsec for owner, nsec in self._records if owner == name]

    def _around(self, name: dns.name.Name) -> list[tuple[dns.name.Name, dns.name.Name]]:
        """Return the existing names before and after the name, from each record that has both."""
        return [
            (owner, nsec.next)
            for owner, nsec in self._records
            if _is_between(owner, name, nsec.next, self._zone)
            and not (name.is_subdomain(owner) and _is_zone_cut(nsec))
        ]

    def _closest_encloser(self, name: dns.name.Name) -> dns.name.Name:
        """Return the longest ancestor that the covering record shows to exist."""
        common = [name.fullcompare(other)[2] for around in self._around(name) for other in around]
        return name.split(max([*common, len(self._zone)]))[1]


class _Nsec3Proof:
    def __init__(self, zone: dns.name.Name, records: Sequence[tuple[dns.name.Name, NSEC3]]) -> None:
        self._zone = zone
        self._records = {owner.labels[0].decode().upper(): nsec3 for owner, nsec3 in records}
        first = records[0][1]
        self._salt, self._iterations = first.salt, first.iterations

    def covers(self, name: dns.name.Name) -> bool:
        return bool(self._covering(name))

    def denies_name(self, name: dns.name.Name) -> bool:
        """RFC 5155 section 8.4: a closest encloser, no closer name and no wildcard below it."""
        encloser, next_closer = self._closest_encloser(name)
        if encloser is None or next_closer is None:
            return False
        wildcard = _wildcard_of(encloser)
        return self.covers(next_closer) and self.covers(wildcard)

    def denies_type(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> bool:
        """RFC 5155 sections 8.5 to 8.7."""
        if self._at(name):
            return _lists_no(self._at(name), rdtype)
        encloser, next_closer = self._closest_encloser(name)
        if encloser is None or next_closer is None:
            return False
        covering = self._covering(next_closer)
        if any(nsec3.flags & _OPT_OUT for nsec3 in covering):
            # The name can be below an unsigned delegation or be an empty non-terminal of one.
            return True
        wildcard = _wildcard_of(encloser)
        return bool(covering) and _lists_no(self._at(wildcard), rdtype)

    def _hash_of(self, name: dns.name.Name) -> str:
        return dns.dnssec.nsec3_hash(name, self._salt, self._iterations, _SHA1)

    def _at(self, name: dns.name.Name) -> list[NSEC | NSEC3]:
        found = self._records.get(self._hash_of(name))
        return [] if found is None else [found]

    def _covering(self, name: dns.name.Name) -> list[NSEC3]:
        hashed = self._hash_of(name)
        return [
            nsec3
            for owner, nsec3 in self._records.items()
            if _is_hash_between(owner, hashed, _base32hex(nsec3.next))
        ]

    def _closest_encloser(
        self, name: dns.name.Name
    ) -> tuple[dns.name.Name | None, dns.name.Name | None]:
        """Return the longest ancestor with a record, and the name one label longer."""
        next_closer = name
        while next_closer != self._zone and next_closer.is_subdomain(self._zone):
            encloser = next_closer.parent()
            found = self._at(encloser)
            if found:
                return (None, None) if _is_zone_cut(found[0]) else (encloser, next_closer)
            next_closer = encloser
        return None, None


def _proofs_in(
    rrsets: Iterable[dns.rrset.RRset], zone: dns.name.Name
) -> list[_NsecProof | _Nsec3Proof] | None:
    """Return the proofs of the zone; None when resolvers do not evaluate its NSEC3 records.

    The NSEC3 records with the same salt and iterations form one proof (RFC 5155 section 8.2).
    """
    records = [(rrset.name, rdata) for rrset in rrsets for rdata in rrset]
    plain = [(owner, rdata) for owner, rdata in records if isinstance(rdata, NSEC)]
    hashed: dict[tuple[bytes, int], list[tuple[dns.name.Name, NSEC3]]] = {}
    is_unsupported = False
    for owner, rdata in records:
        if not isinstance(rdata, NSEC3) or owner == zone or owner.parent() != zone:
            continue
        if rdata.algorithm == _SHA1 and rdata.iterations <= MAX_ITERATIONS:
            hashed.setdefault((rdata.salt, rdata.iterations), []).append((owner, rdata))
        else:
            is_unsupported = True
    if is_unsupported and not hashed:
        return None
    proofs: list[_NsecProof | _Nsec3Proof] = [_NsecProof(zone, plain)]
    return proofs + [_Nsec3Proof(zone, each) for each in hashed.values()]


def _lists_no(found: Sequence[NSEC | NSEC3], rdtype: dns.rdatatype.RdataType) -> bool:
    """Return whether the record at the name lists neither the type nor an alias.

    The record of a delegation is the parent's. It proves nothing about the zone below (RFC 4035
    section 5.4).
    """
    if not found:
        return False
    types = _types_of(found[0])
    if _is_delegation(types) and rdtype != dns.rdatatype.DS:
        return False
    return not {rdtype, dns.rdatatype.CNAME} & types


def _is_zone_cut(record: NSEC | NSEC3) -> bool:
    """Return whether the record proves nothing about the names below it (RFC 6840 section 4.1)."""
    types = _types_of(record)
    return _is_delegation(types) or not types.isdisjoint({dns.rdatatype.DNAME})


def _is_delegation(types: set[int]) -> bool:
    return types.isdisjoint({dns.rdatatype.SOA}) and not types.isdisjoint({dns.rdatatype.NS})


def _types_of(record: NSEC | NSEC3) -> set[int]:
    return {
        window * 256 + index * 8 + bit
        for window, bitmap in record.windows
        for index, byte in enumerate(bitmap)
        for bit in range(8)
        if byte & (0x80 >> bit)
    }


def _wildcard_of(encloser: dns.name.Name) -> dns.name.Name:
    return _WILDCARD.derelativize(encloser)


def _is_between(
    owner: dns.name.Name, name: dns.name.Name, following: dns.name.Name, zone: dns.name.Name
) -> bool:
    """Compare in canonical order (RFC 4034 section 6.1). The last record refers to the apex."""
    if following == zone or following <= owner:
        return bool(owner < name)
    return bool(owner < name < following)


def _is_hash_between(owner: str, hashed: str, following: str) -> bool:
    if following <= owner:
        return hashed > owner or hashed < following
    return owner < hashed < following


def _base32hex(value: bytes) -> str:
    number = int.from_bytes(value, "big")
    length = len(value) * 8 // 5
    return "".join(_BASE32HEX[(number >> 5 * place) & 31] for place in reversed(range(length)))
