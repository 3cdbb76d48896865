"""The page behind a share link, for people without an account."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from checks.tasks import run_now
from onboarding.collaboration import share_links
from onboarding.models import ShareLink
from onboarding.plans.tenant_page import show
from onboarding.portfolio import shared_page
from tenants.activity_names import ActivityName
from tenants.throttle import throttled
from tenants.tokens import LinkPurpose, LinkState
from tenants.views import refuse_link


def _open(request: HttpRequest, token: str) -> ShareLink | HttpResponse:
    """The valid share link, or the page with the reason why it does not work."""
    state, found = share_links.find(token)
    if found is not None and state is LinkState.OPEN:
        return found
    if found is not None:
        share_links.log_use(found, ActivityName.SHARE_LINK_REFUSED)
    return refuse_link(request, LinkPurpose.SHARE_LINK, state, found.public_id if found else "")


@login_not_required
@never_cache
@throttled("share-link-view", "240/h", methods=("GET",))
@require_GET
def share_link_show(request: HttpRequest, token: str) -> HttpResponse:
    found = _open(request, token)
    if isinstance(found, HttpResponse):
        return found
    share_links.log_view(found)
    context: dict[str, Any] = {"shared": shared_page.shared_page_of(found), "token": token}
    return show(request, "portfolio/share_link_show.html", "share-link", context)


@login_not_required
@never_cache
@throttled("share-link-check-run", "30/h")
@require_POST
def share_link_check(request: HttpRequest, token: str) -> HttpResponse:
    found = _open(request, token)
    if isinstance(found, HttpResponse):
        return found
    share_links.log_use(found, ActivityName.SHARE_LINK_CHECK_REQUESTED)
    run_now(shared_page.shared_page_of(found).checks)
    messages.success(request, "The checks are running. This page shows the result within seconds.")
    return redirect("onboarding:share-link", token=token)
