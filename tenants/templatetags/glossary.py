"""A term of the glossary on a page, with its meaning in a pop-over."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from django import template
from django.template.context import Context
from django.template.loader import render_to_string
from django.utils.html import conditional_escape, escape
from django.utils.safestring import SafeString, mark_safe

from tenants.glossary import GlossaryTerm, find, occurrences

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
    return _popover(text, found, f"term-{found.key}-{number}")


@register.simple_tag
def explain_terms(scope: str, **texts: str | None) -> Mapping[str, SafeString]:
    """The plain texts as HTML, by name. The first use of each term has its pop-over.

    `scope` is unique on the page, such as the key of a task: the pop-overs get their ids from it.
    The texts are escaped.
    """
    plain = tuple(str(text or "") for text in texts.values())
    return dict(zip(texts, _explained(scope, plain), strict=True))


@functools.lru_cache(maxsize=1024)
def _explained(scope: str, texts: tuple[str, ...]) -> tuple[SafeString, ...]:
    seen: set[str] = set()
    return tuple(_mark_first(text, scope, seen) for text in texts)


def _mark_first(text: str, scope: str, seen: set[str]) -> SafeString:
    """Mark the terms that are not in `seen`, and add them to it."""
    parts: list[str] = []
    done = 0
    for start, end, found in occurrences(text):
        if found.key not in seen:
            seen.add(found.key)
            parts += [escape(text[done:start])]
            parts += [_popover(text[start:end], found, f"term-{found.key}-{scope}")]
            done = end
    parts.append(escape(text[done:]))
    # Every part is escaped above or by the template of the pop-over.
    return mark_safe("".join(parts))


def _popover(text: str, found: GlossaryTerm, element_id: str) -> SafeString:
    values = {"text": text, "term": found, "id": element_id}
    # Rendering has escaped the values. Stripping removes only white space.
    return mark_safe(render_to_string("components/term.html", values).strip())
