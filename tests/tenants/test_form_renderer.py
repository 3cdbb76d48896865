"""Widgets without templates equal those of Django."""

from __future__ import annotations

from datetime import date, time

import pytest
from django import forms
from django.forms.renderers import DjangoTemplates
from django.utils.safestring import mark_safe

from tenants.form_renderer import FormRenderer

VALUES = ["", None, "a", "<b> & \"c\" 'd'", mark_safe("<i>"), 0, 1000, 1.5, date(2026, 1, 2)]
ATTRIBUTES = [
    {},
    {"class": "control", "required": True, "disabled": False, "maxlength": 1000},
    {"data-x": '<"&>', "title": mark_safe("&lt;"), "id": "id_name"},
]
INPUTS = [
    forms.TextInput,
    forms.NumberInput,
    forms.EmailInput,
    forms.URLInput,
    forms.HiddenInput,
    forms.DateInput,
    forms.TimeInput,
    forms.PasswordInput,
    forms.CheckboxInput,
    forms.Textarea,
    forms.FileInput,
    forms.SplitDateTimeWidget,
]
CHOICES = [
    ("", "None"),
    ("a", "<b>A</b>"),
    (1000, 1000),
    ("safe", mark_safe("<i>safe</i>")),
    ('q"', "Quotes"),
    ("Group <1>", [("x", "X"), ("y", "Y & Z")]),
]
SELECTS = [forms.Select, forms.SelectMultiple, forms.RadioSelect]


@pytest.mark.parametrize("attributes", ATTRIBUTES)
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("widget", INPUTS)
def test_input_equals_that_of_django(
    widget: type[forms.Widget], value: object, attributes: dict[str, object]
) -> None:
    if widget is forms.SplitDateTimeWidget:
        value = [date(2026, 1, 2), time(3, 4)]

    own, expected = (
        widget().render("a<b", value, attributes, renderer)
        for renderer in (FormRenderer(), DjangoTemplates())
    )

    assert own == expected
    assert hasattr(own, "__html__")


@pytest.mark.parametrize("attributes", ATTRIBUTES)
@pytest.mark.parametrize("value", ["", None, "a", 1000, "y", ["a", "y"], "no choice"])
@pytest.mark.parametrize("widget", SELECTS)
def test_select_equals_that_of_django(
    widget: type[forms.Select], value: object, attributes: dict[str, object]
) -> None:
    made = widget(choices=CHOICES)

    own, expected = (
        made.render("name", value, attributes, renderer)
        for renderer in (FormRenderer(), DjangoTemplates())
    )

    assert own == expected


def test_project_uses_the_renderer() -> None:
    assert isinstance(forms.Form().renderer, FormRenderer)
