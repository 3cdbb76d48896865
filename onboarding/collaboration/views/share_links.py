"""Creating and revoking share links."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from onboarding.collaboration import share_links
from onboarding.collaboration.forms import ShareLinkForm
from onboarding.error_responses import errors_on_form, form_page
from onboarding.models import Task
from onboarding.plans.tenant_page import current_user, load_page
from tenants.access import require, tenant_or_404
from tenants.models import Domain
from tenants.permissions import Permission
from tenants.throttle import throttled
from tenants.tokens import site_url


@require(Permission.SHARE)
@require_POST
@never_cache
@throttled("share-link", "60/h")
def task_share(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    task = get_object_or_404(Task, plan=tenant.plan, public_id=task_id)
    return _create(request, public_id, task)


@require(Permission.SHARE)
@require_POST
@never_cache
@throttled("share-link", "60/h")
def domain_share(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    domain_id = request.POST.get("domain", "")
    domain = get_object_or_404(Domain, tenant=tenant, public_id=domain_id)
    return _create(request, public_id, domain)


def _create(request: HttpRequest, public_id: str, subject: Task | Domain) -> HttpResponse:
    """Show the link once, in this response: the token is not stored."""
    page = load_page(request, public_id)
    form = ShareLinkForm(request.POST)
    if form.is_valid():
        with errors_on_form(form):
            made, token = share_links.create_share_link(
                page.plan, subject, **form.cleaned_data, by=current_user(request)
            )
            link = site_url(request) + reverse("onboarding:share-link", args=[token])
            context = {"page": page, "tab": "people", "made": made, "link": link}
            return render(request, "collaboration/share_link_created.html", context)
    return form_page(
        request,
        form,
        title=f"Share link for {subject}",
        about=str(page.tenant),
        button="Create link",
        back=reverse("onboarding:people", args=[public_id]),
        domain=subject.public_id if isinstance(subject, Domain) else None,
    )


@require(Permission.SHARE)
@require_POST
def share_link_revoke(request: HttpRequest, public_id: str, share_link_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    made = get_object_or_404(share_links.share_links_of(tenant), public_id=share_link_id)
    share_links.revoke(made, by=current_user(request))
    messages.success(request, f"The link for {made.recipient} no longer works.")
    return redirect("onboarding:people", public_id=public_id)
