"""A tenant's region as the engine's `RegionFacts`."""

from __future__ import annotations

from checks.engine.expected_values import RegionFacts
from tenants.regions import Region, load_region_file


def region_facts(region: Region) -> RegionFacts:
    """Return the region's values, with the hosts of the other regions to detect a mix-up.

    A value of low confidence is a gap here, so that no verdict rests on it.
    """
    book = load_region_file()
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
    )
