"""The page of a person's calendar feeds, and the feeds themselves."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers, get_conditional_response
from django.utils.http import http_date
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding.calendar_feeds import feeds
from onboarding.calendar_feeds.forms import FeedForm
from onboarding.error_responses import errors_on_form
from onboarding.models import CalendarFeed, Cutover
from onboarding.plans.tenant_page import current_user
from tenants import database_time
from tenants.access import require, tenant_or_404
from tenants.permissions import Permission
from tenants.throttle import is_within, throttled
from tenants.tokens import LinkPurpose, LinkState, log_refused_link, site_url

# Of one feed. Calendar programs request a feed some times an hour.
RATE = "120/h"


@require(Permission.OPEN_HOME)
@require_http_methods(["GET", "POST"])
@throttled("calendar-feed-create", "60/h")
def calendar_feeds(request: HttpRequest) -> HttpResponse:
    """The list and the form. The response to the form shows the address once."""
    person = current_user(request)
    form = FeedForm(request.POST or None, person=person, initial=_initial(request))
    if form.is_valid():
        scope, tenant = CalendarFeed.Scope(form.cleaned_data["scope"]), form.cleaned_data["tenant"]
        with errors_on_form(form, "tenant"):
            made, token = feeds.create_feed(scope, tenant=tenant, site=site_url(request), by=person)
            address = site_url(request) + reverse("onboarding:calendar-feed", args=[token])
            context = {"feed": made, "address": address}
            response = render(request, "calendar_feeds/feed_created.html", context)
            add_never_cache_headers(response)
            return response
    found = [(feed, feeds.may_still_see(feed)) for feed in feeds.feeds_of(person)]
    context = {"form": form, "feeds": found}
    status = 422 if form.errors else 200
    return render(request, "calendar_feeds/feed_list.html", context, status=status)


def _initial(request: HttpRequest) -> dict[str, str]:
    tenant = request.GET.get("tenant", "")
    return {"scope": CalendarFeed.Scope.TENANT, "tenant": tenant} if tenant else {}


@require(Permission.OPEN_HOME)
@require_POST
def calendar_feed_revoke(request: HttpRequest) -> HttpResponse:
    """Revoke one feed of the person. An unknown feed is revoked already."""
    own = feeds.feeds_of(current_user(request))
    feed = own.filter(public_id=request.POST.get("feed", "")).first()
    if feed is not None:
        feeds.revoke_feed(feed)
    messages.success(request, "The feed is revoked. Its address no longer works.")
    return redirect("onboarding:calendar-feeds")


@require(Permission.VIEW)
@require_GET
def cutover_calendar(request: HttpRequest, public_id: str, cutover_id: str) -> HttpResponse:
    """The calendar file of one cutover."""
    tenant = tenant_or_404(request, public_id)
    cutover = get_object_or_404(Cutover, plan__tenant=tenant, public_id=cutover_id)
    now = database_time.now()
    content = feeds.cutover_file(cutover, tenant, site=site_url(request), now=now)
    response = HttpResponse(content, content_type="text/calendar; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{cutover.direction}-cutover.ics"'
    return response


@login_not_required
@throttled("calendar-feed", "3000/h", methods=("GET",))
@require_GET
def calendar_feed(request: HttpRequest, token: str) -> HttpResponseBase:
    """The iCalendar file. Its readers are programs, so every refusal is plain text."""
    state, feed = feeds.find(token)
    if feed is None or state is not LinkState.OPEN:
        log_refused_link(
            LinkPurpose.CALENDAR_FEED, state, request, feed.public_id if feed is not None else ""
        )
        status = 404 if feed is None else 410
        return HttpResponse("This feed does not exist.\n", content_type="text/plain", status=status)
    if not is_within("calendar-feed", feed.public_id, RATE):
        response = HttpResponse("Too many requests.\n", content_type="text/plain", status=429)
        response["Retry-After"] = "3600"
        return response
    now = database_time.now()
    file = feeds.file_of(feed, now=now)
    feeds.note_use(feed, now=now)
    changed = int(file.changed_at.timestamp()) if file.changed_at is not None else None
    response = HttpResponse(file.content, content_type="text/calendar; charset=utf-8")
    response["Content-Disposition"] = 'inline; filename="gangway.ics"'
    # Each request asks again, because the rights of the owner can have changed.
    response["Cache-Control"] = "private, no-cache"
    response["ETag"] = file.etag
    if file.changed_at is not None:
        response["Last-Modified"] = http_date(file.changed_at.timestamp())
    return get_conditional_response(request, file.etag, changed, response) or response
