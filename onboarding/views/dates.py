"""Due dates, the tenant's working time, whose turn it has been, and who does what."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.defaultfilters import pluralize
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from onboarding.cutovers import freezes
from onboarding.cutovers.freezes import freezes_for
from onboarding.errors import OnboardingError
from onboarding.forms.dates import BulkForm, DueForm, FreezeForm, HolidayForm, WorkingTimeForm
from onboarding.models import Freeze, Holiday, Plan, WorkingTime
from onboarding.plans import bulk, dates
from onboarding.plans.assigning import assign_task, assignable
from onboarding.plans.reminding import remind
from onboarding.plans.task_acts import side_of
from onboarding.plans.timing import timing_of
from onboarding.tasks import send_reminders_soon
from onboarding.views.plan import back_to_plan, load_task
from onboarding.views.shared import load_page, show, signed_in
from tenants.access import act, tenant_or_404
from tenants.links import site_address
from tenants.models import Tenant
from tenants.permissions import Act
from tenants.services import write_activity
from tenants.throttle import throttled


@act(Act.READ)
@require_GET
def dates_show(request: HttpRequest, public_id: str) -> HttpResponse:
    return _show(request, public_id)


def _show(request: HttpRequest, public_id: str, **forms: Any) -> HttpResponse:
    page = load_page(request, public_id)
    tenant = page.tenant
    kept = WorkingTime.objects.filter(tenant=tenant).first() or WorkingTime(tenant=tenant)
    context = {
        "page": page,
        "tab": "dates",
        "timing": timing_of(page.plan, page.rows, now=timezone.now()),
        "holidays": list(tenant.holidays.all()),
        "working_time": forms.get("working_time") or WorkingTimeForm(instance=kept),
        "holiday": forms.get("holiday") or HolidayForm(),
        "freezes": list(freezes_for(tenant)),
        "freeze": forms.get("freeze") or FreezeForm(),
        "bulk": forms.get("bulk") or BulkForm(),
        "chosen": forms.get("chosen", []),
        "assignable": assignable(tenant, signed_in(request)) if page.may_steer else [],
    }
    if forms:
        return render(request, "onboarding/dates.html", context, status=422)
    return show(request, "onboarding/dates.html", "dates", context)


def _back(tenant: Tenant) -> HttpResponse:
    return redirect("onboarding:dates", public_id=tenant.public_id)


@act(Act.STEER)
@require_POST
def working_time(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    kept = WorkingTime.objects.filter(tenant=tenant).first() or WorkingTime(tenant=tenant)
    form = WorkingTimeForm(request.POST, instance=kept)
    if not form.is_valid():
        return _show(request, public_id, working_time=form)
    with transaction.atomic():
        form.save()
        write_activity(tenant, "working-time-changed", by=signed_in(request))
        dates.follow_dates(tenant.plan)
        tenant.plan.touch()
    return _back(tenant)


@act(Act.STEER)
@require_POST
def holiday_add(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    form = HolidayForm(request.POST, instance=Holiday(tenant=tenant))
    if not form.is_valid():
        return _show(request, public_id, holiday=form)
    with transaction.atomic():
        kept = form.save()
        write_activity(tenant, "holiday-added", by=signed_in(request), holiday=str(kept))
        dates.follow_dates(tenant.plan)
        tenant.plan.touch()
    return _back(tenant)


@act(Act.STEER)
@require_POST
def holiday_remove(request: HttpRequest, public_id: str, holiday_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    kept = get_object_or_404(Holiday, tenant=tenant, public_id=holiday_id)
    with transaction.atomic():
        write_activity(tenant, "holiday-removed", by=signed_in(request), holiday=str(kept))
        kept.delete()
        dates.follow_dates(tenant.plan)
        tenant.plan.touch()
    return _back(tenant)


@act(Act.STEER)
@require_POST
def freeze_add(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    form = FreezeForm(request.POST, instance=Freeze(tenant=tenant))
    if not form.is_valid():
        return _show(request, public_id, freeze=form)
    freezes.add_freeze(form.instance, by=signed_in(request))
    return _back(tenant)


@act(Act.STEER)
@require_POST
def freeze_remove(request: HttpRequest, public_id: str, freeze_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    kept = get_object_or_404(Freeze, tenant=tenant, public_id=freeze_id)
    freezes.remove_freeze(kept, by=signed_in(request))
    return _back(tenant)


@act(Act.STEER)
@require_POST
def baseline_take(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    try:
        dates.take_baseline(Plan.objects.get(tenant=tenant), by=signed_in(request))
    except OnboardingError as error:
        messages.error(request, str(error))
    return _back(tenant)


@act(Act.STEER)
@require_POST
def task_due(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    form = DueForm(request.POST)
    if not form.is_valid():
        told = " ".join(str(each) for each in form.errors["due_on"])
        messages.error(request, f"{told} The due date is as it was.")
        return back_to_plan(request, tenant, task)
    day, seen = form.cleaned_data["due_on"], request.POST.get("seen")
    try:
        dates.set_due(task, day, by=signed_in(request), seen=seen)
    except OnboardingError as error:
        messages.error(request, str(error))
    return back_to_plan(request, tenant, task)


@act(Act.STEER)
@require_POST
def tasks_bulk(request: HttpRequest, public_id: str) -> HttpResponse:
    """One act over the steps chosen in the table."""
    tenant = tenant_or_404(request, public_id)
    form = BulkForm(request.POST)
    user = signed_in(request)
    if not form.is_valid():
        return _show(request, public_id, bulk=form, chosen=request.POST.getlist("task"))
    try:
        done = bulk.apply_to(
            tenant.plan,
            request.POST.getlist("task"),
            form.wish(),
            by=user,
            side=side_of(user, tenant),
            site=site_address(request),
        )
    except OnboardingError as error:
        form.add_error(None, str(error))
        return _show(request, public_id, bulk=form, chosen=request.POST.getlist("task"))
    send_reminders_soon(done.reminders)
    messages.success(request, f"Done for {done.steps} step{pluralize(done.steps)}.")
    return _back(tenant)


@act(Act.CONFIRM)
@require_POST
@throttled("task-remind", "120/h")
def task_remind(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    """Mail whoever is waited for; once a day at the most."""
    tenant, task = load_task(request, public_id, task_id)
    try:
        made = remind(task.plan, [task], by=signed_in(request), site=site_address(request))
    except OnboardingError as error:
        messages.error(request, str(error))
    else:
        send_reminders_soon(made)
        names = ", ".join(reminder.recipient.name for reminder in made)
        messages.success(request, f"A reminder goes to {names}.")
    return back_to_plan(request, tenant, task)


@act(Act.CONFIRM)
@require_POST
def task_assign(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    try:
        person, seen = request.POST.get("person", ""), request.POST.get("seen")
        assign_task(task, person, by=signed_in(request), seen=seen)
    except OnboardingError as error:
        messages.error(request, str(error))
    return back_to_plan(request, tenant, task)
