"""What to do next: plans, cutovers, requirements, what people say, and what they hand over."""

from onboarding.models.calendars import Freeze, Holiday, Turn, WorkingTime
from onboarding.models.contacts import Contact
from onboarding.models.cutovers import (
    Cutover,
    CutoverDomain,
    CutoverSnapshot,
    CutoverVerdict,
    CutoverVote,
    OnCall,
    Rehearsal,
)
from onboarding.models.drifts import Drift, DriftLetter, Watch
from onboarding.models.files import ClosingPack, EvidenceFile, HandOff, TenantExport
from onboarding.models.plans import (
    CLOSURE,
    COMPLETE,
    DomainPart,
    Mark,
    Phase,
    Plan,
    PlanTemplate,
    Responsibility,
    Task,
    TaskState,
)
from onboarding.models.reminders import Reminder
from onboarding.models.sheets import Sheet, SheetImport, SheetRow
from onboarding.models.talk import Comment
from onboarding.models.templates import TemplateDraft

__all__ = [
    "CLOSURE",
    "COMPLETE",
    "ClosingPack",
    "Comment",
    "Contact",
    "Cutover",
    "CutoverDomain",
    "CutoverSnapshot",
    "CutoverVerdict",
    "CutoverVote",
    "DomainPart",
    "Drift",
    "DriftLetter",
    "EvidenceFile",
    "Freeze",
    "HandOff",
    "Holiday",
    "Mark",
    "OnCall",
    "Phase",
    "Plan",
    "PlanTemplate",
    "Rehearsal",
    "Reminder",
    "Responsibility",
    "Sheet",
    "SheetImport",
    "SheetRow",
    "Task",
    "TaskState",
    "TemplateDraft",
    "TenantExport",
    "Turn",
    "Watch",
    "WorkingTime",
]
