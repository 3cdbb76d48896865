"""Reused components and addresses equal those of Django."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.template import Context, Template, TemplateSyntaxError
from django.template.defaulttags import URLNode
from django.utils.formats import date_format
from django.utils.safestring import mark_safe

from checks.templatetags import findings, timestamps
from onboarding.plans.rows import Shape
from tenants.templatetags.reuse import AddressNode

COMPONENT = re.compile(r'{% component "([^"]+)"')


def _rendered(tag: str, **values: object) -> str:
    name = "components/verdict.html"
    text = f'{{% {tag} "{name}" with shape=shape word=word is_decorative=plain only %}}'
    return Template(text).render(Context(values))


@pytest.mark.parametrize("shape", Shape)
@pytest.mark.parametrize("word", ["", "Done", "<b>", mark_safe("<b>"), None])
def test_component_equals_include(shape: Shape, word: str | None) -> None:
    for plain in (True, False):
        values = {"shape": shape, "word": word, "plain": plain}

        assert _rendered("component", **values) == _rendered("include", **values)
        # The second time is a reuse.
        assert _rendered("component", **values) == _rendered("include", **values)


def test_component_escapes_like_include() -> None:
    safe, unsafe = _rendered("component", word=mark_safe("<b>")), _rendered("component", word="<b>")

    assert "<b>" in safe
    assert "&lt;b&gt;" in unsafe


def test_component_needs_plain_values() -> None:
    with pytest.raises(TypeError, match="plain values"):
        _rendered("component", word=["changes"])


def test_component_without_only_is_refused() -> None:
    with pytest.raises(TemplateSyntaxError, match="only"):
        Template('{% component "components/chevron.html" %}')


def _components() -> Iterator[Path]:
    templates = settings.BASE_DIR / "templates"
    for path in templates.rglob("*.html"):
        yield from (templates / name for name in COMPONENT.findall(path.read_text()))


def test_components_depend_on_values_alone() -> None:
    # The current time, tokens and the request change without a value.
    impure = re.compile(r"csrf_token|timestamps|\bnow\b|request|user\.")

    found = set(_components())

    assert len(found) == 3
    assert [path.name for path in found if impure.search(path.read_text())] == []


@pytest.mark.parametrize("arguments", ["'a b'", "id", "safe"])
def test_address_equals_that_of_django(arguments: str) -> None:
    values = {"id": "abc&d", "safe": mark_safe("x&y")}
    own = Template(f"{{% url 'onboarding:plan-show' {arguments} %}}")
    node = own.nodelist[0]
    assert isinstance(node, AddressNode)

    expected = URLNode(node.view_name, node.args, node.kwargs, None).render(Context(values))

    assert [own.render(Context(values)) for _ in range(2)] == [expected, expected]


def test_address_as_variable_may_be_missing() -> None:
    text = "{% url 'no-such-page' as address %}[{{ address }}]"

    assert Template(text).render(Context()) == "[]"


def test_title_of_time_equals_format_of_django() -> None:
    begin = datetime(2026, 1, 1, 0, 4, 9, tzinfo=UTC)
    times = [begin + timedelta(days=day, hours=day % 24) for day in range(800)]

    expected = [f"{date_format(at, 'D j M Y, H:i:s')} UTC" for at in times]

    assert [timestamps._utc_title(at) for at in times] == expected


def test_reused_sentence_depends_on_parameters() -> None:
    def shown(domain: str) -> str:
        return findings.finding({"code": "dmarc.none", "params": {"domain": domain}})

    assert shown("one.test") == shown("two.test").replace("two.test", "one.test")
    assert "one.test" in shown("one.test")
