"""A tenant's region as the engine's `RegionFacts`."""

from __future__ import annotations

from checks.engine.expected_values import RegionFacts
from tenants.regions import Region, load_region_file


def region_facts(region: Region) -> RegionFacts:
    """Return the region's values, with the hosts of the other regions to detect a mix-up.

    A value of low confidence is a gap here, so that no verdict rests on it. The delivery ranges are
    the exception: their confidence goes with them, and a weak one is a caution.
    """
    book = load_region_file()
    fact = region.facts.get("delivery_ip4")
    return RegionFacts(
        id=region.id,
        name=region.name,
        mx=tuple(region.proving("mx")),
        spf_include=region.proving("spf_include"),
        other_mx=tuple(
            (host, other.id)
            for other in book.regions.values()
            if other.id != region.id
            for host in other.mx
        ),
        global_spf_include=book.global_facts.spf_include,
        delivery_networks=region.delivery_ip4,
        delivery_confidence=fact.confidence if region.delivery_ip4 and fact else "",
        delivery_as_of=fact.as_of if region.delivery_ip4 and fact else "",
        delivery_exceptions=tuple(
            (network, each.confidence, each.as_of)
            for network, each in (fact.exceptions if fact else ())
        ),
        other_networks=tuple(
            (network, other.id)
            for other in book.regions.values()
            if other.id != region.id
            for name in ("spf_ip4", "delivery_ip4")
            for network in other.proving(name)
        ),
        other_smart_hosts=tuple(
            (host, other.id)
            for other in book.regions.values()
            if other.id != region.id
            for host in (*other.outbound_smarthosts, *other.exchange_online_smarthosts)
        ),
    )
