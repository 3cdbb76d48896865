"""The design system: every component in every state, for staff."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET

from onboarding.portfolio.design.specimens import specimens
from tenants import database_time
from tenants.access import require
from tenants.permissions import Permission


@require(Permission.VIEW_DASHBOARD)
@require_GET
def design(request: HttpRequest) -> HttpResponse:
    shown = [
        (
            specimen.component,
            [
                (label, render_to_string(specimen.template, dict(context), request=request))
                for label, context in specimen.states.items()
            ],
        )
        for specimen in specimens(database_time.now())
    ]
    return render(request, "portfolio/design_show.html", {"components": shown})
