"""Mimecast's regions: dated facts, explicit gaps, and overrides for each tenant."""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tenants.errors import TenantError
from tenants.region_values import (
    FIELDS,
    INFORMATIVE_FIELDS,
    LABELS,
    LIST_FIELDS,
    UNCONFIRMED,
    is_too_large,
    read_value,
)
from tenants.yaml_schema import YamlSection, read_yaml

REGIONS_FILE = Path(__file__).parent / "data" / "regions.yaml"
CONFIDENCES = frozenset({"high", "medium", "low"})
ENTERED = "entered"

_ACCOUNT_CODE = re.compile(r"(?P<prefix>[A-Z]++)[0-9A-Z]*")
# A source often states no more than the year.
_DATE = re.compile(r"20\d\d(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")
_LETTERS = re.compile(r"[A-Z]+")


@dataclass(frozen=True)
class Provenance:
    """The source of a value, its date and its confidence. That of an override is ENTERED.

    A list has those of most of its values.

    `as_of` is a year, a month or a day, such as 2026-07. `source` is the title of the source.
    """

    confidence: str = ""
    source: str = ""
    note: str = ""
    as_of: str = ""
    # The provenance of the values of a list that differs from that of the others.
    exceptions: tuple[tuple[str, Provenance], ...] = ()

    @property
    def can_prove(self) -> bool:
        """Whether a PASS may rest on the value. One weak source never proves a task."""
        return self.confidence not in ("", "low")

    def of(self, value: str) -> Provenance:
        """The provenance of one value of the list."""
        return dict(self.exceptions).get(value, replace(self, exceptions=()))

    def of_all(self) -> Provenance:
        """The lowest confidence and the oldest date of all values, for a list as a whole."""
        each = [self, *(fact for _, fact in self.exceptions)]
        order = ("low", "medium", "high", "", ENTERED)
        return replace(
            self,
            confidence=min((fact.confidence for fact in each), key=order.index),
            as_of=min(fact.as_of for fact in each),
            exceptions=(),
        )


@dataclass(frozen=True)
class Region:
    """One region. An empty value is a gap: the value is unknown, and Gangway never guesses it."""

    id: str
    name: str
    account_code_prefix: str = ""
    timezone: str = ""
    mx: tuple[str, ...] = ()
    spf_include: str = ""
    outbound_smarthosts: tuple[str, ...] = ()
    exchange_online_smarthosts: tuple[str, ...] = ()
    journal_hosts: tuple[str, ...] = ()
    spf_ip4: tuple[str, ...] = ()
    delivery_ip4: tuple[str, ...] = ()
    delivery_hosts: tuple[str, ...] = ()
    url_hosts: tuple[str, ...] = ()
    login_url: str = ""
    api_host: str = ""
    certificate_subject: str = ""
    facts: Mapping[str, Provenance] = field(default_factory=dict, hash=False)

    @property
    def gaps(self) -> tuple[str, ...]:
        """The unknown fields that a setting or a check needs. Those of checks come first."""
        return tuple(
            name for name in LABELS if name not in INFORMATIVE_FIELDS and not getattr(self, name)
        )

    @property
    def low_confidence(self) -> tuple[str, ...]:
        """The fields with a value of low confidence."""
        return tuple(name for name in LABELS if self.facts[name].of_all().confidence == "low")

    def proving(self, name: str) -> Any:
        """The field's value for a check, without values of too low confidence to prove a task."""
        value = getattr(self, name)
        fact = self.facts.get(name)
        if fact is not None and isinstance(value, tuple):
            return tuple(each for each in value if fact.of(each).can_prove)
        return value if fact is None or fact.can_prove else type(value)()

    def with_overrides(self, overrides: Mapping[str, object]) -> Region:
        """This region with a tenant's values. An empty override leaves the region's value, and so
        does a value that was entered for another region, until a person confirms it. So does a list
        with a network that is too large.

        Raises TenantError with the field and the invalid value.
        """
        entered = {
            name: value
            for name, value in overrides.items()
            if name != UNCONFIRMED and value not in (None, "", [], ())
        }
        for name in entered:
            if name not in FIELDS:
                raise TenantError(f"A region has no “{name}” to override.")
        values = {
            name: read_value(name, value)
            for name, value in entered.items()
            if not is_too_large(name, value)
        }
        entered_facts = {name: Provenance(confidence=ENTERED) for name in values}
        return replace(self, **values, facts=MappingProxyType({**self.facts, **entered_facts}))


@dataclass(frozen=True)
class GlobalFacts:
    """The facts for all regions. `spf_omits` are the regions without the global SPF include."""

    login_url: str
    ownership_cname_target: str
    spf_include: str
    spf_lookups: int
    spf_contains: tuple[str, ...]
    spf_omits: tuple[str, ...]
    spf_delegated_pattern: str
    ports: Mapping[str, int] = field(hash=False)
    corporate_mx: tuple[str, ...] = ()


@dataclass(frozen=True)
class RegionFile:
    """The whole data file."""

    compiled: datetime.date
    global_facts: GlobalFacts
    regions: Mapping[str, Region] = field(hash=False)


def load_regions() -> Mapping[str, Region]:
    """All regions by id, in the order of the data file."""
    return load_region_file().regions


@functools.cache
def load_region_file(path: Path = REGIONS_FILE) -> RegionFile:
    """The data file, read once. Raises YamlSchemaError with file, line and reason."""
    parts = read_yaml(path).mapping(["schema", "compiled", "sources", "global", "regions"])
    if parts["schema"].integer() != 1:
        raise parts["schema"].error("this version reads schema 1 only")
    sources = _read_sources(parts["sources"])
    regions = {
        region_id: _read_region(region_id, section, sources)
        for region_id, section in parts["regions"].entries().items()
    }
    _refuse_shared_prefixes(parts["regions"], regions)
    return RegionFile(
        compiled=parts["compiled"].date(),
        global_facts=_read_global(parts["global"], sources, frozenset(regions)),
        regions=MappingProxyType(regions),
    )


def region_for_account_code(code: str) -> Region:
    """The region of an account code such as CUSA13A123. Raises TenantError if there is none."""
    typed = code.strip()
    if not typed:
        raise TenantError("Enter the account code, such as CUSA13A123.")
    if not _ACCOUNT_CODE.fullmatch(typed.upper()):
        raise TenantError(
            f"“{typed[:40]}” is not an account code: it starts with a letter and has only letters "
            "and digits, such as CUSA13A123."
        )
    letters = _LETTERS.match(typed.upper())
    assert letters is not None
    for region in load_regions().values():
        if region.account_code_prefix != letters.group():
            continue
        if letters.group() == typed.upper():
            raise TenantError(
                f"“{typed}” is only the prefix of {region.name}. Enter the whole account code, such"
                f" as {region.account_code_prefix}13A123."
            )
        return region
    known = ", ".join(
        r.account_code_prefix for r in load_regions().values() if r.account_code_prefix
    )
    raise TenantError(
        f"“{typed[:40]}” does not start with the prefix of a region ({known}); "
        "check the code, or leave it out and choose the region."
    )


def gap_sentences(region: Region) -> tuple[str, ...]:
    """A sentence for each value that a consultant should enter."""
    return tuple(
        f"{region.name}: {LABELS[name]} unknown, enter {'them' if name in LIST_FIELDS else 'it'}."
        for name in region.gaps
    )


@dataclass(frozen=True)
class _Source:
    title: str
    as_of: str


_Sources = Mapping[str, _Source]


def _read_sources(section: YamlSection) -> _Sources:
    sources = {}
    for key, entry in section.entries().items():
        parts = entry.mapping(["title", "url", "as_of"])
        if not parts["url"].is_null:
            parts["url"].text()
        sources[key] = _Source(parts["title"].text(), _read_date(parts["as_of"]))
    return sources


def _read_date(section: YamlSection) -> str:
    text = section.text()
    if not _DATE.fullmatch(text):
        raise section.error("a date is a year, a month or a day, such as 2026-07")
    return text


def _read_region(region_id: str, section: YamlSection, sources: _Sources) -> Region:
    parts = section.mapping(["name", *FIELDS])
    values: dict[str, Any] = {}
    facts: dict[str, Provenance] = {}
    for name in FIELDS:
        values[name], facts[name] = _read_fact(name, parts[name], sources)
    return replace(
        Region(id=region_id, name=parts["name"].text()), **values, facts=MappingProxyType(facts)
    )


def _read_fact(name: str, section: YamlSection, sources: _Sources) -> tuple[Any, Provenance]:
    parts = section.mapping(["value"], ["confidence", "source", "note", "as_of", "each"])
    note = parts["note"].text() if "note" in parts else ""
    if parts["value"].is_null:
        if "confidence" in parts:
            raise parts["confidence"].error("a gap has no confidence")
        return (() if name in LIST_FIELDS else ""), Provenance(note=note)
    section.mapping(["value", "confidence", "source"], ["note", "as_of", "each"])
    source = sources[parts["source"].choice(frozenset(sources))]
    fact = Provenance(
        confidence=parts["confidence"].choice(CONFIDENCES),
        source=source.title,
        note=note,
        as_of=_read_date(parts["as_of"]) if "as_of" in parts else source.as_of,
    )
    value = _read_known(name, parts["value"])
    if "each" in parts:
        fact = replace(fact, exceptions=_read_exceptions(parts["each"], value, fact, sources))
    return value, fact


def _read_exceptions(
    section: YamlSection, value: Any, fact: Provenance, sources: _Sources
) -> tuple[tuple[str, Provenance], ...]:
    """The provenance of single values of a list, with the list's own where they state none."""
    exceptions = []
    for key, entry in section.entries().items():
        if not isinstance(value, tuple) or key not in value:
            raise entry.error(f"“{key}” is no value of this list")
        parts = entry.mapping([], ["confidence", "source", "note", "as_of"])
        source = sources[parts["source"].choice(frozenset(sources))] if "source" in parts else None
        own = replace(
            fact,
            confidence=parts["confidence"].choice(CONFIDENCES)
            if "confidence" in parts
            else fact.confidence,
            source=source.title if source else fact.source,
            note=parts["note"].text() if "note" in parts else fact.note,
            as_of=source.as_of if source else fact.as_of,
        )
        if "as_of" in parts:
            own = replace(own, as_of=_read_date(parts["as_of"]))
        exceptions.append((key, own))
    return tuple(exceptions)


def _read_known(name: str, section: YamlSection) -> Any:
    raw = section.texts() if name in LIST_FIELDS else section.text()
    try:
        return read_value(name, raw)
    except TenantError as error:
        raise section.error(str(error)) from error


def _read_global(section: YamlSection, sources: _Sources, regions: frozenset[str]) -> GlobalFacts:
    parts = section.mapping(["login_url", "ownership_cname_target", "spf", "ports", "corporate_mx"])
    spf = parts["spf"].mapping(
        ["include", "lookups", "contains", "omits", "confidence", "source", "delegated_pattern"]
    )
    spf["confidence"].choice(CONFIDENCES)
    spf["source"].choice(frozenset(sources))
    return GlobalFacts(
        login_url=parts["login_url"].text(),
        ownership_cname_target=parts["ownership_cname_target"].text(),
        spf_include=spf["include"].text(),
        spf_lookups=spf["lookups"].integer(),
        spf_contains=tuple(item.choice(regions) for item in spf["contains"].items()),
        spf_omits=tuple(item.choice(regions) for item in spf["omits"].items()),
        spf_delegated_pattern=_read_pattern(spf["delegated_pattern"]),
        ports={name: port.integer() for name, port in parts["ports"].entries().items()},
        corporate_mx=parts["corporate_mx"].texts(),
    )


def _read_pattern(section: YamlSection) -> str:
    pattern = section.text()
    try:
        re.compile(pattern)
    except re.error as error:
        raise section.error(f"{section.name} is not a regular expression: {error}") from error
    return pattern


def _refuse_shared_prefixes(section: YamlSection, regions: Mapping[str, Region]) -> None:
    region_by_prefix: dict[str, str] = {}
    for region in regions.values():
        other = region_by_prefix.setdefault(region.account_code_prefix, region.id)
        if region.account_code_prefix and other != region.id:
            raise section.entries()[region.id].error(
                f"account code prefix {region.account_code_prefix} also belongs to “{other}”"
            )
