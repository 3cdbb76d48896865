"""The sentence of an activity line. Its wording is in templates/activity/<name>.html."""

from __future__ import annotations

from django import template
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.utils.safestring import SafeString, mark_safe

from tenants.models import ActivityLine

register = template.Library()

FALLBACK_TEMPLATE = "activity/unknown_name.html"

_SIDES = {"mimecast": "Mimecast", "client": "the client", "both": "both sides"}


@register.simple_tag
def activity_sentence(line: ActivityLine, zone: str = "") -> SafeString:
    """The sentence of a line as HTML, with times in `zone` (UTC by default).

    A name that this version does not know gets a sentence that quotes the name.
    """
    try:
        sentence = get_template(f"activity/{line.name}.html")
    except TemplateDoesNotExist:
        sentence = get_template(FALLBACK_TEMPLATE)
    context = {
        "line": line,
        "params": line.display_params,
        "who": str(line.actor or "Gangway"),
        "zone": zone or "UTC",
    }
    # Rendering has escaped the values. Stripping removes only white space.
    return mark_safe(sentence.render(context).strip())


@register.filter
def side_name(side: str) -> str:
    """A side as a sentence names it: Mimecast, the client, both sides."""
    return _SIDES.get(side, side)
