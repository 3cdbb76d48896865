"""The draft of the plan template's next version: its steps and phases, changed one at a time.

Each act holds the draft, changes its content, and has the whole read by the rules of the template
file before it is kept: a draft is a template at any moment, but for phases that have no step yet.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

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
from tenants.activity_names import ActivityName
from tenants.models import User
from tenants.services import write_activity

CHANGED = (
    "Somebody else changed this while you had it open. What you typed is kept and not saved:"
    " compare it with the draft, then save again."
)


class DraftNotFound(OnboardingError):
    """There is no draft, or no longer."""

    def __init__(self) -> None:
        super().__init__("There is no draft, or somebody published or dropped it meanwhile.")


class InvalidDraft(OnboardingError):
    """The change would leave no template; `field` is the field of the step that is to blame."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


def current_draft() -> TemplateDraft | None:
    return TemplateDraft.objects.select_related("base", "changed_by", "created_by").first()


def version_of_draft(draft: TemplateDraft) -> TemplateVersion:
    """The template that it would be; phases without a step are left out."""
    return read_content(draft_content.without_empty_phases(draft.content))


def create_draft(base: PlanTemplate, *, by: User) -> TemplateDraft:
    # As kept and not as stored: versions of before have their words in a file.
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
        raise OnboardingError("There is a draft already: go on with that one.") from None
    return made


def delete_draft(*, seen: int, by: User) -> None:
    """Throw the draft away, as the person saw it."""
    with transaction.atomic():
        draft = _lock()
        _refuse_outdated(draft, seen)
        draft.delete()
        write_activity(None, ActivityName.TEMPLATE_DRAFT_DISCARDED, by=by)


def fingerprint(entry: Content, phase: str) -> str:
    """Tells one wording of a step, or of a phase, from another."""
    said = json.dumps([phase, {k: v for k, v in entry.items() if k != "tasks"}], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


# --- Steps


def save_task(entry: Content, *, phase: str, key: str, seen: str, by: User) -> str:
    """Add a step, or change the one of that key as the person saw it. Returns its key."""

    def change(content: Content, draft: TemplateDraft) -> str:
        if not key:
            used = draft_content.used_keys(draft)
            made = {**entry, "key": draft_content.new_key(entry["title"], used)}
            draft_content.append_entry(content, made, phase)
            return str(made["key"])
        found = draft_content.find(content, key)
        if found is None:
            raise ConflictingChange("Somebody else removed this step from the draft meanwhile.")
        if fingerprint(found.entry, found.phase["key"]) != seen:
            raise ConflictingChange(CHANGED)
        if found.entry.get("role") == TaskRole.CLOSURE != entry.get("role"):
            raise InvalidDraft("role", "The closing task keeps its role.")
        draft_content.replace(content, found, {**entry, "key": key}, phase)
        return key

    return _change(change, by=by)


def move_task(key: str, *, up: bool, by: User) -> None:
    """One place up or down among its neighbours; a group takes its steps along."""

    def change(content: Content, draft: TemplateDraft) -> str:
        found = _found(content, key)
        draft_content.shift(content, found, up=up)
        return key

    _change(change, by=by)


def remove_task(key: str, *, by: User) -> None:
    """Take a step out of the draft. What waited for it waits for it no longer."""

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
        raise ConflictingChange("Somebody else removed this step from the draft meanwhile.")
    return found


# --- Phases


def save_phase(words: Content, *, key: str, seen: str, by: User) -> str:
    """Add a phase at the end, or word the one of that key anew."""

    def change(content: Content, draft: TemplateDraft) -> str:
        if not key:
            made = draft_content.new_key(words["title"], draft_content.used_keys(draft))
            content["phases"].append({"key": made, **words, "links": [], "tasks": []})
            return made
        phase = _phase(content, key)
        if fingerprint(phase, key) != seen:
            raise ConflictingChange(CHANGED)
        phase.update(words)
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
            raise OnboardingError("The phase has steps: move or remove them first.")
        content["phases"].remove(phase)
        draft.removed_keys = [*draft.removed_keys, key]
        return key

    _change(change, by=by)


def _phase(content: Content, key: str) -> Content:
    for phase in content["phases"]:
        if phase["key"] == key:
            return dict_of(phase)
    raise ConflictingChange("Somebody else removed this phase from the draft meanwhile.")


def dict_of(phase: Any) -> Content:
    assert isinstance(phase, dict), "a phase is a mapping, or the draft could not be read"
    return phase


# --- Publishing


def publish(*, note: str, seen: int, accepts_losses: bool, by: User) -> PlanTemplate:
    """Make the draft the next version, which new plans take from now on."""
    with transaction.atomic():
        draft = _lock()
        _refuse_outdated(draft, seen)
        after = version_of_draft(draft)
        newest = newest_template()
        assert newest is not None, "a draft was begun from some version"
        before = template_version_of(newest)
        if diff(before, after).is_empty:
            raise OnboardingError(f"The draft says what version {newest.version} says.")
        lost = losses(before, after)
        if lost and not accepts_losses:
            raise OnboardingError(
                "It drops what keeps mail from being lost. An administrator publishes it, and says"
                " that this is meant."
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


# --- What every act begins and ends with


def _lock() -> TemplateDraft:
    draft = TemplateDraft.objects.select_for_update().first()
    if draft is None:
        raise DraftNotFound
    return draft


def _refuse_outdated(draft: TemplateDraft, seen: int) -> None:
    if draft.revision != seen:
        raise ConflictingChange(
            "Somebody changed the draft while you had this open. Read it again; nothing was done."
        )


def _change(change: Callable[[Content, TemplateDraft], str], *, by: User) -> str:
    with transaction.atomic():
        draft = _lock()
        content = copy.deepcopy(draft.content)
        key = change(content, draft)
        _refuse_invalid(content, key)
        draft.content, draft.revision = content, draft.revision + 1
        draft.changed_by, draft.changed_at = by, timezone.now()
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
