"""The Monitoring page: the monitored checks, the drifts and people's reactions to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from onboarding.error_responses import errors_as_message, errors_on_form, form_page
from onboarding.models import Drift
from onboarding.monitoring import drifts
from onboarding.monitoring.baseline import monitoring_status
from onboarding.monitoring.forms import DriftReasonForm, MuteForm, RegionAcceptanceForm
from onboarding.monitoring.monitored_checks import monitored_kinds
from onboarding.plans.tenant_page import current_user, load_page, show
from tenants import database_time
from tenants.access import require, tenant_or_404
from tenants.models import Tenant
from tenants.permissions import Permission

MAX_CLOSED_DRIFTS = 50


@dataclass(frozen=True)
class DriftCard:
    """An open drift with its forms. A form with errors retains its input."""

    drift: Drift
    is_muted: bool
    acknowledge_form: forms.Form
    accept_form: forms.Form
    mute_form: forms.Form


@require(Permission.VIEW)
@require_GET
def monitoring(request: HttpRequest, public_id: str) -> HttpResponse:
    return show(
        request, "monitoring/monitoring_show.html", "monitoring", _context(request, public_id)
    )


def _context(
    request: HttpRequest, public_id: str, bound: tuple[Drift, forms.Form] | None = None
) -> dict[str, object]:
    page = load_page(request, public_id)
    rows = Drift.objects.filter(tenant=page.tenant).select_related(
        "check_asked", "observation", "acknowledged_by", "muted_by", "resolved_by", "tenant"
    )
    open_now = list(rows.filter(closed_at=None))
    return {
        "page": page,
        "tab": "monitoring",
        "status": monitoring_status(page.tenant),
        "cards": [_card(drift, bound) for drift in open_now],
        "kinds": monitored_kinds(page),
        "closed_drifts": rows.filter(closed_at__isnull=False).order_by("-closed_at")[
            :MAX_CLOSED_DRIFTS
        ],
        "may_acknowledge_drift": page.access.may(Permission.ACKNOWLEDGE_DRIFT),
        "may_manage_monitoring": page.access.may(Permission.MANAGE_MONITORING),
    }


def _card(drift: Drift, bound: tuple[Drift, forms.Form] | None) -> DriftCard:
    ids = f"{drift.public_id}-%s"
    by_type: dict[type[forms.Form], forms.Form] = {
        DriftReasonForm: DriftReasonForm(auto_id=f"acknowledge-{ids}"),
        RegionAcceptanceForm: RegionAcceptanceForm(auto_id=f"accept-{ids}"),
        MuteForm: MuteForm(auto_id=f"mute-{ids}", tenant=drift.tenant),
    }
    if bound is not None and bound[0].pk == drift.pk:
        by_type[type(bound[1])] = bound[1]
    return DriftCard(
        drift,
        drift.is_muted(database_time.now()),
        by_type[DriftReasonForm],
        by_type[RegionAcceptanceForm],
        by_type[MuteForm],
    )


# --- Actions


@require(Permission.ACKNOWLEDGE_DRIFT)
@require_POST
def drift_acknowledge(request: HttpRequest, public_id: str, drift_id: str) -> HttpResponse:
    _, drift = _load(request, public_id, drift_id)
    form = DriftReasonForm(request.POST, auto_id=f"acknowledge-{drift.public_id}-%s")
    by = current_user(request)
    return _submit(
        request,
        drift,
        form,
        lambda: drifts.acknowledge(drift, by=by, reason=form.cleaned_data["reason"]),
    )


@require(Permission.MANAGE_MONITORING)
@require_POST
def drift_accept(request: HttpRequest, public_id: str, drift_id: str) -> HttpResponse:
    _, drift = _load(request, public_id, drift_id)
    form = RegionAcceptanceForm(request.POST, auto_id=f"accept-{drift.public_id}-%s")
    by = current_user(request)
    return _submit(
        request,
        drift,
        form,
        lambda: drifts.accept_region_change(drift, by=by, reason=form.cleaned_data["reason"]),
    )


@require(Permission.MANAGE_MONITORING)
@require_POST
def drift_mute(request: HttpRequest, public_id: str, drift_id: str) -> HttpResponse:
    tenant, drift = _load(request, public_id, drift_id)
    form = MuteForm(request.POST, auto_id=f"mute-{drift.public_id}-%s", tenant=tenant)
    by = current_user(request)
    return _submit(
        request, drift, form, lambda: drifts.mute(drift, by=by, until=form.cleaned_data["until"])
    )


@require(Permission.MANAGE_MONITORING)
@require_POST
def drift_unmute(request: HttpRequest, public_id: str, drift_id: str) -> HttpResponse:
    _, drift = _load(request, public_id, drift_id)
    with errors_as_message(request):
        drifts.unmute(drift, by=current_user(request))
    return redirect("onboarding:monitoring", public_id=public_id)


def _load(request: HttpRequest, public_id: str, drift_id: str) -> tuple[Tenant, Drift]:
    tenant = tenant_or_404(request, public_id)
    rows = Drift.objects.select_related("tenant__plan")
    return tenant, get_object_or_404(rows, tenant=tenant, public_id=drift_id)


def _submit(
    request: HttpRequest, drift: Drift, form: forms.Form, action: Callable[[], None]
) -> HttpResponse:
    """Run the action, or show the page again with the error and the input."""
    public_id = drift.tenant.public_id
    if form.is_valid():
        with errors_on_form(form):
            action()
            return redirect("onboarding:monitoring", public_id=public_id)
        # A drift that closed in the meantime has no form on the page any more.
        if Drift.objects.filter(pk=drift.pk, closed_at__isnull=False).exists():
            back = reverse("onboarding:monitoring", args=[public_id])
            about = str(drift.tenant)
            return form_page(request, form, title="Drift", about=about, button="Save", back=back)
    context = _context(request, public_id, (drift, form))
    return render(request, "monitoring/monitoring_show.html", context, status=422)
