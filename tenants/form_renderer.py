"""The renderer of form widgets: inputs and selects without templates, all others as in Django.

Django renders every option of a select and the attributes of every input with templates of their
own, which takes half of the time of a page with many fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.forms.renderers import DjangoTemplates
from django.http import HttpRequest
from django.utils.formats import localize
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

_FOLDER = "django/forms/widgets/"
_INPUTS = {
    f"{_FOLDER}{name}.html"
    for name in ("date", "email", "hidden", "number", "search", "tel", "text", "time", "url")
}
_SELECT, _OPTION = f"{_FOLDER}select.html", f"{_FOLDER}select_option.html"

Widget = Mapping[str, Any]


class FormRenderer(DjangoTemplates):
    """Returns the same text as the renderer of Django."""

    def render(
        self, template_name: str, context: Mapping[str, Any], request: HttpRequest | None = None
    ) -> SafeString:
        if template_name in _INPUTS:
            return mark_safe(_input(context["widget"]))
        if template_name == _SELECT and _has_plain_options(context["widget"]):
            return mark_safe(_select(context["widget"]))
        text: str = super().render(template_name, dict(context), request)
        return mark_safe(text)


def _input(widget: Widget) -> str:
    value = widget["value"]
    value_text = "" if value is None else f' value="{_escaped(value)}"'
    name = conditional_escape(widget["name"])
    return f'<input type="{widget["type"]}" name="{name}"{value_text}{_attributes(widget)}>'


def _has_plain_options(widget: Widget) -> bool:
    return all(
        option["template_name"] == _OPTION
        for _, options, _ in widget["optgroups"]
        for option in options
    )


def _select(widget: Widget) -> str:
    lines = [f'<select name="{conditional_escape(widget["name"])}"{_attributes(widget)}>']
    for group, options, _ in widget["optgroups"]:
        if group:
            lines.append(f'  <optgroup label="{_shown(group)}">')
        lines += [
            f'  <option value="{_escaped(option["value"])}"{_attributes(option)}>'
            f"{_shown(option['label'])}</option>\n"
            for option in options
        ]
        if group:
            lines.append("  </optgroup>")
    return "\n".join([*lines, "</select>"])


def _attributes(widget: Widget) -> str:
    return "".join(
        f" {conditional_escape(name)}" + ("" if value is True else f'="{_escaped(value)}"')
        for name, value in widget["attrs"].items()
        if value is not False
    )


def _escaped(value: object) -> str:
    """The value without localisation: 1000 stays 1000."""
    return conditional_escape(value if isinstance(value, str) else str(value))


def _shown(value: object) -> str:
    shown: Any = localize(value)
    return conditional_escape(shown)
