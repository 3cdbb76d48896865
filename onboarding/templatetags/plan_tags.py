"""Template filters and tags of the plan pages and the dashboard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from django import template
from django.http import QueryDict
from django.utils.safestring import SafeString

from checks.engine.outcomes import Verdict
from checks.models import KIND_CHOICES, Observation
from onboarding.collaboration.markdown import render
from onboarding.models import Comment, Cutover, CutoverStatus, Drift, RequirementsSheet
from onboarding.models.cutovers import readiness_rows
from onboarding.plans.current_state import CurrentState
from onboarding.plans.planned_cutovers import next_cutover
from onboarding.plans.rows import SHAPE_OF_VERDICT, Shape, shape_of_state, without_proof
from onboarding.requirements.sign_off import definition_of
from tenants import database_time
from tenants.models import Tenant

register = template.Library()
register.filter(readiness_rows)

CUTOVER_SHAPES = {
    CutoverStatus.State.READY: Shape.PASS,
    CutoverStatus.State.SWITCHED: Shape.PASS,
    CutoverStatus.State.AT_RISK: Shape.FAIL,
    CutoverStatus.State.OPEN: Shape.TODO,
}


@register.filter
def get_item(mapping: Mapping[Any, Any], key: object) -> Any:
    """The value of the key, or None."""
    return mapping.get(key)


@register.filter
def unanswered(comments: Iterable[Comment] | None) -> Comment | None:
    """The oldest unanswered question of these comments."""
    return next((each for each in comments or () if each.is_open_question), None)


@register.filter
def next_planned(cutovers: Iterable[Cutover]) -> Cutover | None:
    """The next planned cutover, or the last past one."""
    return next_cutover(list(cutovers), now=database_time.now())


@register.filter
def getlist(query: QueryDict, key: str) -> list[str]:
    """All values of a query parameter."""
    return [str(value) for value in query.getlist(key)]


@register.filter
def comment_body(comment: Comment) -> SafeString:
    """The Markdown of a comment as safe HTML, with its mentions highlighted."""
    return render(comment.body, mentioned=[person.name for person in comment.mentions.all()])


@register.filter
def asks_questions(sheet: RequirementsSheet) -> bool:
    """Whether the sheet consists of fixed questions, so that its count is one of answers."""
    return definition_of(sheet).is_fixed


@register.filter
def days_until(today: date, day: date) -> str:
    """The number of days from today to the day, in words."""
    days = (day - today).days
    return f"in {days} day{'' if days == 1 else 's'}" if days else "today"


@register.filter
def kind_label(kind: str) -> str:
    """The label of a check kind."""
    return dict(KIND_CHOICES)[str(kind)]


@register.filter
def field_label(name: str) -> str:
    """The label of a profile field."""
    return str(getattr(Tenant._meta.get_field(name), "verbose_name", name))


@register.filter
def state_shape(state: CurrentState) -> Shape:
    """The shape of the current state of a subject."""
    return shape_of_state(state)


@register.filter
def observation_shape(observation: Observation) -> Shape:
    """The shape of one observation, independent of the settled verdict."""
    shape = SHAPE_OF_VERDICT[Verdict(observation.verdict)]
    is_text = observation.evidence.get("is_authenticated") is False
    return without_proof(shape) if is_text else shape


@register.filter
def shape_of_verdict(verdict: str) -> Shape:
    """The shape of a stored verdict."""
    return SHAPE_OF_VERDICT[Verdict(verdict)]


@register.filter
def first_sentence(text: str) -> str:
    """The first sentence of a text, in full."""
    sentence, end, _ = text.partition(". ")
    return f"{sentence}." if end else sentence


@register.filter
def working_days(days: float) -> str:
    """A number of working days in words; empty below half a tenth."""
    if days < 0.05:
        return ""
    if days < 0.95:
        return "less than 1 working day"
    text = f"{max(days, 1.0):.1f}".removesuffix(".0")
    return f"{text} working day{'' if text == '1' else 's'}"


@register.filter
def signed(value: float) -> str:
    """A difference of days, rounded: +3, 0 or −2, with a minus sign."""
    days = round(value)
    return f"+{days}" if days > 0 else f"−{-days}" if days < 0 else "0"


@register.filter
def cutover_shape(state: str) -> Shape:
    """The shape of the state of a cutover in calendars."""
    return CUTOVER_SHAPES[CutoverStatus.State(state)]


@register.filter
def tree_lines(node: Mapping[str, Any], depth: int = 0) -> list[tuple[int, Mapping[str, Any]]]:
    """An SPF tree as lines with their depth, parents before children."""
    lines: list[tuple[int, Mapping[str, Any]]] = [(depth, node)]
    for child in node.get("children", []):
        lines += tree_lines(child, depth + 1)
    return lines


@register.filter
def drift_kind(kind: str) -> str:
    """The label of a drift kind, or the kind itself if it is unknown."""
    return str(dict(Drift.Kind.choices).get(kind, kind))
