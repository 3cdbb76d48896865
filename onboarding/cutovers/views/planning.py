"""Pages to plan cutovers, with a preview of the due dates that change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from onboarding.cutovers import planning
from onboarding.cutovers.blockers import freeze_blockers
from onboarding.cutovers.conflicts import ConflictContext, find_conflicts
from onboarding.cutovers.forms import CutoverForm
from onboarding.cutovers.queries import switched
from onboarding.cutovers.room import load_conflict_context
from onboarding.error_responses import errors_as_message, errors_on_form
from onboarding.models import Cutover
from onboarding.plans.dates import DueDateShift, due_date_shifts
from onboarding.plans.planned_cutovers import primary_first
from onboarding.plans.tenant_page import TenantPage, current_user, load_page
from tenants.access import require
from tenants.models import Domain
from tenants.permissions import Permission


@dataclass(frozen=True)
class DirectionPlan:
    """One direction: its cutovers with their warnings, the domains in none, and a new form."""

    direction: str
    label: str
    cutovers: list[tuple[Cutover, list[str]]]
    unassigned_domains: list[Domain]
    form: CutoverForm


def _form(page: TenantPage, data: Any, offered: Sequence[Domain], **options: Any) -> CutoverForm:
    return CutoverForm(data, time_zone=page.tenant.time_zone, offered=offered, **options)


def _direction(
    page: TenantPage, conflict_context: ConflictContext, direction: str, label: str, data: Any
) -> DirectionPlan:
    unassigned_domains = page.domains_in_none(direction)
    form = _form(
        page,
        data,
        unassigned_domains,
        auto_id=f"{direction}_%s",
        initial={"domains": [domain.public_id for domain in unassigned_domains]},
    )
    planned = [
        (cutover, _warnings(page, cutover, unassigned_domains, conflict_context))
        for cutover in page.cutovers
        if cutover.direction == direction
    ]
    return DirectionPlan(direction, label, planned, unassigned_domains, form)


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
    if cutover.ends_at > timezone.now() or switched(Cutover.objects.filter(pk=cutover.pk)).exists():
        return []
    return ["The window ended before every domain switched. Reschedule it."]


@require(Permission.MANAGE_PLAN)
@require_http_methods(["GET", "POST"])
def cutover_plan(request: HttpRequest, public_id: str) -> HttpResponse:
    page = load_page(request, public_id)
    asked = request.POST.get("direction", "")
    conflict_context = load_conflict_context(page.plan, page.cutovers)
    directions = {
        value: _direction(
            page, conflict_context, value, label, request.POST if value == asked else None
        )
        for value, label in Cutover.Direction.choices
    }
    chosen = directions.get(asked)
    if chosen is not None and chosen.form.is_valid():
        cleaned = chosen.form.cleaned_data
        wanted = Cutover(plan=page.plan, direction=asked, planned_at=cleaned["planned_at"])
        moved = _shifted_due_dates(page, [*page.cutovers, wanted])
        if moved and "confirmed" not in request.POST:
            return _preview(request, page, chosen.form, moved, {"direction": asked})
        with errors_on_form(chosen.form):
            planning.plan_cutover(
                page.plan,
                asked,
                cleaned["planned_at"],
                cleaned["domains"],
                by=current_user(request),
            )
            return redirect("onboarding:cutovers", public_id=public_id)

    cancelled = Cutover.all_objects.filter(plan=page.plan, cancelled_at__isnull=False)
    context = {
        "page": page,
        "tab": "cutovers",
        "directions": list(directions.values()),
        "cancelled": list(cancelled.select_related("cancelled_by").order_by("cancelled_at")),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "cutovers/cutover_list.html", context, status=status)


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
    own = list(cutover.domains.all())
    form = _form(
        page,
        request.POST or None,
        [*own, *page.domains_in_none(cutover.direction)],
        initial={
            "planned_at": _wall_time(cutover, page),
            "domains": [domain.public_id for domain in own],
        },
    )
    if form.is_valid():
        cleaned = form.cleaned_data
        moved = _shifted_due_dates(page, _with_moved(page, cutover, cleaned["planned_at"]))
        if moved and "confirmed" not in request.POST:
            shown = {"round": request.POST.get("round", "")}
            return _preview(request, page, form, moved, shown, cutover)
        with errors_on_form(form):
            planning.change_cutover(
                cutover,
                cleaned["planned_at"],
                cleaned["domains"],
                expected_round=_number(request.POST.get("round", "")),
                by=current_user(request),
            )
            return redirect("onboarding:cutovers", public_id=public_id)

    context = {"page": page, "tab": "cutovers", "changed": cutover, "form": form}
    return render(
        request, "cutovers/cutover_edit.html", context, status=422 if form.errors else 200
    )


def _number(text: str) -> int:
    """The round on the page; 0, which no cutover has, for an invalid value."""
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _wall_time(cutover: Cutover, page: TenantPage) -> datetime:
    zone = page.plan_context.zone
    return cutover.planned_at.astimezone(zone).replace(tzinfo=None)


def _with_moved(page: TenantPage, cutover: Cutover, planned_at: datetime) -> list[Cutover]:
    instead = Cutover(plan=page.plan, direction=cutover.direction, planned_at=planned_at)
    return [*(c for c in page.cutovers if c.pk != cutover.pk), instead]


@require(Permission.MANAGE_PLAN)
@require_POST
def cutover_cancel(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    page = load_page(request, public_id)
    cutover = _of_page(page, cutover_id)
    with errors_as_message(request):
        planning.cancel_cutover(cutover, by=current_user(request))
        messages.success(request, f"The {cutover.direction} cutover is cancelled.")
    return redirect("onboarding:cutovers", public_id=public_id)


def _shifted_due_dates(page: TenantPage, instead: Sequence[Cutover]) -> list[DueDateShift]:
    """The existing due dates that would change."""
    return [
        shift for shift in due_date_shifts(page.plan, instead=instead) if shift.before is not None
    ]


def _preview(
    request: HttpRequest,
    page: TenantPage,
    form: CutoverForm,
    moved: Sequence[DueDateShift],
    hidden_fields: dict[str, str],
    cutover: Cutover | None = None,
) -> HttpResponse:
    context = {
        "page": page,
        "form": form,
        "moved": moved,
        "hidden_fields": hidden_fields,
        "changed": cutover,
    }
    return render(request, "cutovers/cutover_preview.html", context)
