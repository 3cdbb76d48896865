"""The revisions of lists of tenants, and the streams of revisions, which the stream process serves.

The address of a stream is /live followed by the address that the page polls without a stream.
"""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from onboarding.collaboration import share_links
from onboarding.plans.tenant_page import current_user, requested_refresh, revision_text
from onboarding.portfolio import shared_page
from onboarding.portfolio.desk.queries import desk_tenants
from onboarding.portfolio.queries import revision_of_tenants
from tenants import database_time
from tenants.access import access_or_404, require
from tenants.models import Tenant
from tenants.permissions import Permission
from tenants.queries import tenants_for
from tenants.streams import StreamResponse, Subscription, WaitResponse, subscription_of
from tenants.throttle import throttled
from tenants.tokens import LinkState

# A list of tenants changes with each of them: it is computed again at most once in so many seconds.
LIST_SECONDS = 10
# The page of a share link also shows the time of each run, which changes no revision of the plan.
SHARED_SECONDS, SHARED_AT_LEAST_SECONDS = 1, 10


@require(Permission.VIEW)
@require_GET
@never_cache
def revision_stream(request: HttpRequest, public_id: str) -> HttpResponse:
    """The stream of a tenant's revisions. With `wait`, one answer instead.

    It is the revision as soon as it is another one than `revision`, or after `wait` seconds.
    """
    access = access_or_404(request, public_id)
    refresh_seconds = requested_refresh(request)
    subscription = subscription_of(request, access, refresh_seconds=refresh_seconds)
    number = access.tenant.plan.revision
    revision = revision_text(number, refresh_seconds=refresh_seconds, now=database_time.now())
    wait = request.GET.get("wait", "")
    if not (wait.isascii() and wait.isdecimal()):
        return StreamResponse(subscription, revision, plan_revision=number)
    if revision != request.GET.get("revision", ""):
        return HttpResponse(revision, content_type="text/plain")
    seconds = int(wait[:4])
    response = WaitResponse(subscription, revision, plan_revision=number, seconds=seconds)
    response["Content-Type"] = "text/plain"
    response.content = revision.encode()
    return response


@require(Permission.OPEN_HOME)
@require_GET
@never_cache
def portfolio_revision(request: HttpRequest) -> HttpResponse:
    """The revision of lists of tenants. It changes with every visible change of one of them."""
    return HttpResponse(revision_of_tenants(_shown_tenants(request)), content_type="text/plain")


@require(Permission.OPEN_HOME)
@require_GET
@never_cache
def portfolio_revision_stream(request: HttpRequest) -> HttpResponse:
    subscription = subscription_of(request, recompute_seconds=LIST_SECONDS)
    return StreamResponse(subscription, revision_of_tenants(_shown_tenants(request)))


def _shown_tenants(request: HttpRequest) -> QuerySet[Tenant]:
    """The tenants of the desk with `?page=desk`, else all that the person can see."""
    user = current_user(request)
    return desk_tenants(user) if request.GET.get("page") == "desk" else tenants_for(user)


@login_not_required
@never_cache
@throttled("share-link-revision", "3000/h", methods=("GET",))
@require_GET
def share_link_revision(request: HttpRequest, token: str) -> HttpResponse:
    """The revision of the page of a share link."""
    page = _shared_page(token)
    return HttpResponse(page.revision, content_type="text/plain")


@login_not_required
@never_cache
@throttled("share-link-revision", "3000/h", methods=("GET",))
@require_GET
def share_link_revision_stream(request: HttpRequest, token: str) -> HttpResponse:
    page = _shared_page(token)
    subscription = Subscription(
        owner=f"link:{page.link.pk}",
        tenant_id=page.tenant.pk,
        recompute_seconds=SHARED_SECONDS,
        at_least_seconds=SHARED_AT_LEAST_SECONDS,
    )
    return StreamResponse(subscription, page.revision)


def _shared_page(token: str) -> shared_page.SharedPage:
    state, found = share_links.find(token)
    if found is None or state is not LinkState.OPEN:
        raise Http404("No such link.")
    return shared_page.shared_page_of(found)
