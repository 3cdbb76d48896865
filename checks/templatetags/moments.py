"""Moments as people say them: "4 min ago", with the exact moment one hover away."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import template
from django.utils import timezone

register = template.Library()

_WORDS_UNTIL = timedelta(days=14)


@register.filter
def ago(moment: datetime) -> str:
    """Short and relative to now; a plain date beyond two weeks. static/js/moment.js agrees."""
    distance = timezone.now() - moment
    if abs(distance) >= _WORDS_UNTIL:
        local = timezone.localtime(moment)
        year = f" {local.year}" if local.year != timezone.localtime().year else ""
        return f"{local.day} {local:%b}{year}"
    span = _span(abs(distance))
    if not span:
        return "just now" if distance >= timedelta(0) else "in a moment"
    return f"{span} ago" if distance >= timedelta(0) else f"in {span}"


def _span(distance: timedelta) -> str:
    seconds = int(distance.total_seconds())
    if seconds < 45:
        return ""
    if seconds < 3600:
        return f"{max(1, round(seconds / 60))} min"
    if seconds < 86_400:
        return f"{seconds // 3600} h"
    days = seconds // 86_400
    return f"{days} day" if days == 1 else f"{days} days"
