"""Charts as SVG, rendered on the server. Pure.

Every chart is next to its numbers, or has a table behind it. A chart is therefore hidden from
screen readers, unless it has a label. Colours come from the classes of `charts.css`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

_WIDTH, _HEIGHT = 100, 10
# The room around the marks of a line, so that none is cut off.
_MARGIN = 6
_SLIP_WIDTH = 240


def stacked_bar(parts: Sequence[tuple[str, float]], most: float) -> SafeString:
    """A horizontal bar of several parts. `parts` have a class and a value, `most` fills it."""
    scale = _WIDTH / most if most > 0 else 0.0
    rects, at = [], 0.0
    for name, value in parts:
        width = value * scale
        if width > 0:
            # A gap separates the parts without colour.
            rects.append((name, f"{at:.2f}", f"{max(width - 1, 0.5):.2f}", _HEIGHT))
        at += width
    return format_html(
        '<svg class="chart-bar" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">'
        "{}</svg>",
        _WIDTH,
        _HEIGHT,
        format_html_join(
            "", '<rect class="part-{}" x="{}" width="{}" height="{}" rx="1"></rect>', rects
        ),
    )


def bar(value: float, most: float) -> SafeString:
    """A horizontal bar of one value. `most` fills it."""
    return stacked_bar([("plain", value)], most)


def sparkline(values: Sequence[float | None], label: str) -> SafeString:
    """A line over the values, with a mark at the last one. None is a gap without a value."""
    width, height = 120.0, 32.0
    known = [(number, value) for number, value in enumerate(values) if value is not None]
    if len(known) < 2:
        return SafeString("")
    most, least = max(v for _, v in known), min(v for _, v in known)
    step = (width - 2 * _MARGIN) / max(len(values) - 1, 1)
    scale = (height - 2 * _MARGIN) / (most - least) if most > least else 0.0
    points = [
        (f"{_MARGIN + number * step:.1f}", f"{height - _MARGIN - (value - least) * scale:.1f}")
        for number, value in known
    ]
    return format_html(
        '<svg class="chart-line" viewBox="0 0 {} {}" role="img"><title>{}</title>'
        '<polyline points="{}"></polyline><circle cx="{}" cy="{}" r="3"></circle></svg>',
        int(width),
        int(height),
        label,
        format_html_join(" ", "{},{}", points),
        *points[-1],
    )


@dataclass(frozen=True)
class SlipScale:
    """The days of the full width of the slip lines of a table."""

    first: date
    last: date

    def place_of(self, day: date) -> float:
        """The horizontal place of a day in the chart, within its margins."""
        share = (day - self.first).days / max((self.last - self.first).days, 1)
        return _MARGIN + min(max(share, 0.0), 1.0) * (_SLIP_WIDTH - 2 * _MARGIN)


def slip_line(
    scale: SlipScale, forecast: date, *, due: date | None = None, original: date | None = None
) -> SafeString:
    """The forecast (diamond) against the original schedule (ring) and the due date (tick)."""
    x = scale.place_of(forecast)
    marks = [_line("axis", 0, _SLIP_WIDTH)]
    start = original or due
    if start is not None:
        marks.append(_line("late" if forecast > start else "early", scale.place_of(start), x))
    if due is not None:
        tick = '<path class="due" d="M{} 3v12"></path>'
        marks.append(format_html(tick, f"{scale.place_of(due):.1f}"))
    if original is not None:
        ring = '<circle class="original" cx="{}" cy="9" r="4"></circle>'
        marks.append(format_html(ring, f"{scale.place_of(original):.1f}"))
    marks.append(format_html('<path class="forecast" d="M{} 4l5 5-5 5-5-5z"></path>', f"{x:.1f}"))
    return format_html(
        '<svg class="chart-slip" viewBox="0 0 {} 18" aria-hidden="true">{}</svg>',
        _SLIP_WIDTH,
        format_html_join("", "{}", ((mark,) for mark in marks)),
    )


def _line(name: str, start: float, end: float) -> SafeString:
    return format_html('<path class="{}" d="M{} 9H{}"></path>', name, f"{start:.1f}", f"{end:.1f}")
