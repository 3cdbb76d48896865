"""The glossary: its data, its page and its tag."""

from __future__ import annotations

import re

import pytest
from django.template import Context, Template
from django.urls import reverse

from checks.models import KIND_CHOICES
from tenants.glossary import find, occurrences, terms
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


# --- Terms in a text


def _marked(text: str) -> list[str]:
    return [text[start:end] for start, end, _ in occurrences(text)]


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("Lower the MX TTL of all MX records.", ["MX TTL", "MX records"]),
        ("Publish the DKIM key, under its selector.", ["DKIM", "selector"]),
        ("Check the smart hosts and the cutovers.", ["smart hosts", "cutover"]),
        ("An MTA-STS policy (RFC 8461) and TLS.", ["MTA-STS", "TLS"]),
        ("“SPF” or (DMARC)?", ["SPF", "DMARC"]),
        ("Read https://dns.test/SPF?q=MX and mx.MX.test.", []),
        ("Write to DKIM@mail.test, or use `TXT` in _dmarc.MX.", []),
        ("The value v=SPF1 of a txt file at the mx", []),
        ("The MX-style host has no TLSA and no SPFs2.", []),
        ("", []),
    ],
)
def test_terms_of_a_text(text: str, marked: list[str]) -> None:
    assert _marked(text) == marked


def test_first_use_in_all_texts_is_marked() -> None:
    template = Template(
        "{% load glossary %}{% explain_terms 'one' do=do why=why as e %}{{ e.do }}|{{ e.why }}"
    )

    html = template.render(Context({"do": "SPF, then SPF & <b> DKIM", "why": "DKIM or MX"}))

    do, why = html.split("|")
    assert re.findall(r'popovertarget="([^"]*)"', do) == ["term-spf-one", "term-dkim-one"]
    assert re.findall(r'popovertarget="([^"]*)"', why) == ["term-mx-one"]
    assert "then SPF &amp; &lt;b&gt; <button" in do
    assert why.startswith("DKIM or <button")


def test_missing_text_is_empty() -> None:
    template = Template("{% load glossary %}{% explain_terms 'one' why=why as e %}[{{ e.why }}]")

    assert template.render(Context({"why": None})) == "[]"


@pytest.mark.parametrize("piece", ["`", "MX ", "a.", "(", "MX record", " s", "@/"])
def test_marking_takes_linear_time(piece: str) -> None:
    """A quadratic search would need hours for this text."""
    found = list(occurrences(piece * 200_000))

    assert len(found) in (0, 1, 200_000)


def test_term_adds_no_space_before_a_comma() -> None:
    template = Template("{% load glossary %}{% explain_terms 'one' do='DNS, MX' as e %}{{ e.do }}")

    html = template.render(Context())

    assert "</span>, <button" in html
    assert html.count("</button><span") == 2
