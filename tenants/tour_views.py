"""The tour: a page with all steps, the dialog of scripts, and its end."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET, require_POST

from tenants import tours
from tenants.access import require
from tenants.models import User
from tenants.permissions import Permission


@require(Permission.OPEN_HOME)
@require_GET
def tour(request: HttpRequest) -> HttpResponse:
    """The steps of the person's role. A script gets them as a dialog."""
    role = tours.tour_role(cast(User, request.user))
    is_dialog = bool(getattr(request, "htmx", False))
    template = "tenants/tour.html#dialog" if is_dialog else "tenants/tour.html"
    response = render(request, template, {"steps": tours.tours()[role]})
    patch_vary_headers(response, ["HX-Request"])
    return response


@require(Permission.OPEN_HOME)
@require_POST
def tour_end(request: HttpRequest) -> HttpResponse:
    """Remember that the person finished or skipped the tour, and return to the home page."""
    tours.end_tour(cast(User, request.user))
    return redirect("onboarding:home")
