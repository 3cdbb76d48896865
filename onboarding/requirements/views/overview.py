"""The page of all requirements sheets of a tenant, with their rows and sign-offs."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import TextChoices
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from onboarding.models import RequirementsSheet
from onboarding.plans.rows import Shape, TaskRow
from onboarding.plans.task_fields import today_for
from onboarding.plans.tenant_page import load_page, show
from onboarding.requirements.columns import SheetDefinition
from onboarding.requirements.queries import sheets_of
from onboarding.requirements.sign_off import definition_of
from tenants.access import require
from tenants.permissions import Permission


class SheetState(TextChoices):
    NOT_STARTED = "not_started", "Not started"
    FILLING_IN = "filling_in", "Filling in"
    READY_TO_SIGN = "ready_to_sign", "Ready to sign"
    SIGNED = "signed", "Signed"


_SHAPES = {
    SheetState.NOT_STARTED: Shape.TODO,
    SheetState.FILLING_IN: Shape.PARTIAL,
    SheetState.READY_TO_SIGN: Shape.WAITING,
    SheetState.SIGNED: Shape.PASS,
}


def state_of(sheet: RequirementsSheet, definition: SheetDefinition) -> SheetState:
    """The state of a sheet from its content and signatures.

    The end of a list is not known: its first signature states that it is complete.
    """
    signed = [signature.at is not None for signature in sheet.signatures]
    if all(signed):
        return SheetState.SIGNED
    is_complete = definition.is_fixed and sheet.row_count >= len(definition.questions)
    if any(signed) or is_complete:
        return SheetState.READY_TO_SIGN
    return SheetState.FILLING_IN if sheet.row_count else SheetState.NOT_STARTED


@dataclass(frozen=True)
class Requirement:
    """A gathering task and its sheet."""

    row: TaskRow
    sheet: RequirementsSheet

    @property
    def kind(self) -> SheetDefinition:
        return definition_of(self.sheet)

    @property
    def state(self) -> SheetState:
        return state_of(self.sheet, self.kind)

    @property
    def shape(self) -> Shape:
        """The icon of the state. It does not depend on other tasks: every sheet can be filled."""
        return _SHAPES[self.state]

    @property
    def needs_my_sign_off(self) -> bool:
        """Whether the sheet waits for the sign-off of the reader's side.

        A sheet without content waits for it first, although an empty list can be signed.
        """
        task = self.row.task
        is_open = task.is_open_leaf and self.row.is_confirmed_by_sign_off and self.row.is_mine
        return is_open and not self.row.has_signed and self.state is not SheetState.NOT_STARTED


@require(Permission.VIEW)
@require_GET
def requirements(request: HttpRequest, public_id: str) -> HttpResponse:
    page = load_page(request, public_id)
    sheets = {sheet.task_id: sheet for sheet in sheets_of(page.tenant)}
    found = [Requirement(row, sheets[row.task.pk]) for row in page.rows if row.task.pk in sheets]
    context = {
        "page": page,
        "tab": "requirements",
        "today": today_for(page.tenant),
        "wanted": [each for each in found if each.row.task.applies],
        "left_out": [each for each in found if not each.row.task.applies],
    }
    return show(request, "requirements/sheet_list.html", "requirements", context)
