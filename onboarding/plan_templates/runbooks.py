"""Instructions for a task: numbered steps for a platform, filled with one tenant's values.

The template has the steps with placeholders such as `{smart_hosts}`; `render` fills them. Pure,
except that a value may be read from the database.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from onboarding.plan_templates.schema import Runbook, RunbookStep, Source
from onboarding.plans.tenant_values import TenantValue, TenantValues

# PowerShell and GAM have braces of their own, so a placeholder is only one lower-case word in them.
PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")


@dataclass(frozen=True)
class FilledStep:
    """One step of a tenant's instructions.

    `values` are listed below the step, also those in its command and its text, each with a copy
    button. `missing` are the values that the command lacks: it cannot be copied until they are
    known.
    """

    text: str
    command: str
    values: tuple[TenantValue, ...]
    missing: tuple[TenantValue, ...]
    sources: tuple[Source, ...]
    # A sentence for each shown value that no consultant has confirmed.
    proposed: tuple[str, ...] = ()

    @property
    def unknown_values(self) -> tuple[TenantValue, ...]:
        """Every value that the step names and that is unknown, once."""
        unknown = [value for value in self.values if not value.is_known]
        return tuple(dict.fromkeys([*self.missing, *unknown]))


@dataclass(frozen=True)
class FilledRunbook:
    """The instructions of a task for one platform."""

    title: str
    confidence: str
    steps: tuple[FilledStep, ...]

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources of all steps, once, in the order of the steps."""
        return tuple(dict.fromkeys(source for step in self.steps for source in step.sources))


def placeholders_of(text: str) -> list[str]:
    """The names of the placeholders in the text, in their order."""
    return PLACEHOLDER.findall(text)


def render(
    runbooks: Sequence[Runbook],
    sources: Mapping[str, Source],
    profile: Mapping[str, object],
    values: TenantValues,
) -> list[FilledRunbook]:
    """The runbooks that apply to the profile, with the tenant's values."""
    return [
        FilledRunbook(
            runbook.title,
            runbook.confidence,
            tuple(_filled(step, sources, values) for step in runbook.steps),
        )
        for runbook in runbooks
        if runbook.applies_when is None or runbook.applies_when.matches(profile)
    ]


def _filled(step: RunbookStep, sources: Mapping[str, Source], values: TenantValues) -> FilledStep:
    named = [values.get(name) for name in step.values]
    in_command = [values.get(name) for name in placeholders_of(step.command)]
    in_text = [values.get(name) for name in placeholders_of(step.text)]
    # Each value is listed below the step: a known one with its provenance, an unknown one with the
    # person to ask.
    listed = [*named, *in_command, *in_text]
    return FilledStep(
        text=_replace(step.text, lambda value: value.text, values),
        command=_replace(step.command, _as_argument, values),
        values=tuple(dict.fromkeys(listed)),
        missing=tuple(dict.fromkeys(value for value in in_command if not value.is_known)),
        sources=tuple(sources[key] for key in step.sources),
        proposed=tuple(
            dict.fromkeys(
                label for value in (*named, *in_command, *in_text) for label in value.proposed
            )
        ),
    )


def _as_argument(value: TenantValue) -> str:
    """The value in a command: the items of a list with commas, as PowerShell and GAM read them."""
    return ",".join(value.items)


def _replace(text: str, shown: Callable[[TenantValue], str], values: TenantValues) -> str:
    def fill(match: re.Match[str]) -> str:
        value = values.get(match[1])
        return shown(value) if value.is_known else f"[{value.label}]"

    return PLACEHOLDER.sub(fill, text)


def named_in(runbook: Runbook) -> Iterator[str]:
    """Every placeholder that the runbook names."""
    for step in runbook.steps:
        yield from placeholders_of(step.text)
        yield from placeholders_of(step.command)
        yield from step.values
