"""Pages that edit the tasks and phases of the draft."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from onboarding.error_responses import errors_as_message, errors_on_form
from onboarding.errors import ConflictingChange
from onboarding.models import TemplateDraft
from onboarding.plan_templates import draft_content, drafts
from onboarding.plan_templates.content import Content
from onboarding.plan_templates.draft_content import DraftTask
from onboarding.plan_templates.forms import PhaseForm, SourceForm, initial_of_phase
from onboarding.plan_templates.task_forms import TaskForms
from onboarding.plan_templates.views.versions import no_draft
from onboarding.plans.tenant_page import current_user
from tenants.access import require
from tenants.permissions import Permission


@require(Permission.EDIT_TEMPLATES)
@require_http_methods(["GET", "POST"])
def task_add(request: HttpRequest) -> HttpResponse:
    draft = drafts.current_draft()
    return no_draft(request) if draft is None else _edit_task(request, draft, None)


@require(Permission.EDIT_TEMPLATES)
@require_http_methods(["GET", "POST"])
def task_edit(request: HttpRequest, key: str) -> HttpResponse:
    draft = drafts.current_draft()
    if draft is None:
        return no_draft(request)
    found = draft_content.find(draft.content, key)
    if found is None:
        messages.error(request, "The task is no longer in the draft.")
        return redirect("onboarding:template-draft")
    return _edit_task(request, draft, found)


def _edit_task(request: HttpRequest, draft: TemplateDraft, found: DraftTask | None) -> HttpResponse:
    data = request.POST if request.method == "POST" else None
    page = TaskForms(draft, found, data, phase=request.GET.get("phase", ""))
    if request.method == "POST" and page.is_valid():
        key = _save_task(request, page)
        if key:
            return to_draft(key)
    status = 422 if request.method == "POST" else 200
    context = {"page": page, "form": page.form, "draft": draft, "found": found}
    return render(request, "plan_templates/task_edit.html", context, status=status)


def _save_task(request: HttpRequest, page: TaskForms) -> str:
    """The key of the saved task; empty if the form has errors."""
    form = page.form
    with errors_on_form(form) as attempt:
        return drafts.save_task(
            page.entry(),
            phase=form.cleaned_data["phase"],
            key=page.key,
            expected=form.cleaned_data["expected"],
            by=current_user(request),
        )
    if isinstance(attempt.error, ConflictingChange):
        form.show_conflict(page.mark)
    return ""


def to_draft(key: str = "") -> HttpResponse:
    response = redirect("onboarding:template-draft")
    response["Location"] += f"#{key}" if key else ""
    return response


@require(Permission.EDIT_TEMPLATES)
@require_POST
def task_move(request: HttpRequest, key: str) -> HttpResponse:
    up = _direction(request)
    return _do(request, lambda: drafts.move_task(key, up=up, by=current_user(request)), key)


@require(Permission.EDIT_TEMPLATES)
@require_POST
def task_remove(request: HttpRequest, key: str) -> HttpResponse:
    return _do(request, lambda: drafts.remove_task(key, by=current_user(request)))


def _direction(request: HttpRequest) -> bool:
    return request.POST.get("direction") == "up"


def _do(request: HttpRequest, change: Callable[[], None], key: str = "") -> HttpResponse:
    with errors_as_message(request) as attempt:
        change()
    if isinstance(attempt.error, drafts.DraftNotFound):
        return redirect("onboarding:template-list")
    return to_draft(key)


# --- Phases


@require(Permission.EDIT_TEMPLATES)
@require_http_methods(["GET", "POST"])
def phase_add(request: HttpRequest) -> HttpResponse:
    draft = drafts.current_draft()
    return no_draft(request) if draft is None else _edit_phase(request, {}, "")


@require(Permission.EDIT_TEMPLATES)
@require_http_methods(["GET", "POST"])
def phase_edit(request: HttpRequest, key: str) -> HttpResponse:
    draft = drafts.current_draft()
    if draft is None:
        return no_draft(request)
    phase = next((each for each in draft.content["phases"] if each["key"] == key), None)
    if phase is None:
        raise Http404("The draft has no such phase.")
    return _edit_phase(request, phase, key)


def _edit_phase(request: HttpRequest, phase: Content, key: str) -> HttpResponse:
    mark = drafts.fingerprint(phase, key) if key else ""
    form = PhaseForm(request.POST or None, initial={**initial_of_phase(phase), "expected": mark})
    if request.method == "POST" and form.is_valid():
        with errors_on_form(form):
            made = drafts.save_phase(
                form.texts(),
                key=key,
                expected=form.cleaned_data["expected"],
                by=current_user(request),
            )
            return to_draft(made)
        form.show_conflict(mark)
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "phase": phase}
    return render(request, "plan_templates/phase_edit.html", context, status=status)


@require(Permission.EDIT_TEMPLATES)
@require_POST
def phase_move(request: HttpRequest, key: str) -> HttpResponse:
    up = _direction(request)
    return _do(request, lambda: drafts.move_phase(key, up=up, by=current_user(request)), key)


@require(Permission.EDIT_TEMPLATES)
@require_POST
def phase_remove(request: HttpRequest, key: str) -> HttpResponse:
    return _do(request, lambda: drafts.remove_phase(key, by=current_user(request)))


# --- Sources


@require(Permission.EDIT_TEMPLATES)
@require_http_methods(["GET", "POST"])
def source_add(request: HttpRequest) -> HttpResponse:
    draft = drafts.current_draft()
    return no_draft(request) if draft is None else _edit_source(request, {}, "")


@require(Permission.EDIT_TEMPLATES)
@require_http_methods(["GET", "POST"])
def source_edit(request: HttpRequest, key: str) -> HttpResponse:
    draft = drafts.current_draft()
    if draft is None:
        return no_draft(request)
    source = draft.content.get("sources", {}).get(key)
    if source is None:
        raise Http404("The draft has no such source.")
    return _edit_source(request, source, key)


def _edit_source(request: HttpRequest, source: Content, key: str) -> HttpResponse:
    mark = drafts.fingerprint(source, key) if key else ""
    form = SourceForm(request.POST or None, initial={**source, "expected": mark}, key=key)
    if request.method == "POST" and form.is_valid():
        # A stored source always has a fingerprint, so an empty one is out of date.
        expected = (form.cleaned_data["expected"] or "none") if key else ""
        with errors_on_form(form):
            drafts.save_source(
                form.source(),
                key=form.cleaned_data["key"],
                expected=expected,
                by=current_user(request),
            )
            return to_draft("sources")
        form.show_conflict(mark)
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "source": source, "key": key}
    return render(request, "plan_templates/source_edit.html", context, status=status)


@require(Permission.EDIT_TEMPLATES)
@require_POST
def source_remove(request: HttpRequest, key: str) -> HttpResponse:
    return _do(request, lambda: drafts.remove_source(key, by=current_user(request)), "sources")
