"""The tables of onboarding: plans, cutovers, requirements sheets, monitoring, comments and files.

Import the models from this package. Only fields, constraints and methods of one row belong in it.
"""

from onboarding.models.calendars import (
    CalendarEntry,
    CalendarFeed,
    Freeze,
    Holiday,
    WaitingPeriod,
    WorkingTime,
)
from onboarding.models.closing import AcceptedResidualRisk, ResidualRiskKind
from onboarding.models.comments import Comment
from onboarding.models.contacts import Contact
from onboarding.models.cutovers import (
    Cutover,
    CutoverDecision,
    CutoverDomain,
    CutoverSnapshot,
    CutoverVote,
    DryRun,
    OnCall,
)
from onboarding.models.domain_scans import DomainScan
from onboarding.models.figures import CutoverStatus, PhaseTime, PlanFigures
from onboarding.models.files import ClosingPack, EvidenceFile, ShareLink, TenantExport
from onboarding.models.imports import ArchiveImport, TenantImport
from onboarding.models.monitoring import Drift, DriftNotification, Monitoring
from onboarding.models.plans import (
    COMPLETE_STATUSES,
    SKIPPED_STATUSES,
    DomainProgress,
    ManualStatus,
    Phase,
    Plan,
    PlanTemplate,
    Responsibility,
    Task,
    TaskStatus,
)
from onboarding.models.reminders import Reminder
from onboarding.models.requirements import (
    RequirementsSheet,
    SheetImport,
    SheetRow,
    TlsPartnerCheck,
)
from onboarding.models.risks import PlanRisk
from onboarding.models.saved_views import SavedView
from onboarding.models.task_roles import TaskRole
from onboarding.models.templates import TemplateDraft

__all__ = [
    "COMPLETE_STATUSES",
    "SKIPPED_STATUSES",
    "AcceptedResidualRisk",
    "ArchiveImport",
    "CalendarEntry",
    "CalendarFeed",
    "ClosingPack",
    "Comment",
    "Contact",
    "Cutover",
    "CutoverDecision",
    "CutoverDomain",
    "CutoverSnapshot",
    "CutoverStatus",
    "CutoverVote",
    "DomainProgress",
    "DomainScan",
    "Drift",
    "DriftNotification",
    "DryRun",
    "EvidenceFile",
    "Freeze",
    "Holiday",
    "ManualStatus",
    "Monitoring",
    "OnCall",
    "Phase",
    "PhaseTime",
    "Plan",
    "PlanFigures",
    "PlanRisk",
    "PlanTemplate",
    "Reminder",
    "RequirementsSheet",
    "ResidualRiskKind",
    "Responsibility",
    "SavedView",
    "ShareLink",
    "SheetImport",
    "SheetRow",
    "Task",
    "TaskRole",
    "TaskStatus",
    "TemplateDraft",
    "TenantExport",
    "TenantImport",
    "TlsPartnerCheck",
    "WaitingPeriod",
    "WorkingTime",
]
