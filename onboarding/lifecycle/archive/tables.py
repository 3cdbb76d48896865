"""The content of an archive: its tables and columns, and the reason for each one left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from django.db.models import Field, ForeignKey, Model, Q, QuerySet

from checks.models import (
    Check,
    Discovery,
    Observation,
    RawAnswers,
    SubmittedExport,
    SubmittedMessage,
)
from onboarding.models import (
    AcceptedResidualRisk,
    ArchiveImport,
    CalendarEntry,
    CalendarFeed,
    ClosingPack,
    Comment,
    Contact,
    Cutover,
    CutoverDecision,
    CutoverDomain,
    CutoverSnapshot,
    CutoverStatus,
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
    PhaseTime,
    Plan,
    PlanFigures,
    PlanRisk,
    PlanTemplate,
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
from tenants.models import (
    ActivityLine,
    ApiToken,
    Domain,
    ErasableAddress,
    ErasurePermit,
    Host,
    IdempotentRequest,
    Invitation,
    Membership,
    Notification,
    OutboxMessage,
    Tenant,
    User,
    Webhook,
    WebhookDelivery,
    WebhookMessage,
)

# These rows exist once for each tenant, so that no column needs to refer to them.
_IMPLIED = (Tenant, Plan, PlanTemplate)


@dataclass(frozen=True)
class ArchiveTable:
    """One table: the lookup from a row to the tenant, and the column by which rows are referred to.

    `without` has the columns that are not archived, with the reason. `late` are references to rows
    that can follow later. `many` are relations with any number of rows.
    """

    name: str
    model: type[Model]
    path: str
    key: str = "public_id"
    without: Mapping[str, str] = field(default_factory=dict)
    late: tuple[str, ...] = ()
    many: tuple[str, ...] = ()
    only: Q = field(default_factory=Q)

    @cached_property
    def columns(self) -> tuple[Field[Any, Any], ...]:
        """The archived columns that are no references."""
        return tuple(each for each in self._archived if not isinstance(each, ForeignKey))

    @cached_property
    def people(self) -> tuple[str, ...]:
        return tuple(each.name for each in self._archived if each.related_model is User)

    @cached_property
    def references(self) -> dict[str, ArchiveTable]:
        """The references to rows of other tables, by column."""
        return {
            each.name: TABLE_OF_MODEL[each.related_model]
            for each in self._archived
            if isinstance(each, ForeignKey) and each.related_model is not User
        }

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset([*(each.name for each in self._archived), *self.many])

    @cached_property
    def _archived(self) -> tuple[Field[Any, Any], ...]:
        return tuple(
            each
            for each in self.model._meta.concrete_fields
            if not each.primary_key
            and each.related_model not in _IMPLIED
            and each.name not in self.without
        )

    def rows_of(self, tenant: Tenant) -> QuerySet[Any]:
        """All archived rows in the order of their creation. Removed subjects are included."""
        found = self.model._base_manager.filter(self.only, **{self.path: tenant.pk})
        return found.order_by("number" if self.model is ActivityLine else "pk")


_SCHEDULE = "The schedule is that of the installation. The first run follows a start by a person."
_PLACE = "The path of a file in this installation. The content is in the table “contents”."
_CONSENT = "The client agrees to connections of one installation. Its activity line remains."
_ROLLUP = "Computed again in each installation."

TABLES: tuple[ArchiveTable, ...] = (
    ArchiveTable(
        "tenant",
        Tenant,
        "pk",
        without={
            "is_sample": "Only the installation with the lab has sample tenants.",
            "checks_paused_at": "The state after an import.",
        },
    ),
    ArchiveTable("memberships", Membership, "tenant", key=""),
    ArchiveTable("domains", Domain, "tenant"),
    ArchiveTable(
        "hosts",
        Host,
        "tenant",
        without={"consented_at": _CONSENT, "consented_by": _CONSENT},
    ),
    ArchiveTable(
        "plan",
        Plan,
        "tenant",
        key="",
        without={
            "revision": "The number of changes in this installation.",
            "reconciled_at": _ROLLUP,
            "risks_revision": _ROLLUP,
            "risks_valid_until": _ROLLUP,
        },
    ),
    ArchiveTable("phases", Phase, "plan__tenant", key="key"),
    ArchiveTable(
        "tasks",
        Task,
        "plan__tenant",
        late=("parent",),
        without={"undo": "Only the installation of an action can undo it, and for a day."},
    ),
    ArchiveTable("domain_progress", DomainProgress, "task__plan__tenant"),
    ArchiveTable("waiting_periods", WaitingPeriod, "task__plan__tenant", key=""),
    ArchiveTable("contacts", Contact, "tenant"),
    ArchiveTable("working_time", WorkingTime, "tenant", key=""),
    ArchiveTable("holidays", Holiday, "tenant"),
    ArchiveTable("freezes", Freeze, "tenant"),
    ArchiveTable(
        "reminders",
        Reminder,
        "plan__tenant",
        many=("tasks",),
        only=Q(sent_at__isnull=False) | Q(cancelled_at__isnull=False),
        without={"site_url": "The address of the installation that sent it."},
    ),
    ArchiveTable("comments", Comment, "plan__tenant", late=("reply_to",), many=("mentions",)),
    ArchiveTable("cutovers", Cutover, "plan__tenant"),
    ArchiveTable("cutover_domains", CutoverDomain, "cutover__plan__tenant", key=""),
    ArchiveTable("on_call", OnCall, "cutover__plan__tenant"),
    ArchiveTable("dry_runs", DryRun, "cutover__plan__tenant"),
    ArchiveTable("cutover_snapshots", CutoverSnapshot, "cutover__plan__tenant"),
    ArchiveTable("cutover_votes", CutoverVote, "cutover__plan__tenant", key=""),
    ArchiveTable("cutover_decisions", CutoverDecision, "cutover__plan__tenant"),
    ArchiveTable("requirements_sheets", RequirementsSheet, "task__plan__tenant"),
    ArchiveTable("sheet_rows", SheetRow, "sheet__task__plan__tenant"),
    ArchiveTable(
        "tls_partner_checks",
        TlsPartnerCheck,
        "sheet__task__plan__tenant",
        key="",
        only=Q(checked_at__isnull=False),
        without={"requested_at": "The newest request. The archive has finished tests only."},
    ),
    ArchiveTable(
        "checks",
        Check,
        "tenant",
        late=("latest",),
        without=dict.fromkeys(
            (
                *("next_due_at", "interval", "requested_until", "viewed_until", "cutover_until"),
                *("claim_id", "claimed_until", "unevaluated_since"),
            ),
            _SCHEDULE,
        ),
    ),
    ArchiveTable("raw_answers", RawAnswers, "tenant", key="digest"),
    ArchiveTable("observations", Observation, "check_asked__tenant"),
    ArchiveTable(
        "discoveries",
        Discovery,
        "domain__tenant",
        only=Q(checked_at__isnull=False),
        without={"requested_at": "The newest request. The archive has finished scans only."},
    ),
    ArchiveTable(
        "proof_messages",
        SubmittedMessage,
        "check_asked__tenant",
        only=Q(finished_at__isnull=False),
        without={"content": "Deleted after the message was judged."},
    ),
    ArchiveTable(
        "submitted_exports",
        SubmittedExport,
        "tenant",
        only=Q(read_at__isnull=False),
        without={"content": "Deleted after a worker read it."},
    ),
    ArchiveTable("monitoring", Monitoring, "tenant", key=""),
    ArchiveTable("drifts", Drift, "tenant"),
    ArchiveTable("accepted_residual_risks", AcceptedResidualRisk, "tenant"),
    ArchiveTable("files", EvidenceFile, "task__plan__tenant", without={"stored_as": _PLACE}),
    ArchiveTable(
        "closing_packs",
        ClosingPack,
        "tenant",
        only=Q(ready_at__isnull=False),
        without={"stored_as": _PLACE},
    ),
    ArchiveTable(
        "activity",
        ActivityLine,
        "tenant",
        key="",
        without={"scope": "Always the id of the tenant."},
    ),
)
TABLE_OF_MODEL: Mapping[Any, ArchiveTable] = MappingProxyType(
    {table.model: table for table in TABLES}
)
TABLE_OF_NAME: Mapping[str, ArchiveTable] = MappingProxyType(
    {table.name: table for table in TABLES}
)
# The tables in the order of the file. The rows of these three are no rows of one model.
PEOPLE, TEMPLATE, CONTENTS = "people", "template", "contents"
FILE_ORDER: tuple[str, ...] = (
    PEOPLE,
    TEMPLATE,
    *(table.name for table in TABLES if table.model is not ActivityLine),
    CONTENTS,
    "activity",
)
# The tables whose rows have a content.
STORED_FILES = ("files", "closing_packs")

# The tables of a tenant that are not archived. A test reports a new table without an entry.
EXCLUDED_MODELS: Mapping[type[Model], str] = MappingProxyType(
    {
        Invitation: "A link for access. The importing administrator invites people again.",
        ApiToken: "A credential of this installation.",
        IdempotentRequest: "Responses of the API, stored for a day.",
        Notification: "Messages to people of this installation. Their events are archived.",
        OutboxMessage: "Messages that are not sent yet.",
        ErasurePermit: "Exists during an erasure only.",
        ErasableAddress: "Belongs to the log of the installation.",
        ShareLink: "A link for access. Its activity lines remain.",
        CalendarFeed: "A secret address.",
        CalendarEntry: "The published state of the feeds of this installation.",
        Webhook: "Contains secrets and an address of another system.",
        WebhookMessage: "A message to a webhook.",
        WebhookDelivery: "A delivery to a webhook.",
        TenantExport: "An archive that this installation built.",
        ArchiveImport: "The import of this tenant into this installation.",
        SheetImport: "A file in progress. The imported rows are archived.",
        DriftNotification: "E-mails to people of this installation.",
        PlanRisk: _ROLLUP,
        PlanFigures: _ROLLUP,
        PhaseTime: _ROLLUP,
        CutoverStatus: _ROLLUP,
    }
)
