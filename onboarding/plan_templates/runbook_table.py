"""The table of tasks and platforms: instructions, values, proof and open questions. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from onboarding.plan_templates.runbooks import named_in
from onboarding.plan_templates.schema import (
    PROFILE_VALUES,
    Condition,
    Runbook,
    TaskDefinition,
    TemplateVersion,
)
from onboarding.plans.tenant_values import ALWAYS_KNOWN, PLACEHOLDERS, who_enters
from tenants.models import Platform

Profile = Mapping[str, object]
WhoEnters = Callable[[str], str]

_HEADINGS = ("Task", "Platform", "Instructions", "Values", "Proof", "Open questions")


@dataclass(frozen=True)
class RunbookRow:
    """One task on the platforms that share its instructions. `questions` should be empty."""

    task: TaskDefinition
    platforms: tuple[str, ...]
    runbooks: tuple[Runbook, ...]
    questions: tuple[str, ...]

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The values that the instructions name, once, in their order."""
        named = (name for runbook in self.runbooks for name in named_in(runbook))
        return tuple(dict.fromkeys(named))


def markdown(template: TemplateVersion) -> str:
    """The table in Markdown, and below it the tasks without instructions."""
    lines = [_line(_HEADINGS), _line(["---"] * len(_HEADINGS))]
    lines += [_line(_cells(row)) for row in rows(template)]
    lines += ["", "These tasks have no instructions, because no person does them in a console:", ""]
    lines += [f"- {task.title}: {_without(task, template)}" for task in _others(template)]
    return "\n".join(lines) + "\n"


def rows(template: TemplateVersion, who: WhoEnters = who_enters) -> Iterator[RunbookRow]:
    """The rows of all tasks with instructions, in the template's order."""
    for task in template.tasks:
        if task.runbooks:
            yield from _rows_of(task, template, who)


def profiles(template: TemplateVersion, platform: str) -> Iterator[Profile]:
    """Every combination of profile values on the platform, with no product and with all."""
    for directory, authentication, journaling, dkim, rfi, products in itertools.product(
        PROFILE_VALUES["directory_method"],
        PROFILE_VALUES["authentication"],
        (False, True),
        (False, True),
        (False, True),
        ((), tuple(template.products)),
    ):
        yield {
            "platform": platform,
            "directory_method": directory,
            "authentication": authentication,
            "journaling": journaling,
            "dkim_in_use": dkim,
            "rfi_used": rfi,
            "products": list(products),
        }


def _rows_of(
    task: TaskDefinition, template: TemplateVersion, who: WhoEnters
) -> Iterator[RunbookRow]:
    by_content: dict[tuple[tuple[Runbook, ...], tuple[str, ...]], list[str]] = {}
    for platform in PROFILE_VALUES["platform"]:
        concerned = [p for p in profiles(template, platform) if _matches(task.applies_when, p)]
        if not concerned:
            continue
        runbooks = tuple(
            runbook
            for runbook in task.runbooks
            if any(_matches(runbook.applies_when, profile) for profile in concerned)
        )
        questions = (*_uncovered(task, concerned), *_without_person(runbooks, who))
        by_content.setdefault((runbooks, questions), []).append(platform)
    for (runbooks, questions), platforms in by_content.items():
        yield RunbookRow(task, tuple(platforms), runbooks, questions)


def _uncovered(task: TaskDefinition, concerned: Sequence[Profile]) -> tuple[str, ...]:
    """A question if the task applies to a tenant for whom it has no instructions."""
    for profile in concerned:
        if not any(_matches(runbook.applies_when, profile) for runbook in task.runbooks):
            chosen = [
                labels[str(profile[name])]
                for name, labels in PROFILE_VALUES.items()
                if name != "platform"
            ]
            return (f"How is it done with {', '.join(chosen)}?",)
    return ()


def _without_person(runbooks: Sequence[Runbook], who: WhoEnters) -> tuple[str, ...]:
    """A question for each value that can be unknown, and that no stated person enters."""
    names = dict.fromkeys(name for runbook in runbooks for name in named_in(runbook))
    return tuple(
        f"Who enters “{PLACEHOLDERS[name]}”?"
        for name in names
        if name not in ALWAYS_KNOWN and not who(name)
    )


def _matches(condition: Condition | None, profile: Profile) -> bool:
    return condition is None or condition.matches(profile)


def _cells(row: RunbookRow) -> list[str]:
    return [
        row.task.title,
        _platforms(row.platforms),
        "; ".join(f"{each.title} ({_count(each)})" for each in row.runbooks),
        ", ".join(PLACEHOLDERS[name] for name in row.placeholders),
        _proof(row.task, row.platforms),
        " ".join(row.questions),
    ]


def _platforms(platforms: Sequence[str]) -> str:
    labels = PROFILE_VALUES["platform"]
    return "all" if len(platforms) == len(labels) else ", ".join(labels[each] for each in platforms)


def _count(runbook: Runbook) -> str:
    return f"{len(runbook.steps)} step{'s' if len(runbook.steps) != 1 else ''}"


def _proof(task: TaskDefinition, platforms: Collection[str]) -> str:
    """The checks that verify the task, or the confirmation with the fields on these platforms."""
    if task.check_kinds:
        parts = [f"check {', '.join(f'`{kind}`' for kind in task.check_kinds)}"]
    else:
        parts = ["confirmation"]
    fields = [each for each in task.fields if not each.sends or Platform.HYBRID in platforms]
    if fields:
        parts.append(f"with {', '.join(field.label for field in fields)}")
    if task.completed_by:
        parts.append(f"or {', '.join(f'`{each.check}`' for each in task.completed_by)}")
    if task.supports:
        parts.append(f"supported by {', '.join(f'`{kind}`' for kind in task.supports)}")
    return " ".join(parts)


def _others(template: TemplateVersion) -> list[TaskDefinition]:
    return [task for task in template.tasks if not task.runbooks]


def _without(task: TaskDefinition, template: TemplateVersion) -> str:
    if task.key in template.groups:
        return "done when its sub-tasks are"
    return "done by time" if task.waits is not None else _proof(task, PROFILE_VALUES["platform"])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
