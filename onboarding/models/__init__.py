"""What to do next: plans, cutovers, requirements, what people say, and what they hand over."""

from onboarding.models.cutovers import Cutover
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
    "Cutover",
    "DomainPart",
    "EvidenceFile",
    "HandOff",
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
    "TenantExport",
]
