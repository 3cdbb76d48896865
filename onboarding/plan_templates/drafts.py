"""Edit and publish the draft of the plan template's next version.

Each change locks the draft, changes its content, and validates the whole content by the rules of
the template file. So the draft is always a valid template, except for phases without tasks.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, transaction

from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import PlanTemplate, TaskRole, TemplateDraft
from onboarding.plan_templates import draft_content
from onboarding.plan_templates.content import Content, ContentError, read_content
from onboarding.plan_templates.diff import diff, losses
from onboarding.plan_templates.registry import (
    newest_template,
    next_version,
    template_version_of,
)
from onboarding.plan_templates.schema import TemplateVersion
from onboarding.plan_templates.yaml_tasks import literal_gap
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import User
from tenants.services import write_activity

CHANGED = (
    "Another person has changed this since you opened it. Your text is still here, but not saved:"
    " compare it with the draft, then save again."
)


class DraftNotFound(OnboardingError):
    """There is no draft."""

    def __init__(self) -> None:
        super().__init__("There is no draft. It may have been published or discarded.")


class InvalidDraft(OnboardingError):
    """The change would make the template invalid. `field` is the field at fault, or empty."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


def current_draft() -> TemplateDraft | None:
    return TemplateDraft.objects.select_related("base", "changed_by", "created_by").first()


def version_of_draft(draft: TemplateDraft) -> TemplateVersion:
    """The template of the draft, without phases that have no task."""
    return read_content(draft_content.without_empty_phases(draft.content))


def start_draft(base: PlanTemplate | None, *, by: User) -> TemplateDraft:
    """Create the draft from this version, or else from the newest one."""
    found = base or newest_template()
    if found is None:
        raise OnboardingError("No plan template is loaded yet: run manage.py load_templates.")
    return create_draft(found, by=by)


def create_draft(base: PlanTemplate, *, by: User) -> TemplateDraft:
    # A version from before versions had content has it in a file, and cannot be the base.
    content = copy.deepcopy(base.content)
    if not content:
        raise OnboardingError("Load the templates first: run manage.py load_templates.")
    try:
        with transaction.atomic():
            made = TemplateDraft.objects.create(
                base=base, content=content, created_by=by, changed_by=by
            )
            write_activity(None, ActivityName.TEMPLATE_DRAFT_CREATED, by=by, version=base.version)
    except IntegrityError:
        raise OnboardingError("There is already a draft. Continue with that one.") from None
    return made


def delete_draft(*, expected: int, by: User) -> None:
    """Discard the draft. Raises ConflictingChange if it is no longer at revision `expected`."""
    with transaction.atomic():
        draft = _lock()
        _refuse_outdated(draft, expected)
        draft.delete()
        write_activity(None, ActivityName.TEMPLATE_DRAFT_DISCARDED, by=by)


def fingerprint(entry: Content, phase: str) -> str:
    """A hash of a task or a phase, for detecting changes."""
    text = json.dumps([phase, {k: v for k, v in entry.items() if k != "tasks"}], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# --- Tasks


def save_task(entry: Content, *, phase: str, key: str, expected: str, by: User) -> str:
    """Add a task, or change the task with the key. Returns its key.

    Raises ConflictingChange if the task no longer has the fingerprint `expected`, and InvalidDraft.
    """

    def change(content: Content, draft: TemplateDraft) -> str:
        if not key:
            used = draft_content.used_keys(draft)
            made = {**entry, "key": draft_content.new_key(entry["title"], used)}
            draft_content.append_entry(content, made, phase)
            return str(made["key"])
        found = draft_content.find(content, key)
        if found is None:
            raise ConflictingChange("Another person has removed this task from the draft.")
        if fingerprint(found.entry, found.phase["key"]) != expected:
            raise ConflictingChange(CHANGED)
        if found.entry.get("role") == TaskRole.CLOSURE != entry.get("role"):
            raise InvalidDraft("role", "The closing task keeps its role.")
        draft_content.replace(content, found, {**entry, "key": key}, phase)
        return key

    return _change(change, by=by)


def move_task(key: str, *, up: bool, by: User) -> None:
    """Move a task one place up or down. The tasks of a group move with it."""

    def change(content: Content, draft: TemplateDraft) -> str:
        found = _found(content, key)
        draft_content.shift(content, found, up=up)
        return key

    _change(change, by=by)


def remove_task(key: str, *, by: User) -> None:
    """Remove a task from the draft, and from the dependencies of other tasks."""

    def change(content: Content, draft: TemplateDraft) -> str:
        found = _found(content, key)
        problem = draft_content.why_not_removable(content, key)
        if problem:
            raise OnboardingError(problem)
        draft_content.remove_entry(content, found)
        draft.removed_keys = [*draft.removed_keys, key]
        return key

    _change(change, by=by)


def _found(content: Content, key: str) -> draft_content.DraftTask:
    found = draft_content.find(content, key)
    if found is None:
        raise ConflictingChange("Another person has removed this task from the draft.")
    return found


# --- Phases


def save_phase(texts: Content, *, key: str, expected: str, by: User) -> str:
    """Add a phase at the end, or change the phase with the key. Returns its key."""

    def change(content: Content, draft: TemplateDraft) -> str:
        if not key:
            made = draft_content.new_key(texts["title"], draft_content.used_keys(draft))
            content["phases"].append({"key": made, **texts, "links": [], "tasks": []})
            return made
        phase = _phase(content, key)
        if fingerprint(phase, key) != expected:
            raise ConflictingChange(CHANGED)
        phase.update(texts)
        return key

    return _change(change, by=by)


def move_phase(key: str, *, up: bool, by: User) -> None:
    def change(content: Content, draft: TemplateDraft) -> str:
        phases = content["phases"]
        at = phases.index(_phase(content, key))
        to = at + (-1 if up else 1)
        if 0 <= to < len(phases):
            phases[at], phases[to] = phases[to], phases[at]
        return key

    _change(change, by=by)


def remove_phase(key: str, *, by: User) -> None:
    def change(content: Content, draft: TemplateDraft) -> str:
        phase = _phase(content, key)
        if phase["tasks"]:
            raise OnboardingError("The phase has tasks. Move or remove them first.")
        content["phases"].remove(phase)
        draft.removed_keys = [*draft.removed_keys, key]
        return key

    _change(change, by=by)


def _phase(content: Content, key: str) -> Content:
    for phase in content["phases"]:
        if phase["key"] == key:
            return dict_of(phase)
    raise ConflictingChange("Another person has removed this phase from the draft.")


def dict_of(phase: Any) -> Content:
    assert isinstance(phase, dict), "a phase is a mapping, or the draft could not be read"
    return phase


# --- Sources


def save_source(source: Content, *, key: str, expected: str, by: User) -> str:
    """Add the source under its `key`, or change the source with the key. Returns the key.

    `expected` is the fingerprint of the source on the user's page, or empty for a new one. Raises
    ConflictingChange if the source has another one now, and InvalidDraft.
    """

    def change(content: Content, draft: TemplateDraft) -> str:
        sources = content.setdefault("sources", {})
        if not expected and key in sources:
            raise InvalidDraft("key", "Another source has this key.")
        if expected and (key not in sources or fingerprint(sources[key], key) != expected):
            raise ConflictingChange(CHANGED)
        sources[key] = source
        return key

    return _change(change, by=by)


def remove_source(key: str, *, by: User) -> None:
    """Remove a source. Raises InvalidDraft with the task while a step names it."""

    def change(content: Content, draft: TemplateDraft) -> str:
        if content.get("sources", {}).pop(key, None) is None:
            raise ConflictingChange("Another person has removed this source from the draft.")
        return key

    _change(change, by=by)


# --- Publishing


def publish(*, note: str, expected: int, accepts_losses: bool, by: User) -> PlanTemplate:
    """Publish the draft as the next version, which new plans use from now on.

    Raises ConflictingChange if the draft is no longer at revision `expected`, and OnboardingError
    if it changes nothing or has losses that are not accepted.
    """
    with transaction.atomic():
        draft = _lock()
        _refuse_outdated(draft, expected)
        after = version_of_draft(draft)
        newest = newest_template()
        assert newest is not None, "a draft is based on a version"
        before = template_version_of(newest)
        if diff(before, after).is_empty:
            raise OnboardingError(f"The draft is equal to version {newest.version}.")
        _refuse_literal_gaps(after, before)
        _refuse_lost_sources(after, before)
        lost = losses(before, after)
        if lost and not accepts_losses:
            raise OnboardingError(
                "The draft drops safeguards or roles. An administrator must accept that and publish"
                " it."
            )
        content = draft_content.without_empty_phases(draft.content)
        made = PlanTemplate.objects.create(
            version=next_version(), content=content, note=note.strip(), published_by=by
        )
        draft.delete()
        write_activity(
            None,
            ActivityName.TEMPLATE_PUBLISHED,
            by=by,
            version=made.version,
            note=made.note,
            lost=lost,
        )
    return made


def _refuse_literal_gaps(after: TemplateVersion, before: TemplateVersion) -> None:
    """Refuse a new text with a placeholder that no page fills; an earlier version may have some."""
    known = {literal_gap(task) for task in before.tasks}
    for task in after.tasks:
        gap = literal_gap(task)
        if gap and gap not in known:
            raise OnboardingError(
                f"“{task.title}”: pages show “{gap}” literally. Placeholders are filled in the"
                " instructions by platform only. Nothing was published."
            )


def _refuse_lost_sources(after: TemplateVersion, before: TemplateVersion) -> None:
    """Refuse a statement that had sources and has none now."""
    had = {each.key: each for each in before.tasks}
    for task in after.tasks:
        old = had.get(task.key, task)
        is_lost = (
            (old.do_sources and not task.do_sources)
            or (old.shown_by_sources and not task.shown_by_sources)
            or (old.why_sources and task.why and not task.why_sources)
        )
        if is_lost:
            raise OnboardingError(
                f"“{task.title}”: name the sources of the instructions, of the criteria and of"
                f" the reason, as version {before.version} does. Nothing was published."
            )
    phases = {each.key: each for each in before.phases}
    for phase in after.phases:
        earlier = phases.get(phase.key, phase)
        if earlier.summary_sources and not phase.summary_sources:
            raise OnboardingError(
                f"“{phase.title}”: name the sources of the summary, as version {before.version}"
                " does. Nothing was published."
            )


# --- The frame of every change


def _lock() -> TemplateDraft:
    draft = TemplateDraft.objects.select_for_update(no_key=True).first()
    if draft is None:
        raise DraftNotFound
    return draft


def _refuse_outdated(draft: TemplateDraft, expected: int) -> None:
    if draft.revision != expected:
        raise ConflictingChange(
            "The draft has changed since you opened this page. Check it again. Nothing was done."
        )


def _change(change: Callable[[Content, TemplateDraft], str], *, by: User) -> str:
    with transaction.atomic():
        draft = _lock()
        content = copy.deepcopy(draft.content)
        key = change(content, draft)
        _refuse_invalid(content, key)
        draft.content, draft.revision = content, draft.revision + 1
        draft.changed_by, draft.changed_at = by, database_time.now()
        draft.save(
            update_fields=["content", "removed_keys", "revision", "changed_by", "changed_at"]
        )
    return key


def _refuse_invalid(content: Content, key: str) -> None:
    read = draft_content.without_empty_phases(content)
    try:
        read_content(read)
    except ContentError as error:
        field, reason = draft_content.blame(read, error, key)
        raise InvalidDraft(field, reason) from error
