"""The page of the living workers, for administrators."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from checks import reactions, workers
from checks.models import Worker
from tenants import database_time, event_counts, outbox
from tenants.access import require
from tenants.permissions import Permission


@require(Permission.MANAGE_STAFF)
@require_GET
def worker_list(request: HttpRequest) -> HttpResponse:
    """Every worker with its last report, and the due checks of each vantage."""
    now = database_time.now()
    context = {
        "workers": Worker.objects.all(),
        "alive_since": now - workers.ALIVE_FOR,
        "loads": workers.loads(now=now),
        "outbox": outbox.state(),
        "events": event_counts.stored(),
        "late_reactions": len(reactions.tenants_to_repeat(now=now)),
    }
    return render(request, "portfolio/worker_list.html", context)
