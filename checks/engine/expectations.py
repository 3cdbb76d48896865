"""What a look is asked to find: the part of a tenant's region and records that a check needs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RegionFacts:
    """A region as the engine needs it. An empty value is a gap: never guessed, judged UNKNOWN."""

    id: str
    name: str = ""
    mx: tuple[str, ...] = ()
    spf_include: str = ""


@dataclass(frozen=True)
class Ownership:
    """The code Mimecast issued for the domain; `label` is the host of the CNAME variant."""

    token: str
    label: str = ""
    cname_target: str = "validate-domain.mimecast.com"
