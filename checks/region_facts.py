"""A tenant's region in the engine's words."""

from __future__ import annotations

from checks.engine.expected_values import RegionFacts
from tenants.regions import Region, load_region_file


def region_facts(region: Region) -> RegionFacts:
    """What the engine needs of a region, with the hosts of the others to recognise a mix-up."""
    book = load_region_file()
    return RegionFacts(
        id=region.id,
        name=region.name,
        mx=tuple(region.mx),
        spf_include=region.spf_include,
        other_mx=tuple(
            (host, other.id)
            for other in book.regions.values()
            if other.id != region.id
            for host in other.mx
        ),
        global_spf_include=book.global_facts.spf_include,
    )
