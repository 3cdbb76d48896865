"""The schedule page: due dates, working time, waiting periods, assignments and reminders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.defaultfilters import pluralize
from django.views.decorators.http import require_GET, require_POST

from onboarding.cutovers import freezes
from onboarding.cutovers.freezes import freezes_for
from onboarding.error_responses import errors_as_message, errors_on_form
from onboarding.models import Freeze, Holiday, Plan, Task
from onboarding.plans import calendars, dates
from onboarding.plans.assignment import assign_task, assignable
from onboarding.plans.forms.dates import DueForm, FreezeForm, HolidayForm, WorkingTimeForm
from onboarding.plans.forms.task_rows import AssigneeForm
from onboarding.plans.recipients import side_of
from onboarding.plans.schedule import PlanSchedule, plan_schedule
from onboarding.plans.tasks import REMIND_LIMIT, queue_reminders, remind_now
from onboarding.plans.tenant_page import TenantPage, current_user, load_page, show
from onboarding.plans.views.tasks import back_to_plan, load_task, task_form_page
from onboarding.portfolio import bulk
from onboarding.portfolio.forecast_card import ForecastCard, load_card
from onboarding.portfolio.forms import BulkForm
from onboarding.portfolio.gantt import Gantt, gantt_of
from tenants import database_time
from tenants.access import require, tenant_or_404
from tenants.models import Tenant
from tenants.permissions import Permission
from tenants.throttle import throttled
from tenants.tokens import site_url

_BULK_ID = "bulk-%s"


@require(Permission.VIEW)
@require_GET
def dates_show(request: HttpRequest, public_id: str) -> HttpResponse:
    return _show(request, public_id)


def _forms_of(tenant: Tenant, forms: dict[str, Any]) -> dict[str, Any]:
    """The forms of the page, with the refused ones and their input."""
    return {
        "holidays": list(tenant.holidays.all()),
        "working_time": WorkingTimeForm(instance=calendars.working_time_of(tenant)),
        "holiday": HolidayForm(),
        "freeze": FreezeForm(),
        "bulk": BulkForm(auto_id=_BULK_ID),
        "chosen": [],
        **forms,
    }


def _gantt(
    page: TenantPage,
    timing: PlanSchedule,
    card: ForecastCard | None,
    freezes: Sequence[Freeze],
    *,
    now: datetime,
) -> Gantt | None:
    calendar = dates.calendar_of(page.tenant)
    return gantt_of(
        timing,
        card.forecast if card is not None else None,
        cutovers=page.cutovers,
        freezes=freezes,
        calendar=calendar,
        today=calendar.day_of(now),
    )


def _show(request: HttpRequest, public_id: str, **forms: Any) -> HttpResponse:
    page, now = load_page(request, public_id), database_time.now()
    tenant = page.tenant
    timing = plan_schedule(page.plan, page.rows, now=now)
    card = None if tenant.is_closed else load_card(tenant, request.GET.dict(), now=now)
    frozen = list(freezes_for(tenant))
    sort = request.GET.get("sort", "")
    context = {
        "page": page,
        "tab": "schedule",
        "timing": timing,
        "sort": sort,
        "sorted_tasks": timing.sorted_by(sort),
        "gantt": _gantt(page, timing, card, frozen, now=now),
        "card": card,
        "freezes": frozen,
        **_forms_of(tenant, forms),
        "assignable": assignable(tenant, current_user(request)) if page.may_manage_plan else [],
    }
    if forms:
        return render(request, "portfolio/schedule_show.html", context, status=422)
    return show(request, "portfolio/schedule_show.html", "schedule", context)


def _back(tenant: Tenant) -> HttpResponse:
    return redirect("onboarding:schedule", public_id=tenant.public_id)


@require(Permission.MANAGE_PLAN)
@require_POST
def working_time(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    form = WorkingTimeForm(request.POST, instance=calendars.working_time_of(tenant))
    if not form.is_valid():
        return _show(request, public_id, working_time=form)
    calendars.save_working_time(form.save(commit=False), by=current_user(request))
    return _back(tenant)


@require(Permission.MANAGE_PLAN)
@require_POST
def holiday_add(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    form = HolidayForm(request.POST, instance=Holiday(tenant=tenant))
    if not form.is_valid():
        return _show(request, public_id, holiday=form)
    calendars.add_holiday(tenant, form.save(commit=False), by=current_user(request))
    return _back(tenant)


@require(Permission.MANAGE_PLAN)
@require_POST
def holiday_remove(request: HttpRequest, public_id: str, holiday_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    holiday = get_object_or_404(Holiday, tenant=tenant, public_id=holiday_id)
    calendars.remove_holiday(tenant, holiday, by=current_user(request))
    return _back(tenant)


@require(Permission.MANAGE_PLAN)
@require_POST
def freeze_add(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    form = FreezeForm(request.POST, instance=Freeze(tenant=tenant))
    if not form.is_valid():
        return _show(request, public_id, freeze=form)
    freezes.add_freeze(form.instance, by=current_user(request))
    return _back(tenant)


@require(Permission.MANAGE_PLAN)
@require_POST
def freeze_remove(request: HttpRequest, public_id: str, freeze_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    freeze = get_object_or_404(Freeze, tenant=tenant, public_id=freeze_id)
    freezes.remove_freeze(freeze, by=current_user(request))
    return _back(tenant)


@require(Permission.MANAGE_PLAN)
@require_POST
def save_original_schedule(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    with errors_as_message(request):
        dates.save_original_schedule(Plan.objects.get(tenant=tenant), by=current_user(request))
    return _back(tenant)


@require(Permission.MANAGE_PLAN)
@require_POST
def task_due(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    form, expected = DueForm(request.POST), request.POST.get("expected")
    if form.is_valid():
        day = form.cleaned_data["due_on"]
        with errors_on_form(form, "due_on"):
            dates.set_due_date(task, day, by=current_user(request), expected=expected)
            return back_to_plan(request, tenant, task)
        # The sentence names the current date, which the next attempt compares.
        current = Task.objects.values_list("due_on", flat=True).get(pk=task.pk)
        expected = current.isoformat() if current else ""
    return task_form_page(request, tenant, task, form, "Due date", expected)


@require(Permission.MANAGE_PLAN)
@require_POST
def tasks_bulk(request: HttpRequest, public_id: str) -> HttpResponse:
    """Apply one change to the selected tasks."""
    tenant = tenant_or_404(request, public_id)
    form = BulkForm(request.POST, auto_id=_BULK_ID)
    user = current_user(request)
    if not form.is_valid():
        return _show(request, public_id, bulk=form, chosen=request.POST.getlist("task"))
    with errors_on_form(form), transaction.atomic():
        done = bulk.apply_to(
            tenant.plan,
            request.POST.getlist("task"),
            form.change(),
            by=user,
            side=side_of(user, tenant),
            site_url=site_url(request),
        )
        queue_reminders(done.reminders)
        messages.success(request, f"Done for {done.task_count} task{pluralize(done.task_count)}.")
        return _back(tenant)
    return _show(request, public_id, bulk=form, chosen=request.POST.getlist("task"))


@require(Permission.CONFIRM)
@require_POST
@throttled(*REMIND_LIMIT)
def task_remind(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    """Send a reminder to the waiting side, at most once a day."""
    tenant, task = load_task(request, public_id, task_id)
    with errors_as_message(request):
        made = remind_now(task, by=current_user(request), site_url=site_url(request))
        names = ", ".join(reminder.recipient.name for reminder in made)
        messages.success(request, f"Gangway sends a reminder to {names}.")
    return back_to_plan(request, tenant, task)


@require(Permission.CONFIRM)
@require_POST
def task_assign(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    user = current_user(request)
    people = assignable(tenant, user)
    form = AssigneeForm(request.POST, people=people, current=task.assignee)
    expected = request.POST.get("expected")
    if form.is_valid():
        person = form.cleaned_data["person"]
        with errors_on_form(form, "person"):
            assign_task(task, person, by=user, expected=expected)
            return back_to_plan(request, tenant, task)
        # The sentence names the current assignee, whom the next attempt compares.
        rows = Task.objects.filter(pk=task.pk)
        expected = rows.values_list("assignee__public_id", flat=True).get() or ""
    return task_form_page(request, tenant, task, form, "Assignee", expected)
