"""Proofs that a record does not exist: a complete chain proves exactly what is absent."""

from __future__ import annotations

from collections.abc import Mapping

import dns.dnssec
import dns.name
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.dns import denial

ZONE = dns.name.from_text("example.test")
Contents = Mapping[str, str]
# Owner (relative to the zone) and types. `mail` has only a name below it. `sub` is a delegation.
CONTENTS: Contents = {
    "@": "SOA NS MX",
    "a": "A TXT",
    "alias": "CNAME",
    "host.mail": "A AAAA",
    "sub": "NS",
    "*.wild": "TXT",
    "www": "A",
}
SALT, ITERATIONS = "abcd", 3
TYPES = ("A", "AAAA", "TXT", "MX", "DS")


def absolute(label: str) -> dns.name.Name:
    return dns.name.from_text(label, ZONE)


def nsec_chain(contents: Contents) -> list[dns.rrset.RRset]:
    owners = sorted(absolute(label) for label in contents)
    types = {absolute(label): types for label, types in contents.items()}
    following = [*owners[1:], owners[0]]
    return [
        dns.rrset.from_text(owner, 60, "IN", "NSEC", f"{after} {types[owner]} RRSIG NSEC")
        for owner, after in zip(owners, following, strict=True)
    ]


def nsec3_chain(contents: Contents, flags: int = 0, salt: str = SALT) -> list[dns.rrset.RRset]:
    types: dict[dns.name.Name, str] = {}
    for label, own in contents.items():
        name = absolute(label)
        types[name] = own
        # Empty non-terminals have a record, too (RFC 5155 section 7.1).
        while name != ZONE:
            name = name.parent()
            types.setdefault(name, "")
    hashes = sorted(
        (dns.dnssec.nsec3_hash(name, salt, ITERATIONS, 1), own) for name, own in types.items()
    )
    following = [*hashes[1:], hashes[0]]
    return [
        dns.rrset.from_text(
            absolute(hashed), 60, "IN", "NSEC3", f"1 {flags} {ITERATIONS} {salt} {after} {own}"
        )
        for (hashed, own), (after, _) in zip(hashes, following, strict=True)
    ]


CHAINS = {"NSEC": nsec_chain(CONTENTS), "NSEC3": nsec3_chain(CONTENTS)}


def proven(chain: list[dns.rrset.RRset], label: str, rtype: str, *, is_nxdomain: bool) -> bool:
    rdtype = dns.rdatatype.from_text(rtype)
    return denial.proves_absence(absolute(label), rdtype, ZONE, chain, is_nxdomain=is_nxdomain)


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
@pytest.mark.parametrize(
    ("label", "rtype", "no_type", "no_name"),
    [
        ("@", "TXT", True, False),
        ("@", "MX", False, False),
        ("a", "MX", True, False),
        ("a", "TXT", False, False),
        # The answer is the alias, not its absence.
        ("alias", "TXT", False, False),
        ("mail", "A", True, False),
        ("host.mail", "A", False, False),
        ("_dmarc", "TXT", False, True),
        ("deep.er", "TXT", False, True),
        ("x.a", "TXT", False, True),
        ("zzz", "A", False, True),
        ("other.wild", "TXT", False, False),
        ("other.wild", "MX", True, False),
        ("x.other.wild", "MX", True, False),
        # The record of the delegation is the parent's.
        ("sub", "TXT", False, False),
        ("sub", "DS", True, False),
        ("x.sub", "TXT", False, False),
    ],
)
def test_complete_chain_proves_absence(
    chain: list[dns.rrset.RRset], label: str, rtype: str, no_type: bool, no_name: bool
) -> None:
    answers = {value: proven(chain, label, rtype, is_nxdomain=value) for value in (False, True)}

    assert answers == {False: no_type, True: no_name}


LABELS = st.sampled_from(["a", "b", "mail", "wild", "www", "zz"])
NAMES = st.lists(LABELS, min_size=1, max_size=3).map(".".join)
ZONES = st.dictionaries(
    st.one_of(NAMES, NAMES.map(lambda name: f"*.{name}"), st.just("*")),
    st.sampled_from(["A", "TXT", "A TXT", "MX"]),
    max_size=5,
)


def lookup(contents: Contents, label: str) -> str | None:
    """The types at the name, or of its wildcard (RFC 4592 section 3.3.1); None for no name."""
    names = {absolute(each): types for each, types in contents.items()}
    name = encloser = absolute(label)
    if name in names:
        return names[name]
    if any(each.is_subdomain(name) for each in names):
        return ""
    while not any(each.is_subdomain(encloser) for each in names):
        encloser = encloser.parent()
    return names.get(dns.name.from_text("*", encloser))


@given(contents=ZONES, label=NAMES, rtype=st.sampled_from(TYPES), hashed=st.booleans())
def test_chain_proves_only_what_is_absent(
    contents: Contents, label: str, rtype: str, hashed: bool
) -> None:
    contents = {"@": "SOA NS", **contents}
    chain = nsec3_chain(contents) if hashed else nsec_chain(contents)

    types = lookup(contents, label)

    assert proven(chain, label, rtype, is_nxdomain=True) is (types is None)
    assert proven(chain, label, rtype, is_nxdomain=False) is (
        types is not None and rtype not in types.split()
    )


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_each_needed_record_is_needed(chain: list[dns.rrset.RRset]) -> None:
    """Without the record that covers the name, nothing is proven."""
    needed = [
        left_out
        for left_out in chain
        if not proven([r for r in chain if r != left_out], "x.a", "TXT", is_nxdomain=True)
    ]

    # NSEC: the name and the wildcard are between the same two. NSEC3: encloser, name and wildcard.
    assert len(needed) in (1, 2, 3)
    assert not proven([], "x.a", "TXT", is_nxdomain=True)
    assert not proven([], "a", "MX", is_nxdomain=False)


def test_opt_out_denies_a_name_in_its_range() -> None:
    chain = nsec3_chain(CONTENTS, flags=1)

    assert proven(chain, "unsigned.delegation", "TXT", is_nxdomain=False)
    assert not proven(nsec3_chain(CONTENTS), "unsigned.delegation", "TXT", is_nxdomain=False)


@pytest.mark.parametrize("parameters", ["1 0 500 abcd", "7 0 1 abcd"])
def test_unsupported_nsec3_is_unsigned(parameters: str) -> None:
    """Too many iterations (RFC 9276 section 3.2), or a hash that no resolver knows."""
    owner = chain_owner = CHAINS["NSEC3"][0].name
    text = f"{parameters} {chain_owner.labels[0].decode()} A"

    assert proven(
        [dns.rrset.from_text(owner, 60, "IN", "NSEC3", text)], "x", "TXT", is_nxdomain=True
    )


def test_compact_denial_proves_absence() -> None:
    """RFC 9824: the signer answers NOERROR, with a record at the name that lists no types."""
    text = r"\000.x.example.test. RRSIG NSEC TYPE128"
    chain = [dns.rrset.from_text(absolute("x"), 60, "IN", "NSEC", text)]

    assert proven(chain, "x", "TXT", is_nxdomain=False)
    assert not proven(chain, "y", "TXT", is_nxdomain=False)


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
@pytest.mark.parametrize(
    ("label", "labels", "expected"),
    [("other.wild", 3, True), ("x.other.wild", 3, True), ("host.mail", 2, False)],
)
def test_wildcard_needs_absence_of_name(
    chain: list[dns.rrset.RRset], label: str, labels: int, expected: bool
) -> None:
    assert denial.permits_wildcard(absolute(label), labels, ZONE, chain) is expected


def test_each_salt_is_a_chain() -> None:
    """During a change of the salt, a server has two chains (RFC 5155 section 8.2)."""
    both = [*nsec3_chain(CONTENTS), *nsec3_chain(CONTENTS, salt="beef")]

    assert proven(both, "zzz", "A", is_nxdomain=True)
    assert not proven(both, "a", "TXT", is_nxdomain=False)
    assert not proven(both, "www", "A", is_nxdomain=True)


def test_hash_below_another_name_is_ignored() -> None:
    """The NSEC3 records of a zone below have its apex in their names."""
    below = [
        dns.rrset.from_rdata_list(
            dns.name.Name([rrset.name.labels[0], b"sub", *ZONE.labels]), 60, list(rrset)
        )
        for rrset in CHAINS["NSEC3"]
    ]

    assert not proven(below, "zzz", "A", is_nxdomain=True)
    assert proven([*below, *CHAINS["NSEC"]], "zzz", "A", is_nxdomain=True)


def test_minimal_record_denies_the_name() -> None:
    """A signer that lies about the next name covers the name itself only (RFC 4470)."""
    text = "x!.other.wild.example.test. RRSIG NSEC"
    minimal = [dns.rrset.from_text(absolute("w~.other.wild"), 60, "IN", "NSEC", text)]

    assert denial.permits_wildcard(absolute("x.other.wild"), 3, ZONE, minimal)
    assert not denial.permits_wildcard(absolute("y.other.wild"), 3, ZONE, minimal)
