"""What several pages need: the reader's side, a plan's rows, and the page-or-fragment rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from checks.models import Check
from checks.queries import history
from checks.tasks import look_now
from onboarding import queries
from onboarding.cutovers.windows import next_cutover
from onboarding.handoffs import DAYS
from onboarding.models import Cutover, Plan
from onboarding.plans.domain_parts import exempt_among, parts_by_task
from onboarding.plans.judging import Ground
from onboarding.plans.moves import Mover
from onboarding.plans.rows import PhaseRow, Reader, TaskRow, phase_rows, rows_of
from onboarding.plans.safety import ACT_OF_KIND, safeties
from onboarding.plans.scopes import in_none
from onboarding.plans.task_acts import side_of_role
from tenants.access import Seat, seat_or_404
from tenants.models import Domain, Tenant, User
from tenants.permissions import Act, may
from tenants.regions import Region
from tenants.services import write_activity

# How often pages that tell how things stand now fetch themselves again, whatever happens: in an
# open window, and else.
PULSE_IN_WINDOW, PULSE = 15, 300
# A look asks other people's servers: often enough for somebody who waits, not for a program.
LOOKS = "60/m"


@dataclass(frozen=True)
class TenantPage:
    """Everything about one tenant that its pages have in common, fetched once."""

    tenant: Tenant
    plan: Plan
    region: Region
    ground: Ground
    rows: list[TaskRow]
    phases: list[PhaseRow]
    cutovers: list[Cutover]
    side: str
    seat: Seat

    @property
    def is_staff(self) -> bool:
        return self.seat.role is not None and self.seat.role.is_staff

    @property
    def may_talk(self) -> bool:
        return self.seat.may(Act.TALK)

    @property
    def may_remind(self) -> bool:
        return self.seat.may(Act.CONFIRM)

    @property
    def may_name_contacts(self) -> bool:
        return self.seat.may(Act.NAME_CONTACTS)

    @property
    def may_steer(self) -> bool:
        return self.seat.may(Act.STEER)

    @property
    def may_invite(self) -> bool:
        return self.seat.may(Act.INVITE)

    @property
    def may_manage_people(self) -> bool:
        return self.seat.may(Act.MANAGE_PEOPLE)

    @property
    def may_hand_off(self) -> bool:
        return self.seat.may(Act.HAND_OFF)

    @property
    def hand_off_days(self) -> tuple[int, ...]:
        return DAYS

    @property
    def may_see_links(self) -> bool:
        """Whoever may hand off sees the links, also those of a closed tenant."""
        return may(self.seat.role, Act.HAND_OFF)

    @property
    def may_add_files(self) -> bool:
        return self.seat.may(Act.ADD_FILE)

    @property
    def may_export(self) -> bool:
        return self.seat.may(Act.EXPORT)

    @property
    def may_take_pack(self) -> bool:
        return self.seat.may(Act.TAKE_PACK)

    @property
    def may_close(self) -> bool:
        return self.seat.may(Act.CLOSE)

    @property
    def may_erase(self) -> bool:
        return self.seat.may(Act.ERASE)

    @property
    def may_leave(self) -> bool:
        return self.may_export or self.may_close or self.may_erase

    @property
    def next_cutover(self) -> Cutover | None:
        return next_cutover(self.cutovers, now=timezone.now())

    @property
    def split_directions(self) -> set[str]:
        """Those with several cutovers, which are told apart by their domains."""
        planned = [cutover.direction for cutover in self.cutovers]
        return {direction for direction in planned if planned.count(direction) > 1}

    def domains_in_none(self, direction: str) -> list[Domain]:
        """The domains that are to switch and that no cutover of the direction covers."""
        tasks = {row.task.key: row.task for row in self.rows}
        return in_none(direction, tasks, self.ground.domains, self.ground.exempt, self.cutovers)


def revision_of(plan: Plan, *, pulse: int, now: datetime) -> str:
    """What an open page shows of the plan. With a pulse it grows by itself every so many seconds:
    that looks go on, or that nobody looks any more, raises no revision."""
    return f"{plan.revision}.{int(now.timestamp()) // pulse}" if pulse else str(plan.revision)


def signed_in(request: HttpRequest) -> User:
    return cast(User, request.user)


def load_page(request: HttpRequest, public_id: str) -> TenantPage:
    """The tenant's page for this reader; 404 to strangers."""
    seat = seat_or_404(request, public_id)
    tenant = seat.tenant
    plan = tenant.plan
    side = side_of_role(seat.role, is_closed=tenant.is_closed)
    parts = parts_by_task(tenant)
    ground = Ground.of(tenant, exempt_among(parts))
    region = tenant.region_values
    seen = history(ground.checks, list(ACT_OF_KIND))
    safety = safeties(ground.checks, seen, region, now=timezone.now())
    mover = Mover(side, may_steer=seat.may(Act.STEER))
    reader = Reader(mover, signed_in(request), safety, parts)
    phases, tasks = queries.phases_with_tasks(plan)
    rows = rows_of(tasks, ground, reader)
    return TenantPage(
        tenant=tenant,
        plan=plan,
        region=region,
        ground=ground,
        rows=rows,
        phases=phase_rows(phases, rows),
        cutovers=list(queries.with_domains(plan.cutovers.all())),
        side=side,
        seat=seat,
    )


def show(request: HttpRequest, template: str, fragment: str, context: Any) -> HttpResponse:
    """The page, or the fragment of it that htmx asked for."""
    is_fragment = bool(getattr(request, "htmx", False))
    response = render(request, f"{template}#{fragment}" if is_fragment else template, context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def ask_for_look(request: HttpRequest, tenant: Tenant, checks: Iterable[Check], *, of: str) -> None:
    """Somebody pressed "check now": look at once, and say in the activity who wanted it."""
    with transaction.atomic():
        look_now(checks)
        write_activity(tenant, "look-requested", by=signed_in(request), subject=of)
