"""The sentence and the link of a notification."""

from __future__ import annotations

from django import template

from tenants.models import Notification
from tenants.notification_texts import path_of, sentence_of

register = template.Library()
register.filter("notification_sentence", sentence_of)
register.filter("notification_path", path_of)


@register.filter
def notification_shape(notification: Notification) -> str:
    """The shape of the verdict component; empty for an event that a person caused."""
    match Notification.Kind(notification.kind):
        case Notification.Kind.REGRESSED:
            return "fail"
        case Notification.Kind.DRIFT:
            changes = notification.params["changes"]
            return "pass" if all(each["type"] == "closed" for each in changes) else "fail"
        case Notification.Kind.REMINDER:
            return "waiting"
        case _:
            return ""
