"""The parts of a plan template: phases, tasks, conditions, due rules, waits and instructions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from onboarding.plans.task_fields import FieldDefinition

PROFILE_VALUES: Mapping[str, Mapping[str, str]] = {
    "platform": {
        "microsoft_365": "Microsoft 365",
        "google_workspace": "Google Workspace",
        "on_premises": "On-premises",
        "hybrid": "Hybrid",
        "other": "Other",
    },
    "directory_method": {
        "ldap": "LDAP",
        "entra_id": "Entra ID (Azure AD)",
        "google": "Google Workspace",
        "mse_agent": "Mimecast Synchronization Engine (MSE)",
        "manual": "Manual import",
    },
    "authentication": {
        "sso": "Single sign-on (SAML)",
        "directory": "Directory passwords",
        "mimecast": "Mimecast cloud password",
    },
}
PROFILE_FLAGS = frozenset({"journaling", "dkim_in_use", "rfi_used"})
RESPONSIBILITIES = frozenset({"mimecast", "client", "both"})
GATES = frozenset({"hard"})
# A placeholder in the template for the days agreed for the inbound cutover.
AGREED_DAYS = "outbound_days"
LONGEST_WAIT = 60
# The start of a due rule: the creation of the plan, or a planned cutover.
ANCHORS = frozenset({"start", "outbound", "inbound"})
DIRECTIONS = ("outbound", "inbound")
CONFIDENCES = ("high", "medium", "low")


@dataclass(frozen=True)
class Condition:
    """Alternatives, of which one must match. In each, every field must have one of its values."""

    alternatives: tuple[Mapping[str, tuple[str | bool, ...]], ...] = field(hash=False)

    def matches(self, profile: Mapping[str, object]) -> bool:
        return any(
            all(_has(profile.get(name), wanted) for name, wanted in alternative.items())
            for alternative in self.alternatives
        )

    def as_data(self) -> dict[str, Any]:
        """The condition as in the template file."""
        written = [
            {name: list(wanted) for name, wanted in alternative.items()}
            for alternative in self.alternatives
        ]
        return written[0] if len(written) == 1 else {"any": written}


@dataclass(frozen=True)
class Link:
    title: str
    url: str | None


@dataclass(frozen=True)
class DueRule:
    """When a task is due: working days after its anchor, or before it if negative."""

    anchor: str
    working_days: int


@dataclass(frozen=True)
class WaitRule:
    """A task that completes automatically, so many days after another task is done.

    `days` is None for the days agreed for the inbound cutover.
    """

    after: str
    days: int | None


@dataclass(frozen=True)
class Source:
    """A published page that a statement of the template comes from, and the day of reading it.

    `url` is None for public text without an address.
    """

    title: str
    url: str | None
    read_on: str


@dataclass(frozen=True)
class RunbookStep:
    """One instruction. `command` is text to paste; `values` are placeholders to list below it.

    `sources` are keys of the template's sources.
    """

    text: str
    command: str
    values: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True)
class CompletingSource:
    """A proof source that completes a task: the check that judges its facts, and their strength."""

    source: str
    check: str
    strength: str

    def as_data(self) -> dict[str, str]:
        """The source as in the template file and as in a plan."""
        return {"source": self.source, "check": self.check, "strength": self.strength}


@dataclass(frozen=True)
class Runbook:
    """Numbered instructions for the tenants that the condition matches."""

    title: str
    confidence: str
    applies_when: Condition | None
    steps: tuple[RunbookStep, ...]


@dataclass(frozen=True)
class TaskDefinition:
    """One task of the template.

    `stated` is false where the article names no responsible side. `role` is a TaskRole, or empty.
    `own_work` marks a task with sub-tasks that is no group: it has work and a status of its own.
    `planned_cutovers` are the directions that need a planned cutover before its confirmation.
    `plain_title` is the title in plain words, or empty: pages then show `title` alone.
    `why` is the reason why the task matters, or empty.
    `do_sources`, `shown_by_sources` and `why_sources` are keys of the template's sources. Templates
    from before version 4 have none.
    """

    phase: str
    key: str
    title: str
    responsibility: str
    stated: bool
    do: str
    shown_by: str
    role: str = ""
    parent: str | None = None
    links: tuple[Link, ...] = ()
    applies_when: Condition | None = None
    otherwise: str = ""
    required_when: Condition | None = None
    depends_on: tuple[str, ...] = ()
    check_kinds: tuple[str, ...] = ()
    supports: tuple[str, ...] = ()
    completed_by: tuple[CompletingSource, ...] = ()
    per_domain: bool = False
    domain_roles: tuple[str, ...] = ()
    optional: bool = False
    gate: str | None = None
    due: DueRule | None = None
    waits: WaitRule | None = None
    own_work: bool = False
    planned_cutovers: tuple[str, ...] = ()
    fields: tuple[FieldDefinition, ...] = ()
    runbooks: tuple[Runbook, ...] = ()
    do_sources: tuple[str, ...] = ()
    shown_by_sources: tuple[str, ...] = ()
    plain_title: str = ""
    why: str = ""
    why_sources: tuple[str, ...] = ()

    @property
    def check(self) -> str | None:
        """The checks that verify it, separated by spaces; None if a person completes it."""
        return " ".join(self.check_kinds) or None


@dataclass(frozen=True)
class PhaseDefinition:
    key: str
    title: str
    summary: str
    links: tuple[Link, ...]
    tasks: tuple[TaskDefinition, ...]
    summary_sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class TemplateVersion:
    """One version of the plan template. `products` are names by key, in the order of the file."""

    version: int
    products: Mapping[str, str] = field(hash=False)
    phases: tuple[PhaseDefinition, ...]
    sources: Mapping[str, Source] = field(default_factory=dict, hash=False)

    @property
    def tasks(self) -> tuple[TaskDefinition, ...]:
        return tuple(task for phase in self.phases for task in phase.tasks)

    @property
    def groups(self) -> frozenset[str]:
        """The keys of tasks that are done when their children are."""
        own = {task.key for task in self.tasks if task.own_work}
        return frozenset(task.parent for task in self.tasks if task.parent) - own


def _has(chosen: object, wanted: Sequence[str | bool]) -> bool:
    if isinstance(chosen, Sequence) and not isinstance(chosen, str):
        return any(value in wanted for value in chosen)
    return chosen in wanted
