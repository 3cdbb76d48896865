"""Transitions of a task through the API: the values of a request become calls of the services."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms

from onboarding.error_responses import problem_of_forms
from onboarding.errors import OnboardingError
from onboarding.models import Task, TaskRole
from onboarding.plans import services
from onboarding.plans.assignment import assign_task
from onboarding.plans.dates import set_due_date
from onboarding.plans.forms.dates import DueForm
from onboarding.plans.forms.transitions import ExemptionForm, TransitionForm
from onboarding.plans.task_checks import confirm_and_check
from onboarding.plans.transitions import (
    ASSIGN,
    CONFIRM,
    EXEMPT_DOMAIN,
    INCLUDE_DOMAIN,
    SET_DUE_DATE,
    SET_RESPONSIBILITY,
    STATUS_CHANGES,
    TRANSITIONS,
    UNDO,
    WITHDRAW_CONFIRMATION,
    Actor,
)
from tenants.models import Domain, Tenant, User
from tenants.permissions import Permission
from tenants.rest.problems import invalid
from tenants.rest.views import found_or_404

CLOSING = "Sign off the implementation on its closing page."


@dataclass(frozen=True)
class TaskRequest:
    """A transition of one task: the person, the task as stored, and the values of the body."""

    tenant: Tenant
    task: Task
    by: User
    actor: Actor
    values: Mapping[str, Any]

    @property
    def domain(self) -> Domain | None:
        """The domain of the body, of this tenant. Raises Http404 for every other one."""
        wanted = self.values.get("domain")
        if wanted is None:
            return None
        return found_or_404(Domain.objects.filter(tenant=self.tenant), wanted, "domain")


def apply(request: TaskRequest, key: str) -> None:
    """Make the transition. Raises the errors of the services, and 422 for wrong values."""
    _reject_values(request.values, key)
    if key in STATUS_CHANGES:
        _change_status(request, key)
    else:
        _ACTIONS[key](request)


def permission_for(key: str) -> Permission:
    """The permission that the page of this transition requires."""
    of_consultants = (
        EXEMPT_DOMAIN.key,
        INCLUDE_DOMAIN.key,
        SET_RESPONSIBILITY.key,
        SET_DUE_DATE.key,
    )
    return Permission.MANAGE_PLAN if key in of_consultants else Permission.CONFIRM


def _reject_values(values: Mapping[str, Any], key: str) -> None:
    allowed = set(_VALUES.get(key, ()))
    transition = TRANSITIONS[key]
    if transition.requires_reason:
        allowed.add("reason")
    if transition.requires_end_date:
        allowed.add("until")
    unknown = sorted(set(values) - allowed)
    if unknown:
        raise invalid({name: [f"The transition {key} has no such value."] for name in unknown})


def _validated(form: forms.Form) -> dict[str, Any]:
    if not form.is_valid():
        raise problem_of_forms(form)
    return form.cleaned_data


def _change_status(request: TaskRequest, key: str) -> None:
    transition = STATUS_CHANGES[key]
    # A refusal does not depend on the reason. The page shows it first, too.
    services.require_permitted(request.task, transition, request.actor)
    form = TransitionForm(
        dict(request.values), transition=transition, tenant=request.tenant, task=request.task
    )
    typed = _validated(form)
    services.make_transition(
        request.task,
        key,
        by=request.by,
        actor=request.actor,
        reason=typed["reason"],
        until=typed["until"],
        expected=request.task.status,
    )


def _confirm(request: TaskRequest) -> None:
    task, by, side = request.task, request.by, request.actor.side
    if task.role == TaskRole.CLOSURE:
        raise OnboardingError(CLOSING)
    if request.domain is not None:
        services.confirm_task(task, by=by, side=side, domain=request.domain, expected=task.status)
    else:
        confirm_and_check(task, request.tenant, by=by, side=side, expected=task.status)


def _withdraw(request: TaskRequest) -> None:
    side = request.actor.side
    services.withdraw_confirmation(request.task, by=request.by, side=side, domain=request.domain)


def _set_responsibility(request: TaskRequest) -> None:
    chosen = _needed(request, "responsibility")
    services.set_responsibility(
        request.task, chosen, by=request.by, expected=request.task.responsibility
    )


def _exempt(request: TaskRequest) -> None:
    reason = _validated(ExemptionForm(dict(request.values)))["reason"]
    services.exempt_domain(request.task, _needed_domain(request), by=request.by, reason=reason)


def _include(request: TaskRequest) -> None:
    services.end_exemption(request.task, _needed_domain(request), by=request.by)


def _assign(request: TaskRequest) -> None:
    chosen = _needed(request, "assignee")
    assign_task(request.task, chosen, by=request.by, actor=request.actor)


def _set_due_date(request: TaskRequest) -> None:
    day = _needed(request, "due_on")
    typed = _validated(DueForm({"due_on": day or ""}))
    set_due_date(request.task, typed["due_on"], by=request.by, actor=request.actor)


def _undo(request: TaskRequest) -> None:
    stored = request.task.undo or {}
    services.undo_last_action(request.task, by=request.by, expected=stored.get("at", ""))


def _needed(request: TaskRequest, name: str) -> Any:
    if name not in request.values:
        raise invalid({name: ["This field is required."]})
    return request.values[name]


def _needed_domain(request: TaskRequest) -> Domain:
    _needed(request, "domain")
    domain = request.domain
    assert domain is not None, "the value is a domain of the tenant"
    return domain


_VALUES: Mapping[str, tuple[str, ...]] = {
    CONFIRM.key: ("domain",),
    WITHDRAW_CONFIRMATION.key: ("domain",),
    EXEMPT_DOMAIN.key: ("domain",),
    INCLUDE_DOMAIN.key: ("domain",),
    SET_RESPONSIBILITY.key: ("responsibility",),
    ASSIGN.key: ("assignee",),
    SET_DUE_DATE.key: ("due_on",),
}
_ACTIONS: Mapping[str, Callable[[TaskRequest], None]] = {
    CONFIRM.key: _confirm,
    WITHDRAW_CONFIRMATION.key: _withdraw,
    EXEMPT_DOMAIN.key: _exempt,
    INCLUDE_DOMAIN.key: _include,
    SET_RESPONSIBILITY.key: _set_responsibility,
    ASSIGN.key: _assign,
    SET_DUE_DATE.key: _set_due_date,
    UNDO.key: _undo,
}
# The other transitions have endpoints of their own, or no endpoint yet.
AVAILABLE = (*STATUS_CHANGES, *_ACTIONS)
