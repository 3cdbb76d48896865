"""The list of tenants: its page, its files, its bulk actions and its saved views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from onboarding.error_responses import (
    catch_errors,
    errors_as_message,
    errors_on_form,
    form_page,
)
from onboarding.errors import OnboardingError
from onboarding.models import SavedView
from onboarding.plans.tenant_page import current_user, show
from onboarding.portfolio import risk_updates
from onboarding.portfolio.export_formats import CSV, MEDIA_TYPES
from onboarding.portfolio.list_exports import LISTS, TENANT_LIST, selection_chunks
from onboarding.portfolio.queries import revision_of_tenants, with_plan
from onboarding.portfolio.tenant_list import bulk, menus, saved_views
from onboarding.portfolio.tenant_list.bulk import TenantAction, TenantBulkChange, TenantBulkResult
from onboarding.portfolio.tenant_list.forms import CLONE, SavedViewForm, TenantBulkForm
from onboarding.portfolio.tenant_list.list_state import ListState, query_of, state_of
from onboarding.portfolio.tenant_list.rows import tenant_rows
from onboarding.portfolio.tenant_list.view_tabs import tabs_of
from onboarding.portfolio.views.list_files import file_response, streamed
from tenants.access import require
from tenants.models import User
from tenants.permissions import Permission, may, staff_role_of
from tenants.queries import tenants_for
from tenants.throttle import throttled
from tenants.tokens import site_url

PAGE = bulk.MOST_TENANTS
# Ids of the page.
RESULTS, FORM = "tenant-results", "tenant-filter"


@require(Permission.OPEN_HOME)
@require_GET
def tenant_list(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    visible = tenants_for(user)
    risk_updates.refresh(visible)
    # Before the rows: a change in between updates the page once more.
    revision = revision_of_tenants(visible)
    views = saved_views.views_on_page(user, request.GET.get("view", ""))
    state = state_of(user, request.GET, visible, views)
    found = Paginator(with_plan(state.tenants), PAGE).get_page(request.GET.get("page"))
    is_selectable = may(staff_role_of(user), Permission.OPEN_DESK)
    context = {
        "found": found,
        "rows": tenant_rows(
            list(found), columns=state.columns, user=user, is_selectable=is_selectable
        ),
        "is_selectable": is_selectable,
        "tabs": tabs_of(state, views, revision=revision),
        "bulk": TenantBulkForm() if is_selectable else None,
        "revision": revision,
        **_head_of(state, user),
    }
    return _list_response(request, context)


def _head_of(state: ListState, user: User) -> dict[str, Any]:
    """The filters, columns and saved view above the rows."""
    filter_menus = menus.filter_menus(state)
    return {
        "state": state,
        "menus": filter_menus,
        "chips": list(menus.chips_of(state, filter_menus)),
        "heads": list(menus.heads_of(state)),
        "display": menus.display_options(state),
        "saved": state.saved,
        "may_change_view": state.saved is not None and saved_views.may_change(state.saved, user),
        "is_own_view": state.saved is not None and state.saved.owner_id == user.pk,
        "query": _link_query(state),
    }


def _list_response(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    htmx: Any = getattr(request, "htmx", None)
    is_part = bool(htmx) and htmx.target == RESULTS
    part = "results" if is_part else "list"
    response = show(request, "portfolio/tenant_list.html", part, context)
    if is_part and htmx.trigger == FORM:
        # The form sends every field, also empty ones and defaults.
        response["HX-Push-Url"] = f"{request.path}?{context['query']}"
    return response


def _link_query(state: ListState) -> str:
    """The query of the list with its saved view. `q` marks an address that has the values."""
    view = urlencode({"view": state.saved.public_id}) + "&" if state.saved is not None else ""
    return f"{view}{state.query or 'q='}"


@require(Permission.VIEW_DASHBOARD)
@require_GET
def tenant_export(request: HttpRequest) -> HttpResponseBase:
    """The list as a CSV or XLSX file, with all rows of all pages."""
    ending = request.GET.get("format", CSV)
    if ending not in MEDIA_TYPES:
        raise Http404("No such format.")
    return file_response(request, TENANT_LIST, ending)


# --- Bulk actions


@require(Permission.OPEN_DESK)
@require_POST
@throttled(*bulk.BULK_LIMIT)
def tenants_bulk(request: HttpRequest) -> HttpResponseBase:
    """Apply an action to the selected tenants, and show one result for each."""
    form, chosen = TenantBulkForm(request.POST), request.POST.getlist("tenant")
    if not form.is_valid():
        return _bulk_refused(request, form, chosen)
    with catch_errors() as attempt:
        return _bulk_answer(request, form, chosen)
    return _bulk_refused(request, form, chosen, str(attempt.error))


def _bulk_answer(
    request: HttpRequest, form: TenantBulkForm, chosen: Sequence[str]
) -> HttpResponseBase:
    """The answer to a valid form. Raises OnboardingError for a selection that it cannot use."""
    user, action = current_user(request), form.cleaned_data["action"]
    if action == CLONE:
        return _clone(chosen)
    if action in MEDIA_TYPES:
        bulk.require_few(chosen)
        found = tenants_for(user).filter(public_id__in=chosen)
        name = f"{LISTS[TENANT_LIST].file_name}.{action}"
        return streamed(selection_chunks(found, action, user=user), name, action)
    change = TenantBulkChange(
        TenantAction(action), form.people.get(form.cleaned_data["consultant"]), site_url(request)
    )
    _add_results(request, bulk.apply_to_tenants(tenants_for(user), chosen, change, by=user))
    return redirect(_list_address(request.POST.get("query", "")))


def _bulk_refused(
    request: HttpRequest, form: TenantBulkForm, chosen: Sequence[str], error: str = ""
) -> HttpResponse:
    """The form on a page of its own: the selected tenants remain selected.

    Without a selection it offers the first tenants of the person. `error` concerns the selection.
    """
    visible = tenants_for(current_user(request)).order_by("name", "pk")
    form.offer(visible.filter(public_id__in=chosen)[:PAGE] or visible[:PAGE])
    if error:
        form.add_error("tenant", error)
    query = request.POST.get("query", "")
    return form_page(
        request,
        form,
        title="Change the selected tenants",
        button="Apply",
        back=_list_address(query),
        query=query,
    )


def _clone(chosen: Sequence[str]) -> HttpResponse:
    if len(chosen) != 1:
        raise OnboardingError("Select the one tenant whose profile you want to clone.")
    query = urlencode({"from": chosen[0]})
    return redirect(f"{reverse('onboarding:tenant-new')}?{query}")


def _add_results(request: HttpRequest, results: Sequence[TenantBulkResult]) -> None:
    done = sum(result.error is None for result in results)
    level = messages.SUCCESS if done == len(results) else messages.WARNING
    lines = [result.text for result in results]
    if len(results) > 1:
        lines.insert(0, f"Done for {done} of {len(results)} tenants:")
    messages.add_message(request, level if done else messages.ERROR, "\n".join(lines))


# --- Saved views


@require(Permission.VIEW_DASHBOARD)
@require_POST
def saved_view_create(request: HttpRequest) -> HttpResponse:
    """Store the filters of the list as a view of the person."""
    user, form = current_user(request), SavedViewForm(request.POST)
    if form.is_valid():
        with errors_on_form(form, "name"):
            view = saved_views.create_view(**form.cleaned_data, by=user)
            messages.success(request, f"The view “{view.name}” is saved.")
            return redirect(_view_address(view))
    back = _list_address(request.POST.get("query", ""))
    return form_page(
        request, form, title="Save this list as a new view", button="Save view", back=back
    )


@require(Permission.VIEW_DASHBOARD)
@require_POST
def saved_view_change(request: HttpRequest, saved_view_id: str) -> HttpResponse:
    """Change a view: its name and readers, and its filters to those of the list."""
    user = current_user(request)
    view = _view_or_404(user, saved_view_id)
    form = SavedViewForm(request.POST, instance=SavedView())
    if view.owner_id != user.pk:
        del form.fields["is_default"]
    if form.is_valid():
        with errors_on_form(form, "name"):
            changed = saved_views.change_view(view, by=user, **form.cleaned_data)
            messages.success(request, f"The view “{changed.name}” is saved.")
            return redirect(_view_address(view))
    return form_page(
        request,
        form,
        title=f"Change “{view}”",
        button="Save changes",
        back=_view_address(view),
    )


@require(Permission.VIEW_DASHBOARD)
@require_POST
def saved_view_remove(request: HttpRequest, saved_view_id: str) -> HttpResponse:
    user = current_user(request)
    view = _view_or_404(user, saved_view_id)
    with errors_as_message(request):
        saved_views.remove_view(view, by=user)
        messages.success(request, f"The view “{view.name}” is removed. No tenant was changed.")
    return redirect(_list_address(view.query))


def _view_or_404(user: User, public_id: str) -> SavedView:
    view = saved_views.views_for(user).filter(public_id=public_id).first()
    if view is None:
        raise Http404("No such view.")
    return view


def _view_address(view: SavedView) -> str:
    return f"{reverse('onboarding:tenant-list')}?{urlencode({'view': view.public_id})}"


def _list_address(query: str) -> str:
    """The list with this query, from a form: only known parameters remain."""
    given = QueryDict(query[:4000])
    view = given.get("view", "")
    kept = query_of(given) or "q="
    saved = f"{urlencode({'view': view})}&" if view else ""
    return f"{reverse('onboarding:tenant-list')}?{saved}{kept}"
