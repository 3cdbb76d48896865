"""Read a plan template strictly. An error names the file, the line and the reason."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from checks.engine.outcomes import SOURCE_KINDS, CheckKind
from onboarding.errors import OnboardingError
from onboarding.models import TaskRole
from onboarding.plan_templates.schema import (
    AGREED_DAYS,
    ANCHORS,
    DIRECTIONS,
    GATES,
    LONGEST_WAIT,
    PROFILE_FLAGS,
    PROFILE_VALUES,
    RESPONSIBILITIES,
    Condition,
    DueRule,
    Link,
    PhaseDefinition,
    Source,
    TaskDefinition,
    TemplateVersion,
    WaitRule,
)
from onboarding.plan_templates.yaml_tasks import (
    read_completed_by,
    read_fields,
    read_runbooks,
    read_sources,
)
from tenants.yaml_schema import YamlSchemaError, YamlSection, read_yaml

KINDS = frozenset(kind.value for kind in CheckKind)
# A source completes a task without other checks, so that “check” does not name its kinds.
REQUIRED_KINDS = KINDS - SOURCE_KINDS
DOMAIN_ROLES = frozenset({"primary", "secondary", "test", "parked", "send_only", "routing"})

_KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_REQUIRED = ("key", "title", "responsibility", "stated", "do", "shown_by")
# The texts whose sources a template file names, from this version on.
FIRST_WITH_SOURCES = 4
_OPTIONAL = (
    "plain_title",
    "do_source",
    "shown_by_source",
    "why",
    "why_source",
    "role",
    "parent",
    "links",
    "applies_when",
    "otherwise",
    "required_when",
    "depends_on",
    "check",
    "supports",
    "completed_by",
    "per_domain",
    "domain_roles",
    "optional",
    "gate",
    "due",
    "waits",
    "own_work",
    "planned_cutovers",
    "fields",
    "runbooks",
)

Parts = Mapping[str, YamlSection]


class TemplateError(OnboardingError):
    """The plan template is invalid. The message is `file:line: reason`."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}")
        self.path = path
        self.line = line
        self.reason = reason


@dataclass(frozen=True)
class _Lists:
    """The lists of the template that its tasks refer to.

    `needs_sources`: whether every text names its sources.
    """

    products: Collection[str]
    sources: Mapping[str, Source]
    needs_sources: bool = False

    def sources_of(self, section: YamlSection, parts: Parts, text: str) -> tuple[str, ...]:
        """The keys of the sources of a text, such as `do`. Raises YamlSchemaError."""
        name = f"{text}_source"
        keys = parts[name].texts() if name in parts else ()
        if not keys and self.needs_sources:
            raise section.error(f"“{text}” has no “{name}”: write no statement without a source")
        for key in keys:
            if key not in self.sources:
                raise parts[name].error(f"“{key}” is not in the “sources” of the template")
        return keys

    def condition(self, section: YamlSection | None) -> Condition | None:
        return _read_condition(section, self.products)


@dataclass(frozen=True)
class _Row:
    """A task with its YAML sections, which later errors refer to."""

    task: TaskDefinition
    parts: Parts


def read_template_file(path: Path) -> TemplateVersion:
    """The template in the file, whose statements need sources from version 4 on.

    Raises TemplateError.
    """
    try:
        return read_section(read_yaml(path), is_file=True)
    except YamlSchemaError as error:
        raise TemplateError(error.path, error.line, error.reason) from error


def read_section(root: YamlSection, *, is_file: bool = False) -> TemplateVersion:
    """The template in a section. Raises YamlSchemaError.

    `is_file`: Gangway's own file. The tasks that people add in the editor may lack sources.
    """
    parts = root.mapping(["version", "products", "phases"], ["sources"])
    version = parts["version"].integer()
    if version < 1:
        raise parts["version"].error("“version” must be 1 or more")
    products = {key: name.text() for key, name in parts["products"].entries().items()}
    needs_sources = is_file and version >= FIRST_WITH_SOURCES
    lists = _Lists(products, read_sources(parts.get("sources")), needs_sources)
    seen: set[str] = set()
    phases: list[PhaseDefinition] = []
    rows: list[_Row] = []
    for section in parts["phases"].items():
        phase, phase_rows = _read_phase(section, lists, seen)
        phases.append(phase)
        rows.extend(phase_rows)
    if not phases:
        raise parts["phases"].error("“phases” is empty")
    _refuse_bad_relations(rows)
    return TemplateVersion(
        version=version, products=products, phases=tuple(phases), sources=lists.sources
    )


def _read_phase(
    section: YamlSection, lists: _Lists, seen: set[str]
) -> tuple[PhaseDefinition, list[_Row]]:
    parts = section.mapping(
        ["key", "title", "summary", "tasks"], ["summary_source", "links", "due"]
    )
    key = _read_key(parts["key"], seen)
    due = _read_due(parts.get("due"))
    rows = [_read_task(item, key, lists, seen, due) for item in parts["tasks"].items()]
    if not rows:
        raise parts["tasks"].error(f"phase “{key}” has no tasks")
    phase = PhaseDefinition(
        key=key,
        title=parts["title"].text(),
        summary=parts["summary"].text(),
        summary_sources=lists.sources_of(section, parts, "summary"),
        links=_read_links(parts),
        tasks=tuple(row.task for row in rows),
    )
    return phase, rows


def _read_task(
    section: YamlSection, phase: str, lists: _Lists, seen: set[str], due: DueRule | None
) -> _Row:
    found = section.mapping(_REQUIRED, _OPTIONAL)
    parts = {name: part for name, part in found.items() if not part.is_null or name in _REQUIRED}
    task = TaskDefinition(
        phase=phase,
        key=_read_key(parts["key"], seen),
        title=parts["title"].text(),
        responsibility=parts["responsibility"].choice(RESPONSIBILITIES),
        stated=parts["stated"].boolean(),
        do=parts["do"].text(),
        shown_by=parts["shown_by"].text(),
        role=parts["role"].choice(TaskRole.values) if "role" in parts else "",
        parent=parts["parent"].text() if "parent" in parts else None,
        links=_read_links(parts),
        applies_when=lists.condition(parts.get("applies_when")),
        otherwise=_read_otherwise(section, parts),
        required_when=lists.condition(parts.get("required_when")),
        depends_on=parts["depends_on"].texts() if "depends_on" in parts else (),
        check_kinds=_read_choices(parts.get("check"), REQUIRED_KINDS),
        supports=_read_choices(parts.get("supports"), KINDS),
        completed_by=read_completed_by(parts.get("completed_by")),
        per_domain="per_domain" in parts and parts["per_domain"].boolean(),
        domain_roles=_read_choices(parts.get("domain_roles"), DOMAIN_ROLES),
        optional="optional" in parts and parts["optional"].boolean(),
        gate=parts["gate"].choice(GATES) if "gate" in parts else None,
        due=_read_due(parts.get("due")) or due,
        waits=_read_wait(parts.get("waits")),
        own_work="own_work" in parts and parts["own_work"].boolean(),
        planned_cutovers=_read_choices(parts.get("planned_cutovers"), DIRECTIONS),
        fields=read_fields(parts.get("fields"), has_roles="domain_roles" in parts),
        plain_title=parts["plain_title"].text() if "plain_title" in parts else "",
        runbooks=read_runbooks(parts.get("runbooks"), lists.sources, lists.condition),
        do_sources=lists.sources_of(section, parts, "do"),
        shown_by_sources=lists.sources_of(section, parts, "shown_by"),
        why=parts["why"].text() if "why" in parts else "",
        why_sources=_read_why_sources(section, parts, lists),
    )
    _refuse_contradictions(task, section, parts)
    return _Row(task, parts)


def _read_why_sources(section: YamlSection, parts: Parts, lists: _Lists) -> tuple[str, ...]:
    if "why" in parts:
        return lists.sources_of(section, parts, "why")
    if "why_source" in parts:
        raise parts["why_source"].error("“why_source” without “why”")
    return ()


def _read_due(section: YamlSection | None) -> DueRule | None:
    if section is None:
        return None
    parts = section.mapping(["from", "working_days"])
    return DueRule(parts["from"].choice(ANCHORS), parts["working_days"].integer())


def _read_wait(section: YamlSection | None) -> WaitRule | None:
    if section is None:
        return None
    parts = section.mapping(["after", "days"])
    after = parts["after"].text()
    if not parts["days"].is_integer:
        parts["days"].choice([AGREED_DAYS])
        return WaitRule(after, None)
    days = parts["days"].integer()
    if not 1 <= days <= LONGEST_WAIT:
        raise parts["days"].error(f"“days” must be between 1 and {LONGEST_WAIT}")
    return WaitRule(after, days)


def _read_key(section: YamlSection, seen: set[str]) -> str:
    key = section.text()
    if not _KEY.fullmatch(key):
        raise section.error(f"“{key}” is not a key: lower-case words joined by hyphens")
    if key in seen:
        raise section.error(f"duplicate key “{key}”")
    seen.add(key)
    return key


def _read_links(parts: Parts) -> tuple[Link, ...]:
    return tuple(_read_link(item) for item in parts["links"].items()) if "links" in parts else ()


def _read_link(section: YamlSection) -> Link:
    parts = section.mapping(["title", "url"])
    url = None if parts["url"].is_null else parts["url"].text()
    if url is not None and not url.startswith("https://"):
        raise parts["url"].error(f"“{url}” is not an https address")
    return Link(title=parts["title"].text(), url=url)


def _read_choices(section: YamlSection | None, allowed: Collection[str]) -> tuple[str, ...]:
    if section is None:
        return ()
    items = section.items() if section.is_list else [section]
    return tuple(item.choice(allowed) for item in items)


def _read_condition(section: YamlSection | None, products: Collection[str]) -> Condition | None:
    if section is None:
        return None
    entries = section.entries()
    if "any" not in entries:
        return Condition((_read_alternative(section, products),))
    any_of = section.mapping(["any"])["any"]
    alternatives = tuple(_read_alternative(item, products) for item in any_of.items())
    if not alternatives:
        raise any_of.error("“any” is empty")
    return Condition(alternatives)


def _read_alternative(
    section: YamlSection, products: Collection[str]
) -> Mapping[str, tuple[str | bool, ...]]:
    entries = section.entries()
    if not entries:
        raise section.error(f"{section.name} names no field")
    return {name: _read_wanted(name, part, products) for name, part in entries.items()}


def _read_wanted(
    name: str, section: YamlSection, products: Collection[str]
) -> tuple[str | bool, ...]:
    items = section.items()
    if not items:
        raise section.error(f"“{name}” lists no value")
    if name in PROFILE_FLAGS:
        return tuple(item.boolean() for item in items)
    allowed = products if name == "products" else PROFILE_VALUES.get(name)
    if allowed is None:
        raise section.error(f"unknown profile field “{name}”")
    return tuple(item.choice(allowed) for item in items)


def _read_otherwise(section: YamlSection, parts: Parts) -> str:
    if "applies_when" not in parts:
        if "otherwise" in parts:
            raise parts["otherwise"].error("“otherwise” without “applies_when”")
        return ""
    if "otherwise" not in parts:
        raise section.error("“applies_when” needs “otherwise”, the reason shown if it does not")
    sentence = parts["otherwise"].text()
    try:
        names = {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}
    except ValueError as error:
        raise parts["otherwise"].error(f"“otherwise” has a stray brace: {error}") from error
    for name in sorted(names - set(PROFILE_VALUES)):
        raise parts["otherwise"].error(f"“otherwise” cannot fill in {{{name}}}")
    return sentence


def _refuse_contradictions(task: TaskDefinition, section: YamlSection, parts: Parts) -> None:
    if task.per_domain and not task.domain_roles:
        raise section.error(f"task “{task.key}” is per domain, but names no “domain_roles”")
    asks_per_domain = any(each.per_domain for each in task.fields)
    if task.domain_roles and not (task.per_domain or task.supports or asks_per_domain):
        raise parts["domain_roles"].error("“domain_roles” on a task that is not per domain")
    if task.required_when and not task.optional:
        raise parts["required_when"].error("“required_when” on a task that is not optional")
    if task.waits and (task.check_kinds or task.per_domain or task.gate):
        raise parts["waits"].error("a wait has no check and no gate, and is not per domain")
    if task.waits and task.waits.after not in task.depends_on:
        raise parts["waits"].error(f"a wait after “{task.waits.after}” must depend on it")
    _refuse_bad_proof(task, parts)


def _refuse_bad_proof(task: TaskDefinition, parts: Parts) -> None:
    """Refuse kinds of check that have two parts in one task, and sources in the wrong part."""
    for kind in task.supports:
        if kind in task.check_kinds:
            raise parts["supports"].error(f"“{kind}” both verifies and supports the task")
    for each in task.completed_by:
        _refuse_bad_source(each.check, task, parts["completed_by"])


def _refuse_bad_source(kind: str, task: TaskDefinition, section: YamlSection) -> None:
    if kind in task.supports:
        raise section.error(f"“{kind}” both completes and supports the task")
    if task.per_domain or task.waits:
        raise section.error("a source completes a task for all domains at once")
    if task.check_kinds and task.gate:
        # Its own check shows more than an export, such as a message after the switch.
        raise section.error("a hard gate with a “check” is completed by that check alone")


def _refuse_bad_relations(rows: list[_Row]) -> None:
    by_key = {row.task.key: row.task for row in rows}
    groups = _groups(rows)
    earlier: dict[str, TaskDefinition] = {}
    by_role: dict[str, TaskDefinition] = {}
    for row in rows:
        _refuse_bad_parent(row, earlier)
        _refuse_bad_dependencies(row, by_key)
        _refuse_bad_wait(row, by_key, groups)
        _refuse_bad_role(row, by_role)
        earlier[row.task.key] = row.task
    _refuse_cycles(rows)


def _groups(rows: list[_Row]) -> set[str]:
    own = {row.task.key for row in rows if row.task.own_work}
    return {row.task.parent for row in rows if row.task.parent} - own


def _refuse_bad_parent(row: _Row, earlier: Mapping[str, TaskDefinition]) -> None:
    if row.task.parent is None:
        return
    parent = earlier.get(row.task.parent)
    if parent is None or parent.phase != row.task.phase:
        raise row.parts["parent"].error(
            f"unknown parent “{row.task.parent}”: no task above it in this phase has that key"
        )
    if parent.parent is not None:
        raise row.parts["parent"].error(f"parent “{parent.key}” has a parent itself")


def _refuse_bad_dependencies(row: _Row, by_key: Mapping[str, TaskDefinition]) -> None:
    if "depends_on" not in row.parts:
        return
    seen: set[str] = set()
    for item in row.parts["depends_on"].items():
        key = item.text()
        if key not in by_key:
            raise item.error(f"task “{row.task.key}” depends on “{key}”, which does not exist")
        if key in seen:
            raise item.error(f"task “{row.task.key}” depends on “{key}” twice")
        seen.add(key)


def _refuse_bad_wait(
    row: _Row, by_key: Mapping[str, TaskDefinition], groups: Collection[str]
) -> None:
    if row.task.waits is None:
        return
    awaited = by_key[row.task.waits.after]
    if row.task.key in groups:
        raise row.parts["waits"].error("a group cannot be a wait: it is done when its tasks are")
    if awaited.key in groups or awaited.waits is not None:
        raise row.parts["waits"].error(
            f"a wait must follow a task, and “{awaited.key}” is a group or a wait"
        )


def _refuse_bad_role(row: _Row, by_role: dict[str, TaskDefinition]) -> None:
    """Refuse a second task with a unique role. Adds the task to `by_role`."""
    if not row.task.role:
        return
    role = TaskRole(row.task.role)
    first = by_role.setdefault(role, row.task)
    if role.is_unique and first is not row.task:
        raise row.parts["role"].error(f"“{first.key}” has this role already")


def _refuse_cycles(rows: list[_Row]) -> None:
    # A group waits for its children, so an edge from child to group closes a cycle as well.
    groups = _groups(rows)
    waits_for = {row.task.key: list(row.task.depends_on) for row in rows}
    for row in rows:
        if row.task.parent in groups:
            waits_for[row.task.parent].append(row.task.key)
    settled: set[str] = set()
    for row in rows:
        cycle = _cycle_from(row.task.key, waits_for, settled)
        if cycle:
            first = next(other for other in rows if other.task.key in cycle)
            start = cycle.index(first.task.key)
            turned = [*cycle[start:], *cycle[:start], first.task.key]
            raise first.parts["key"].error(f"cycle of dependencies: {' → '.join(turned)}")


def _cycle_from(start: str, waits_for: Mapping[str, list[str]], settled: set[str]) -> list[str]:
    """The keys of a cycle reachable from `start`, or none. Adds the cleared keys to `settled`."""
    path: list[str] = [start]
    pending: list[Iterator[str]] = [iter(waits_for[start])]
    while path:
        following = next(pending[-1], None)
        if following is None:
            settled.add(path.pop())
            pending.pop()
        elif following in path:
            return path[path.index(following) :]
        elif following not in settled:
            path.append(following)
            pending.append(iter(waits_for[following]))
    return []
