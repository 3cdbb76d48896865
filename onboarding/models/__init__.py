"""What to do next: plans, cutovers, requirements, what people say, and what they hand over."""

from onboarding.models.calendars import Holiday, Turn, WorkingTime
from onboarding.models.contacts import Contact
from onboarding.models.cutovers import Cutover, CutoverSnapshot, CutoverVerdict, CutoverVote
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
from onboarding.models.templates import TemplateDraft

__all__ = [
    "COMPLETE",
    "Comment",
    "Contact",
    "Cutover",
    "CutoverSnapshot",
    "CutoverVerdict",
    "CutoverVote",
    "DomainPart",
    "EvidenceFile",
    "HandOff",
    "Holiday",
    "Mark",
    "Phase",
    "Plan",
    "PlanTemplate",
    "Responsibility",
    "Sheet",
    "SheetImport",
    "SheetRow",
    "Task",
    "TaskState",
    "TemplateDraft",
    "TenantExport",
    "Turn",
    "WorkingTime",
]
