"""The export of a tenant: one archive with a JSON file for each table, and the evidence files."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import ForeignKey, Model

from checks import raw_answers
from checks.models import (
    Check,
    Discovery,
    Observation,
    RawAnswers,
    SubmittedExport,
    SubmittedMessage,
)
from onboarding.collaboration import file_store
from onboarding.collaboration.evidence_files import files_of
from onboarding.models import (
    AcceptedResidualRisk,
    CalendarEntry,
    CalendarFeed,
    ClosingPack,
    Comment,
    Contact,
    Cutover,
    CutoverDecision,
    CutoverDomain,
    CutoverSnapshot,
    CutoverVote,
    DomainProgress,
    Drift,
    DriftNotification,
    DryRun,
    EvidenceFile,
    Freeze,
    Holiday,
    Monitoring,
    OnCall,
    Phase,
    Plan,
    Reminder,
    RequirementsSheet,
    ShareLink,
    SheetImport,
    SheetRow,
    Task,
    TenantExport,
    TlsPartnerCheck,
    WaitingPeriod,
    WorkingTime,
)
from tenants import database_time
from tenants.activity_names import ActivityName, current_name
from tenants.models import (
    ActivityLine,
    Domain,
    Host,
    Invitation,
    Membership,
    Notification,
    Tenant,
    User,
    Webhook,
    WebhookDelivery,
    WebhookMessage,
)
from tenants.services import write_activity
from tenants.visible_text import visible

# Each table of a tenant, with the lookup from a row to the tenant. A test reports missing models.
EXPORTED_MODELS: dict[str, tuple[type[Model], str]] = {
    "tenant": (Tenant, "pk"),
    "memberships": (Membership, "tenant"),
    "invitations": (Invitation, "tenant"),
    "domains": (Domain, "tenant"),
    "hosts": (Host, "tenant"),
    "plan": (Plan, "tenant"),
    "phases": (Phase, "plan__tenant"),
    "tasks": (Task, "plan__tenant"),
    "contacts": (Contact, "tenant"),
    "working_time": (WorkingTime, "tenant"),
    "holidays": (Holiday, "tenant"),
    "freezes": (Freeze, "tenant"),
    "waiting_periods": (WaitingPeriod, "task__plan__tenant"),
    "reminders": (Reminder, "plan__tenant"),
    "domain_parts": (DomainProgress, "task__plan__tenant"),
    "comments": (Comment, "plan__tenant"),
    "cutovers": (Cutover, "plan__tenant"),
    "cutover_domains": (CutoverDomain, "cutover__plan__tenant"),
    "on_call": (OnCall, "cutover__plan__tenant"),
    "dry_runs": (DryRun, "cutover__plan__tenant"),
    "requirements_sheets": (RequirementsSheet, "task__plan__tenant"),
    "sheet_rows": (SheetRow, "sheet__task__plan__tenant"),
    "tls_partner_checks": (TlsPartnerCheck, "sheet__task__plan__tenant"),
    "sheet_imports": (SheetImport, "sheet__task__plan__tenant"),
    "cutover_snapshots": (CutoverSnapshot, "cutover__plan__tenant"),
    "cutover_votes": (CutoverVote, "cutover__plan__tenant"),
    "cutover_decisions": (CutoverDecision, "cutover__plan__tenant"),
    "monitoring": (Monitoring, "tenant"),
    "drifts": (Drift, "tenant"),
    "accepted_residual_risks": (AcceptedResidualRisk, "tenant"),
    "drift_notifications": (DriftNotification, "tenant"),
    "notifications": (Notification, "tenant"),
    "files": (EvidenceFile, "task__plan__tenant"),
    "share_links": (ShareLink, "plan__tenant"),
    "exports": (TenantExport, "tenant"),
    "closing_packs": (ClosingPack, "tenant"),
    "checks": (Check, "tenant"),
    "observations": (Observation, "check_asked__tenant"),
    "discoveries": (Discovery, "domain__tenant"),
    "proof_messages": (SubmittedMessage, "check_asked__tenant"),
    "submitted_exports": (SubmittedExport, "tenant"),
    "raw_answers": (RawAnswers, "tenant"),
    "calendar_feeds": (CalendarFeed, "tenant"),
    "calendar_entries": (CalendarEntry, "tenant"),
    # Webhooks of all tenants belong to the installation.
    "webhooks": (Webhook, "tenant"),
    "webhook_messages": (WebhookMessage, "webhook__tenant"),
    "webhook_deliveries": (WebhookDelivery, "message__webhook__tenant"),
    "activity": (ActivityLine, "tenant"),
}
# Secrets of links, storage paths, and messages that Gangway deletes soon. No reader of the archive
# needs them.
_EXCLUDED_COLUMNS = {
    "token_hash",
    "stored_as",
    "claim_id",
    "content",
    "target",
    "secret",
    "previous_secret",
}


def request_export(
    tenant: Tenant, *, by: User, file_format: TenantExport.Format = TenantExport.Format.TABLES
) -> TenantExport:
    """Create the request and delete earlier files of this format. The caller queues the build."""
    with transaction.atomic():
        # Of two requests at the same time, the later one replaces the earlier.
        Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        earlier = TenantExport.objects.filter(tenant=tenant, format=file_format)
        file_store.remove_on_commit(list(earlier.values_list("stored_as", flat=True)))
        earlier.delete()
        write_activity(tenant, ActivityName.EXPORT_REQUESTED, by=by, format=file_format.value)
        return TenantExport.objects.create(tenant=tenant, requested_by=by, format=file_format)


def log_download(export: TenantExport, *, by: User) -> None:
    write_activity(export.tenant, ActivityName.EXPORT_DOWNLOADED, by=by, export=export.public_id)


def build_export(export: TenantExport) -> bool:
    """Build the archive. False if it exists already or its request is gone. Safe to run twice."""
    if export.ready_at is not None:
        return False
    place = file_store.new_storage_path()
    with file_store.writing(place) as path:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            _write(archive, export.tenant)
        size = path.stat().st_size
    with transaction.atomic():
        wanted = TenantExport.objects.filter(pk=export.pk, ready_at=None)
        if wanted.update(ready_at=database_time.now(), stored_as=place, size=size):
            write_activity(export.tenant, ActivityName.EXPORT_READY, bytes=size)
            file_store.publish_on_commit(place)
            return True
    file_store.discard(place)
    return False


def _write(archive: zipfile.ZipFile, tenant: Tenant) -> None:
    people: set[int] = set()
    for name, (model, path) in EXPORTED_MODELS.items():
        rows = list(_rows(model, path, tenant))
        people |= {row[key] for row in rows for key in user_columns(model) if row[key]}
        _write_json(archive, name, rows)
    known = User.objects.filter(pk__in=people).values("id", "public_id", "name", "email")
    _write_json(archive, "people", [dict(row) for row in known])
    for file in files_of(tenant):
        archive.write(
            file_store.path_of(file.stored_as), f"files/{file.public_id}-{visible(file.name)}"
        )


def _write_json(archive: zipfile.ZipFile, name: str, rows: list[dict[str, Any]]) -> None:
    text = json.dumps(rows, cls=DjangoJSONEncoder, indent=1, ensure_ascii=False)
    archive.writestr(f"{name}.json", text)


def _rows(model: type[Model], path: str, tenant: Tenant) -> Iterator[dict[str, Any]]:
    fields = [f.attname for f in model._meta.concrete_fields if f.attname not in _EXCLUDED_COLUMNS]
    # The default manager would exclude removed domains and hosts.
    found = model._base_manager.filter(**{path: tenant.pk}).order_by("pk")
    if model in (Comment, Notification):
        # Internal notes are for staff. A client can download the export that an administrator
        # requested.
        found = found.filter(is_internal=False)
    rows = found.values(*fields).iterator(chunk_size=1000)
    if model is RawAnswers:
        return (row | {"body": raw_answers.read(row["body"])} for row in rows)
    if model is ActivityLine:
        # The hash covers `action` and `params`. Lines from before a renaming have old names.
        return (row | {"name": current_name(row["action"])} for row in rows)
    return iter(rows)


def user_columns(model: type[Model]) -> list[str]:
    """The columns of a table that refer to a person."""
    return [
        field.attname
        for field in model._meta.concrete_fields
        if isinstance(field, ForeignKey) and field.related_model is User
    ]
