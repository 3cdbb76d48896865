"""The home page of a closed implementation, at the address of My tasks."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from onboarding.lifecycle.closing_record import closing_record
from onboarding.monitoring.baseline import monitoring_status
from onboarding.monitoring.monitored_checks import monitored_kinds
from onboarding.plans.tenant_page import TenantPage, show
from tenants import database_time


def closed_home(request: HttpRequest, page: TenantPage) -> HttpResponse:
    status = monitoring_status(page.tenant)
    is_monitored = status.started_at is not None and not status.is_stopped
    tasks = [row.task for row in page.rows]
    context = {
        "page": page,
        "tab": "client-tasks",
        "record": closing_record(page.tenant, tasks, now=database_time.now()),
        "monitoring": status,
        "kinds": monitored_kinds(page) if is_monitored else [],
        "is_monitored": is_monitored,
    }
    return show(request, "portfolio/closed_home.html", "closed-home", context)
