"""The time zone of a country with one zone, by the ending of a domain."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping
from importlib import resources

# Endings that differ from the code of their country in ISO 3166.
_CODES = {"uk": "gb"}
# Endings of countries that registries sell worldwide as general ones: they name no country.
_SOLD_WORLDWIDE = frozenset(
    [
        "ac",
        "ag",
        "ai",
        "am",
        "as",
        "bz",
        "cc",
        "cd",
        "cm",
        "co",
        "cx",
        "dj",
        "fm",
        "gd",
        "gg",
        "gl",
        "gs",
        "ht",
        "im",
        "io",
        "la",
        "lc",
        "ly",
        "me",
        "mn",
        "ms",
        "mu",
        "nu",
        "pw",
        "sc",
        "sh",
        "so",
        "st",
        "tc",
        "tk",
        "tl",
        "to",
        "tv",
        "vc",
        "vg",
        "vu",
        "ws",
    ]
)


def zone_of(domain: str) -> str:
    """The only time zone of the country of the domain; empty for others, such as .com and .io."""
    ending = domain.rpartition(".")[2].lower()
    if ending in _SOLD_WORLDWIDE:
        return ""
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
