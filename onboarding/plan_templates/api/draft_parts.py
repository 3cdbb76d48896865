"""Endpoints of the tasks, phases and sources of the draft of the plan template."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.error_responses import problem_of_forms
from onboarding.models import TemplateDraft
from onboarding.plan_templates import draft_content, drafts
from onboarding.plan_templates.api.draft import DraftsView
from onboarding.plan_templates.api.part_serializers import (
    DraftPhaseChangeInput,
    DraftPhaseInput,
    DraftPhaseSerializer,
    DraftSourceChangeInput,
    DraftSourceInput,
    DraftSourceSerializer,
    DraftTaskChangeInput,
    DraftTaskInput,
    DraftTaskSerializer,
    MoveInput,
)
from onboarding.plan_templates.content import Content
from onboarding.plan_templates.draft_content import DraftTask
from onboarding.plan_templates.forms import PhaseForm, SourceForm, initial_of_phase
from onboarding.plan_templates.task_forms import forms_of, refuse_other_conditions, values_of
from tenants.permissions import Permission
from tenants.rest.problems import ApiError
from tenants.rest.serializers import ResourceSerializer
from tenants.rest.versions import check_precondition

# The names of the form's fields in the API.
_API_NAMES = {
    "fields_text": "fields",
    "runbooks_text": "runbooks",
    "gate": "is_hard_gate",
    "optional": "is_optional",
    "per_domain": "is_per_domain",
}
_PART = {
    "GET": Permission.EDIT_TEMPLATES,
    "PATCH": Permission.EDIT_TEMPLATES,
    "DELETE": Permission.EDIT_TEMPLATES,
}


class _PartsView(DraftsView):
    """The common part of the endpoints of tasks, phases and sources."""

    def answer_with_part(self, values: Content, mark: str, *, status: int = 200) -> Response:
        response = Response(self.represent(values), status=status)
        response["ETag"] = f'"{mark}"'
        return response

    def require_mark(self, mark: str, values: Content) -> None:
        """Raise 428 or 412 unless If-Match has this fingerprint."""
        check_precondition(self.request, f'"{mark}"', lambda: self.represent(values))


class _MoveView(DraftsView):
    permissions = {"POST": Permission.EDIT_TEMPLATES}
    inputs = {"POST": MoveInput}
    versioned = frozenset({"POST"})

    def move(self, key: str, service: Callable[..., None]) -> Response:
        self.require_draft(self.load_draft())
        is_up = self.validated(MoveInput)["direction"] == "up"
        service(key, up=is_up, by=self.user)
        return self.answer_with_draft()


# --- Tasks


def _task_of(draft: TemplateDraft, key: str) -> DraftTask:
    found = draft_content.find(draft.content, key)
    if found is None:
        raise Http404("The draft has no such task.")
    return found


def _values_of_task(found: DraftTask) -> Content:
    return values_of(found.entry, found.phase["key"]) | {"key": found.key}


def _mark_of_task(found: DraftTask) -> str:
    return drafts.fingerprint(found.entry, found.phase["key"])


class _TasksView(_PartsView):
    serializer_class: type[ResourceSerializer] = DraftTaskSerializer

    def save(self, found: DraftTask | None, values: Content) -> str:
        """Store the task by the form of the page. Returns its key."""
        entered = forms_of(self.load_draft(), found, values)
        if not entered.is_valid():
            forms = (entered.form, *entered.applies.forms, *entered.required.forms)
            raise _with_names_of_api(problem_of_forms(*forms))
        refuse_other_conditions(entered, values)
        try:
            return drafts.save_task(
                entered.entry(),
                phase=entered.form.cleaned_data["phase"],
                key=entered.key,
                expected=entered.mark,
                by=self.user,
            )
        except drafts.InvalidDraft as error:
            error.field = _API_NAMES.get(error.field, error.field)
            raise

    def answer(self, key: str, *, status: int = 200) -> Response:
        found = _task_of(self.load_draft(), key)
        return self.answer_with_part(_values_of_task(found), _mark_of_task(found), status=status)


def _with_names_of_api(error: ApiError) -> ApiError:
    """The error with the names of the API's fields."""
    names = {"applies": "applies_when", "required": "required_when"} | _API_NAMES
    error.errors = {
        names.get(head, head) + dot + rest: sentences
        for name, sentences in error.errors.items()
        for head, dot, rest in [name.partition(".")]
    }
    return error


class DraftTaskListView(_TasksView):
    permissions = {"POST": Permission.EDIT_TEMPLATES}
    inputs = {"POST": DraftTaskInput}
    statuses = {"POST": 201}

    def post(self, request: Request) -> Response:
        """Add a task to the draft, at the end of its group or phase."""
        self.load_draft()
        values = values_of({"responsibility": "both", "stated": True}, "")
        key = self.save(None, values | self.validated(DraftTaskInput))
        return self.answer(key, status=201)


class DraftTaskView(_TasksView):
    permissions = _PART
    inputs = {"PATCH": DraftTaskChangeInput}
    statuses = {"DELETE": 204}
    versioned = frozenset({"PATCH", "DELETE"})

    def load(self, task_key: str) -> DraftTask:
        return _task_of(self.load_draft(), task_key)

    def require_task(self, found: DraftTask) -> None:
        self.require_mark(_mark_of_task(found), _values_of_task(found))

    def get(self, request: Request, task_key: str) -> Response:
        """One task of the draft, with its ETag."""
        return self.answer(task_key)

    def patch(self, request: Request, task_key: str) -> Response:
        """Change a task of the draft."""
        found = self.load(task_key)
        self.require_task(found)
        stored = values_of(found.entry, found.phase["key"])
        return self.answer(self.save(found, stored | self.validated(DraftTaskChangeInput)))

    def delete(self, request: Request, task_key: str) -> Response:
        """Remove a task from the draft, and from the dependencies of other tasks."""
        self.require_task(self.load(task_key))
        drafts.remove_task(task_key, by=self.user)
        return Response(status=204)


class DraftTaskMoveView(_MoveView):
    def post(self, request: Request, task_key: str) -> Response:
        """Move a task one place up or down. If-Match has the ETag of the draft."""
        _task_of(self.load_draft(), task_key)
        return self.move(task_key, drafts.move_task)


# --- Phases


def _phase_of(draft: TemplateDraft, key: str) -> Content:
    for phase in draft.content["phases"]:
        if phase["key"] == key:
            return drafts.dict_of(phase)
    raise Http404("The draft has no such phase.")


def _values_of_phase(phase: Content) -> Content:
    return {"summary_source": [], **phase}


class _PhasesView(_PartsView):
    serializer_class: type[ResourceSerializer] = DraftPhaseSerializer

    def save(self, key: str, values: Content, mark: str) -> str:
        form = PhaseForm(initial_of_phase(values))
        if not form.is_valid():
            raise problem_of_forms(form)
        return drafts.save_phase(form.texts(), key=key, expected=mark, by=self.user)

    def answer(self, key: str, *, status: int = 200) -> Response:
        phase = _phase_of(self.load_draft(), key)
        values = _values_of_phase(phase)
        return self.answer_with_part(values, drafts.fingerprint(phase, key), status=status)


class DraftPhaseListView(_PhasesView):
    permissions = {"POST": Permission.EDIT_TEMPLATES}
    inputs = {"POST": DraftPhaseInput}
    statuses = {"POST": 201}

    def post(self, request: Request) -> Response:
        """Add a phase at the end of the draft."""
        self.load_draft()
        return self.answer(self.save("", self.validated(DraftPhaseInput), ""), status=201)


class DraftPhaseView(_PhasesView):
    permissions = _PART
    inputs = {"PATCH": DraftPhaseChangeInput}
    statuses = {"DELETE": 204}
    versioned = frozenset({"PATCH", "DELETE"})

    def require_phase(self, phase_key: str) -> tuple[Content, str]:
        """The phase and its fingerprint."""
        phase = _phase_of(self.load_draft(), phase_key)
        mark = drafts.fingerprint(phase, phase_key)
        self.require_mark(mark, _values_of_phase(phase))
        return phase, mark

    def get(self, request: Request, phase_key: str) -> Response:
        """One phase of the draft, with its ETag."""
        return self.answer(phase_key)

    def patch(self, request: Request, phase_key: str) -> Response:
        """Change the title, the summary or the sources of a phase."""
        phase, mark = self.require_phase(phase_key)
        names = ("title", "summary", "summary_source")
        stored = {name: _values_of_phase(phase)[name] for name in names}
        values = stored | self.validated(DraftPhaseChangeInput)
        return self.answer(self.save(phase_key, values, mark))

    def delete(self, request: Request, phase_key: str) -> Response:
        """Remove a phase without tasks."""
        self.require_phase(phase_key)
        drafts.remove_phase(phase_key, by=self.user)
        return Response(status=204)


class DraftPhaseMoveView(_MoveView):
    def post(self, request: Request, phase_key: str) -> Response:
        """Move a phase one place up or down. If-Match has the ETag of the draft."""
        _phase_of(self.load_draft(), phase_key)
        return self.move(phase_key, drafts.move_phase)


# --- Sources


def _source_of(draft: TemplateDraft, key: str) -> Content:
    found: Any = draft.content.get("sources", {}).get(key)
    if found is None:
        raise Http404("The draft has no such source.")
    return drafts.dict_of(found)


class _SourcesView(_PartsView):
    serializer_class: type[ResourceSerializer] = DraftSourceSerializer

    def save(self, key: str, values: Content, mark: str) -> str:
        form = SourceForm(values, key=key)
        if not form.is_valid():
            raise problem_of_forms(form)
        made = form.cleaned_data["key"]
        return drafts.save_source(form.source(), key=made, expected=mark, by=self.user)

    def answer(self, key: str, *, status: int = 200) -> Response:
        source = _source_of(self.load_draft(), key)
        mark = drafts.fingerprint(source, key)
        return self.answer_with_part(source | {"key": key}, mark, status=status)


class DraftSourceListView(_SourcesView):
    permissions = {"POST": Permission.EDIT_TEMPLATES}
    inputs = {"POST": DraftSourceInput}
    statuses = {"POST": 201}

    def post(self, request: Request) -> Response:
        """Add a source, which steps of instructions can name."""
        self.load_draft()
        return self.answer(self.save("", self.validated(DraftSourceInput), ""), status=201)


class DraftSourceView(_SourcesView):
    permissions = _PART
    inputs = {"PATCH": DraftSourceChangeInput}
    statuses = {"DELETE": 204}
    versioned = frozenset({"PATCH", "DELETE"})

    def require_source(self, source_key: str) -> tuple[Content, str]:
        """The source and its fingerprint."""
        source = _source_of(self.load_draft(), source_key)
        mark = drafts.fingerprint(source, source_key)
        self.require_mark(mark, source | {"key": source_key})
        return source, mark

    def get(self, request: Request, source_key: str) -> Response:
        """One source of the draft, with its ETag."""
        return self.answer(source_key)

    def patch(self, request: Request, source_key: str) -> Response:
        """Change a source. Its key remains."""
        source, mark = self.require_source(source_key)
        values = source | self.validated(DraftSourceChangeInput)
        return self.answer(self.save(source_key, values | {"url": values["url"] or ""}, mark))

    def delete(self, request: Request, source_key: str) -> Response:
        """Remove a source that no step names."""
        self.require_source(source_key)
        drafts.remove_source(source_key, by=self.user)
        return Response(status=204)


_DRAFT = "plan-templates/draft"
_TASK, _PHASE = f"{_DRAFT}/tasks/<str:task_key>", f"{_DRAFT}/phases/<str:phase_key>"
urlpatterns = [
    path(f"{_DRAFT}/tasks/", DraftTaskListView.as_view(), name="template-tasks"),
    path(f"{_TASK}/", DraftTaskView.as_view(), name="template-task"),
    path(f"{_TASK}/move/", DraftTaskMoveView.as_view(), name="template-task-move"),
    path(f"{_DRAFT}/phases/", DraftPhaseListView.as_view(), name="template-phases"),
    path(f"{_PHASE}/", DraftPhaseView.as_view(), name="template-phase"),
    path(f"{_PHASE}/move/", DraftPhaseMoveView.as_view(), name="template-phase-move"),
    path(f"{_DRAFT}/sources/", DraftSourceListView.as_view(), name="template-sources"),
    path(f"{_DRAFT}/sources/<str:source_key>/", DraftSourceView.as_view(), name="template-source"),
]
