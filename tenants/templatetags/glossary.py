"""A term of the glossary on a page, with its meaning in a pop-over."""

from __future__ import annotations

from django import template
from django.template.context import Context
from django.template.loader import render_to_string
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

from tenants.glossary import find

register = template.Library()
_COUNT = "glossary_terms"


@register.simple_tag(takes_context=True)
def term(context: Context, text: str) -> SafeString:
    """The text as a button that shows the meaning; the text alone if it is no term.

    The pop-over needs no script: the browser opens it, closes it with Escape or by a click outside,
    and returns the focus. Each one has an id of its own, because a page can repeat a term.
    """
    found = find(text)
    if found is None:
        return conditional_escape(text)
    number = (context.render_context.get(_COUNT) or 0) + 1
    context.render_context[_COUNT] = number
    values = {"text": text, "term": found, "id": f"term-{found.key}-{number}"}
    # Rendering has escaped the values. Stripping removes only white space.
    return mark_safe(render_to_string("components/term.html", values).strip())
