"""The design system: every component in every state, for staff."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
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
                (label, _html(specimen.template, context, request))
                for label, context in specimen.states.items()
            ],
        )
        for specimen in specimens(database_time.now())
    ]
    return render(request, "portfolio/design_show.html", {"components": shown})


def _html(template: str, context: Mapping[str, Any], request: HttpRequest) -> SafeString:
    """The rendered component. A list item is inside a list, as on the pages of the product."""
    html = render_to_string(template, dict(context), request=request)
    if html.lstrip().startswith("<li"):
        return format_html('<ul class="comments">{}</ul>', html)
    return html
