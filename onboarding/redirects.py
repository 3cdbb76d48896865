"""Former addresses of pages. E-mails that were already sent and bookmarks contain them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from django.http import HttpRequest, HttpResponsePermanentRedirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_GET

from tenants.access import require

# Former path below t/<public_id>/: URL name of the page today. Parameters have today's names.
MOVED_IN_TENANT = {
    "watch/": "monitoring",
    "steps/": "my-tasks",
    "own-steps/": "custom-task-add",
    "tasks/<str:task_id>/own/": "custom-task-edit",
    "dates/": "schedule",
    "leaving/": "offboarding",
    "packs/<str:closing_pack_id>/": "closing-pack-show",
    "version/": "plan-upgrade",
    "sheets/<str:sheet_id>/": "requirements-sheet",
    "sheets/<str:sheet_id>/export/": "requirements-export",
    "sheets/<str:sheet_id>/imports/": "requirements-import",
    "sheets/<str:sheet_id>/imports/<str:import_id>/": "requirements-import-show",
    "cutovers/<str:cutover_id>/plan/": "cutover-edit",
    "cutovers/<str:cutover_id>/changes/": "change-sheet",
    "cutovers/<str:cutover_id>/record/": "cutover-timeline",
    "cutovers/<str:cutover_id>/pre-flight/": "preflight",
    "cutovers/<str:cutover_id>/rehearse/": "dry-run-create",
    "cutovers/<str:cutover_id>/rehearsals/<str:dry_run_id>/": "dry-run-show",
    "checks/<str:check_id>/message/": "test-message",
}
MOVED = {
    "people/log/": "audit-log",
    "templates/draft/steps/": "template-task-add",
    "templates/draft/steps/<str:key>/": "template-task",
}


def redirects(moved: Mapping[str, str], pages: Iterable[URLPattern]) -> Iterator[URLPattern]:
    """One pattern for each former path. The redirect needs the permission of its page."""
    targets = {page.name: page for page in pages}
    for old_path, name in moved.items():
        permission = targets[name].callback.__dict__["permission"]
        yield path(old_path, require(permission)(_redirect_to(name)), name=f"moved-{name}")


def _redirect_to(name: str) -> Callable[..., HttpResponsePermanentRedirect]:
    @require_GET
    def redirect(request: HttpRequest, **params: str) -> HttpResponsePermanentRedirect:
        address = reverse(f"onboarding:{name}", kwargs=params)
        query = request.META.get("QUERY_STRING", "")
        return HttpResponsePermanentRedirect(f"{address}?{query}" if query else address)

    return redirect
