"""The page of the pre-flight check. It uses no network and records nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from checks.engine.outcomes import Verdict
from checks.engine.preflight import InvalidZoneText, parse_zone_text
from checks.engine.zone_text import ZoneNote, ZoneText
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
    is_affected: bool = True

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
    notes: list[ZoneNote] = []
    if request.method == "POST" and form.is_valid():
        domain = form.cleaned_data["domain"]
        read = parse_zone_text(form.cleaned_data["records"], domain.name)
        problem = _problem_of(read, form.cleaned_data["records"], domain)
        notes = [] if isinstance(read, InvalidZoneText) else _sorted(read.notes)
        if problem:
            form.add_error("records", problem)
        elif not isinstance(read, InvalidZoneText):
            policy = form.cleaned_data["policy"].encode() or None
            checks = _checks(room.page.tenant, domain)
            results = [_row(each) for each in run_preflight(checks, read.records, policy=policy)]
    context = {"page": room.page, "cutover": room.cutover, "tab": "cutovers", "notes": notes}
    status = 422 if form.errors else 200
    return render(
        request,
        "cutovers/preflight_check.html",
        context | {"form": form, "results": results},
        status=status,
    )


def _sorted(notes: Iterable[ZoneNote]) -> list[ZoneNote]:
    """The prominent notes first, then by line."""
    return sorted(notes, key=lambda note: (not note.is_prominent, note.lines))


def _problem_of(read: ZoneText | InvalidZoneText, text: str, domain: Domain) -> str:
    """The reason why the text cannot be checked; empty without one."""
    if isinstance(read, InvalidZoneText):
        return f"This is no valid zone text: {read.problem}."
    if text and not read.records:
        return "It has no MX, TXT or CNAME record."
    outside = {name for note in read.notes if note.code == "outside" for name in note.names}
    if text and outside and outside == {owner for owner, _ in read.records}:
        names = ", ".join(sorted(outside)[:3])
        return (
            f"Every line is outside {domain}: no check reads {names}. Write complete names with a"
            " final dot, or @ for the domain."
        )
    return ""


def _checks(tenant: Tenant, domain: Domain) -> list[Any]:
    return list(checks_of(tenant).filter(domain=domain).select_related("tenant", "latest__raw"))


def _row(result: PreflightResult) -> PreflightRow:
    parts = (result.check.get_kind_display(), result.check.proposed_label)
    label = " · ".join(part for part in parts if part)
    if result.outcome is None:
        return PreflightRow(label, Verdict.UNKNOWN, [])
    if not result.is_affected:
        # Today's verdict would look like the verdict of the proposal.
        return PreflightRow(label, Verdict.NOT_APPLICABLE, [], is_affected=False)
    found = [{"code": f.code, "params": dict(f.params)} for f in result.outcome.findings]
    return PreflightRow(label, result.outcome.verdict, found)
