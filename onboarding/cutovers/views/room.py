"""Pages of the cutover room, with its change sheets, rollback plan and timeline."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from checks.engine.outcomes import CheckKind, Verdict
from onboarding.collaboration.comments import comments_of
from onboarding.cutovers import go_no_go, snapshots
from onboarding.cutovers.change_sheets import ChangeSheet, build_change_sheet
from onboarding.cutovers.dns_forms import AS_OF
from onboarding.cutovers.forms import ApproversForm, OnCallForm, VoteForm, WindowForm
from onboarding.cutovers.on_call import on_call_candidates, on_call_gaps
from onboarding.cutovers.readiness import (
    earliest_safe_time,
    is_stale,
    stale_names,
)
from onboarding.cutovers.rollback import RollbackSheet, build_rollback_sheet
from onboarding.cutovers.room import (
    CutoverRoom,
    build_room,
    run_sheet,
)
from onboarding.cutovers.timeline import build_timeline
from onboarding.error_responses import errors_as_message
from onboarding.models import Cutover, CutoverSnapshot
from onboarding.plans.planned_cutovers import (
    ROLE_OF_DIRECTION,
    window_bounds,
)
from onboarding.plans.tenant_page import (
    REFRESH_SECONDS,
    WINDOW_REFRESH_SECONDS,
    current_user,
    load_page,
    revision_of,
    show,
)
from tenants import database_time
from tenants.access import require
from tenants.models import User
from tenants.permissions import Permission

# The room lists so many entries of the timeline, the newest first.
MOST_ENTRIES = 8


def load_room(request: HttpRequest, public_id: str, cutover_id: str) -> CutoverRoom:
    """The room of one of the tenant's cutovers; 404 for outsiders and for unknown cutovers."""
    page = load_page(request, public_id)
    cutover = next((c for c in page.cutovers if c.public_id == cutover_id), None)
    if cutover is None:
        raise Http404("No such cutover.")
    return build_room(page, cutover, page.plan_context, now=database_time.now())


def _page_url(request: HttpRequest, room: CutoverRoom, *, is_full_screen: bool) -> str:
    """The URL from which the page refreshes. After a refused form it is the URL of the room."""
    if request.method == "GET":
        return request.get_full_path()
    where = [room.page.tenant.public_id, room.cutover.public_id]
    return reverse("onboarding:cutover-room", args=where) + (
        "?fullscreen=1" if is_full_screen else ""
    )


def _live(room: CutoverRoom) -> dict[str, object]:
    """The refresh interval and the revision of the page. An unchanged board also refreshes, because
    it shows the time of the last run."""
    refresh_seconds = WINDOW_REFRESH_SECONDS if room.facts.is_open else REFRESH_SECONDS
    revision = revision_of(room.page.plan, refresh_seconds=refresh_seconds, now=room.facts.now)
    return {"refresh_seconds": refresh_seconds, "revision": revision}


@require(Permission.VIEW)
@require_GET
def cutover_room(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    return show_room(request, load_room(request, public_id, cutover_id))


def _go_no_go(room: CutoverRoom) -> dict[str, Any]:
    """The decision and the votes on the current window."""
    decision, votes = go_no_go.current_decision(room.cutover), go_no_go.current_votes(room.cutover)
    return {
        "decision": decision,
        "votes": votes,
        "outdated": {
            side: decision is None and go_no_go.is_outdated(vote, room.rows)
            for side, vote in votes.items()
        },
    }


def _situation(room: CutoverRoom) -> dict[str, Any]:
    """The earliest safe time, the people on call and the newest dry runs."""
    return {
        "safe_at": earliest_safe_time(room.facts.safe_times),
        "phase_keys": {phase.phase.pk: phase.phase.key for phase in room.page.phases},
        "on_call": room.on_call,
        "on_call_gaps": on_call_gaps(room.on_call),
        "dry_runs": list(room.cutover.dry_runs.select_related("by")[:5]),
    }


def show_room(request: HttpRequest, room: CutoverRoom, **refused: forms.Form) -> HttpResponse:
    """The room. `refused` has the refused form with its input, by its name in the template."""
    is_full_screen = request.GET.get("fullscreen") == "1"
    votes = _go_no_go(room)
    context = {
        "room": room,
        "page": room.page,
        "cutover": room.cutover,
        "tab": "cutovers",
        **_situation(room),
        **votes,
        "is_full_screen": is_full_screen,
        "page_url": _page_url(request, room, is_full_screen=is_full_screen),
        **_live(room),
        **({} if is_full_screen or room.page.tenant.is_closed else _changes_and_timeline(room)),
        # The client can read a shared screen, so that it shows no internal notes.
        **_comments_context(room, is_staff=room.page.is_staff and not is_full_screen),
        **_forms_of(room, current_user(request), is_decided=votes["decision"] is not None),
        **refused,
    }
    if refused:
        return render(request, "cutovers/cutover_room.html", context, status=422)
    return show(request, "cutovers/cutover_room.html", "room", context)


def _forms_of(room: CutoverRoom, user: User, *, is_decided: bool) -> dict[str, forms.Form]:
    """The forms of the room that this person may use, with the stored values."""
    found: dict[str, forms.Form] = {}
    is_approver = bool(room.cutover.approver_side(user))
    if is_approver and room.page.access.may(Permission.VOTE) and not is_decided:
        found["vote_form"] = VoteForm.of()
    if room.page.may_manage_plan:
        found["window_form"] = WindowForm.of(room.cutover)
        found["on_call_form"] = OnCallForm(people=on_call_candidates(room.page.tenant))
    if room.page.may_manage_plan and not is_decided:
        found["approvers_form"] = ApproversForm.of(room.cutover)
    return found


def _changes_and_timeline(room: CutoverRoom) -> dict[str, object]:
    """The change, the rollback and the newest entries of the timeline, for the room itself."""
    snapshot, restored = rollback_sheets_of(room)
    tasks = [row.task for row in room.run_sheet]
    entries = build_timeline(room.cutover, tasks, is_staff=room.page.is_staff)
    by_domain = {sheet.domain: sheet for sheet in restored}
    return {
        "changes": [(each, by_domain.get(each.domain)) for each in change_sheets_of(room, ())],
        "snapshot": snapshot,
        "has_window_opened": _has_window_opened(room),
        "entries": entries[: -MOST_ENTRIES - 1 : -1],
    }


def _has_window_opened(room: CutoverRoom) -> bool:
    """Whether the time has passed at which Gangway saves the records."""
    return window_bounds(room.cutover)[0] <= room.facts.now


def _comments_context(room: CutoverRoom, *, is_staff: bool) -> dict[str, object]:
    """The comments on the task that the cutover completes."""
    switch_task = room.facts.task(ROLE_OF_DIRECTION[Cutover.Direction(room.cutover.direction)])
    if switch_task is None:
        return {"switch_task": None}
    comments = comments_of(room.page.plan, is_staff=is_staff).filter(task=switch_task)
    return {"switch_task": switch_task, "comments": list(comments)}


def change_sheets_of(room: CutoverRoom, agreed: Iterable[str]) -> list[ChangeSheet]:
    """The change sheets of the room's domains. `agreed` has removals as `<domain> <value>`."""
    is_inbound = room.cutover.direction == Cutover.Direction.INBOUND
    hosts = room.page.plan_context.confirmed_hosts
    policies = {subject.name: subject for subject in room.facts.subjects_of(CheckKind.MTA_STS)}
    removals = [each.partition(" ") for each in agreed]
    subjects = room.facts.subjects_of(CheckKind.MX if is_inbound else CheckKind.SPF)
    stale = stale_names(subjects, room.facts)
    made = [
        build_change_sheet(
            subject,
            room.page.region,
            hosts=hosts,
            agreed={value for domain, _, value in removals if domain == subject.name},
            mta_sts=policies.get(subject.name),
            is_stale=subject.name in stale,
        )
        for subject in subjects
    ]
    return [sheet for sheet in made if sheet is not None]


def _not_before(room: CutoverRoom) -> datetime | None:
    """The time before which MX must not be published; None for SPF, which is published early."""
    cutover = room.cutover
    is_ahead = room.facts.now < cutover.planned_at
    return cutover.planned_at if is_ahead and cutover.direction == "inbound" else None


@require(Permission.VIEW)
@require_GET
def change_sheet(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    room = load_room(request, public_id, cutover_id)
    context = {
        "page": room.page,
        "cutover": room.cutover,
        "tab": "cutovers",
        "sheets": change_sheets_of(room, request.GET.getlist("removed")),
        "domains": {str(domain): domain for domain in room.page.plan_context.domains},
        "forms_as_of": AS_OF,
        "not_before": _not_before(room),
        "blocking_count": room.blocking_count,
    }
    return show(request, "cutovers/change_sheet_show.html", "change-sheet", context)


def rollback_sheets_of(room: CutoverRoom) -> tuple[CutoverSnapshot | None, list[RollbackSheet]]:
    """The snapshot of the window, or the newest one, and the records to restore from it."""
    taken = list(room.cutover.snapshots.select_related("saved_by"))
    newest = next((s for s in taken if s.window_start == room.cutover.planned_at), None)
    checks = {(c.kind, c.subject): c for c in room.page.plan_context.checks}
    chosen = newest or (taken[0] if taken else None)
    sheets = [
        build_rollback_sheet(
            entry, check, is_stale=check is not None and is_stale(check, room.facts)
        )
        for entry in (chosen.content if chosen is not None else ())
        for check in [checks.get((entry["kind"], entry["domain"]))]
    ]
    return chosen, sheets


@require(Permission.VIEW)
@require_GET
def rollback(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    room = load_room(request, public_id, cutover_id)
    chosen, sheets = rollback_sheets_of(room)
    context = {
        "page": room.page,
        "cutover": room.cutover,
        "tab": "cutovers",
        "snapshot": chosen,
        "sheets": sheets,
        "missing_domains": [
            str(domain)
            for domain in room.cutover.domains.all()
            if sheets and str(domain) not in {sheet.domain for sheet in sheets}
        ],
        "is_restored": bool(sheets) and all(s.verdict is Verdict.PASS for s in sheets),
        "has_window_opened": _has_window_opened(room),
        "may_save_snapshot": not room.facts.is_open and room.facts.now < room.cutover.planned_at,
        **_live(room),
    }
    return show(request, "cutovers/rollback_show.html", "rollback", context)


@require(Permission.VIEW)
@require_GET
def cutover_timeline(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    """The timeline of a cutover, also of a cancelled one."""
    page = load_page(request, public_id)
    cutover = get_object_or_404(Cutover.all_objects, plan=page.plan, public_id=cutover_id)
    tasks = [row.task for row in run_sheet(page, cutover)]
    context = {
        "page": page,
        "cutover": cutover,
        "tab": "cutovers",
        "entries": build_timeline(cutover, tasks, is_staff=page.is_staff),
        "dry_runs": list(cutover.dry_runs.select_related("by")),
    }
    return show(request, "cutovers/cutover_timeline.html", "timeline", context)


@require(Permission.MANAGE_PLAN)
@require_POST
def snapshot_save(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    room = load_room(request, public_id, cutover_id)
    with errors_as_message(request):
        snapshots.save_now(room.cutover, now=database_time.now(), by=current_user(request))
    return redirect("onboarding:rollback", public_id=public_id, cutover_id=cutover_id)


def back_to_room(public_id: str, cutover_id: str) -> HttpResponse:
    return redirect("onboarding:cutover-room", public_id=public_id, cutover_id=cutover_id)
