"""Timestamps for people: "4 min ago", with the exact time as a tooltip."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from tenants import database_time

register = template.Library()

OVERDUE = "due now"
_RELATIVE_UNTIL = timedelta(days=14)


@register.filter
def is_within_hour(at: datetime) -> bool:
    return database_time.now() - at < timedelta(hours=1)


@register.simple_tag
def relative_time(at: datetime) -> SafeString:
    """A relative time; static/js/relative_time.js updates it."""
    return _time_element(at, "data-relative-time", ago(at))


@register.simple_tag
def next_check(at: datetime) -> SafeString:
    """A future time as `relative_time` shows it; "due now" once it has passed."""
    text = ago(at) if at > database_time.now() else OVERDUE
    return _time_element(at, 'data-relative-time="ahead"', text)


@register.simple_tag
def duration_since(at: datetime) -> SafeString:
    """The time since `at`, without "ago"; static/js/relative_time.js updates it."""
    span = _span(database_time.now() - at) or "less than a minute"
    return _time_element(at, 'data-relative-time="since"', span)


@register.simple_tag
def local_time(at: datetime, zone: str) -> SafeString:
    """The day and minute in a tenant's own time zone, with the year unless it is this year."""
    return _exact_time(at, zone, "H:i T")


@register.simple_tag
def local_clock(at: datetime, zone: str) -> SafeString:
    """The minute in a tenant's own time zone, next to its day."""
    local = at.astimezone(zoneinfo.ZoneInfo(zone))
    return format_html(
        '<time class="nowrap" datetime="{}" title="{}">{}</time>',
        at.isoformat(),
        _utc_title(at),
        date_format(local, "H:i T"),
    )


@register.simple_tag
def stored_time(text: str, zone: str) -> str:
    """A time stored as text in an activity line, with its year, in a time zone."""
    at = datetime.fromisoformat(text)
    local = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(zoneinfo.ZoneInfo(zone))
    return date_format(local, "D j M Y, H:i T")


@register.simple_tag
def exact_to_second(at: datetime, zone: str) -> SafeString:
    """The day and second in a tenant's own time zone, for records; with a year as `local_time`."""
    return _exact_time(at, zone, "H:i:s T")


@register.simple_tag
def countdown(at: datetime) -> SafeString:
    """Hours, minutes and seconds to or since a time; static/js/relative_time.js updates it."""
    seconds = abs(int((database_time.now() - at).total_seconds()))
    return format_html(
        '<time class="nowrap" role="timer" datetime="{}" title="{}" data-timer>{}</time>',
        at.isoformat(),
        _utc_title(at),
        format_countdown(seconds),
    )


def _exact_time(at: datetime, zone: str, clock: str) -> SafeString:
    place = zoneinfo.ZoneInfo(zone)
    local = at.astimezone(place)
    is_this_year = local.year == database_time.now().astimezone(place).year
    return format_html(
        '<time class="nowrap" datetime="{}" title="{}">{}</time>',
        at.isoformat(),
        _utc_title(at),
        date_format(local, f"D j M, {clock}" if is_this_year else f"D j M Y, {clock}"),
    )


def format_countdown(seconds: int) -> str:
    """3 days 04:05:06; without days below one day."""
    days, rest = divmod(seconds, 86_400)
    face = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days} day{'s' if days > 1 else ''} {face}" if days else face


def _time_element(at: datetime, attribute: str, text: str) -> SafeString:
    """A page can have hundreds. No part needs escaping: `text` consists of words and numbers."""
    return mark_safe(
        f'<time datetime="{at.isoformat()}" title="{_utc_title(at)}" {attribute}>{text}</time>'
    )


def _utc_title(at: datetime) -> str:
    """As the format "D j M Y, H:i:s" of Django."""
    at = at.astimezone(UTC)
    return f"{at:%a} {at.day} {at:%b} {at.year}, {at:%H:%M:%S} UTC"


@register.filter
def ago(at: datetime) -> str:
    """Short and relative to now; a plain date beyond two weeks. As static/js/relative_time.js."""
    distance = database_time.now() - at
    if abs(distance) >= _RELATIVE_UNTIL:
        local = timezone.localtime(at)
        year = f" {local.year}" if local.year != timezone.localtime().year else ""
        return f"{local.day} {local:%b}{year}"
    span = _span(abs(distance))
    if not span:
        return (
            "just now" if distance >= timedelta(0) else f"in {round(-distance.total_seconds())} s"
        )
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
