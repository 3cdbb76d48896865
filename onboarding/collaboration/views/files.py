"""Evidence files, and downloads with headers against active content."""

from __future__ import annotations

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET, require_POST

from onboarding.collaboration import evidence_files, file_store
from onboarding.collaboration.forms import EvidenceFileForm
from onboarding.collaboration.uploads import was_too_large
from onboarding.error_responses import errors_on_form
from onboarding.models import Task
from onboarding.plans.tenant_page import current_user
from onboarding.plans.views.tasks import back_to_plan, task_form_page
from tenants.access import require, tenant_or_404
from tenants.permissions import Permission
from tenants.throttle import throttled
from tenants.visible_text import visible


def send_file(stored_as: str, *, name: str, content_type: str) -> FileResponse:
    """A download. Browsers save and never display it, so its content cannot run on our origin."""
    path = file_store.path_of(stored_as)
    if not path.is_file():
        raise Http404("No such file.")
    response = FileResponse(
        path.open("rb"), as_attachment=True, filename=visible(name), content_type=content_type
    )
    response["Content-Security-Policy"] = "sandbox; default-src 'none'; frame-ancestors 'none'"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response


def _task(request: HttpRequest, public_id: str, task_id: str) -> Task:
    tenant = tenant_or_404(request, public_id)
    tasks = Task.objects.select_related("plan__tenant", "phase")
    return get_object_or_404(tasks, plan__tenant=tenant, public_id=task_id)


@require(Permission.ADD_FILE)
@require_POST
@throttled("file-add", "120/h")
def file_add(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    task = _task(request, public_id, task_id)
    upload = request.FILES.get("file")
    form = EvidenceFileForm(request.POST, request.FILES)
    with errors_on_form(form, "file") as attempt:
        stored = evidence_files.add_file(
            task,
            upload if isinstance(upload, UploadedFile) else None,
            was_too_large=was_too_large(request),
            by=current_user(request),
        )
        messages.success(request, f"{stored.name} was added to “{task.title}”.")
        return back_to_plan(request, task.plan.tenant, task)
    evidence_files.log_refusal(task, str(attempt.error), by=current_user(request))
    return task_form_page(request, task.plan.tenant, task, form, "Attach evidence")


@require(Permission.VIEW)
@require_GET
def file_show(request: HttpRequest, public_id: str, task_id: str, file_id: str) -> HttpResponseBase:
    task = _task(request, public_id, task_id)
    kept = get_object_or_404(task.files, public_id=file_id)
    return send_file(kept.stored_as, name=kept.name, content_type=kept.content_type)
