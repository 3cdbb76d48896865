"""Pre-flight: records judged before they are published. Nobody is asked, nothing is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from checks.engine.outcomes import Verdict
from checks.engine.preflight import InvalidZoneText, parse_proposed_records
from checks.preflight import PreflightResult, run_preflight
from checks.queries import checks_of
from onboarding.cutovers.forms import ProposalForm
from onboarding.cutovers.views.room import load_room
from onboarding.plans.rows import SHAPE_OF_VERDICT, Shape
from tenants.access import require
from tenants.models import Domain, Tenant
from tenants.permissions import Permission
from tenants.throttle import throttled


@dataclass(frozen=True)
class PreflightRow:
    """One check's answer, as the page shows it."""

    label: str
    verdict: Verdict
    findings: list[dict[str, Any]]

    @property
    def shape(self) -> Shape:
        return SHAPE_OF_VERDICT[self.verdict]


@require(Permission.VIEW)
@throttled("preflight", "30/m")
@require_http_methods(["GET", "POST"])
def pre_flight(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    room = load_room(request, public_id, cutover_id)
    form = ProposalForm(request.POST or None, cutover=room.cutover)
    results: list[PreflightRow] = []
    if request.method == "POST" and form.is_valid():
        domain = form.cleaned_data["domain"]
        proposal = parse_proposed_records(form.cleaned_data["records"], domain.name)
        if isinstance(proposal, InvalidZoneText):
            form.add_error("records", f"This does not read as a zone: {proposal.problem}.")
        elif not proposal and form.cleaned_data["records"]:
            form.add_error("records", "There is no MX, TXT or CNAME record in this.")
        else:
            policy = form.cleaned_data["policy"].encode() or None
            checks = _checks(room.page.tenant, domain)
            judged = run_preflight(checks, proposal, policy=policy)
            results = [_result(each) for each in judged]
    context = {"page": room.page, "cutover": room.cutover, "tab": "cutovers"}
    status = 422 if form.errors else 200
    return render(
        request,
        "cutovers/preflight_check.html",
        context | {"form": form, "results": results},
        status=status,
    )


def _checks(tenant: Tenant, domain: Domain) -> list[Any]:
    return list(checks_of(tenant).filter(domain=domain).select_related("tenant", "latest__raw"))


def _result(judged: PreflightResult) -> PreflightRow:
    label = judged.check.get_kind_display()
    if judged.outcome is None:
        return PreflightRow(label, Verdict.UNKNOWN, [])
    found = [{"code": f.code, "params": dict(f.params)} for f in judged.outcome.findings]
    return PreflightRow(label, judged.outcome.verdict, found)
