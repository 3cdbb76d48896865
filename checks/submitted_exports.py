"""Exports of a mail platform: submitted by a person, read by a worker, then deleted.

A request stores the bytes and reads none of them. A worker stores the listed properties as facts
and deletes the bytes. Each run of a check of the source then judges the newest facts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from checks.engine.outcomes import SOURCE_KINDS, CheckKind
from checks.engine.sources.exports.reader import UnreadableExport, read_export
from checks.engine.sources.facts import FactProvenance, SourceFacts
from checks.engine.sources.registry import SOURCE_OF_KIND, SOURCES
from checks.engine.sources.rules import ProofSource
from checks.models import Check, SubmittedExport
from tenants.models import Tenant, User

EXPORT_LIMIT = ("platform-export", "30/h")


def sources_of(tenant: Tenant) -> list[ProofSource]:
    """The sources for the tenant's mail platform."""
    return [source for source in SOURCES.values() if tenant.platform in source.platforms]


def submit_export(
    tenant: Tenant, source: ProofSource, content: bytes, *, by: User, at: datetime
) -> SubmittedExport:
    """Store an export for a worker. It replaces an earlier one that no worker has read yet."""
    with transaction.atomic():
        waiting = SubmittedExport.objects.filter(tenant=tenant, source=source.key, read_at=None)
        waiting.update(read_at=at, problem=SubmittedExport.REPLACED, content=b"")
        return SubmittedExport.objects.create(
            tenant=tenant,
            source=source.key,
            content=content,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            submitted_by=by,
            submitted_at=at,
        )


def read_submitted(export: SubmittedExport, *, at: datetime) -> bool:
    """Read the export and delete its bytes. Return False if another worker has read it.

    The facts are from the time that the script wrote, and never from after the submission.
    """
    read = read_export(bytes(export.content), SOURCES[export.source].listed)
    values: dict[str, object] = {"read_at": at, "content": b""}
    if isinstance(read, UnreadableExport):
        values |= {"problem": read.problem, "problem_detail": read.detail[:200]}
    else:
        generated_at = read.generated_at or export.submitted_at
        values["tables"] = {name: [dict(row) for row in rows] for name, rows in read.tables.items()}
        values["obtained_at"] = min(generated_at, export.submitted_at)
    # The content of a replaced export is deleted: it must not be read as an empty one.
    rows = SubmittedExport.objects.filter(pk=export.pk, read_at=None)
    return bool(rows.update(**values))


def newest_exports(tenant_ids: Iterable[int]) -> dict[tuple[int, str], SubmittedExport]:
    """The newest readable export of each tenant and source. One query."""
    rows = SubmittedExport.objects.filter(tenant__in=set(tenant_ids), obtained_at__isnull=False)
    ordered = rows.defer("content").order_by("obtained_at", "pk")
    return {(export.tenant_id, export.source): export for export in ordered}


def facts_for(checks: Iterable[Check]) -> dict[int, SourceFacts]:
    """The facts for the checks of a source, by check id. No query without such a check."""
    of_sources = [check for check in checks if check.kind in SOURCE_KINDS]
    if not of_sources:
        return {}
    newest = newest_exports(check.tenant_id for check in of_sources)
    found: dict[int, SourceFacts] = {}
    for check in of_sources:
        source = SOURCE_OF_KIND[CheckKind(check.kind)]
        export = newest.get((check.tenant_id, source.key))
        if export is not None:
            found[check.pk] = facts_of(export)
    return found


def facts_of(export: SubmittedExport) -> SourceFacts:
    """The facts of a readable export."""
    assert export.obtained_at is not None
    return SourceFacts(
        export.source, export.tables, export.obtained_at, FactProvenance.STATED, export.public_id
    )


def exports_behind(checks: Iterable[Check]) -> dict[str, SubmittedExport]:
    """The exports on which the newest answers of these checks rest, by public id."""
    origins = [c.latest.evidence.get("export", {}) for c in checks if c.latest is not None]
    ids = {origin["id"] for origin in origins if "id" in origin}
    rows = SubmittedExport.objects.filter(public_id__in=ids).select_related("submitted_by")
    return {export.public_id: export for export in rows.defer("content", "tables")}


def supplied_sources(tenant: Tenant) -> list[ProofSource]:
    """The sources for the tenant's platform that have supplied facts."""
    candidates = {source.key: source for source in sources_of(tenant)}
    if not candidates:
        return []
    rows = SubmittedExport.objects.filter(
        tenant=tenant, source__in=candidates, obtained_at__isnull=False
    )
    return [candidates[key] for key in sorted(set(rows.values_list("source", flat=True)))]


def checks_of_source(tenant: Tenant, source: ProofSource) -> list[Check]:
    """The active checks that judge the facts of the source."""
    kinds = [kind.value for kind in source.kinds]
    return list(Check.objects.filter(tenant=tenant, kind__in=kinds, is_active=True))


def latest_exports(tenant: Tenant, source: ProofSource, *, most: int = 10) -> list[SubmittedExport]:
    """Recent exports, newest first, without the replaced ones, each with its submitter."""
    rows = SubmittedExport.objects.filter(tenant=tenant, source=source.key)
    shown = rows.exclude(Q(problem=SubmittedExport.REPLACED)).select_related("submitted_by")
    return list(shown.defer("content", "tables")[:most])
