"""Pages of the dry run: the room of a cutover against pasted records."""

from __future__ import annotations

from datetime import datetime

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from checks.engine.preflight import InvalidZoneText
from checks.models import Check
from checks.preflight import run_preflight
from checks.queries import checks_of
from onboarding.cutovers.dry_run import (
    DRY_RUN_LIMIT,
    DryRunResult,
    UnusableRecords,
    evaluate_tasks,
    parse_records,
    save_dry_run,
    simulate_publication,
)
from onboarding.cutovers.forms import DryRunForm
from onboarding.cutovers.room import CutoverRoom, build_room
from onboarding.cutovers.views.room import change_sheets_of, load_room
from onboarding.error_responses import errors_as_message, errors_on_form
from onboarding.models import DryRun
from onboarding.plans.tenant_page import current_user, load_page
from tenants import database_time
from tenants.access import require
from tenants.permissions import Permission
from tenants.throttle import throttled

_SALT = "onboarding.dry-run"
_A_DAY = 24 * 3600


@require(Permission.MANAGE_PLAN)
@throttled(*DRY_RUN_LIMIT)
@require_http_methods(["GET", "POST"])
def dry_run_new(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    room = load_room(request, public_id, cutover_id)
    now = database_time.now()
    started_at = _started_at(request, cutover_id) or now
    form = DryRunForm(request.POST or None, initial={"records": _proposed(room)})
    context = {"page": room.page, "cutover": room.cutover, "tab": "cutovers", "form": form}
    context["started"] = signing.dumps([cutover_id, started_at.isoformat()], salt=_SALT)
    if form.is_valid():
        with errors_on_form(form) as attempt:
            run, then = evaluate_records(room, form.cleaned_data["records"], now=now)
            if "save" in request.POST:
                return _save(request, room, run, form.cleaned_data["comment"], started_at, now)
            context |= {"room": then, "tasks": run.tasks, "sheets": change_sheets_of(then, ())}
            context["notes"] = run.notes
        if isinstance(attempt.error, UnusableRecords):
            context["notes"] = attempt.error.notes
    status = 422 if form.errors else 200
    return render(request, "cutovers/dry_run_create.html", context, status=status)


def _save(
    request: HttpRequest,
    room: CutoverRoom,
    run: DryRunResult,
    comment: str,
    started_at: datetime,
    now: datetime,
) -> HttpResponse:
    public_id, cutover = room.page.tenant.public_id, room.cutover
    with errors_as_message(request):
        made = save_dry_run(
            cutover, run, started_at=started_at, now=now, comment=comment, by=current_user(request)
        )
        return redirect("onboarding:dry-run-show", public_id, cutover.public_id, made.public_id)
    return redirect("onboarding:cutovers", public_id)


def _started_at(request: HttpRequest, cutover_id: str) -> datetime | None:
    """The time of the first page of this dry run, from the signed field of the form."""
    try:
        signed = signing.loads(request.POST.get("started", ""), salt=_SALT, max_age=_A_DAY)
    except signing.BadSignature:
        return None
    return datetime.fromisoformat(signed[1]) if signed[0] == cutover_id else None


def _proposed(room: CutoverRoom) -> str:
    """The records of the change sheets, with which a dry run usually begins."""
    return "\n".join(sheet.zone_text for sheet in change_sheets_of(room, ()) if sheet.records)


def evaluate_records(
    room: CutoverRoom, records: str, *, now: datetime
) -> tuple[DryRunResult, CutoverRoom]:
    """The result of a dry run and its room. Stores nothing. Raises UnusableRecords."""
    proposal = parse_records(records, list(room.cutover.domains.all()))
    if isinstance(proposal, InvalidZoneText):
        raise UnusableRecords(proposal.problem)
    if not proposal.records:
        raise UnusableRecords("it has no MX, TXT or CNAME record", proposal.notes)
    results = run_preflight(_checks(room), proposal.records)
    plan_context = simulate_publication(room.page.plan_context, results)
    then = build_room(room.page, room.cutover, plan_context, now=now)
    tasks = [row.task for row in room.run_sheet]
    evaluated = evaluate_tasks(tasks, then.plan_context)
    return DryRunResult(records, then.rows, evaluated, results, proposal.notes), then


def _checks(room: CutoverRoom) -> list[Check]:
    own = checks_of(room.page.tenant).filter(domain__cutovers=room.cutover)
    return list(own.select_related("domain", "host", "tenant", "latest__raw"))


@require(Permission.VIEW)
@require_GET
def dry_run_show(
    request: HttpRequest, public_id: str, cutover_id: str, dry_run_id: str
) -> HttpResponse:
    page = load_page(request, public_id)
    dry_run = get_object_or_404(
        DryRun.objects.select_related("by", "cutover"),
        public_id=dry_run_id,
        cutover__public_id=cutover_id,
        cutover__plan=page.plan,
    )
    cutover = dry_run.cutover
    is_of_now = (cutover.planned_at, cutover.round) == (dry_run.window_start, dry_run.round)
    context = {"page": page, "tab": "cutovers", "cutover": cutover, "dry_run": dry_run}
    return render(request, "cutovers/dry_run_show.html", context | {"is_of_now": is_of_now})
