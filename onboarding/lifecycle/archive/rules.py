"""The rules for values beyond the type of their column: names, codes, addresses and digests. Pure.

An archive is a file from outside: a person may have edited its values since another installation
checked them.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from zoneinfo import available_timezones

from checks.engine.outcomes import SOURCE_KINDS
from checks.engine.sources.registry import SOURCES
from onboarding.collaboration.file_types import EXTENSIONS, safe_name
from onboarding.cutovers.snapshots import digest_of
from onboarding.lifecycle.archive.format import ArchiveError
from tenants.errors import TenantError
from tenants.names import normalise_domain, normalise_host
from tenants.region_values import UNCONFIRMED, refuse_implausible
from tenants.regions import load_regions

# The answers of one run, decompressed: far more than any server sends.
MAX_RAW_BYTES = 32 * 1024 * 1024
PUBLIC_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_CODE = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
_CONTENT_TYPE = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+-]+")

# The columns with a list of texts. Another value would break pages and workers, also those that
# show or process several tenants.
_LISTS_OF_TEXTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "tenant": ("products",),
        "tasks": (
            *("depends_on", "check_kinds", "evidence_kinds", "domain_roles"),
            "planned_cutovers",
        ),
        "cutovers": ("accepted_blockers",),
        "cutover_votes": ("blockers",),
        "requirements_sheets": ("signed_hosts",),
        "discoveries": ("dismissed",),
    }
)

# Dates overflow with the largest numbers of the database.
_MOST_DAYS = 36500

Values = dict[str, Any]
Rule = Callable[[Values], str]


def fault_of(table: str, values: Values) -> str:
    """The end of a sentence about the first fault of a row, or empty.

    `values` has the Python values of the columns.
    """
    identifier = values.get("public_id")
    if identifier is not None and not PUBLIC_ID.fullmatch(identifier):
        return "has an invalid public id"
    for name in _LISTS_OF_TEXTS.get(table, ()):
        found = values[name]
        if found is not None and not _are_texts(found):
            return f"has a value in “{name}” that is no list of texts"
    for name, value in values.items():
        if name.endswith("_days") and isinstance(value, int) and abs(value) > _MOST_DAYS:
            return f"has more than {_MOST_DAYS} days in “{name}”"
    rule = _RULES.get(table)
    return rule(values) if rule is not None else ""


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _tenant(values: Values) -> str:
    regions = load_regions()
    if values["region"] not in regions:
        return f"has the unknown region “{values['region']}”"
    if values["time_zone"] not in available_timezones():
        return f"has the unknown time zone “{values['time_zone']}”"
    if not values["name"].strip():
        return "has no name"
    try:
        own = values["region_overrides"]
        regions[values["region"]].with_overrides(own)
        regions[values["region"]].with_overrides(own.get(UNCONFIRMED, {}))
        for name, value in {**own, **own.get(UNCONFIRMED, {})}.items():
            refuse_implausible(name, value)
    except (TenantError, ValueError, TypeError, KeyError, AttributeError):
        return "has invalid region values"
    return ""


def _domain(values: Values) -> str:
    return _fault_of_name(values["name"], normalise_domain)


def _host(values: Values) -> str:
    return _fault_of_name(values["name"], normalise_host)


def _fault_of_name(name: str, normalise: Callable[[str], str]) -> str:
    try:
        is_normal = normalise(name) == name
    except TenantError as error:
        return f"has an invalid name: {error}".removesuffix(".")
    return "" if is_normal else f"has the name “{name}”, which is not normalised"


def _task(values: Values) -> str:
    for link in values["links"]:
        url = link.get("url") if isinstance(link, dict) else ""
        if url is not None and not str(url).startswith("https://"):
            return "has a link that is no https address"
    return "" if _are_sources(values["completed_by"]) else "has an unknown proof source"


def _are_sources(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, dict)
        and each.get("check") in SOURCE_KINDS
        and isinstance(each.get("strength"), str)
        for each in value
    )


def _submitted_export(values: Values) -> str:
    tables = values["tables"]
    if values["source"] not in SOURCES:
        return "has an unknown proof source"
    is_readable = isinstance(tables, dict) and all(
        isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
        for rows in tables.values()
    )
    return "" if is_readable else "has tables that are no lists of rows"


def _observation(values: Values) -> str:
    for finding in values["findings"]:
        code = finding.get("code") if isinstance(finding, dict) else None
        if not isinstance(code, str) or not _CODE.fullmatch(code):
            return "has a finding without a valid code"
        if not isinstance(finding.get("params", {}), dict):
            return "has a finding with invalid parameters"
    return ""


def _raw_answers(values: Values) -> str:
    reader = zlib.decompressobj()
    try:
        body = reader.decompress(values["body"], MAX_RAW_BYTES)
    except zlib.error:
        return "cannot be decompressed"
    if reader.unconsumed_tail or not reader.eof or reader.unused_data:
        return "is larger than 32 MB, or damaged"
    if hashlib.sha256(body).hexdigest() != values["digest"]:
        return "does not match its digest"
    return ""


def _sealed_content(values: Values) -> str:
    """Snapshots and decisions have a digest of their own."""
    return "" if digest_of(values["content"]) == values["digest"] else "does not match its digest"


def _file(values: Values) -> str:
    if safe_name(values["name"]) != values["name"]:
        return "has an unsafe name"
    if values["name"].rpartition(".")[2].lower() not in EXTENSIONS:
        return "is of a type that Gangway does not accept"
    return "" if _CONTENT_TYPE.fullmatch(values["content_type"]) else "has an invalid type"


def _activity(values: Values) -> str:
    return "" if _CODE.fullmatch(values["action"]) else "has an invalid action"


_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "tenant": _tenant,
        "domains": _domain,
        "hosts": _host,
        "tasks": _task,
        "submitted_exports": _submitted_export,
        "observations": _observation,
        "tls_partner_checks": _observation,
        "drifts": _observation,
        "raw_answers": _raw_answers,
        "cutover_snapshots": _sealed_content,
        "cutover_decisions": _sealed_content,
        "files": _file,
        "activity": _activity,
    }
)


def refuse_other_json(name: str, default: Any, value: Any) -> None:
    """A JSON column with a list or mapping as its default has only such values."""
    made = default() if callable(default) else None
    if isinstance(made, dict | list) and not isinstance(value, type(made)):
        kind = "list" if isinstance(made, list) else "mapping"
        raise ArchiveError(f"“{name}” is no {kind}")
