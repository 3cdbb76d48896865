"""Pages to plan cutovers, with the facts about a window and a preview of its effects."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods, require_POST

from checks.queries import observations_by_kind
from onboarding.cutovers import planning
from onboarding.cutovers.blockers import freeze_blockers
from onboarding.cutovers.cautions import past_window_error
from onboarding.cutovers.conflicts import ConflictContext, find_conflicts
from onboarding.cutovers.forms import CancelForm, CutoverForm
from onboarding.cutovers.planning_facts import (
    WindowFacts,
    WindowWarnings,
    planning_facts,
    window_facts,
    window_warnings,
)
from onboarding.cutovers.queries import switched
from onboarding.cutovers.readiness import ReadinessFacts
from onboarding.cutovers.room import load_conflict_context
from onboarding.error_responses import errors_on_form
from onboarding.models import Cutover
from onboarding.plans.dates import DueDateShift, due_date_shifts
from onboarding.plans.planned_cutovers import primary_first
from onboarding.plans.safe_times import SAFE_TIME_KINDS
from onboarding.plans.tenant_page import TenantPage, current_user, load_page
from tenants import database_time
from tenants.access import require
from tenants.models import Domain, User
from tenants.permissions import Permission

# The date field has minutes, and the facts do not depend on the time before one is entered.
_WITHOUT_TIME = timedelta(days=1)


@dataclass(frozen=True)
class WindowPreview:
    """The effects of an entered window, before it is saved."""

    warnings: WindowWarnings
    shifts: Sequence[DueDateShift]
    fingerprint: str

    @property
    def moved(self) -> list[DueDateShift]:
        """The due dates that change. The others are the first dates of their tasks."""
        return [shift for shift in self.shifts if shift.before is not None]

    @property
    def first_dates(self) -> list[DueDateShift]:
        return [shift for shift in self.shifts if shift.before is None]


class PlanningPage:
    """The data that the forms of a tenant's cutovers share, loaded once."""

    def __init__(self, page: TenantPage) -> None:
        self.page = page
        self.now = database_time.now()
        self.tasks = [row.task for row in page.rows]
        self.calendar = load_conflict_context(page.plan, page.cutovers)
        self._history = list(observations_by_kind(page.plan_context.checks, list(SAFE_TIME_KINDS)))

    def form(
        self, direction: str, data: Any, offered: Sequence[Domain], **options: Any
    ) -> CutoverForm:
        return CutoverForm(
            data,
            time_zone=self.page.tenant.time_zone,
            offered=offered,
            past_error=past_window_error(self.tasks, direction),
            **options,
        )

    def window(
        self, cutover: Cutover, form: CutoverForm, domains: Sequence[Domain]
    ) -> EnteredWindow:
        return EnteredWindow(self, cutover, form, domains)

    def facts_of(self, cutover: Cutover, domains: Sequence[Domain]) -> ReadinessFacts:
        return planning_facts(
            cutover, domains, self.tasks, self.page.plan_context, self._history, now=self.now
        )


@dataclass
class EnteredWindow:
    """A form with the facts about its window. `cutover` is not saved with the entered values."""

    planning_page: PlanningPage
    cutover: Cutover
    form: CutoverForm
    domains: Sequence[Domain]

    @property
    def direction(self) -> str:
        return self.cutover.direction

    @property
    def others(self) -> list[Cutover]:
        return [c for c in self.planning_page.page.cutovers if c.pk != self.cutover.pk]

    @cached_property
    def _facts(self) -> ReadinessFacts:
        return self.planning_page.facts_of(self.cutover, self.domains)

    @cached_property
    def facts(self) -> WindowFacts:
        return window_facts(self._facts, self.others, self.planning_page.calendar)

    @cached_property
    def preview(self) -> WindowPreview | None:
        """The preview of valid values; None for others."""
        if not self.form.is_bound or "planned_at" not in self.form.cleaned_data:
            return None
        shifts = due_date_shifts(self.planning_page.page.plan, instead=[*self.others, self.cutover])
        calendar = self.planning_page.calendar
        warnings = window_warnings(self._facts, self.others, self.domains, calendar)
        return WindowPreview(warnings, shifts, _fingerprint(self.cutover.planned_at, shifts))

    def must_confirm(self, confirmed: str) -> bool:
        """Whether due dates move that the submitted page did not show."""
        preview = self.preview
        return preview is not None and bool(preview.moved) and confirmed != preview.fingerprint

    @property
    def asks_reason(self) -> bool:
        preview = self.preview
        return bool(preview and preview.warnings.cautions) or "reason" in self.form.errors


def _fingerprint(planned_at: datetime, shifts: Sequence[DueDateShift]) -> str:
    shown = [planned_at.isoformat(), *(f"{each.task.pk} {each.after}" for each in shifts)]
    return hashlib.sha256("\n".join(shown).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class DirectionPlan:
    """One direction: its cutovers with their warnings, the domains in none, and a new form."""

    direction: str
    label: str
    cutovers: list[tuple[Cutover, list[str]]]
    unassigned_domains: list[Domain]
    window: EnteredWindow

    @property
    def save_label(self) -> str:
        return f"Plan {'another' if self.cutovers else 'the'} {self.direction} cutover"


def _direction(shared: PlanningPage, direction: str, label: str, data: Any) -> DirectionPlan:
    page = shared.page
    unassigned_domains = page.domains_in_none(direction)
    form = shared.form(
        direction,
        data,
        unassigned_domains,
        auto_id=f"{direction}_%s",
        initial={"domains": [domain.public_id for domain in unassigned_domains]},
    )
    planned = [
        (cutover, _warnings(page, cutover, unassigned_domains, shared.calendar))
        for cutover in page.cutovers
        if cutover.direction == direction
    ]
    starts = shared.now + _WITHOUT_TIME
    wanted = Cutover(plan=page.plan, direction=direction, planned_at=starts)
    window = shared.window(*_entered(wanted, form, unassigned_domains))
    return DirectionPlan(direction, label, planned, unassigned_domains, window)


def _entered(
    cutover: Cutover, form: CutoverForm, domains: Sequence[Domain]
) -> tuple[Cutover, CutoverForm, Sequence[Domain]]:
    """The cutover with the valid values of the form."""
    entered = copy.copy(cutover)
    if form.is_bound:
        form.is_valid()
        entered.planned_at = form.cleaned_data.get("planned_at", entered.planned_at)
        domains = list(form.cleaned_data.get("domains", domains))
    return entered, form, domains


def _warnings(
    page: TenantPage,
    cutover: Cutover,
    unassigned_domains: Sequence[Domain],
    conflict_context: ConflictContext,
) -> list[str]:
    freezes = [blocker.sentence for blocker in freeze_blockers(cutover, conflict_context)]
    order = primary_first(cutover, page.cutovers, unassigned_domains)
    return [*_over(cutover), *order, *freezes, *find_conflicts(cutover, conflict_context)]


def _over(cutover: Cutover) -> list[str]:
    """The warning about a window that ended before every domain switched."""
    if (
        cutover.ends_at > database_time.now()
        or switched(Cutover.objects.filter(pk=cutover.pk)).exists()
    ):
        return []
    return ["The window ended before every domain switched. Reschedule it."]


def _plan(page: TenantPage, direction: str, values: dict[str, Any], *, by: User) -> None:
    planning.plan_cutover(
        page.plan,
        direction,
        values["planned_at"],
        values["domains"],
        by=by,
        reason=values["reason"],
    )


@require(Permission.MANAGE_PLAN)
@require_http_methods(["GET", "POST"])
def cutover_plan(request: HttpRequest, public_id: str) -> HttpResponse:
    page = load_page(request, public_id)
    shared = PlanningPage(page)
    asked = request.POST.get("direction", "")
    directions = {
        value: _direction(shared, value, label, request.POST if value == asked else None)
        for value, label in Cutover.Direction.choices
    }
    chosen = directions.get(asked)
    status = 422 if request.method == "POST" else 200
    if chosen is not None and "preview" in request.POST:
        return _preview(request, chosen.window, _list_context(page, directions))
    if chosen is not None and chosen.window.form.is_valid():
        with errors_on_form(chosen.window.form):
            if _needs_confirmation(chosen.window, request):
                status = 200
            else:
                _plan(page, asked, chosen.window.form.cleaned_data, by=current_user(request))
                return redirect("onboarding:cutovers", public_id=public_id)
    context = _list_context(page, directions)
    return render(request, "cutovers/cutover_list.html", context, status=status)


def _needs_confirmation(window: EnteredWindow, request: HttpRequest) -> bool:
    """Whether the page must show the due dates that move first. A missing reason comes first."""
    has_reason = bool(window.form.cleaned_data["reason"]) or not window.asks_reason
    return has_reason and window.must_confirm(request.POST.get("confirmed", ""))


def _list_context(page: TenantPage, directions: dict[str, DirectionPlan]) -> dict[str, object]:
    cancelled = Cutover.all_objects.filter(plan=page.plan, cancelled_at__isnull=False)
    return {
        "page": page,
        "tab": "cutovers",
        "directions": list(directions.values()),
        "cancelled": list(cancelled.select_related("cancelled_by").order_by("cancelled_at")),
    }


def _preview(
    request: HttpRequest,
    window: EnteredWindow,
    context: dict[str, object],
    template: str = "cutovers/cutover_list.html",
) -> HttpResponse:
    """The facts and the preview of the entered window; the whole page without htmx."""
    if getattr(request, "htmx", False):
        context = {"window": window, "page": context["page"]}
        template = "cutovers/cutover_window_form.html#effects"
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _of_page(page: TenantPage, cutover_id: str) -> Cutover:
    for cutover in page.cutovers:
        if cutover.public_id == cutover_id:
            return cutover
    raise Http404("No such cutover.")


@require(Permission.MANAGE_PLAN)
@require_http_methods(["GET", "POST"])
def cutover_change(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    page = load_page(request, public_id)
    cutover = _of_page(page, cutover_id)
    window = _changed(PlanningPage(page), cutover, request.POST or None)
    form = window.form
    context = _edit_context(page, cutover, window)
    if "preview" in request.POST:
        return _preview(request, window, context, "cutovers/cutover_edit.html")
    if form.is_valid():
        cleaned = form.cleaned_data
        with errors_on_form(form):
            if not _needs_confirmation(window, request):
                planning.change_cutover(
                    cutover,
                    cleaned["planned_at"],
                    cleaned["domains"],
                    expected_round=_number(request.POST.get("round", "")),
                    by=current_user(request),
                    reason=cleaned["reason"],
                )
                return redirect("onboarding:cutovers", public_id=public_id)
    status = 422 if form.errors else 200
    return render(request, "cutovers/cutover_edit.html", context, status=status)


def _edit_context(page: TenantPage, cutover: Cutover, window: EnteredWindow) -> dict[str, object]:
    context = {"page": page, "tab": "cutovers", "changed": cutover, "window": window}
    return context | {"cancel_form": _cancel_form(None)}


def _cancel_form(data: Any) -> CancelForm:
    return CancelForm(data, auto_id="id_cancel_%s")


def _changed(shared: PlanningPage, cutover: Cutover, data: Any) -> EnteredWindow:
    page, own = shared.page, list(cutover.domains.all())
    form = shared.form(
        cutover.direction,
        data,
        [*own, *page.domains_in_none(cutover.direction)],
        unmoved=cutover.planned_at,
        initial={
            "planned_at": _wall_time(cutover, page),
            "domains": [domain.public_id for domain in own],
            "reason": cutover.planning_reason,
        },
    )
    return shared.window(*_entered(cutover, form, own))


def _number(text: str) -> int:
    """The round on the page; 0, which no cutover has, for an invalid value."""
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _wall_time(cutover: Cutover, page: TenantPage) -> datetime:
    zone = page.plan_context.zone
    return cutover.planned_at.astimezone(zone).replace(tzinfo=None)


@require(Permission.MANAGE_PLAN)
@require_POST
def cutover_cancel(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    page = load_page(request, public_id)
    cutover = _of_page(page, cutover_id)
    form = _cancel_form(request.POST)
    if form.is_valid():
        with errors_on_form(form):
            planning.cancel_cutover(
                cutover, by=current_user(request), reason=form.cleaned_data["reason"]
            )
            messages.success(request, f"The {cutover.direction} cutover is cancelled.")
    if form.errors:
        window = _changed(PlanningPage(page), cutover, None)
        context = _edit_context(page, cutover, window) | {"cancel_form": form}
        return render(request, "cutovers/cutover_edit.html", context, status=422)
    return redirect("onboarding:cutovers", public_id=public_id)
