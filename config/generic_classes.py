"""Classes of Django that typed code subscripts, although Django itself does not allow it.

`django_stubs_ext.monkeypatch` does the same for sixty classes. It imports half of Django with them,
which every command and worker would pay for at its start.
"""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.forms.formsets import BaseFormSet
from django.forms.models import BaseModelForm, ModelChoiceField

CLASSES: tuple[type[Any], ...] = (BaseFormSet, BaseModelForm, ModelChoiceField, Paginator)


def _itself(cls: type[Any], _: object) -> type[Any]:
    return cls


def allow_subscripts() -> None:
    """Let `BaseModelForm[Task]` and its like return the class. Safe to repeat."""
    for each in CLASSES:
        each.__class_getitem__ = classmethod(_itself)
