"""The glossary: its data, its page and its tag."""

from __future__ import annotations

import pytest
from django.template import Context, Template
from django.urls import reverse

from checks.models import KIND_CHOICES
from tenants.glossary import find, terms
from tenants.models import User
from tests.factories import SignIn

# Their names are plain words.
WITHOUT_TERM = {"Message", "Received message"}


def _render(*texts: str) -> str:
    lines = "".join(f'{{% term "{text}" %}}' for text in texts)
    return Template("{% load glossary %}" + lines).render(Context())


@pytest.mark.parametrize("label", sorted({label for _, label in KIND_CHOICES} - WITHOUT_TERM))
def test_every_check_has_a_term(label: str) -> None:
    assert find(label) is not None


def test_spellings_are_unique() -> None:
    spellings = [s.casefold() for t in terms().values() for s in {t.title, *t.aliases}]

    assert len(spellings) == len(set(spellings))


def test_meaning_is_short_and_has_a_source() -> None:
    wrong = [
        key for key, term in terms().items() if not term.source or not 20 < len(term.text) < 140
    ]

    assert wrong == []


def test_unknown_text_is_escaped() -> None:
    template = Template("{% load glossary %}{% term text %}")

    assert template.render(Context({"text": "<b>"})) == "&lt;b&gt;"


def test_repeated_term_has_its_own_id() -> None:
    html = _render("DKIM", "DKIM")

    assert [html.count(f'id="term-dkim-{number}"') for number in (1, 2, 3)] == [1, 1, 0]


def test_page_lists_every_term(consultant: User, signed_in: SignIn) -> None:
    html = signed_in(consultant).get(reverse("tenants:glossary")).content.decode()

    assert [key for key in terms() if f'<div id="{key}">' not in html] == []
