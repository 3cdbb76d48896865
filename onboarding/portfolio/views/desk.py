"""The desk: the home page of a consultant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_GET, require_POST

from onboarding.error_responses import errors_as_message
from onboarding.plans.tenant_page import current_user, show
from onboarding.portfolio import risk_updates
from onboarding.portfolio.desk import queries
from onboarding.portfolio.desk.entries import grouped
from onboarding.portfolio.desk.needs import DeskNeeds, needs_of
from onboarding.portfolio.desk.strip import Strip, strip_of
from onboarding.portfolio.desk.waiting import ReminderResult, send_reminders, waiting_tasks
from onboarding.portfolio.queries import revision_of_tenants
from onboarding.portfolio.row_cache import cached_overview
from tenants import database_time
from tenants.access import require
from tenants.models import Tenant, User
from tenants.permissions import Permission
from tenants.queries import tenants_for
from tenants.throttle import throttled
from tenants.tokens import site_url

# The rows of the two lists on the desk. A link leads to the complete list, in pages.
SHOWN_NEEDS, SHOWN_WAITING, PAGE = 12, 8, 50
LISTS = ("needs", "clients")


@dataclass(frozen=True)
class DeskOverview:
    needs: DeskNeeds
    strip: Strip


def _chosen_list(request: HttpRequest) -> str:
    chosen = request.GET.get("list", "")
    return chosen if chosen in LISTS else ""


def _page_of(request: HttpRequest, entries: Any, name: str, shown: int) -> Page[Any]:
    """The chosen page of a list, or on the desk itself its first entries."""
    if _chosen_list(request) != name:
        return Paginator(entries, shown).get_page(1)
    return Paginator(entries, PAGE).get_page(request.GET.get("page"))


def _reasons_for_no_tasks(user: User, tenants: QuerySet[Tenant]) -> dict[str, Any]:
    """Only an empty list reads them."""
    return {
        "leads_tenants": SimpleLazyObject(tenants.exists),
        "has_tenants": SimpleLazyObject(tenants_for(user).exists),
    }


@require(Permission.OPEN_DESK)
@require_GET
def desk(request: HttpRequest) -> HttpResponse:
    """The desk, or with `?list=needs` or `?list=clients` one of its lists in pages."""
    user, now = current_user(request), database_time.now()
    tenants = queries.desk_tenants(user)
    risk_updates.refresh(tenants)
    # Before the rows: a change in between updates the page once more.
    revision = revision_of_tenants(tenants)
    overview = _cached_overview(user, revision, now=now)
    on_clients = queries.for_rows(queries.tasks_on_clients(user))
    shown = _page_of(request, overview.needs.entries, "needs", SHOWN_NEEDS)
    clients = _page_of(request, on_clients, "clients", SHOWN_WAITING)
    context: dict[str, Any] = {
        "chosen": _chosen_list(request),
        "needs": shown,
        "groups": list(grouped(overview.needs.entries, list(shown))),
        "more": shown.paginator.count - shown.end_index(),
        "is_complete": overview.needs.is_complete,
        **_reasons_for_no_tasks(user, tenants),
        "waiting": clients,
        "rows": waiting_tasks(list(clients), now=now),
        "strip": overview.strip,
        "today": timezone.localdate(),
        "revision": revision,
    }
    return show(request, "portfolio/desk_show.html", "desk", context)


def _cached_overview(user: User, revision: str, *, now: datetime) -> DeskOverview:
    return cached_overview(user, lambda: _overview(user, now=now), kind="desk", revision=revision)


def _overview(user: User, *, now: datetime) -> DeskOverview:
    return DeskOverview(
        needs_of(user, now=now), strip_of(user, today=timezone.localdate(now), now=now)
    )


@require(Permission.OPEN_DESK)
@require_POST
@throttled("desk-remind", "60/h")
def desk_remind(request: HttpRequest) -> HttpResponse:
    """Send a reminder for one task, or for each selected task. One notice has all results."""
    chosen = request.POST.getlist("only") or request.POST.getlist("task")
    with errors_as_message(request):
        results = send_reminders(chosen, by=current_user(request), site_url=site_url(request))
        _add_notice(request, results)
    back = redirect("onboarding:desk")
    if request.POST.get("list") == "clients":
        back["Location"] += "?list=clients"
    return back


def _add_notice(request: HttpRequest, results: Sequence[ReminderResult]) -> None:
    sent = sum(not result.refusal for result in results)
    level = messages.SUCCESS if sent == len(results) else messages.WARNING
    lines = [result.sentence for result in results]
    if len(results) > 1:
        lines.insert(0, f"Reminders for {sent} of {len(results)} tasks:")
    messages.add_message(request, level if sent else messages.ERROR, "\n".join(lines))
