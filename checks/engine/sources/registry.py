"""All proof sources with facts of their own. A new source is one package and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from checks.engine.outcomes import CheckKind
from checks.engine.sources.exchange_online.source import SOURCE as EXCHANGE_ONLINE
from checks.engine.sources.facts import Strength
from checks.engine.sources.rules import ProofSource

SOURCES: Mapping[str, ProofSource] = MappingProxyType(
    {source.key: source for source in (EXCHANGE_ONLINE,)}
)
SOURCE_OF_KIND: Mapping[CheckKind, ProofSource] = MappingProxyType(
    {kind: source for source in SOURCES.values() for kind in source.kinds}
)


def strength_of(kind: CheckKind) -> Strength:
    """The strength of a source's facts for this kind of check."""
    return SOURCE_OF_KIND[kind].rule_for(kind).strength
