"""Read the fields and the instructions of a template's tasks. Raises YamlSchemaError."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from checks.engine.outcomes import CheckKind
from checks.engine.sources.facts import Strength
from checks.engine.sources.registry import SOURCE_OF_KIND, SOURCES, strength_of
from onboarding.plan_templates.runbooks import named_in
from onboarding.plan_templates.schema import (
    CONFIDENCES,
    CompletingSource,
    Condition,
    Runbook,
    RunbookStep,
    Source,
    TaskDefinition,
)
from onboarding.plans.recorded_facts import RECORDED_FACTS
from onboarding.plans.task_fields import (
    LARGEST_NUMBER,
    SENDING_CHOICES,
    FieldDefinition,
    FieldType,
)
from onboarding.plans.tenant_values import PLACEHOLDERS
from tenants.yaml_schema import YamlSection

# The columns of the tenant that a field can be stored in.
PROFILE_COLUMNS = frozenset({"account_code"})
LONGEST_COUNTDOWN = 730

_KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_FIELD_OPTIONS = (
    "help",
    "required",
    "choices",
    "per_domain",
    "countdown",
    "at_most",
    "at_least",
    "profile",
    "fact",
    "not_before_safe_time",
    "sends",
)
_DAY = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")


def read_sources(section: YamlSection | None) -> dict[str, Source]:
    """The sources of the template by key."""
    if section is None:
        return {}
    return {key: _read_source(part) for key, part in section.entries().items()}


def _read_source(section: YamlSection) -> Source:
    parts = section.mapping(["title", "url", "read_on"])
    url = None if parts["url"].is_null else parts["url"].text()
    if url is not None and not url.startswith("https://"):
        raise parts["url"].error(f"“{url}” is not an https address")
    day = parts["read_on"].text()
    if not _DAY.fullmatch(day):
        raise parts["read_on"].error("“read_on” must be a date in quotation marks: “2026-11-23”")
    return Source(parts["title"].text(), url, day)


# --- Proof sources


def read_completed_by(section: YamlSection | None) -> tuple[CompletingSource, ...]:
    """The proof sources that complete the task, each with the strength that Gangway's rule has."""
    if section is None:
        return ()
    found: list[CompletingSource] = []
    for item in section.items():
        parts = item.mapping(["source", "check", "strength"])
        source = SOURCES[parts["source"].choice(frozenset(SOURCES))]
        kind = CheckKind(parts["check"].choice([each.value for each in source.kinds]))
        strength = Strength(parts["strength"].choice([each.value for each in Strength]))
        actual = source.rule_for(kind).strength
        if strength is not actual:
            raise parts["strength"].error(f"“{kind}” of “{source.key}” is {actual}, not {strength}")
        if not strength.completes:
            raise parts["strength"].error(f"“{kind}” only supports a task: name it in “supports”")
        if any(each.check == kind for each in found):
            raise item.error(f"“{kind}” is named twice")
        found.append(CompletingSource(source.key, kind.value, strength.value))
    return tuple(found)


def completing_sources(kinds: Collection[str]) -> list[CompletingSource]:
    """The declarations of these kinds of check, with their source and strength."""
    return [
        CompletingSource(SOURCE_OF_KIND[kind].key, kind.value, strength_of(kind).value)
        for kind in map(CheckKind, kinds)
    ]


# --- Fields


def read_fields(section: YamlSection | None, *, has_roles: bool) -> tuple[FieldDefinition, ...]:
    """The fields of a task. `has_roles`: whether the task names the roles of its domains."""
    if section is None:
        return ()
    fields: list[FieldDefinition] = []
    for item in section.items():
        definition = _read_field(item)
        if any(definition.key == other.key for other in fields):
            raise item.error(f"duplicate field “{definition.key}”")
        if definition.per_domain and not has_roles:
            raise item.error(f"field “{definition.key}” is per domain: name “domain_roles”")
        fields.append(definition)
    _refuse_bad_comparisons(section, fields)
    return tuple(fields)


def _read_field(section: YamlSection) -> FieldDefinition:
    parts = section.mapping(["key", "label", "type"], _FIELD_OPTIONS)
    countdown = parts["countdown"].mapping(["days", "label"]) if "countdown" in parts else None
    definition = FieldDefinition(
        key=_read_key(parts["key"]),
        label=parts["label"].text(),
        type=FieldType(parts["type"].choice([each.value for each in FieldType])),
        help=parts["help"].text() if "help" in parts else "",
        required="required" not in parts or parts["required"].boolean(),
        choices=parts["choices"].texts() if "choices" in parts else (),
        per_domain="per_domain" in parts and parts["per_domain"].boolean(),
        countdown_days=countdown["days"].integer() if countdown else None,
        countdown_label=countdown["label"].text() if countdown else "",
        at_most=parts["at_most"].text() if "at_most" in parts else "",
        at_least=parts["at_least"].integer() if "at_least" in parts else None,
        profile=parts["profile"].choice(PROFILE_COLUMNS) if "profile" in parts else "",
        fact=parts["fact"].choice(RECORDED_FACTS) if "fact" in parts else "",
        not_before_safe_time="not_before_safe_time" in parts
        and parts["not_before_safe_time"].boolean(),
        sends="sends" in parts and parts["sends"].boolean(),
    )
    for is_wrong, reason in _contradictions(definition):
        if is_wrong:
            raise section.error(f"field “{definition.key}”: {reason}")
    return definition


def _contradictions(field: FieldDefinition) -> list[tuple[bool, str]]:
    days, least = field.countdown_days, field.at_least
    return [
        (
            (field.type is FieldType.CHOICE) != bool(field.choices),
            "a choice, and only it, has them",
        ),
        (days is not None and field.type is not FieldType.DATE, "only a date has a countdown"),
        (days is not None and not 0 <= days <= LONGEST_COUNTDOWN, "a countdown has 0 to 730 days"),
        (
            least is not None and field.type is not FieldType.NUMBER,
            "only a number has a smallest value",
        ),
        (
            least is not None and not 0 <= least <= LARGEST_NUMBER,
            f"“at_least” is between 0 and {LARGEST_NUMBER:,}",
        ),
        (field.per_domain and field.type is FieldType.FILE, "a file belongs to the whole task"),
        (field.per_domain and bool(field.profile), "a column of the profile is not per domain"),
        (
            (field.type is FieldType.FACT) != bool(field.fact),
            "the type fact, and only it, names a recorded fact",
        ),
        (field.per_domain and field.type is FieldType.FACT, "a fact belongs to the whole task"),
        (
            field.not_before_safe_time and field.type is not FieldType.DATE,
            "only a date is compared with the safe time",
        ),
        (
            field.sends and (field.choices != SENDING_CHOICES or not field.per_domain),
            "a field with “sends” must be a choice for each domain, with the choices:"
            f" {', '.join(SENDING_CHOICES)}",
        ),
        (bool(field.profile) and field.type is not FieldType.TEXT, "a profile column is a text"),
    ]


def _read_key(section: YamlSection) -> str:
    key = section.text()
    if not _KEY.fullmatch(key):
        raise section.error(f"“{key}” is not a key: lower-case words joined by hyphens")
    return key


def _refuse_bad_comparisons(section: YamlSection, fields: Collection[FieldDefinition]) -> None:
    numbers = {each.key for each in fields if each.type is FieldType.NUMBER}
    for each in fields:
        if each.at_most and not {each.key, each.at_most} <= numbers:
            raise section.error(f"field “{each.key}” is compared with no number of the task")


# --- Instructions

ReadCondition = Callable[[YamlSection | None], Condition | None]


def read_runbooks(
    section: YamlSection | None, sources: Mapping[str, Source], read_condition: ReadCondition
) -> tuple[Runbook, ...]:
    """The instructions of a task. Every step has a source that the template lists."""
    if section is None:
        return ()
    return tuple(_read_runbook(item, sources, read_condition) for item in section.items())


def _read_runbook(
    section: YamlSection, sources: Mapping[str, Source], read_condition: ReadCondition
) -> Runbook:
    parts = section.mapping(["title", "confidence", "steps"], ["applies_when", "source"])
    common = parts["source"].texts() if "source" in parts else ()
    steps = tuple(_read_step(item, common) for item in parts["steps"].items())
    if not steps:
        raise parts["steps"].error("“steps” is empty")
    runbook = Runbook(
        title=parts["title"].text(),
        confidence=parts["confidence"].choice(CONFIDENCES),
        applies_when=read_condition(parts.get("applies_when")),
        steps=steps,
    )
    for step, item in zip(steps, parts["steps"].items(), strict=True):
        _refuse_unknown_sources(step, item, sources)
    for name in named_in(runbook):
        if name not in PLACEHOLDERS:
            raise section.error(
                f"“{{{name}}}” is no placeholder. Use one of: {', '.join(sorted(PLACEHOLDERS))}"
            )
    return runbook


def _read_step(section: YamlSection, common: tuple[str, ...]) -> RunbookStep:
    parts = section.mapping(["text"], ["command", "values", "source"])
    return RunbookStep(
        text=parts["text"].text(),
        command=parts["command"].text() if "command" in parts else "",
        values=parts["values"].texts() if "values" in parts else (),
        sources=parts["source"].texts() if "source" in parts else common,
    )


def _refuse_unknown_sources(
    step: RunbookStep, section: YamlSection, sources: Mapping[str, Source]
) -> None:
    if not step.sources:
        raise section.error("the step has no “source”: write no statement without a source")
    for key in step.sources:
        if key not in sources:
            raise section.error(f"“{key}” is not in the “sources” of the template")


def literal_gap(task: TaskDefinition) -> str:
    """A placeholder or an angle-bracket gap that a page would show literally; empty if none.

    Only the steps of instructions are filled with the tenant's values.
    """
    for text in (task.do, task.shown_by, task.why):
        gap = re.search(r"<[a-z][a-z ]*>|\{[a-z][a-z0-9_]*\}", text)
        if gap:
            return gap.group()
    return ""
