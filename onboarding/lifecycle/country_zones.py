"""The time zone of a country with one zone, by the ending of a domain."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping
from importlib import resources

# Endings that differ from the code of their country in ISO 3166.
_CODES = {"uk": "gb"}


def zone_of(domain: str) -> str:
    """The only time zone of the country of the domain; empty for others, such as .com and .us."""
    ending = domain.rpartition(".")[2]
    return _single_zones().get(_CODES.get(ending, ending), "")


@functools.cache
def _single_zones() -> Mapping[str, str]:
    zones: dict[str, list[str]] = defaultdict(list)
    table = resources.files("tzdata") / "zoneinfo" / "zone.tab"
    for line in table.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            code, _, zone = line.split("\t")[:3]
            zones[code.lower()].append(zone)
    return {code: found[0] for code, found in zones.items() if len(found) == 1}
