"""URLs of webhooks: the same views for one tenant and for all tenants."""

from __future__ import annotations

import functools
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding.webhooks import views
from tenants.access import require
from tenants.permissions import Permission
from tenants.throttle import throttled

View = Callable[..., HttpResponse]
_post_or_get = require_http_methods(["GET", "POST"])
# The path below webhooks/, the name, and the view.
_ADDRESSES: list[tuple[str, str, View]] = [
    ("", "webhooks", _post_or_get(throttled(*views.CREATE_LIMIT)(views.webhooks))),
    ("<str:webhook_id>/", "webhook-show", require_GET(views.webhook_show)),
    (
        "<str:webhook_id>/test/",
        "webhook-test",
        require_POST(throttled(*views.TEST_LIMIT)(views.webhook_test)),
    ),
    ("<str:webhook_id>/rotate/", "webhook-rotate", require_POST(views.webhook_rotate)),
    ("<str:webhook_id>/pause/", "webhook-pause", require_POST(views.webhook_pause)),
    ("<str:webhook_id>/remove/", "webhook-remove", require_POST(views.webhook_remove)),
    (
        "<str:webhook_id>/messages/<str:message_id>/redeliver/",
        "webhook-redeliver",
        require_POST(throttled(*views.REDELIVER_LIMIT)(views.webhook_redeliver)),
    ),
]


def _of_all_tenants(view: View) -> View:
    """The view with parameters that begin with `common_`, because they identify other objects."""

    @functools.wraps(view)
    def adapted(request: HttpRequest, **ids: str) -> HttpResponse:
        return view(request, **{name.removeprefix("common_"): value for name, value in ids.items()})

    return adapted


urlpatterns = [
    path(
        f"webhooks/{below.replace('<str:', '<str:common_')}",
        require(Permission.MANAGE_ALL_WEBHOOKS)(_of_all_tenants(view)),
        name=f"all-{name}",
    )
    for below, name, view in _ADDRESSES
]
# Below t/<public_id>/, the tenant.
tenant_urlpatterns = [
    path(f"webhooks/{below}", require(Permission.MANAGE_WEBHOOKS)(view), name=name)
    for below, name, view in _ADDRESSES
]
