"""Every requirements sheet of a tenant on one page: how full it is, and who has signed it off."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from onboarding.models import Sheet
from onboarding.plans.dates import today_for
from onboarding.plans.rows import TaskRow
from onboarding.sheets.columns import Kind
from onboarding.sheets.reading import sheets_of
from onboarding.sheets.signing import kind_of
from onboarding.views.shared import load_page, show
from tenants.access import act
from tenants.permissions import Act


@dataclass(frozen=True)
class Requirement:
    """A gathering task and the sheet it fills."""

    row: TaskRow
    sheet: Sheet

    @property
    def kind(self) -> Kind:
        return kind_of(self.sheet)

    @property
    def waits_for_me(self) -> bool:
        """The reader's signature is what is missing."""
        task = self.row.task
        is_open = task.counts_as_open and self.row.is_by_sheet and self.row.is_mine
        return is_open and not self.row.has_signed


@act(Act.READ)
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
    return show(request, "onboarding/requirements.html", "requirements", context)
