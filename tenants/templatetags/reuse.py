"""Tags of every template that reuse earlier results: rendered components, and addresses.

Both are pure: a result depends on nothing except the values in its key. Each process has its own
results, and drops those that were not needed for the longest time.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import date
from typing import Any

from django import template
from django.conf import settings
from django.template.base import FilterExpression, Parser, Token
from django.template.context import Context
from django.template.defaulttags import URLNode
from django.template.defaulttags import url as parse_url
from django.template.loader import get_template
from django.template.loader_tags import IncludeNode, do_include
from django.urls import NoReverseMatch, get_script_prefix, get_urlconf, reverse
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

register = template.Library()

COMPONENTS, ADDRESSES = 8192, 16_384
# Values that cannot change after they have become a key.
_PLAIN = (str, int, date, type(None))

# The type belongs to the key: 1 equals True, and a safe text equals one that must be escaped.
Values = tuple[tuple[str, type, Any], ...]


def render_component(name: str, values: Values, language: str | None) -> SafeString:
    """Render a template with these values alone."""
    # Rendering has escaped the values.
    return mark_safe(get_template(name).render({key: value for key, _, value in values}))


_rendered_before = functools.lru_cache(COMPONENTS)(render_component)


class ComponentNode(template.Node):
    def __init__(self, name: FilterExpression, values: Mapping[str, FilterExpression]) -> None:
        self.name, self.values = name, values

    def render(self, context: Context) -> SafeString:
        values = [(key, value.resolve(context)) for key, value in self.values.items()]
        if not all(isinstance(value, _PLAIN) for _, value in values):
            raise TypeError(f"{self.name} needs plain values: {values}")
        # In development a template may have changed since.
        render = render_component if settings.DEBUG else _rendered_before
        typed = tuple((key, type(value), value) for key, value in values)
        return render(self.name.resolve(context), typed, get_language())


@register.tag
def component(parser: Parser, token: Token) -> ComponentNode:
    """`{% component "name.html" with key=value only %}`: an include whose text is reused.

    The template may read only its values, which are texts, numbers, truth values and dates. It
    may not show the current time, or contain a form with a token.
    """
    node: IncludeNode = do_include(parser, token)
    if not node.isolated_context:
        raise template.TemplateSyntaxError("A component needs `only`.")
    return ComponentNode(node.template, node.extra_context)


@functools.lru_cache(ADDRESSES)
def _address(
    name: str,
    args: tuple[Any, ...],
    named: tuple[tuple[str, Any], ...],
    urlconf: str | None,
    prefix: str,
) -> str:
    return reverse(name, urlconf=urlconf, args=args, kwargs=dict(named))


class AddressNode(URLNode):
    """The `url` tag of Django, which remembers addresses of plain arguments."""

    def render(self, context: Context) -> str:
        args = tuple(arg.resolve(context) for arg in self.args)
        named = tuple((key, value.resolve(context)) for key, value in self.kwargs.items())
        name = self.view_name.resolve(context)
        if not all(type(value) in (str, int) for value in (*args, *dict(named).values())):
            return str(super().render(context))
        try:
            address = _address(name, args, named, get_urlconf(), get_script_prefix())
        except NoReverseMatch:
            return str(super().render(context))
        if self.asvar:
            context[self.asvar] = address
            return ""
        return conditional_escape(address) if context.autoescape else address


@register.tag
def url(parser: Parser, token: Token) -> AddressNode:
    """As in Django."""
    node: URLNode = parse_url(parser, token)
    return AddressNode(node.view_name, node.args, node.kwargs, node.asvar)
