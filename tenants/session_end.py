"""A form that is sent after its session has ended: back to the page of the form, after sign-in.

`static/js/drafts.js` preserves the typed text in the tab.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseRedirectBase
from django_htmx.http import HttpResponseClientRedirect

SESSION_ENDED = (
    "Your session has ended, and nothing was changed. Sign in to return to the page. Your changes "
    "are then in the form again."
)
_READING = ("GET", "HEAD", "OPTIONS", "TRACE")


class SessionEndMiddleware(LoginRequiredMiddleware):
    """Django's sign-in rule. The address of a form is no page, so it cannot be the next one."""

    def handle_no_permission(  # type: ignore[override]  # also a redirect of htmx
        self, request: HttpRequest, view_func: Any
    ) -> HttpResponseRedirectBase:
        """Redirect to the sign-in page, which returns to the page of the form.

        htmx follows a redirect inside the page. `HX-Redirect` replaces the whole page.
        """
        if request.method in _READING:
            return super().handle_no_permission(request, view_func)
        page = _page_of_form(request)
        if page:
            messages.warning(request, SESSION_ENDED)
        response = redirect_to_login(
            page or "/",
            self.get_login_url(view_func),
            self.get_redirect_field_name(view_func),
        )
        if request.headers.get("HX-Request") != "true":
            return response
        return HttpResponseClientRedirect(response.url)


def _page_of_form(request: HttpRequest) -> str:
    """Return the address of the page that sent the form, "" if it is not a page of this site."""
    sender = urlsplit(request.headers.get("HX-Current-URL") or request.headers.get("Referer", ""))
    if sender.netloc != request.get_host() or not sender.path.startswith("/"):
        return ""
    # Two slashes at the start would be the address of another site.
    path = f"/{sender.path.lstrip('/')}"
    return f"{path}?{sender.query}" if sender.query else path
