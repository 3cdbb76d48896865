"""Planning the cutovers: which domains switch when, and what that moves."""

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
from onboarding.cutovers.clashes import Surroundings, clashes
from onboarding.cutovers.objections import frozen_days
from onboarding.cutovers.rooms import surroundings
from onboarding.errors import OnboardingError
from onboarding.forms.cutovers import CutoverForm
from onboarding.models import Cutover
from onboarding.plans.dates import Shift, shifts
from onboarding.plans.scopes import primary_first
from onboarding.queries import switched
from onboarding.views.shared import TenantPage, load_page, signed_in
from tenants.access import act
from tenants.models import Domain
from tenants.permissions import Act


@dataclass(frozen=True)
class DirectionPlan:
    """One direction on the page: its cutovers with what speaks against their order, the domains in
    none, and the form for another."""

    direction: str
    label: str
    cutovers: list[tuple[Cutover, list[str]]]
    left: list[Domain]
    form: CutoverForm


def _form(page: TenantPage, data: Any, offered: Sequence[Domain], **options: Any) -> CutoverForm:
    return CutoverForm(data, time_zone=page.tenant.time_zone, offered=offered, **options)


def _direction(
    page: TenantPage, around: Surroundings, direction: str, label: str, data: Any
) -> DirectionPlan:
    left = page.domains_in_none(direction)
    form = _form(
        page,
        data,
        left,
        auto_id=f"{direction}_%s",
        initial={"domains": [domain.public_id for domain in left]},
    )
    planned = [
        (cutover, _warnings(page, cutover, left, around))
        for cutover in page.cutovers
        if cutover.direction == direction
    ]
    return DirectionPlan(direction, label, planned, left, form)


def _warnings(
    page: TenantPage, cutover: Cutover, left: Sequence[Domain], around: Surroundings
) -> list[str]:
    frozen = [objection.sentence for objection in frozen_days(cutover, around)]
    order = primary_first(cutover, page.cutovers, left)
    return [*_over(cutover), *order, *frozen, *clashes(cutover, around)]


def _over(cutover: Cutover) -> list[str]:
    """That a window is over is no fault of one that has done its work."""
    if cutover.ends_at > timezone.now() or switched(Cutover.objects.filter(pk=cutover.pk)).exists():
        return []
    return [
        "Its window is over, and not all of its domains were seen to have switched: move it, or "
        "plan them anew."
    ]


@act(Act.STEER)
@require_http_methods(["GET", "POST"])
def cutover_plan(request: HttpRequest, public_id: str) -> HttpResponse:
    page = load_page(request, public_id)
    asked = request.POST.get("direction", "")
    around = surroundings(page.plan, page.cutovers)
    directions = {
        value: _direction(page, around, value, label, request.POST if value == asked else None)
        for value, label in Cutover.Direction.choices
    }
    chosen = directions.get(asked)
    if chosen is not None and chosen.form.is_valid():
        wish = chosen.form.cleaned_data
        wanted = Cutover(plan=page.plan, direction=asked, planned_at=wish["planned_at"])
        moved = _moved(page, [*page.cutovers, wanted])
        if moved and "confirmed" not in request.POST:
            return _preview(request, page, chosen.form, moved, {"direction": asked})
        try:
            planning.plan_cutover(
                page.plan, asked, wish["planned_at"], wish["domains"], by=signed_in(request)
            )
            return redirect("onboarding:cutover-plan", public_id=public_id)
        except OnboardingError as error:
            chosen.form.add_error(None, str(error))
    dropped = Cutover.everything.filter(plan=page.plan, dropped_at__isnull=False)
    context = {
        "page": page,
        "tab": "cutover",
        "directions": list(directions.values()),
        "dropped": list(dropped.select_related("dropped_by").order_by("dropped_at")),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "onboarding/cutovers.html", context, status=status)


def _of_page(page: TenantPage, cutover_id: str) -> Cutover:
    for cutover in page.cutovers:
        if cutover.public_id == cutover_id:
            return cutover
    raise Http404("No such cutover.")


@act(Act.STEER)
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
        wish = form.cleaned_data
        moved = _moved(page, _with_moved(page, cutover, wish["planned_at"]))
        if moved and "confirmed" not in request.POST:
            shown = {"round": request.POST.get("round", "")}
            return _preview(request, page, form, moved, shown, cutover)
        try:
            planning.change_cutover(
                cutover,
                wish["planned_at"],
                wish["domains"],
                shown=_number(request.POST.get("round", "")),
                by=signed_in(request),
            )
            return redirect("onboarding:cutover-plan", public_id=public_id)
        except OnboardingError as error:
            form.add_error(None, str(error))
    context = {"page": page, "tab": "cutover", "changed": cutover, "form": form}
    return render(
        request, "onboarding/cutover_change.html", context, status=422 if form.errors else 200
    )


def _number(text: str) -> int:
    """The round that was shown; what is none is none that there ever was."""
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _wall_time(cutover: Cutover, page: TenantPage) -> datetime:
    zone = page.ground.zone
    return cutover.planned_at.astimezone(zone).replace(tzinfo=None)


def _with_moved(page: TenantPage, cutover: Cutover, planned_at: datetime) -> list[Cutover]:
    instead = Cutover(plan=page.plan, direction=cutover.direction, planned_at=planned_at)
    return [*(c for c in page.cutovers if c.pk != cutover.pk), instead]


@act(Act.STEER)
@require_POST
def cutover_drop(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    page = load_page(request, public_id)
    cutover = _of_page(page, cutover_id)
    try:
        planning.drop_cutover(cutover, by=signed_in(request))
    except OnboardingError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"The {cutover.direction} cutover is dropped.")
    return redirect("onboarding:cutover-plan", public_id=public_id)


def _moved(page: TenantPage, instead: Sequence[Cutover]) -> list[Shift]:
    """Due dates that stand already and would move."""
    return [shift for shift in shifts(page.plan, instead=instead) if shift.before is not None]


def _preview(
    request: HttpRequest,
    page: TenantPage,
    form: CutoverForm,
    moved: Sequence[Shift],
    kept: dict[str, str],
    cutover: Cutover | None = None,
) -> HttpResponse:
    context = {"page": page, "form": form, "moved": moved, "kept": kept, "changed": cutover}
    return render(request, "onboarding/cutover_preview.html", context)
