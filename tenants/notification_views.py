"""The page of notifications, and the reads of the bell."""

from __future__ import annotations

from typing import cast

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_headers

from tenants import notifications
from tenants.access import require
from tenants.models import User
from tenants.permissions import Permission
from tenants.streams import StreamResponse, subscription_of

PAGE_SIZE = 50


@require(Permission.OPEN_HOME)
@require_GET
@never_cache
@vary_on_headers("HX-Request")
def notification_list(request: HttpRequest) -> HttpResponse:
    """The notifications of the person, newest first; with `?show=unread`, only the unread ones."""
    user = cast(User, request.user)
    rows = notifications.notifications_of(user)
    is_unread = request.GET.get("show") == "unread"
    found = Paginator(rows.filter(read_at=None) if is_unread else rows, PAGE_SIZE)
    page = found.get_page(request.GET.get("page"))
    is_first = page.number == 1 and page.object_list
    newest = page.object_list[0] if is_first else rows.first()
    unread_bell = notifications.bell_of(user)
    recent = notifications.recent_ids(rows, newest) if newest and unread_bell.unread else []
    context = {
        "found": page,
        "is_unread": is_unread,
        "newest": newest,
        "recent": " ".join(recent),
        "bell": unread_bell,
    }
    is_fragment = getattr(request, "htmx", False)
    template = "tenants/notification_list.html"
    return render(request, f"{template}#list" if is_fragment else template, context)


@require(Permission.OPEN_HOME)
@require_GET
@never_cache
def bell(request: HttpRequest) -> HttpResponse:
    """The number of unread notifications, for the bell of an open page."""
    found = notifications.bell_of(cast(User, request.user))
    return JsonResponse({"unread": found.unread, "label": found.label, "revision": found.revision})


@require(Permission.OPEN_HOME)
@require_GET
@never_cache
def notification_revision(request: HttpRequest) -> HttpResponse:
    """The revision of the page of notifications."""
    found = notifications.bell_of(cast(User, request.user))
    return HttpResponse(found.revision, content_type="text/plain")


@require(Permission.OPEN_HOME)
@require_GET
@never_cache
def notification_revision_stream(request: HttpRequest) -> HttpResponse:
    """The stream of a page that shows no tenant: it sends the changes of the bell."""
    found = notifications.bell_of(cast(User, request.user))
    return StreamResponse(subscription_of(request, has_tenants=False), found.revision)


@require(Permission.OPEN_HOME)
@require_POST
def notification_read(request: HttpRequest, notification_id: str) -> HttpResponse:
    """Mark one notification as read, and return to the list."""
    rows = notifications.notifications_of(cast(User, request.user))
    found = get_object_or_404(rows, public_id=notification_id)
    notifications.mark_read(rows.filter(pk=found.pk))
    return _list(request)


@require(Permission.OPEN_HOME)
@require_POST
def notifications_read(request: HttpRequest) -> HttpResponse:
    """Mark the notifications up to the newest one on the page as read."""
    rows = notifications.notifications_of(cast(User, request.user))
    newest = rows.filter(public_id=request.POST.get("newest", "")).first()
    # Its event may have ended since the page was shown.
    if newest is not None:
        recent = request.POST.get("recent")
        ids = recent.split() if recent is not None else None
        notifications.mark_read(notifications.up_to(rows, newest, ids))
    return _list(request)


def _list(request: HttpRequest) -> HttpResponse:
    following = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(following, allowed_hosts=None):
        return redirect(following)
    return redirect("tenants:notification-list")
