"""The responses of the files of lists, for the dashboard and the list of tenants."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from onboarding.plans.tenant_page import current_user, show
from onboarding.portfolio import list_exports
from onboarding.portfolio.export_formats import MEDIA_TYPES
from onboarding.portfolio.list_exports import ExportRequest, ListFile
from onboarding.portfolio.tasks import queue_list_file


def file_response(request: HttpRequest, kind: str, ending: str) -> HttpResponseBase:
    """The complete list as a file; for many tenants, the progress of the worker before it."""
    query = request.GET.copy()
    query.pop("format", None)
    wanted = ExportRequest(current_user(request), kind, query.urlencode(), ending)
    tenants = wanted.tenants
    if list_exports.is_sent_at_once(tenants):
        return streamed(
            list_exports.file_chunks(wanted.list, tenants, ending, user=wanted.user),
            wanted.file_name,
            ending,
        )
    total = tenants.count()
    queue_list_file(wanted, total=total)
    made = list_exports.export_of(wanted) or ListFile(0, total)
    # An open page shows the link to the file, and cannot download it.
    if made.content and not getattr(request, "htmx", False):
        return _named(HttpResponse(made.content), wanted.file_name, ending)
    context = {"export": made, "title": wanted.list.title, "ending": ending}
    return show(request, "portfolio/list_export.html", "export", context)


def streamed(chunks: Iterator[bytes], file_name: str, ending: str) -> HttpResponseBase:
    return _named(StreamingHttpResponse(chunks), file_name, ending)


def _named(response: HttpResponseBase, file_name: str, ending: str) -> HttpResponseBase:
    response["Content-Type"] = MEDIA_TYPES[ending]
    response["Content-Disposition"] = f'attachment; filename="{file_name}"'
    return response
