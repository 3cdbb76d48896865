"""The cutover room: readiness, window and live board of one planned switch."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from checks.engine.outcomes import Kind, Verdict
from checks.queries import history
from onboarding.cutovers import deciding, snapshots, voting
from onboarding.cutovers.afterwards import Duty, Switched, afterwards, has_begun
from onboarding.cutovers.boards import DomainBoard, boards, spf_boards
from onboarding.cutovers.change_sheets import ChangeSheet, sheet_of
from onboarding.cutovers.chronicles import chronicle
from onboarding.cutovers.clashes import Surroundings, clashes
from onboarding.cutovers.dns_forms import AS_OF
from onboarding.cutovers.objections import Objection, frozen_days, too_early
from onboarding.cutovers.on_call import candidates, unmanned
from onboarding.cutovers.readiness import readiness
from onboarding.cutovers.rollback import rollback_of
from onboarding.cutovers.room_facts import Facts, Row, is_stale, stale_among
from onboarding.cutovers.rooms import (
    clock_now,
    facts_of,
    moves_everywhere,
    narrowed,
    surroundings,
    switched,
)
from onboarding.cutovers.ttl_row import earliest_safe
from onboarding.cutovers.windows import LEAST_MINUTES, MOST_MINUTES
from onboarding.errors import OnboardingError
from onboarding.forms.cutovers import OnCallForm, WindowForm
from onboarding.models import Cutover, OnCall
from onboarding.plans.judging import Ground
from onboarding.plans.rows import TaskRow
from onboarding.plans.safety import ACT_OF_KIND
from onboarding.plans.scopes import PHASE_OF_DIRECTION, TASK_OF_DIRECTION, primary_first
from onboarding.talk import comments_of
from onboarding.views.shared import (
    PULSE,
    PULSE_IN_WINDOW,
    TenantPage,
    load_page,
    revision_of,
    show,
    signed_in,
)
from tenants.access import act
from tenants.permissions import Act


@dataclass(frozen=True)
class Room:
    """Everything the room's pages have in common, fetched once."""

    page: TenantPage
    cutover: Cutover
    facts: Facts
    rows: list[Row]
    boards: list[DomainBoard]
    around: Surroundings
    ground: Ground
    switched: Sequence[Switched] = ()
    # A length that somebody means to confirm, in minutes; 0 where it is as on record.
    wished_minutes: int = 0

    @property
    def length_minutes(self) -> int:
        return self.wished_minutes or self.cutover.length_minutes

    @property
    def clashes(self) -> list[str]:
        left = self.page.domains_in_none(self.cutover.direction)
        order = primary_first(self.cutover, self.page.cutovers, left)
        late = ["The window is over, and nobody confirmed it."] if self._is_missed else []
        return [*late, *order, *clashes(self.cutover, self.around)]

    @property
    def _is_missed(self) -> bool:
        return self.cutover.confirmed_at is None and self.facts.now >= self.cutover.ends_at

    @cached_property
    def on_call(self) -> list[OnCall]:
        return [each for each in self.around.on_call if each.cutover_id == self.cutover.pk]

    @cached_property
    def objections(self) -> list[Objection]:
        """Why the window can only be confirmed in words. A longer one may touch another day."""
        wished = copy.copy(self.cutover)
        wished.length_minutes = self.length_minutes
        return [*frozen_days(wished, self.around), *too_early(self.facts)]

    @property
    def objections_since(self) -> list[Objection]:
        """Those that nobody had in mind when the window was confirmed."""
        if self.cutover.confirmed_at is None:
            return []
        return [o for o in self.objections if o.key not in self.cutover.accepted_objections]

    @property
    def duties(self) -> list[Duty]:
        """What is left once mail has moved; nothing before."""
        if not has_begun(self.facts, self.switched):
            return []
        return afterwards(self.facts, self.switched)

    @property
    def held_back(self) -> int:
        return sum(row.holds_back for row in self.rows)

    @property
    def run_sheet(self) -> list[TaskRow]:
        return run_sheet(self.page, self.cutover)


def run_sheet(page: TenantPage, cutover: Cutover) -> list[TaskRow]:
    wanted = PHASE_OF_DIRECTION[Cutover.Direction(cutover.direction)]
    found = [phase.rows for phase in page.phases if phase.phase.key == wanted]
    return [row for rows in found for row in rows if row.task.applies and not row.task.is_group]


def load_room(request: HttpRequest, public_id: str, cutover_id: str) -> Room:
    """One of the tenant's own cutovers; 404 to strangers and for anybody else's."""
    page = load_page(request, public_id)
    cutover = next((c for c in page.cutovers if c.public_id == cutover_id), None)
    if cutover is None:
        raise Http404("No such cutover.")
    return room_with(page, cutover, page.ground, now=timezone.now())


def room_with(page: TenantPage, cutover: Cutover, ground: Ground, *, now: datetime) -> Room:
    """The room as this ground makes it: the tenant's own, or one that is only rehearsed."""
    tasks = [row.task for row in page.rows]
    is_inbound = cutover.direction == Cutover.Direction.INBOUND
    moves = moves_everywhere(tasks, ground) if is_inbound else ()
    ground = narrowed(ground, cutover)
    seen = list(history(ground.checks, list(ACT_OF_KIND)))
    facts = facts_of(cutover, tasks, ground, seen, page.region, now=now)
    subjects = facts.of(Kind.MX if is_inbound else Kind.SPF)
    stale = stale_among(subjects, facts)
    clocks = {subject.name: clock_now(subject, facts, seen, page.region) for subject in moves}
    return Room(
        page,
        cutover,
        facts,
        readiness(facts),
        boards(subjects, page.region.mx, clocks, stale=stale)
        if is_inbound
        else spf_boards(subjects, page.region.spf_include, stale=stale),
        surroundings(page.plan, page.cutovers),
        ground,
        switched(facts, moves, seen, clocks),
    )


def _address(request: HttpRequest, room: Room, *, is_big: bool) -> str:
    """Where the page fetches itself again: that of the room, also where a form was refused."""
    if request.method == "GET":
        return request.get_full_path()
    where = [room.page.tenant.public_id, room.cutover.public_id]
    return reverse("onboarding:cutover-room", args=where) + ("?big=1" if is_big else "")


def _live(room: Room) -> dict[str, object]:
    """How the page keeps itself true: a board that stands still has to say that it was asked."""
    pulse = PULSE_IN_WINDOW if room.facts.is_open else PULSE
    revision = revision_of(room.page.plan, pulse=pulse, now=room.facts.now)
    return {"pulse": pulse, "revision": revision}


@act(Act.READ)
@require_GET
def room(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    shown = load_room(request, public_id, cutover_id)
    return show_room(request, replace(shown, wished_minutes=_minutes(request.GET)))


def _minutes(query: QueryDict) -> int:
    """The length of a window that was not confirmed, as it was typed."""
    text = query.get("minutes", "")
    is_number = text.isdecimal() and len(text) < 5
    return int(text) if is_number and LEAST_MINUTES <= int(text) <= MOST_MINUTES else 0


def show_room(
    request: HttpRequest, room: Room, *, on_call_form: OnCallForm | None = None
) -> HttpResponse:
    """The room; with a refused form, that form and what was typed in it."""
    form = on_call_form
    if form is None and room.page.may_steer:
        form = OnCallForm(people=candidates(room.page.tenant))
    is_big = request.GET.get("big") == "1"
    verdict, votes = voting.verdict_of(room.cutover), voting.votes_of(room.cutover)
    context = {
        "room": room,
        "page": room.page,
        "cutover": room.cutover,
        "tab": "cutover",
        "safe_at": earliest_safe(room.facts.clocks),
        "phase_keys": {phase.phase.pk: phase.phase.key for phase in room.page.phases},
        "verdict": verdict,
        "votes": votes,
        "outdated": {
            side: verdict is None and voting.is_outdated(vote, room.rows)
            for side, vote in votes.items()
        },
        "my_side": room.cutover.side_of_approver(signed_in(request)),
        "may_vote": room.page.seat.may(Act.VOTE),
        "staff_approvers": voting.staff_approvers() if room.page.may_steer else (),
        "client_approvers": voting.client_approvers(room.page.tenant)
        if room.page.may_steer
        else (),
        "rehearsals": list(room.cutover.rehearsals.select_related("by")[:5]),
        "on_call": room.on_call,
        "unmanned": unmanned(room.on_call),
        "on_call_form": form,
        "is_big": is_big,
        "address": _address(request, room, is_big=is_big),
        **_live(room),
        # A shared screen is read by the client too.
        **_talk(room, is_staff=room.page.is_staff and not is_big),
    }
    if on_call_form is not None:
        return render(request, "onboarding/cutover_room.html", context, status=422)
    return show(request, "onboarding/cutover_room.html", "room", context)


def _talk(room: Room, *, is_staff: bool) -> dict[str, object]:
    """What people write of the switch: the talk of the step that it is."""
    key = TASK_OF_DIRECTION[Cutover.Direction(room.cutover.direction)]
    gate = room.facts.tasks.get(key)
    if gate is None:
        return {"gate": None}
    said = comments_of(room.page.plan, is_staff=is_staff).filter(task=gate)
    return {"gate": gate, "comments": list(said)}


def sheets_of(room: Room, agreed: Iterable[str]) -> list[ChangeSheet]:
    """The sheets of the room's domains. What may go is named as `<domain> <value>`."""
    is_inbound = room.cutover.direction == Cutover.Direction.INBOUND
    hosts = {host.name for host in room.page.ground.hosts}
    policies = {subject.name: subject for subject in room.facts.of(Kind.MTA_STS)}
    named = [each.partition(" ") for each in agreed]
    subjects = room.facts.of(Kind.MX if is_inbound else Kind.SPF)
    stale = stale_among(subjects, room.facts)
    made = [
        sheet_of(
            subject,
            room.page.region,
            hosts=hosts,
            agreed={value for domain, _, value in named if domain == subject.name},
            mta_sts=policies.get(subject.name),
            is_stale=subject.name in stale,
        )
        for subject in subjects
    ]
    return [sheet for sheet in made if sheet is not None]


def _not_before(room: Room) -> datetime | None:
    """From when the records may be published, while that is ahead. SPF is published beforehand."""
    cutover = room.cutover
    is_ahead = room.facts.now < cutover.planned_at
    return cutover.planned_at if is_ahead and cutover.direction == "inbound" else None


@act(Act.READ)
@require_GET
def change_sheet(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    room = load_room(request, public_id, cutover_id)
    context = {
        "page": room.page,
        "cutover": room.cutover,
        "tab": "cutover",
        "sheets": sheets_of(room, request.GET.getlist("goes")),
        "domains": {str(domain): domain for domain in room.page.ground.domains},
        "forms_as_of": AS_OF,
        "not_before": _not_before(room),
        "held_back": room.held_back,
    }
    return show(request, "onboarding/change_sheet.html", "sheet", context)


@act(Act.READ)
@require_GET
def rollback(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    room = load_room(request, public_id, cutover_id)
    kept = list(room.cutover.snapshots.select_related("taken_by"))
    newest = next((s for s in kept if s.window_start == room.cutover.planned_at), None)
    checks = {(c.kind, c.subject): c for c in room.page.ground.checks}
    chosen = newest or (kept[0] if kept else None)
    sheets = [
        rollback_of(entry, check, is_stale=check is not None and is_stale(check, room.facts))
        for entry in (chosen.content if chosen is not None else ())
        for check in [checks.get((entry["kind"], entry["domain"]))]
    ]
    context = {
        "page": room.page,
        "cutover": room.cutover,
        "tab": "cutover",
        "snapshot": chosen,
        "sheets": sheets,
        "unkept": [
            str(domain)
            for domain in room.cutover.domains.all()
            if sheets and str(domain) not in {sheet.domain for sheet in sheets}
        ],
        "is_as_before": bool(sheets) and all(s.verdict is Verdict.PASS for s in sheets),
        "may_take": not room.facts.is_open and room.facts.now < room.cutover.planned_at,
        **_live(room),
    }
    return show(request, "onboarding/rollback.html", "rollback", context)


@act(Act.READ)
@require_GET
def record(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    """What was done, decided, said and seen, in its order; of a dropped cutover too."""
    page = load_page(request, public_id)
    cutover = get_object_or_404(Cutover.everything, plan=page.plan, public_id=cutover_id)
    tasks = [row.task for row in run_sheet(page, cutover)]
    context = {
        "page": page,
        "cutover": cutover,
        "tab": "cutover",
        "entries": chronicle(cutover, tasks, is_staff=page.is_staff),
        "rehearsals": list(cutover.rehearsals.select_related("by")),
    }
    return show(request, "onboarding/cutover_record.html", "record", context)


@act(Act.STEER)
@require_POST
def snapshot_take(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    room = load_room(request, public_id, cutover_id)
    try:
        snapshots.take_now(room.cutover, now=timezone.now(), by=signed_in(request))
    except OnboardingError as error:
        messages.error(request, str(error))
    return redirect("onboarding:rollback", public_id=public_id, cutover_id=cutover_id)


def back_to_room(public_id: str, cutover_id: str) -> HttpResponse:
    return redirect("onboarding:cutover-room", public_id=public_id, cutover_id=cutover_id)


@act(Act.STEER)
@require_POST
def window_confirm(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    room = load_room(request, public_id, cutover_id)
    form = WindowForm(request.POST)
    if not form.is_valid():
        problems = " ".join(str(each) for field in form.errors.values() for each in field)
        messages.error(request, f"{problems} Nothing was confirmed.")
        return back_to_room(public_id, cutover_id)
    room = replace(room, wished_minutes=form.window.length_minutes)
    try:
        deciding.confirm_window(
            room.cutover, form.window, objections=room.objections, by=signed_in(request)
        )
    except OnboardingError as error:
        messages.error(request, str(error))
        response = back_to_room(public_id, cutover_id)
        response["Location"] += f"?minutes={room.length_minutes}"
        return response
    return back_to_room(public_id, cutover_id)
