"""Pages of webhooks. Each view serves one tenant or, without `public_id`, all tenants.

`urls` adds the permission of each.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers

from onboarding.error_responses import errors_as_message, errors_on_form
from onboarding.plans.tenant_page import current_user, load_page
from onboarding.webhooks import queries
from onboarding.webhooks.forms import WebhookForm
from tenants.access import tenant_or_404
from tenants.models import Tenant, Webhook, WebhookMessage
from tenants.tokens import site_url
from tenants.webhooks import services
from tenants.webhooks.delivery import owner_may_manage
from tenants.webhooks.tasks import path_of

# The API shares the counts.
CREATE_LIMIT = ("webhook", "60/h")
TEST_LIMIT = ("webhook-test", "60/h")
REDELIVER_LIMIT = ("webhook-redeliver", "600/h")


def webhooks(request: HttpRequest, public_id: str = "") -> HttpResponse:
    """The list, and the form of a new webhook. The response to the form shows its secret once."""
    tenant = _tenant(request, public_id)
    form = WebhookForm(request.POST or None)
    if form.is_valid():
        with errors_on_form(form, "secret_address"):
            made, secret = services.create_webhook(
                tenant, form.entry(), site=site_url(request), by=current_user(request)
            )
            return _show_secret(request, made, secret)
    context = {"form": form, "webhooks": list(queries.webhooks_of(tenant))}
    return _render(request, tenant, "webhooks/webhook_list.html", context, bool(form.errors))


def webhook_show(request: HttpRequest, webhook_id: str, public_id: str = "") -> HttpResponse:
    """The webhook with its delivery log."""
    webhook = _webhook(request, public_id, webhook_id)
    context = {
        "webhook": webhook,
        "path": path_of(webhook),
        "log": list(queries.messages_of(webhook)[: queries.SHOWN_MESSAGES]),
        "shown_messages": queries.SHOWN_MESSAGES,
        "may_owner_manage": owner_may_manage(webhook),
        "event_labels": [e.label for e in services.SUBSCRIBABLE if e.value in webhook.events],
    }
    return _render(request, webhook.tenant, "webhooks/webhook_show.html", context)


def webhook_test(request: HttpRequest, webhook_id: str, public_id: str = "") -> HttpResponse:
    webhook = _webhook(request, public_id, webhook_id)
    with errors_as_message(request):
        services.send_test(webhook)
        messages.success(request, "The test message is on its way. Reload the page for its result.")
    return redirect(path_of(webhook))


def webhook_rotate(request: HttpRequest, webhook_id: str, public_id: str = "") -> HttpResponse:
    webhook = _webhook(request, public_id, webhook_id)
    secret = services.rotate_secret(webhook, by=current_user(request))
    return _show_secret(request, webhook, secret, is_rotation=True)


def webhook_pause(request: HttpRequest, webhook_id: str, public_id: str = "") -> HttpResponse:
    """Pause the webhook or, with `resume`, resume it."""
    webhook, by = _webhook(request, public_id, webhook_id), current_user(request)
    if "resume" in request.POST:
        services.resume(webhook, by=by)
    else:
        services.pause(webhook, by=by)
    return redirect(path_of(webhook))


def webhook_remove(request: HttpRequest, webhook_id: str, public_id: str = "") -> HttpResponse:
    webhook = _webhook(request, public_id, webhook_id)
    services.remove(webhook, by=current_user(request))
    messages.success(request, f"The webhook {webhook} is removed.")
    return redirect(_list_path(webhook.tenant))


def webhook_redeliver(
    request: HttpRequest, webhook_id: str, message_id: str, public_id: str = ""
) -> HttpResponse:
    webhook = _webhook(request, public_id, webhook_id)
    message = get_object_or_404(WebhookMessage, webhook=webhook, public_id=message_id)
    services.redeliver(message)
    messages.success(request, "Gangway sends the message again. Its id remains the same.")
    return redirect(path_of(webhook))


def _tenant(request: HttpRequest, public_id: str) -> Tenant | None:
    return tenant_or_404(request, public_id) if public_id else None


def _webhook(request: HttpRequest, public_id: str, webhook_id: str) -> Webhook:
    tenant = _tenant(request, public_id)
    return get_object_or_404(queries.webhooks_of(tenant), public_id=webhook_id)


def _list_path(tenant: Tenant | None) -> str:
    if tenant is None:
        return reverse("onboarding:all-webhooks")
    return reverse("onboarding:webhooks", args=[tenant.public_id])


def _show_secret(
    request: HttpRequest, webhook: Webhook, secret: str, *, is_rotation: bool = False
) -> HttpResponse:
    """Show the secret once, in this response: Gangway stores it encrypted."""
    context = {
        "webhook": webhook,
        "secret": secret,
        "is_rotation": is_rotation,
        "show_path": path_of(webhook),
        "overlap_hours": int(services.OVERLAP.total_seconds() // 3600),
    }
    response = _render(request, webhook.tenant, "webhooks/webhook_secret.html", context)
    add_never_cache_headers(response)
    return response


def _render(
    request: HttpRequest,
    tenant: Tenant | None,
    template: str,
    context: dict[str, Any],
    is_refused: bool = False,
) -> HttpResponse:
    page = load_page(request, tenant.public_id) if tenant is not None else None
    # The names of the addresses of all tenants begin with `all-`.
    shared = {"page": page, "tab": "people", "tenant": tenant, "list_path": _list_path(tenant)}
    return render(request, template, shared | context, status=422 if is_refused else 200)
