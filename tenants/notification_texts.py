"""The sentence and the address of a notification, for the page, the e-mail and the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils.dateparse import parse_datetime

from tenants.models import Notification

Kind = Notification.Kind
_FORMER_USER = "A former user"


def sentence_of(notification: Notification) -> str:
    """One sentence with the fact and, if there is one, the action. Plain text."""
    return _SENTENCES[Kind(notification.kind)](notification, notification.params)


def path_of(notification: Notification) -> str:
    """The path of the page with the object behind the event."""
    params, tenant = notification.params, notification.tenant.public_id
    match Kind(notification.kind):
        case Kind.VOTE | Kind.DECISION:
            room = reverse("onboarding:cutover-room", args=[tenant, params["cutover_id"]])
            return f"{room}#go-no-go-title"
        case Kind.DRIFT:
            return reverse("onboarding:monitoring", args=[tenant])
        case Kind.REMINDER if len(params["tasks"]) > 1:
            # The pages on which each side finds its open tasks.
            page = "plan-show" if notification.recipient.is_mimecast else "my-tasks"
            return reverse(f"onboarding:{page}", args=[tenant])
        case _:
            task = params["tasks"][0]
            phase = urlencode({"phase": task["phase"]})
            return f"{reverse('onboarding:plan-show', args=[tenant])}?{phase}#{task['key']}"


def _actor(notification: Notification) -> str:
    return notification.actor.name if notification.actor is not None else _FORMER_USER


def _title(params: Mapping[str, Any]) -> str:
    return f"“{params['tasks'][0]['title']}”"


def _mention(notification: Notification, params: Mapping[str, Any]) -> str:
    return f"{_actor(notification)} mentioned you in a comment on {_title(params)}."


def _question(notification: Notification, params: Mapping[str, Any]) -> str:
    return f"{_actor(notification)} asks you a question on {_title(params)}."


def _answer(notification: Notification, params: Mapping[str, Any]) -> str:
    return f"{_actor(notification)} answered your question on {_title(params)}."


def _cutover(notification: Notification, params: Mapping[str, Any]) -> str:
    """The cutover with the day and the time of its window in the time zone of the tenant."""
    at = parse_datetime(params["planned_at"])
    assert at is not None, "the writer stored an ISO 8601 time"
    local = at.astimezone(ZoneInfo(notification.tenant.time_zone))
    day = f"{local:%a} {local.day} {local:%b} {local:%H:%M %Z}"
    return f"{params['direction']} cutover of {params['domains']} ({day})"


def _vote(notification: Notification, params: Mapping[str, Any]) -> str:
    return f"The {_cutover(notification, params)} needs your go / no-go vote."


def _decision(notification: Notification, params: Mapping[str, Any]) -> str:
    decision = "go" if params["is_go"] else "no-go"
    return f"The {_cutover(notification, params)} is decided: {decision}."


def _reminder(notification: Notification, params: Mapping[str, Any]) -> str:
    number = len(params["tasks"])
    waiting = f"{number} tasks wait on you" if number > 1 else f"{_title(params)} waits on you"
    if notification.actor is None:
        return f"Reminder: {waiting}."
    return f"{notification.actor.name} reminds you: {waiting}."


def _regressed(notification: Notification, params: Mapping[str, Any]) -> str:
    subjects = ", ".join(params["subjects"])
    return f"{_title(params)} is no longer verified: {subjects} fails its check."


def _drift(notification: Notification, params: Mapping[str, Any]) -> str:
    """The first change, and the number of the others that the same e-mail contains."""
    first, *others = params["changes"]
    fact = f"{first['title']}: {first['subject']}"
    if first["type"] == "closed":
        fact = f"No longer a drift: {fact}"
    more = f", and {len(others)} more" if others else ""
    return f"{fact}{more}."


_SENTENCES: Mapping[Notification.Kind, Callable[[Notification, Mapping[str, Any]], str]] = {
    Kind.MENTION: _mention,
    Kind.QUESTION: _question,
    Kind.ANSWER: _answer,
    Kind.VOTE: _vote,
    Kind.DECISION: _decision,
    Kind.REMINDER: _reminder,
    Kind.REGRESSED: _regressed,
    Kind.DRIFT: _drift,
}
