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
from onboarding.models.files import EvidenceFile, HandOff, TenantExport
from onboarding.models.plans import (
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
from onboarding.models.sheets import Sheet, SheetImport, SheetRow
from onboarding.models.talk import Comment

__all__ = [
    "COMPLETE",
    "Comment",
    "Contact",
    "Cutover",
    "CutoverDomain",
    "CutoverSnapshot",
    "CutoverVerdict",
    "CutoverVote",
    "DomainPart",
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
    "Responsibility",
    "Sheet",
    "SheetImport",
    "SheetRow",
    "Task",
    "TaskState",
    "TenantExport",
    "Turn",
    "WorkingTime",
]
