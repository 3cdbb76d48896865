"""Moving a plan to a newer version of its template: what would change, and doing it.

What people and proofs completed stays. A step that the new version does not have goes only where
nothing was done on it; otherwise it stays as a step of the tenant's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from onboarding.blueprints.blueprint import applies, is_optional
from onboarding.blueprints.diff import TaskChange, diff, lost_guards
from onboarding.blueprints.on_record import blueprint_of, newest_template
from onboarding.blueprints.parts import Blueprint, TaskBlueprint
from onboarding.errors import MovedMeanwhile, OnboardingError
from onboarding.models import Phase, Plan, PlanTemplate, Sheet, Task
from onboarding.plans import domain_parts
from onboarding.plans.dates import follow_dates
from onboarding.plans.holding import hold_plan
from onboarding.plans.judging import reassess
from onboarding.plans.own_tasks import is_untouched
from onboarding.services import columns_of, without_decline
from onboarding.sheets.keeping import make_sheets
from tenants.models import User
from tenants.services import write_activity


@dataclass(frozen=True)
class Coming:
    """A step that the plan does not have yet; `because` says why it does not apply to it."""

    task: TaskBlueprint
    because: str


@dataclass(frozen=True)
class Turning:
    """A step that comes into the plan or goes out of it by the tenant's profile."""

    task: Task
    applies: bool
    because: str


@dataclass(frozen=True)
class PlanChange:
    """What moving does to one plan."""

    added: tuple[Coming, ...]
    dropped: tuple[Task, ...]
    # Not in the new version, and kept as the tenant's own for what was done on them.
    kept: tuple[Task, ...]
    changed: tuple[TaskChange, ...]
    turning: tuple[Turning, ...]
    phases: tuple[str, ...]
    lost: tuple[str, ...]


def newer_versions(plan: Plan) -> list[PlanTemplate]:
    """The versions that the plan can move to, newest first."""
    newer = PlanTemplate.objects.filter(version__gt=plan.template.version)
    return list(newer.defer("content").select_related("published_by").order_by("-version"))


def version_for_new_plans() -> int:
    newest = newest_template()
    return newest.version if newest is not None else 0


def preview(plan: Plan, target: PlanTemplate) -> PlanChange:
    """Nothing is stored."""
    tasks = list(Task.objects.filter(plan=plan).select_related("phase"))
    return _change_of(plan, tasks, blueprint_of(target))


def _change_of(plan: Plan, tasks: Sequence[Task], after: Blueprint) -> PlanChange:
    before = blueprint_of(plan.template)
    by_key = {task.key: task for task in tasks}
    profile = plan.tenant.profile
    items = {item.key: item for item in after.tasks}
    added = [
        Coming(item, applies(item, profile)[1]) for key, item in items.items() if key not in by_key
    ]
    gone = [task for task in tasks if not task.is_own and task.key not in items]
    untouched = {task.pk for task in gone if is_untouched(task)}
    template_diff = diff(before, after)
    return PlanChange(
        added=tuple(added),
        dropped=tuple(task for task in gone if task.pk in untouched),
        kept=tuple(task for task in gone if task.pk not in untouched),
        changed=tuple(each for each in template_diff.changed if each.task.key in by_key),
        turning=tuple(_turning(by_key, items, profile)),
        phases=template_diff.phases,
        lost=tuple(lost_guards(before, after)),
    )


def _turning(
    by_key: Mapping[str, Task], items: Mapping[str, TaskBlueprint], profile: dict[str, object]
) -> list[Turning]:
    found = []
    for key, item in items.items():
        applicable, because = applies(item, profile)
        if key in by_key and by_key[key].applies != applicable:
            found.append(Turning(by_key[key], applicable, because))
    return found


def move_plan(plan: Plan, target: PlanTemplate, *, seen: int, by: User) -> PlanChange:
    """Bring the plan to the version. `seen` is the version that the person saw it at."""
    with transaction.atomic():
        # Nobody writes a row into a sheet that is about to go with its step.
        list(Sheet.objects.select_for_update(of=("self",)).filter(task__plan=plan).order_by("pk"))
        hold_plan(plan.pk)
        held = Plan.objects.select_related("template", "tenant").get(pk=plan.pk)
        if held.template.version != seen:
            raise MovedMeanwhile(
                f"Somebody moved this plan to version {held.template.version} meanwhile. Nothing"
                " was done."
            )
        if target.version <= seen:
            raise OnboardingError("A plan moves to a newer version of its template only.")
        tasks = list(Task.objects.filter(plan=held).select_related("phase"))
        after = blueprint_of(target)
        change = _change_of(held, tasks, after)
        _rebuild(held, tasks, change, after)
        held.template = target
        held.save(update_fields=["template"])
        follow_dates(held)
        make_sheets(held)
        write_activity(
            held.tenant,
            "plan-moved",
            by=by,
            before=seen,
            after=target.version,
            added=[coming.task.title for coming in change.added],
            dropped=[task.title for task in change.dropped],
            kept=[task.title for task in change.kept],
        )
        reassess(held)
    return change


# --- Rebuilding


def _rebuild(plan: Plan, tasks: Sequence[Task], change: PlanChange, after: Blueprint) -> None:
    phases = _bring_phases(plan, after)
    by_key = {task.key: task for task in tasks}
    for item in after.tasks:
        by_key[item.key] = _bring_task(plan, by_key, item, phases, after)
    kept = [task.pk for task in change.kept]
    Task.objects.filter(pk__in=kept).update(is_own=True, parent=None, is_group=False)
    # Their steps have other places by now: nothing hangs on them that would go with them.
    Task.objects.filter(pk__in=[task.pk for task in change.dropped]).delete()
    _put_in_order(plan, after)


def _bring_phases(plan: Plan, after: Blueprint) -> dict[str, Phase]:
    """The version's phases in its order; those that it does not have stand behind for now."""
    wanted = [phase.key for phase in after.phases]
    others = Phase.objects.filter(plan=plan).exclude(key__in=wanted)
    for position, phase in enumerate(others, start=len(wanted)):
        Phase.objects.filter(pk=phase.pk).update(position=position)
    return {
        phase.key: Phase.objects.update_or_create(
            plan=plan,
            key=phase.key,
            defaults={"position": position, "title": phase.title, "summary": phase.summary},
        )[0]
        for position, phase in enumerate(after.phases)
    }


def _bring_task(
    plan: Plan,
    by_key: Mapping[str, Task],
    item: TaskBlueprint,
    phases: Mapping[str, Phase],
    after: Blueprint,
) -> Task:
    profile = plan.tenant.profile
    applicable, because = applies(item, profile)
    columns: dict[str, Any] = {
        **columns_of(item),
        "phase": phases[item.phase],
        "parent": by_key[item.parent] if item.parent else None,
        "is_group": item.key in after.groups,
        "is_optional": is_optional(item, profile),
        "is_own": False,
        "applies": applicable,
        "not_applicable_because": because,
    }
    task = by_key.get(item.key)
    if task is None:
        return Task.objects.create(plan=plan, position=0, **columns)
    if not item.stated and not task.responsibility_stated:
        # The tenant's own choice, where nobody states a side.
        columns["responsibility"] = task.responsibility
    columns |= without_decline(task, is_optional=is_optional(item, profile))
    was_per_domain = task.is_per_domain
    if item.per_domain != was_per_domain:
        # What would be put back is of the step as it was, once or domain by domain.
        columns["undo"] = None
    for name, value in columns.items():
        setattr(task, name, value)
    task.save(update_fields=list(columns))
    if task.is_per_domain and not was_per_domain:
        _share_words(plan, task)
    return task


def _share_words(plan: Plan, task: Task) -> None:
    """What was said of the step once is said of each of its domains now."""
    scope = domain_parts.in_scope(
        task, plan.tenant.domains.all(), domain_parts.exempt_of(plan.tenant)
    )
    for side in domain_parts.SIDES:
        at = getattr(task, f"{side}_confirmed_at")
        if at is not None:
            by = getattr(task, f"{side}_confirmed_by")
            domain_parts.set_words(task, scope, side=side, at=at, by=by)


def _put_in_order(plan: Plan, after: Blueprint) -> None:
    """The version's steps in its order, and a phase's own ones behind them."""
    at = {item.key: number for number, item in enumerate(after.tasks)}
    rows = Task.objects.filter(plan=plan).select_related("phase")
    in_order = sorted(
        rows,
        key=lambda task: (
            task.phase.position,
            task.is_own,
            task.position if task.is_own else at[task.key],
        ),
    )
    for position, task in enumerate(in_order):
        if task.position != position:
            Task.objects.filter(pk=task.pk).update(position=position)
    Phase.objects.filter(plan=plan, tasks__isnull=True).delete()
