"""The closing page: tasks without a decision, residual risks, and the sign-off of both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding.error_responses import (
    catch_errors,
    errors_as_message,
    errors_on_form,
    form_page,
)
from onboarding.lifecycle import closing, residual_risks
from onboarding.lifecycle.closing_record import ClosingRecord, closing_record
from onboarding.lifecycle.forms.closing import ResidualRiskForm, SignOffForm
from onboarding.lifecycle.tasks import queue_requested_packs
from onboarding.models import AcceptedResidualRisk
from onboarding.plans.closing_facts import obligations_of
from onboarding.plans.closing_obligations import ClosingObligations, ResidualRisk
from onboarding.plans.rows import TaskRow
from onboarding.plans.tenant_page import TenantPage, current_user, load_page
from onboarding.plans.views.tasks import back_to_plan
from tenants import database_time
from tenants.access import require, tenant_or_404
from tenants.models import Tenant
from tenants.permissions import Permission

COMPLETED_MESSAGE = "The implementation is closed. The plan is read-only, and monitoring continues."


@dataclass(frozen=True)
class RiskCard:
    """One residual risk on the page, with the form to accept it if the reader may do so."""

    risk: ResidualRisk
    form: ResidualRiskForm | None


@dataclass(frozen=True)
class ClosingPage:
    """The data of the closing page."""

    page: TenantPage
    row: TaskRow
    obligations: ClosingObligations

    def undecided_rows(self) -> list[TaskRow]:
        wanted = {task.pk for task in self.obligations.undecided}
        return [row for row in self.page.rows if row.task.pk in wanted]

    def cards(self, refused: ResidualRiskForm | None = None) -> list[RiskCard]:
        """`refused` is the form with an error. It belongs to the risk that its data names."""
        return [
            RiskCard(risk, self._form(risk, number, refused))
            for number, risk in enumerate(self.obligations.risks)
        ]

    def _form(
        self, risk: ResidualRisk, number: int, refused: ResidualRiskForm | None
    ) -> ResidualRiskForm | None:
        if risk.is_accepted or risk.too_early or not self.page.may_manage_plan:
            return None
        if refused is not None and _names(refused, risk):
            return refused
        return ResidualRiskForm(auto_id=f"risk-{number}-%s")


def _names(form: ResidualRiskForm, risk: ResidualRisk) -> bool:
    return (form.data.get("kind"), form.data.get("subject")) == (risk.kind.value, risk.subject)


def load_closing(request: HttpRequest, public_id: str) -> ClosingPage:
    """The closing page; 404 for a plan whose template has no closing task."""
    page = load_page(request, public_id)
    row = next((each for each in page.rows if each.is_closure), None)
    if row is None:
        raise Http404("No closing task.")
    tasks = [each.task for each in page.rows]
    # A closed tenant has no obligations: its plan and its checks describe its end.
    is_open = not page.tenant.is_closed
    obligations = obligations_of(tasks, page.plan_context) if is_open else ClosingObligations()
    return ClosingPage(page, row, obligations)


def _show(
    request: HttpRequest,
    shown: ClosingPage,
    *,
    sign_off_form: SignOffForm | None = None,
    risk_form: ResidualRiskForm | None = None,
) -> HttpResponse:
    refused: Sequence[object] = [form for form in (sign_off_form, risk_form) if form is not None]
    context = {
        "page": shown.page,
        "tab": "plan",
        "row": shown.row,
        "undecided": shown.undecided_rows(),
        "cards": shown.cards(risk_form),
        "open_risks": shown.obligations.open_risks,
        # The record of a closed tenant. In an open one, each card shows its acceptance.
        "record": _record(shown) if shown.page.tenant.is_closed else None,
        "former": residual_risks.former_acceptances(shown.page.tenant),
        "form": sign_off_form or SignOffForm(),
    }
    status = 422 if refused else 200
    return render(request, "lifecycle/closing_show.html", context, status=status)


def _record(shown: ClosingPage) -> ClosingRecord:
    tasks = [each.task for each in shown.page.rows]
    return closing_record(shown.page.tenant, tasks, now=database_time.now())


@require(Permission.VIEW)
@require_GET
def closing_show(request: HttpRequest, public_id: str) -> HttpResponse:
    return _show(request, load_closing(request, public_id))


@require(Permission.CONFIRM)
@require_http_methods(["GET", "POST"])
def sign_off(request: HttpRequest, public_id: str) -> HttpResponse:
    """Sign off for one side. The form is on the closing page."""
    if request.method == "GET":
        return redirect("onboarding:closing", public_id=public_id)
    shown = load_closing(request, public_id)
    tenant, task = shown.page.tenant, shown.row.task
    form = SignOffForm(request.POST)
    if form.is_valid():
        task.plan.tenant = tenant
        with errors_on_form(form, "reason"):
            closing.sign_off_implementation(
                task,
                by=current_user(request),
                side=shown.page.side,
                reason=form.cleaned_data["reason"],
            )
            tenant.refresh_from_db()
            if tenant.completed_at is None:
                return back_to_plan(request, tenant, task)
            queue_requested_packs(tenant)
            messages.success(request, COMPLETED_MESSAGE)
            return redirect("onboarding:monitoring", public_id=public_id)
    return _show(request, shown, sign_off_form=form)


@require(Permission.MANAGE_PLAN)
@require_POST
def risk_accept(request: HttpRequest, public_id: str) -> HttpResponse:
    """Accept one residual risk. After a refusal the page shows the typed reason with the error."""
    tenant = tenant_or_404(request, public_id)
    form = ResidualRiskForm(request.POST, auto_id="risk-refused-%s")
    if form.is_valid():
        with catch_errors() as attempt:
            residual_risks.accept_residual_risk(
                tenant,
                request.POST.get("kind", ""),
                request.POST.get("subject", ""),
                expected=request.POST.get("sentence", ""),
                reason=form.cleaned_data["reason"],
                by=current_user(request),
            )
            return redirect("onboarding:closing", public_id=public_id)
        form.add_error("reason", str(attempt.error))
    shown = load_closing(request, public_id)
    if not any(card.form is form for card in shown.cards(form)):
        return _risk_page(request, tenant, form)
    return _show(request, shown, risk_form=form)


def _risk_page(request: HttpRequest, tenant: Tenant, form: ResidualRiskForm) -> HttpResponse:
    """The refused form of a risk that is over, or that another consultant has accepted."""
    return form_page(
        request,
        form,
        title="Accept a residual risk",
        about=str(tenant),
        button="Accept risk",
        back=reverse("onboarding:closing", args=[tenant.public_id]),
        **{name: request.POST.get(name, "") for name in ("kind", "subject", "sentence")},
    )


@require(Permission.MANAGE_PLAN)
@require_POST
def risk_withdraw(request: HttpRequest, public_id: str, risk_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    accepted = get_object_or_404(
        AcceptedResidualRisk.objects.select_related("tenant"), tenant=tenant, public_id=risk_id
    )
    with errors_as_message(request):
        residual_risks.withdraw_acceptance(accepted, by=current_user(request))
    return redirect("onboarding:closing", public_id=public_id)
