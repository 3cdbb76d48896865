"""What people say of tasks beside confirming them, and of single domains in a task."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from onboarding import closing
from onboarding.errors import MovedMeanwhile, NotYours, OnboardingError
from onboarding.forms.words import ExemptionForm, MoveForm, SignOffForm
from onboarding.models import CLOSURE, ClosingPack, Task
from onboarding.plans import task_acts
from onboarding.plans.moves import MOVES, Move, refusal
from onboarding.tasks import build_pack_soon
from onboarding.views.plan import back_to_plan, load_task
from onboarding.views.shared import signed_in
from tenants.access import act, tenant_or_404
from tenants.models import Domain, Tenant
from tenants.permissions import Act

COMPLETED = "The case is closed: the plan stays as it is, and what was proven is watched on."


@act(Act.CONFIRM)
@require_http_methods(["GET", "POST"])
def task_move(request: HttpRequest, public_id: str, task_id: str, move: str) -> HttpResponse:
    """The words for a move, and the move itself; one that needs no words is a single press."""
    tenant, task = load_task(request, public_id, task_id)
    wanted = MOVES.get(move)
    if wanted is None:
        raise Http404("No such move.")
    form = MoveForm(request.POST or None, move=wanted, tenant=tenant, task=task)
    if request.method == "POST" and form.is_valid():
        if _make_move(request, tenant, task, wanted, form):
            return back_to_plan(request, tenant, task)
    elif request.method == "GET":
        _refuse_early(request, tenant, task, wanted)
    context = {"tenant": tenant, "task": task, "title": wanted.label, "form": form}
    status = 422 if request.method == "POST" else 200
    return render(request, "onboarding/task_words.html", context, status=status)


def _refuse_early(request: HttpRequest, tenant: Tenant, task: Task, move: Move) -> None:
    """Nobody should write a reason for what they may not say."""
    mover = task_acts.mover_of(signed_in(request), tenant)
    refused = refusal(move, task_acts.place_of(task), mover)
    if refused:
        messages.error(request, refused)


def _make_move(
    request: HttpRequest, tenant: Tenant, task: Task, move: Move, form: MoveForm
) -> bool:
    """Whether the move was made; otherwise the form says why, with everything typed in it."""
    user = signed_in(request)
    try:
        task_acts.make_move(
            task,
            move.key,
            by=user,
            mover=task_acts.mover_of(user, tenant),
            because=form.cleaned_data["because"],
            until=form.cleaned_data["until"],
            seen=form.cleaned_data["seen"],
        )
    except NotYours as error:
        raise PermissionDenied(str(error)) from error
    except MovedMeanwhile as error:
        form.show_anew(Task.objects.get(pk=task.pk), str(error))
        return False
    except OnboardingError as error:
        form.add_error(None, str(error))
        return False
    return True


@act(Act.CONFIRM)
@require_http_methods(["GET", "POST"])
def sign_off(request: HttpRequest, public_id: str) -> HttpResponse:
    """Close the case in words; what is still open is named instead."""
    tenant = tenant_or_404(request, public_id)
    task = get_object_or_404(
        Task.objects.select_related("plan__tenant", "phase"),
        plan__tenant=tenant,
        key=CLOSURE,
    )
    form = SignOffForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = signed_in(request)
        side = task_acts.side_of(user, tenant)
        try:
            closing.sign_off(task, by=user, side=side, words=form.cleaned_data["because"])
        except NotYours as error:
            raise PermissionDenied(str(error)) from error
        except OnboardingError as error:
            form.add_error("because", str(error))
        else:
            tenant.refresh_from_db()
            if tenant.completed_at is None:
                return back_to_plan(request, tenant, task)
            for pack in ClosingPack.objects.filter(tenant=tenant, ready_at=None):
                build_pack_soon(pack)
            messages.success(request, COMPLETED)
            return redirect("onboarding:watch", public_id=public_id)
    title = "Sign the implementation off"
    context = {"tenant": tenant, "task": task, "title": title, "form": form}
    status = 422 if request.method == "POST" else 200
    return render(request, "onboarding/task_words.html", context, status=status)


@act(Act.CONFIRM)
@require_POST
def task_undo(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    user = signed_in(request)
    may_steer = task_acts.mover_of(user, tenant).may_steer
    seen = request.POST.get("seen", "")
    _try(request, lambda: task_acts.undo_act(task, by=user, may_steer=may_steer, seen=seen))
    return back_to_plan(request, tenant, task)


# --- Single domains


@act(Act.CONFIRM)
@require_POST
def part_confirm(
    request: HttpRequest, public_id: str, task_id: str, domain_id: str
) -> HttpResponse:
    confirm = functools.partial(task_acts.confirm_task, seen=request.POST.get("seen", ""))
    return _speak(request, public_id, task_id, domain_id, confirm)


@act(Act.CONFIRM)
@require_POST
def part_withdraw(
    request: HttpRequest, public_id: str, task_id: str, domain_id: str
) -> HttpResponse:
    return _speak(request, public_id, task_id, domain_id, task_acts.withdraw_confirmation)


def _speak(
    request: HttpRequest,
    public_id: str,
    task_id: str,
    domain_id: str,
    say: Callable[..., None],
) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    domain = _load_domain(tenant, domain_id)
    user = signed_in(request)
    side = task_acts.side_of(user, tenant)
    _try(request, lambda: say(task, by=user, side=side, domain=domain))
    return back_to_plan(request, tenant, task)


@act(Act.STEER)
@require_http_methods(["GET", "POST"])
def part_exempt(request: HttpRequest, public_id: str, task_id: str, domain_id: str) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    domain = _load_domain(tenant, domain_id)
    form = ExemptionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        because = form.cleaned_data["because"]
        try:
            task_acts.exempt_domain(task, domain, by=signed_in(request), because=because)
        except OnboardingError as error:
            form.add_error("because", str(error))
        else:
            return back_to_plan(request, tenant, task)
    context: dict[str, Any] = {
        "tenant": tenant,
        "task": task,
        "title": f"Exempt {domain}",
        "form": form,
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "onboarding/task_words.html", context, status=status)


@act(Act.STEER)
@require_POST
def part_include(
    request: HttpRequest, public_id: str, task_id: str, domain_id: str
) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    domain = _load_domain(tenant, domain_id)
    _try(request, lambda: task_acts.end_exemption(task, domain, by=signed_in(request)))
    return back_to_plan(request, tenant, task)


def _load_domain(tenant: Tenant, domain_id: str) -> Domain:
    return get_object_or_404(Domain, tenant=tenant, public_id=domain_id)


def _try(request: HttpRequest, act_on: Callable[[], None]) -> None:
    try:
        act_on()
    except NotYours as error:
        raise PermissionDenied(str(error)) from error
    except OnboardingError as error:
        messages.error(request, str(error))
