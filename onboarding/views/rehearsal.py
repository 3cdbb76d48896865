"""Rehearsing a cutover: its room against pasted records. Nothing but the rehearsal is kept."""

from __future__ import annotations

from datetime import datetime

from django.contrib import messages
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from checks.engine.proposing import Unreadable
from checks.models import Check
from checks.preflight import judge_proposal
from checks.queries import checks_of
from onboarding.cutovers.rehearsing import Run, as_if_published, keep_rehearsal, read_records, steps
from onboarding.errors import OnboardingError
from onboarding.forms.cutovers import RehearsalForm
from onboarding.models import Rehearsal
from onboarding.views.cutover import Room, load_room, room_with, sheets_of
from onboarding.views.shared import load_page, signed_in
from tenants.access import act
from tenants.permissions import Act
from tenants.throttle import throttled

_SALT = "onboarding.rehearsal"
_A_DAY = 24 * 3600


@act(Act.STEER)
@throttled("rehearsal", "30/m")
@require_http_methods(["GET", "POST"])
def rehearse(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    room = load_room(request, public_id, cutover_id)
    now = timezone.now()
    began_at = _began(request, cutover_id) or now
    form = RehearsalForm(request.POST or None, initial={"records": _proposed(room)})
    context = {"page": room.page, "cutover": room.cutover, "tab": "cutover", "form": form}
    context["began"] = signing.dumps([cutover_id, began_at.isoformat()], salt=_SALT)
    if form.is_valid():
        tried = _try(room, form.cleaned_data["records"], now=now)
        if isinstance(tried, Unreadable):
            form.add_error("records", f"This cannot be rehearsed: {tried.problem}.")
        else:
            run, then = tried
            if "keep" in request.POST:
                return _keep(request, room, run, form.cleaned_data["words"], began_at, now)
            context |= {"room": then, "steps": run.steps, "sheets": sheets_of(then, ())}
    status = 422 if form.errors else 200
    return render(request, "onboarding/rehearse.html", context, status=status)


def _keep(
    request: HttpRequest, room: Room, run: Run, words: str, began_at: datetime, now: datetime
) -> HttpResponse:
    public_id, cutover = room.page.tenant.public_id, room.cutover
    try:
        made = keep_rehearsal(
            cutover, run, began_at=began_at, now=now, words=words, by=signed_in(request)
        )
    except OnboardingError as error:
        messages.error(request, str(error))
        return redirect("onboarding:cutover-plan", public_id)
    return redirect("onboarding:rehearsal", public_id, cutover.public_id, made.public_id)


def _began(request: HttpRequest, cutover_id: str) -> datetime | None:
    """When this rehearsal was begun, as we said when we showed its first page."""
    try:
        said = signing.loads(request.POST.get("began", ""), salt=_SALT, max_age=_A_DAY)
    except signing.BadSignature:
        return None
    return datetime.fromisoformat(said[1]) if said[0] == cutover_id else None


def _proposed(room: Room) -> str:
    """What the change sheets ask to publish: the rehearsal of that is the usual one."""
    return "\n".join(sheet.zone_text for sheet in sheets_of(room, ()) if sheet.records)


def _try(room: Room, records: str, *, now: datetime) -> tuple[Run, Room] | Unreadable:
    domains = list(room.cutover.domains.all())
    proposal = read_records(records, domains)
    if isinstance(proposal, Unreadable):
        return proposal
    if not proposal:
        return Unreadable("there is no MX, TXT or CNAME record in it")
    judged = judge_proposal(_checks(room), proposal)
    ground = as_if_published(room.page.ground, judged)
    then = room_with(room.page, room.cutover, ground, now=now)
    tasks = [row.task for row in room.run_sheet]
    return Run(records, then.rows, steps(tasks, then.ground), judged), then


def _checks(room: Room) -> list[Check]:
    own = checks_of(room.page.tenant).filter(domain__cutovers=room.cutover)
    return list(own.select_related("domain", "host", "tenant", "latest__raw"))


@act(Act.READ)
@require_GET
def rehearsal(
    request: HttpRequest, public_id: str, cutover_id: str, rehearsal_id: str
) -> HttpResponse:
    page = load_page(request, public_id)
    kept = get_object_or_404(
        Rehearsal.objects.select_related("by", "cutover"),
        public_id=rehearsal_id,
        cutover__public_id=cutover_id,
        cutover__plan=page.plan,
    )
    cutover = kept.cutover
    is_of_now = (cutover.planned_at, cutover.round) == (kept.window_start, kept.round)
    context = {"page": page, "tab": "cutover", "cutover": cutover, "rehearsal": kept}
    return render(request, "onboarding/rehearsal.html", context | {"is_of_now": is_of_now})
