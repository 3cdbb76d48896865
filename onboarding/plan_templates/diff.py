"""Compare two versions of the plan template, and list the losses in the later one. Pure.

A loss is a guard or a role. A guard prevents lost mail or a false status: a hard gate with its
dependencies, a check that verifies a task, a wait.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from onboarding.models import TaskRole
from onboarding.plan_templates.descriptions import (
    FIELDS,
    describe_field,
    describe_role_effect,
)
from onboarding.plan_templates.schema import (
    Condition,
    PhaseDefinition,
    TaskDefinition,
    TemplateVersion,
)


@dataclass(frozen=True)
class FieldChange:
    """One changed field, as text before and after."""

    field: str
    before: str
    after: str


@dataclass(frozen=True)
class TaskChange:
    task: TaskDefinition
    changes: tuple[FieldChange, ...]


@dataclass(frozen=True)
class TemplateDiff:
    added: tuple[TaskDefinition, ...] = ()
    removed: tuple[TaskDefinition, ...] = ()
    changed: tuple[TaskChange, ...] = ()
    # A sentence for each new, removed or changed phase.
    phases: tuple[str, ...] = ()
    # A sentence for each new, removed or changed source.
    sources: tuple[str, ...] = ()
    is_reordered: bool = False

    @property
    def is_empty(self) -> bool:
        tasks = self.added or self.removed or self.changed or self.is_reordered
        return not (tasks or self.phases or self.sources)


def diff(before: TemplateVersion, after: TemplateVersion) -> TemplateDiff:
    old = {task.key: task for task in before.tasks}
    new = {task.key: task for task in after.tasks}
    changed = [
        TaskChange(task, _changes(old[key], task, before, after))
        for key, task in new.items()
        if key in old
    ]
    return TemplateDiff(
        added=tuple(task for key, task in new.items() if key not in old),
        removed=tuple(task for key, task in old.items() if key not in new),
        changed=tuple(each for each in changed if each.changes),
        phases=tuple(_phase_changes(before, after)),
        sources=tuple(_source_changes(before, after)),
        is_reordered=[key for key in old if key in new] != [key for key in new if key in old],
    )


def _changes(
    old: TaskDefinition, new: TaskDefinition, before: TemplateVersion, after: TemplateVersion
) -> tuple[FieldChange, ...]:
    names = [name for name in FIELDS if _meant(old, name) != _meant(new, name)]
    return tuple(
        FieldChange(
            FIELDS[name], describe_field(old, name, before), describe_field(new, name, after)
        )
        for name in names
    )


def _meant(task: TaskDefinition, name: str) -> object:
    """A field for comparison. The order of choices has no meaning, because pages sort them."""
    value = getattr(task, name)
    if isinstance(value, Condition):
        return [
            {each: frozenset(wanted) for each, wanted in alternative.items()}
            for alternative in value.alternatives
        ]
    is_choice = isinstance(value, tuple) and name not in ("links", "fields", "runbooks")
    return frozenset(value) if is_choice else value


def _source_changes(before: TemplateVersion, after: TemplateVersion) -> Iterator[str]:
    old, new = before.sources, after.sources
    for key, source in new.items():
        if key not in old:
            yield f"The source “{source.title}” is new."
        elif old[key] != source:
            yield f"The source “{source.title}” is changed, read on {source.read_on}."
    yield from (f"The source “{s.title}” is removed." for key, s in old.items() if key not in new)


def _phase_changes(before: TemplateVersion, after: TemplateVersion) -> Iterator[str]:
    old: Mapping[str, PhaseDefinition] = {phase.key: phase for phase in before.phases}
    new = {phase.key: phase for phase in after.phases}
    for key, phase in new.items():
        if key not in old:
            yield f"The phase “{phase.title}” is new."
        elif old[key].title != phase.title:
            yield f"The phase “{old[key].title}” is renamed “{phase.title}”."
        elif _description(old[key]) != _description(phase):
            yield f"The description of the phase “{phase.title}” is changed."
    yield from (f"The phase “{p.title}” is removed." for key, p in old.items() if key not in new)
    if [key for key in old if key in new] != [key for key in new if key in old]:
        yield "The phases are in another order."


def _description(phase: PhaseDefinition) -> tuple[object, ...]:
    return (phase.summary, phase.summary_sources, phase.links)


# --- Losses


def losses(before: TemplateVersion, after: TemplateVersion) -> list[str]:
    """A sentence for each guard and each role that `before` has and `after` lacks."""
    return [*lost_guards(before, after), *_lost_roles(before, after)]


def _lost_roles(before: TemplateVersion, after: TemplateVersion) -> Iterator[str]:
    present = {task.role for task in after.tasks}
    roles = {task.key: task.role for task in after.tasks}
    for task in before.tasks:
        if not task.role:
            continue
        role = TaskRole(task.role)
        if role not in present:
            yield (
                f"“{task.title}” had the role “{role.label}”, and no task has it now."
                f" {describe_role_effect(role)}"
            )
        elif not role.is_unique and roles.get(task.key) != role:
            yield f"“{task.title}” loses the role “{role.label}”. {describe_role_effect(role)}"


def lost_guards(before: TemplateVersion, after: TemplateVersion) -> list[str]:
    """A sentence for each guard that `before` has and `after` lacks."""
    new = {task.key: task for task in after.tasks}
    awaited = {key for task in before.tasks if task.gate for key in task.depends_on}
    lost: list[str] = []
    for task in before.tasks:
        is_guarded = bool(task.gate or task.check_kinds or task.waits)
        if task.key not in new:
            if is_guarded or task.key in awaited:
                lost.append(f"“{task.title}” is removed, with its guards.")
            continue
        lost += _lost_of(task, new[task.key], before, after)
        if is_guarded or task.key in awaited:
            lost += _loosened(task, new[task.key])
    return lost


def _lost_of(
    old: TaskDefinition, new: TaskDefinition, before: TemplateVersion, after: TemplateVersion
) -> Iterator[str]:
    if old.gate and not new.gate:
        yield (
            f"“{new.title}” is no longer a hard gate: it can be confirmed before its dependencies"
            " are done."
        )
    kinds = [kind for kind in old.check_kinds if kind not in new.check_kinds]
    if kinds:
        proof = describe_field(old, "check_kinds", before)
        yield f"“{new.title}” was verified by {proof}, and no longer is."
    if old.waits and old.waits != new.waits:
        now = describe_field(new, "waits", after) or "nothing"
        then = describe_field(old, "waits", before)
        yield f"“{new.title}” waited {then}, and now waits for {now}."
    remaining = {task.key for task in after.tasks}
    for key in old.depends_on:
        if old.gate and key in remaining and key not in new.depends_on:
            title = next(task.title for task in after.tasks if task.key == key)
            yield f"“{new.title}” no longer waits for “{title}”."


def _loosened(old: TaskDefinition, new: TaskDefinition) -> Iterator[str]:
    if new.optional and not old.optional:
        yield f"“{new.title}” becomes optional, so no task waits for it."
    if _meant(old, "applies_when") != _meant(new, "applies_when"):
        yield f"“{new.title}” applies to other tenants than before."
    roles = [role for role in old.domain_roles if role not in new.domain_roles]
    if old.per_domain and (roles or not new.per_domain):
        yield f"“{new.title}” no longer applies to all of its former domains."
